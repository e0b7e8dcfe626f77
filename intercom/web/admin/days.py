"""Days and moments as people read them, in their language and the property's zone."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime

_LOCALE = {"en": "en_GB"}
"""Where it is another one than the language's own: days come before months."""


def day_words(language: str, day: date) -> str:
    """Write a day, such as "2 March 2026"."""
    return format_date(day, format="long", locale=_LOCALE.get(language, language))


def moment_words(language: str, time_zone: str, moment: datetime) -> str:
    """Write a moment to the minute in a zone, such as "2 Mar 2026, 13:05"."""
    local = moment.astimezone(ZoneInfo(time_zone))
    return format_datetime(local, format="d MMM y HH:mm", locale=_LOCALE.get(language, language))
