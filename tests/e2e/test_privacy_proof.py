"""The privacy proof: a residential property leaves nothing but its configuration, a commercial one its log.

That log is whole, and gone after its retention (requirements A12, A13). Both properties are in one router, at its most
talkative, with calls, openings and failures. Every file that the router wrote is searched, byte by byte, for whatever names a person, number, apartment, doorbell, door,
panel or device; and the same search finds each of five leaks that are planted in copies of these files.
"""

import asyncio
import base64
import gzip
import json
import shutil
import sqlite3
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from intercom.demo.processes import tail
from intercom.store.models import Base, CommercialLog, Event
from tests.e2e.two_houses import HOME, HOUSES, OFFICE, House, TwoHouses, two_houses
from tests.privacy_search import Finding, Secret, beyond, search_files
from tests.store.databases import opened

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

CONFIGURATION = frozenset(Base.metadata.tables) - {"event", "commercial_log", "revision", "alert"}


async def take_app_call(houses: TwoHouses, house: House) -> None:
    """Ring the app, send a ready answer, answer, open, hang up."""
    seen = await houses.press(house)
    await seen.at("resident", "ring")
    await houses.tell(house, "resident", "ready_answer", answer="coming")
    await houses.tell(house, "resident", "accept")
    await seen.at("resident", "talking")
    await houses.tell(house, "resident", "open")
    await seen.at("resident", "opened")
    await houses.tell(house, "resident", "hang_up")
    await seen.over()


async def take_phone_call(houses: TwoHouses, house: House) -> None:
    """Let the phone take the call, and press 5."""
    behaviour = {"answer_after_s": 0.5, "press": "5", "press_after_s": 1.5}
    await houses.tell(house, "phone", "behaviour", **behaviour)
    seen = await houses.press(house)
    await seen.at("phone", "answered")
    await asyncio.sleep(2.5)
    await houses.tell(house, "phone", "hang_up")
    await seen.over()


async def decline(houses: TwoHouses, house: House) -> None:
    seen = await houses.press(house)
    await seen.at("resident", "ring")
    await houses.tell(house, "resident", "decline")
    await seen.over()


async def lose_a_call(houses: TwoHouses, house: House) -> None:
    """Let the carrier refuse the phone call, and the visitor go away."""
    await houses.fault_of_carrier("reject_503", is_on=True)
    seen = await houses.press(house)
    await seen.at("resident", "ring")
    await asyncio.sleep(house.app_stage_s + 1.0)
    await houses.tell(house, "panel", "cancel")
    await seen.over()
    await houses.fault_of_carrier("reject_503", is_on=False)


async def fail_to_open(houses: TwoHouses, house: House) -> None:
    """Open while it rings, with a relay that draws no current."""
    await houses.fault(house, "relay_stuck", is_on=True)
    seen = await houses.press(house)
    await seen.at("resident", "ring")
    await houses.tell(house, "resident", "open")
    await seen.at("resident", "failed")
    await houses.tell(house, "panel", "cancel")
    await seen.over()
    await houses.fault(house, "relay_stuck", is_on=False)


async def turn_key(houses: TwoHouses, house: House) -> None:
    """Open without a call."""
    await houses.tell(house, "resident", "key", door=f"door-{house.key}")

    async def look() -> bool:
        keys = (await houses.state(house, "resident"))["keys"]
        return bool(keys) and "opened" in json.dumps(keys)

    await houses.until("the key opened", look)


async def live(houses: TwoHouses, house: House) -> None:
    """Do everything that happens in a house."""
    for act in (take_app_call, take_phone_call, decline, lose_a_call, fail_to_open, turn_key):
        await act(houses, house)


def written(houses: TwoHouses) -> list[Path]:
    """List whatever the router wrote."""
    return [houses.state_dir, houses.router_log, houses.temporary]


def device_secrets(houses: TwoHouses) -> tuple[Secret, ...]:
    """Give the ids of the devices that are logged in to the residential house."""
    logins = json.loads((houses.state_dir / "logins.json").read_text())
    found = [each for each in _records(logins) if HOME.username in each.values()]
    ids = {str(each[name]) for each in found for name in each if "device" in name}
    assert ids
    return tuple(Secret("device", each) for each in ids)


def _records(document: object) -> list[dict[str, object]]:
    match document:
        case dict():
            return [document, *(one for each in document.values() for one in _records(each))]
        case list():
            return [one for each in document for one in _records(each)]
        case _:
            return []


async def rows(houses: TwoHouses, tables: frozenset[str]) -> dict[str, list[object]]:
    """Read tables whole."""
    async with opened(houses.address) as database, database.reading() as session:
        return {
            name: sorted(map(repr, await session.execute(select(Base.metadata.tables[name]))))
            for name in tables
        }


async def lines(houses: TwoHouses) -> list[tuple[str, str, str]]:
    """Read the commercial log in its order."""
    async with opened(houses.address) as database, database.reading() as session:
        found = await session.scalars(select(Event).order_by(Event.at, Event.id))
        return [(each.what, each.person, each.means) for each in found]


