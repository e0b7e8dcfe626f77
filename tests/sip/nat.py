"""Panels behind one NAT, and a forger who sends in that NAT's name; all on virtual time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from random import Random

from intercom.sip.address import Address
from intercom.sip.endpoint import Credentials, Endpoint, EndpointConfig
from intercom.sip.events import RegistrationSucceeded, SipEvent
from tests.loopback import token_source
from tests.sip.wire import OUR_ADDRESS, request

NAT_HOST = "198.51.100.7"
FIRST_PORT = 20_000
PASSWORD = "panel's own"
WAY_S = 0.01
"""Between the NAT and us, each way."""


def password_of(user: str) -> str | None:
    """Know panel-0 to panel-999."""
    name, _, number = user.partition("-")
    return PASSWORD if name == "panel" and number.isdecimal() and int(number) < 1000 else None


def router(**settings: object) -> Endpoint:
    """Build a service that has just started."""
    config = EndpointConfig(local=OUR_ADDRESS, password_of=password_of)
    for name, value in settings.items():
        assert hasattr(config, name)
        setattr(config, name, value)
    return Endpoint(config, token=token_source(11))


@dataclass
class Panels:
    """Real clients of ours, each at a port of the NAT."""

    count: int
    events: dict[int, list[SipEvent]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._ends = [
            Endpoint(
                EndpointConfig(local=Address(f"10.0.0.{n + 1}", 5060)), token=token_source(1000 + n)
            )
            for n in range(self.count)
        ]
        self.events = {n: [] for n in range(self.count)}

    def register(self, number: int, now: float) -> None:
        self._ends[number].register(
            now,
            registrar=OUR_ADDRESS,
            aor=f"sip:panel-{number}@192.0.2.1",
            credentials=Credentials(f"panel-{number}", PASSWORD),
            expires_s=300,
        )

    def run(self, number: int, now: float) -> None:
        """Let its timers run, and take its events."""
        end = self._ends[number]
        while (at := end.get_timer()) is not None and at <= now:
            end.handle_timer(now)
        while (event := end.next_event()) is not None:
            self.events[number].append(event)

    def sent(self, number: int) -> list[bytes]:
        return [datagram.data for datagram in self._ends[number].datagrams_to_send()]

    def receive(self, port: int, data: bytes, now: float) -> None:
        """Take what the NAT lets through: only what goes to a port of a panel."""
        number = port - FIRST_PORT
        if 0 <= number < self.count:
            self._ends[number].receive_datagram(data, OUR_ADDRESS, now)

    @property
    def registered(self) -> int:
        return sum(
            any(isinstance(event, RegistrationSucceeded) for event in events)
            for events in self.events.values()
        )


def forged(method: str, seed: int = 5) -> Iterator[tuple[bytes, Address]]:
    """Make requests of unknown users in the NAT's name, each from another port."""
    random = Random(seed)
    while True:
        mark = f"{random.getrandbits(64):016x}"
        data = request(method, branch=f"z9hG4bK{mark}", call_id=mark, from_tag=mark)
        data = data.replace(b"sip:ring@192.0.2.1>", f"sip:{mark}@192.0.2.1>".encode())
        yield data, Address(NAT_HOST, random.randrange(1024, 65_536))


@dataclass
class Wire:
    """The way between the NAT and us."""

    service: Endpoint
    panels: Panels
    _flying: list[tuple[float, bytes, int, bool]] = field(default_factory=list)
    """When it arrives, the bytes, the NAT's port, and whether they come to us."""

    def step(self, now: float) -> None:
        """Deliver what arrives now, and take up what is sent."""
        arrived = [each for each in self._flying if each[0] <= now]
        self._flying = [each for each in self._flying if each[0] > now]
        for _, data, port, is_inward in arrived:
            if is_inward:
                self.service.receive_datagram(data, Address(NAT_HOST, port), now)
            else:
                self.panels.receive(port, data, now)
        while self.service.next_event() is not None:
            pass
        for data, destination in self.service.datagrams_to_send():
            self._flying.append((now + WAY_S, data, destination.port, False))
        for number in range(self.panels.count):
            self.panels.run(number, now)
            for data in self.panels.sent(number):
                self._flying.append((now + WAY_S, data, FIRST_PORT + number, True))


def play(
    service: Endpoint,
    panels: Panels,
    *,
    duration_s: float,
    flood: Iterator[tuple[bytes, Address]],
    flood_rate: int,
    start: Callable[[int], float] = lambda number: 0.0,
) -> None:
    """Let panels register, each at its start, while the flood comes; 5 ms a step."""
    step_s, began_at = 0.005, 1000.0
    wire = Wire(service, panels)
    waiting = list(range(panels.count))
    for step in range(int(duration_s / step_s)):
        now = began_at + step * step_s
        for number in [each for each in waiting if began_at + start(each) <= now]:
            waiting.remove(number)
            panels.register(number, now)
        for data, source in islice(flood, int(flood_rate * step_s)):
            service.receive_datagram(data, source, now)
        wire.step(now)
