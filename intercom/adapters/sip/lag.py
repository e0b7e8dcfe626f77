"""How late the event loop is: a timer that should ring each 50 ms tells the endpoint when it does."""

import asyncio
from bisect import bisect_left
from collections.abc import Callable

TICK_S = 0.05
BOUNDS_S = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)


class LagMeter:
    """Measures from `start` to `stop`; `note` is `Endpoint.note_lag`."""

    def __init__(self, note: Callable[[float, float], None]) -> None:
        self._note = note
        self.counts = [0] * (len(BOUNDS_S) + 1)
        """Ticks by the first of `BOUNDS_S` that they were not later than; the rest come last."""
        self.total_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin; the loop must be running."""
        self._loop = asyncio.get_running_loop()
        self._set(self._loop.time())

    def stop(self) -> None:
        """End."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self, now: float) -> None:
        self._timer = self._loop.call_at(now + TICK_S, self._tick, now + TICK_S)

    def _tick(self, due_at: float) -> None:
        now = self._loop.time()
        lag_s = max(0.0, now - due_at)
        self.counts[bisect_left(BOUNDS_S, lag_s)] += 1
        self.total_s += lag_s
        self._note(lag_s, now)
        self._set(now)
