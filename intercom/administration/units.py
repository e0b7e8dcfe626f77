"""The units of a property: apartments and offices, made, renamed, deleted."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.administration import accounts
from intercom.administration.doorbells import doorbell_of, make_doorbell
from intercom.administration.entries import name_from
from intercom.administration.people import IN_A_UNIT
from intercom.errors import RefusedError
from intercom.store.kinds import Role
from intercom.store.models import Account, Doorbell, Grant, Transfer, Unit

_ORDER = {Role.OWNER: 0, Role.RESIDENT: 1, Role.STATION: 2}


@dataclass(frozen=True, slots=True)
class Inhabitant:
    """A person of a unit and what they are there."""

    account: Account
    role: Role


async def add_unit(
    session: AsyncSession, property_id: str, label: str, doorbell_name: str = ""
) -> Unit:
    """Make a unit; with a name for the panel its doorbell, too."""
    label = name_from(label, "label")
    await _refuse_taken(session, property_id, label, 0)
    unit = Unit(property_id=property_id, label=label, activated_on=None)
    session.add(unit)
    await session.flush()
    if doorbell_name.strip():
        await make_doorbell(session, unit, doorbell_name)
    return unit


async def rename_unit(session: AsyncSession, unit: Unit, label: str) -> None:
    """Give a unit another label."""
    label = name_from(label, "label")
    await _refuse_taken(session, unit.property_id, label, unit.id)
    unit.label = label
    await session.flush()


async def inhabitants(session: AsyncSession, unit_id: int) -> list[Inhabitant]:
    """List the people of a unit: owners first, then by name."""
    rows = await session.execute(
        select(Account, Grant.role)
        .join(Grant, Grant.account_id == Account.id)
        .where(Grant.unit_id == unit_id, Grant.role.in_(IN_A_UNIT))
    )
    people: dict[int, Inhabitant] = {}
    for account, role in sorted(rows.all(), key=lambda row: _ORDER[row[1]]):
        people.setdefault(account.id, Inhabitant(account, role))
    return sorted(people.values(), key=lambda each: (_ORDER[each.role], each.account.folded_name))


async def only_here(session: AsyncSession, unit_id: int) -> list[Account]:
    """List the people who have no other place than a unit: they are deleted with it."""
    elsewhere = (
        select(Grant.account_id)
        .where(Grant.account_id == Account.id)
        .where((Grant.unit_id != unit_id) | Grant.unit_id.is_(None))
    )
    promised = select(Transfer.id).where(
        Transfer.new_owner_id == Account.id, Transfer.unit_id != unit_id
    )
    found = await session.scalars(
        select(Account)
        .where(
            Account.id.in_(select(Grant.account_id).where(Grant.unit_id == unit_id)),
            ~elsewhere.exists(),
            ~promised.exists(),
        )
        .order_by(Account.folded_name)
    )
    return list(found)


async def delete_unit(session: AsyncSession, unit: Unit) -> list[str]:
    """Delete a unit, its doorbell and whoever lives nowhere else; give their usernames."""
    gone = await only_here(session, unit.id)
    doorbell = await doorbell_of(session, unit.id)
    if doorbell is not None:
        await session.delete(doorbell)
        await session.flush()
    usernames = [account.username for account in gone]
    others = [each.account for each in await inhabitants(session, unit.id)]
    for account in gone:
        await accounts.erase(session, account)
    await session.delete(unit)
    await session.flush()
    for account in others:
        if account not in gone:
            await accounts.lose_doors(session, account, unit.property_id)
    return usernames


async def unit_count(session: AsyncSession, property_id: str) -> int:
    """Count the units of a property."""
    count = await session.scalar(
        select(func.count()).select_from(Unit).where(Unit.property_id == property_id)
    )
    return int(count or 0)


async def doorbell_name(session: AsyncSession, unit_id: int) -> str | None:
    """Give what stands on the panels for a unit; None: it has no doorbell."""
    name: str | None = await session.scalar(
        select(Doorbell.name).where(Doorbell.unit_id == unit_id).order_by(Doorbell.id).limit(1)
    )
    return name


async def _refuse_taken(
    session: AsyncSession, property_id: str, label: str, but_unit_id: int
) -> None:
    taken = await session.scalar(
        select(Unit.id).where(
            Unit.property_id == property_id,
            func.lower(Unit.label) == func.lower(label),
            Unit.id != but_unit_id,
        )
    )
    if taken is not None:
        raise RefusedError("people.refused.label_taken", field="label", label=label)
