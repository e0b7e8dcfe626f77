"""Long work in a process of its own: whole or not at all, and told to whoever follows the database."""

from datetime import date

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.administration.apart import read_apart, write_apart
from intercom.errors import RefusedError
from intercom.routing.directory import PropertyKind
from intercom.store.database import Database, Row, Touched
from intercom.store.models import Property


async def _build(session: AsyncSession, name: str) -> str:
    session.add(
        Property(
            id=name,
            name=name,
            kind=PropertyKind.RESIDENTIAL,
            address="",
            created_on=date(2026, 1, 1),
        )
    )
    await session.flush()
    return name


async def _build_and_refuse(session: AsyncSession, name: str) -> None:
    await _build(session, name)
    raise RefusedError("property.fault.empty", field="name", longest=3)


async def _count(session: AsyncSession) -> int:
    return await session.scalar(select(func.count(Property.id))) or 0


async def test_work_apart_is_saved_and_its_rows_are_told_here(database: Database):
    told: list[Touched] = []
    database.on_change.append(told.append)

    assert await write_apart(database, _build, "storgata") == "storgata"

    assert told == [frozenset({Row("property", ("storgata",))})]
    assert await read_apart(database, _count) == 1


async def test_work_apart_that_is_refused_saves_nothing_and_says_why(database: Database):
    with pytest.raises(RefusedError) as refused:
        await write_apart(database, _build_and_refuse, "storgata")

    assert (refused.value.key, refused.value.field) == ("property.fault.empty", "name")
    assert refused.value.values == {"longest": 3}
    assert await read_apart(database, _count) == 0
