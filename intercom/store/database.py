"""The way to the database: sessions that read, sessions that write, and who wants to know of a change."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Any

from sqlalchemy import event, inspect, update
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import Session, UOWTransaction

from intercom.errors import StoreDownError
from intercom.store.models import Base, Revision

TIMEOUT_S = 5.0
"""A transaction that takes longer is given up: the database is as good as down."""
_TOUCHED = "touched"
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "secure_delete=ON",  # what is deleted is overwritten: nobody's name stays in a free page
    "busy_timeout=4000",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One row that was added, changed or deleted."""

    table: str
    key: tuple[Any, ...]


Touched = frozenset[Row]


class Database:
    """One database; `url` is SQLAlchemy's, such as sqlite+aiosqlite:///var/intercom.db."""

    def __init__(self, url: str) -> None:
        self.engine: AsyncEngine = create_async_engine(
            url, pool_pre_ping=not url.startswith("sqlite"), hide_parameters=True
        )
        if url.startswith("sqlite"):
            event.listen(self.engine.sync_engine, "connect", _set_pragmas)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self._one_writer = asyncio.Lock()
        self.on_change: list[Callable[[Touched], None]] = []
        """Called after each commit with the rows that it touched."""

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """Open a session that changes nothing; raise StoreDownError when the database is down."""
        async with _in_time(), self._sessions() as session:
            yield session

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """Open a session that is committed at the end, or not at all when anything is raised.

        Raises StoreDownError when the database is down or too slow: then nothing was saved. Statements
        that do not go through objects (`delete(...)`) need `touch` to be noticed.
        """
        async with _in_time(), self._one_writer:
            async with self._sessions() as session, session.begin():
                session.info[_TOUCHED] = set()
                yield session
                await session.flush()
                if session.info[_TOUCHED]:
                    await session.execute(update(Revision).values(number=Revision.number + 1))
            touched = frozenset(session.info[_TOUCHED])
        if touched:
            for tell in self.on_change:
                tell(touched)


def touch(session: AsyncSession, table: type[Base], *key: object) -> None:
    """Note a row that a statement touches without going through its object."""
    session.info[_TOUCHED].add(Row(table.__tablename__, key))


@event.listens_for(Session, "after_flush")
def _note_touched(session: Session, _: UOWTransaction) -> None:
    touched = session.info.get(_TOUCHED)
    if touched is None:
        return
    for each in (*session.new, *session.dirty, *session.deleted):
        state = inspect(each)
        touched.add(
            Row(each.__tablename__, state.identity or state.mapper.primary_key_from_instance(each))
        )


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            yield
    except (OperationalError, InterfaceError, PoolTimeoutError, TimeoutError, OSError) as error:
        raise StoreDownError from error
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise StoreDownError from error


def _set_pragmas(connection: Connection, _: object) -> None:
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
