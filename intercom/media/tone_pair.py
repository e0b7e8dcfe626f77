"""Two tones that could be a key to anybody, in the packet that has just come: wider than any receiver.

    packet ─▶ energy ─▶ gate, 20 ms every 10 ms ─▶ rough fit ─▶ fit of two sinusoids ─▶ Pair
              -50 dBm0   the strongest of each     at the gate's   residual, frequencies
                         group make up half        frequencies

A receiver takes ±1.5 to ±3 %, here all between the outermost tones' ±5 % is one; a receiver needs 23 to 40 ms,
here 15 ms are enough. Sound is 8 kHz, floats on the 16-bit scale.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import as_strided

from intercom.media.inband_fit import HIGH_HZ, KEYS, LOW_HZ, Doubles, Floats, sinusoids
from intercom.media.inband_tone import amplitude_of

RATE_HZ = 8000
WINDOW = 160
HOP = 80
_MASK = 0.05
_STEP_HZ = 20.0
_LOW = np.arange(LOW_HZ[0] * (1 - _MASK), LOW_HZ[-1] * (1 + _MASK) + _STEP_HZ / 2, _STEP_HZ)
_HIGH = np.arange(HIGH_HZ[0] * (1 - _MASK), HIGH_HZ[-1] * (1 + _MASK) + _STEP_HZ / 2, _STEP_HZ)
_LOWS = len(_LOW)
_BINS = _LOWS + len(_HIGH)
_DIAL_HZ = (350.0, 425.0, 440.0)
_DIAL_SHAPES = 5
"""Any of the dial tones in 20 ms is a sum of so many."""
_MOST_SAMPLES = 960
"""The longest packet that is looked at whole: 120 ms."""

_LEAST_POWER = amplitude_of(-50.0) ** 2 / 2
_SHARE = 0.5
_WEAKER = 0.012
"""Twist of 15 dB makes 0.03 of it, and a window's edges take from that."""
_LEAST_SHARE = 0.05
"""Of what remains beside a dial tone."""
_DIAL_SHARE = 0.1
_ALONE: tuple[tuple[float, ...], ...] = ((),)
_UNDER: tuple[tuple[float, ...], ...] = ((), (425.0,), (350.0, 440.0))
_ROUGH = 0.42
"""The rough fit's residual, over which none is within its limit: what its frequencies are off is little."""
_POOR = 0.34
"""The rough fit's residual, over which it can at most be a chopped tone."""
_FAINT = 0.1
"""Twist of 20 dB: less of a second tone is what a codec adds to one."""
_RESIDUAL = 0.28
_CLEAN = 0.12
_APART = 0.6
"""A key's tones begin and end together; a voice's come and go each by itself."""
_SURE = 0.15
"""Then the next packet may hold what is left of it."""
_ROUNDS = 2
_BESIDE = 0.065
"""15 ms say their frequency to one percent or so."""
_HOLDS_SHARE = 0.35
_HOLDS_HZ = 25.0
_PERSISTS = 3
_CHOPPED = 0.36


@dataclass(frozen=True, slots=True)
class Pair:
    """Two tones in the newest packet."""

    keys: str
    """The keys that a receiver could take them for; more than one where they lie between."""
    residual: float
    """The share of the power that they do not explain."""


@dataclass(frozen=True, slots=True)
class _Tables:
    gate: Floats
    """Window x (cosines of every frequency, sines of every frequency, a basis of the dial tones)."""
    times: Doubles
    """Of a window's samples, in seconds about its middle."""
    slope: Doubles
    common: "_Scratch"


class _Scratch:
    """Where the gate's results lie until the next packet: the same for all streams, for it stays warm."""

    def __init__(self, windows: int) -> None:
        self.heard = np.empty((windows, 2 * _BINS + _DIAL_SHAPES), np.float32)
        self.cosines, self.sines = self.heard[:, :_BINS], self.heard[:, _BINS : 2 * _BINS]
        self.powers = np.empty((windows, _BINS), np.float32)
        self.lows, self.highs = self.powers[:, :_LOWS], self.powers[:, _LOWS:]
        self.dials = self.heard[:, 2 * _BINS :]


@cache
def _tables() -> _Tables:
    times = (np.arange(WINDOW) - (WINDOW - 1) / 2) / RATE_HZ
    bins = np.concatenate((_LOW, _HIGH))
    dial, _, _ = np.linalg.svd(sinusoids(times, _DIAL_HZ), full_matrices=False)
    waves = sinusoids(times, bins) * np.sqrt(2 / WINDOW)
    gate = np.hstack((waves[:, ::2], waves[:, 1::2], dial[:, :_DIAL_SHAPES]))
    slope = (times / (times[-1] - times[0]))[:, np.newaxis]
    return _Tables(gate.astype(np.float32), times, slope, _Scratch(2))


