"""What SQLite must be told: how it keeps its file, when a transaction begins, what it forgets."""

import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from sqlite3 import Connection
from typing import Any, Final

from sqlalchemy import Connection as EngineConnection
from sqlalchemy import Engine, event
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry

BEGIN: Final = "intercom_begin"
"""The execution option that says how a transaction begins."""
TO_WRITE: Final = "BEGIN IMMEDIATE"
"""At once the only writer, so that what was read in it is still so when it is committed."""
_TO_READ = "BEGIN"
_NOT_AT_ALL = ""
CONNECT_ARGUMENTS: Final[dict[str, Any]] = {"isolation_level": None}
"""sqlite3 begins no transaction by itself: it would do so only before the first row is changed."""
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "secure_delete=ON",  # what is deleted is overwritten: nobody's name stays in a free page
    "temp_store=MEMORY",  # nor in a temporary file
    "busy_timeout=4000",
)


def prepare(engine: Engine) -> None:
    """Have every connection of an engine keep these rules."""
    event.listen(engine, "do_connect", _make_file)
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)


@asynccontextmanager
async def changing_shape(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Open a transaction in which tables may be made anew; nothing refers to nothing at its end.

    A table that is dropped takes along what refers to it while references are in force, and they can
    be put out of force only outside a transaction.
    """
    async with engine.execution_options(**{BEGIN: _NOT_AT_ALL}).connect() as connection:
        await connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        try:
            await connection.exec_driver_sql(TO_WRITE)
            yield connection
            lost = (await connection.exec_driver_sql("PRAGMA foreign_key_check")).all()
            if lost:
                msg = f"the migration leaves {len(lost)} rows that refer to nothing"
                raise RuntimeError(msg)
            await connection.commit()
        finally:
            await connection.rollback()
            await connection.exec_driver_sql("PRAGMA foreign_keys=ON")


async def forget_deleted(engine: AsyncEngine) -> None:
    """Write the file anew and empty the write-ahead log.

    secure_delete alone leaves copies of rows that have moved from one page to another.
    """
    async with engine.execution_options(**{BEGIN: _NOT_AT_ALL}).connect() as connection:
        await connection.exec_driver_sql("VACUUM")
        await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def _make_file(
    _: Dialect, __: ConnectionPoolEntry, arguments: tuple[Any, ...], ___: dict[str, Any]
) -> None:
    """Make the file readable by the service's user alone; what SQLite makes beside it is as well.

    One that is there is not opened: to close any descriptor of it ends all of this process's POSIX locks
    on it (sqlite.org/howtocorrupt.html §2.2), and the next process that leaves the database, such as a
    backup, would take itself for the last and delete the write-ahead log that is in use here.
    """
    file = Path(arguments[0])
    with contextlib.suppress(FileExistsError):
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    if file.stat().st_mode & 0o077:
        file.chmod(0o600)


def _set_pragmas(connection: Connection, _: object) -> None:
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: EngineConnection) -> None:
    statement = connection.get_execution_options().get(BEGIN, _TO_READ)
    if statement:
        connection.exec_driver_sql(statement)
