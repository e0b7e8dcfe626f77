"""Fuzz with coverage: `python -m tests.fuzz.run [--runs N] [--seconds S] [TARGET …]`.

Each target runs in a process of its own. It prints runs, exceptions, the slowest input in CPU
milliseconds, and how much the process grew after the first tenth of the runs (libFuzzer's own corpus is
in that); an input that raises, or takes longer than 50 ms when it is fed again alone, is kept in build/fuzz.
"""

import argparse
import asyncio
import gc
import hashlib
import os
import shutil
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Protocol

BUILD = Path(__file__).parents[2] / "build" / "fuzz"
TARGETS = ("sip", "sdp", "media")
MAX_INPUT_BYTES = 4096
SLOW_MS = 50.0
MAX_GROWTH_MB = 10.0
TRIES_AGAIN = 5
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Target(Protocol):
    """What can be fuzzed."""

    def seeds(self) -> list[bytes]: ...

    def feed(self, data: bytes) -> None: ...


def make(name: str) -> Target:
    """Make a target, with the coverage of all that it imports."""
    import atheris  # only here: its extra is not always installed

    with atheris.instrument_imports(include=["intercom"]):
        if name == "sip":
            from tests.fuzz.sip_target import SipTarget as Chosen
        elif name == "sdp":
            from tests.fuzz.sdp_target import SdpTarget as Chosen  # type: ignore[assignment]
        else:
            from tests.fuzz.media_target import MediaTarget as Chosen  # type: ignore[assignment]
    return Chosen()


def resident_mb() -> float:
    """Read this process's memory."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * _PAGE_BYTES / 1e6


class Judge:
    """Feeds a target and keeps the figures."""

    def __init__(self, name: str, runs: int, seconds: float) -> None:
        self.name = name
        self._runs = runs
        self._until = time.monotonic() + seconds
        self._target = make(name)
        self._done = 0
        self._exceptions = 0
        self._slowest_ms = 0.0
        self._slow: list[bytes] = []
        self._base_mb = 0.0

    def seeds(self) -> list[bytes]:
        """List the target's seeds."""
        return self._target.seeds()

    def feed(self, data: bytes) -> None:
        """Take one input from the fuzzer."""
        took_ms = self._timed(data)
        if took_ms > SLOW_MS:  # the collector or the machine, unless it is so again
            took_ms = min(self._timed(data) for _ in range(TRIES_AGAIN))
            if took_ms > SLOW_MS:
                self._keep("slow", data)
        self._slowest_ms = max(self._slowest_ms, took_ms)
        self._done += 1
        if self._done == self._runs // 10:
            self._base_mb = resident_mb()
        is_late = self._done % 1_000 == 0 and time.monotonic() > self._until
        if self._done >= self._runs or is_late:
            self._report()

    def _timed(self, data: bytes) -> float:
        began = time.thread_time()
        try:
            self._target.feed(data)
        except Exception:  # noqa: BLE001 - counting them is the purpose
            self._exceptions += 1
            if self._exceptions <= 10:
                traceback.print_exc()
                self._keep("raised", data)
        return (time.thread_time() - began) * 1e3

    def _keep(self, kind: str, data: bytes) -> None:
        name = hashlib.sha256(data).hexdigest()[:16]
        (BUILD / f"{self.name}-{kind}-{name}").write_bytes(data)

    def _report(self) -> None:
        growth_mb = resident_mb() - self._base_mb if self._base_mb else 0.0
        is_good = not self._exceptions and self._slowest_ms < SLOW_MS and growth_mb < MAX_GROWTH_MB
        print(  # noqa: T201
            f"| {self.name} | {self._done:,} | {self._exceptions} | {self._slowest_ms:.1f} "
            f"| {growth_mb:.1f} | {'yes' if is_good and self._done >= self._runs else '**no**'} |",
            flush=True,
        )
        os._exit(0 if is_good else 1)  # libFuzzer would say its own last word


async def fuzz(name: str, runs: int, seconds: float) -> None:
    """Fuzz one target in this process, with a loop that never gets a turn; never returns."""
    import atheris  # only here: its extra is not always installed

    judge = Judge(name, runs, seconds)
    corpus = BUILD / f"corpus-{name}"
    shutil.rmtree(corpus, ignore_errors=True)
    corpus.mkdir(parents=True)
    for number, seed in enumerate(judge.seeds()):
        (corpus / str(number)).write_bytes(seed)
    arguments = [sys.argv[0], str(corpus), f"-max_len={MAX_INPUT_BYTES}", "-len_control=0"]
    arguments += ["-timeout=10", "-rss_limit_mb=2048", "-verbosity=0", "-seed=1", "-reload=0"]
    atheris.Setup(arguments, judge.feed)
    atheris.Fuzz()


def main() -> None:
    """Fuzz one target after another, each in a process."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=1_000_000)
    options.add_argument("--seconds", type=float, default=1_800.0, help="of one target, at most")
    options.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options.add_argument("targets", nargs="*", default=TARGETS)
    chosen = options.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    if chosen.here:
        asyncio.run(fuzz(chosen.targets[0], chosen.runs, chosen.seconds))
    print("| target | inputs | exceptions | slowest, ms | growth, MB | met |")  # noqa: T201
    print("| --- | ---: | ---: | ---: | ---: | --- |", flush=True)  # noqa: T201
    codes = [run_apart(name, chosen.runs, chosen.seconds) for name in chosen.targets]
    sys.exit(max(codes))


def run_apart(name: str, runs: int, seconds: float) -> int:
    """Fuzz a target in a process of its own."""
    command = [sys.executable, "-m", "tests.fuzz.run", "--here", name]
    command += ["--runs", str(runs), "--seconds", str(seconds)]
    with (BUILD / f"{name}.log").open("w", encoding="utf-8") as log:
        return subprocess.run(command, stderr=log, check=False).returncode


if __name__ == "__main__":
    main()
