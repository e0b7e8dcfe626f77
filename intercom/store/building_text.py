"""An inventory as the text of a building file."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from enum import Enum
from typing import Any

from intercom.building.home_tables import DAYS, RightTable, UnitTable
from intercom.building.table import Table
from intercom.building.tables import (
    DoorbellTable,
    DoorTable,
    PanelTable,
    PropertyTable,
    ResidentTable,
    TrunkTable,
)
from intercom.store.inventory import Inventory

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SHAPES: Mapping[str, type[Table]] = {
    "property": PropertyTable,
    "unit": UnitTable,
    "door": DoorTable,
    "panel": PanelTable,
    "doorbell": DoorbellTable,
    "resident": ResidentTable,
    "right": RightTable,
    "trunk": TrunkTable,
}
_ALWAYS = frozenset({"id", "name", "app", "language"})
"""Fields that are written even when they are as usual."""


def building_text(inventory: Inventory) -> str:
    """Write a building file; it holds every password as the store does."""
    return "\n".join(_lines(inventory))


def _lines(inventory: Inventory) -> Iterator[str]:
    yield "# Written by `intercom export-building`; examples/building.toml explains it line by line."
    for kind, shape in _SHAPES.items():
        for key, fields in inventory[kind].items():
            table = _TABLES[kind](key, fields)
            usual = {
                field.alias or name: field.default for name, field in shape.model_fields.items()
            }
            yield ""
            yield f"[{kind}]" if kind == "property" else f"[[{kind}]]"
            for name, value in table.items():
                if value is not None and (name in _ALWAYS or value != usual.get(name)):
                    yield f"{_key(name)} = {_value(value)}"
    yield ""


def _property(key: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": key,
        **{name: fields[name] for name in ("name", "kind", "address", "language", "time_zone")},
        "open_keys": list(fields["open_keys"]),
        "keys_in_app": fields["has_keys_in_app"],
        "contact_email": fields["contact_email"],
        "log_days": fields["log_days"],
        "quiet": _quiet(fields["quiet"]),
        "prompts": fields["prompts"] or None,
    }


def _unit(key: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    people = {name: list(fields[name]) for name in ("owners", "residents", "stations")}
    return {"name": key, "activated_on": fields["activated_on"], **people}


def _resident(key: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    rest = ("password_hash", "number", "number_verified_on", "ring_way", "email", "language")
    return {
        "username": key,
        "name": fields["name"],
        "app": fields["has_app"],
        **{name: fields[name] for name in rest},
        **fields["devices"],
    }


def _door(key: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    named = {name: fields[name] for name in ("name", "unit", "pulse_ms")}
    return {"id": key, **named, **fields["document"]}


def _panel(key: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": key, "door": fields["door"], **fields["document"], "buttons": fields["buttons"]}


def _doorbell(key: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    plain = ("name", "unit", "layout", "step_s", "app_stage_s", "phone_stage_s")
    return {
        "id": key,
        **{name: fields[name] for name in plain},
        "hidden": fields["is_hidden"],
        "residents": [name for name, _ in fields["members"]],
        "hidden_residents": [name for name, is_hidden in fields["members"] if is_hidden],
        "quiet": _quiet(fields["quiet"]),
    }


def _right(_: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: fields[name] for name in ("door", "resident", "unit", "may_open")},
        "key": fields["has_key"],
        **_hours(*fields["hours"]),
    }


def _trunk(key: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": key, **fields["document"]}


_TABLES = {
    "property": _property,
    "unit": _unit,
    "resident": _resident,
    "door": _door,
    "panel": _panel,
    "doorbell": _doorbell,
    "right": _right,
    "trunk": _trunk,
}


def _quiet(rows: tuple[tuple[int, int, int, str], ...]) -> list[dict[str, Any]]:
    return [{**_hours(*hours), "mode": mode} for *hours, mode in rows]


def _hours(days: int, start_minute: int, end_minute: int) -> dict[str, Any]:
    return {
        "days": [day for number, day in enumerate(DAYS) if days >> number & 1],
        "from": _clock(start_minute),
        "to": _clock(end_minute),
    }


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _value(value: Any) -> str:  # noqa: ANN401 - whatever TOML knows
    match value:
        case Enum():
            return _value(value.value)
        case list() | tuple():
            return f"[{', '.join(map(_value, value))}]"
        case dict():
            pairs = (f"{_key(k)} = {_value(v)}" for k, v in value.items() if v is not None)
            return f"{{ {', '.join(pairs)} }}"
        case date():
            return value.isoformat()
        case _:
            return _text(value) if isinstance(value, str) else repr(value).lower()


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
