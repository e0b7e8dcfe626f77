"""Finding units by whatever somebody remembers of them: label, name on the panel, people, address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.elements import ColumnElement

from intercom.store.folding import folded
from intercom.store.kinds import Role
from intercom.store.models import Account, Doorbell, Grant, Unit

PAGE_ROWS = 50
_MAX_WORDS = 5
_MAX_TEXT = 100


@dataclass(frozen=True, slots=True)
class Occupant:
    account_id: int
    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class FoundUnit:
    """A unit as a list shows it."""

    unit_id: int
    label: str
    doorbell: str | None
    """The name on the panels; None: it has no doorbell."""
    is_hidden: bool
    people: tuple[Occupant, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of what was found."""

    units: tuple[FoundUnit, ...]
    count: int
    """On all pages."""
    number: int
    """Counted from 1."""

    @property
    def pages(self) -> int:
        """Count the pages, at least one."""
        return max(1, -(-self.count // PAGE_ROWS))


@dataclass(frozen=True, slots=True)
class FoundPeople:
    """One page of the people that were found."""

    people: tuple[Account, ...]
    units: Mapping[int, Sequence[tuple[int, str]]]
    """By the account's id: the units' ids and labels."""
    count: int
    number: int


async def search_units(
    session: AsyncSession, property_id: str, text: str = "", page: int = 1
) -> Page:
    """Find the units in which every word of a text stands somewhere; all of them for none."""
    condition = and_(Unit.property_id == property_id, *map(_holds, _words(text)))
    found = select(Unit.id, Unit.label).where(condition).order_by(Unit.ordered_label, Unit.id)
    rows, count, number = await _page_of(session, found, page)
    labels: dict[int, str] = {row[0]: row[1] for row in rows}
    return Page(await _with_people(session, labels), count, number)


async def _page_of(
    session: AsyncSession, found: Select[*tuple[Any, ...]], page: int
) -> tuple[Sequence[Row[*tuple[Any, ...]]], int, int]:
    """Read a page of what is found; give its rows, how many there are on all pages, and its number.

    To count costs as much as to find: all is read once where it is one page.
    """
    number = max(page, 1)
    if number == 1:
        rows = (await session.execute(found.limit(PAGE_ROWS + 1))).all()
        if len(rows) <= PAGE_ROWS:
            return rows, len(rows), 1
    all_of_them = found.order_by(None).subquery()
    count = int(await session.scalar(select(func.count()).select_from(all_of_them)) or 0)
    number = min(number, max(1, -(-count // PAGE_ROWS)))
    part = found.offset((number - 1) * PAGE_ROWS).limit(PAGE_ROWS)
    return (await session.execute(part)).all(), count, number


def _words(text: str) -> list[str]:
    return folded(text[:_MAX_TEXT]).split()[:_MAX_WORDS]


def _holds(word: str) -> ColumnElement[bool]:
    """Select the units in which a word stands; each way is one scan, at 12,000 people of some ms."""
    persons = select(Grant.unit_id).join(Account, Account.id == Grant.account_id).where(_is(word))
    bells = select(Doorbell.unit_id).where(Doorbell.folded_name.contains(word, autoescape=True))
    return or_(
        Unit.folded_label.contains(word, autoescape=True),
        Unit.id.in_(persons),
        Unit.id.in_(bells),
    )


async def search_people(
    session: AsyncSession, property_id: str, text: str = "", page: int = 1
) -> FoundPeople:
    """Find the people of a property's units by name, username, address or unit; all of them for none."""
    here = select(Unit.id).where(Unit.property_id == property_id)
    lives = select(Grant.account_id).where(Grant.unit_id.in_(here))
    condition = and_(
        Account.id.in_(lives), *(_is_or_lives(word, property_id) for word in _words(text))
    )
    found = select(Account).where(condition).order_by(Account.folded_name, Account.id)
    rows, count, number = await _page_of(session, found, page)
    people: tuple[Account, ...] = tuple(row[0] for row in rows)
    units: dict[int, list[tuple[int, str]]] = {each.id: [] for each in people}
    homes = await session.execute(
        select(Grant.account_id, Unit.id, Unit.label)
        .join(Unit, Unit.id == Grant.unit_id)
        .where(Grant.account_id.in_(units), Unit.property_id == property_id)
        .order_by(Unit.ordered_label)
    )
    for account_id, unit_id, label in homes.all():
        if (unit_id, label) not in units[account_id]:
            units[account_id].append((unit_id, label))
    return FoundPeople(people, units, count, number)


def _is_or_lives(word: str, property_id: str) -> ColumnElement[bool]:
    units = select(Unit.id).where(
        Unit.property_id == property_id, Unit.folded_label.contains(word, autoescape=True)
    )
    return or_(_is(word), Account.id.in_(select(Grant.account_id).where(Grant.unit_id.in_(units))))


def _is(word: str) -> ColumnElement[bool]:
    return or_(
        Account.folded_name.contains(word, autoescape=True),
        func.lower(Account.username).contains(word, autoescape=True),
        func.lower(Account.email).contains(word, autoescape=True),
    )


async def _with_people(session: AsyncSession, labels: dict[int, str]) -> tuple[FoundUnit, ...]:
    people: dict[int, list[Occupant]] = {unit_id: [] for unit_id in labels}
    rows = await session.execute(
        select(Grant.unit_id, Account.id, Account.name, Grant.role)
        .join(Account, Account.id == Grant.account_id)
        .where(Grant.unit_id.in_(labels))
        .order_by(Account.folded_name)
    )
    for unit_id, account_id, name, role in rows.all():
        people[unit_id or 0].append(Occupant(account_id, name, role))
    bells = await session.execute(
        select(Doorbell.unit_id, Doorbell.name, Doorbell.is_hidden)
        .where(Doorbell.unit_id.in_(labels))
        .order_by(Doorbell.id.desc())
    )
    faces = {unit_id: (name, is_hidden) for unit_id, name, is_hidden in bells.all()}
    return tuple(
        FoundUnit(
            unit_id,
            label,
            faces[unit_id][0] if unit_id in faces else None,
            unit_id in faces and faces[unit_id][1],
            tuple(people[unit_id]),
        )
        for unit_id, label in labels.items()
    )
