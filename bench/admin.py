"""What Webadmin costs with 5,000 units and 12,000 people, and what calls feel of it.

    python bench/admin.py [--database sqlite | postgres | postgresql://…] [--json FILE] [--first]

A database is filled, then the real service serves it: pages and searches one after another, a file of
12,000 people read, imported and taken back, a property deleted. Meanwhile somebody presses a doorbell
again and again (SIP INVITE → the app's ring message), and a clock in the service's loop notes when it is
late. The exit code is 1 when an aim is missed. `postgres` starts a server of its own; `--first` goes
before other programs of the machine (as root).
"""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import admin_snapshot
import aiohttp
from admin_visitor import Visitor
from argon2 import PasswordHasher
from big_property import FIRST, LAST, PANELS, PEOPLE, UNITS, fill
from press import BUILDING, PANEL, PRESS_TIMEOUT_S
from priority import take_priority
from sipp import resident_bytes
from strangers import CALLER_ID, CONNECT_TIMEOUT_S, HOST, NUMBER, PASSWORD, Connections, Strangers

from intercom.demo.processes import free_port, free_range
from intercom.routing.directory import PropertyKind
from intercom.settings.kinds import sqlalchemy_url
from intercom.store.database import Database
from intercom.store.kinds import Role
from intercom.store.models import Account, Grant, Property

PANEL_COUNT = 4
"""That are pressed."""
PRESS_EVERY_S = 0.1
TIMES = 20
"""Each page is looked at so often."""
PAGE_AIM_MS, BLOCK_AIM_MS, CALL_AIM_MS = 100.0, 5.0, 5.0
OPERATOR = "bench.operator"
START_S, IN_FORCE_S = 120.0, 120.0
RTP_PORTS = 400
BIG, NEW = "big", "new"
PAGES = {
    "properties": "/admin",
    "property": f"/admin/p/{BIG}",
    "units": f"/admin/p/{BIG}/units",
    "units, page 60": f"/admin/p/{BIG}/units?page=60",
    "unit": f"/admin/p/{BIG}/units/250",
    "people": f"/admin/p/{BIG}/people",
    "people, page 140": f"/admin/p/{BIG}/people?page=140",
    "person": f"/admin/p/{BIG}/people/250",
    "doors": f"/admin/p/{BIG}/doors",
    "panels": f"/admin/p/{BIG}/panels",
    "panel": f"/admin/p/{BIG}/panels/{BIG}-panel-3",
    "settings": f"/admin/p/{BIG}/settings",
    "import": f"/admin/p/{BIG}/import",
    "privacy": f"/admin/p/{BIG}/privacy",
    "units: H2503": f"/admin/p/{BIG}/units?q=H2503",
    "units: ødegård 12": f"/admin/p/{BIG}/units?q=%C3%B8deg%C3%A5rd+12",
    "units: a": f"/admin/p/{BIG}/units?q=a",
    "units: nobody": f"/admin/p/{BIG}/units?q=zzzz",
    "people: kari han": f"/admin/p/{BIG}/people?q=kari+han",
    "people: h2503": f"/admin/p/{BIG}/people?q=h2503",
    "people: person117": f"/admin/p/{BIG}/people?q=person117",
    "people: a": f"/admin/p/{BIG}/people?q=a",
}


