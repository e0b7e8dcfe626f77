"""What a call's sound and picture cost: `python bench/media.py [--json FILE] [--only NAME …] [--priority]`.

The router's own bridges, legs and ports run on the first core; on the second bench/media_load.c is every panel,
phone and app. It sends each call's packets at moments of their own within the 20 ms, and tells by the kernel's
time stamps how long each was under way. For every way of a call there are three lines of what it costs at a
fixed load, and the number of calls that one core carries: as many as are offered while 99 of 100 packets take
less than 20 ms and fewer than 5 in 1,000 are lost.

rtpengine (Debian's, in user space, one thread) carries the same packets of the same generator in turns with the
router. Its apps do without ICE, which costs nothing a packet: DTLS-SRTP by the same program on both.

A packet is one that comes out, so a picture to three devices counts three times. A call is the panel and one
resident (and two more devices, who watch) with RTCP, 100 packets of sound a second in and as many out.

The exit code is 1 when an aim is missed. On a machine that others use, too, what depends on time is a bound from
below; `--priority` (as root) lets the measured programs go first.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import rtpengine
from media_load import GOP_S, Generator, Load, Plan
from media_paths import CLASS_NAMES, Far, Opened, Side, Way, native, router, write_plan
from media_sound import opus_frames, speech_frames
from priority import take_priority
from sipp import busy_s

WARM_UP_S, MEASURE_S, SEARCH_S = 1.0, 3.0, 4.0
TURNS = 3
MAX_STEPS, FINEST = 8, 0.05
MOST_CALLS = 1_400
P99_LIMIT_US, LOSS_LIMIT = 20_000, 0.005
GENERATOR_LATE_US = 5_000
MEMORY_FIRST, MEMORY_CALLS, AIM_MEMORY_MB = 50, 200, 0.3

WAYS = {
    "bare": Way(
        "bare",
        "phone, G.711, no ear",
        900,
        turn_calls=200,
        is_whole=False,
        has_rtpengine=True,
        is_stamped=True,
    ),
    "phone": Way("phone", "phone, G.711, as shipped", 300),
    "webrtc": Way("webrtc", "app, G.711", 500, apps=1, has_rtpengine=True),
    "preview": Way(
        "preview", "app, G.711 and picture", 200, apps=1, has_video=True, has_rtpengine=True
    ),
    "preview3": Way(
        "preview3", "3 apps, G.711 and picture", 0, turn_calls=50, apps=3, has_video=True
    ),
    "opus": Way("opus", "phone, panel's Opus to G.711", 0, turn_calls=20, is_opus=True),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    measure: str
    value: float
    unit: str
    note: str = ""
    aim: str = ""
    is_met: bool = True


Kind = Callable[[Path], AbstractContextManager[Side]]


@dataclass(frozen=True, slots=True)
class Bench:
    """What every measure needs."""

    generator: Generator
    folder: Path


def carry(bench: Bench, way: Way, kind: Kind, calls: int, measure_s: float) -> Load:
    """Carry so many calls for so long, by a new process."""
    with closing(Far()) as far, kind(bench.folder) as side:
        opened = side.open(way, calls, far)
        load = bench.generator.run(speaking(way, opened, far, measure_s), side.spent)
        hang_up(opened)
    return load


def speaking(way: Way, opened: list[Opened], far: Far, measure_s: float) -> Plan:
    """Let calls that are up speak."""
    plan = Plan(WARM_UP_S + (GOP_S if way.has_video else 0.0), measure_s)
    write_plan(way, opened, far, plan)
    return plan


def hang_up(opened: list[Opened]) -> None:
    """Free the apps' sockets."""
    for call in opened:
        for app in (*call.apps, *call.picture_apps):
            app.close()


def per_packet_us(load: Load) -> float:
    """Give the CPU time for each packet that came out."""
    return load.used_s * 1e6 / max(1, sum(each.received for each in load.classes))


def per_call_ms(load: Load, calls: int) -> float:
    """Give the CPU time of a call's second."""
    return load.used_s * 1000 / load.seconds / calls


