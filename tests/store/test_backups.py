"""Backups: made while the service writes, readable by its user alone, checked, restored, undone."""

import sqlite3
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from intercom.errors import ConfigError
from intercom.store import migration
from intercom.store.backups import backup_name, delete_old, make_backup, restore
from intercom.store.models import Property
from intercom.store.upkeep import bring_up
from tests.store.test_database import a_property, add

pytestmark = pytest.mark.timeout(20)
NOW = datetime(2026, 11, 22, 22, 30, tzinfo=UTC)


async def names(database):
    async with database.reading() as session:
        return set((await session.scalars(select(Property.id))).all())


async def test_a_backup_is_restored_and_the_restore_is_undone(database, tmp_path):
    backup, aside = tmp_path / "backups" / "one", tmp_path / "backups" / "aside"
    await add(database, "first")
    await make_backup(database, backup)
    await add(database, "second")

    await restore(database, backup, aside)
    assert await names(database) == {"first"}

    await restore(database, aside, tmp_path / "backups" / "again")
    assert await names(database) == {"first", "second"}


async def test_a_backup_is_made_while_somebody_writes(database, tmp_path):
    await add(database, "first")
    async with database.writing() as session:
        session.add(a_property("second"))
        await session.flush()

        await make_backup(database, tmp_path / "backup")

    await restore(database, tmp_path / "backup", tmp_path / "aside")
    assert await names(database) == {"first"}


async def test_a_backup_is_readable_by_its_user_alone(database, tmp_path):
    await make_backup(database, tmp_path / "folder" / "backup")

    assert (tmp_path / "folder" / "backup").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o700
    assert [file.name for file in (tmp_path / "folder").iterdir()] == ["backup"]


async def test_what_is_no_backup_changes_nothing(database, tmp_path):
    await add(database, "first")
    file = tmp_path / "letter"
    file.write_bytes(b"Dear Sir or Madam" * 500)

    with pytest.raises(ConfigError, match="is no backup of Open Intercom's database"):
        await restore(database, file, tmp_path / "aside")
    with pytest.raises(ConfigError, match="There is no backup"):
        await restore(database, tmp_path / "none", tmp_path / "aside")

    assert await names(database) == {"first"}


async def test_a_damaged_backup_is_refused(sqlite_database, tmp_path):
    await add(sqlite_database, "first")
    file = tmp_path / "backup"
    await make_backup(sqlite_database, file)
    content = bytearray(file.read_bytes())
    content[3 * 4096 : 5 * 4096] = b"\xee" * 8192
    file.write_bytes(content)

    with pytest.raises(ConfigError, match=r"damaged|no backup"):
        await restore(sqlite_database, file, tmp_path / "aside")


async def test_a_backup_of_a_newer_version_is_refused(sqlite_database, tmp_path):
    file = tmp_path / "backup"
    await make_backup(sqlite_database, file)
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    with pytest.raises(ConfigError, match="newer Open Intercom"):
        await restore(sqlite_database, file, tmp_path / "aside")


async def test_a_damaged_database_can_be_restored(sqlite_database, tmp_path):
    await add(sqlite_database, "first")
    await make_backup(sqlite_database, tmp_path / "backup")
    await sqlite_database.close()
    (tmp_path / "intercom.db").write_bytes(b"x" * 8192)

    await restore(sqlite_database, tmp_path / "backup", tmp_path / "aside")

    assert await names(sqlite_database) == {"first"}


async def test_old_backups_are_deleted_and_nobody_else_s_files(sqlite_database, tmp_path):
    new = backup_name(sqlite_database, NOW, "before-update")
    old = backup_name(sqlite_database, datetime(2026, 8, 1, tzinfo=UTC))
    for name in (new, old, "intercom-notes.txt", "other"):
        (tmp_path / name).touch()

    assert delete_old(tmp_path, 90, NOW) == 1

    left = {file.name for file in tmp_path.iterdir()} - {"intercom.db"}
    assert left == {new, "intercom-notes.txt", "other"}
    assert new == "intercom-20261122T223000Z-before-update.db"


async def test_an_older_database_is_backed_up_before_it_is_changed(database, tmp_path, monkeypatch):
    await add(database, "first")
    changed = []

    async def migrate():
        changed.append((tmp_path / "backups").exists())

    monkeypatch.setattr(database, "migrate", migrate)
    monkeypatch.setattr(migration, "newest", lambda: "9999")

    version, copy = await bring_up(database, tmp_path / "backups", NOW)

    assert changed == [True]
    assert version == "0001"
    assert copy.name.startswith("intercom-20261122T223000Z-before-update")


async def test_a_database_in_shape_is_left_alone(database, tmp_path):
    assert await bring_up(database, tmp_path / "backups", NOW) == (migration.newest(), None)
    assert not (tmp_path / "backups").exists()
