"""What a building file says, as an inventory."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from intercom.building.check import Tables
from intercom.building.home_tables import DAYS, HoursTable, QuietTable
from intercom.building.homes import minutes_of
from intercom.building.load import ParsedBuilding
from intercom.building.table import Table
from intercom.building.tables import DoorbellTable, PropertyTable, ResidentTable
from intercom.routing.directory import PropertyKind, RingWay
from intercom.routing.numbers import to_e164
from intercom.store.inventory import KINDS, Inventory, Things
from intercom.store.inventory_reading import right_key
from intercom.store.kinds import Layout

_PATHS = ("password_file", "code_file", "recording")
"""Fields that name a file beside the building file."""


def inventory_of(building: ParsedBuilding, folder: Path, property_id: str | None) -> Inventory:
    """Say what a file wants to be there; `property_id` takes the place of the file's own.

    `folder` is the building file's: what it names beside itself is kept by its whole path.
    """
    tables = building.tables
    table = tables.property
    assert table is not None, "a file without [property] has been refused"
    inventory: Inventory = {kind: {} for kind in KINDS}
    inventory["property"] = {property_id or table.id: _property(table, folder)}
    units, bells = _homes(tables)
    inventory["unit"], inventory["doorbell"] = units, bells
    inventory["resident"] = {
        each.username: _resident(each, building.region, folder)
        for each in tables.residents.values()
    }
    inventory["door"] = {
        each.id: {
            "name": each.name,
            "unit": each.unit,
            "pulse_ms": each.pulse_ms,
            "document": _document(each, folder, "id", "name", "unit", "pulse_ms"),
        }
        for each in tables.doors.values()
    }
    inventory["panel"] = {
        each.id: {
            "door": each.door,
            "document": _document(each, folder, "id", "door", "buttons"),
            "buttons": dict(each.buttons),
        }
        for each in tables.panels.values()
    }
    inventory["right"] = _rights(tables)
    inventory["trunk"] = {
        each.id: {"position": position, "document": _document(each, folder, "id")}
        for position, each in enumerate(tables.trunks.values())
    }
    return inventory


def _property(table: PropertyTable, folder: Path) -> dict[str, Any]:
    kind = PropertyKind(table.kind)
    fields = {
        "name": table.name,
        "kind": kind,
        "address": table.address,
        "language": table.language,
        "time_zone": table.time_zone,
        "open_keys": "".join(table.open_keys),
        "has_keys_in_app": table.keys_in_app,
        "prompts": {
            words: str((folder / name).resolve())
            for words, name in table.prompts.model_dump(exclude_none=True).items()
        },
        "quiet": _quiet(table.quiet),
    }
    if table.contact_email is not None:
        fields["contact_email"] = table.contact_email
    if kind is PropertyKind.COMMERCIAL and table.log_days is not None:
        fields["log_days"] = table.log_days
    return fields


def _resident(table: ResidentTable, region: str | None, folder: Path) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "name": table.name,
        "has_app": table.app,
        "number": to_e164(table.number, region) if table.number else None,
        "ring_way": RingWay(table.ring_way),
        "devices": {
            name: value
            for name, value in _dumped(table, folder).items()
            if name in ("sip_phones", "sip_account") and value
        },
    }
    for name in ("email", "language", "password_hash", "number_verified_on"):
        if getattr(table, name) is not None:
            fields[name] = getattr(table, name)
    return fields


def _homes(tables: Tables) -> tuple[Things, Things]:
    """Give units and doorbells; a file without units has one for each doorbell.

    Who is rung nowhere and named by no unit gets one of their own: everybody lives somewhere.
    """
    units: Things = {
        each.name: {
            "activated_on": each.activated_on,
            "owners": _named(each.owners),
            "residents": _named(each.residents),
            "stations": _named(each.stations),
        }
        for each in tables.units.values()
    }
    is_implied = not units
    bells: Things = {}
    for table in tables.doorbells.values():
        label = table.unit
        if is_implied:
            label = label or _free(table, units)
            unit = units.setdefault(label, _new_unit())
            unit["residents"] = _named({*unit["residents"], *table.residents})
        bells[table.id] = _doorbell(table, label)
    known = _named_somewhere(tables)
    for each in tables.residents.values():
        if each.username not in known:
            unit = units.setdefault(each.name, _new_unit())
            unit["residents"] = _named({*unit["residents"], each.username})
    return units, bells


def _named_somewhere(tables: Tables) -> set[str]:
    units = tables.units.values()
    live = {name for each in units for name in (*each.owners, *each.residents, *each.stations)}
    rung = {name for each in tables.doorbells.values() for name in each.residents}
    return live | rung | {each.resident for each in tables.rights.values() if each.resident}


def _free(table: DoorbellTable, units: Things) -> str:
    return table.name if table.name not in units else f"{table.name} ({table.id})"[:64]


def _new_unit() -> dict[str, Any]:
    return {"activated_on": None, "owners": (), "residents": (), "stations": ()}


def _doorbell(table: DoorbellTable, label: str | None) -> dict[str, Any]:
    return {
        "unit": label,
        "name": table.name,
        "layout": Layout(table.layout),
        "is_hidden": table.hidden,
        "step_s": table.step_s,
        "app_stage_s": table.app_stage_s,
        "phone_stage_s": table.phone_stage_s,
        "members": tuple((name, name in table.hidden_residents) for name in table.residents),
        "quiet": _quiet(table.quiet),
    }


def _rights(tables: Tables) -> Things:
    found: Things = {}
    for table in tables.rights.values():
        fields = {
            "door": table.door,
            "resident": table.resident,
            "unit": table.unit,
            "may_open": table.may_open,
            "has_key": table.key,
            "hours": _hours(table),
        }
        found[right_key(fields, found)] = fields
    return found


def _quiet(tables: Iterable[QuietTable]) -> tuple[tuple[int, int, int, str], ...]:
    return tuple((*_hours(each), each.mode) for each in tables)


def _hours(table: HoursTable) -> tuple[int, int, int]:
    days = sum(1 << DAYS.index(day) for day in set(table.days))
    return days, minutes_of(table.from_), minutes_of(table.to)


def _named(usernames: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(usernames)))


def _document(table: Table, folder: Path, *without: str) -> dict[str, Any]:
    """Give what was written of a table, but for what stands in columns of its own."""
    return {name: value for name, value in _dumped(table, folder).items() if name not in without}


def _dumped(table: Table, folder: Path) -> dict[str, Any]:
    dumped = table.model_dump(by_alias=True, exclude_unset=True, exclude_none=True)
    _make_whole(dumped, folder)
    return dumped


def _make_whole(value: Any, folder: Path) -> None:  # noqa: ANN401 - parsed TOML
    """Write the whole path of every file that is named."""
    if isinstance(value, list):
        for each in value:
            _make_whole(each, folder)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name in _PATHS and isinstance(inner, str):
                value[name] = str((folder / inner).resolve())
            else:
                _make_whole(inner, folder)
