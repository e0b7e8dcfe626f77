"""Taking an import back, for 30 days: what it brought goes, but nothing that has been changed since."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Delete, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from intercom.administration import accounts
from intercom.administration.buttons import give_buttons
from intercom.administration.roster_plan import PlannedPerson
from intercom.administration.undo_memory import forget_people
from intercom.errors import RefusedError
from intercom.store.database import touch
from intercom.store.kinds import Role
from intercom.store.models import (
    Account,
    CommercialLog,
    Doorbell,
    Event,
    Grant,
    Member,
    Undo,
    Unit,
)

KEPT_FOR = timedelta(days=30)
_AT_ONCE = 200
"""Rows of a statement: what is made ready without letting the loop do anything else."""


@dataclass(slots=True)
class Steps:
    """What an import did, by ids; of people only what it put in another's place."""

    units: list[int] = field(default_factory=list)
    accounts: list[list[Any]] = field(default_factory=list)
    """Id, name, e-mail, number, language of each new one, to see whether it was changed since."""
    changes: list[list[Any]] = field(default_factory=list)
    """Id, and before and after by the field's name."""
    roles: list[list[Any]] = field(default_factory=list)
    """Account, unit, before, after."""
    homes: list[list[int]] = field(default_factory=list)
    """Account, unit."""
    bells: list[str] = field(default_factory=list)
    bells_renamed: list[list[str]] = field(default_factory=list)
    """Id, before, after."""

    def made(self, account_id: int, person: PlannedPerson) -> None:
        """Note a new account."""
        self.accounts.append(
            [account_id, person.name, person.email, person.number, person.language]
        )

    def changed(self, account_id: int, changes: dict[str, tuple[str, str]]) -> None:
        """Note what was changed of an account."""
        self.changes.append([account_id, {name: list(both) for name, both in changes.items()}])


@dataclass(frozen=True, slots=True)
class KeptPerson:
    """Who is not taken back, and why: active (has a password), changed, moved."""

    name: str
    why: str


@dataclass(slots=True)
class Taking:
    """What is taken back, and what is not because it was changed since."""

    accounts: list[int] = field(default_factory=list)
    changes: list[tuple[int, str, str]] = field(default_factory=list)
    """Account, field, value of before."""
    homes: list[tuple[int, int]] = field(default_factory=list)
    """Account, unit: of people who were there before the import."""
    units: list[int] = field(default_factory=list)
    kept: list[KeptPerson] = field(default_factory=list)
    kept_units: list[str] = field(default_factory=list)


async def keep(session: AsyncSession, property_id: str, steps: Steps, now: datetime) -> None:
    """Keep how an import is taken back."""
    summary = {
        "units": len(steps.units),
        "people": len(steps.accounts),
        "changed": len({each[0] for each in steps.changes}),
    }
    session.add(Undo(property_id=property_id, made_at=now, summary=summary, steps=[asdict(steps)]))
    await session.flush()


async def undos_of(session: AsyncSession, property_id: str, now: datetime) -> list[Undo]:
    """List the imports that can be taken back, newest first; their steps, which are many, are not read."""
    found = await session.scalars(
        select(Undo)
        .where(Undo.property_id == property_id, Undo.made_at > now - KEPT_FOR)
        .order_by(Undo.made_at.desc(), Undo.id.desc())
        .options(defer(Undo.steps))
    )
    return list(found)


async def undo_in(session: AsyncSession, property_id: str, undo_id: int, now: datetime) -> Undo:
    """Find an import that can be taken back."""
    found = await session.get(Undo, undo_id, options=[defer(Undo.steps)])
    if found is None or found.property_id != property_id or found.made_at <= now - KEPT_FOR:
        raise RefusedError("admin.not_there")
    return found


async def forget_old(session: AsyncSession, now: datetime) -> None:
    """Delete what is needed no more to take imports back."""
    await session.execute(delete(Undo).where(Undo.made_at <= now - KEPT_FOR))


async def taking_of(session: AsyncSession, undo: Undo) -> Taking:
    """Say what taking an import back would do now."""
    await session.refresh(undo, ["steps"])
    steps = Steps(**undo.steps[0])
    taking = Taking()
    here = set(steps.units)
    imported = {tuple(home) for home in steps.homes}
    homes = await _homes(session)
    made = await _accounts(session, steps)
    for account_id, *values in steps.accounts:
        account = made.get(account_id)
        if account is None:
            continue
        now_is = [account.name, account.email or "", account.number or "", account.language]
        own = homes.get(account_id, set())
        if account.password_hash is not None:
            taking.kept.append(KeptPerson(account.name, "active"))
        elif now_is != values:
            taking.kept.append(KeptPerson(account.name, "changed"))
        elif any(unit is None or (account_id, unit) not in imported for unit in own):
            taking.kept.append(KeptPerson(account.name, "moved"))
        else:
            taking.accounts.append(account_id)
    going = set(taking.accounts)
    ours = set(await session.scalars(select(Unit.id).where(Unit.property_id == undo.property_id)))
    ours_alone = {account_id for account_id, units in homes.items() if units <= ours}
    await _changes(session, steps, taking, ours_alone)
    new = {each[0] for each in steps.accounts}
    taking.homes = [
        (account_id, unit_id)
        for account_id, unit_id in steps.homes
        if account_id not in new and unit_id in homes.get(account_id, set()) and unit_id in ours
    ]
    leaving = set(taking.homes)
    stay = {
        unit_id
        for account_id, units in homes.items()
        for unit_id in units
        if unit_id in here and account_id not in going and (account_id, unit_id) not in leaving
    }
    found = await session.execute(
        select(Unit.id, Unit.label).where(Unit.property_id == undo.property_id)
    )
    labels = {unit_id: label for unit_id, label in found.all() if unit_id in here}
    taking.units = [unit_id for unit_id in labels if unit_id not in stay]
    taking.kept_units = [label for unit_id, label in labels.items() if unit_id in stay]
    return taking


