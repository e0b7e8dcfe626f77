"""Write a migration from what the models have and the migrations lack: run as a module, with words.

python -m tests.store.new_migration "give doors a colour"
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from alembic import command
from sqlalchemy import Connection

from intercom.store import migration
from intercom.store.database import Database


def write_migration(words: str, revision: str) -> Path:
    """Compare a database that all migrations have made with the models; give the new file."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_write(f"sqlite+aiosqlite:///{folder}/empty.db", words, revision))


async def _write(url: str, words: str, revision: str) -> Path:
    database = Database(url)
    try:
        if migration.versions():
            await database.migrate()
        async with database.engine.begin() as connection:
            return await connection.run_sync(_autogenerate, words, revision)
    finally:
        await database.close()


def _autogenerate(connection: Connection, words: str, revision: str) -> Path:
    config = migration.config()
    config.attributes["connection"] = connection
    script = command.revision(config, words, autogenerate=True, rev_id=revision)
    return Path(script.path)


if __name__ == "__main__":
    said = sys.argv[1]
    number = f"{len(migration.versions()) + 1:04}"
    print(write_migration(said, number))  # noqa: T201 - a command
