"""Migrations: they make what the models say, all or nothing, and refuse what they do not know."""

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import String, inspect, select, text
from sqlalchemy.exc import IntegrityError

from intercom.errors import ConfigError
from intercom.store import migration
from intercom.store.models import Base, Revision, Unit
from tests.store.databases import new_postgres_database, opened
from tests.store.test_database import a_property

pytestmark = pytest.mark.timeout(30)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_address(request, tmp_path):
    """Give the address of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    server = request.getfixturevalue("postgres")
    return server.url(new_postgres_database(server))


async def test_migrations_make_what_the_models_say(empty_address):
    async with opened(empty_address) as database:
        await database.migrate()
        migrated = await shape(database)
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.drop_all)
            await connection.exec_driver_sql("DROP TABLE alembic_version")
            await connection.run_sync(migration.make_all_tables)

        assert migrated == await shape(database), (
            'run: python -m tests.store.new_migration "what changes"'
        )


async def test_a_migrated_database_has_its_first_revision_and_is_migrated_once(empty_address):
    async with opened(empty_address) as database:
        assert await database.version() is None
        await database.migrate()
        await database.migrate()

        assert await database.version() == migration.newest()
        async with database.reading() as session:
            assert (await session.scalars(select(Revision.number))).all() == [0]


async def test_a_database_of_a_newer_version_is_refused_in_words(database):
    async with database.writing() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(ConfigError, match=r"newer Open Intercom .*9999"):
        await database.migrate()


async def test_a_migration_that_fails_changes_nothing(empty_address):
    async with opened(empty_address) as database:
        async with database.engine.begin() as connection:
            await connection.exec_driver_sql("CREATE TABLE trunk (id INTEGER)")  # in its way

        with pytest.raises(Exception, match="trunk"):
            await database.migrate()

        async with database.engine.connect() as connection:
            tables = await connection.run_sync(lambda each: inspect(each).get_table_names())
        assert tables == ["trunk"]


async def shape(database):
    """Give all that a database tells of its tables, in an order of its own."""

    def read(connection):
        inspector = inspect(connection)
        return {
            table: {
                "columns": {
                    each["name"]: (str(each["type"]), each["nullable"], each["default"])
                    for each in inspector.get_columns(table)
                },
                "key": inspector.get_pk_constraint(table)["constrained_columns"],
                "references": in_order(inspector.get_foreign_keys(table)),
                "unique": in_order(inspector.get_unique_constraints(table)),
                "checks": in_order(inspector.get_check_constraints(table)),
                "indexes": in_order(map(with_words, inspector.get_indexes(table))),
            }
            for table in inspector.get_table_names()
        }

    async with database.engine.connect() as connection:
        return await connection.run_sync(read)


def with_words(index):
    """Put the condition of an index into words."""
    options = index.get("dialect_options", {})
    return {**index, "dialect_options": {name: str(each) for name, each in options.items()}}


def in_order(constraints):
    return sorted(map(repr, constraints))


async def test_a_table_that_is_made_anew_loses_nothing_that_refers_to_it(database, monkeypatch):
    async with database.writing() as session:
        session.add(a_property())
        await session.flush()
        session.add(Unit(property_id="storgata", label="H0301"))

    def widen(connection):
        operations = Operations(MigrationContext.configure(connection))
        recreate = "always" if connection.dialect.name == "sqlite" else "auto"
        with operations.batch_alter_table("property", recreate=recreate) as table:
            table.alter_column("address", type_=String(200))

    monkeypatch.setattr(migration, "upgrade", widen)

    await database.migrate()

    async with database.reading() as session:
        assert (await session.scalars(select(Unit.label))).all() == ["H0301"]
    with pytest.raises(IntegrityError):
        await add_a_unit_of_nothing(database)


async def add_a_unit_of_nothing(database):
    async with database.writing() as session:
        session.add(Unit(property_id="none", label="H0301"))