@cache
def _shapes(low: int, high: int, *, is_dial: bool) -> tuple[Floats, Floats]:
    """Give orthogonal shapes that make up two tones of the gate whose amplitudes may slope, and a dial tone.

    And what makes the tones' amplitudes of those.
    """
    tables = _tables()
    tones = sinusoids(tables.times, (float(_LOW[low]), float(_HIGH[high])))
    parts = [tones, tones * tables.slope]
    if is_dial:
        parts.append(tables.gate[:, 2 * _BINS :].astype(np.float64))
    shapes, mixed = np.linalg.qr(np.hstack(parts))
    amplitudes = np.linalg.inv(mixed)[:4]
    return np.ascontiguousarray(shapes.T, np.float32), amplitudes.astype(np.float32)


def prepare() -> None:
    """Make all tables now (0.1 s, 6.5 MB), so that no packet waits for its own."""
    for low in range(len(_LOW)):
        for high in range(len(_HIGH)):
            for is_dial in (False, True):
                _shapes(low, high, is_dial=is_dial)


def _rough(window: Floats, total: float, low: int, high: int, *, is_dial: bool) -> float:
    """Give the share that two tones at just these frequencies leave: a fit that costs little."""
    shapes, amplitudes = _shapes(low, high, is_dial=is_dial)
    heard = shapes.dot(window)
    left = max(total - float(heard.dot(heard)), 0.0)
    tones = amplitudes.dot(heard)
    return left / (left + float(tones.dot(tones)) * (WINDOW / 2) + 1.0)


