"""What pages let people choose from: languages, time zones, hours of the day."""

from functools import cache
from zoneinfo import available_timezones

from babel import Locale

from intercom.texts import LANGUAGES

_FIRST_ZONES = ("Europe/Oslo", "Europe/Stockholm", "Europe/Copenhagen", "Europe/Helsinki")
_REGIONS = ("Europe/", "Atlantic/", "America/", "Asia/", "Africa/", "Australia/", "Pacific/", "UTC")


@cache
def languages(language: str) -> tuple[tuple[str, str], ...]:
    """List the languages by their names in another one."""
    names = Locale.parse(language).languages
    return tuple((each, str(names[each]).capitalize()) for each in LANGUAGES)


@cache
def zones() -> tuple[tuple[str, str], ...]:
    """List the time zones, the likeliest first."""
    others = sorted(
        each
        for each in available_timezones()
        if each.startswith(_REGIONS) and each not in _FIRST_ZONES
    )
    return tuple((each, each.replace("_", " ")) for each in (*_FIRST_ZONES, *others))
