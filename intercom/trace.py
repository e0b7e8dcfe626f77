"""The steps of the last calls, hop by hop, for the person who has to find out what went wrong.

They live in memory alone, for 15 minutes, and are never written anywhere: of a residential property
nothing about a call may be stored (requirement A12).
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

KEEP_S = 15 * 60.0  # requirement A12: a memory ring for 15 minutes
MAX_CALLS = 500
MAX_STEPS = 200
"""Of one call; what comes later is counted, not kept."""
MAX_TEXT = 200
MAX_SUBSCRIBERS = 16
MAX_LEGS = 4_000
"""Of all calls together: who belongs to which call."""

Fact = str | int | float | bool | None
_NO_FACTS: Mapping[str, Fact] = MappingProxyType({})


class Hop(Enum):
    """A place on the way of a press."""

    PRESS = "press"
    PROGRESS = "progress"
    """Ringback, sound and picture towards the panel."""
    APP_RING = "app ring"
    PICTURE_READY = "picture ready"
    """The app shows the visitor."""
    PHONE_RING = "phone ring"
    PHONE_PROGRESS = "phone progress"
    """The carrier says that it rings."""
    PHONE_ANSWER = "phone answer"
    ANSWER = "answer"
    CONNECTED = "connected"
    PATH = "path"
    """Sound or picture that stopped, came back or goes one way alone, and why."""
    PROMPT = "prompt"
    KEY = "key"
    OPEN_COMMAND = "open command"
    RELAY = "relay"
    """What the door was measured to do."""
    TONE = "tone"
    CANCELLED = "cancelled"
    DECLINED = "declined"
    REFUSED = "refused"
    FAILED = "failed"
    """One leg, not the call."""
    HANG_UP = "hang up"
    FAULT = "fault"
    """An error of the service itself."""


class Step(NamedTuple):
    """One step; a call has about ten, so they must be cheap to make."""

    call_id: str
    at: float
    """Monotonic seconds."""
    since_start_ms: int
    hop: Hop
    text: str = ""
    facts: Mapping[str, Fact] = _NO_FACTS


@dataclass(slots=True)
class TracedCall:
    call_id: str
    started_at: float
    steps: list[Step] = field(default_factory=list)
    dropped: int = 0
    """Steps that came after the call's memory was full."""

    @property
    def last_at(self) -> float:
        """When its latest step came."""
        return self.steps[-1].at


class Trace:
    """A bounded ring of calls; the newest push out the oldest."""

    def __init__(
        self, clock: Callable[[], float], *, keep_s: float = KEEP_S, max_calls: int = MAX_CALLS
    ) -> None:
        self._clock = clock
        self._keep_s = keep_s
        self._max_calls = max_calls
        self._calls: OrderedDict[str, TracedCall] = OrderedDict()
        self._subscribers: list[Callable[[Step], None]] = []
        self._call_of_leg: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def claim(self, leg_id: str, call_id: str) -> None:
        """Note that a leg belongs to a call from now on."""
        self._call_of_leg[leg_id] = call_id, self._clock()
        self._call_of_leg.move_to_end(leg_id)
        if len(self._call_of_leg) > MAX_LEGS:
            self._call_of_leg.popitem(last=False)

    def call_of(self, leg_id: str) -> str:
        """Say which call a leg belongs to; empty when it is not known any more."""
        return self._call_of_leg.get(leg_id, ("", 0.0))[0]

    def step(self, call_id: str, hop: Hop, text: str = "", **facts: Fact) -> None:
        """Note one step of a call, now."""
        now = self._clock()
        call = self._calls.get(call_id)
        if call is None:
            self.forget_old(now)
            call = self._calls[call_id] = TracedCall(call_id, now)
            while len(self._calls) > self._max_calls:
                self._calls.popitem(last=False)
        if len(call.steps) >= MAX_STEPS:
            call.dropped += 1
            return
        since_start_ms = round((now - call.started_at) * 1000)
        short = {name: _short(fact) for name, fact in facts.items()} if facts else _NO_FACTS
        step = Step(call_id, now, since_start_ms, hop, text[:MAX_TEXT], short)
        call.steps.append(step)
        if self._subscribers:
            for tell in tuple(self._subscribers):
                tell(step)

    def calls(self, now: float | None = None) -> list[TracedCall]:
        """List the calls of the last 15 minutes, oldest first."""
        self.forget_old(self._clock() if now is None else now)
        return [
            TracedCall(call.call_id, call.started_at, list(call.steps), call.dropped)
            for call in self._calls.values()
        ]

    def find(self, call_id: str) -> TracedCall | None:
        """Give one call as it is now, to be read at once."""
        return self._calls.get(call_id)

    def forget_old(self, now: float) -> None:
        """Drop what is older than 15 minutes; to be called every minute, also when nothing rings."""
        while self._calls:
            oldest = next(iter(self._calls.values()))
            if now - oldest.started_at < self._keep_s:
                break  # the ring is in order of the calls' starts
            del self._calls[oldest.call_id]
        self._forget_old_legs(now)

    def _forget_old_legs(self, now: float) -> None:
        while self._call_of_leg:
            leg_id, (_, since_at) = next(iter(self._call_of_leg.items()))
            if now - since_at < self._keep_s:
                return
            del self._call_of_leg[leg_id]

    def subscribe(self, tell: Callable[[Step], None]) -> Callable[[], None]:
        """Call `tell` with each further step until the returned function is called.

        `tell` must return at once and not raise. Beyond 16 listeners the oldest is dropped.
        """
        self._subscribers.append(tell)
        del self._subscribers[:-MAX_SUBSCRIBERS]

        def unsubscribe() -> None:
            if tell in self._subscribers:
                self._subscribers.remove(tell)

        return unsubscribe


def _short(fact: Fact) -> Fact:
    return fact[:MAX_TEXT] if isinstance(fact, str) else fact
