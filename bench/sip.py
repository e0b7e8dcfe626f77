"""What a call's signalling costs: `python bench/sip.py [--json FILE] [--only NAME …]`.

The router is the service as it ships, with 2,000 panels in 1,000 properties and every check on:
digest for each INVITE, the limits against toll fraud, media ports opened, prompts played. sipp is
the panels, and the carrier with its phones; it has a core of its own. A call is: INVITE, 401, INVITE
with credentials, the phone's INVITE, 180, 200 to both, BYE.

Kamailio relays the same calls, with digest and state, in turns in the same run: it has one dialog
where the router has two and no media, so the ratio says what that and Python cost.

The exit code is 1 when an aim is missed.
"""

import argparse
import contextlib
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import sip_parser
from big_house import PANELS_OF_A_PROPERTY
from sipp import (
    SCENARIOS,
    busy_s,
    call,
    calling,
    cpu_s,
    end,
    family_of,
    lost_datagrams,
    on_core,
    phones,
    resident_bytes,
    write_users,
)

from intercom.demo.processes import free_ports

RATES = (100, 200, 300, 350, 400, 450, 500, 600)
RATE_S = 8
TURNS = 5
TURN_RATE, TURN_CALLS = 100, 500
HELD = 2_000
HELD_RATE = 100
FLOOD_RATE, FLOOD_CALLS, FLOOD_HELD = 1_000, 6_000, 100
FLOOD_PANELS_OF = 8
"""So many panels, of each property, that none presses twice: else it would meet its own call, or the
limit of calls to one number."""
REGISTER_RATES = (250, 500, 750, 1_000, 1_500)
START_LIMIT_S = 30.0
AIM_CALLS, AIM_HELD_KB = 400, 100.0


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    measure: str
    value: float
    unit: str
    note: str = ""
    aim: str = ""
    is_met: bool = True


@dataclass(frozen=True, slots=True)
class Peer:
    """Something that takes calls at `port` and places them at `trunk_port`."""

    pids: list[int]
    port: int
    trunk_port: int


def free_udp_ports(count: int) -> list[int]:
    """Find ports that nobody uses."""
    return free_ports(*[(0, socket.SOCK_DGRAM)] * count)


@contextlib.contextmanager
def router(folder: Path, panels_of: int = PANELS_OF_A_PROPERTY) -> Iterator[Peer]:
    """Run the router on the first core."""
    state = Path(tempfile.mkdtemp(dir=folder))
    sip_port, trunk_port, http_port, webrtc_port = free_udp_ports(4)
    numbers = (sip_port, trunk_port, http_port, webrtc_port, panels_of)
    arguments = (str(state), *map(str, numbers))
    file = str(Path(__file__).with_name("big_house.py"))
    with (state / "router.log").open("wb") as errors:
        process = subprocess.Popen(
            on_core(0, sys.executable, file, *arguments), stdout=subprocess.PIPE, stderr=errors
        )
    try:
        assert process.stdout is not None
        if not process.stdout.readline().startswith(b"Open Intercom is ready"):
            raise SystemExit((state / "router.log").read_text())
        yield Peer([process.pid], sip_port, trunk_port)
    finally:
        end(process)


@contextlib.contextmanager
def kamailio(folder: Path) -> Iterator[Peer]:
    """Run Kamailio on the first core, with one worker."""
    program = shutil.which("kamailio")
    modules = next(Path("/usr/lib").glob("*/kamailio/modules"), None)
    if program is None or modules is None:
        message = "Kamailio is missing: make setup"
        raise SystemExit(message)
    state = Path(tempfile.mkdtemp(dir=folder))
    port, trunk_port = free_udp_ports(2)
    text = (SCENARIOS / "kamailio.cfg").read_text()
    for word, value in (("PORT", port), ("MODULES", modules), ("TRUNK", trunk_port)):
        text = text.replace(word, str(value))
    (state / "k.cfg").write_text(text)
    command = [program, "-DD", "-E", "-f", str(state / "k.cfg"), "-Y", str(state)]
    command += ["-P", str(state / "k.pid"), "-m", "128", "-M", "16"]
    with (state / "kamailio.log").open("wb") as errors:
        process = subprocess.Popen(on_core(0, *command), stdout=errors, stderr=errors)
    try:
        time.sleep(2.0)
        if process.poll() is not None:
            raise SystemExit((state / "kamailio.log").read_text())
        yield Peer(family_of(process.pid), port, trunk_port)
    finally:
        end(process)


