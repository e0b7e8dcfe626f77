"""A way between two ends that loses, delays, copies and so disorders packets: seeded, on a clock of the test's."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from random import Random

LONGEST_JITTER_S = 0.08
"""Four packets of sound, so that they come in any order."""


@dataclass(frozen=True)
class Weather:
    """How bad a way is."""

    loss: float = 0.0
    jitter_s: float = 0.0
    """Each packet waits for a time of its own, up to this."""
    copies: float = 0.0
    """The share of packets that come twice, each copy after a time of its own."""

    def __str__(self):
        return f"{self.loss:.0%} lost, {1000 * self.jitter_s:.0f} ms, {self.copies:.0%} twice"


GOOD = Weather()
WEATHERS = [
    GOOD,
    Weather(jitter_s=0.02),
    Weather(jitter_s=LONGEST_JITTER_S, copies=0.02),
    Weather(loss=0.01, jitter_s=0.04, copies=0.01),
    Weather(loss=0.05, jitter_s=LONGEST_JITTER_S, copies=0.05),
    Weather(loss=0.1, jitter_s=LONGEST_JITTER_S, copies=0.02),
    Weather(loss=0.1),
]


class BadWire:
    """One direction of such a way."""

    def __init__(self, weather: Weather, seed: int) -> None:
        self.lost = 0
        self._weather, self._random = weather, Random(seed)

    def delays(self) -> Iterable[float]:
        """Tell after how long each copy of the next packet arrives; none: it is lost."""
        weather, random = self._weather, self._random
        copies = 2 if random.random() < weather.copies else 1
        arrive = [
            random.uniform(0, weather.jitter_s)
            for _ in range(copies)
            if random.random() >= weather.loss
        ]
        self.lost += not arrive
        return arrive


class Net:
    """Virtual time in which packets fly; it turns the clock of a bridge with them."""

    def __init__(self, clock) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = count()

    def at(self, at: float, act: Callable[[], None]) -> None:
        """Let something happen."""
        heappush(self._due, (at, next(self._count), act))

    def send(self, wire: BadWire, act: Callable[[], None]) -> None:
        """Let a packet that is sent now arrive, or not, or twice."""
        for delay_s in wire.delays():
            self.at(self._clock.now + delay_s, act)

    def run(self) -> None:
        """Let everything happen."""
        while self._due:
            at, _, act = heappop(self._due)
            self._clock.advance(max(0.0, at - self._clock.now))
            act()
