"""SQLite's file in two processes: what one leaves behind does not take the other's writes along."""

import sqlite3
import subprocess
import sys
from datetime import date
from pathlib import Path

from sqlalchemy import select

from intercom.routing.directory import PropertyKind
from intercom.store.models import Property
from tests.store.databases import opened

READ = (
    "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT * FROM property').fetchall()"
)


def a_property(name):
    kind = PropertyKind.RESIDENTIAL
    return Property(id=name, name=name, kind=kind, address="A", created_on=date(2026, 1, 1))


async def test_another_process_that_leaves_keeps_what_is_written_here_afterwards(sqlite_address):
    file = Path(sqlite_address.removeprefix("sqlite:///"))
    async with opened(sqlite_address) as database:
        async with database.writing() as session:
            session.add(a_property("before"))
            await session.flush()
            async with database.reading() as beside:  # a second connection of the same process
                await beside.execute(select(Property.id))

        subprocess.run([sys.executable, "-c", READ, file], check=True)  # noqa: ASYNC221 - short
        async with database.writing() as session:
            session.add(a_property("after"))

        connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        found = {name for (name,) in connection.execute("SELECT id FROM property")}
        connection.close()
    assert found == {"before", "after"}
