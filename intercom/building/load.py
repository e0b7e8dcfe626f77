"""Read a building file into a directory; a file with any fault gives none."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, TypeVar

from pydantic import ValidationError

from intercom.building.assemble import assemble
from intercom.building.check import Secrets, Tables, check
from intercom.building.check_trunks import doubt_tls, home_region
from intercom.building.faults import Faults, did_you_mean, name_of
from intercom.building.home_tables import RightTable, UnitTable
from intercom.building.lines import LineIndex, Path
from intercom.building.recordings import read_recordings
from intercom.building.secrets import read_secrets
from intercom.building.table import Table
from intercom.building.tables import (
    LISTS,
    DoorbellTable,
    DoorTable,
    PanelTable,
    PropertyTable,
    ResidentTable,
    TrunkTable,
)
from intercom.errors import ConfigError
from intercom.routing.directory import Directory
from intercom.routing.numbers import DialPolicy

_MAX_FILE_BYTES = 16_000_000
_TOML_HINT = 'texts stand in "quotes", and tables that come more than once in [[double brackets]]'
_INNER = {
    "sip_account": "resident",
    "relay": "door",
    "profile": "panel",
    "buttons": "panel",
    "prompts": "property",
}
"""Tables that stand in others."""
_T = TypeVar("_T", bound=Table)


@dataclass(frozen=True, slots=True)
class Building:
    directory: Directory
    warnings: tuple[str, ...]
    """What is allowed and probably not meant, for the installer."""


@dataclass(frozen=True, slots=True)
class ParsedBuilding:
    """The tables of a file without any fault."""

    tables: Tables
    secrets: Secrets
    faults: Faults
    """Its warnings alone."""
    region: str | None
    """The country in whose way numbers may be written."""


def load_building(
    file: FilePath,
    *,
    caller_id: str | None = None,
    dial_policy: DialPolicy | None = None,
    has_sip_tls: bool = True,
    environment: Mapping[str, str] = os.environ,
) -> Building:
    """Read and check a building file; raise ConfigError that names all its faults at once.

    With `caller_id`, some trunk must be allowed to present it. `dial_policy` says which numbers may be
    called; without it only those are refused that never may. `has_sip_tls`: we listen for TLS.
    """
    parsed = parse_building(
        file,
        caller_id=caller_id,
        dial_policy=dial_policy,
        has_sip_tls=has_sip_tls,
        environment=environment,
    )
    recordings = read_recordings(parsed.tables, parsed.faults, file)
    directory = assemble(parsed.tables, parsed.secrets, recordings, parsed.region)
    return Building(directory, tuple(parsed.faults.warnings))


def parse_building(
    file: FilePath,
    *,
    caller_id: str | None = None,
    dial_policy: DialPolicy | None = None,
    has_sip_tls: bool = True,
    environment: Mapping[str, str] = os.environ,
) -> ParsedBuilding:
    """Read and check a building file into its tables; otherwise as `load_building`."""
    text = _read(file)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        msg = f"{file}: this is not TOML: {error}; {_TOML_HINT}"
        raise ConfigError(msg) from error
    faults = Faults(file, raw, LineIndex(text))
    tables = _parse(raw, faults)
    secrets = read_secrets(tables, faults, file, environment)
    check(tables, secrets, faults, caller_id, dial_policy or DialPolicy())
    if not has_sip_tls:
        doubt_tls(tables.trunks, faults)
    faults.raise_if_any()
    return ParsedBuilding(tables, secrets, faults, home_region(tables.trunks.values(), caller_id))


def _read(file: FilePath) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(_MAX_FILE_BYTES + 1)
        if len(content) > _MAX_FILE_BYTES:
            msg = f"{file}: longer than {_MAX_FILE_BYTES // 1_000_000} MB: this is no building file"
            raise ConfigError(msg)
        return content.decode("utf-8").replace("\r\n", "\n")
    except OSError as error:
        msg = (
            f"{file}: the building file cannot be read ({error.strerror}): name another by"
            " --building or INTERCOM_BUILDING_FILE; examples/building.toml explains one"
        )
        raise ConfigError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{file}: not UTF-8 (byte {error.start}): save it as UTF-8"
        raise ConfigError(msg) from error


def _parse(raw: Mapping[str, Any], faults: Faults) -> Tables:
    """Check each table's shape by itself, so that one wrong table hides no other's faults."""
    for kind in raw:
        if kind not in LISTS and kind != "property":
            known = did_you_mean(kind, ["property", *LISTS])
            if kind in _INNER:
                known = f": it belongs into a {_INNER[kind]}, as examples/building.toml shows"
            faults.add((kind,), f"no such table{known}")
    names = {
        kind: [name_of(item) for item in _items(raw, kind) if isinstance(item, dict)]
        for kind in LISTS
    }
    return Tables(
        property=_parse_property(raw, faults),
        doors=_parse_list(raw, "door", DoorTable, faults),
        panels=_parse_list(raw, "panel", PanelTable, faults),
        doorbells=_parse_list(raw, "doorbell", DoorbellTable, faults),
        residents=_parse_list(raw, "resident", ResidentTable, faults),
        trunks=_parse_list(raw, "trunk", TrunkTable, faults),
        names=names,
        units=_parse_list(raw, "unit", UnitTable, faults),
        rights=_parse_list(raw, "right", RightTable, faults),
    )


def _parse_property(raw: Mapping[str, Any], faults: Faults) -> PropertyTable | None:
    table = raw.get("property")
    if not isinstance(table, dict):
        faults.add(("property",), "is missing: give [property] once, with name, kind and address")
        return None
    return _parse_one(table, ("property",), PropertyTable, faults)


def _parse_list(
    raw: Mapping[str, Any], kind: str, shape: type[_T], faults: Faults
) -> dict[int, _T]:
    parsed = {}
    for position, item in enumerate(_items(raw, kind)):
        if not isinstance(item, dict):
            faults.add((kind,), f"write [[{kind}]] in double brackets, once for each {kind}")
            return {}
        table = _parse_one(item, (kind, position), shape, faults)
        if table is not None:
            parsed[position] = table
    return parsed


def _items(raw: Mapping[str, Any], kind: str) -> list[Any]:
    value = raw.get(kind, [])
    return value if isinstance(value, list) else [None]


def _parse_one(item: Mapping[str, Any], path: Path, shape: type[_T], faults: Faults) -> _T | None:
    try:
        return shape.model_validate(item)
    except ValidationError as error:
        faults.add_shape(path, shape, error)
        faults.mark_mended(path)
        wrong = {details["loc"][0] for details in error.errors() if details["loc"]}
    try:  # once more without what is wrong, so that its references are checked all the same
        return shape.model_validate({key: item[key] for key in item if key not in wrong})
    except ValidationError:
        return None
