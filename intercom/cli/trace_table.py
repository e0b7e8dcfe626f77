"""A call's steps as an aligned table: when, how long after the step before, where, what."""

from collections.abc import Iterable, Mapping
from typing import Any

import click

_COLOURS = {
    "opened": "green",
    "relay": "green",
    "connected": "green",
    "path": "yellow",
    "failed": "yellow",
    "refused": "yellow",
    "declined": "yellow",
    "cancelled": "yellow",
    "fault": "red",
}
"""By hop; click leaves colours out by itself away from a terminal."""
HEADER = f"{'ms':>8} {'+ms':>7}  {'hop':<15} what"


class TraceTable:
    """Writes steps as they come; remembers the last one of each call for the difference."""

    def __init__(self, only_call: str = "") -> None:
        self._only_call = only_call
        self._last_ms: dict[str, int] = {}
        self._shown_call = ""

    def call(self, call: Mapping[str, Any]) -> Iterable[str]:
        """Give the lines of a whole call."""
        for step in call["steps"]:
            yield from self.step(step)
        if call["dropped"] and call["steps"] and self._is_wanted(call["call"]):
            yield click.style(f"{call['dropped']} further steps were not kept", fg="yellow")

    def step(self, step: Mapping[str, Any]) -> Iterable[str]:
        """Give the lines of one step, with a heading where the call is another one."""
        call_id = str(step["call"])
        if not self._is_wanted(call_id):
            return
        if call_id != self._shown_call:
            if self._shown_call:
                yield ""
            yield click.style(f"call {call_id}", bold=True)
            yield click.style(HEADER, dim=True)
            self._shown_call = call_id
        yield self._row(call_id, step)

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing has been shown yet."""
        return not self._shown_call

    def _is_wanted(self, call_id: str) -> bool:
        return call_id.startswith(self._only_call)

    def _row(self, call_id: str, step: Mapping[str, Any]) -> str:
        at_ms = int(step["at_ms"])
        last_ms = self._last_ms.get(call_id)
        self._last_ms[call_id] = at_ms
        since = "" if last_ms is None else f"+{at_ms - last_ms}"
        facts = (f"{name}={value}" for name, value in step["facts"].items() if value is not None)
        what = "  ".join([*filter(None, [step["text"]]), *facts])
        name = f"{step['hop']:<15} " if what else step["hop"]
        hop = click.style(name, fg=_COLOURS.get(step["hop"]))
        return f"{at_ms:>8} {since:>7}  {hop}{_printable(what)}"


def _printable(text: str) -> str:
    """Keep what came from outside from writing to the terminal anything but text."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
