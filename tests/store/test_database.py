"""The database: sessions, what is told of a change, what happens when it is down; on both kinds."""

import asyncio
from datetime import date
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from intercom.errors import StoreDownError
from intercom.routing.directory import PropertyKind
from intercom.store.database import Database, Row
from intercom.store.kinds import Role
from intercom.store.models import Account, CommercialLog, Grant, Property, Revision, Unit
from tests.store.databases import new_postgres_database, opened
from tests.store.postgres import is_installed, running_postgres


def a_property(name="storgata"):
    return Property(
        id=name,
        name="Storgata 14",
        kind=PropertyKind.RESIDENTIAL,
        address="Storgata 14, Oslo",
        created_on=date(2026, 11, 1),
    )


async def test_what_is_written_is_read_and_told(database):
    told = []
    database.on_change.append(told.append)

    async with database.writing() as session:
        session.add(a_property())

    assert told == [frozenset({Row("property", ("storgata",))})]
    async with database.reading() as session:
        assert (await session.scalars(select(Property.name))).all() == ["Storgata 14"]
        assert await session.scalar(select(Revision.number)) == 1


async def test_nothing_is_written_or_told_when_anything_is_raised(database):
    told = []
    database.on_change.append(told.append)

    with pytest.raises(ZeroDivisionError):
        await add_and_raise(database)

    assert not told
    async with database.reading() as session:
        assert await session.scalar(select(Property.id)) is None


async def test_a_session_reads_one_state_while_others_write(database):
    async with database.reading() as reader:
        if not database.is_sqlite:
            await reader.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        before = await reader.scalar(select(Revision.number))
        async with database.writing() as writer:
            writer.add(a_property())

        assert await reader.scalar(select(Property.id)) is None
        assert await reader.scalar(select(Revision.number)) == before


async def test_two_processes_that_write_wait_for_one_another(database, database_address):
    async with opened(database_address) as other, asyncio.TaskGroup() as tasks:
        await add_slowly(database, tasks, add(other, "second"))

    async with database.reading() as reader:
        assert set((await reader.scalars(select(Property.id))).all()) == {"first", "second"}
        assert await reader.scalar(select(Revision.number)) == 2


async def add_slowly(database, tasks, meanwhile):
    async with database.writing() as session:
        session.add(a_property("first"))
        await session.flush()
        tasks.create_task(meanwhile)
        await asyncio.sleep(0.05)


async def add_too_slowly(database):
    async with database.writing(timeout_s=0.05) as session:
        session.add(a_property())
        await session.flush()
        await asyncio.sleep(1)


async def add_and_raise(database):
    async with database.writing() as session:
        session.add(a_property())
        raise ZeroDivisionError


async def add(database, name):
    async with database.writing() as session:
        session.add(a_property(name))


async def test_what_takes_too_long_is_given_up_and_not_saved(database):
    with pytest.raises(StoreDownError):
        await add_too_slowly(database)

    async with database.reading() as session:
        assert await session.scalar(select(Property.id)) is None


async def test_a_database_that_cannot_be_reached_is_said_so(tmp_path):
    for url in (
        f"sqlite+aiosqlite:///{tmp_path}/none/intercom.db",
        f"postgresql+asyncpg://postgres@/x?host={tmp_path}",
        "postgresql+asyncpg://postgres@127.0.0.1:1/x",
    ):
        database = Database(url)
        with pytest.raises(StoreDownError):
            async with database.reading() as session:
                await session.scalar(select(Revision.number))
        await database.close()


async def test_a_file_that_is_no_database_is_said_so(tmp_path):
    file = tmp_path / "intercom.db"
    file.write_bytes(b"x" * 5000)
    database = Database(f"sqlite+aiosqlite:///{file}")

    with pytest.raises(StoreDownError):
        await database.version()

    await database.close()


async def test_only_the_service_s_user_may_read_what_is_kept(sqlite_database, tmp_path):
    await add(sqlite_database, "storgata")

    modes = {file.name: oct(file.stat().st_mode & 0o777) for file in tmp_path.glob("intercom.db*")}

    assert modes == dict.fromkeys(("intercom.db", "intercom.db-wal", "intercom.db-shm"), "0o600")


async def test_an_event_of_a_residential_property_is_refused_by_the_database_itself(database):
    await add(database, "storgata")

    with pytest.raises(IntegrityError):
        async with database.writing() as session:
            session.add(CommercialLog(id=str(uuid4()), property_id="storgata"))


class TestServerThatStops:
    @pytest.mark.timeout(30)
    @pytest.mark.skipif(not is_installed(), reason="PostgreSQL is not installed")
    async def test_it_is_said_so_and_works_again_when_it_is_back(self):
        with running_postgres() as server:
            async with opened(server.url(new_postgres_database(server))) as database:
                await database.migrate()
                await add(database, "first")

                server.stop()
                for name in ("second", "third"):
                    with pytest.raises(StoreDownError):
                        await add(database, name)
                server.start()
                await add(database, "fourth")

                async with database.reading() as session:
                    names = (await session.scalars(select(Property.id))).all()
                assert set(names) == {"first", "fourth"}


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ADMINISTRATOR, Role.RESIDENT])
async def test_nobody_has_the_same_role_at_the_same_place_twice(database, role):
    async with database.writing() as session:
        session.add(a_property())
        await session.flush()
        session.add(Unit(id=1, property_id="storgata", label="H0301"))
        session.add(Account(id=1, username="x", name="x", devices={}, created_on=date(2026, 1, 1)))
    place = {
        Role.ADMINISTRATOR: {"property_id": "storgata"},
        Role.RESIDENT: {"unit_id": 1},
    }.get(role, {})
    async with database.writing() as session:
        session.add(Grant(account_id=1, role=role, **place))

    with pytest.raises(IntegrityError):
        async with database.writing() as session:
            session.add(Grant(account_id=1, role=role, **place))
