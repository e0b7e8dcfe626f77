"""What was deleted is gone from the files as well, not only from the tables."""

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from intercom.store.models import Account


def names(number):
    return f"forget.me.{number:05}", f"Forgotten Person Number {number:05}"


async def fill(database, count):
    async with database.writing() as session:
        for number in range(count):
            username, name = names(number)
            session.add(
                Account(
                    username=username,
                    name=name,
                    email=f"{username}@example.org",
                    created_on=date(2026, 11, 1),
                )
            )


def found_in(files):
    content = b"".join(file.read_bytes() for file in files if file.is_file())
    return content.count(b"forget.me."), content.count(b"Forgotten Person")


@pytest.fixture
def files(database, request, tmp_path):
    """Give the files that a database stands in, once all is written to disk."""

    def find():
        if database.is_sqlite:
            return list(tmp_path.iterdir())
        server = request.getfixturevalue("postgres")
        server.sql("CHECKPOINT")
        return list(Path(server.folder / "data" / "base").rglob("*"))

    return find


@pytest.mark.timeout(20)
async def test_nothing_of_deleted_people_is_left_in_the_files(database, files):
    await fill(database, 600)
    async with database.writing() as session:
        for account in (await session.scalars(select(Account))).all():
            account.name = account.name + " who moved"  # rows grow and go to other pages
    async with database.writing() as session:
        for account in (await session.scalars(select(Account).limit(300))).all():
            await session.delete(account)
    async with database.writing() as session:
        await session.execute(delete(Account))
    assert found_in(files()) != (0, 0)

    await database.forget_deleted()

    assert found_in(files()) == (0, 0)


async def test_what_was_not_deleted_stays(database):
    await fill(database, 20)

    await database.forget_deleted()

    async with database.reading() as session:
        assert len((await session.scalars(select(Account.id))).all()) == 20
