"""The store as the directory that calls are routed by: read once, then only what was touched.

    rows touched ─▶ read again (row_reading) ─▶ mirror ─▶ what they are parts of ─▶ made anew (pieces)
                                                             │
                             a new Directory, which shares all else with the one of before

Nothing takes the event loop for more than a few milliseconds: pages are small, and between slices of
work other tasks have their turn. A row that is wrong leaves out that thing alone. While a snapshot is
made the one of before is in force; it is no other when the database is down.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

from intercom.administration.directory_parts import DirectoryParts
from intercom.administration.mirror import Mirror
from intercom.administration.pieces import Pieces, recordings_named
from intercom.administration.row_reading import RowReading
from intercom.administration.rows import (
    BY_TABLE,
    MODELS,
    READ_WITH,
    AccountRow,
    DoorRow,
    Key,
    PropertyRow,
    Shape,
    Table,
)
from intercom.administration.turns import Turns
from intercom.building.recordings import prepare_file
from intercom.errors import ConfigError
from intercom.routing.change import DirectoryChange
from intercom.routing.directory import Directory
from intercom.store.database import Database, Touched

MOST_BY_KEY = 2_000
"""Rows of one table that are read by their keys; more, and all of the table is."""

_SHARDS = 256
"""Of a set of a hundred thousand keys: a single one would be grown, and be freed, in 10 ms at once."""


class Snapshot:
    """The directory of a database; one task at a time calls its methods."""

    def __init__(
        self,
        database: Database,
        *,
        today: Callable[[], date],
        folder: Path = Path(),
        environment: Mapping[str, str] = os.environ,
        caller_id: str | None = None,
        prepare: Callable[[Directory, DirectoryChange], None] = lambda *_: None,
    ) -> None:
        """Read nothing yet; paths in the store are relative to `folder`.

        `prepare` is called in a thread with a snapshot that is about to be in force.
        """
        self.directory = Directory()
        self._reading = RowReading(database)
        self._mirror = Mirror()
        self._pieces = Pieces(
            self._mirror,
            today=today,
            recording=lambda path: self._recordings.get(path, b""),
            folder=folder,
            environment=environment,
            caller_id=caller_id,
        )
        self._parts = DirectoryParts(self._mirror, self._pieces)
        self._folder = folder
        self._prepare = prepare
        self._recordings: dict[str, bytes] = {}
        self._turns = Turns()

    @property
    def left_out(self) -> dict[str, str]:
        """What is wrong in the store and therefore not there, with the reason; for the operator alone."""
        unreadable = {
            f"{table} {'/'.join(map(str, key))}": "its row cannot be read"
            for table, key in self._reading.unreadable
        }
        named = {f"{kind} {name}": why for (kind, name), why in self._pieces.faults.items()}
        return unreadable | named

    async def revision(self) -> int:
        """Give the number of the store's last change; StoreDownError when it is down."""
        return await self._reading.revision()

    async def load(self) -> DirectoryChange:
        """Read everything; what is as before stays the very same. Raises StoreDownError."""
        self._recordings.clear()
        self._reading.unreadable.clear()
        for shape in MODELS:
            await self._read_table(shape)
        return await self._make()

    async def apply(self, touched: Touched) -> DirectoryChange:
        """Read again what was touched; raises StoreDownError, after which it may be tried again."""
        keys: dict[Table, set[Key]] = {}
        self._turns.begin()
        for row in touched:
            shape = BY_TABLE.get(row.table)
            if shape is not None:
                keys.setdefault(shape, set()).add(tuple(row.key))
            await self._turns.rest()
        for shape in MODELS:
            if shape in keys:
                await self._read_rows(shape, keys[shape])
        return await self._make()

    async def day_changed(self) -> DirectoryChange:
        """Look at the numbers again: the year since a check call may be over."""
        for row in list(self._mirror.all(AccountRow)):
            if row.number is not None:
                self._parts.look_at_number(row)
            await self._turns.rest()
        return await self._make()

    async def _read_table(self, shape: Table) -> None:
        seen: list[set[Key]] = [set() for _ in range(_SHARDS)]
        async for page in self._reading.table(shape):
            self._turns.begin()
            for row in page:
                key = self._take(row)
                seen[hash(key) % _SHARDS].add(key)
                await self._turns.rest()
        gone: set[Key] = set()
        for key in self._mirror.keys(shape):
            if key not in seen[hash(key) % _SHARDS]:
                gone.add(key)
            await self._turns.rest()
        while seen:
            seen.pop()
            await self._turns.rest()
        await self._drop(shape, gone)

    async def _read_rows(self, shape: Table, keys: set[Key]) -> None:
        if len(keys) > MOST_BY_KEY:
            for each in (shape, *(child for child, _ in READ_WITH.get(shape, ()))):
                await self._read_table(each)
            return
        gone = set(keys)
        async for page in self._reading.by_key(shape, keys):
            self._turns.begin()
            for row in page:
                gone.discard(self._take(row))
                await self._turns.rest()
        await self._drop(shape, gone)
        parents = [key[0] for key in keys - gone]
        for child, field in READ_WITH.get(shape, ()):
            await self._read_children(child, field, parents)

    async def _read_children(self, shape: Table, field: str, parents: list[object]) -> None:
        gone = self._mirror.keys_of(shape, field, parents)
        async for page in self._reading.by_parent(shape, field, parents):
            self._turns.begin()
            for row in page:
                gone.discard(self._take(row))
                await self._turns.rest()
        await self._drop(shape, gone)

    def _take(self, row: Shape) -> Key:
        key, before, is_other = self._mirror.put(row)
        if is_other:
            self._parts.touch(before, row)
        return key

    async def _drop(self, shape: Table, gone: set[Key]) -> None:
        for key in gone:
            for row in self._mirror.drop(shape, key):  # a property's are as many as its buttons
                self._parts.touch(row, None)
                await self._turns.rest()

    async def _make(self) -> DirectoryChange:
        """Make what was touched anew, and put it in force all at once."""
        await self._read_recordings()
        self._turns.begin()
        for _ in self._parts.remake():
            await self._turns.rest()
        new, change = self._parts.take_change(self.directory)
        if change:
            await asyncio.to_thread(self._prepare, new, change)
        self._parts.change_taken()
        self.directory = new
        return change

    async def _read_recordings(self) -> None:
        rows: list[PropertyRow | DoorRow] = [*self._mirror.all(PropertyRow)]
        rows += self._mirror.all(DoorRow)
        for path in recordings_named(rows) - self._recordings.keys():
            self._recordings[path] = await asyncio.to_thread(self._recording, path)

    def _recording(self, path: str) -> bytes:
        try:
            return prepare_file(self._folder / path).pcm
        except ConfigError as error:
            self._pieces.faults["recording", path] = str(error)
            return b""
