"""The SIP messages of the last 15 minutes, for the operator's ladder: in memory alone (requirement A12).

Noting a message keeps a reference to its bytes and costs less than a microsecond; who looks at them masks and
formats them then. Strangers' messages have a ring of their own, so that scanners do not push out real calls.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from heapq import merge
from typing import NamedTuple

from intercom.sip.address import Address
from intercom.trace import KEEP_S

MAX_BYTES = 8 << 20
STRANGERS_SHARE = 4
"""The strangers' ring gets one part of so many."""
MAX_MESSAGES = 16_000
OVERHEAD_BYTES = 400
"""What Python needs for each message beside its bytes; it counts as well."""
MAX_LINKS = 8_192
LINK_S = KEEP_S + 300.0
"""So long a Call-ID's leg is known: no call is longer than five minutes, and its last message is kept too."""


class Captured(NamedTuple):
    """One message, as it was received or sent."""

    at: float
    """Monotonic seconds."""
    is_out: bool
    data: bytes
    peer: Address


class Link(NamedTuple):
    """Which leg of a call a Call-ID belongs to."""

    at: float
    leg_id: str
    label: str
    """Who is there: "panel main", "trunk carrier"."""


Tap = Callable[[Captured], None]
_Plain = tuple[float, bool, bytes, Address]


class Capture:
    """Two bounded rings, of known peers and of strangers, and what is known about Call-IDs."""

    def __init__(self, *, max_bytes: int = MAX_BYTES, max_messages: int = MAX_MESSAGES) -> None:
        self._strangers = _Ring(max_bytes // STRANGERS_SHARE, max_messages // STRANGERS_SHARE)
        self._known = _Ring(
            max_bytes - self._strangers.max_bytes, max_messages - self._strangers.max_messages
        )
        self._links: OrderedDict[str, Link] = OrderedDict()
        self._taps: tuple[Tap, ...] = ()

    def note(
        self,
        now: float,
        is_out: bool,
        data: bytes,
        peer: Address,
        is_known: bool,
    ) -> None:
        """Note a message; positional and plain, since it is done for every one."""
        ring = self._known if is_known else self._strangers
        messages = ring.messages
        messages.append((now, is_out, data, peer))  # a NamedTuple takes twice as long to make
        ring.size_bytes += len(data) + OVERHEAD_BYTES
        if ring.size_bytes > ring.max_bytes or len(messages) > ring.max_messages:
            ring.make_room()
        elif now - messages[0][0] >= KEEP_S:
            ring.forget_old(now)
        if self._taps:
            for tap in self._taps:
                tap(Captured(now, is_out, data, peer))

    def link(self, now: float, sip_call_id: str, leg_id: str, label: str) -> None:
        """Note which leg of ours a Call-ID belongs to."""
        self._links[sip_call_id] = Link(now, leg_id, label)
        self._links.move_to_end(sip_call_id)
        if len(self._links) > MAX_LINKS:
            self._links.popitem(last=False)

    def link_of(self, sip_call_id: str) -> Link | None:
        """Say which leg a Call-ID belongs to."""
        return self._links.get(sip_call_id)

    def messages(self, now: float) -> Iterator[Captured]:
        """Give every message, oldest first."""
        self.forget_old(now)
        both = list(self._known.messages), list(self._strangers.messages)
        return map(Captured._make, merge(*both, key=_at))

    @property
    def pushed_out(self) -> int:
        """How many messages of known peers made way before their 15 minutes were over."""
        return self._known.pushed_out

    @property
    def size_bytes(self) -> int:
        """What the rings take."""
        return self._known.size_bytes + self._strangers.size_bytes

    def forget_old(self, now: float) -> None:
        """Drop what is older than 15 minutes; to be called every minute, also when nothing comes."""
        self._known.forget_old(now)
        self._strangers.forget_old(now)
        while self._links and now - next(iter(self._links.values())).at >= LINK_S:
            self._links.popitem(last=False)

    def subscribe(self, tap: Tap) -> Callable[[], None]:
        """Call `tap` with each further message until the returned function is called.

        `tap` must return at once and not raise.
        """
        self._taps = (*self._taps, tap)

        def unsubscribe() -> None:
            self._taps = tuple(each for each in self._taps if each is not tap)

        return unsubscribe


class _Ring:
    __slots__ = ("max_bytes", "max_messages", "messages", "pushed_out", "size_bytes")

    def __init__(self, max_bytes: int, max_messages: int) -> None:
        self.max_bytes = max_bytes
        self.max_messages = max_messages
        self.messages: deque[_Plain] = deque()
        self.size_bytes = 0
        self.pushed_out = 0

    def forget_old(self, now: float) -> None:
        messages = self.messages
        while messages and now - messages[0][0] >= KEEP_S:
            self.size_bytes -= len(messages.popleft()[2]) + OVERHEAD_BYTES

    def make_room(self) -> None:
        messages, max_bytes = self.messages, self.max_bytes
        while self.size_bytes > max_bytes or len(messages) > self.max_messages:
            self.size_bytes -= len(messages.popleft()[2]) + OVERHEAD_BYTES
            self.pushed_out += 1


def _at(message: _Plain) -> float:
    return message[0]