async def _changes(
    session: AsyncSession, steps: Steps, taking: Taking, ours_alone: set[int]
) -> None:
    """List what of known people goes back; not of one who has become something elsewhere since."""
    for account_id, changes in steps.changes:
        account = await session.get(Account, account_id)
        if account is None:
            continue
        if account_id not in ours_alone:
            taking.kept.append(KeptPerson(account.name, "moved"))
            continue
        for name, (before, after) in changes.items():
            if (getattr(account, name) or "") == after:
                taking.changes.append((account_id, name, before))
            else:
                taking.kept.append(KeptPerson(account.name, "changed"))


async def take_back(session: AsyncSession, undo: Undo) -> Taking:
    """Take an import back, but for what was changed since; give what that came to."""
    taking = await taking_of(session, undo)
    steps = Steps(**undo.steps[0])
    await _change_back(session, steps, taking)
    await _delete_people(session, undo.property_id, taking)
    await _leave(session, undo.property_id, taking)
    await _delete_units(session, taking.units)
    for bell_id in steps.bells:
        touch(session, Doorbell, bell_id)
    await give_buttons(session, undo.property_id)
    await session.delete(undo)
    await session.flush()
    return taking


async def _change_back(session: AsyncSession, steps: Steps, taking: Taking) -> None:
    for account_id, name, before in taking.changes:
        account = await session.get_one(Account, account_id)
        if name == "email":
            await accounts.change_email(session, account, before or None)
        else:
            setattr(account, name, before or None)
        if name == "number":
            account.number_verified_on = None
    for account_id, unit_id, before, after in steps.roles:
        await accounts.exchange_role(session, account_id, unit_id, Role(after), Role(before))
    for account_id, unit_id in taking.homes:
        await session.execute(
            delete(Grant).where(Grant.account_id == account_id, Grant.unit_id == unit_id)
        )
        touch(session, Account, account_id)
    for bell_id, before, after in steps.bells_renamed:
        bell = await session.get(Doorbell, bell_id)
        if bell is not None and bell.name == after:
            bell.name = before
    await session.flush()


async def _delete_people(session: AsyncSession, property_id: str, taking: Taking) -> None:
    """Delete people with all that is kept of them, as `accounts.erase` does for one."""
    logs = await session.scalar(
        select(CommercialLog.id).where(CommercialLog.property_id == property_id)
    )
    known: dict[int, str] = {}
    for ids in _parts(taking.accounts):
        rows = await session.execute(
            select(Account.id, Account.username, Account.name).where(Account.id.in_(ids))
        )
        found = rows.all()
        known |= {each.id: each.name for each in found}
        if logs is not None:
            names = {name for each in found for name in each[1:]}
            await session.execute(
                update(Event)
                .where(Event.log_id == logs, Event.person.in_(names))
                .values(person="")
                .execution_options(synchronize_session=False)
            )
        await session.execute(_without_objects(delete(Account).where(Account.id.in_(ids))))
        for account_id in ids:
            touch(session, Account, account_id)
    await forget_people(session, known)


async def _delete_units(session: AsyncSession, unit_ids: list[int]) -> None:
    for ids in _parts(unit_ids):
        await session.execute(_without_objects(delete(Doorbell).where(Doorbell.unit_id.in_(ids))))
        await session.execute(_without_objects(delete(Unit).where(Unit.id.in_(ids))))
        for unit_id in ids:
            touch(session, Unit, unit_id)


def _without_objects(statement: Delete) -> Delete:
    return statement.execution_options(synchronize_session=False)


def _parts(ids: list[int]) -> Iterator[list[int]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))


async def _leave(session: AsyncSession, property_id: str, taking: Taking) -> None:
    """Take those who leave a unit off its doorbell; one that is left hides, without anybody's name."""
    for account_id, unit_id in taking.homes:
        bells = select(Doorbell.id).where(Doorbell.unit_id == unit_id)
        await session.execute(
            delete(Member).where(Member.account_id == account_id, Member.doorbell_id.in_(bells))
        )
    left = await session.execute(
        select(Doorbell, Unit.label)
        .join(Unit, Unit.id == Doorbell.unit_id)
        .outerjoin(Member, Member.doorbell_id == Doorbell.id)
        .where(Doorbell.property_id == property_id, ~Doorbell.is_hidden)
        .group_by(Doorbell.id, Unit.label)
        .having(func.count(Member.account_id) == 0)
    )
    for bell, label in left.all():
        if bell.unit_id not in taking.units:
            bell.name, bell.is_hidden = label, True


async def _accounts(session: AsyncSession, steps: Steps) -> dict[int, Account]:
    found: dict[int, Account] = {}
    for ids in _parts([each[0] for each in steps.accounts]):
        rows = await session.scalars(select(Account).where(Account.id.in_(ids)))
        found |= {account.id: account for account in rows}
    return found


async def _homes(session: AsyncSession) -> dict[int, set[int | None]]:
    found: dict[int, set[int | None]] = {}
    rows = await session.stream(select(Grant.account_id, Grant.unit_id))
    async for part in rows.partitions(200):
        for account_id, unit_id in part:
            found.setdefault(account_id, set()).add(unit_id)
    return found
