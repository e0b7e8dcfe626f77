"""What two sinusoids are in a few milliseconds of sound: the mathematics of the in-band DTMF detector.

A cheap gate asks of 20 ms whether one tone of each group makes up most of it. What passes is fitted by
least squares with two sinusoids whose amplitudes may slope. Samples are floats on the 16-bit scale.
"""

import math
from dataclasses import dataclass
from functools import cache
from operator import add

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]
Complexes = NDArray[np.complex128]

LOW_HZ = (697.0, 770.0, 852.0, 941.0)  # ITU-T Q.23 §4
HIGH_HZ = (1209.0, 1336.0, 1477.0, 1633.0)
KEYS = "123A456B789C*0#D"
"""Four keys a low tone, one of each high tone."""
DIAL_TONES_HZ = ((425.0,), (350.0, 440.0))  # ETSI ES 201 970 §5; ITU-T E.180 supplement 2
HOPS_A_SECOND = 200
WINDOW_HOPS = 4
_OFF_CENTRE = 0.009
"""Where the gate listens beside each nominal frequency: 20 ms hear 1.5 % beside it weakly."""
_GATE_COLUMNS = 32
_GATE_DIAL = 5
_GATE_SHARE = 0.5
_GATE_WEAKER = 0.03
_GATE_LEAST = 0.05
_DIAL_SHARE = 0.3
_SPECTRUM = 1024
_HOP_DIAL = 3
"""So many shapes stand for any dial tone in 5 ms."""
_ROUNDS = 3
"""Of the frequencies' improvement; the first guess is good to a few hertz."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Two sinusoids in some sound."""

    offsets: tuple[float, float]
    """By how much each frequency is off the nominal one, as a share of it."""
    amplitudes: tuple[float, float]
    slopes: tuple[float, float]
    """The change of the amplitude from end to end as a share of the mean."""
    residual: float
    """The share of the power that the fit does not explain."""
    noise: float
    """The residual's power."""
    loudest: float
    """The share of the power that any third sinusoid explains."""
    under: float
    """The amplitude of what was fitted underneath, if anything was."""


@dataclass(frozen=True, slots=True)
class Tables:
    """What depends on the sampling rate alone."""

    hop: int
    """Samples in 5 ms."""
    gate: Floats
    """Window x (cosine and sine of every frequency the gate listens at, a basis of the dial tones)."""
    envelopes: tuple[Floats, ...]
    """For each key: hop x (cosine and sine of the low tone, of the high one), by least squares."""


@cache
def tables(rate_hz: int) -> Tables:
    """Compute the tables of a sampling rate, a multiple of 200 Hz."""
    hop, rest = divmod(rate_hz, HOPS_A_SECOND)
    if rest or rate_hz < 8000:
        raise ValueError("rate_hz is no multiple of 200 from 8000")
    window = np.arange(WINDOW_HOPS * hop) / rate_hz
    heard = [hz * side for hz in LOW_HZ + HIGH_HZ for side in (1 - _OFF_CENTRE, 1 + _OFF_CENTRE)]
    gate = sinusoids(window, heard) * math.sqrt(2 / len(window))
    dial, _, _ = np.linalg.svd(sinusoids(window, (350.0, 425.0, 440.0)), full_matrices=False)
    centred = (np.arange(hop) - (hop - 1) / 2) / rate_hz
    low_dial, _, _ = np.linalg.svd(sinusoids(centred, (350.0, 425.0, 440.0)), full_matrices=False)
    envelopes = [
        np.linalg.pinv(np.hstack((sinusoids(centred, (low, high)), low_dial[:, :_HOP_DIAL])))[:4].T
        for low in LOW_HZ
        for high in HIGH_HZ
    ]
    return Tables(
        hop,
        np.hstack((gate, dial[:, :_GATE_DIAL])).astype(np.float32),
        tuple(one.astype(np.float32) for one in envelopes),
    )


def frequencies(key: int) -> tuple[float, float]:
    """Give the nominal frequencies of a key, an index into `KEYS`."""
    return LOW_HZ[key >> 2], HIGH_HZ[key & 3]


def gate(window: Floats, table: Tables, least_power: float) -> int | None:
    """Name the key whose tones make up half of 20 ms; None if none does.

    `least_power` is the mean square below which there is nothing.
    """
    total = float(np.dot(window, window))
    if total < least_power * len(window):
        return None
    heard = window @ table.gate
    heard *= heard
    squares: list[float] = heard.tolist()
    powers = list(map(add, squares[:_GATE_COLUMNS:2], squares[1:_GATE_COLUMNS:2]))
    low, high = max(powers[:8]), max(powers[8:])
    # A dial tone underneath may be louder than the key.
    rest = max(total - sum(squares[_GATE_COLUMNS:]), _GATE_LEAST * total)
    both = low + high
    if both < _GATE_SHARE * rest or min(low, high) < _GATE_WEAKER * both:
        return None
    return powers.index(low) // 2 * 4 + (powers.index(high, 8) - 8) // 2


