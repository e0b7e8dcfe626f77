"""What a press costs: INVITE → INVITE, INVITE → ring message, first packet of a digit → relay command.

    python bench/press.py [--presses 200] [--json FILE] [--profile FILE]

The router is a process of its own. This program is its panels, its carrier and its apps on
loopback, and measures on its own sockets, so its own share is in every figure; the first line of
the table says how much that is. Presses come one after another, then 10 and 50 a second, each
from as many panels. The exit code is 1 when an aim is missed or a press is lost.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import math
import os
import platform
import resource
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from argon2 import PasswordHasher
from strangers import (
    CALLER_ID,
    CONNECT_TIMEOUT_S,
    HOST,
    NUMBER,
    PASSWORD,
    Connections,
    Press,
    Strangers,
)

from intercom.demo.processes import free_port, free_range, start

PANELS = 50
PRESS_TIMEOUT_S = 3.0
PAUSE_S = 0.005
"""Between a press's end and the next one, one after another."""
RTP_PORTS = 1000
SLOWEST_SHARE = 0.75
"""Presses at 10 a second: this part of the others' number, or the run would take too long."""

INVITE = "INVITE → INVITE"
RING = "INVITE → ring message"
DOOR = "digit → relay command"
ONE_BY_ONE = "one after another"
TEN = "10 a second"
FIFTY = "50 a second"
AIMS_MS: Mapping[tuple[str, str], Mapping[str, float]] = {
    (INVITE, ONE_BY_ONE): {"p50": 1.0, "p99": 2.0},
    (INVITE, TEN): {"p99": 4.0},
    (INVITE, FIFTY): {"p99": 4.0},
    **{(RING, mode): {"p99": 10.0} for mode in (ONE_BY_ONE, TEN, FIFTY)},
    **{(DOOR, mode): {"p99": 5.0} for mode in (ONE_BY_ONE, TEN, FIFTY)},
}

BUILDING = """
[property]
name = "Bench"
kind = "residential"
address = "Loopback 1"
language = "en"
[[trunk]]
id = "t"
address = "{host}:{trunk_port}"
caller_ids = ["{caller_id}"]
"""
PANEL = """
[[door]]
id = "d{n}"
name = "Main entrance"
relay = {{ driver = "panel-link", panel = "p{n}", relay = 1 }}
[[panel]]
id = "p{n}"
door = "d{n}"
password = "{password}"
allowed_addresses = ["{host}"]
buttons = {{ phone = "phone{n}", app = "app{n}" }}
[[doorbell]]
id = "phone{n}"
name = "Phone {n}"
residents = ["r{n}"]
[[doorbell]]
id = "app{n}"
name = "App {n}"
residents = ["a{n}"]
[[resident]]
username = "r{n}"
name = "Phone {n}"
app = false
number = "{number}"
[[resident]]
username = "a{n}"
name = "App {n}"
password_hash = "{password_hash}"
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; times in ms."""

    measure: str
    mode: str
    count: int
    lost: int
    p50: float
    p99: float
    max: float
    aims: Mapping[str, float]

    @property
    def is_met(self) -> bool:
        """Whether every press came through, and fast enough."""
        return not self.lost and all(getattr(self, name) <= aim for name, aim in self.aims.items())


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--presses", type=int, default=200, help="of each kind and mode")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="run the router in cProfile")
    arguments = parser.parse_args()
    began_at, before = time.monotonic(), foreign_cpu_s()
    gc.disable()  # this program lives a minute, and its pauses are not the router's
    rows = asyncio.run(run(arguments.presses, arguments.profile))
    foreign = [after - early for after, early in zip(foreign_cpu_s(), before, strict=True)]
    capacity_s = (time.monotonic() - began_at) * (os.cpu_count() or 1)
    report(rows, [used_s / capacity_s for used_s in foreign], arguments.json)
    sys.exit(not all(row.is_met for row in rows))


async def run(presses: int, profile: Path | None) -> list[Row]:
    """Start the router, press in all ways, and end it."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        async with router(Path(name), profile) as strangers:
            for by_app in (False, True):
                await one_after_another(strangers, PANELS, by_app=by_app)  # to warm up
            hops = [await strangers.own_hop_ns() for _ in range(presses)]
            rows.append(row_of("(this program alone)", "", hops, len(hops)))
            for mode, rate in ((ONE_BY_ONE, 0), (TEN, 10), (FIFTY, 50)):
                count = round(presses * SLOWEST_SHARE) if rate == 10 else presses
                for by_app in (False, True):
                    pressed = await (
                        at_a_rate(strangers, count, rate, by_app=by_app)
                        if rate
                        else one_after_another(strangers, count, by_app=by_app)
                    )
                    rows += rows_of(pressed, mode, by_app=by_app)
    return rows


async def one_after_another(strangers: Strangers, count: int, *, by_app: bool) -> list[Press]:
    """Press as soon as the call before has ended."""
    pressed = []
    for n in range(count):
        press = strangers.press(n % PANELS, by_app=by_app)
        pressed.append(press)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PRESS_TIMEOUT_S):
                await press.is_over.wait()
        await asyncio.sleep(PAUSE_S)
    return pressed


async def at_a_rate(strangers: Strangers, count: int, rate: int, *, by_app: bool) -> list[Press]:
    """Press `rate` times a second, from as many panels, whatever has become of the press before."""
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    pressed = []
    for n in range(count):
        await asyncio.sleep(began_at + n / rate - loop.time())
        pressed.append(strangers.press(n % rate, by_app=by_app))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PRESS_TIMEOUT_S):
            for press in pressed:
                await press.is_over.wait()
    return pressed


def rows_of(pressed: Sequence[Press], mode: str, *, by_app: bool) -> list[Row]:
    """Judge one run's presses."""
    if by_app:
        times = [press.ring_at - press.invited_at for press in pressed if press.ring_at]
        return [row_of(RING, mode, times, len(pressed))]
    invites = [press.trunk_at - press.invited_at for press in pressed if press.trunk_at]
    doors = [press.relay_at - press.key_at for press in pressed if press.relay_at]
    count = len(pressed)
    return [row_of(INVITE, mode, invites, count), row_of(DOOR, mode, doors, count)]


