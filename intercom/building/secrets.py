"""The secrets of a building file: given as such, in a file of their own, or in the environment."""

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import NamedTuple

from intercom.building.check import Secrets, Tables
from intercom.building.faults import Faults
from intercom.building.lines import Path
from intercom.building.table import Table
from intercom.building.tables import (
    HttpTable,
    MakeRelayTable,
    PanelCodeTable,
    WithCode,
    WithPassword,
)

_NAMES_BEGIN = "INTERCOM_SECRET_"
"""Of the variables that stand in a settings file and are no settings."""
_MAX_SECRET_BYTES = 4096


class _Places(NamedTuple):
    """Where secrets are looked up."""

    folder: FilePath
    environment: Mapping[str, str]


def read_secrets(
    tables: Tables, faults: Faults, file: FilePath, environment: Mapping[str, str]
) -> Secrets:
    """Look up every password, and every door code under "code" of its table.

    A file's path is relative to the building file.
    """
    secrets = find_secrets(tables, faults, file.parent, environment)
    is_plain = any(table.password is not None for _, table in _tables_with_password(tables))
    is_plain |= any(coded.code is not None for _, coded in _tables_with_code(tables))
    if is_plain and _is_open_to_all(file):
        faults.warn((), f"holds passwords, and everybody may read it: chmod 640 {file}")
    return secrets


def find_secrets(
    tables: Tables, faults: Faults, folder: FilePath, environment: Mapping[str, str]
) -> Secrets:
    """Look up every secret of tables that come from anywhere; a file's path is relative to `folder`."""
    secrets: Secrets = {}
    places = _Places(folder, environment)
    for path, table in _tables_with_password(tables):
        if _is_given(table, "password"):
            secrets[path] = _look_up(table, "password", path, faults, places)
    for path, coded in _tables_with_code(tables):
        if _is_given(coded, "code"):
            secrets[*path, "code"] = _look_up(coded, "code", path, faults, places)
    return secrets


def _is_given(table: Table, what: str) -> bool:
    return any(getattr(table, name) is not None for name in _names(what))


def _names(what: str) -> tuple[str, str, str]:
    return what, f"{what}_file", f"{what}_env"


def _look_up(table: Table, what: str, path: Path, faults: Faults, places: _Places) -> str | None:
    plain, in_file, in_environment = (getattr(table, name) for name in _names(what))
    given = [name for name in _names(what) if getattr(table, name)]
    if len(given) > 1:
        faults.add((*path, given[1]), f"{given[0]} is given as well: keep one of them")
    if plain is not None:
        return str(plain)
    if in_file is not None:
        return _from_file(places.folder / in_file, path, faults, what)
    secret = places.environment.get(in_environment)
    if not secret:
        fault = f"the environment has no {in_environment}: {_where_to_set(in_environment)}"
        faults.add((*path, f"{what}_env"), fault)
    return secret


def _where_to_set(variable: str) -> str:
    if not variable.startswith(_NAMES_BEGIN):
        return f"in a settings file the names of secrets begin with {_NAMES_BEGIN}"
    return "set it, and restart a service that runs already"


def _tables_with_password(tables: Tables) -> Iterator[tuple[Path, WithPassword]]:
    for position, panel in tables.panels.items():
        yield ("panel", position), panel
    for position, trunk in tables.trunks.items():
        yield ("trunk", position), trunk
    for position, door in tables.doors.items():
        if isinstance(door.relay, HttpTable | MakeRelayTable):
            yield ("door", position, "relay"), door.relay
    for position, panel in tables.panels.items():
        if panel.snapshot is not None:
            yield ("panel", position, "snapshot"), panel.snapshot
    yield from _sip_accounts(tables)


def _sip_accounts(tables: Tables) -> Iterator[tuple[Path, WithPassword]]:
    for position, resident in tables.residents.items():
        for number, account in enumerate(resident.sip_account):
            yield ("resident", position, "sip_account", number), account


def _tables_with_code(tables: Tables) -> Iterator[tuple[Path, WithCode]]:
    for position, door in tables.doors.items():
        if isinstance(door.relay, PanelCodeTable | MakeRelayTable):
            yield ("door", position, "relay"), door.relay


def _from_file(file: FilePath, path: Path, faults: Faults, what: str) -> str | None:
    place = (*path, f"{what}_file")
    try:
        with file.open("rb") as opened:
            first_line = opened.read(_MAX_SECRET_BYTES).partition(b"\n")[0]
        secret = first_line.decode("utf-8").strip()
    except PermissionError:
        faults.add(
            place, f"{file} may not be read by this user: chown or chgrp it to the service's user"
        )
        return None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        faults.add(place, f"{file} cannot be read ({why}): write the {what} into it")
        return None
    if not secret:
        faults.add(place, f"{file} is empty: write the {what} into its first line")
    if _is_open_to_all(file):
        faults.add(place, f"everybody may read {file}: chmod 640 {file}")
    return secret or None


def _is_open_to_all(file: FilePath) -> bool:
    return bool(file.stat().st_mode & stat.S_IROTH)
