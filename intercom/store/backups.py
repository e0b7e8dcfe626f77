"""Copies of the database: made while the service runs, checked before one takes the database's place.

A copy of SQLite is a database file; one of PostgreSQL is what its own pg_dump writes.
"""

import asyncio
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from intercom.errors import ConfigError, StoreDownError
from intercom.store import migration, pg_programs
from intercom.store.database import Database

_STAMP: Final = "%Y%m%dT%H%M%SZ"
_PREFIX: Final = "intercom-"
_SUFFIXES: Final = {True: ".db", False: ".dump"}
_VERSION: Final = "SELECT version_num FROM alembic_version"


def backup_name(database: Database, now: datetime, why: str = "") -> str:
    """Name a backup, such as intercom-20261122T223000Z-before-update.db; `now` is in UTC."""
    reason = f"-{why}" if why else ""
    return f"{_PREFIX}{now.strftime(_STAMP)}{reason}{_SUFFIXES[database.is_sqlite]}"


def free_place(folder: Path, name: str) -> Path:
    """Give a file's place in a folder, with a number after its name when it is taken."""
    place, count = folder / name, 1
    while place.exists():
        count += 1
        place = folder / f"{Path(name).stem}-{count}{Path(name).suffix}"
    return place


async def make_backup(database: Database, file: Path) -> None:
    """Write a copy of the database, readable by this user alone; an older file is replaced.

    Raises ConfigError when the file cannot be written, StoreDownError when the database is down.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _new_file(file) as new:
            if database.is_sqlite:
                await asyncio.to_thread(_copy, _file_of(database), new)
            else:
                await pg_programs.dump(database.url, new)
    except OSError as error:
        msg = f"The backup {file} cannot be written ({error.strerror}): name another file"
        raise ConfigError(msg) from error


def delete_old(folder: Path, days: int, now: datetime) -> int:
    """Delete the backups that were made longer ago; tell how many those were."""
    oldest = now - timedelta(days=days)
    old = [file for file, made_at in _dated(folder) if made_at < oldest]
    for file in old:
        file.unlink(missing_ok=True)
    return len(old)


async def check_backup(database: Database, file: Path) -> None:
    """Raise ConfigError, in words, when a file cannot take the database's place."""
    _must_be_there(file)
    if database.is_sqlite:
        await asyncio.to_thread(_check, file)
    else:
        await pg_programs.check(file)


async def restore(database: Database, file: Path, aside: Path) -> None:
    """Put a backup in the database's place; what was there goes into `aside`, as a backup.

    Nothing else may have the database open: the service is stopped. The database is closed.
    """
    await check_backup(database, file)
    if await _has_tables(database):
        await make_backup(database, aside)
    await database.close()
    if database.is_sqlite:
        await asyncio.to_thread(_replace, _file_of(database), file)
    else:
        await pg_programs.restore(database.url, file)
    await database.migrate()


async def _has_tables(database: Database) -> bool:
    try:
        return await database.version() is not None
    except StoreDownError:
        if database.is_sqlite:  # a damaged file is one reason for a restore
            return False
        raise


def _must_be_there(file: Path) -> None:
    if not file.is_file():
        msg = f"There is no backup {file}: `ls` the folder backups in INTERCOM_STATE_DIR"
        raise ConfigError(msg)


def _file_of(database: Database) -> Path:
    return Path(database.url.database or "")


@contextmanager
def _new_file(file: Path) -> Iterator[Path]:
    """Give a file to write to; it takes its name only when all of it is on the disk."""
    number, name = tempfile.mkstemp(prefix=".intercom-", dir=file.parent)  # mode 0600
    os.close(number)
    new = Path(name)
    try:
        yield new
        with new.open("rb") as written:
            os.fsync(written.fileno())
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    """Write all rows anew: what lies in free pages is not copied, and others may write meanwhile."""
    try:
        with closing(sqlite3.connect(f"file:{source}?mode=rw", uri=True)) as connection:
            connection.execute("PRAGMA temp_store=MEMORY")
            connection.execute("VACUUM INTO ?", (str(target),))
    except sqlite3.Error as error:
        msg = f"The database cannot be copied: {error}"
        raise StoreDownError(msg) from error


def _check(file: Path) -> None:
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as connection:
            (sound,) = connection.execute("PRAGMA integrity_check").fetchone()
            (version,) = connection.execute(_VERSION).fetchone()
    except (sqlite3.Error, TypeError) as error:
        msg = f"{file} is no backup of Open Intercom's database ({error})"
        raise ConfigError(msg) from error
    if sound != "ok":
        msg = f"{file} is damaged ({sound}): take another backup"
        raise ConfigError(msg)
    migration.check_known(version)


def _replace(database: Path, backup: Path) -> None:
    database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _new_file(database) as new:
        new.write_bytes(backup.read_bytes())
        for beside in ("-wal", "-shm"):  # they belong to the file that goes
            Path(f"{database}{beside}").unlink(missing_ok=True)


def _dated(folder: Path) -> Iterator[tuple[Path, datetime]]:
    for file in folder.glob(f"{_PREFIX}*"):
        stamp = file.name.removeprefix(_PREFIX)[: len("20261122T223000Z")]
        try:
            yield file, datetime.strptime(f"{stamp}+0000", f"{_STAMP}%z")
        except ValueError:
            continue  # somebody else's file