def row_of(measure: str, mode: str, times_ns: Sequence[int], count: int) -> Row:
    """Summarise times; percentiles by the nearest rank."""
    ordered = [time_ns / 1e6 for time_ns in sorted(times_ns)] or [math.inf]

    def percentile(percent: int) -> float:
        return ordered[math.ceil(percent / 100 * len(ordered)) - 1]

    aims = AIMS_MS.get((measure, mode), {})
    lost = count - len(times_ns)
    return Row(measure, mode, count, lost, percentile(50), percentile(99), ordered[-1], aims)


def foreign_cpu_s() -> tuple[float, float]:
    """Read the CPU time that others on this machine, and on its host, have had so far."""
    with Path("/proc/stat").open(encoding="ascii") as stat:  # proc(5): in ticks
        ticks = [int(word) for word in stat.readline().split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = (
        count / os.sysconf("SC_CLK_TCK") for count in ticks
    )
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    own = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    return user + nice + system + irq + softirq - own, steal


def report(rows: Sequence[Row], foreign: Sequence[float], json_file: Path | None) -> None:
    """Print the table and, if asked, write it as JSON."""
    facts = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpus": os.cpu_count(),
        "cpu_used_by_others": f"{foreign[0]:.0%}",
        "cpu_taken_by_the_host": f"{foreign[1]:.0%}",
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
    print(*(f"{name} {value}" for name, value in facts.items()), sep=", ", end="\n\n")
    print("| ms | | presses | lost | p50 | p99 | max | aim | met |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | --- | --- |")
    for row in rows:
        aim = ", ".join(f"{name} ≤ {limit:g}" for name, limit in row.aims.items())
        met = ("yes" if row.is_met else "**no**") if aim else ""
        times = " | ".join(f"{value:.2f}" for value in (row.p50, row.p99, row.max))
        print(
            f"| {row.measure} | {row.mode} | {row.count} | {row.lost} | {times} | {aim} | {met} |"
        )
    if json_file is not None:
        table = [{**asdict(row), "is_met": row.is_met} for row in rows]
        json_file.write_text(json.dumps({**facts, "rows": table}, indent=2) + "\n", "utf-8")


@contextlib.asynccontextmanager
async def router(directory: Path, profile: Path | None) -> AsyncIterator[Strangers]:
    """Run the router with all its strangers connected."""
    sip_port, webrtc_port, trunk_port = (free_port(0, socket.SOCK_DGRAM) for _ in range(3))
    http_port = free_port(0, socket.SOCK_STREAM)
    rtp_port = free_range(24_000, RTP_PORTS)
    file = directory / "building.toml"
    file.write_text(building(trunk_port), "utf-8")
    environment = {
        "CALLER_ID": CALLER_ID,
        "STATE_DIR": str(directory / "state"),
        "SIP_HOST": HOST,
        "SIP_PORT": str(sip_port),
        "HTTP_HOST": HOST,
        "HTTP_PORT": str(http_port),
        "MEDIA_HOST": HOST,
        "RTP_PORT_FIRST": str(rtp_port),
        "RTP_PORT_LAST": str(rtp_port + RTP_PORTS - 1),
        "WEBRTC_PORT": str(webrtc_port),
        # Limits against expensive mistakes, not against load.
        "PHONE_CALLS_PER_PANEL_10MIN": "1000",
        "PHONE_CALLS_PER_NUMBER_10MIN": "100",
        "PHONE_CALLS_PER_DAY": "100000",
    }
    settings = {f"INTERCOM_{name}": value for name, value in environment.items()}
    command = ("intercom", "serve", "--building", str(file))
    profiler = ("cProfile", "-o", str(profile), "-m") if profile else ()
    child = await start("router", (*profiler, *command), directory, settings)
    try:
        async with connected(sip_port, trunk_port, http_port) as strangers:
            yield strangers
    finally:
        await child.stop()
        sys.stderr.write(child.log_file.read_text("utf-8", "replace"))


@contextlib.asynccontextmanager
async def connected(sip_port: int, trunk_port: int, http_port: int) -> AsyncIterator[Strangers]:
    """Connect every panel link and app."""
    strangers = Strangers(sip_port, trunk_port)
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
        connections = Connections(session, http_port, strangers)
        running = []
        for connect in (connections.link, connections.app):
            running += [await _connect(tasks, connect, panel) for panel in range(PANELS)]
        running.append(tasks.create_task(connections.beat()))
        try:
            yield strangers
        finally:
            for task in running:
                task.cancel()
            strangers.close()


async def _connect(
    tasks: asyncio.TaskGroup, connect: Callable[..., object], panel: int
) -> asyncio.Task[None]:
    ready = asyncio.Event()
    task = tasks.create_task(connect(panel, ready))  # type: ignore[arg-type]
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        await ready.wait()
    return task


def building(trunk_port: int) -> str:
    """Write a building with one doorbell of each kind for every panel."""
    password_hash = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    panels = [
        PANEL.format(
            n=n, host=HOST, password=PASSWORD, number=NUMBER.format(n), password_hash=password_hash
        )
        for n in range(PANELS)
    ]
    head = BUILDING.format(host=HOST, trunk_port=trunk_port, caller_id=CALLER_ID)
    return head + "".join(panels)


if __name__ == "__main__":
    main()
