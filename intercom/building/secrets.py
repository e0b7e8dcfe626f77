"""The passwords of a building file: given as such, in a file of their own, or in the environment."""

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath

from intercom.building.check import Secrets, Tables
from intercom.building.faults import Faults
from intercom.building.lines import Path
from intercom.building.tables import HttpTable, WithPassword

_MAX_SECRET_BYTES = 4096


def read_secrets(
    tables: Tables, faults: Faults, file: FilePath, environment: Mapping[str, str]
) -> Secrets:
    """Look up every password; a file's path is relative to the building file."""
    secrets: Secrets = {}
    is_plain = False
    for path, table in _tables_with_password(tables):
        given = [n for n in ("password", "password_file", "password_env") if getattr(table, n)]
        if len(given) > 1:
            faults.add((*path, given[1]), f"{given[0]} is given as well: keep one of them")
        if table.password is not None:
            is_plain = True
            secrets[path] = table.password
        elif table.password_file is not None:
            secrets[path] = _from_file(file.parent / table.password_file, path, faults)
        elif table.password_env is not None:
            secrets[path] = environment.get(table.password_env)
            if not secrets[path]:
                fault = f"the environment has no {table.password_env}: set it, or use password_file"
                faults.add((*path, "password_env"), fault)
    if is_plain and _is_open_to_all(file):
        faults.warn((), f"holds passwords, and everybody may read it: chmod 640 {file}")
    return secrets


def _tables_with_password(tables: Tables) -> Iterator[tuple[Path, WithPassword]]:
    for position, panel in tables.panels.items():
        yield ("panel", position), panel
    for position, trunk in tables.trunks.items():
        yield ("trunk", position), trunk
    for position, door in tables.doors.items():
        if isinstance(door.relay, HttpTable):
            yield ("door", position, "relay"), door.relay


def _from_file(file: FilePath, path: Path, faults: Faults) -> str | None:
    place = (*path, "password_file")
    try:
        with file.open("rb") as opened:
            first_line = opened.read(_MAX_SECRET_BYTES).partition(b"\n")[0]
        secret = first_line.decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        faults.add(place, f"{file} cannot be read ({error}): write the password into it")
        return None
    if not secret:
        faults.add(place, f"{file} is empty: write the password into its first line")
    if _is_open_to_all(file):
        faults.add(place, f"everybody may read {file}: chmod 640 {file}")
    return secret or None


def _is_open_to_all(file: FilePath) -> bool:
    return bool(file.stat().st_mode & stat.S_IROTH)
