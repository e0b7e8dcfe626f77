"""Reading rows of the store, a page at a time, so that nothing waits for long while they come."""

from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Column, ColumnElement, Select, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.administration.rows import (
    KEY_COLUMNS,
    Key,
    ShapeT,
    columns_of,
    row_of,
)
from intercom.errors import StoreDownError
from intercom.store.database import Database
from intercom.store.models import Revision

A_PAGE = 150
"""Rows; they take the loop half a millisecond."""
_T = TypeVar("_T")


class RowReading:
    """Reads tables, and rows by their keys; raises StoreDownError when the database is down."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.unreadable: set[tuple[str, Key]] = set()
        """Table and key of rows whose content the store itself cannot make sense of."""

    async def revision(self) -> int:
        """Give the number of the last change."""
        async with self._database.reading() as session:
            number = await session.scalar(select(Revision.number))
        if number is None:  # nobody's building: what is in force is kept
            raise StoreDownError("The database has lost its tables' content: restore a backup")
        return int(number)

    async def table(self, shape: type[ShapeT]) -> AsyncIterator[list[ShapeT]]:
        """Read a whole table, in the order of its key."""
        async for page in self._paged(shape, []):
            yield page

    async def by_key(
        self, shape: type[ShapeT], wanted: Iterable[Key]
    ) -> AsyncIterator[list[ShapeT]]:
        """Read the rows of some keys; those that are gone are left out."""
        columns = KEY_COLUMNS[shape]
        for some in _batches(wanted):
            async for page in self._paged(shape, [_among(columns, some)]):
                yield page

    async def by_parent(
        self, shape: type[ShapeT], field: str, parents: Iterable[object]
    ) -> AsyncIterator[list[ShapeT]]:
        """Read the rows that belong to some parents, by the field that names them."""
        column = next(each for each in columns_of(shape) if each.name == field)
        for some in _batches(parents):
            async for page in self._paged(shape, [column.in_(some)]):
                yield page

    async def _paged(
        self, shape: type[ShapeT], conditions: list[ColumnElement[bool]]
    ) -> AsyncIterator[list[ShapeT]]:
        columns = KEY_COLUMNS[shape]
        further = conditions
        while True:
            page = select(*columns_of(shape)).where(*further).order_by(*columns).limit(A_PAGE)
            keys = select(*columns).where(*further).order_by(*columns).limit(A_PAGE)
            async with self._database.reading() as session:
                rows, read = await self._page(session, shape, page, keys)
            if rows:
                yield rows
            if len(read) < A_PAGE:
                return
            further = [*conditions, _key(columns) > _one(columns, read[-1])]

    async def _page(
        self,
        session: AsyncSession,
        shape: type[ShapeT],
        page: Select[Any],
        keys: Select[Any],
    ) -> tuple[list[ShapeT], list[Key]]:
        """Read rows, and the keys that were read: where one row is unreadable, the others all the same."""
        try:
            rows = [row_of(shape, each) for each in (await session.execute(page)).all()]
        except (LookupError, ValueError, TypeError):
            read = [tuple(each) for each in await session.execute(keys)]
            return [row for key in read for row in await self._one(session, shape, key)], read
        return rows, [tuple(row[: len(KEY_COLUMNS[shape])]) for row in rows]

    async def _one(self, session: AsyncSession, shape: type[ShapeT], key: Key) -> list[ShapeT]:
        columns = KEY_COLUMNS[shape]
        try:
            found = await session.execute(
                select(*columns_of(shape)).where(_key(columns) == _one(columns, key))
            )
            return [row_of(shape, each) for each in found]
        except (LookupError, ValueError, TypeError):
            self.unreadable.add((columns[0].table.name, key))
            return []


def _batches(each: Iterable[_T]) -> Iterator[list[_T]]:
    waiting = iter(each)
    while some := list(islice(waiting, A_PAGE)):
        yield some


def _key(columns: list[Column[Any]]) -> ColumnElement[Any]:
    return columns[0] if len(columns) == 1 else tuple_(*columns)


def _one(columns: list[Column[Any]], key: Key) -> Any:  # noqa: ANN401 - a value of a column
    return key[0] if len(columns) == 1 else tuple_(*key)


def _among(columns: list[Column[Any]], keys: list[Key]) -> ColumnElement[bool]:
    if len(columns) == 1:
        return columns[0].in_([each[0] for each in keys])
    return tuple_(*columns).in_(keys)
