"""Fifty calls at a time for half an hour: `python bench/soak.py [--minutes 30] [--json FILE]`.

The service as it ships, as a process of its own. 42 of the calls are from sipp's panels to sipp's phones behind a
trunk, 8 to apps that answer by aiortc (DTLS-SRTP). All talk from a file, both ways; each lasts 8 to 40 s, and the
next begins when it ends. Judged, line by line:

- memory: the slope of the resident size by least squares after the warm-up. Traces and the record of SIP are kept
  for 15 minutes and which leg a Call-ID belongs to for 20, and then forgotten: the first 21 minutes always grow; a
  shorter run tells the slope, but is no judge of it;
- how late the event loop is (`/metrics`): 99 of 100 ticks by less than 20 ms;
- calls that failed, apps that heard nothing;
- when all have ended: tasks, descriptors and media ports are as many as before the first call, and the SIP tables
  are empty.

The exit code is 1 when a line is missed.
"""

import argparse
import contextlib
import csv
import json
import os
import re
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from media import Row, show
from media_sound import speech_frames
from priority import take_priority
from sipp import SCENARIOS, busy_s, end, on_core
from soak_service import APP_PANELS, HOST, PHONE_PANELS, Sample, Service, service

from intercom.demo.processes import free_port

PHONE_CALLS, APP_CALLS = 42, 8
BUTTON = "1"
SAMPLE_S = 2.0
WARM_UP_S = 21 * 60.0
"""Then everything that is kept for 15 minutes has been forgotten once."""
RAMP_S, EMPTY_S = 20.0, 90.0
TALK_S = 45.0
"""No call of sipp's is longer."""
AIM_SLOPE_MB_H, AIM_LAG_S, AIM_CALLS = 1.0, 0.02, 48.0
TABLES = ("transactions", "dialogs")