async def run(houses: TwoHouses, *arguments: str) -> None:
    """Run an operator's command."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "intercom", *arguments),
        env={"PATH": "/usr/bin:/bin", **houses.environment},
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, (out, err)


EXPECTED = [
    *(("rang", "app"), ("message", "app"), ("answered", "app"), ("opened", "app")),
    *(("rang", "app"), ("rang", "phone"), ("answered", "phone"), ("opened", "phone")),
    *(("rang", "app"), ("declined", "app")),
    *(("rang", "app"), ("rang", "phone"), ("unreached", "phone"), ("missed", "")),
    *(("rang", "app"), ("failed", "app")),
    ("opened", "key"),
]


async def test_of_a_residential_property_nothing_is_written_and_a_commercial_log_is_whole(
    tmp_path_factory,
):
    folder = tmp_path_factory.mktemp("proof")
    secrets: tuple[Secret, ...]
    try:
        async with two_houses(folder) as houses:
            secrets = (*HOME.names, *device_secrets(houses))
            await run(houses, "backup", str(houses.temporary / "before.db"))
            before = search_files(written(houses), secrets)
            configuration = await rows(houses, CONFIGURATION)
            assert {each.secret for each in before} >= {"person", "username", "number", "device"}

            for house in HOUSES:
                await live(houses, house)
            (houses.temporary / "metrics.txt").write_bytes(await houses.metrics())
            await run(houses, "backup", str(houses.temporary / "backup.db"))

            while_it_runs = search_files(written(houses), secrets)
            await houses.kill_router()  # all that is on disk as it lies, with the write-ahead log
            after = search_files(written(houses), secrets)

            assert told(beyond(before, while_it_runs)) == []
            assert told(beyond(before, after)) == []
            assert await rows(houses, CONFIGURATION) == configuration
            log = await lines(houses)
            assert [(what, means) for what, _, means in log] == EXPECTED
            assert {person for _, person, _ in log} == {OFFICE.username, ""}
            assert "trunk.unreachable" in houses.router_log.read_text()  # it does write

            for plant in LEAKS:
                assert finds(plant, houses, before, secrets, folder), plant.__name__

            await forget(houses)
    except BaseException:
        sys.stderr.write(tail(folder / "router.log", 60))
        raise


async def forget(houses: TwoHouses) -> None:
    """Let the retention of every line be over, and start the router again: nothing is left of them."""
    async with opened(houses.address) as database:
        async with database.reading() as session:
            days = await session.scalar(select(CommercialLog.retention_days)) or 0
            ids = list(await session.scalars(select(Event.id)))
            calls = set(await session.scalars(select(Event.call))) - {""}
        async with database.writing() as session:
            long_ago = datetime.now(UTC) - timedelta(days=days + 1)
            await session.execute(update(Event).values(at=long_ago))
    gone = [Secret("line", each) for each in (*ids, *calls)]
    assert search_files([houses.state_dir], gone)

    await houses.start_router()

    async def is_forgotten() -> bool:
        return not search_files([houses.state_dir], gone)

    await houses.until("every line and its bytes are gone", is_forgotten)
    assert await lines(houses) == []


def told(findings: list[Finding]) -> list[str]:
    return [f"{one.secret} {one.how} in {one.where}: {one.around!r}" for one in findings]


# Five leaks, each in a copy of what the router wrote.

Plant = Callable[[Path], None]


def a_deleted_row(state: Path) -> None:
    """Leave a row of a table that was dropped in a free page."""
    connection = sqlite3.connect(state / "intercom.db")
    connection.execute("PRAGMA secure_delete=OFF")
    connection.execute("CREATE TABLE last_call (said TEXT)")
    connection.execute("INSERT INTO last_call VALUES (?)", (f"{HOME.person} opened",))
    connection.commit()
    connection.execute("DROP TABLE last_call")
    connection.commit()
    connection.close()


def a_masked_number(state: Path) -> None:
    """Log a number that is masked but for its tail."""
    (state / "sip.log").write_text(f"trunk.dialled to=********{HOME.number[-4:]}\n")


def a_trace_in_base64(state: Path) -> None:
    """Keep a message's body for the developers."""
    body = f"INVITE sip:101@127.0.0.1\r\nSubject: {HOME.apartment}\r\n".encode()
    (state / "trace.json").write_text(json.dumps({"body": base64.b64encode(body).decode()}))


def a_crash_report(state: Path) -> None:
    """Compress a report with a person's username in a frame."""
    report = gzip.compress(f"Traceback: resident_id={HOME.username!r}".encode())
    (state / "core.gz").write_bytes(report)


def a_metrics_label(state: Path) -> None:
    """Count rings by doorbell, whose name is written in UTF-16, as hex."""
    label = HOME.doorbell.encode("utf-16-le").hex()
    (state / "metrics.prom").write_text(f'rings_total{{doorbell="{label}"}} 3\n')


LEAKS: tuple[Plant, ...] = (
    a_deleted_row,
    a_masked_number,
    a_trace_in_base64,
    a_crash_report,
    a_metrics_label,
)


def finds(
    plant: Plant,
    houses: TwoHouses,
    before: list[Finding],
    secrets: tuple[Secret, ...],
    folder: Path,
) -> bool:
    """Plant a leak in a copy, and tell whether the search finds it there and only there."""
    copy = folder / plant.__name__
    shutil.copytree(houses.state_dir, copy, ignore=shutil.ignore_patterns("*.sock"))
    is_clean = not beyond(before, search_files([copy], secrets))
    plant(copy)
    return is_clean and bool(beyond(before, search_files([copy], secrets)))
