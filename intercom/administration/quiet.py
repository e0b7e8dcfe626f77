"""Quiet hours of a property or a doorbell: added, ended, listed (requirement A18)."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.errors import RefusedError
from intercom.routing.hours import QuietMode
from intercom.store.models import QuietHours

MAX_QUIET = 14
"""A property or a doorbell: two a day."""
EVERY_DAY = 127


@dataclass(frozen=True, slots=True)
class QuietFacts:
    """Quiet hours as they were typed."""

    days: int
    """A bit a day, Monday 1 to Sunday 64; the day on which it begins."""
    start: str
    """Such as 22:00."""
    end: str
    """Such as 07:00; not later than `start`: on the next day."""
    mode: str


async def of_property(session: AsyncSession, property_id: str) -> list[QuietHours]:
    """List a property's quiet hours in the order in which they were added."""
    return list(
        await session.scalars(
            select(QuietHours).where(QuietHours.property_id == property_id).order_by(QuietHours.id)
        )
    )


async def of_doorbell(session: AsyncSession, doorbell_id: str) -> list[QuietHours]:
    """List a doorbell's own quiet hours in the order in which they were added."""
    return list(
        await session.scalars(
            select(QuietHours).where(QuietHours.doorbell_id == doorbell_id).order_by(QuietHours.id)
        )
    )


async def add_quiet(
    session: AsyncSession,
    facts: QuietFacts,
    *,
    property_id: str | None = None,
    doorbell_id: str | None = None,
) -> QuietHours:
    """Add quiet hours to one of the two; RefusedError names the field that is wrong."""
    if not 0 < facts.days <= EVERY_DAY:
        raise RefusedError("property.fault.days", field="days")
    if facts.mode not in {each.value for each in QuietMode}:
        raise RefusedError("property.fault.mode", field="mode")
    of_it = select(func.count()).select_from(QuietHours)
    of_it = of_it.where(
        QuietHours.property_id == property_id
        if property_id is not None
        else QuietHours.doorbell_id == doorbell_id
    )
    if (await session.scalar(of_it) or 0) >= MAX_QUIET:
        raise RefusedError("property.fault.too_many_quiet", longest=MAX_QUIET)
    made = QuietHours(
        property_id=property_id,
        doorbell_id=doorbell_id,
        days=facts.days,
        start_minute=minute_from(facts.start, "start"),
        end_minute=minute_from(facts.end, "end"),
        mode=QuietMode(facts.mode),
    )
    session.add(made)
    await session.flush()
    return made


async def end_quiet(
    session: AsyncSession,
    quiet_id: int,
    *,
    property_id: str | None = None,
    doorbell_id: str | None = None,
) -> None:
    """Take quiet hours away from one of the two; nothing for such as are not its own."""
    found = await session.get(QuietHours, quiet_id)
    if found is not None and (found.property_id, found.doorbell_id) == (property_id, doorbell_id):
        await session.delete(found)


def minute_from(text: str, field: str) -> int:
    """Read a time of day such as 07:30 or 7.30; minutes from 0 to 1439, 24:00 is midnight."""
    hours, _, minutes = text.strip().replace(".", ":").partition(":")
    is_time = (hours + minutes).isascii() and hours.isdecimal() and (minutes or "00").isdecimal()
    if not is_time or len(hours) > 2 or len(minutes) > 2 or int(minutes or 0) > 59:
        raise RefusedError("property.fault.time", field=field)
    minute = int(hours) * 60 + int(minutes or 0)
    if minute > 24 * 60:
        raise RefusedError("property.fault.time", field=field)
    return minute % (24 * 60)
