"""What is where: each loader finds a thing within a property, or refuses as if it did not exist."""

from collections.abc import Mapping
from typing import TypeVar

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.errors import RefusedError
from intercom.store.models import (
    Account,
    Door,
    Doorbell,
    Grant,
    Member,
    Panel,
    Property,
    Unit,
)

NOT_THERE = "admin.not_there"
MAX_ID = 2**31 - 1
_Thing = TypeVar("_Thing")


async def property_at(session: AsyncSession, property_id: str) -> Property:
    """Find a property."""
    return _found(await session.get(Property, property_id))


async def unit_in(session: AsyncSession, property_id: str, unit_id: int) -> Unit:
    """Find a unit of a property."""
    unit = await session.get(Unit, _in_range(unit_id))
    return _found(unit if unit is not None and unit.property_id == property_id else None)


async def account_in(session: AsyncSession, property_id: str, account_id: int) -> Account:
    """Find a person who has a role in a property, or who is rung there."""
    account = await session.scalar(
        select(Account).where(Account.id == _in_range(account_id), is_of(property_id))
    )
    return _found(account)


async def door_in(session: AsyncSession, property_id: str, door_id: str) -> Door:
    """Find a door of a property."""
    door = await session.get(Door, door_id)
    return _found(door if door is not None and door.property_id == property_id else None)


async def panel_in(session: AsyncSession, property_id: str, panel_id: str) -> Panel:
    """Find a panel of a property."""
    panel = await session.get(Panel, panel_id)
    return _found(panel if panel is not None and panel.property_id == property_id else None)


async def doorbell_in(session: AsyncSession, property_id: str, doorbell_id: str) -> Doorbell:
    """Find a doorbell of a property."""
    bell = await session.get(Doorbell, doorbell_id)
    return _found(bell if bell is not None and bell.property_id == property_id else None)


def is_of(property_id: str) -> ColumnElement[bool]:
    """Select the accounts that belong to a property in any way."""
    units = select(Unit.id).where(Unit.property_id == property_id)
    granted = exists().where(
        Grant.account_id == Account.id,
        or_(Grant.property_id == property_id, Grant.unit_id.in_(units)),
    )
    rung = exists().where(
        Member.account_id == Account.id,
        Member.doorbell_id == Doorbell.id,
        Doorbell.property_id == property_id,
    )
    return or_(granted, rung)


async def check(session: AsyncSession, parts: Mapping[str, str]) -> None:
    """Refuse a path whose parts, by the names that `web.rules` gives them, do not belong together."""
    if "property" not in parts:
        return
    place = (await property_at(session, parts["property"])).id
    if "unit" in parts:
        await unit_in(session, place, number(parts["unit"]))
    if "account" in parts:
        await account_in(session, place, number(parts["account"]))
    if "door" in parts:
        await door_in(session, place, parts["door"])
    if "panel" in parts:
        await panel_in(session, place, parts["panel"])
    if "doorbell" in parts:
        await doorbell_in(session, place, parts["doorbell"])


def number(text: str) -> int:
    """Read a row's number from a path; whatever is none is not there."""
    if not (text.isascii() and text.isdecimal()):
        raise RefusedError(NOT_THERE)
    return _in_range(int(text[:11]))


def _in_range(row_id: int) -> int:
    if row_id > MAX_ID:
        raise RefusedError(NOT_THERE)
    return row_id


def _found(thing: _Thing | None) -> _Thing:
    if thing is None:
        raise RefusedError(NOT_THERE)
    return thing