class PairFinder:
    """Look at a stream of sound, packet by packet."""

    def __init__(self) -> None:
        self._tables = _tables()
        self._store = np.zeros(WINDOW + _MOST_SAMPLES, dtype=np.float32)
        """A window of before, then the packet."""
        self._tail = 0.0
        """The energy of the last half window of before."""
        self._windows = self._windows_of(WINDOW)
        self.is_near = False
        """Whether the newest packet holds what is like two tones at all, though it be no pair."""
        self._held: tuple[float, float, str] | None = None
        """The tones of the packet before, and their keys."""
        self._at = 0
        self._seen, self._seen_at, self._times = (0.0, 0.0), -9, 0

    def look(self, samples: Floats) -> Pair | None:
        """Take the next packet's samples and name the pair that is in it, if any is."""
        self._at += 1
        self.is_near = False
        count = len(samples)
        if count > _MOST_SAMPLES:
            samples, count, self.is_near = samples[-_MOST_SAMPLES:], _MOST_SAMPLES, True
        if not count:
            return None
        end = WINDOW + count
        store = self._store
        store[WINDOW:end] = samples
        if count == WINDOW:
            first, last = samples[:HOP], samples[HOP:]
            one, other = float(first.dot(first)), float(last.dot(last))
            totals = [self._tail + one, one + other]
            power = one + other
            self._tail = other
        else:
            power = float(samples.dot(samples))
            windows = self._windows_of(count)
            totals = np.einsum("ij,ij->i", windows, windows).tolist()
            self._tail = float(store[end - HOP : end].dot(store[end - HOP : end]))
        found = None
        if power < _LEAST_POWER * count:
            self._held = None
        else:
            found = self._look(count, totals)
        store[:WINDOW] = store[end - WINDOW : end]
        return found

    def _windows_of(self, count: int) -> Floats:
        """Give the windows that end with the packet's end, and 10, 20 ms earlier up to its beginning."""
        whole = max(1, count // HOP)
        first = count - HOP * (whole - 1)
        size = self._store.itemsize
        return as_strided(self._store[first:], (whole, WINDOW), (HOP * size, size))

    def _look(self, count: int, totals: list[float]) -> Pair | None:
        tables = self._tables
        windows, to = self._windows, tables.common
        if count != WINDOW:
            windows = self._windows_of(count)
            to = _Scratch(len(windows))
        np.dot(windows, tables.gate, to.heard)
        np.multiply(to.heard, to.heard, to.heard)
        np.add(to.cosines, to.sines, to.powers)
        dials = to.dials.tolist()
        lows, highs = to.lows.argmax(1).tolist(), to.highs.argmax(1).tolist()
        best: Pair | None = None
        at = (0.0, 0.0)
        item = to.powers.item
        for n, total in enumerate(totals):
            low, high, dial = item(n, lows[n]), item(n, _LOWS + highs[n]), sum(dials[n])
            both = low + high
            rest = max(total - dial, _LEAST_SHARE * total)
            if both < _HOLDS_SHARE * rest:
                continue
            hz = (float(_LOW[lows[n]]), float(_HIGH[highs[n]]))
            found = self._hold(hz)
            if found is None and both >= _SHARE * rest and min(low, high) >= _WEAKER * both:
                is_dial = dial > _DIAL_SHARE * total
                rough = _rough(windows[n], total, lows[n], highs[n], is_dial=is_dial)
                if rough <= _ROUGH:
                    self.is_near = True
                    found = self._judge(windows[n], hz, rough, is_dial=is_dial)
            if found is not None and (best is None or found.residual < best.residual):
                best, at = found, hz
        is_sure = best is not None and best.residual <= _SURE
        self._held = (*at, best.keys) if best is not None and is_sure else None
        return best

    def _judge(
        self, window: Floats, hz: tuple[float, float], rough: float, *, is_dial: bool
    ) -> Pair | None:
        is_poor = rough > _POOR
        if is_poor and not self._persists(hz):
            return None
        residual, apart, exact, twist = self._fit(window, hz, is_dial=is_dial)
        if twist < _FAINT:
            return None
        limit = _RESIDUAL if apart <= _APART else _CLEAN
        if residual > limit and (residual > _CHOPPED or not (is_poor or self._persists(hz))):
            return None
        keys = _keys(*exact)
        return Pair(keys, residual) if keys else None

    def _persists(self, hz: tuple[float, float]) -> bool:
        """Tell whether tones that are no two steady sinusoids stay where they are: chopped ones."""
        is_same = self._at - self._seen_at <= 1 and _are_near(hz, self._seen)
        self._times = self._times + 1 if is_same else 1
        self._seen, self._seen_at = hz, self._at
        return self._times >= _PERSISTS

    def _hold(self, hz: tuple[float, float]) -> Pair | None:
        """Take what is left of the last packet's tones for a pair too."""
        held = self._held
        if held is None or not _are_near(hz, held[:2]):
            return None
        return Pair(held[2], 1.0)

    def _fit(
        self, window: Floats, hz: tuple[float, float], *, is_dial: bool
    ) -> tuple[float, float, tuple[float, float], float]:
        samples = window.astype(np.float64)
        fits = [_fit(samples, hz, under, self._tables) for under in (_UNDER if is_dial else _ALONE)]
        return min(fits)


def _are_near(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return abs(one[0] - other[0]) <= _HOLDS_HZ and abs(one[1] - other[1]) <= _HOLDS_HZ


def _fit(
    samples: Doubles, hz: tuple[float, float], under: tuple[float, ...], tables: _Tables
) -> tuple[float, float, tuple[float, float], float]:
    """Fit two sinusoids whose amplitudes may slope.

    Give the share that they leave, how differently they slope, their frequencies, and weak by strong.
    """
    guess = np.array(hz)
    times, slope = tables.times, tables.slope
    span_s = float(times[-1] - times[0])
    nuisance = sinusoids(times, under)
    remains = samples
    strength = apart = twist = 0.0
    for _ in range(_ROUNDS):
        tones = sinusoids(times, guess)
        basis = np.concatenate((tones, tones * slope, nuisance), 1)
        parts = np.linalg.solve(basis.T @ basis, basis.T @ samples)
        remains = samples - basis @ parts
        both = parts[:8:2] - 1j * parts[1:8:2]
        strength = float(parts[:4] @ parts[:4]) / 2
        slopes = both[2:] / np.where(both[:2] == 0, 1e-9, both[:2])
        weak, strong = sorted(np.abs(both[:2]).tolist())
        # A weak tone's slope is known the less.
        twist = weak / max(strong, 1e-9)
        apart = abs(float(slopes[0].real - slopes[1].real)) * min(1.0, 2.5 * twist)
        guess = guess + np.clip(slopes.imag, -1.5, 1.5) / (2 * np.pi * span_s)
    noise = float(remains @ remains) / len(samples)
    return noise / max(strength + noise, 1.0), apart, (float(guess[0]), float(guess[1])), twist


def _keys(low_hz: float, high_hz: float) -> str:
    """Name the keys whose tones these could be."""
    rows = [n for n, hz in enumerate(LOW_HZ) if abs(low_hz / hz - 1) <= _BESIDE]
    columns = [n for n, hz in enumerate(HIGH_HZ) if abs(high_hz / hz - 1) <= _BESIDE]
    return "".join(KEYS[4 * row + column] for row in rows for column in columns)
