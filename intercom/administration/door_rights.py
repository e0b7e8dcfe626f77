"""What a person or a unit may do with a property's doors, and when (requirement A16)."""

from dataclasses import dataclass

from sqlalchemy import delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.administration.quiet import EVERY_DAY, minute_from
from intercom.errors import RefusedError
from intercom.store.database import touch
from intercom.store.models import Account, Door, DoorRight

MAX_RIGHTS = 40
"""A person or a unit."""
OPEN, KEY, NEVER = "open", "key", "never"


@dataclass(frozen=True, slots=True)
class RightFacts:
    """A right as it was typed."""

    door_id: str
    what: str
    """open: in a call; key: also without one; never: not even when rung."""
    days: int
    """A bit a day, Monday 1 to Sunday 64; the day on which the hours begin."""
    start: str
    """Such as 08:00."""
    end: str
    """Such as 16:00; equal to `start`: the whole day."""


async def doors_for(session: AsyncSession, property_id: str, unit_ids: list[int]) -> list[Door]:
    """List the doors that people of some units may be given: everybody's, and the units' own."""
    found = await session.scalars(
        select(Door)
        .where(
            Door.property_id == property_id,
            or_(Door.unit_id.is_(None), Door.unit_id.in_(unit_ids)),
        )
        .order_by(Door.name)
    )
    return list(found)


async def rights_of(
    session: AsyncSession,
    property_id: str,
    *,
    account_id: int | None = None,
    unit_id: int | None = None,
) -> list[tuple[DoorRight, Door]]:
    """List the rights of a person or of a unit within a property, by the doors' names."""
    rows = await session.execute(
        select(DoorRight, Door)
        .join(Door, Door.id == DoorRight.door_id)
        .where(
            Door.property_id == property_id,
            DoorRight.account_id == account_id
            if account_id is not None
            else DoorRight.unit_id == unit_id,
        )
        .order_by(Door.name, DoorRight.id)
    )
    return [(right, door) for right, door in rows.all()]


async def add_right(
    session: AsyncSession,
    doors: list[Door],
    facts: RightFacts,
    *,
    account_id: int | None = None,
    unit_id: int | None = None,
) -> None:
    """Give a person or a unit a right to one of `doors`; RefusedError names the field that is wrong."""
    if facts.door_id not in {each.id for each in doors}:
        raise RefusedError("people.refused.door", field="door")
    if facts.what not in {OPEN, KEY, NEVER}:
        raise RefusedError("people.refused.what", field="what")
    if not 0 < facts.days <= EVERY_DAY:
        raise RefusedError("people.refused.no_days", field="days")
    own = select(func.count()).select_from(DoorRight)
    own = own.where(
        DoorRight.account_id == account_id
        if account_id is not None
        else DoorRight.unit_id == unit_id
    )
    if (await session.scalar(own) or 0) >= MAX_RIGHTS:
        raise RefusedError("people.refused.too_many_rights", longest=MAX_RIGHTS)
    session.add(
        DoorRight(
            door_id=facts.door_id,
            account_id=account_id,
            unit_id=unit_id,
            may_open=facts.what != NEVER,
            has_key=facts.what == KEY,
            days=facts.days,
            start_minute=minute_from(facts.start or "0", "start"),
            end_minute=minute_from(facts.end or "0", "end"),
        )
    )
    await session.flush()


async def end_right(
    session: AsyncSession,
    right_id: int,
    property_id: str,
    *,
    account_id: int | None = None,
    unit_id: int | None = None,
) -> None:
    """Take a right away from a person or a unit; nothing for one that is not theirs."""
    right = await session.get(DoorRight, right_id)
    if right is None or (right.account_id, right.unit_id) != (account_id, unit_id):
        return
    door = await session.get(Door, right.door_id)
    if door is not None and door.property_id == property_id:
        await session.delete(right)
        await session.flush()


async def end_rights_to(
    session: AsyncSession, account_id: int, *, property_id: str = "", unit_id: int | None = None
) -> None:
    """Take from a person every right of their own to a property's doors, or to those of a unit alone."""
    doors = select(Door.id).where(
        Door.unit_id == unit_id if unit_id is not None else Door.property_id == property_id
    )
    await session.execute(
        delete(DoorRight).where(DoorRight.account_id == account_id, DoorRight.door_id.in_(doors))
    )
    touch(session, Account, account_id)
