"""Hours of the week: when it is quiet, and when a right holds."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

DAY_MINUTES = 24 * 60
EVERY_DAY = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class LocalTime:
    """A minute of the week in a property's zone."""

    day: int
    """Monday 0 to Sunday 6."""
    minute: int
    """Of the day, 0 to 1439."""


@dataclass(frozen=True, slots=True)
class Hours:
    """From one minute of the day up to another, on some days."""

    days: frozenset[int] = EVERY_DAY
    """The days on which it begins, Monday 0."""
    start_minute: int = 0
    end_minute: int = 0
    """Up to it; below `start_minute` it is on the next day; equal: the whole day."""

    def covers(self, now: LocalTime) -> bool:
        """Tell whether a minute lies within."""
        if self.start_minute == self.end_minute:
            return now.day in self.days
        if self.start_minute < self.end_minute:
            return now.day in self.days and self.start_minute <= now.minute < self.end_minute
        if now.minute >= self.start_minute:
            return now.day in self.days
        return now.minute < self.end_minute and (now.day - 1) % 7 in self.days


ALWAYS = Hours()


class QuietMode(Enum):
    """What a press does in quiet hours (requirement A18)."""

    SAY_SO = "say-so"
    """Nobody is rung; the panel says that it is quiet time."""
    PHONE_ONLY = "phone-only"
    """The apps stay silent, the phone rings."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours in which somebody is not to be disturbed."""

    hours: Hours
    mode: QuietMode = QuietMode.SAY_SO


def quiet_mode(quiet: Iterable[Quiet], now: LocalTime) -> QuietMode | None:
    """Say how quiet it is to be now; where hours overlap, the quietest counts."""
    modes = {each.mode for each in quiet if each.hours.covers(now)}
    return next((mode for mode in QuietMode if mode in modes), None)
