"""Doors and how each opens: added, changed, deleted; what is written is checked as a building file is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.administration.names import free_id, slug
from intercom.administration.places import door_in
from intercom.administration.properties import line_from
from intercom.building.makes import MAKES, OpenWay
from intercom.building.tables import DoorTable
from intercom.errors import RefusedError
from intercom.store.models import Door, Panel

PANEL_LINK, PANEL_CODE, HTTP = "panel-link", "panel-code", "http"
HTTP_MAKES = tuple(name for name, make in MAKES.items() if make.opens is not None)
"""Makes whose panels open their door by HTTP."""
DRIVERS = (PANEL_LINK, *HTTP_MAKES, PANEL_CODE, HTTP)
_KEPT = ("password", "password_file", "password_env", "code", "code_file", "code_env")
"""What an empty field leaves as it was, while it goes to the same place: it is never shown again."""
_WHERE = {
    "driver": "",
    "host": "",
    "url": "",
    "scheme": "https",
    "panel": "",
    "authentication": "none",
}
"""Where a secret goes, and what a field that is missing means: no machine gets what was given for another."""
_FIELDS = {
    PANEL_LINK: ("panel", "relay"),
    PANEL_CODE: ("panel", "code"),
    HTTP: ("url", "method", "authentication", "username", "password", "expected_text"),
}
_FIELDS_OF_MAKES = ("host", "scheme", "relay", "username", "password", "code")
_FAULTY = {"relay": "relay_number", "name": "name", "pulse_ms": "pulse_s"}
"""The form's fields where they are called otherwise than in the table."""


@dataclass(frozen=True, slots=True)
class DoorFacts:
    """What is written about a door, as it was typed."""

    name: str
    pulse_s: str
    """Seconds that the door stays open, such as 3 or 2,5."""
    relay: Mapping[str, str]
    """The relay's fields by the names of building.tables; `driver` says which count."""


async def doors_of(session: AsyncSession, property_id: str) -> list[Door]:
    """List a property's doors by name, apartments' own last."""
    return list(
        await session.scalars(
            select(Door)
            .where(Door.property_id == property_id)
            .order_by(Door.unit_id.is_not(None), func.lower(Door.name), Door.id)
        )
    )


async def make_door(session: AsyncSession, property_id: str, facts: DoorFacts) -> Door:
    """Add a door; RefusedError names the field that is wrong."""
    name = line_from(facts.name, "name")
    door_id = await free_id(session, Door, f"{property_id}-{slug(name) or 'door'}"[:58])
    made = Door(id=door_id, property_id=property_id, document={})
    await _write(session, made, facts)
    session.add(made)
    await session.flush()
    return made


async def change_door(
    session: AsyncSession, property_id: str, door_id: str, facts: DoorFacts
) -> None:
    """Change a door; secrets whose field is empty stay as they were."""
    await _write(session, await door_in(session, property_id, door_id), facts)


async def delete_door(session: AsyncSession, property_id: str, door_id: str) -> None:
    """Delete a door; refused while a panel stands beside it or opens it with its calls."""
    door = await door_in(session, property_id, door_id)
    panel = await session.scalar(select(Panel.id).where(Panel.door_id == door_id).limit(1))
    if panel is not None:
        raise RefusedError("property.fault.door_has_panel", panel=panel)
    await session.delete(door)


def relay_of(door: Door) -> dict[str, Any]:
    """Give what is stored about a door's relay; empty for a door that was never set up."""
    relay = door.document.get("relay")
    return dict(relay) if isinstance(relay, dict) else {}


async def _write(session: AsyncSession, door: Door, facts: DoorFacts) -> None:
    relay = _relay_from(facts.relay, relay_of(door))
    written = {
        "id": door.id,
        "name": line_from(facts.name, "name"),
        "pulse_ms": _pulse_ms(facts.pulse_s),
        "relay": relay,
    }
    try:
        table = DoorTable.model_validate(written)
    except ValidationError as error:
        raise fault_of(error, _FAULTY) from error
    await _check_panel(session, door, relay)
    door.name, door.pulse_ms = table.name, table.pulse_ms
    door.document = {**door.document, "relay": relay}


