"""The event logs of commercial properties: written behind, once, also through an outage; on both databases."""

import asyncio
import contextlib
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from intercom.administration.event_log import forget_expired
from intercom.errors import StoreDownError
from intercom.routing.directory import PropertyKind
from intercom.routing.ids import LogId, ResidentId
from intercom.routing.log_line import LogLine, Means, What
from intercom.store import event_spool
from intercom.store.event_spool import EventSpool
from intercom.store.events import EventLog
from intercom.store.models import Account, CommercialLog, Event, Property, Revision
from intercom.store.new_log import new_log

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def a_line(number, log, **fields):
    values = {
        "line_id": f"line-{number}",
        "log": LogId(log),
        "at": NOW,
        "what": What.OPENED,
        "call": "call-1",
        "doorbell": "Reception",
        "door": "Main entrance",
        "person": ResidentId("vera"),
        "means": Means.APP,
    }
    return LogLine(**{**values, **fields})


async def a_bank(database):
    """Make a commercial property with Vera in it; give its log's id."""
    async with database.writing() as session:
        kind = PropertyKind.COMMERCIAL
        session.add(Property(id="bank", name="B", kind=kind, address="A", created_on=NOW.date()))
        session.add(Account(username="vera", name="Vera Vik", created_on=date(2026, 1, 1)))
        await session.flush()
        made = new_log("bank")
        session.add(made)
    return made.id


@contextlib.asynccontextmanager
async def keeping(database, file):
    async with asyncio.TaskGroup() as tasks, EventLog(database, file, lambda: NOW) as event_log:
        chore = tasks.create_task(event_log.keep())
        yield event_log
        chore.cancel()


async def written(database):
    async with database.reading() as session:
        return list(await session.scalars(select(Event).order_by(Event.id)))


async def until(condition):
    async with asyncio.timeout(3):
        while not await condition():  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.01)


def stop(database, monkeypatch):
    """Have every session fail until the returned function is called."""
    original = type(database).writing
    is_down = True

    @contextlib.asynccontextmanager
    async def writing(self, *args):
        if is_down:
            raise StoreDownError
        async with original(self, *args) as session:
            yield session

    monkeypatch.setattr(type(database), "writing", writing)

    def start():
        nonlocal is_down
        is_down = False

    return start


async def test_a_line_is_in_the_database_at_once_and_whole(database, tmp_path):
    log_id = await a_bank(database)
    async with keeping(database, tmp_path / "spool") as event_log:
        event_log.write(a_line(1, log_id))

        async def is_there():
            return len(await written(database)) == 1

        await until(is_there)

    (event,) = await written(database)
    assert (event.log_id, event.at, event.call) == (log_id, NOW, "call-1")
    assert (event.what, event.door, event.doorbell) == ("opened", "Main entrance", "Reception")
    assert (event.person, event.means) == ("vera", "app")
    assert not (tmp_path / "spool").exists()


async def test_writing_a_line_twice_is_writing_it_once(database, tmp_path):
    log_id = await a_bank(database)

    for _ in range(2):
        async with EventLog(database, tmp_path / "spool", lambda: NOW) as event_log:
            event_log.write(a_line(1, log_id))

    assert len(await written(database)) == 1


async def test_a_line_makes_nobody_read_the_building_again(database, tmp_path):
    log_id = await a_bank(database)
    told = []
    database.on_change.append(told.append)
    async with database.reading() as session:
        before = await session.scalar(select(Revision.number))

    async with EventLog(database, tmp_path / "spool", lambda: NOW) as event_log:
        event_log.write(a_line(1, log_id))

    async with database.reading() as session:
        assert await session.scalar(select(Revision.number)) == before
    assert not told
    assert len(await written(database)) == 1


async def test_lines_of_an_outage_wait_on_disk_and_come_in_when_it_is_over(
    sqlite_database, tmp_path, monkeypatch
):
    monkeypatch.setattr("intercom.store.events.FIRST_RETRY_S", 0.02)
    log_id = await a_bank(sqlite_database)
    start = stop(sqlite_database, monkeypatch)
    async with keeping(sqlite_database, tmp_path / "spool") as event_log:
        for number in range(3):
            event_log.write(a_line(number, log_id))

        async def is_spooled():
            return event_log.is_delayed

        await until(is_spooled)
        assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o600
        start()

        async def is_over():
            return not event_log.is_delayed

        await until(is_over)

    assert [each.id for each in await written(sqlite_database)] == ["line-0", "line-1", "line-2"]
    assert event_log.lost == 0


