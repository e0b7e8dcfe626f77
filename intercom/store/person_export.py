"""All that is stored of one person, for that person: read through the models, so that nothing is forgotten."""

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from enum import Enum
from typing import Any, Final

from sqlalchemy import Column, Table, Text, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.errors import ConfigError
from intercom.store.database import LONG_S, Database
from intercom.store.models import Account, Base, Event, Undo

_SECRETS: Final = frozenset({"password_hash", "password", "digest"})
_HIDDEN: Final = "is set, and is not shown"


async def export_person(database: Database, person: str) -> dict[str, Any]:
    """Give everything that is stored of a person, by table, after the username.

    `person` is a username or mail address.

    Raises ConfigError when there is nobody of that name, or more than one with the address.
    """
    async with database.reading(LONG_S) as session:
        wanted = person.strip().lower()
        rows = select(Account.id, Account.username).where(
            or_(func.lower(Account.username) == wanted, func.lower(Account.email) == wanted)
        )
        found = (await session.execute(rows.order_by(Account.username))).all()
        if not found:
            msg = f'There is no person with the username or mail address "{person}"'
            raise ConfigError(msg)
        if len(found) > 1:
            names = ", ".join(username for _, username in found)
            msg = f"More than one person has this address: name one by username: {names}"
            raise ConfigError(msg)
        account_id, username = found[0]
        stored: dict[str, Any] = {"username": username}
        for table in Base.metadata.sorted_tables:
            if rows_of_table := await _rows(session, table, account_id, username):
                stored[table.name] = rows_of_table
        return stored


async def _rows(
    session: AsyncSession, table: Table, account_id: int, username: str
) -> list[dict[str, Any]]:
    """Read a table's rows that are of a person or name them, with the names of what they refer to."""
    mine = [column == account_id for column in table.columns if _is_of_account(column)]
    if table is Event.__table__:
        mine.append(Event.person == username)
    if table is Undo.__table__:  # how an import is taken back says whom it had made or changed
        mine.append(cast(Undo.steps, Text).contains(f'"{username}"', autoescape=True))
    if not mine:
        return []
    statement = select(table).where(or_(*mine)).order_by(*table.primary_key.columns)
    rows = (await session.execute(statement)).mappings().all()
    shown = [await _shown(session, table, row) for row in rows]
    for each in shown if table is Undo.__table__ else ():
        each["steps"] = [step for step in each["steps"] if f'"{username}"' in json.dumps(step)]
    return shown


def _is_of_account(column: Column[Any]) -> bool:
    if column.table is Account.__table__:
        return column.name == "id"
    return any(key.column is Account.__table__.c.id for key in column.foreign_keys)


async def _shown(session: AsyncSession, table: Table, row: Mapping[Any, Any]) -> dict[str, Any]:
    shown = {column.name: _plain(row[column.name], column.name) for column in table.columns}
    for column in table.columns:
        for key in column.foreign_keys:
            other = key.column.table
            named = [name for name in ("name", "label") if name in other.columns]
            if row[column.name] is None or not named:
                continue
            shown[f"{other.name}_name"] = await session.scalar(
                select(other.columns[named[0]]).where(key.column == row[column.name])
            )
    return shown


def _plain(value: Any, name: str) -> Any:  # noqa: ANN401 - whatever a column holds
    """Write a value as JSON can; secrets are said to be there, and no more."""
    if name in _SECRETS:
        return None if value is None else _HIDDEN
    match value:
        case Enum():
            return value.value
        case datetime() | date():
            return value.isoformat()
        case dict():
            return {key: _plain(inner, key) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(each, name) for each in value]
        case _:
            return value


def tables_of_people() -> Iterable[str]:
    """Name the tables that hold something of a person."""
    for table in Base.metadata.sorted_tables:
        is_by_name = table in (Event.__table__, Undo.__table__)
        if is_by_name or any(map(_is_of_account, table.columns)):
            yield table.name