def _relay_from(typed: Mapping[str, str], before: Mapping[str, Any]) -> dict[str, Any]:
    driver = typed.get("driver", "")
    if driver not in DRIVERS:
        raise RefusedError("property.fault.driver", field="driver")
    names = _FIELDS.get(driver, _FIELDS_OF_MAKES)
    relay: dict[str, Any] = {"driver": driver}
    relay |= {name: typed[name] for name in names if typed.get(name)}
    make = MAKES.get(driver)
    if make is not None and not make.needs_code and make.opens and make.opens.default_code is None:
        relay.pop("code", None)  # typed for another make before
    if "relay" in relay:
        relay["relay"] = _number(relay["relay"])
    if all(before.get(n, usual) == relay.get(n, usual) for n, usual in _WHERE.items()):
        for secret in ("password", "code"):
            if secret in names and secret not in relay:
                relay |= {n: before[n] for n in _KEPT if n in before and n.startswith(secret)}
    _check_needs(driver, relay)
    return relay


def _check_needs(driver: str, relay: Mapping[str, Any]) -> None:
    """Refuse what `building.check_ways` would: a log-in without its half, a missing code."""
    has_code = any(name.startswith("code") for name in relay)
    make = MAKES.get(driver)
    if make is not None and make.opens is not None:
        _check_make(make.opens, relay)
    is_code_needed = driver == PANEL_CODE or (make is not None and make.needs_code)
    if is_code_needed and not has_code:
        raise RefusedError("property.fault.code", field="code")
    if driver not in {PANEL_LINK, PANEL_CODE}:
        _check_login(relay, is_needed=make is not None)


def _check_make(opens: OpenWay, relay: Mapping[str, Any]) -> None:
    if "host" not in relay:
        raise RefusedError("property.fault.host", field="host")
    if relay.get("relay", 1) > 1 and "{relay}" not in opens.path:
        raise RefusedError("property.fault.one_relay", field="relay_number")


def _check_login(relay: Mapping[str, Any], *, is_needed: bool) -> None:
    has_password = any(name.startswith("password") for name in relay)
    if is_needed or relay.get("authentication", "none") != "none":
        if not relay.get("username"):
            raise RefusedError("property.fault.username", field="username")
        if not has_password:
            raise RefusedError("property.fault.password", field="password")
    elif relay.get("username") or has_password:
        raise RefusedError("property.fault.authentication", field="authentication")


async def _check_panel(session: AsyncSession, door: Door, relay: Mapping[str, Any]) -> None:
    """Check that a relay's panel is of the same property, and that the relay is no other door's."""
    if relay["driver"] not in {PANEL_LINK, PANEL_CODE}:
        return
    panel = await session.get(Panel, relay.get("panel", ""))
    if panel is None or panel.property_id != door.property_id:
        raise RefusedError("property.fault.panel", field="panel")
    if relay["driver"] != PANEL_LINK:
        return
    for other in await doors_of(session, door.property_id):
        theirs = relay_of(other)
        is_same = theirs.get("driver") == PANEL_LINK and theirs.get("panel") == relay["panel"]
        if other.id != door.id and is_same and theirs.get("relay", 1) == relay.get("relay", 1):
            raise RefusedError("property.fault.relay_taken", field="relay_number", door=other.name)


def fault_of(error: ValidationError, names: Mapping[str, str]) -> RefusedError:
    """Say which field a table refuses; `names` are the form's where they differ."""
    place = [str(part) for part in error.errors()[0]["loc"]][-1]
    field = names.get(place, place)
    known = {"host", "url", "relay_number", "code", "name", "username", "password", "address"}
    return RefusedError(f"property.fault.{field if field in known else 'value'}", field=field)


def _pulse_ms(text: str) -> int:
    try:
        pulse_ms = round(float(text.strip().replace(",", ".")) * 1000)
    except (ValueError, OverflowError):
        raise RefusedError("property.fault.pulse_s", field="pulse_s") from None
    if not 100 <= pulse_ms <= 10_000:  # building.tables.MAX_PULSE_MS
        raise RefusedError("property.fault.pulse_s", field="pulse_s")
    return pulse_ms


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:3]) <= 8):
        raise RefusedError("property.fault.relay_number", field="relay_number")
    return int(text[:3])
