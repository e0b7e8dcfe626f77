"""A network of SIP endpoints on virtual time, with seeded loss, duplication and reordering."""

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import TypeVar

from intercom.sip.address import Address, Datagram
from intercom.sip.endpoint import Endpoint, EndpointConfig
from intercom.sip.events import SipEvent

_E = TypeVar("_E", bound=SipEvent)
MAX_STEPS = 100_000


def token_source(seed: int) -> Callable[[int], str]:
    """Make a `token(n)` that gives the same characters in each run."""
    random = Random(seed)
    return lambda length: f"{random.getrandbits(4 * length):0{length}x}"


@dataclass
class Node:
    """One endpoint at one address, with the events that it told."""

    endpoint: Endpoint
    address: Address
    events: list[SipEvent] = field(default_factory=list)
    on_event: Callable[[SipEvent], None] | None = None

    def all(self, kind: type[_E]) -> list[_E]:
        """List its events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def last(self, kind: type[_E]) -> _E:
        """Return its newest event of a kind."""
        return self.all(kind)[-1]


@dataclass
class Sent:
    """One datagram that was sent, whether it arrived or not."""

    at: float
    source: Address
    datagram: Datagram

    @property
    def start(self) -> str:
        """Its start line."""
        return self.datagram.data.split(b"\r\n", 1)[0].decode()


class Loopback:
    """The network; `drop` may decide about single datagrams."""

    def __init__(
        self,
        *,
        seed: int = 1,
        loss: float = 0.0,
        duplication: float = 0.0,
        delay_s: float = 0.01,
        jitter_s: float = 0.0,
    ) -> None:
        self.now = 1000.0
        self.sent: list[Sent] = []
        self.drop: Callable[[Sent], bool] = lambda sent: False
        self._random = Random(seed)
        self._loss, self._duplication = loss, duplication
        self._delay_s, self._jitter_s = delay_s, jitter_s
        self._nodes: dict[Address, Node] = {}
        self._flying: list[tuple[float, int, Datagram, Address]] = []
        self._count = count()

    def add(self, host: str, port: int = 5060, **settings: object) -> Node:
        """Put an endpoint there."""
        address = Address(host, port)
        config = EndpointConfig(local=address)
        for name, value in settings.items():
            assert hasattr(config, name)
            setattr(config, name, value)
        endpoint = Endpoint(config, token=token_source(len(self._nodes) + 1))
        node = self._nodes[address] = Node(endpoint, address)
        return node

    def inject(self, data: bytes, source: Address, destination: Address) -> None:
        """Let something arrive at once."""
        heappush(self._flying, (self.now, next(self._count), Datagram(data, destination), source))

    def run(self, duration_s: float) -> None:
        """Let virtual time pass."""
        end = self.now + duration_s
        self._collect()
        for _ in range(MAX_STEPS):
            at = self._next_at()
            if at is None or at > end:
                self.now = end
                return
            self.now = max(self.now, at)
            self._step()
            self._collect()
        raise AssertionError("the endpoints never come to rest")

    def starts(self, source: Node, *, to: Node | None = None) -> list[str]:
        """List the start lines of what a node sent."""
        return [
            sent.start
            for sent in self.sent
            if sent.source == source.address
            and (to is None or sent.datagram.destination == to.address)
        ]

    def _next_at(self) -> float | None:
        times = [node.endpoint.get_timer() for node in self._nodes.values()]
        times += [flying[0] for flying in self._flying[:1]]
        return min((at for at in times if at is not None), default=None)

    def _step(self) -> None:
        while self._flying and self._flying[0][0] <= self.now:
            _, _, datagram, source = heappop(self._flying)
            node = self._nodes.get(datagram.destination)
            if node is not None:
                node.endpoint.receive_datagram(datagram.data, source, self.now)
                self._collect()
        for node in self._nodes.values():
            node.endpoint.handle_timer(self.now)

    def _collect(self) -> None:
        for node in self._nodes.values():
            while (event := node.endpoint.next_event()) is not None:
                node.events.append(event)
                if node.on_event is not None:
                    node.on_event(event)
        for node in self._nodes.values():
            for datagram in node.endpoint.datagrams_to_send():
                self._fly(Sent(self.now, node.address, datagram))

    def _fly(self, sent: Sent) -> None:
        self.sent.append(sent)
        if self.drop(sent):
            return
        copies = 2 if self._random.random() < self._duplication else 1
        for _ in range(copies):
            if self._random.random() >= self._loss:
                at = self.now + self._delay_s + self._random.random() * self._jitter_s
                heappush(self._flying, (at, next(self._count), sent.datagram, sent.source))
