"""What the audience sees: hops that appear as they are reached, in milliseconds."""

import sys
from dataclasses import dataclass, field
from typing import Any, TextIO

from intercom.demo.hops import TEXTS, Hop

_GREEN, _RED, _DIM, _BOLD, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[1m", "\x1b[0m"


@dataclass(slots=True)
class ReachedHop:
    hop: Hop
    at_ms: float
    """After the press."""
    detail: str


@dataclass(slots=True)
class Timeline:
    """One call's hops, printed as they come and kept for the trace file."""

    title: str
    out: TextIO = field(default_factory=lambda: sys.stdout)
    hops: list[ReachedHop] = field(default_factory=list)
    failed: dict[str, str] | None = None

    def open(self) -> None:
        """Print the heading."""
        self._print(f"\n{self._in(_BOLD, self.title)}")
        self._print(self._in(_DIM, f"  {'ms':>8}  {'+ms':>7}  hop"))

    def reached(self, hop: Hop, at_ms: float, detail: str = "") -> None:
        """Add a hop that was reached `at_ms` after the press."""
        before = self.hops[-1].at_ms if self.hops else 0.0
        self.hops.append(ReachedHop(hop, at_ms, detail))
        tail = self._in(_DIM, f"  {detail}") if detail else ""
        mark = self._in(_GREEN, "✓")
        step = f"{at_ms - before:+7.0f}"
        self._print(f"  {at_ms:8.0f}  {self._in(_DIM, step)}  {mark} {TEXTS[hop].label}{tail}")

    def broke(self, hop: Hop, seen: str) -> None:
        """Add the hop at which the call broke."""
        text = TEXTS[hop]
        self.failed = {"hop": hop.value, "seen": seen, "look_at": text.look_at}
        self._print(f"  {'':8}  {'':7}  {self._in(_RED, '✗')} {text.label}")
        self._print(f"      broken hop: {self._in(_BOLD, hop.value)}")
        self._print(f"      what was seen: {seen}")
        self._print(f"      look at: {text.look_at}")

    def as_json(self) -> dict[str, Any]:
        """Give the call for the trace file."""
        return {
            "title": self.title,
            "hops": [
                {
                    "hop": each.hop.value,
                    "label": TEXTS[each.hop].label,
                    "at_ms": round(each.at_ms, 1),
                    "detail": each.detail,
                }
                for each in self.hops
            ],
            "failed": self.failed,
        }

    def _in(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self.out.isatty() else text

    def _print(self, line: str) -> None:
        self.out.write(line + "\n")
        self.out.flush()
