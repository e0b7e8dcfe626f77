"""A network that loses, doubles, delays and reorders: between sipp's panels, the router, and sipp's phones.

panel ──► panels' address ──► lane n ──► router ──► lane n's phone address ──► phone     (and back)

A lane is one call with a seed of its own: what becomes of its nth packet in a direction is the seed's.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

Address = tuple[str, int]
Send = Callable[[bytes], None]

LOSS = 0.20
DOUBLE = 0.05
REORDER = 0.10
DELAY_S = 0.02
REORDER_S = 0.25
_CALL_ID = re.compile(rb"^(?:Call-ID|i)\s*:\s*(\S+)", re.MULTILINE | re.IGNORECASE)
_INVITE = re.compile(rb"^CSeq\s*:\s*\d+ INVITE", re.MULTILINE | re.IGNORECASE)


class _Socket(asyncio.DatagramProtocol):
    """One UDP socket; what arrives goes to a callable."""

    def __init__(self, take: Callable[[bytes, Address], None]) -> None:
        self._take = take
        self.transport: asyncio.DatagramTransport

    @property
    def address(self) -> Address:
        host, port = self.transport.get_extra_info("sockname")
        return str(host), int(port)

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._take(data, addr)

    def error_received(self, exc: OSError) -> None:
        """Do nothing: whoever was sent to is gone, as it may be."""


@dataclass(slots=True)
class Lane:
    """One call's network."""

    seed: int
    phone_address: Address = ("", 0)
    """Where the router calls this lane's phone."""
    fates: Counter[str] = field(default_factory=Counter)
    answered: set[bytes] = field(default_factory=set)
    """Call-IDs that the phone answered with 200."""
    panel: Address | None = None
    to_router: Send = lambda data: None
    _random: dict[int, Random] = field(init=False)

    def __post_init__(self) -> None:
        self._random = {way: Random(f"{self.seed} {way}") for way in range(4)}

    def pass_on(self, way: int, data: bytes, send: Send) -> None:
        """Let the seed say what becomes of a packet; `way` is one of four directions."""
        random = self._random[way]
        is_lost, is_doubled = random.random() < LOSS, random.random() < DOUBLE
        delay_s = DELAY_S * random.random()
        if random.random() < REORDER:
            delay_s += REORDER_S
            self.fates["late"] += 1
        self.fates["lost" if is_lost else "passed"] += 1
        self.fates["doubled"] += is_doubled
        loop = asyncio.get_running_loop()
        for _ in range((not is_lost) + is_doubled):
            loop.call_later(delay_s, send, data)
            delay_s += DELAY_S


class LossyNetwork:
    """All the lanes; the panels send to `address`, and their Call-ID begins with the lane's number."""

    def __init__(self, router: Address, phone: Address, lanes: list[Lane]) -> None:
        self.lanes = lanes
        self._router, self._phone = router, phone
        self._panels: _Socket

    @property
    def address(self) -> Address:
        return self._panels.address

    async def open(self, sockets: list[_Socket]) -> None:
        """Open the panels' socket and three for each lane."""
        self._panels = await _opened(self._from_panel, sockets)
        for lane in self.lanes:
            await self._open_lane(lane, sockets)

    async def _open_lane(self, lane: Lane, sockets: list[_Socket]) -> None:
        def to_panel(data: bytes) -> None:
            if lane.panel is not None:
                self._panels.transport.sendto(data, lane.panel)

        def to_phone(data: bytes) -> None:
            toward_phone.transport.sendto(data, self._phone)

        def from_phone(data: bytes, _: Address) -> None:
            found = _CALL_ID.search(data)
            if data.startswith(b"SIP/2.0 200") and _INVITE.search(data) and found:
                lane.answered.add(found[1])
            lane.pass_on(3, data, lambda each: front.transport.sendto(each, self._router))

        up = await _opened(lambda data, _: lane.pass_on(1, data, to_panel), sockets)
        front = await _opened(lambda data, _: lane.pass_on(2, data, to_phone), sockets)
        toward_phone = await _opened(from_phone, sockets)
        lane.phone_address = front.address
        lane.to_router = lambda data: up.transport.sendto(data, self._router)

    def _from_panel(self, data: bytes, source: Address) -> None:
        found = _CALL_ID.search(data)
        number = int(found[1].partition(b"-")[0]) if found else 0
        if 1 <= number <= len(self.lanes):
            lane = self.lanes[number - 1]
            lane.panel = source
            lane.pass_on(0, data, lane.to_router)


async def _opened(take: Callable[[bytes, Address], None], sockets: list[_Socket]) -> _Socket:
    loop = asyncio.get_running_loop()
    _, one = await loop.create_datagram_endpoint(lambda: _Socket(take), ("127.0.0.1", 0))
    sockets.append(one)
    return one


@asynccontextmanager
async def lossy_network(
    router: Address, phone: Address, seeds: range
) -> AsyncIterator[LossyNetwork]:
    """Run the network while the context lasts."""
    network = LossyNetwork(router, phone, [Lane(seed) for seed in seeds])
    sockets: list[_Socket] = []
    try:
        await network.open(sockets)
        yield network
    finally:
        for each in sockets:
            each.transport.close()