def rates(folder: Path, users: Path) -> list[Row]:
    """Find the highest rate without a failure or a retransmission."""
    best, rows = 0.0, []
    for rate in RATES:
        with router(folder) as peer, phones(folder, peer.trunk_port):
            call(folder, users, peer.port, rate=50, calls=100)  # what is made once is made now
            before = cpu_s(peer.pids)
            count = call(folder, users, peer.port, rate=rate, calls=rate * RATE_S)
            used_ms = (cpu_s(peer.pids) - before) * 1000 / (rate * RATE_S)
        is_clean = not (count.failed or count.refused or count.retransmissions)
        note = (
            f"{used_ms:.2f} ms of CPU a call, {count.failed} failed, {count.refused} refused,"
            f" {count.retransmissions} retransmitted, set up in {count.set_up_ms:.1f} ms"
        )
        rows.append(Row(f"{rate} calls/s offered", count.calls_a_second, "calls/s", note))
        show(rows[-1])
        if not is_clean:
            break
        best = rate
    found = Row(
        "set up and torn down on one core, nothing failed, refused or retransmitted",
        best,
        "calls/s",
        aim=f">= {AIM_CALLS}",
        is_met=best >= AIM_CALLS,
    )
    show(found)
    return [*rows, found]


def against_kamailio(folder: Path, users: Path) -> list[Row]:
    """Measure CPU a call of both, in turns."""
    used: dict[str, list[float]] = {"router": [], "Kamailio": []}
    kinds: Sequence[tuple[str, Callable[[Path], contextlib.AbstractContextManager[Peer]]]] = (
        ("router", router),
        ("Kamailio", kamailio),
    )
    for _ in range(TURNS):
        for name, kind in kinds:
            with kind(folder) as peer, phones(folder, peer.trunk_port):
                call(folder, users, peer.port, rate=50, calls=50)
                before = cpu_s(peer.pids)
                count = call(folder, users, peer.port, rate=TURN_RATE, calls=TURN_CALLS)
                if count.failed:
                    msg = f"{name}: {count.failed} calls failed"
                    raise SystemExit(msg)
                used[name].append((cpu_s(peer.pids) - before) * 1000 / TURN_CALLS)
    medians = {name: statistics.median(values) for name, values in used.items()}
    rows = [
        Row(
            f"CPU a call at {TURN_RATE}/s, {name}",
            medians[name],
            "ms",
            f"of {TURNS}: {min(values):.2f} to {max(values):.2f}",
        )
        for name, values in used.items()
    ]
    pairs = zip(used["router"], used["Kamailio"], strict=True)
    ratio = statistics.median(ours / theirs for ours, theirs in pairs)
    rows.append(Row("router : Kamailio", ratio, "times", f"median of {TURNS} turns"))
    for row in rows:
        show(row)
    return rows


def held(folder: Path, users: Path) -> list[Row]:
    """Hold calls and measure what each takes: the growth from the first few hundred to all."""
    first, hold_s = HELD // 8, HELD / HELD_RATE + 20
    with router(folder) as peer, phones(folder, peer.trunk_port, "phone_accepts"):
        few = calling(folder, users, peer.port, rate=HELD_RATE, calls=first, hold_s=hold_s)
        time.sleep(first / HELD_RATE + 5.0)
        before = resident_bytes(peer.pids[0])
        others = write_users(folder, skip=first)
        many = calling(folder, others, peer.port, rate=HELD_RATE, calls=HELD - first, hold_s=hold_s)
        time.sleep((HELD - first) / HELD_RATE + 5.0)
        grown = resident_bytes(peer.pids[0]) - before
        counts = [caller.count(hold_s + 60.0) for caller in (few, many)]
    missing = sum(count.failed + count.refused for count in counts)
    kilobytes = grown / (HELD - first) / 1000
    row = Row(
        f"memory a held call, {HELD} held",
        kilobytes,
        "kB",
        f"{missing} of them not held",
        aim=f"<= {AIM_HELD_KB:.0f}",
        is_met=kilobytes <= AIM_HELD_KB and not missing,
    )
    show(row)
    return [row]


