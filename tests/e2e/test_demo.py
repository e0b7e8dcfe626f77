"""`intercom demo` as a person starts it: it ends well, and when a hop is broken, it says which."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from intercom.demo.hops import Hop
from intercom.demo.stage import CALLER_ID

LIMIT_S = 120
"""Of one performance; it takes 25 s on an idle machine."""

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(2 * LIMIT_S)]


@dataclass(frozen=True)
class Performance:
    exit_code: int
    output: str
    trace: dict[str, Any]

    @property
    def reached(self) -> list[str]:
        return [hop["hop"] for call in self.trace["calls"] for hop in call["hops"]]

    @property
    def broken(self) -> list[str]:
        return [call["failed"]["hop"] for call in self.trace["calls"] if call["failed"]]


def perform(file: Path, *arguments: str) -> Performance:
    command = [sys.executable, "-m", "intercom", "demo", "--once", "--json", str(file), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    trace = json.loads(file.read_text()) if file.exists() else {"calls": []}
    return Performance(done.returncode, done.stdout + done.stderr, trace)


def test_the_demonstration_passes_every_hop_of_both_calls_and_opens_twice(tmp_path: Path):
    played = perform(tmp_path / "trace.json")

    assert played.exit_code == 0, played.output
    assert played.reached == [hop.value for hop in Hop]
    assert played.trace["ok"] is True
    assert played.trace["pulses"] == 2
    assert all(hop["at_ms"] >= 0 for call in played.trace["calls"] for hop in call["hops"])
    assert CALLER_ID in played.output


@pytest.mark.parametrize("hop", list(Hop), ids=lambda hop: hop.value)
def test_a_broken_hop_fails_the_demonstration_and_is_named(tmp_path: Path, hop: Hop):
    played = perform(tmp_path / "trace.json", "--break", hop.value)

    assert played.exit_code == 1, played.output
    assert played.broken == [hop.value], played.output
    assert f"broken hop: {hop.value}\n" in played.output
    assert played.reached == [each.value for each in Hop][: list(Hop).index(hop)]
