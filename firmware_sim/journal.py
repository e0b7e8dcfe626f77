"""The relay board's journal: what every coil really did, one JSON line a transition.

    {"at_ms": 81234, "relay": 1, "phase": "on",  "cmd_id": "…", "coil_ma": 182, "on_ms": 0}
    {"at_ms": 84234, "relay": 1, "phase": "off", "cmd_id": "…", "coil_ma": 182, "on_ms": 3000}

`at_ms` is CLOCK_MONOTONIC. Only the board writes; it outlives the panel's process.
"""

import json
from dataclasses import asdict, dataclass, fields
from enum import Enum
from pathlib import Path

JOURNAL_NAME = "journal.jsonl"


class CoilPhase(Enum):
    ON = "on"
    OFF = "off"
    PROLONGED = "prolonged"
    """A further command while it was on; within the longest pulse."""
    NO_CURRENT = "no current"
    """It was energised and drew nothing: a broken wire or coil."""
    POWER_CUT = "power cut"
    """Found at the board's start: it was on when the board died, which dropped it."""


@dataclass(frozen=True, slots=True)
class Transition:
    """What one coil did."""

    at_ms: int
    relay: int
    phase: CoilPhase
    cmd_id: str
    coil_ma: int
    on_ms: int
    """How long it has been on, as measured."""


def to_json(transition: Transition) -> str:
    """Write a transition as one line, without its end."""
    return json.dumps({**asdict(transition), "phase": transition.phase.value})


def from_json(line: str) -> Transition:
    """Read a transition; raises ValueError, KeyError or TypeError for anything else."""
    record = json.loads(line)
    known = {field.name: record[field.name] for field in fields(Transition)}
    return Transition(**{**known, "phase": CoilPhase(known["phase"])})


def read(state_dir: Path) -> list[Transition]:
    """Read the whole journal; a line that a power cut tore is passed over."""
    path = state_dir / JOURNAL_NAME
    if not path.exists():
        return []
    transitions = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            transitions.append(from_json(line))
        except (ValueError, KeyError, TypeError):
            continue
    return transitions


def append(state_dir: Path, transition: Transition) -> None:
    """Write a transition to the end of the journal."""
    with (state_dir / JOURNAL_NAME).open("a", encoding="utf-8") as file:
        file.write(to_json(transition) + "\n")


def left_on(transitions: list[Transition]) -> list[Transition]:
    """Find the coils that were on when the journal ends, by their last transition."""
    last = {transition.relay: transition for transition in transitions}
    return [t for t in last.values() if t.phase in (CoilPhase.ON, CoilPhase.PROLONGED)]