def overload(folder: Path, _users: Path) -> list[Row]:
    """Offer more than can be done while calls are up; every panel presses once."""
    first = write_users(folder, panels_of=FLOOD_PANELS_OF)
    others = write_users(folder, skip=FLOOD_HELD, panels_of=FLOOD_PANELS_OF)
    with (
        router(folder, FLOOD_PANELS_OF) as peer,
        phones(folder, peer.trunk_port, "phone_accepts"),
    ):
        hold_s = FLOOD_CALLS / FLOOD_RATE + 8
        up = calling(folder, first, peer.port, rate=50, calls=FLOOD_HELD, hold_s=hold_s)
        time.sleep(FLOOD_HELD / 50 + 2.5)
        count = call(folder, others, peer.port, rate=FLOOD_RATE, calls=FLOOD_CALLS)
        lived = up.count(60.0)
        lost = lost_datagrams(peer.port)
    rows = [
        Row(
            f"{FLOOD_RATE} calls/s offered: taken",
            count.good - count.refused,
            "calls",
            f"{count.refused} refused by 503 with Retry-After,"
            f" {count.failed - count.unanswered} otherwise, {count.unanswered} without an answer"
            f" {count.failures or ''};"
            f" {lost} datagrams found the router's buffer full",
            aim="all answered",
            is_met=not count.unanswered,
        ),
        Row(
            "calls that were up and lived on",
            lived.good - lived.refused,
            "calls",
            f"of {FLOOD_HELD}",
            aim=f"= {FLOOD_HELD}",
            is_met=lived.good - lived.refused == FLOOD_HELD,
        ),
    ]
    for row in rows:
        show(row)
    return rows


def registers(folder: Path, users: Path) -> list[Row]:
    """Find the highest rate of REGISTERs with digest."""
    best, used_ms = 0, 0.0
    for rate in REGISTER_RATES:
        with router(folder) as peer:
            before = cpu_s(peer.pids)
            calls = rate * 4
            count = call(
                folder, users, peer.port, rate=rate, calls=calls, scenario="panel_registers"
            )
            spent_ms = (cpu_s(peer.pids) - before) * 1000 / calls
        if count.failed or count.retransmissions:
            break
        best, used_ms = rate, spent_ms
    row = Row("REGISTERs with digest", best, "a second", f"{used_ms:.2f} ms of CPU each")
    show(row)
    return [row]


def parser(_folder: Path, _users: Path) -> list[Row]:
    """Measure reading and writing of messages, alone."""
    rows = []
    sizes = {name: size for name, (size, _) in sip_parser.cases().items()}
    for name, time_us in sip_parser.measure().items():
        aim_us = sip_parser.AIMS_US.get(name)
        aim = "" if aim_us is None else f"<= {aim_us:.0f}"
        is_met = aim_us is None or time_us <= aim_us
        rows.append(Row(name, time_us, "µs", f"{sizes[name]} bytes", aim, is_met))
        show(rows[-1])
    return rows


MEASURES = {
    "parser": parser,
    "rates": rates,
    "kamailio": against_kamailio,
    "held": held,
    "overload": overload,
    "registers": registers,
}


def show(row: Row) -> None:
    """Print one line of the table as soon as it is known."""
    verdict = "" if not row.aim else f"aim {row.aim}: {'met' if row.is_met else 'MISSED'}"
    print(f"{row.measure:<66} {row.value:9.2f} {row.unit:<9} {row.note} {verdict}", flush=True)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--only", nargs="+", choices=sorted(MEASURES), default=list(MEASURES))
    arguments = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    rows: list[Row] = []
    began_at, others_s = time.monotonic(), busy_s()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        users = write_users(folder)
        for measure in arguments.only:
            rows += MEASURES[measure](folder, users)
    share = (busy_s() - others_s) / (time.monotonic() - began_at) / (os.cpu_count() or 1)
    print(f"cpus {os.cpu_count()}, cpu_used_by_others {share:.0%}")
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=2))
    sys.exit(not all(row.is_met for row in rows))


if __name__ == "__main__":
    main()
