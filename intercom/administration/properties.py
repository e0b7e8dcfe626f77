"""Properties: made, changed and deleted by those who run the service and who administer them."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from zoneinfo import available_timezones

from sqlalchemy import delete, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.administration import places
from intercom.administration.names import free_id, slug
from intercom.administration.places import property_at
from intercom.administration.undo_memory import forget_people
from intercom.errors import RefusedError
from intercom.routing.directory import PropertyKind
from intercom.store.database import touch
from intercom.store.models import (
    Account,
    Alert,
    Door,
    Doorbell,
    Event,
    Grant,
    Member,
    Panel,
    Property,
    Transfer,
    Unit,
)
from intercom.store.new_log import new_log
from intercom.texts import LANGUAGES

MAX_NAME = 64
_AT_ONCE = 500
"""Accounts, a statement."""
_UNSEEN = re.compile("[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
_KEYS = re.compile(r"[0-9*#]{1,12}")
_EMAIL = re.compile(
    r"[^\s@<>\"(),:;\\\[\]]{1,64}@[^\s@<>\"(),:;\\\[\]]+\.[^\s@<>\"(),:;\\\[\].]{2,63}"
)
_MAX_EMAIL = 254  # RFC 5321 §4.5.3.1.3, without the angle brackets


@dataclass(frozen=True, slots=True)
class PropertyFacts:
    """What is written about a property, as it was typed."""

    name: str
    address: str
    language: str
    time_zone: str
    open_keys: str
    has_keys_in_app: bool = False
    contact_email: str = ""


@dataclass(frozen=True, slots=True)
class PropertySummary:
    """A property in a list."""

    id: str
    name: str
    address: str
    kind: PropertyKind
    panel_ids: tuple[str, ...]
    units: int
    alerts: int
    """Those that are open."""


async def summaries(
    session: AsyncSession, only: Iterable[str] | None = None
) -> list[PropertySummary]:
    """List properties by name; `only` those with these ids, None: all."""
    wanted = select(Property).order_by(func.lower(Property.name), Property.id)
    if only is not None:
        wanted = wanted.where(Property.id.in_(list(only)))
    found = list(await session.scalars(wanted))
    ids = [each.id for each in found]
    panels: dict[str, list[str]] = {}
    for panel_id, place in await session.execute(
        select(Panel.id, Panel.property_id).where(Panel.property_id.in_(ids)).order_by(Panel.id)
    ):
        panels.setdefault(place, []).append(panel_id)
    units = await _counts(session, ids, Unit)
    alerts = await _counts(session, ids, Alert)
    return [
        PropertySummary(
            each.id,
            each.name,
            each.address,
            each.kind,
            tuple(panels.get(each.id, ())),
            units.get(each.id, 0),
            alerts.get(each.id, 0),
        )
        for each in found
    ]


async def make_property(
    session: AsyncSession, facts: PropertyFacts, kind: str, today: date
) -> Property:
    """Make a property; RefusedError names the field that is wrong."""
    if kind not in {each.value for each in PropertyKind}:
        raise RefusedError("property.fault.kind", field="kind")
    made = Property(kind=PropertyKind(kind), created_on=today, prompts={})
    _write(made, facts)
    made.id = await free_id(session, Property, slug(made.name) or "property")
    session.add(made)
    await session.flush()
    if made.kind is PropertyKind.COMMERCIAL:
        session.add(new_log(made.id))
        await session.flush()
    return made


async def change_property(session: AsyncSession, property_id: str, facts: PropertyFacts) -> None:
    """Change what is written about a property; its kind stays (`administration.privacy` changes that)."""
    _write(await property_at(session, property_id), facts)


async def delete_property(session: AsyncSession, property_id: str, typed_name: str) -> None:
    """Delete a property with everything in it, and whoever belongs nowhere else.

    Its name must be typed, so that no slip does it.
    """
    found = await property_at(session, property_id)
    if not is_same_name(typed_name, found.name):
        raise RefusedError("property.fault.typed_name", field="typed_name")
    people = list(await session.scalars(select(Account.id).where(places.is_of(property_id))))
    for each in await session.scalars(select(Panel).where(Panel.property_id == property_id)):
        await session.delete(each)  # before the doors, which panels hold fast
    await session.flush()
    await session.delete(found)
    await session.flush()
    for start in range(0, len(people), _AT_ONCE):
        await _erase_nobodies(session, people[start : start + _AT_ONCE])


async def _erase_nobodies(session: AsyncSession, people: list[int]) -> None:
    """Delete those of some accounts that have no place any more."""
    has_place = or_(
        exists().where(Grant.account_id == Account.id),
        exists().where(Member.account_id == Account.id),
        exists().where(Transfer.new_owner_id == Account.id),
    )
    nobody = select(Account.id, Account.username, Account.name).where(
        Account.id.in_(people), ~has_place
    )
    rows = await session.execute(nobody)
    found = rows.all()
    gone = {each.id: each.name for each in found}
    if not gone:
        return
    usernames = [each.username for each in found]
    await session.execute(update(Event).where(Event.person.in_(usernames)).values(person=""))
    await forget_people(session, gone)
    await session.execute(delete(Account).where(Account.id.in_(gone)))
    for number in gone:
        touch(session, Account, number)


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """How far a property has come on its way to its first ring."""

    doors: int
    panels: int
    units: int
    doorbells: int
    first_unit: int | None
    """A unit to begin with."""
    has_person: bool
    """Whether a doorbell rings anybody."""
    has_ringer: bool
    """Whether one of them has a password, and so can log in."""


async def first_steps(session: AsyncSession, property_id: str) -> FirstSteps:
    """Count what a property has."""
    counts = [
        await session.scalar(
            select(func.count()).select_from(table).where(table.property_id == property_id)
        )
        for table in (Door, Panel, Unit, Doorbell)
    ]
    doors, panels, units, doorbells = (count or 0 for count in counts)
    first_unit = select(func.min(Unit.id)).where(Unit.property_id == property_id)
    rung = (
        select(Account.password_hash.is_not(None))
        .join(Member, Member.account_id == Account.id)
        .join(Doorbell, Doorbell.id == Member.doorbell_id)
        .where(Doorbell.property_id == property_id)
        .order_by(Account.password_hash.is_(None))
        .limit(1)
    )
    has_ringer = await session.scalar(rung)
    return FirstSteps(
        doors,
        panels,
        units,
        doorbells,
        await session.scalar(first_unit),
        has_person=has_ringer is not None,
        has_ringer=bool(has_ringer),
    )


def line_from(text: str, field: str) -> str:
    """Read one line of 1 to 64 characters."""
    line = " ".join(unicodedata.normalize("NFC", text).split())
    if not line:
        raise RefusedError("property.fault.empty", field=field)
    if len(line) > MAX_NAME:
        raise RefusedError("property.fault.too_long", field=field, longest=MAX_NAME)
    if _UNSEEN.search(line):
        raise RefusedError("property.fault.unseen", field=field)
    return line


def is_same_name(typed: str, name: str) -> bool:
    """Compare a name that was typed to confirm, without minding case and spaces."""
    return " ".join(typed.split()).casefold() == " ".join(name.split()).casefold()


def _write(prop: Property, facts: PropertyFacts) -> None:
    prop.name = line_from(facts.name, "name")
    prop.address = line_from(facts.address, "address")
    if facts.language not in LANGUAGES:
        raise RefusedError("property.fault.language", field="language")
    if facts.time_zone not in available_timezones():
        raise RefusedError("property.fault.time_zone", field="time_zone")
    keys = "".join(dict.fromkeys(facts.open_keys.replace(",", "").replace(" ", "")))
    if not _KEYS.fullmatch(keys):
        raise RefusedError("property.fault.open_keys", field="open_keys")
    email = facts.contact_email.strip()
    if email and (len(email) > _MAX_EMAIL or not _EMAIL.fullmatch(email)):
        raise RefusedError("property.fault.contact_email", field="contact_email")
    prop.language, prop.time_zone, prop.open_keys = facts.language, facts.time_zone, keys
    prop.has_keys_in_app, prop.contact_email = facts.has_keys_in_app, email or None


async def _counts(
    session: AsyncSession, ids: list[str], table: type[Unit] | type[Alert]
) -> dict[str | None, int]:
    count = select(table.property_id, func.count()).where(table.property_id.in_(ids))
    if table is Alert:
        count = count.where(Alert.cleared_at.is_(None))
    rows = await session.execute(count.group_by(table.property_id))
    return {place: number for place, number in rows}  # noqa: C416 - rows are no tuples to mypy
