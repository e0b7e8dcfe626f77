"""Importing a file of units and people: first what it would change, then all of it or nothing."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Executable, and_, func, insert, or_, select, union
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.administration import accounts
from intercom.administration.buttons import give_buttons
from intercom.administration.doorbells import new_doorbell_id
from intercom.administration.invitations import INVITATION
from intercom.administration.roster_plan import (
    Known,
    KnownPerson,
    Plan,
    PlannedPerson,
    bell_name_of,
)
from intercom.administration.roster_undo import Steps, forget_old, keep
from intercom.routing.directory import RingWay
from intercom.store.database import touch
from intercom.store.kinds import Layout, MailState, Role
from intercom.store.models import (
    Account,
    Base,
    Doorbell,
    Grant,
    Mail,
    Member,
    Property,
    Transfer,
    Unit,
)

_AT_ONCE = 200
"""Rows of a statement: what is made ready without letting the loop do anything else."""


async def known_in(session: AsyncSession, property_id: str) -> Known:
    """Read what a file is compared with."""
    place = await session.get_one(Property, property_id)
    known = Known(language=place.language)
    units = select(Unit.id, Unit.label).where(Unit.property_id == property_id)
    async for unit_id, label in _rows(session, units):
        known.units[label.casefold()] = (unit_id, label)
    bells = select(Doorbell.unit_id, Doorbell.id, Doorbell.name).where(
        Doorbell.property_id == property_id, Doorbell.unit_id.is_not(None)
    )
    async for unit_id, bell_id, name in _rows(session, bells.order_by(Doorbell.id.desc())):
        known.bells[unit_id] = (bell_id, name)
    await _read_people(session, property_id, known)
    async for (username,) in _rows(session, select(func.lower(Account.username))):
        known.usernames.add(username)
    return known


async def _read_people(session: AsyncSession, property_id: str, known: Known) -> None:
    here = select(Unit.id).where(Unit.property_id == property_id)
    people = (
        select(
            Account.id,
            Account.username,
            Account.name,
            Account.email,
            Account.number,
            Account.language,
            Grant.unit_id,
            Grant.role,
        )
        .join(Grant, Grant.account_id == Account.id)
        .where(Grant.unit_id.in_(here))
        .order_by(Grant.id)
    )
    async for account_id, username, name, email, number, language, unit_id, role in _rows(
        session, people
    ):
        person = known.people.get(account_id)
        if person is None:
            person = KnownPerson(account_id, username, name, email or "", number or "", language)
            known.people[account_id] = person
        person.homes.setdefault(unit_id, role)
    granted = select(Grant.account_id).where(
        or_(
            Grant.role == Role.OPERATOR,
            and_(Grant.property_id.is_not(None), Grant.property_id != property_id),
            and_(Grant.unit_id.is_not(None), Grant.unit_id.not_in(here)),
        )
    )
    promised = select(Transfer.new_owner_id).where(Transfer.unit_id.not_in(here))
    elsewhere = union(granted, promised)
    async for (account_id,) in _rows(session, elsewhere):
        if account_id in known.people:
            known.people[account_id].is_ours = False


async def apply_plan(
    session: AsyncSession, property_id: str, plan: Plan, now: datetime, *, is_inviting: bool
) -> int:
    """Do all that a plan says, in one transaction; give how many invitations are on their way."""
    steps = Steps()
    known = await known_in(session, property_id)
    unit_ids = {key: unit_id for key, (unit_id, _) in known.units.items()}
    unit_ids |= await _make_units(session, property_id, plan, now.date(), steps)
    account_ids = await _make_accounts(session, plan, now.date(), steps)
    await _change_people(session, plan, steps)
    await _move_in(session, plan, unit_ids, account_ids, steps)
    await _activate(session, {unit_id for _, unit_id in steps.homes}, now.date())
    bell_ids = await _make_bells(session, property_id, plan, unit_ids, steps)
    await _ring(session, plan, bell_ids, account_ids)
    await give_buttons(session, property_id)
    invited = await _invite(session, plan, account_ids, now) if is_inviting else 0
    await forget_old(session, now)
    await keep(session, property_id, steps, now)
    return invited


async def _make_units(
    session: AsyncSession, property_id: str, plan: Plan, today: date, steps: Steps
) -> dict[str, int]:
    inhabited = {label for person in plan.people for label, _ in person.homes}
    rows = [
        {
            "property_id": property_id,
            "label": unit.label,
            "activated_on": today if key in inhabited else None,
        }
        for key, unit in plan.units.items()
        if unit.unit_id is None
    ]
    made: dict[str, int] = {}
    for part in _parts(rows):
        await session.execute(insert(Unit), part)
        labels = [row["label"] for row in part]
        found = await session.execute(
            select(Unit.label, Unit.id).where(
                Unit.property_id == property_id, Unit.label.in_(labels)
            )
        )
        for label, unit_id in found.all():
            made[label.casefold()] = unit_id
            touch(session, Unit, unit_id)
    steps.units = list(made.values())
    return made


async def _make_accounts(
    session: AsyncSession, plan: Plan, today: date, steps: Steps
) -> dict[str, int]:
    rows: list[dict[str, Any]] = [
        {
            "username": person.username,
            "name": person.name,
            "email": person.email or None,
            "number": person.number or None,
            "language": person.language,
            "has_app": True,
            "ring_way": RingWay.APP_THEN_PHONE,
            "devices": {},
            "created_on": today,
        }
        for person in plan.new_people
    ]
    made: dict[str, int] = {}
    for part in _parts(rows):
        await session.execute(insert(Account), part)
        names = [row["username"] for row in part]
        found = await session.execute(
            select(Account.username, Account.id).where(Account.username.in_(names))
        )
        for username, account_id in found.all():
            made[username] = account_id
            touch(session, Account, account_id)
    for person in plan.new_people:
        steps.made(made[person.username], person)
    return {**made, **{p.username: p.account_id for p in plan.people if p.account_id is not None}}


async def _change_people(session: AsyncSession, plan: Plan, steps: Steps) -> None:
    for person in plan.changed_people:
        assert person.account_id is not None
        if person.changes:
            values: dict[str, Any] = {
                name: after or None for name, (_, after) in person.changes.items()
            }
            account = await session.get_one(Account, person.account_id)
            await accounts.change_email(session, account, values.pop("email", account.email))
            for name, value in values.items():
                setattr(account, name, value)
            if "number" in values:  # another one: to be verified anew
                account.number_verified_on = None
            steps.changed(person.account_id, person.changes)
        for unit_id, before, after in person.roles:
            await accounts.exchange_role(session, person.account_id, unit_id, before, after)
            steps.roles.append([person.account_id, unit_id, before.value, after.value])
    await session.flush()


async def _move_in(
    session: AsyncSession,
    plan: Plan,
    unit_ids: dict[str, int],
    account_ids: dict[str, int],
    steps: Steps,
) -> None:
    homes = [
        (account_ids[person.username], unit_ids[label], role)
        for person in plan.people
        for label, role in person.homes
    ]
    rows: list[dict[str, Any]] = [
        {"account_id": account_id, "unit_id": unit_id, "role": role}
        for account_id, unit_id, role in homes
    ]
    for part in _parts(rows):
        await session.execute(insert(Grant), part)
    for row in rows:
        touch(session, Account, row["account_id"])
    steps.homes = [[account_id, unit_id] for account_id, unit_id, _ in homes]


async def _activate(session: AsyncSession, unit_ids: set[int], today: date) -> None:
    """Note that somebody lives there, so that no installer registers another owner."""
    waiting = select(Unit).where(Unit.activated_on.is_(None))
    for unit in await session.scalars(waiting):
        if unit.id in unit_ids:
            unit.activated_on = today
    await session.flush()


async def _make_bells(
    session: AsyncSession, property_id: str, plan: Plan, unit_ids: dict[str, int], steps: Steps
) -> dict[str, str]:
    """Make the doorbells that are missing and change their names; give all their ids."""
    bells = (await known_in(session, property_id)).bells
    firsts = {label: people[0].name for label, people in _by_home(plan).items()}
    made: list[dict[str, Any]] = []
    ids: dict[str, str] = {}
    for key, unit in plan.units.items():
        bell = bells.get(unit_ids[key])
        if bell is None and (unit.bell_name or key in firsts):
            ids[key] = new_doorbell_id()
            made.append(
                {
                    "id": ids[key],
                    "property_id": property_id,
                    "unit_id": unit_ids[key],
                    "name": bell_name_of(unit, firsts),
                    "layout": Layout.PARALLEL,
                    "is_hidden": False,
                }
            )
        elif bell is not None:
            ids[key] = bell[0]
            if unit.bell_before is not None:
                (await session.get_one(Doorbell, bell[0])).name = unit.bell_name
                steps.bells_renamed.append([bell[0], unit.bell_before, unit.bell_name])
    await _insert(session, Doorbell, made, "id")
    await _show_again(session, ids, firsts)
    steps.bells = [row["id"] for row in made]
    return ids


async def _ring(
    session: AsyncSession, plan: Plan, bell_ids: dict[str, str], account_ids: dict[str, int]
) -> None:
    """Have the doorbells ring who moved in, after those who are rung already."""
    last = await _last_positions(session, set(bell_ids.values()))
    members: list[dict[str, Any]] = []
    for key, people in _by_home(plan).items():
        for person in people:
            last[bell_ids[key]] = last.get(bell_ids[key], -1) + 1
            members.append(
                {
                    "doorbell_id": bell_ids[key],
                    "account_id": account_ids[person.username],
                    "position": last[bell_ids[key]],
                    "is_hidden": False,
                }
            )
    await _insert(session, Member, members, "doorbell_id", "account_id")
    for member in members:
        touch(session, Doorbell, member["doorbell_id"])


def _by_home(plan: Plan) -> dict[str, list[PlannedPerson]]:
    """Group who moves in by the unit's label in lower case, as the file has them."""
    homes: dict[str, list[PlannedPerson]] = {}
    for person in plan.people:
        for label, _ in person.homes:
            homes.setdefault(label, []).append(person)
    return homes


