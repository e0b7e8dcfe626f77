"""The wall clock: for days and hours that people are told or set, never for how long something takes.

It may be set by an hour at any moment; whatever waits or counts time takes the loop's clock.
"""

from datetime import UTC, date, datetime


def now() -> datetime:
    """Tell the time, aware and in UTC."""
    return datetime.now(UTC)


def today() -> date:
    """Tell the day in UTC."""
    return now().date()