@contextlib.contextmanager
def apps(server: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run every app of the building."""
    names = [f"r{n}" for n in range(PHONE_PANELS, PHONE_PANELS + APP_PANELS)]
    file = str(Path(__file__).with_name("soak_apps.py"))
    process = subprocess.Popen(
        on_core(1, sys.executable, file, server, *names), stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline().strip() != b"ready":
            raise SystemExit("the apps did not get ready")
        yield process
    finally:
        end(process)


class Caller:
    """One sipp: panels that call again and again, or the carrier."""

    def __init__(self, folder: Path, name: str, scenario: str, *words: str) -> None:
        self._statistics = folder / f"{name}.csv"
        self._log, self._errors = folder / f"{name}.out", folder / f"{name}.err"
        command = [
            *("sipp", "-sf", str(SCENARIOS / f"{scenario}.xml"), "-i", HOST, "-mi", HOST),
            *("-nostdin", "-aa", "-buff_size", str(4 << 20)),
            *("-trace_stat", "-stf", str(self._statistics), "-fd", "1"),
            *("-trace_err", "-error_file", str(self._errors)),
            *words,
        ]
        with self._log.open("wb") as out:
            self.process = subprocess.Popen(
                on_core(1, *command), cwd=folder, stdout=out, stderr=out
            )

    def finish(self) -> None:
        """Begin no further call, and end when the last one has."""
        self.process.send_signal(signal.SIGUSR1)

    def counts(self) -> tuple[int, int, int]:
        """Give the calls that went well, those that did not, and of these how many were refused by 503."""
        with self._statistics.open(newline="") as file:
            last = list(csv.DictReader(file, delimiter=";"))[-1]
        text = self._errors.read_text(errors="replace") if self._errors.exists() else ""
        refused = len(re.findall(r"SIP/2\.0 503", text))
        return int(last["SuccessfulCall(C)"]), int(last["FailedCall(C)"]), refused


def panels(folder: Path, name: str, numbers: range, sip_port: int, calls: int) -> Caller:
    """Let panels call, so many at a time."""
    users = folder / f"{name}.users"
    lines = [f"p{n};[authentication username=p{n} password=bench-p{n}]" for n in numbers]
    users.write_text("\n".join(["SEQUENTIAL", *lines]) + "\n")
    target = f"{HOST}:{sip_port}"
    words = ("-inf", str(users), "-s", BUTTON, "-auth_uri", f"{BUTTON}@{target}")
    return Caller(
        folder, name, "panel_talks", *words, "-r", "4", "-l", str(calls), "-m", "1000000", target
    )


def slope_mb_h(samples: list[Sample]) -> float:
    """Fit a line through the memory."""
    if len(samples) < 3:
        return 0.0
    hours = [each.at_s / 3600 for each in samples]
    megabytes = [each.resident_bytes / 1e6 for each in samples]
    return statistics.linear_regression(hours, megabytes).slope


def late_share(before: dict[str, float], after: dict[str, float]) -> tuple[float, float]:
    """Give the share of ticks that were late by more than 20 ms, and the bound under which 99 % were."""
    pattern = re.compile(r'intercom_loop_lag_seconds_bucket\{le="(.+)"\}')
    grown = {
        float(found[1]): value - before.get(name, 0.0)
        for name, value in after.items()
        if (found := pattern.fullmatch(name))
    }
    total = max(grown.values())
    bound = min(limit for limit, count in grown.items() if count >= 0.99 * total)
    return 1 - grown[AIM_LAG_S] / total, bound


def soak(folder: Path, minutes: float) -> list[Row]:
    """Run it all."""
    ports = {name: free_port(0, socket.SOCK_DGRAM) for name in ("sip", "trunk", "webrtc")}
    ports |= {name: free_port(0, socket.SOCK_STREAM) for name in ("http", "metrics")}
    (folder / "voice.pcma").write_bytes(b"".join(speech_frames(folder)))
    with service(folder, ports) as running, apps(f"http://{HOST}:{ports['http']}") as residents:
        time.sleep(5.0)
        base = running.sample()
        carrier = Caller(folder, "carrier", "phone_talks", "-p", str(ports["trunk"]))
        phones = range(PHONE_PANELS)
        callers = [
            panels(folder, "to_phones", phones, ports["sip"], PHONE_CALLS),
            panels(
                folder,
                "to_apps",
                range(PHONE_PANELS, PHONE_PANELS + APP_PANELS),
                ports["sip"],
                APP_CALLS,
            ),
        ]
        try:
            samples, late = _watch(running, minutes * 60)
            for caller in callers:
                caller.finish()
            last = _empty(running, base)
            counts = [caller.counts() for caller in callers]
        finally:
            for caller in (*callers, carrier):
                end(caller.process)
        residents.terminate()
        assert residents.stdout is not None
        heard = json.loads(residents.stdout.readline())
        tables = _tables(running.metrics())
    rows = [*_memory_rows(samples, minutes), *_call_rows(samples, late, counts, heard)]
    return [show(row) for row in (*rows, *_end_rows(base, last, tables))]


def _watch(running: Service, seconds: float) -> tuple[list[Sample], tuple[float, float]]:
    time.sleep(min(RAMP_S, seconds / 4))
    before, samples = running.metrics(), []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        samples.append(running.sample())
        if len(samples) % 30 == 1:
            one = samples[-1]
            print(
                f"  {one.resident_bytes / 1e6:7.1f} MB, {one.calls} calls, {one.tasks} tasks,"
                f" {one.descriptors} descriptors, {one.media_ports} media ports",
                flush=True,
            )
        time.sleep(SAMPLE_S)
    return samples, late_share(before, running.metrics())


def _empty(running: Service, base: Sample) -> Sample:
    """Wait until all calls have ended and what they left has gone."""
    until = time.monotonic() + TALK_S + EMPTY_S
    while True:
        now = running.sample()
        is_base = now.tasks <= base.tasks and now.descriptors <= base.descriptors
        is_over = not now.calls and is_base and not any(_tables(running.metrics()).values())
        if is_over or time.monotonic() > until:
            return now
        time.sleep(SAMPLE_S)


def _tables(figures: dict[str, float]) -> dict[str, float]:
    tables = {name: figures.get(f'intercom_sip_table_entries{{table="{name}"}}') for name in TABLES}
    return {name: value for name, value in tables.items() if value is not None}


def _memory_rows(samples: list[Sample], minutes: float) -> list[Row]:
    length_s = minutes * 60
    warm_up_s = WARM_UP_S if length_s > WARM_UP_S * 1.3 else length_s / 2
    settled = [each for each in samples if each.at_s - samples[0].at_s >= warm_up_s]
    slope, is_judge = slope_mb_h(settled), warm_up_s >= WARM_UP_S
    first, last = settled[0].resident_bytes / 1e6, settled[-1].resident_bytes / 1e6
    note = f"{first:.1f} to {last:.1f} MB in {(length_s - warm_up_s) / 60:.0f} min after warm-up"
    note += "" if is_judge else "; too short to judge"
    aim = f"< {AIM_SLOPE_MB_H:g}" if is_judge else ""
    is_met = not is_judge or slope < AIM_SLOPE_MB_H
    return [Row("memory, slope", slope, "MB/h", note, aim, is_met=is_met)]


def _call_rows(
    samples: list[Sample],
    late: tuple[float, float],
    counts: list[tuple[int, int, int]],
    heard: dict[str, int],
) -> list[Row]:
    share, bound = late
    calls = statistics.mean(each.calls for each in samples)
    good, bad, refused = (sum(column) for column in zip(*counts, strict=True))
    silent = heard["answered"] - heard["heard"]
    note = f"of {good + bad}, {refused} by 503 as the loop lagged; {counts[1][0]} were to apps"
    return [
        Row("calls up, mean", calls, "calls", "", f">= {AIM_CALLS:g}", is_met=calls >= AIM_CALLS),
        Row("calls that failed", bad, "calls", note, "= 0", is_met=not bad and good > 0),
        Row(
            "apps that answered and heard nothing",
            silent,
            "calls",
            f"of {heard['answered']}, {heard['errors']} with an error",
            "= 0",
            is_met=not silent and heard["answered"] > 0,
        ),
        Row(
            "event loop late by more than 20 ms",
            share * 100,
            "%",
            f"p99 at most {bound * 1000:g} ms",
            "<= 1",
            is_met=share <= 0.01,
        ),
    ]


def _end_rows(base: Sample, last: Sample, tables: dict[str, float]) -> list[Row]:
    rows = [
        Row(
            f"{words} when all have ended",
            getattr(last, name),
            "",
            f"{getattr(base, name)} before the first call",
            f"<= {getattr(base, name)}",
            is_met=getattr(last, name) <= getattr(base, name),
        )
        for name, words in (
            ("tasks", "tasks"),
            ("descriptors", "descriptors"),
            ("media_ports", "media ports"),
            ("calls", "calls"),
        )
    ]
    left, note = sum(tables.values()), ", ".join(f"{n} {v:g}" for n, v in tables.items() if v)
    return [*rows, Row("left in the SIP tables", left, "", note, "= 0", is_met=not left)]


def main() -> None:
    """Run it and judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there, too")
    parser.add_argument("--priority", action="store_true", help="go before other programs (root)")
    arguments = parser.parse_args()
    if arguments.priority:
        take_priority()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    began_at, others_s = time.monotonic(), busy_s()
    with tempfile.TemporaryDirectory() as name:
        rows = soak(Path(name), arguments.minutes)
    share = (busy_s() - others_s) / (time.monotonic() - began_at) / (os.cpu_count() or 1)
    print(f"cpus {os.cpu_count()}, cpu_used_by_others {share:.0%}")
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=2))
    sys.exit(not all(row.is_met for row in rows))


if __name__ == "__main__":
    main()