async def _show_again(session: AsyncSession, ids: dict[str, str], firsts: dict[str, str]) -> None:
    """Show the doorbells that the last person had left, with the name of who moves in."""
    left = (
        select(Doorbell)
        .join(Unit, Unit.id == Doorbell.unit_id)
        .where(
            Doorbell.is_hidden,
            Doorbell.name == Unit.label,
            Doorbell.id.not_in(select(Member.doorbell_id)),
        )
    )
    keys = {bell_id: key for key, bell_id in ids.items() if key in firsts}
    for bell in await session.scalars(left):
        if bell.id in keys:
            bell.name, bell.is_hidden = firsts[keys[bell.id]].rpartition(" ")[2], False
    await session.flush()


async def _last_positions(session: AsyncSession, bell_ids: set[str]) -> dict[str, int]:
    found = select(Member.doorbell_id, func.max(Member.position)).group_by(Member.doorbell_id)
    return {
        bell_id: position
        async for bell_id, position in _rows(session, found)
        if bell_id in bell_ids
    }


async def _invite(
    session: AsyncSession, plan: Plan, account_ids: dict[str, int], now: datetime
) -> int:
    rows = [
        {
            "account_id": account_ids[person.username],
            "kind": INVITATION,
            "state": MailState.WAITING,
            "asked_at": now,
            "tries": 0,
        }
        for person in plan.new_people
        if person.email
    ]
    for part in _parts(rows):
        await session.execute(insert(Mail), part)
    return len(rows)


async def _insert(
    session: AsyncSession, table: type[Base], rows: list[dict[str, Any]], *key: str
) -> None:
    for part in _parts(rows):
        await session.execute(insert(table), part)
        for row in part:
            touch(session, table, *(row[name] for name in key))


def _parts(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    return (rows[start : start + _AT_ONCE] for start in range(0, len(rows), _AT_ONCE))


async def _rows(session: AsyncSession, statement: Executable) -> AsyncIterator[Sequence[Any]]:
    """Give a long answer's rows without keeping the loop from anything else."""
    stream = await session.stream(statement)
    async for part in stream.partitions(_AT_ONCE):
        for row in part:
            yield row