def envelope(hops: Floats, table: Tables, key: int) -> NDArray[np.complex64]:
    """Give the complex amplitude of a key's two tones in each hop, about the hop's middle."""
    parts = hops @ table.envelopes[key]
    result: NDArray[np.complex64] = parts[:, ::2] - 1j * parts[:, 1::2]
    return result


def guess_hz(tones: NDArray[np.complex64], at: list[int], key: int) -> tuple[float, float]:
    """Estimate both frequencies from how fast the phase turns from one of these hops to the next."""
    result = []
    pairs = [k for k in at if k + 1 in at]
    for tone, nominal in enumerate(frequencies(key)):
        turn = sum(complex(tones[k + 1, tone] * np.conj(tones[k, tone])) for k in pairs)
        expected = 2 * math.pi * nominal / HOPS_A_SECOND
        angle = np.angle(turn * np.exp(-1j * expected)) if turn else 0.0
        result.append(nominal + float(angle) * HOPS_A_SECOND / (2 * math.pi))
    return result[0], result[1]


def fit(
    samples: Doubles,
    times_s: Doubles,
    hz: tuple[float, float],
    key: int,
    *,
    keep: Doubles,
    under: tuple[float, ...] = (),
) -> Fit:
    """Fit a key's two tones, and tones underneath if told, to samples at these times about zero.

    `keep` is 1 for a sample that counts, 0 for one that does not.
    """
    span_s = float(times_s[-1] - times_s[0])
    guess = np.array(hz)
    samples = samples * keep
    kept = keep[:, np.newaxis]
    nuisance = sinusoids(times_s, under) * kept if under else np.empty((len(samples), 0))
    slope = (times_s / span_s)[:, np.newaxis]
    tones: Complexes = np.ones(2, dtype=np.complex128)
    slopes: Complexes = tones
    parts: Doubles = samples
    remains: Doubles = samples
    for _ in range(_ROUNDS):
        waves = sinusoids(times_s, guess) * kept
        basis = np.hstack((waves, waves * slope, nuisance, nuisance * slope))
        parts = np.asarray(np.linalg.solve(basis.T @ basis, basis.T @ samples), np.float64)
        remains = samples - basis @ parts
        both = (parts[:8:2] - 1j * parts[1:8:2]).astype(np.complex128)
        tones = both[:2]
        slopes = both[2:] / np.where(tones == 0, 1e-9, tones)
        # What turns against the guess shows as a slope at a right angle to the amplitude.
        guess = guess + np.clip(slopes.imag, -1.5, 1.5) / (2 * math.pi * span_s)
    count = float(keep.sum())
    noise = float(remains @ remains) / count
    heard = nuisance @ parts[8 : 8 + nuisance.shape[1]]
    nominal = frequencies(key)
    strength = np.abs(tones)
    power = max(float(strength @ strength) / 2 + noise, 1.0)
    return Fit(
        (float(guess[0] / nominal[0] - 1), float(guess[1] / nominal[1] - 1)),
        (float(strength[0]), float(strength[1])),
        (float(slopes[0].real), float(slopes[1].real)),
        noise / power,
        noise,
        _loudest(remains) / (count * power),
        math.sqrt(2 * float(heard @ heard) / count),
    )


def _loudest(remains: Doubles) -> float:
    """Give the energy of the strongest sinusoid in what remains."""
    spectrum = np.fft.rfft(remains, _SPECTRUM)
    return 2 * float(np.max(spectrum.real**2 + spectrum.imag**2)) / len(remains)


def dial_amplitude(samples: Doubles, times_s: Doubles, dial: tuple[float, ...]) -> float:
    """Give the amplitude of a dial tone in some sound; 0 if it does not stand out."""
    waves = sinusoids(times_s, dial)
    parts = np.linalg.lstsq(waves, samples, rcond=1e-9)[0]
    heard = waves @ parts
    explained = float(heard @ heard)
    if explained < _DIAL_SHARE * float(samples @ samples):
        return 0.0
    return math.sqrt(2 * explained / len(samples))


def sinusoids(times_s: Doubles, hz: "Doubles | tuple[float, ...] | list[float]") -> Doubles:
    """Give a cosine and a sine of each frequency as neighbouring columns."""
    turns = 2 * math.pi * np.outer(times_s, np.asarray(hz))
    waves = np.empty((len(times_s), 2 * turns.shape[1]))
    waves[:, ::2] = np.cos(turns)
    waves[:, 1::2] = np.sin(turns)
    return waves