@dataclass
class Bench:
    """The running service with its operator and its visitors."""

    visitor: Visitor
    strangers: Strangers
    pid: int
    probe: Path
    people: int
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    pages: dict[str, dict[str, Any]] = field(default_factory=dict)
    pressed_ms: list[float] = field(default_factory=list)
    lost: int = 0

    async def press(self, panel: int) -> None:
        """Press a panel's button again and again, for as long as this runs."""
        while True:
            press = self.strangers.press(panel, by_app=True)
            try:
                async with asyncio.timeout(PRESS_TIMEOUT_S):
                    await press.is_over.wait()
            except TimeoutError:
                self.lost += 1
            else:
                self.pressed_ms.append((press.ring_at - press.invited_at) / 1e6)
            await asyncio.sleep(PRESS_EVERY_S)

    async def look(self, what: str = "") -> Any:  # noqa: ANN401 - it is JSON
        """Read what the service's clock has noted since the last look."""
        reader, writer = await asyncio.open_unix_connection(f"{self.probe}{what}")
        answer = json.loads(await reader.read())
        writer.close()
        return answer

    async def step(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Do something while doorbells are pressed; note what it cost, and what calls felt of it."""
        await self.look()
        self.pressed_ms, self.lost = [], 0
        began = time.perf_counter()
        await work()
        took_ms = round((time.perf_counter() - began) * 1000, 1)
        felt = await self.look()
        felt["memory_mb"] = self.memory_mb()
        self.steps[name] = {"took_ms": took_ms, **felt, **self._presses()}
        print(name, json.dumps(self.steps[name]), flush=True)

    def _presses(self) -> dict[str, Any]:
        ms = self.pressed_ms or [0.0]
        return {
            "presses": len(self.pressed_ms),
            "lost": self.lost,
            "press_p50_ms": percentile(ms, 50),
            "press_p99_ms": percentile(ms, 99),
            "press_max_ms": percentile(ms, 100),
        }

    def memory_mb(self) -> float:
        return round(resident_bytes(self.pid) / 2**20, 1)

    async def look_at_pages(self) -> None:
        for name, path in PAGES.items():
            await self.visitor.get(path)  # templates are compiled once
            await self.look(".page")
            times = [await self.visitor.get(path) for _ in range(TIMES)]
            felt = await self.look(".page")
            self.pages[name] = {
                "p50_ms": percentile(times, 50),
                "p95_ms": percentile(times, 95),
                "loop_processor_ms": round(felt["loop_processor_s"] * 1000 / TIMES, 1),
                "longest_block_processor_ms": felt["longest_block_processor_ms"],
                "late_max_ms": felt["late_max_ms"],
                "kb": round(len(self.visitor.text) / 1024, 1),
            }
            print(name, json.dumps(self.pages[name]), flush=True)

    async def until(self, residents: int) -> None:
        """Wait until so many residents are in force."""
        async with asyncio.timeout(IN_FORCE_S):
            while await self.look(".count") != residents:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.25)

    async def run(self) -> None:
        """Do all there is to do."""
        text = roster(UNITS, self.people)
        await self.step("nothing but presses", lambda: asyncio.sleep(20))
        await self.step("pages and searches", self.look_at_pages)
        name = f"Storgården {admin_snapshot.CHANGES - 1}"  # its last one of many
        before = await self.look(".count")
        await self.step("file read and planned", lambda: self.visitor.preview(NEW, text.encode()))
        await self.step("file imported", lambda: self.visitor.import_(NEW, text))
        await self.step("import in force", lambda: self.until(before + self.people))
        await self.step("undo planned", lambda: self.visitor.ask_undo(NEW))
        await self.step("import taken back", lambda: self.visitor.undo(NEW))
        await self.step("undo in force", lambda: self.until(before))
        await self.step("property deleted", lambda: self.visitor.delete(BIG, name))
        await self.step("deletion in force", lambda: self.until(before - self.people))


def roster(units: int, people: int) -> str:
    """Write a file of people, whose names and units are none of those that are there."""
    lines = (
        f"K{n % units:05};{FIRST[n % 10]} {LAST[n // 10 % 10]} Ny{n};ny{n}@new.example;4{n:07}"
        for n in range(people)
    )
    return "\n".join(("unit;name;email;phone", *lines)) + "\n"


def percentile(values: list[float], percent: int) -> float:
    """Give a percentile by the nearest rank."""
    ordered = sorted(values)
    return round(ordered[max(0, -(-len(ordered) * percent // 100) - 1)], 2)


async def fill_database(url: str, units: int, people: int, panels: int) -> None:
    """Make a full property, one without units, and an operator."""
    database = Database(url)
    today = date(2026, 1, 2)
    try:
        await database.migrate()
        await fill(database, units=units, people=people, panels=panels, property_id=BIG)
        await fill(database, units=0, people=0, panels=panels, property_id=NEW, first_id=100_000)
        async with database.writing() as session:
            (await session.get_one(Property, NEW)).kind = PropertyKind.RESIDENTIAL
            operator = Account(
                username=OPERATOR,
                name="Operator",
                language="nb",
                password_hash=_hashed(),
                created_on=today,
                devices={},
            )
            operator.grants.append(Grant(role=Role.OPERATOR))
            session.add(operator)
    finally:
        await database.close()


def _hashed() -> str:
    return PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)


async def press_house(folder: Path, settings: Mapping[str, str], trunk_port: int) -> None:
    """Take the building that is pressed into the database."""
    head = BUILDING.format(host=HOST, trunk_port=trunk_port, caller_id=CALLER_ID)
    panels = [
        PANEL.format(
            n=n, host=HOST, password=PASSWORD, number=NUMBER.format(n), password_hash=_hashed()
        )
        for n in range(PANEL_COUNT)
    ]
    file = folder / "press.toml"
    file.write_text(head + "".join(panels), "utf-8")
    command = ("-m", "intercom", "import-building", "--numbers-verified", str(file))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, env={**os.environ, **settings}, stdout=subprocess.DEVNULL
    )
    if await process.wait():
        raise SystemExit("the building to press cannot be imported")


@contextlib.asynccontextmanager
async def served(folder: Path, address: str, people: int) -> AsyncIterator[Bench]:
    """Run the service over a filled database, with everybody connected."""
    sip_port, webrtc_port, trunk_port = (free_port(0, socket.SOCK_DGRAM) for _ in range(3))
    http_port, metrics_port = (free_port(0, socket.SOCK_STREAM) for _ in range(2))
    rtp_port = free_range(24_000, RTP_PORTS)
    names = {
        "DATABASE": address,
        "CALLER_ID": CALLER_ID,
        "STATE_DIR": str(folder / "state"),
        "SIP_HOST": HOST,
        "SIP_PORT": str(sip_port),
        "HTTP_HOST": HOST,
        "HTTP_PORT": str(http_port),
        "METRICS_PORT": str(metrics_port),
        "MEDIA_HOST": HOST,
        "RTP_PORT_FIRST": str(rtp_port),
        "RTP_PORT_LAST": str(rtp_port + RTP_PORTS - 1),
        "WEBRTC_PORT": str(webrtc_port),
        "LOG_LEVEL": "error",
    }
    settings = {f"INTERCOM_{name}": value for name, value in names.items()}
    await press_house(folder, settings, trunk_port)
    probe = folder / "probe"
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("admin_service.py")),
        str(probe),
        env={**os.environ, **settings},
    )
    try:
        async with asyncio.timeout(START_S):
            while not probe.exists():
                if process.returncode is not None:
                    raise SystemExit("the service did not start")
                await asyncio.sleep(0.1)
        started_s = time.perf_counter() - began
        async with connected(sip_port, trunk_port, http_port) as strangers:
            visitor = Visitor(f"http://{HOST}:{http_port}")
            bench = Bench(visitor, strangers, process.pid, probe, people)
            await visitor.log_in(OPERATOR, PASSWORD)
            bench.steps["start"] = {
                "took_ms": round(started_s * 1000),
                **await bench.look(),
                "memory_mb": bench.memory_mb(),
            }
            yield bench
            await visitor.close()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def connected(sip_port: int, trunk_port: int, http_port: int) -> AsyncIterator[Strangers]:
    """Connect the panels that are pressed, and the apps that they ring."""
    strangers = Strangers(sip_port, trunk_port)
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
        connections = Connections(session, http_port, strangers)
        running = []
        for connect in (connections.link, connections.app):
            for panel in range(PANEL_COUNT):
                ready = asyncio.Event()
                running.append(tasks.create_task(connect(panel, ready)))
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await ready.wait()
        running.append(tasks.create_task(connections.beat()))
        try:
            yield strangers
        finally:
            for task in running:
                task.cancel()
            strangers.close()


def missed(bench: Bench) -> Iterator[str]:
    """Name the aims that were missed."""
    for name, page in bench.pages.items():
        if page["p95_ms"] >= PAGE_AIM_MS:
            yield f"{name}: p95 {page['p95_ms']} ms (aim {PAGE_AIM_MS:g})"
    quiet = bench.steps["nothing but presses"]
    for name, step in bench.steps.items():
        if "press_p99_ms" not in step:
            continue
        block = step["longest_block_processor_ms"]
        if block > BLOCK_AIM_MS:
            yield f"{name}: the loop was blocked for {block} ms (aim {BLOCK_AIM_MS:g})"
        more_ms = round(step["press_p99_ms"] - quiet["press_p99_ms"], 2)
        if more_ms > CALL_AIM_MS or step["lost"]:
            yield f"{name}: presses p99 {more_ms} ms later (aim {CALL_AIM_MS:g}), {step['lost']} lost"


@contextlib.contextmanager
def address_of(database: str, folder: Path) -> Iterator[str]:
    """Give the database's address; start a PostgreSQL server for `postgres`."""
    if database == "sqlite":
        yield f"sqlite:///{folder / 'big.db'}"
    elif database == "postgres":
        sys.path.insert(0, str(Path(__file__).parents[1]))
        from tests.store.postgres import running_postgres  # noqa: PLC0415 - it needs the folder above

        with running_postgres() as server:
            server.sql("CREATE DATABASE bench")
            yield server.url("bench")
    else:
        yield database


async def run(address: str, folder: Path, units: int, people: int, panels: int) -> Bench:
    url = sqlalchemy_url(address)
    await fill_database(url, units, people, panels)
    snapshot = await asyncio.to_thread(lambda: asyncio.run(admin_snapshot.measure(url, people)))
    async with served(folder, address, people) as bench, asyncio.TaskGroup() as tasks:
        presses = [tasks.create_task(bench.press(panel)) for panel in range(PANEL_COUNT)]
        await bench.run()
        for press in presses:
            press.cancel()
    bench.steps = {"snapshot": snapshot, **bench.steps}
    return bench


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--database", default="sqlite")
    parser.add_argument("--units", type=int, default=UNITS)
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--panels", type=int, default=PANELS)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--first", action="store_true")
    given = parser.parse_args()
    if given.first:
        take_priority()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with address_of(given.database, folder) as address:
            bench = asyncio.run(run(address, folder, given.units, given.people, given.panels))
    misses = list(missed(bench))
    figures = {"steps": bench.steps, "pages": bench.pages, "missed": misses}
    print(json.dumps(figures["steps"]["snapshot"], indent=2))
    print(*misses or ["all aims are met"], sep="\n")
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    sys.exit(bool(misses))


if __name__ == "__main__":
    main()
