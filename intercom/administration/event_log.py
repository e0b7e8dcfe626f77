"""A commercial property's event log: read by filter, kept for a time, deleted with the property's kind.

Of a residential property there is none to be found: `log_of` refuses, as for a page that does not exist.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import ColumnElement, and_, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.errors import RefusedError, StoreDownError
from intercom.routing.log_line import What
from intercom.store.database import Database
from intercom.store.folding import folded
from intercom.store.models import Account, CommercialLog, Event

SHORTEST_DAYS, LONGEST_DAYS = 1, 365
PASS_EVERY_S = 3_600.0
FILES_EVERY = timedelta(days=1)
"""How often the database's files are written anew, so that nothing of deleted lines is left in them."""
CHUNK = 500
"""Lines that are read at once for a CSV file."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Filter:
    """Which lines are shown; what is empty leaves nothing out."""

    first_day: date | None = None
    """In the property's zone."""
    last_day: date | None = None
    what: What | None = None
    door: str = ""
    person: str = ""
    """Part of a name or username."""


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line as it is read."""

    line_id: str
    at: datetime
    """In the property's zone."""
    what: What
    call: str
    doorbell: str
    door: str
    username: str
    name: str
    """The person's; empty: nobody's, or deleted since."""
    means: str


async def log_of(session: AsyncSession, property_id: str) -> CommercialLog:
    """Find a property's log; refuse where there is none, as in a residential one."""
    found: CommercialLog | None = await session.scalar(
        select(CommercialLog).where(CommercialLog.property_id == property_id)
    )
    if found is None:
        raise RefusedError("admin.not_there")
    return found


async def count_lines(
    session: AsyncSession, event_log: CommercialLog, wanted: Filter, zone: ZoneInfo
) -> int:
    """Count the lines that a filter lets through."""
    counted = select(func.count()).select_from(Event).outerjoin(Account, _WHO)
    return await session.scalar(counted.where(_condition(event_log, wanted, zone))) or 0


async def lines_of(
    session: AsyncSession,
    event_log: CommercialLog,
    wanted: Filter,
    zone: ZoneInfo,
    *,
    offset: int = 0,
    limit: int = 50,
) -> list[ShownLine]:
    """Read lines, the newest first."""
    rows = await session.execute(
        _SHOWN.where(_condition(event_log, wanted, zone))
        .order_by(Event.at.desc(), Event.id.desc())
        .offset(offset)
        .limit(limit)
    )
    return [_shown(event, name, zone) for event, name in rows]


async def all_lines(
    database: Database, log_id: str, wanted: Filter, zone: ZoneInfo
) -> AsyncIterator[list[ShownLine]]:
    """Read every line that a filter lets through, the oldest first, in pieces of a session each.

    No session stays open while a slow browser takes its file.
    """
    last: tuple[datetime, str] | None = None
    while True:
        async with database.reading() as session:
            event_log = await session.get(CommercialLog, log_id)
            if event_log is None:
                return
            query = _SHOWN.where(_condition(event_log, wanted, zone))
            if last is not None:
                at, line_id = last
                query = query.where(or_(Event.at > at, and_(Event.at == at, Event.id > line_id)))
            rows = list(await session.execute(query.order_by(Event.at, Event.id).limit(CHUNK)))
        if not rows:
            return
        yield [_shown(event, name, zone) for event, name in rows]
        newest = rows[-1][0]
        last = newest.at, newest.id


async def door_names(session: AsyncSession, event_log: CommercialLog) -> list[str]:
    """List the doors that the log names."""
    found = await session.scalars(
        select(Event.door).where(Event.log_id == event_log.id, Event.door != "").distinct()
    )
    return sorted(found)


async def set_retention(session: AsyncSession, property_id: str, days: str, now: datetime) -> int:
    """Keep lines for so many days from now on, delete what is older at once; give how many went."""
    event_log = await log_of(session, property_id)
    wanted = int(days) if days.isdecimal() and len(days) < 5 else 0
    if not SHORTEST_DAYS <= wanted <= LONGEST_DAYS:
        raise RefusedError(
            "privacy.refused.days", field="days", least=SHORTEST_DAYS, most=LONGEST_DAYS
        )
    event_log.retention_days = wanted
    await session.flush()
    return await _forget_expired(session, event_log, now)


async def forget_expired(database: Database, now: datetime) -> int:
    """Delete every line that is older than its log keeps; give how many."""
    async with database.writing() as session:
        logs = list(await session.scalars(select(CommercialLog)))
        return sum([await _forget_expired(session, each, now) for each in logs])


async def keep_retention(database: Database, now: Callable[[], datetime]) -> None:
    """Forget what is old each hour, and its bytes in the files each day, until cancelled."""
    started_at = files_at = now()
    while True:
        try:
            gone = await forget_expired(database, now())
            is_first = files_at == started_at
            if (gone and is_first) or now() - files_at >= FILES_EVERY:
                await database.forget_deleted()
                files_at = now()
        except StoreDownError:
            log.warning("events.not_forgotten", remedy="the database is down; tried again")
        await asyncio.sleep(PASS_EVERY_S)


async def _forget_expired(session: AsyncSession, event_log: CommercialLog, now: datetime) -> int:
    oldest = now - timedelta(days=event_log.retention_days)
    found = await session.execute(
        delete(Event)
        .where(Event.log_id == event_log.id, Event.at < oldest)
        .returning(Event.id)
        .execution_options(synchronize_session=False)
    )
    return len(found.all())


_WHO = Account.username == Event.person
_SHOWN = select(Event, Account.name).outerjoin(Account, _WHO)


def _condition(event_log: CommercialLog, wanted: Filter, zone: ZoneInfo) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = [Event.log_id == event_log.id]
    if wanted.first_day is not None:
        conditions.append(Event.at >= datetime.combine(wanted.first_day, time(), zone))
    if wanted.last_day is not None and wanted.last_day < date.max:
        after = wanted.last_day + timedelta(days=1)
        conditions.append(Event.at < datetime.combine(after, time(), zone))
    if wanted.what is not None:
        conditions.append(Event.what == wanted.what.value)
    if wanted.door:
        conditions.append(Event.door == wanted.door)
    if wanted.person:
        conditions.append(
            or_(
                Event.person.contains(wanted.person.casefold(), autoescape=True),
                Account.folded_name.contains(folded(wanted.person), autoescape=True),
            )
        )
    return and_(*conditions)


def _shown(event: Event, name: str | None, zone: ZoneInfo) -> ShownLine:
    return ShownLine(
        line_id=event.id,
        at=event.at.astimezone(zone),
        what=What(event.what),
        call=event.call,
        doorbell=event.doorbell,
        door=event.door,
        username=event.person,
        name=name or event.person,
        means=event.means,
    )
