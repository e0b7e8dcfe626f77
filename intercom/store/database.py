"""The way to the database: sessions that read, sessions that write, and who wants to know of a change."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from asyncpg import PostgresError
from sqlalchemy import event, inspect, make_url, update
from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import Session, UOWTransaction

from intercom.errors import StoreDownError
from intercom.store import migration, sqlite
from intercom.store.models import Base, Revision

TIMEOUT_S = 5.0
"""A transaction that takes longer is given up: the database is as good as down."""
LONG_S = 120.0
"""For what is long by its nature: an import, a new shape of the tables."""
APART_AT_ONCE = 2
"""Each takes 150 MB and a core; whoever else asks meanwhile waits."""
_TOUCHED = "touched"
_POSTGRES: dict[str, Any] = {
    "timeout": TIMEOUT_S,
    "server_settings": {"application_name": "intercom", "jit": "off"},
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row that was added, changed or deleted."""

    table: str
    key: tuple[Any, ...]


Touched = frozenset[Row]


class Database:
    """One database; `url` is SQLAlchemy's, such as sqlite+aiosqlite:///var/intercom.db."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine: AsyncEngine = create_async_engine(
            self.url,
            pool_pre_ping=not self.is_sqlite,
            hide_parameters=True,
            connect_args=sqlite.CONNECT_ARGUMENTS if self.is_sqlite else _POSTGRES,
        )
        if self.is_sqlite:
            sqlite.prepare(self.engine.sync_engine)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self._writing = async_sessionmaker(
            self.engine.execution_options(**{sqlite.BEGIN: sqlite.TO_WRITE}),
            expire_on_commit=False,
        )
        self._one_writer = asyncio.Lock()
        self.apart = asyncio.Semaphore(APART_AT_ONCE)
        """Held by each work that another process does for this one."""
        self.on_change: list[Callable[[Touched], None]] = []
        """Called after each commit with the rows that it touched."""

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()

    @asynccontextmanager
    async def reading(self, timeout_s: float = TIMEOUT_S) -> AsyncIterator[AsyncSession]:
        """Open a session that changes nothing; raise StoreDownError when the database is down."""
        async with _in_time(timeout_s), self._sessions() as session:
            yield session

    @asynccontextmanager
    async def writing(self, timeout_s: float = TIMEOUT_S) -> AsyncIterator[AsyncSession]:
        """Open a session that is committed at the end, or not at all when anything is raised.

        Raises StoreDownError when the database is down or too slow: then nothing was saved. Statements
        that do not go through objects (`delete(...)`) need `touch` to be noticed.
        """
        async with _in_time(timeout_s), self._one_writer:
            async with self._writing() as session, session.begin():
                session.info[_TOUCHED] = set()
                yield session
                await session.flush()
                if session.info[_TOUCHED]:
                    await session.execute(update(Revision).values(number=Revision.number + 1))
            touched = frozenset(session.info[_TOUCHED])
        if touched:
            self.tell(touched)

    @asynccontextmanager
    async def lent(self, timeout_s: float) -> AsyncIterator[None]:
        """Write nothing from here while another process of ours does; StoreDownError when it takes longer."""
        async with _in_time(timeout_s), self._one_writer:
            yield

    def tell(self, touched: Touched) -> None:
        """Tell everybody of the rows that a commit touched."""
        for tell in self.on_change:
            tell(touched)

    async def version(self) -> str | None:
        """Tell which shape the tables have; None: there are none yet."""
        async with _in_time(TIMEOUT_S), self.engine.connect() as connection:
            return await connection.run_sync(migration.version_of)

    async def migrate(self) -> None:
        """Bring the tables to this version's shape, all or nothing; make them in an empty database.

        Raises ConfigError for a database of a newer version, StoreDownError when it is down.
        """
        change = sqlite.changing_shape(self.engine) if self.is_sqlite else self.engine.begin()
        async with _in_time(LONG_S), change as connection:
            await connection.run_sync(migration.upgrade)

    async def forget_deleted(self) -> None:
        """Take the bytes of what was deleted out of the database's files, too.

        PostgreSQL keeps its own log of changes for a while longer; that is its operator's.
        """
        async with _in_time(LONG_S), self._one_writer:
            if self.is_sqlite:
                await sqlite.forget_deleted(self.engine)
            else:
                await _vacuum(self.engine)


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


async def _vacuum(engine: AsyncEngine) -> None:
    """Write PostgreSQL's tables anew, without the dead rows that lie in them."""
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.exec_driver_sql(f"SET lock_timeout = '{TIMEOUT_S:g}s'")
        try:
            for table in Base.metadata.tables:
                await connection.exec_driver_sql(f'VACUUM (FULL) "{table}"')
        finally:
            await connection.exec_driver_sql("RESET lock_timeout")


@asynccontextmanager
async def _in_time(limit_s: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(limit_s):
            yield
    except (
        OperationalError,
        InterfaceError,
        PoolTimeoutError,
        PostgresError,  # while connecting: the server starts or stops, the password is wrong
        TimeoutError,
        OSError,
    ) as error:
        raise StoreDownError(_words(error)) from error
    except DBAPIError as error:
        is_damaged = type(error) is DatabaseError  # SQLite: the file is none, or is malformed
        if not error.connection_invalidated and not is_damaged:
            raise
        raise StoreDownError(_words(error)) from error


def _words(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(error, TimeoutError):
        return "The database does not answer in time"
    return f"The database cannot be reached: {cause or type(cause).__name__}"
