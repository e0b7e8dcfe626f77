"""The event logs of commercial properties: written behind the calls, read by filter, forgotten in time.

    call ─write()─> memory ─keep()─> database
                            └─ while that is down ─> spool on disk ─> database

Nothing in a call ever waits for it. A line is written once, however often it is tried, by its UUIDv7; one
whose log or person has been deleted in the meantime is not written, or without the name.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from typing_extensions import override

from intercom.errors import StoreDownError
from intercom.ports import EventSink
from intercom.routing.log_line import LogLine
from intercom.store.database import Database, Touched
from intercom.store.event_spool import EventSpool
from intercom.store.models import Account, CommercialLog, Event

MAX_WAITING = 10_000
"""Lines in memory; more than that have come in a few seconds only in a flood."""
BATCH = 500
FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 10.0
AT_STOP_S = 2.0
"""How long the stop of the service waits for the database, before it uses the spool."""
_MAX = 64
"""Characters of a name."""

log = structlog.get_logger()


class EventLog(EventSink):
    """Takes lines from calls; run `keep` beside it, and leave its context when the calls are over."""

    def __init__(self, database: Database, spool_file: Path, now: Callable[[], datetime]) -> None:
        self.lost = 0
        """Lines that neither the database nor the spool could take."""
        self._database = database
        self._spool = EventSpool(spool_file)
        self._now = now
        self._waiting: dict[str, LogLine] = {}
        self._wake = asyncio.Event()
        self._is_closed = False
        database.on_change.append(self._changed)

    async def __aenter__(self) -> "EventLog":
        return self

    async def __aexit__(self, *_: object) -> None:
        """Bring what waits to the database or the spool; what comes later goes to the spool."""
        self._is_closed = True
        try:
            async with asyncio.timeout(AT_STOP_S):
                while self._waiting:
                    await self._write_batch()
        except (StoreDownError, TimeoutError):
            self._count_lost(self._spool.add(self._waiting.values()))
            self._waiting.clear()

    @override
    def write(self, line: LogLine) -> None:
        if self._is_closed:  # the service stops: nobody's call waits any more
            self._count_lost(self._spool.add([line]))
        elif len(self._waiting) >= MAX_WAITING:
            self._count_lost(1)
        else:
            self._waiting[line.line_id] = line
            self._wake.set()

    @property
    def is_delayed(self) -> bool:
        """Whether lines wait on disk, since the database is down."""
        return not self._spool.is_empty

    async def keep(self) -> None:
        """Write lines as they come, until cancelled; at first what an earlier service left behind."""
        retry_s = FIRST_RETRY_S
        while True:
            self._wake.clear()
            try:
                await self._write_spooled()
                while self._waiting:
                    await self._write_batch()
            except StoreDownError:
                batch = list(self._waiting.values())
                self._count_lost(await asyncio.to_thread(self._spool.add, batch))
                self._forget_waiting(batch)
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, LONGEST_RETRY_S)
            else:
                retry_s = FIRST_RETRY_S
                await self._wake.wait()

    async def _write_spooled(self) -> None:
        if self._spool.is_empty:
            return
        lines = await asyncio.to_thread(self._spool.lines)
        for start in range(0, len(lines), BATCH):
            await self._write(lines[start : start + BATCH])
        if not self._is_closed:  # else more may have come in the meantime: the next start reads it
            self._spool.clear()

    async def _write_batch(self) -> None:
        batch = list(self._waiting.values())[:BATCH]
        await self._write(batch)
        self._forget_waiting(batch)

    async def _write(self, batch: Sequence[LogLine]) -> None:
        try:
            await write_lines(self._database, batch, self._now())
        except SQLAlchemyError:
            log.exception("events.not_written")
            self._count_lost(len(batch))

    def _forget_waiting(self, batch: Iterable[LogLine]) -> None:
        for each in batch:
            self._waiting.pop(each.line_id, None)

    def _count_lost(self, count: int) -> None:
        if count and not self.lost:
            log.error("events.lost", count=count, remedy="see to the database and the disk's space")
        self.lost += count

    def _changed(self, touched: Touched) -> None:
        """Look at the spool when a log was made or deleted: what is in it of that one has to go."""
        if any(row.table == CommercialLog.__tablename__ for row in touched):
            self._wake.set()


async def write_lines(database: Database, lines: Sequence[LogLine], now: datetime) -> None:
    """Write lines that are not there yet, in one transaction; raise StoreDownError when that fails.

    Left out: lines of a log that is no more, and such as are older than their log keeps. Somebody who has
    been deleted since is not named.
    """
    names = {line.person for line in lines if line.person is not None}
    async with database.writing() as session:
        logs = await session.execute(
            select(CommercialLog.id, CommercialLog.retention_days)
            .where(CommercialLog.id.in_({line.log for line in lines}))
            .with_for_update(read=True)  # none of them goes before these lines are in it
        )
        oldest = {row.id: now - timedelta(days=row.retention_days) for row in logs}
        known = set(
            await session.scalars(select(Account.username).where(Account.username.in_(names)))
        )
        rows = [
            _row(line, line.person in known or line.person is None)
            for line in lines
            if line.log in oldest and line.at >= oldest[line.log]
        ]
        if rows:
            insert = sqlite.insert(Event) if database.is_sqlite else postgresql.insert(Event)
            await session.execute(insert.on_conflict_do_nothing(), rows)


def _row(line: LogLine, is_person_there: bool) -> dict[str, object]:
    return {
        "id": line.line_id,
        "log_id": line.log,
        "at": line.at,
        "call": line.call[:32],
        "what": line.what.value,
        "doorbell": line.doorbell[:_MAX] if is_person_there else "",
        "door": line.door[:_MAX],
        "person": (line.person or "") if is_person_there else "",
        "means": line.means.value if line.means else "",
    }
