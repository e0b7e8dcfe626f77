"""Deadlines: a heap of whatever wants to be woken, without a clock."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count

from typing_extensions import override

MIN_SWEPT = 1_024


class Timed(ABC):
    """Something with a next deadline, which it changes at will; `TimerQueue.watch` must then be told."""

    __slots__ = ("deadline_at", "queued_at")

    def __init__(self) -> None:
        self.deadline_at: float | None = None
        self.queued_at: float | None = None
        """When the queue looks at it next; the queue's own."""

    @abstractmethod
    def handle_timer(self, now: float) -> None:
        """Do what is due at `now` and set the next deadline."""


class Alarm(Timed):
    """A call at a time, unless it is stopped before."""

    __slots__ = ("_action",)

    def __init__(self, at: float, action: Callable[[float], None]) -> None:
        super().__init__()
        self.deadline_at = at
        self._action = action

    def stop(self) -> None:
        self.deadline_at = None
        self._action = _nothing  # the queue may keep it for half an hour yet, but not a whole call

    @override
    def handle_timer(self, now: float) -> None:
        self.deadline_at = None
        action, self._action = self._action, _nothing
        action(now)


def _nothing(_now: float) -> None:
    """Do nothing."""


class TimerQueue:
    """The heap; an item that moved its deadline later is looked at once in vain."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timed]] = []
        self._count = count()
        self._sweep_at = MIN_SWEPT
        """At this length the heap is cleared of what was stopped: a session timer of half an hour may be
        set anew with each request."""

    def __len__(self) -> int:
        return len(self._heap)

    def watch(self, item: Timed) -> None:
        """Take note of an item's deadline."""
        at = item.deadline_at
        if at is not None and (item.queued_at is None or at < item.queued_at):
            item.queued_at = at
            heappush(self._heap, (at, next(self._count), item))
            if len(self._heap) >= self._sweep_at:
                self._sweep()

    def _sweep(self) -> None:
        """Drop stopped and superseded entries; each is looked at once for each that was added."""
        live = []
        for entry in self._heap:
            at, _, item = entry
            if at != item.queued_at:
                continue
            if item.deadline_at is None:
                item.queued_at = None
            else:
                live.append(entry)
        heapify(live)
        self._heap = live
        self._sweep_at = max(MIN_SWEPT, 2 * len(live))

    def start(self, at: float, action: Callable[[float], None]) -> Alarm:
        """Set an alarm."""
        alarm = Alarm(at, action)
        self.watch(alarm)
        return alarm

    def next_at(self) -> float | None:
        """Tell the earliest deadline."""
        while self._heap:
            at, _, item = self._heap[0]
            if at == item.queued_at and at == item.deadline_at:
                return at
            heappop(self._heap)
            if at == item.queued_at:
                item.queued_at = None
                self.watch(item)
        return None

    def run(self, now: float) -> None:
        """Wake everything that is due."""
        while (at := self.next_at()) is not None and at <= now:
            item = heappop(self._heap)[2]
            item.queued_at = None
            item.handle_timer(now)
            self.watch(item)
