"""Print the call's state table, or bring ARCHITECTURE.md up to date with `--write`.

    python -m tests.routing.state_table [--write]

The table stands between the two markers below.
"""

import sys
from dataclasses import replace
from pathlib import Path

from intercom.routing.limits import Limits
from intercom.routing.table import Root, state_table
from tests.routing import scenes
from tests.routing.scenes import SETTING, call_key, make_call

DOCUMENT = Path(__file__).parents[2] / "ARCHITECTURE.md"
BEGIN, END = "<!-- states:begin -->", "<!-- states:end -->"
DEPTH = 6
"""Deep enough for every row: a seventh event adds none."""


def make_table(depth: int = DEPTH) -> str:
    """Explore the calls that between them have every kind of leg."""
    stayers = (frozenset({scenes.BO}),)
    setting = replace(SETTING, latecomers=(scenes.ANNA_TABLET,), stayers=stayers)
    plans = (scenes.APPS_THEN_PHONES, scenes.WITH_DESK_PHONE, scenes.PHONES_ONLY)
    limits = Limits(max_openings=1)  # So that a refused opening is not many events away.
    calls = [make_call(plan, limits) for plan in plans]
    calls.append(make_call(scenes.PHONES_ONLY, replace(limits, is_talk_before_key=False)))
    for call in calls:
        call.start(0.0)
    return state_table([Root(call, 0.0, setting) for call in calls], call_key, depth)


def documented_table(document: str) -> str | None:
    """Find the table in a document, if it has the markers."""
    _, begin, rest = document.partition(BEGIN)
    table, end, _ = rest.partition(END)
    return table.strip() + "\n" if begin and end else None


def _write(table: str) -> None:
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{table}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        _write(make_table())
    else:
        sys.stdout.write(make_table())
