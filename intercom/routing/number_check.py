"""A check call as a machine: whoever answers a number confirms it by a key (requirement B11).

Only a person with this phone in the hand can confirm it: a key after the words, and never the first thing
that a machine sends. The key is the one that opens doors, so that the call also proves that this phone's
keys reach us.
"""

from dataclasses import dataclass
from enum import Enum

from intercom.routing.events import (
    DigitPressed,
    Event,
    LegAnswered,
    LegEnded,
    LegFailed,
    LegFailure,
)

RING_S = 40.0
ASK_AGAIN_S = 12.0
"""The words take about 7 s; who did not follow hears them once more."""
KEY_S = 30.0
"""From the answer until it is given up."""
THANKS_S = 5.0
"""For the words that say that it is done."""


class CheckResult(Enum):
    """What became of a check call."""

    CONFIRMED = "confirmed"
    NO_KEY = "no key"
    """Answered, and no key came: a machine, or somebody who did not want to."""
    NOT_ANSWERED = "not answered"
    BUSY = "busy"
    UNREACHABLE = "unreachable"
    """No such number, or no trunk that reaches it."""
    LIMITED = "too many calls"


class Act(Enum):
    """What is to be done."""

    ASK = "ask"
    """Play the words that ask for the key."""
    THANK = "thank"
    """Play the words that say that it is done."""
    HANG_UP = "hang up"


_FAILED = {
    LegFailure.BUSY: CheckResult.BUSY,
    LegFailure.DECLINED: CheckResult.BUSY,
    LegFailure.NO_ANSWER: CheckResult.NOT_ANSWERED,
    LegFailure.CANCELLED: CheckResult.NOT_ANSWERED,
    LegFailure.LIMITED: CheckResult.LIMITED,
}


class _State(Enum):
    RINGING = "ringing"
    ASKING = "asking"
    THANKING = "thanking"
    OVER = "over"


@dataclass(slots=True)
class NumberCheck:
    """One check call; times are monotonic seconds."""

    keys: frozenset[str]
    """Any of these confirms: the property's open keys."""
    deadline: float
    """When `time_passed` is due; `start` sets the first."""
    result: CheckResult | None = None
    """Known as soon as it is decided; the call may go on to say so."""
    _state: _State = _State.RINGING
    _answered_at: float = 0.0
    _has_asked_again: bool = False

    @classmethod
    def start(cls, keys: frozenset[str], now: float) -> "NumberCheck":
        """Begin when the phone is rung."""
        return cls(keys, now + RING_S)

    @property
    def is_over(self) -> bool:
        """Whether nothing follows any more."""
        return self._state is _State.OVER

    def handle(self, event: Event, now: float) -> Act | None:
        """Take an event of the phone's leg; whatever does not fit its state changes nothing."""
        match self._state, event:
            case _State.RINGING, LegAnswered():
                self._state, self._answered_at = _State.ASKING, now
                self.deadline = now + ASK_AGAIN_S
                return Act.ASK
            case _State.ASKING, DigitPressed(digit=digit) if digit in self.keys:
                self._state, self.result = _State.THANKING, CheckResult.CONFIRMED
                self.deadline = now + THANKS_S
                return Act.THANK
            case _State.RINGING, LegFailed(failure=failure):
                self._end(_FAILED.get(failure, CheckResult.UNREACHABLE))
            case ((_State.RINGING | _State.ASKING | _State.THANKING), LegEnded() | LegFailed()):
                self._end(CheckResult.NO_KEY)
            case _:  # other keys and late events: only an open key decides
                pass
        return None

    def time_passed(self, now: float) -> Act | None:
        """Go on when `deadline` is reached."""
        if self.is_over or now < self.deadline:
            return None
        if self._state is _State.RINGING:
            self._end(CheckResult.NOT_ANSWERED)
            return Act.HANG_UP
        if self._state is _State.ASKING and not self._has_asked_again:
            self._has_asked_again = True
            self.deadline = self._answered_at + KEY_S
            return Act.ASK
        self._end(CheckResult.NO_KEY)
        return Act.HANG_UP

    def _end(self, result: CheckResult) -> None:
        self._state = _State.OVER
        self.result = self.result or result
