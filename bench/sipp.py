"""sipp as the load on both sides, and what it counted; pinned to a core of its own."""

import contextlib
import csv
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from big_house import BUTTON, HOST, PANELS_OF_A_PROPERTY, panel_names

SCENARIOS = Path(__file__).parent / "scenarios"
START_S = 0.5
END_S = 5.0
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_UNANSWERED = ("FailedMaxUDPRetrans", "FailedTimeoutOnRecv")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Count:
    """What the caller's side counted in one run."""

    good: int
    failed: int
    refused: int
    """By 503 with Retry-After; among the good."""
    unanswered: int
    """Among the failed; the others were refused, but not by 503."""
    retransmissions: int
    set_up_ms: float
    """Mean from the INVITE with credentials to its 200."""
    calls_a_second: float
    failures: dict[str, int]
    """Those that failed, by sipp's words."""


def on_core(core: int, *command: str) -> list[str]:
    """Pin a command to a core; on a machine of one core it runs where it may."""
    if (os.cpu_count() or 1) < 2:
        return list(command)
    return ["taskset", "-c", str(core), *command]


def write_users(folder: Path, skip: int = 0, panels_of: int = PANELS_OF_A_PROPERTY) -> Path:
    """Write the callers, every panel with its password; the first `skip` come last."""
    file = folder / f"panels-{panels_of}-{skip}.csv"
    names = panel_names(panels_of)
    lines = [
        f"{name};[authentication username={name} password=bench-{name}]"
        for name in names[skip:] + names[:skip]
    ]
    file.write_text("\n".join(["SEQUENTIAL", *lines]) + "\n")
    return file


@contextlib.contextmanager
def phones(folder: Path, port: int, scenario: str = "phone_answers") -> Iterator[None]:
    """Run the carrier with all phones behind it."""
    command = [
        *(_program(), "-sf", str(SCENARIOS / f"{scenario}.xml"), "-i", HOST, "-p", str(port)),
        *("-nostdin", "-aa", "-buff_size", str(4 << 20)),
    ]
    with (folder / "phones.out").open("wb") as out:
        process = subprocess.Popen(on_core(1, *command), cwd=folder, stdout=out, stderr=out)
    try:
        time.sleep(START_S)
        yield
    finally:
        end(process)


def call(
    folder: Path,
    users: Path,
    sip_port: int,
    *,
    rate: int,
    calls: int,
    hold_s: float = 0.0,
    scenario: str = "panel_calls",
    limit_s: float = 60.0,
) -> Count:
    """Call `calls` times at `rate` a second, and hold each for `hold_s`."""
    caller = calling(
        folder, users, sip_port, rate=rate, calls=calls, hold_s=hold_s, scenario=scenario
    )
    return caller.count(limit_s)


class Caller:
    """A running caller's side."""

    def __init__(self, process: "subprocess.Popen[bytes]", statistics: Path, log: Path) -> None:
        self._process = process
        self._statistics = statistics
        self._log = log

    def count(self, limit_s: float) -> Count:
        """Wait for the end and read what was counted."""
        try:
            self._process.wait(limit_s)
        finally:
            end(self._process)
        with self._statistics.open(newline="") as file:
            last = list(csv.DictReader(file, delimiter=";"))[-1]
        refused = self._log.read_text().count("Retry-After") if self._log.exists() else 0
        return Count(
            good=int(last["SuccessfulCall(C)"]),
            failed=int(last["FailedCall(C)"]),
            refused=refused,
            unanswered=sum(int(last[f"{name}(C)"]) for name in _UNANSWERED),
            retransmissions=int(last["Retransmissions(C)"]),
            set_up_ms=_ms(last.get("ResponseTime1(C)") or "00:00:00:000000"),
            calls_a_second=float(last["CallRate(C)"]),
            failures={
                name.removesuffix("(C)"): int(value)
                for name, value in last.items()
                if name.startswith("Failed") and name != "FailedCall(C)"
                if name.endswith("(C)") and value != "0"
            },
        )


def calling(
    folder: Path,
    users: Path,
    sip_port: int,
    *,
    rate: int,
    calls: int,
    hold_s: float,
    scenario: str = "panel_calls",
) -> Caller:
    """Start a caller's side."""
    stem = folder / f"caller-{time.monotonic_ns()}"
    statistics, log = stem.with_suffix(".csv"), stem.with_suffix(".log")
    command = [
        *(_program(), "-sf", str(SCENARIOS / f"{scenario}.xml"), "-inf", str(users), "-i", HOST),
        *("-s", BUTTON, "-auth_uri", f"{BUTTON}@{HOST}:{sip_port}", "-d", str(int(hold_s * 1000))),
        *("-r", str(rate), "-m", str(calls), "-l", str(calls + 1), "-nostdin"),
        *("-trace_stat", "-stf", str(statistics), "-fd", "1", "-buff_size", str(4 << 20)),
        *("-trace_logs", "-log_file", str(log), f"{HOST}:{sip_port}"),
    ]
    if scenario == "panel_registers":
        index = command.index("-auth_uri")
        command[index + 1] = f"{HOST}:{sip_port}"
    with stem.with_suffix(".out").open("wb") as out:
        process = subprocess.Popen(on_core(1, *command), cwd=folder, stdout=out, stderr=out)
    return Caller(process, statistics, log)


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a process that was started here."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def cpu_s(pids: list[int]) -> float:
    """Read the processor time that processes have used, all threads of them, to the nanosecond.

    The ticks of /proc/PID/stat say too much of whoever is woken by timers, which fire at the ticks.
    """
    threads = (each for pid in pids for each in Path(f"/proc/{pid}/task").iterdir())
    return sum(int((each / "schedstat").read_text().split()[0]) for each in threads) / 1e9


def busy_s() -> float:
    """Read the processor time that everybody else on the machine has used."""
    user, nice, system, _, _, irq, softirq, *_ = (
        int(field) / TICKS_A_SECOND for field in Path("/proc/stat").read_text().split()[1:9]
    )
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    own = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    return user + nice + system + irq + softirq - own


def resident_bytes(pid: int) -> int:
    """Read the memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


def lost_datagrams(port: int) -> int:
    """Count what a UDP socket had no room for: the last column of /proc/net/udp."""
    rows = (line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:])
    return sum(int(row[-1]) for row in rows if int(row[1].rpartition(":")[2], 16) == port)


def family_of(pid: int) -> list[int]:
    """List a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def _program() -> str:
    found = shutil.which("sipp")
    if found is None:
        message = "sipp is missing: make setup"
        raise SystemExit(message)
    return found


def _ms(text: str) -> float:
    """Read sipp's HH:MM:SS:microseconds."""
    hours, minutes, seconds, micros = (int(part) for part in text.split(":"))
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + micros / 1000
