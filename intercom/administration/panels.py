"""Door panels: an entrance added with its door, changed, a new password, deleted."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.administration.buttons import give_buttons
from intercom.administration.doors import (
    HTTP_MAKES,
    PANEL_CODE,
    PANEL_LINK,
    DoorFacts,
    change_door,
    doors_of,
    fault_of,
    relay_of,
)
from intercom.administration.names import free_id, slug
from intercom.administration.places import door_in, panel_in
from intercom.administration.properties import line_from
from intercom.building.makes import MAKES
from intercom.building.tables import PanelTable
from intercom.errors import RefusedError
from intercom.store.models import Door, Panel

NEW_DOOR = ""
OWN = "open-intercom"
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is taken for another one
_GROUPS, _GROUP = 4, 5
"""20 letters of 31: 99 bits."""


@dataclass(frozen=True, slots=True)
class PanelFacts:
    """What is written about a panel, as it was typed."""

    make: str
    door_id: str
    """NEW_DOOR: one that is made of `door`."""
    addresses: str = ""
    """IP addresses from which it may call without a password, with commas or spaces between."""
    early: str = ""
    """As in building.tables.ProfileTable; empty: as its make does."""
    picture: Mapping[str, str] | None = None
    """host or url, username, password of its picture by HTTP."""


async def panels_of(session: AsyncSession, property_id: str) -> list[tuple[Panel, Door]]:
    """List a property's panels with the doors beside them."""
    rows = await session.execute(
        select(Panel, Door)
        .join(Door, Door.id == Panel.door_id)
        .where(Panel.property_id == property_id)
        .order_by(Panel.id)
    )
    return [(panel, door) for panel, door in rows]


async def make_panel(
    session: AsyncSession, property_id: str, facts: PanelFacts, door: DoorFacts | None = None
) -> Panel:
    """Add a panel, with a new door where `door` is given; its password is in its document.

    A new door opens by the panel itself: the fields of `door.relay` need neither driver nor panel.
    """
    if facts.make not in MAKES:
        raise RefusedError("property.fault.make", field="make")
    if facts.door_id == NEW_DOOR and door is None:
        raise RefusedError("property.fault.door", field="door")
    is_new_door = facts.door_id == NEW_DOOR and door is not None
    if is_new_door and door is not None:
        beside = await _bare_door(session, property_id, door)
    else:
        beside = await door_in(session, property_id, facts.door_id)
    made = Panel(
        id=await free_id(session, Panel, beside.id),
        property_id=property_id,
        door_id=beside.id,
        document={"password": new_password()},
    )
    _write(made, replace(facts, door_id=beside.id))
    session.add(made)
    await session.flush()
    if is_new_door and door is not None:
        relay = dict(door.relay) | {"driver": driver_of(facts.make), "panel": made.id}
        await change_door(session, property_id, beside.id, replace(door, relay=relay))
    await give_buttons(session, property_id)
    return made


async def change_panel(
    session: AsyncSession, property_id: str, panel_id: str, facts: PanelFacts
) -> None:
    """Change a panel; secrets whose field is empty stay as they were."""
    panel = await panel_in(session, property_id, panel_id)
    await door_in(session, property_id, facts.door_id)
    _write(panel, facts)


async def renew_password(session: AsyncSession, property_id: str, panel_id: str) -> str:
    """Give a panel another password; with the old one it is out at once."""
    panel = await panel_in(session, property_id, panel_id)
    password = new_password()
    kept = {n: v for n, v in panel.document.items() if not n.startswith("password")}
    panel.document = {**kept, "password": password}
    return password


async def opens_only(session: AsyncSession, property_id: str, panel_id: str) -> list[Door]:
    """List the doors that open by way of this panel: without it they open no more."""
    return [
        door
        for door in await doors_of(session, property_id)
        if relay_of(door).get("panel") == panel_id
    ]


async def delete_panel(session: AsyncSession, property_id: str, panel_id: str) -> None:
    """Delete a panel and the doors that open by it alone; refused where such a door has another panel."""
    panel = await panel_in(session, property_id, panel_id)
    dead = await opens_only(session, property_id, panel_id)
    for door in dead:
        beside = select(Panel.id).where(Panel.door_id == door.id, Panel.id != panel_id).limit(1)
        if await session.scalar(beside) is not None:
            raise RefusedError("property.fault.panel_opens", door=door.name)
    await session.delete(panel)
    await session.flush()
    for door in dead:
        await session.delete(door)


def driver_of(make: str) -> str:
    """Give the usual way in which a panel of a make opens the door beside it."""
    if make == OWN:
        return PANEL_LINK
    return make if make in HTTP_MAKES else PANEL_CODE


def new_password() -> str:
    """Make a password that is easily typed on a panel: four groups of five letters and digits."""
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)


async def _bare_door(session: AsyncSession, property_id: str, door: DoorFacts) -> Door:
    """Make a door that nothing opens yet: its panel, which it names, must be there first."""
    name = line_from(door.name, "name")
    door_id = await free_id(session, Door, f"{property_id}-{slug(name) or 'door'}"[:58])
    made = Door(id=door_id, property_id=property_id, name=name, document={})
    session.add(made)
    await session.flush()
    return made


def _write(panel: Panel, facts: PanelFacts) -> None:
    if facts.make not in MAKES:
        raise RefusedError("property.fault.make", field="make")
    document: dict[str, Any] = {**panel.document, "make": facts.make}
    document["allowed_addresses"] = facts.addresses.replace(",", " ").split()
    profile = {**panel.document.get("profile", {}), "early": facts.early or None}
    document["profile"] = {name: value for name, value in profile.items() if value is not None}
    snapshot = _snapshot_from(facts, panel.document.get("snapshot") or {})
    if snapshot is None and facts.early == "snapshot":
        raise RefusedError("property.fault.picture_host", field="picture_host")
    document["snapshot"] = snapshot
    document = {name: value for name, value in document.items() if value}
    table = {**document, "id": panel.id, "door": facts.door_id, "buttons": {"1": "x"}}
    try:
        PanelTable.model_validate(table)
    except ValidationError as error:
        raise _fault_of(error) from error
    panel.door_id, panel.document = facts.door_id, document


def _snapshot_from(facts: PanelFacts, before: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give where a panel's picture is got; None: nowhere, it comes with the call."""
    typed = facts.picture or {}
    place = typed.get("host", "").strip()
    if not place:
        return None
    is_url = place.startswith(("http://", "https://"))
    if not is_url and MAKES[facts.make].picture is None:
        raise RefusedError("property.fault.picture_url", field="picture_host")
    snapshot: dict[str, Any] = {"url" if is_url else "host": place}
    if typed.get("username"):
        snapshot["username"] = typed["username"]
        snapshot["authentication"] = "digest"
    if typed.get("password"):
        snapshot["password"] = typed["password"]
    elif (before.get("url"), before.get("host")) == (snapshot.get("url"), snapshot.get("host")):
        snapshot |= {name: value for name, value in before.items() if name.startswith("password")}
    has_password = any(name.startswith("password") for name in snapshot)
    if ("username" in snapshot) != has_password or (not is_url and "username" not in snapshot):
        raise RefusedError("property.fault.picture_login", field="picture_username")
    return snapshot


def _fault_of(error: ValidationError) -> RefusedError:
    place = [str(part) for part in error.errors()[0]["loc"]]
    if "allowed_addresses" in place:
        return RefusedError("property.fault.addresses", field="addresses")
    if "snapshot" in place:
        return RefusedError("property.fault.picture_host", field="picture_host")
    return fault_of(error, {})
