"""The minute of the week where a property stands."""

from datetime import UTC, datetime, tzinfo
from functools import cache
from zoneinfo import ZoneInfo

from intercom.routing.hours import LocalTime


def local_time(now: datetime, time_zone: str) -> LocalTime:
    """Give an aware time in an IANA zone; UTC where the machine does not know the zone."""
    there = now.astimezone(_zone(time_zone))
    return LocalTime(there.weekday(), there.hour * 60 + there.minute)


@cache
def _zone(name: str) -> tzinfo:
    """Find a zone; whoever configures one has been told if there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return UTC
