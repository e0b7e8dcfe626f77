"""Hours of the week as forms ask for them and as people read them."""

from collections.abc import Mapping

from intercom.texts import words

EVERY_DAY = 127
_WEEKDAYS = 31
_WEEKEND = 96
DAY_FIELDS = {f"day{day}": "yes" for day in range(7)}
"""Every day ticked in a form."""


def days_from(form: Mapping[str, str], prefix: str = "day") -> int:
    """Read the ticks of `parts.days`: a bit a day, Monday 1."""
    return sum(1 << day for day in range(7) if form.get(f"{prefix}{day}") == "yes")


def clock_of(minute: int) -> str:
    """Write a minute of the day: 450 is 07:30."""
    return f"{minute // 60:02}:{minute % 60:02}"


def days_words(language: str, days: int) -> str:
    """Say on which days: every day, Monday to Friday, or each by name."""
    known = {EVERY_DAY: "every_day", _WEEKDAYS: "weekdays", _WEEKEND: "weekend"}.get(days)
    if known is not None:
        return words(language, f"property.quiet.{known}")
    names = [words(language, f"admin.day.long{day}") for day in range(7) if days >> day & 1]
    listed = ", ".join(names)
    return listed[:1].upper() + listed[1:]


def hours_words(language: str, start_minute: int, end_minute: int) -> str:
    """Say from when to when; equal is the whole day."""
    if start_minute == end_minute:
        return words(language, "property.quiet.all_day")
    return words(
        language, "property.quiet.hours", start=clock_of(start_minute), end=clock_of(end_minute)
    )