def costs(bench: Bench, way: Way) -> list[Row]:
    """Measure what a fixed load costs, in turns with rtpengine where it can do the same."""
    kinds: list[tuple[str, Kind]] = [("router", router)]
    if way.has_rtpengine and rtpengine.is_there():
        kinds.append(("rtpengine", native))
    loads: dict[str, list[Load]] = {name: [] for name, _ in kinds}
    for _ in range(TURNS):
        for name, kind in kinds:
            loads[name].append(carry(bench, way, kind, way.turn_calls, MEASURE_S))
    rows = [row for name, found in loads.items() for row in _cost_rows(way, name, found)]
    if "rtpengine" in loads:
        pairs = zip(loads["router"], loads["rtpengine"], strict=True)
        ratio = statistics.median(per_packet_us(a) / per_packet_us(b) for a, b in pairs)
        words = f"{way.words}: CPU a packet, router : rtpengine"
        note = f"median of {TURNS} turns"
        rows.append(Row(words, ratio, "times", note, "<= 1", is_met=ratio <= 1))
    elif way.has_rtpengine:
        print(rtpengine.HOW_TO_INSTALL)
    return [show(row) for row in rows]


def _cost_rows(way: Way, name: str, loads: list[Load]) -> list[Row]:
    packets = [per_packet_us(load) for load in loads]
    calls = [per_call_ms(load, way.turn_calls) for load in loads]
    middle = sorted(loads, key=per_packet_us)[len(loads) // 2]
    note = f"of {len(loads)}: {min(packets):.1f} to {max(packets):.1f}; {way.turn_calls} calls"
    rows = [
        Row(f"{way.words}: {name}, CPU a packet", statistics.median(packets), "µs", note),
        Row(f"{way.words}: {name}, CPU a call's second", statistics.median(calls), "ms"),
    ]
    for kind, each in zip(CLASS_NAMES, middle.classes, strict=False):
        if each.expected:
            note = (
                f"p50 {each.p50_us:.0f} µs, lost {each.loss:.2%} of {each.expected};"
                f" the generator itself was late by {middle.late_p99_us:.0f} µs (p99)"
            )
            rows.append(Row(f"{way.words}: {name}, {kind}, delay p99", each.p99_us, "µs", note))
    return rows


def is_carried(load: Load) -> bool:
    """Tell whether every class came in time."""
    return all(
        each.p99_us < P99_LIMIT_US and each.loss < LOSS_LIMIT
        for each in load.classes
        if each.expected
    )


def most_calls(bench: Bench, way: Way) -> list[Row]:
    """Find how many calls one core carries: twice as many until they fail, then halfway between."""
    good, bad, calls = 0, MOST_CALLS + 1, way.turn_calls
    for _ in range(MAX_STEPS):
        load = carry(bench, way, router, calls, SEARCH_S)
        show(_tried(way, calls, load))
        if is_carried(load):
            good = calls
        else:
            bad = calls
        if bad - good <= max(1, round(FINEST * good)):
            break
        calls = min(2 * good, MOST_CALLS) if bad > MOST_CALLS else (good + bad) // 2
    aim = f">= {way.aim_calls}" if way.aim_calls else ""
    words = f"{way.words}: calls that one core carries"
    note = f"{bad} are too many" if bad <= MOST_CALLS else "more were not tried"
    return [show(Row(words, good, "calls", note, aim, is_met=good >= way.aim_calls))]


def _tried(way: Way, calls: int, load: Load) -> Row:
    worst = max(each.p99_us for each in load.carried)
    lost = max(each.loss for each in load.carried)
    busy = load.used_s / load.seconds
    note = (
        f"p99 {worst / 1000:.1f} ms, lost {lost:.2%}, core {busy:.0%} busy,"
        f" generator late by {load.late_p99_us / 1000:.1f} ms (p99)"
    )
    if load.late_p99_us > GENERATOR_LATE_US:
        note += ": the generator, not the router, may be what failed"
    return Row(f"{way.words}: offered", calls, "calls", note)


def both(name: str, bench: Bench) -> list[Row]:
    """Measure a way's cost, and how many calls of it fit."""
    way = WAYS[name]
    if name in ("phone", "opus"):
        talk = speech_frames(bench.folder)
        said = opus_frames(bench.folder) if way.is_opus else talk
        way = replace(way, frames=said, far_frames=talk[::-1])
    return [*costs(bench, way), *most_calls(bench, way)]


def generator_alone(bench: Bench) -> list[Row]:
    """Let the generator send to itself: what it adds, and how late it is."""
    way = WAYS["bare"]
    with closing(Far()) as far:
        port, back = far.phone.getsockname()[1], far.panel.getsockname()[1]
        calls = [
            Opened((port, far.phone_rtcp.getsockname()[1]), None, 0x20000000 + n)
            for n in range(way.aim_calls)
        ]
        for n, call in enumerate(calls):
            call.phone, call.ssrc_to_phone = (back, far.panel_rtcp.getsockname()[1]), 0x10000000 + n
        load = bench.generator.run(speaking(way, calls, far, MEASURE_S), lambda: 0.0)
    worst = max(load.carried, key=lambda each: each.p99_us)
    note = (
        f"{way.aim_calls} calls: {load.cpu_s / load.seconds:.0%} of its core, late by"
        f" {load.late_p99_us:.0f} µs (p99), {load.late_max_us:.0f} at most, lost {worst.loss:.2%}"
    )
    return [show(Row("the generator to itself, delay p99", worst.p99_us, "µs", note))]


def memory(bench: Bench) -> list[Row]:
    """Measure what a call with an app takes, with its picture and without, after it has spoken."""
    rows = []
    for name in ("webrtc", "preview"):
        way = WAYS[name]
        with closing(Far()) as far, router(bench.folder) as side:
            some = side.open(way, MEMORY_FIRST, far)
            bench.generator.run(speaking(way, some, far, 1.0), side.spent)
            before = side.settled()
            more = side.open(way, MEMORY_CALLS, far)
            bench.generator.run(speaking(way, more, far, 3.0), side.spent)
            grown = side.settled() - before
            hang_up([*some, *more])
        megabytes = grown / MEMORY_CALLS / 1e6
        is_met = megabytes <= AIM_MEMORY_MB
        words, aim = f"{way.words}: memory a call", f"<= {AIM_MEMORY_MB}"
        rows.append(Row(words, megabytes, "MB", f"{MEMORY_CALLS} more calls", aim, is_met=is_met))
    return [show(row) for row in rows]


MEASURES: dict[str, Callable[[Bench], list[Row]]] = {
    "generator": generator_alone,
    **{name: partial(both, name) for name in WAYS},
    "memory": memory,
}
FOR_SCALE = "For scale: Asterisk relays such a stream at 3.3 to 5.5 ms of CPU a call's second (p99 1.5 ms, 100 calls)."


def show(row: Row) -> Row:
    """Print one line of the table as soon as it is known."""
    verdict = "" if not row.aim else f"aim {row.aim}: {'met' if row.is_met else 'MISSED'}"
    print(f"{row.measure:<66} {row.value:9.2f} {row.unit:<6} {row.note} {verdict}", flush=True)
    return row


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there, too")
    parser.add_argument("--only", nargs="+", choices=list(MEASURES), default=list(MEASURES))
    parser.add_argument("--priority", action="store_true", help="go before other programs (root)")
    arguments = parser.parse_args()
    if shutil.which("gcc") is None and shutil.which("cc") is None:
        raise SystemExit("a C compiler is missing: apt-get install gcc libc6-dev")
    if arguments.priority:
        take_priority()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    rows: list[Row] = []
    began_at, others_s = time.monotonic(), busy_s()
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Generator(Path(name)), Path(name))
        for measure in arguments.only:
            rows += MEASURES[measure](bench)
    share = (busy_s() - others_s) / (time.monotonic() - began_at) / (os.cpu_count() or 1)
    print(f"cpus {os.cpu_count()}, cpu_used_by_others {share:.0%}\n{FOR_SCALE}")
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=2))
    sys.exit(not all(row.is_met for row in rows))


if __name__ == "__main__":
    main()
