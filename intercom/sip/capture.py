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
MAX_SUBSCRIBERS = 8


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
        self, now: float, is_out: bool, data: bytes, peer: Address, is_known: bool  # noqa: FBT001
    ) -> None:
        """Note a message; positional and plain, since it is done for every one."""
        message = Captured(now, is_out, data, peer)
        (self._known if is_known else self._strangers).add(message)
        if self._taps:
            for tap in self._taps:
                tap(message)

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
        return merge(list(self._known.messages), list(self._strangers.messages), key=_at)

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
        while self._links and now - next(iter(self._links.values())).at >= 2 * KEEP_S:
            self._links.popitem(last=False)

    def subscribe(self, tap: Tap) -> Callable[[], None]:
        """Call `tap` with each further message until the returned function is called.

        `tap` must return at once and not raise. Beyond 8 listeners the oldest is dropped.
        """
        self._taps = (*self._taps, tap)[-MAX_SUBSCRIBERS:]

        def unsubscribe() -> None:
            self._taps = tuple(each for each in self._taps if each is not tap)

        return unsubscribe


class _Ring:
    __slots__ = ("max_bytes", "max_messages", "messages", "pushed_out", "size_bytes")

    def __init__(self, max_bytes: int, max_messages: int) -> None:
        self.max_bytes = max_bytes
        self.max_messages = max_messages
        self.messages: deque[Captured] = deque()
        self.size_bytes = 0
        self.pushed_out = 0

    def add(self, message: Captured) -> None:
        messages = self.messages
        messages.append(message)
        self.size_bytes += len(message[2]) + OVERHEAD_BYTES
        if self.size_bytes > self.max_bytes or len(messages) > self.max_messages:
            self._make_room()
        if messages and message[0] - messages[0][0] >= KEEP_S:
            self.forget_old(message[0])

    def forget_old(self, now: float) -> None:
        while self.messages and now - self.messages[0].at >= KEEP_S:
            self._drop()

    def _make_room(self) -> None:
        while self.size_bytes > self.max_bytes or len(self.messages) > self.max_messages:
            self._drop()
            self.pushed_out += 1

    def _drop(self) -> None:
        self.size_bytes -= len(self.messages.popleft().data) + OVERHEAD_BYTES


def _at(message: Captured) -> float:
    return message.at
