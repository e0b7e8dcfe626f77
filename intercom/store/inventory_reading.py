"""What the store holds of a property, as an inventory."""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from typing import Any

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.store.inventory import KINDS, Inventory, Things
from intercom.store.kinds import Layout, Role
from intercom.store.models import (
    Account,
    Button,
    CommercialLog,
    Door,
    Doorbell,
    DoorRight,
    Grant,
    Member,
    Panel,
    Property,
    QuietHours,
    Trunk,
    Unit,
)

OWN_BUTTONS = frozenset({Layout.INDIVIDUAL, Layout.GROUPED})
PLACES = {Role.OWNER: "owners", Role.RESIDENT: "residents", Role.STATION: "stations"}
"""The fields of a unit that say who has a role there."""
PROPERTY_FIELDS = (
    *("name", "kind", "address", "language", "time_zone", "open_keys", "has_keys_in_app"),
    *("contact_email", "prompts"),
)
ACCOUNT_FIELDS = (
    *("name", "email", "language", "password_hash", "has_app", "number", "number_verified_on"),
    *("ring_way", "devices"),
)
DOORBELL_FIELDS = ("name", "layout", "is_hidden", "step_s", "app_stage_s", "phone_stage_s")
HOURS_FIELDS = ("days", "start_minute", "end_minute")


async def read_inventory(session: AsyncSession, property_id: str) -> Inventory:
    """Read a property; of one that is not there, the trunks alone."""
    inventory: Inventory = {kind: {} for kind in KINDS}
    inventory["trunk"] = {
        each.id: {"position": each.position, "document": each.document}
        for each in await _all(session, select(Trunk).order_by(Trunk.position, Trunk.id))
    }
    prop = await session.get(Property, property_id)
    if prop is None:
        return inventory
    labels = {
        each.id: each.label
        for each in await _all(
            session, select(Unit).where(Unit.property_id == property_id).order_by(Unit.id)
        )
    }
    people = await _people(session, property_id)
    usernames = {each.id: each.username for each in people}
    inventory["property"] = {property_id: await _property(session, prop)}
    inventory["unit"] = await _units(session, property_id, usernames)
    inventory["resident"] = {each.username: _fields(each, ACCOUNT_FIELDS) for each in people}
    inventory["door"] = await _doors(session, property_id, labels)
    inventory["doorbell"] = await _doorbells(session, property_id, labels, usernames)
    inventory["panel"] = await _panels(session, property_id, usernames, inventory["doorbell"])
    inventory["right"] = await _rights(session, property_id, labels, usernames)
    return inventory


async def _property(session: AsyncSession, prop: Property) -> dict[str, Any]:
    days = await session.scalar(
        select(CommercialLog.retention_days).where(CommercialLog.property_id == prop.id)
    )
    quiet = await _all(
        session,
        select(QuietHours).where(QuietHours.property_id == prop.id).order_by(QuietHours.id),
    )
    return _fields(prop, PROPERTY_FIELDS) | {"quiet": _quiet(quiet), "log_days": days}


async def _people(session: AsyncSession, property_id: str) -> list[Account]:
    live = select(Grant.account_id).join(Unit).where(Unit.property_id == property_id)
    rung = select(Member.account_id).join(Doorbell).where(Doorbell.property_id == property_id)
    may = select(DoorRight.account_id).join(Door).where(Door.property_id == property_id)
    statement = (
        select(Account)
        .where(or_(Account.id.in_(live), Account.id.in_(rung), Account.id.in_(may)))
        .order_by(Account.id)
    )
    return await _all(session, statement)


async def _units(session: AsyncSession, property_id: str, usernames: dict[int, str]) -> Things:
    units = await _all(
        session, select(Unit).where(Unit.property_id == property_id).order_by(Unit.id)
    )
    found: Things = {
        each.label: {"activated_on": each.activated_on, **{name: [] for name in PLACES.values()}}
        for each in units
    }
    labels = {each.id: each.label for each in units}
    grants = select(Grant).join(Unit).where(Unit.property_id == property_id)
    for grant in await _all(session, grants):
        if grant.unit_id is not None and grant.role in PLACES:
            found[labels[grant.unit_id]][PLACES[grant.role]].append(usernames[grant.account_id])
    for fields in found.values():
        for name in PLACES.values():
            fields[name] = tuple(sorted(fields[name]))
    return found


async def _doors(session: AsyncSession, property_id: str, labels: dict[int, str]) -> Things:
    doors = select(Door).where(Door.property_id == property_id).order_by(Door.id)
    return {
        each.id: {
            "name": each.name,
            "unit": labels.get(each.unit_id or 0),
            "pulse_ms": each.pulse_ms,
            "document": each.document,
        }
        for each in await _all(session, doors)
    }


