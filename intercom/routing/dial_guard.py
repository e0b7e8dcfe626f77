"""How many phone calls may be caused, so that a panel's button cannot be used for toll fraud.

Apps are never limited. Times are monotonic seconds.
"""

from collections import Counter, deque
from dataclasses import dataclass
from enum import Enum

from intercom.routing.ids import LegId, PanelId

WINDOW_S = 600.0
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class DialLimits:
    at_once_per_panel: int = 4
    per_panel_10min: int = 30
    per_number_10min: int = 3
    per_day: int = 500


class DialRefusal(Enum):
    """Which limit was reached; in words without a number or a panel, so that it may be logged."""

    AT_ONCE = "too many phone calls of one panel at once"
    PANEL = "too many phone calls of one panel in 10 minutes"
    NUMBER = "too many calls to one number in 10 minutes"
    DAY = "too many phone calls today"


class DialGuard:
    """Counts phone calls; what it refuses is not counted."""

    def __init__(self, limits: DialLimits) -> None:
        self._limits = limits
        self._running: dict[LegId, PanelId] = {}
        self._at_once: Counter[PanelId] = Counter()
        """How many of them run, by panel."""
        self._recent: deque[tuple[float, PanelId, str]] = deque()
        self._of_panel: Counter[PanelId] = Counter()
        self._to_number: Counter[str] = Counter()
        """Both count what `_recent` holds: a press must not look through thousands."""
        self._day: deque[float] = deque()

    def start(
        self, leg_id: LegId, panel_id: PanelId, number: str, now: float
    ) -> DialRefusal | None:
        """Count a call that is about to be placed, or say which limit forbids it."""
        self._forget_old(now)
        refusal = self._refusal(panel_id, number)
        if refusal is None:
            self.end(leg_id)
            self._running[leg_id] = panel_id
            self._at_once[panel_id] += 1
            self._recent.append((now, panel_id, number))
            self._of_panel[panel_id] += 1
            self._to_number[number] += 1
            self._day.append(now)
        return refusal

    def end(self, leg_id: LegId) -> None:
        """Note that a call is over; harmless for one that never was."""
        panel_id = self._running.pop(leg_id, None)
        if panel_id is None:
            return
        self._at_once[panel_id] -= 1
        if not self._at_once[panel_id]:
            del self._at_once[panel_id]

    def _refusal(self, panel_id: PanelId, number: str) -> DialRefusal | None:
        limits = self._limits
        if self._at_once[panel_id] >= limits.at_once_per_panel:
            return DialRefusal.AT_ONCE
        if self._of_panel[panel_id] >= limits.per_panel_10min:
            return DialRefusal.PANEL
        if self._to_number[number] >= limits.per_number_10min:
            return DialRefusal.NUMBER
        if len(self._day) >= limits.per_day:
            return DialRefusal.DAY
        return None

    def _forget_old(self, now: float) -> None:
        while self._recent and now - self._recent[0][0] >= WINDOW_S:
            _, panel_id, number = self._recent.popleft()
            self._of_panel[panel_id] -= 1
            self._to_number[number] -= 1
            if not self._of_panel[panel_id]:
                del self._of_panel[panel_id]
            if not self._to_number[number]:
                del self._to_number[number]
        while self._day and now - self._day[0] >= DAY_S:
            self._day.popleft()