async def test_a_stop_during_an_outage_leaves_the_lines_to_the_next_start(
    sqlite_database, tmp_path, monkeypatch
):
    log_id = await a_bank(sqlite_database)
    start = stop(sqlite_database, monkeypatch)
    async with EventLog(sqlite_database, tmp_path / "spool", lambda: NOW) as event_log:
        event_log.write(a_line(1, log_id))
    event_log.write(a_line(2, log_id))  # a door's answer that came after the stop
    start()

    async with keeping(sqlite_database, tmp_path / "spool"):

        async def is_there():
            return len(await written(sqlite_database)) == 2

        await until(is_there)

    assert not (tmp_path / "spool").exists()


async def test_lines_of_a_log_that_was_deleted_are_written_nowhere(database, tmp_path):
    log_id = await a_bank(database)
    async with database.writing() as session:
        await session.execute(delete(CommercialLog))
        session.add(new_log("bank"))

    async with EventLog(database, tmp_path / "spool", lambda: NOW) as event_log:
        event_log.write(a_line(1, log_id))

    assert await written(database) == []


async def test_somebody_who_was_deleted_meanwhile_is_not_named(database, tmp_path):
    log_id = await a_bank(database)
    async with database.writing() as session:
        await session.execute(delete(Account))

    async with EventLog(database, tmp_path / "spool", lambda: NOW) as event_log:
        event_log.write(a_line(1, log_id))

    (event,) = await written(database)
    assert (event.person, event.doorbell) == ("", "")


async def test_lines_older_than_their_log_keeps_are_not_written_and_go(database, tmp_path):
    log_id = await a_bank(database)
    async with EventLog(database, tmp_path / "spool", lambda: NOW) as event_log:
        event_log.write(a_line(1, log_id, at=NOW - 91 * DAY))
        event_log.write(a_line(2, log_id, at=NOW - 89 * DAY))
        event_log.write(a_line(3, log_id))
    assert [each.id for each in await written(database)] == ["line-2", "line-3"]

    assert await forget_expired(database, NOW + 2 * DAY) == 1

    assert [each.id for each in await written(database)] == ["line-3"]


async def test_the_database_refuses_a_log_of_a_residential_property(database):
    async def make():
        async with database.writing() as session:
            kind = PropertyKind.RESIDENTIAL
            home = Property(id="home", name="H", kind=kind, address="A", created_on=NOW.date())
            session.add(home)
            await session.flush()
            session.add(new_log("home"))

    with pytest.raises(IntegrityError):
        await make()


async def test_the_database_refuses_to_make_a_property_residential_that_has_a_log(database):
    await a_bank(database)

    async def make_residential():
        async with database.writing() as session:
            prop = await session.get_one(Property, "bank")
            prop.kind = PropertyKind.RESIDENTIAL

    with pytest.raises(IntegrityError):
        await make_residential()


def test_the_spool_gives_back_what_it_was_given_and_passes_over_half_a_line(tmp_path):
    spool = EventSpool(tmp_path / "spool")
    lines = [a_line(1, "log"), a_line(2, "log", person=None, means=None, call="")]

    assert spool.add(lines) == 0
    with (tmp_path / "spool").open("ab") as file:
        file.write(b'\n{"id": "line-3", "lo')
    spool.add([a_line(4, "log")])

    assert spool.lines() == [*lines, a_line(4, "log")]
    spool.clear()
    assert spool.is_empty


def test_a_full_spool_keeps_what_it_has_and_counts_what_is_lost(tmp_path, monkeypatch):
    spool = EventSpool(tmp_path / "spool")
    spool.add([a_line(1, "log")])
    monkeypatch.setattr(event_spool, "MAX_BYTES", (tmp_path / "spool").stat().st_size + 10)

    assert spool.add([a_line(2, "log"), a_line(3, "log")]) == 2

    assert spool.lines() == [a_line(1, "log")]


def test_a_spool_that_cannot_be_written_loses_lines_and_nothing_else(tmp_path):
    assert EventSpool(tmp_path / "missing" / "spool").add([a_line(1, "log")]) == 1


async def test_a_flood_is_bounded(sqlite_database, tmp_path, monkeypatch):
    monkeypatch.setattr("intercom.store.events.MAX_WAITING", 2)
    event_log = EventLog(sqlite_database, tmp_path / "spool", lambda: NOW)

    for number in range(5):
        event_log.write(a_line(number, "log"))

    assert event_log.lost == 3
