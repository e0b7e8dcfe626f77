"""The hard limits of a call, and the timers that enforce them."""

from collections.abc import ItemsView
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Limits:
    talk_s: float = 120.0
    """Longest talk, counted from the moment when the visitor and the resident hear each other."""
    talk_warning_s: float = 10.0
    """Both hear a tone this long before the talk's end."""
    call_s: float = 180.0
    """Longest call, from the press to the end, whatever happens in it."""
    ask_for_key_s: float = 35.0
    """A phone that was answered is asked for a key after this."""
    accept_s: float = 45.0
    """A phone that was answered, but pressed no key, is hung up after this."""
    max_openings: int = 3
    """Openings a call; an attempt that certainly did not open is not counted."""
    door_answer_s: float = 10.0
    """A door that has said nothing after this counts as unknown."""
    close_after_pulse_s: float = 10.0
    """The call ends this long after the last pulse."""
    retry_s: float = 30.0
    """After an attempt that did not open, whoever asked while it rang has this long for another."""
    max_legs: int = 32
    """Legs a call: an app whose connection flaps is not rung for ever."""
    is_talk_before_key: bool = True
    """Whether a phone that was answered can talk at once, or only after a key (requirement B4)."""


class Timer(Enum):
    STAGE = "stage"
    """The next stage of the plan begins."""
    ASK_FOR_KEY = "ask for key"
    ACCEPT = "accept"
    """The answered phone has pressed no key."""
    TALK_WARNING = "talk warning"
    TALK = "talk"
    DOOR = "door"
    """The door has not answered."""
    CLOSE = "close"
    """The call ends after an opening."""
    CALL = "call"


class Timers:
    """Which timers run, and when each is due; times are monotonic seconds."""

    def __init__(self, due_at: dict[Timer, float] | None = None) -> None:
        self._due_at = {} if due_at is None else due_at

    def copy(self) -> "Timers":
        """Make an independent copy."""
        return Timers(self._due_at.copy())

    def set(self, timer: Timer, at: float) -> None:
        """Start a timer, or move it."""
        self._due_at[timer] = at

    def clear(self, timer: Timer) -> None:
        """Stop a timer if it runs."""
        self._due_at.pop(timer, None)

    def keep(self, timers: frozenset[Timer]) -> None:
        """Stop all other timers."""
        self._due_at = {timer: at for timer, at in self._due_at.items() if timer in timers}

    def due_at(self, timer: Timer) -> float | None:
        """Say when a timer is due, if it runs."""
        return self._due_at.get(timer)

    def earliest(self) -> float | None:
        """Say when the next timer is due."""
        return min(self._due_at.values(), default=None)

    def take_due(self, now: float) -> Timer | None:
        """Remove and return the earliest timer that is due at `now`."""
        due = [(at, timer) for timer, at in self._due_at.items() if at <= now]
        if not due:
            return None
        timer = min(due, key=lambda entry: entry[0])[1]
        del self._due_at[timer]
        return timer

    def items(self) -> ItemsView[Timer, float]:
        """List the running timers and when each is due."""
        return self._due_at.items()
