"""The fixtures `database` (each test on SQLite and on PostgreSQL), `sqlite_database` and `postgres`.

tests/conftest.py makes them known to every test. A database is empty and has all tables; making one takes
a few milliseconds, the PostgreSQL server half a second once.
"""

import itertools
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.store.postgres import PostgresServer, is_installed, running_postgres

if TYPE_CHECKING:
    from intercom.store.database import Database

_TEMPLATE = "intercom_template"
_TIMEOUT_S = 30
"""Of a test with a database: the first of them starts the server, beside all that others do."""
_count = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests with a database more than the usual five seconds."""
    for item in items:
        has_database = {"database_address", "postgres"} & set(getattr(item, "fixturenames", ()))
        if has_database and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_TIMEOUT_S))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Run a PostgreSQL server for all tests; one that stops it runs a server of its own."""
    if not is_installed():
        pytest.skip("PostgreSQL is not installed: `make setup` as root")
    with running_postgres() as server:
        server.sql(f"CREATE DATABASE {_TEMPLATE}")
        _make_tables(server.url(_TEMPLATE))
        yield server


@pytest.fixture
def sqlite_address(_sqlite_template: Path, tmp_path: Path) -> str:
    """Give the address of a database on SQLite alone that has all tables and no rows."""
    file = tmp_path / "intercom.db"
    shutil.copy(_sqlite_template, file)
    return f"sqlite:///{file}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_address(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the address, as in INTERCOM_DATABASE, of a database that has all tables and no rows."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_address")
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = new_postgres_database(server, _TEMPLATE)
    yield server.url(name)
    server.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database(database_address: str) -> "AsyncIterator[Database]":
    """Open an empty database, on SQLite and on PostgreSQL."""
    async with opened(database_address) as made:
        yield made


@pytest.fixture
async def sqlite_database(sqlite_address: str) -> "AsyncIterator[Database]":
    """Open an empty database on SQLite alone."""
    async with opened(sqlite_address) as made:
        yield made


@asynccontextmanager
async def opened(address: str) -> "AsyncIterator[Database]":
    """Open a database by its address as in INTERCOM_DATABASE."""
    from intercom.settings.kinds import sqlalchemy_url
    from intercom.store.database import Database

    database = Database(sqlalchemy_url(address))
    try:
        yield database
    finally:
        await database.close()


def new_postgres_database(server: PostgresServer, template: str = "template0") -> str:
    """Make a database without tables, or like another; give its name."""
    name = f"test_{next(_count)}"
    server.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    return name


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "intercom.db"
    _make_tables(f"sqlite:///{file}")
    return file


def _make_tables(address: str) -> None:
    """Make the models' tables; that migrations make the same ones, a test says."""
    import asyncio

    asyncio.run(_make_tables_there(address))


async def _make_tables_there(address: str) -> None:
    from intercom.store.migration import make_all_tables

    async with opened(address) as database, database.engine.begin() as connection:
        await connection.run_sync(make_all_tables)
