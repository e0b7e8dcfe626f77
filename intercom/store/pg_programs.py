"""PostgreSQL's own programs for backups: pg_dump, pg_restore and psql, which Debian's postgresql-client has."""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Final

from sqlalchemy import URL

from intercom.errors import ConfigError, StoreDownError
from intercom.store.models import Base

_FOLDERS: Final = "/usr/lib/postgresql"
_LIMIT_S: Final = 3600.0
_SSL_WORDS: Final = {"ssl": "sslmode"}
"""How asyncpg and libpq call the same parameter."""


def are_installed() -> bool:
    """Tell whether backups can be made on this machine."""
    return all(_find(each) is not None for each in ("pg_dump", "pg_restore", "psql"))


async def dump(url: URL, file: Path) -> None:
    """Write a database into a file."""
    await _run(url, "pg_dump", "--format=custom", "--no-owner", "--no-acl", f"--file={file}")


async def check(file: Path) -> None:
    """Raise ConfigError for a file that holds no database of ours."""
    try:
        contents = await _run(None, "pg_restore", "--list", str(file))
    except StoreDownError as error:
        msg = f"{file} is no backup of Open Intercom's database in PostgreSQL ({error})"
        raise ConfigError(msg) from error
    if " alembic_version " not in contents:
        msg = f"{file} is a backup of another database than Open Intercom's"
        raise ConfigError(msg)


async def restore(url: URL, file: Path) -> None:
    """Put a file's tables in the place of those that are there, all or nothing."""
    tables = ", ".join(f'"{name}"' for name in (*Base.metadata.tables, "alembic_version"))
    script = await _run(
        None, "pg_restore", "--no-owner", "--no-acl", "--schema=public", "--file=-", str(file)
    )
    given = f"DROP TABLE IF EXISTS {tables} CASCADE;\n{_without_schema(script)}"
    await _run(
        url,
        "psql",
        "--no-psqlrc",
        "--quiet",
        "--single-transaction",
        "--set=ON_ERROR_STOP=1",
        "--output=/dev/null",
        given=given,
    )


def _without_schema(script: str) -> str:
    """Leave out that the schema is made: it is there."""
    return script.replace("CREATE SCHEMA public;", "").replace(
        "COMMENT ON SCHEMA public IS 'standard public schema';", ""
    )


def _find(program: str) -> str | None:
    newest_first = sorted(Path(_FOLDERS).glob("*/bin"), reverse=True)
    folders = [os.environ.get("PATH", os.defpath), *map(str, newest_first)]
    return shutil.which(program, path=os.pathsep.join(folders))


async def _run(url: URL | None, program: str, *arguments: str, given: str | None = None) -> str:
    """Run a program; raise StoreDownError with its words, ConfigError when it is not installed."""
    path = _find(program)
    if path is None:
        msg = f"{program} is not installed: apt-get install postgresql-client"
        raise ConfigError(msg)
    environment = dict(os.environ)
    if url is not None:
        arguments = (*arguments, f"--dbname={_libpq(url)}")
        if url.password:
            environment["PGPASSWORD"] = str(url.password)  # not for everybody's `ps`
    async with asyncio.timeout(_LIMIT_S):
        process = await asyncio.create_subprocess_exec(
            path,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL if given is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )
        said, faults = await process.communicate(None if given is None else given.encode())
    if process.returncode != 0:
        words = faults.decode(errors="replace").strip()
        raise StoreDownError(words)
    return said.decode()


def _libpq(url: URL) -> str:
    """Write an address as PostgreSQL's own programs take it, without the password."""
    query = {_SSL_WORDS.get(name, name): value for name, value in url.query.items()}
    plain = url.set(drivername="postgresql", query=query)
    without = URL.create(
        "postgresql", plain.username, None, plain.host, plain.port, plain.database, plain.query
    )
    return without.render_as_string(hide_password=False)