async def _doorbells(
    session: AsyncSession, property_id: str, labels: dict[int, str], usernames: dict[int, str]
) -> Things:
    members = defaultdict(list)
    rows = (
        select(Member)
        .join(Doorbell)
        .where(Doorbell.property_id == property_id)
        .order_by(Member.position, Member.account_id)
    )
    for member in await _all(session, rows):
        members[member.doorbell_id].append((usernames[member.account_id], member.is_hidden))
    quiet = defaultdict(list)
    hours = (
        select(QuietHours)
        .join(Doorbell, Doorbell.id == QuietHours.doorbell_id)
        .where(Doorbell.property_id == property_id)
        .order_by(QuietHours.id)
    )
    for each in await _all(session, hours):
        quiet[each.doorbell_id].append(each)
    bells = select(Doorbell).where(Doorbell.property_id == property_id).order_by(Doorbell.id)
    return {
        each.id: _fields(each, DOORBELL_FIELDS)
        | {
            "unit": labels.get(each.unit_id or 0),
            "members": tuple(members[each.id]),
            "quiet": _quiet(quiet[each.id]),
        }
        for each in await _all(session, bells)
    }


async def _panels(
    session: AsyncSession, property_id: str, usernames: dict[int, str], doorbells: Things
) -> Things:
    buttons: dict[str, dict[str, str]] = defaultdict(dict)
    rows = (
        select(Button)
        .join(Panel)
        .where(Panel.property_id == property_id)
        .order_by(Button.panel_id, Button.name)
    )
    for button in await _all(session, rows):
        target = _target(button, usernames, doorbells)
        if target is not None:
            buttons[button.panel_id][button.name] = target
    panels = select(Panel).where(Panel.property_id == property_id).order_by(Panel.id)
    return {
        each.id: {
            "door": each.door_id,
            "document": each.document,
            "buttons": buttons[each.id],
        }
        for each in await _all(session, panels)
    }


def _target(button: Button, usernames: dict[int, str], doorbells: Things) -> str | None:
    """Say where a button leads; None: it stands there for nobody, as the doorbell is laid out."""
    doorbell = doorbells.get(button.doorbell_id)
    if doorbell is None:
        return None
    has_own = doorbell["layout"] in OWN_BUTTONS
    if not has_own or button.account_id is None:
        return None if has_own or button.account_id is not None else button.doorbell_id
    username = usernames.get(button.account_id)
    is_member = username in {name for name, _ in doorbell["members"]}
    return f"{button.doorbell_id}/{username}" if is_member else None


async def _rights(
    session: AsyncSession, property_id: str, labels: dict[int, str], usernames: dict[int, str]
) -> Things:
    rows = select(DoorRight).join(Door).where(Door.property_id == property_id)
    found: Things = {}
    for each in await _all(session, rows.order_by(DoorRight.id)):
        fields = {
            "door": each.door_id,
            "resident": usernames.get(each.account_id or 0),
            "unit": labels.get(each.unit_id or 0),
            "may_open": each.may_open,
            "has_key": each.has_key,
            "hours": tuple(getattr(each, name) for name in HOURS_FIELDS),
        }
        if (fields["resident"] is None) != (fields["unit"] is None):
            found[right_key(fields, found)] = fields
    return found


async def read_right_rows(session: AsyncSession, property_id: str) -> dict[str, DoorRight]:
    """Read the rights of a property's doors, by the keys that they have in an inventory."""
    rows = (
        select(DoorRight, Account.username, Unit.label)
        .join(Door, Door.id == DoorRight.door_id)
        .outerjoin(Account, Account.id == DoorRight.account_id)
        .outerjoin(Unit, and_(Unit.id == DoorRight.unit_id, Unit.property_id == Door.property_id))
        .where(Door.property_id == property_id)
        .order_by(DoorRight.id)
    )
    found: dict[str, DoorRight] = {}
    for right, username, label in (await session.execute(rows)).all():
        if (username is None) != (label is None):
            fields = {"resident": username, "unit": label, "door": right.door_id}
            found[right_key(fields, found)] = right
    return found


def right_key(fields: Mapping[str, Any], others: Container[str]) -> str:
    """Name a right by whose and of which door it is; further ones of the same are counted."""
    stem = f"{fields['resident'] or fields['unit']} → {fields['door']}"
    key, count = stem, 1
    while key in others:
        count += 1
        key = f"{stem} ({count})"
    return key


def _quiet(rows: Iterable[QuietHours]) -> tuple[tuple[int, int, int, str], ...]:
    return tuple((each.days, each.start_minute, each.end_minute, each.mode.value) for each in rows)


def _fields(thing: object, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(thing, name) for name in names}


async def _all(session: AsyncSession, statement: Select[Any]) -> list[Any]:
    return list((await session.scalars(statement)).all())
