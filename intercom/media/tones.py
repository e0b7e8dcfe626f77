"""Generated sounds, and the measurement of one frequency in a recording; PCM is 16-bit LE, 8 kHz, mono."""

import math
import sys
from array import array
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from operator import mul

SAMPLE_RATE_HZ = 8000
RINGBACK_HZ = 425  # ETSI ES 201 970 §5; ITU-T E.180 supplement 2, Norway: 425 Hz, 1 s on, 4 s off
FULL_SCALE_DBM0 = 3.14  # ITU-T G.711 §2.1: a sine of the A-law's full scale
RINGBACK_DBM0 = -16.0
SIGNAL_DBM0 = -12.0
_RAMP_S = 0.005
"""A soft start and stop: a step is heard as a click."""
_AUDIBLE_RMS = 100.0
"""About -50 dB under full scale; quieter frames hold no tone."""


def tone(frequencies_hz: Sequence[float], length_ms: int, dbm0: float = SIGNAL_DBM0) -> bytes:
    """Make a tone of one or more frequencies, each at the level given."""
    count = SAMPLE_RATE_HZ * length_ms // 1000
    ramp = max(1, min(int(SAMPLE_RATE_HZ * _RAMP_S), count // 2))
    amplitude = 32767 * 10 ** ((dbm0 - FULL_SCALE_DBM0) / 20)
    steps = [2 * math.pi * hz / SAMPLE_RATE_HZ for hz in frequencies_hz]
    samples = array("h", bytes(2 * count))
    for n in range(count):
        fade = min(1.0, (n + 1) / ramp, (count - n) / ramp)
        value = fade * amplitude * sum(math.sin(step * n) for step in steps)
        samples[n] = max(-32768, min(32767, round(value)))
    return _to_bytes(samples)


def silence(length_ms: int) -> bytes:
    """Make silence."""
    return bytes(2 * (SAMPLE_RATE_HZ * length_ms // 1000))


@cache
def ringback() -> bytes:
    """Make one period of the ringing tone: 1 s on, 4 s off."""
    return tone([RINGBACK_HZ], 1000, RINGBACK_DBM0) + silence(4000)


@cache
def opened() -> bytes:
    """Make the sound of an opened door: two rising notes."""
    return tone([660], 140) + silence(30) + tone([880], 320)


@cache
def refused() -> bytes:
    """Make the sound of a refusal: two low notes."""
    return tone([330], 180) + silence(80) + tone([247], 380)


@cache
def ending_soon() -> bytes:
    """Make the warning before the end of the call: three short notes."""
    return silence(60).join([tone([1400], 90)] * 3)


def rms(pcm: bytes) -> float:
    """Give the root mean square of the samples; 0 of none."""
    samples = _samples(pcm)
    return math.sqrt(sum(map(mul, samples, samples)) / len(samples)) if samples else 0.0


def level_of(pcm: bytes, hz: float) -> float:
    """Give the share (0 to 1) of a sound's power that lies at one frequency; 0 for silence.

    The window is the whole of `pcm`: frequencies closer than 1/length are not told apart.
    """
    samples = _samples(pcm)
    cosine, sine = _oscillators(hz, len(samples))
    return _share(samples, cosine, sine)


def tone_share(pcm: bytes, hz: float, *, frame_ms: int = 20, threshold: float = 0.5) -> float:
    """Give the share (0 to 1) of the frames in which one frequency has most of the power.

    A 20 ms frame tells 50 Hz apart; give `frame_ms=100` for 425 Hz against 440 Hz.
    """
    frame = SAMPLE_RATE_HZ * frame_ms // 1000
    samples = _samples(pcm)
    count = len(samples) // frame
    if not count:
        return 0.0
    cosine, sine = _oscillators(hz, frame)
    edges = pairwise(range(0, (count + 1) * frame, frame))
    hits = sum(_share(samples[start:end], cosine, sine) >= threshold for start, end in edges)
    return hits / count


def has_tone(
    pcm: bytes, hz: float, *, at_least: float = 0.5, frame_ms: int = 20, threshold: float = 0.5
) -> bool:
    """Tell whether a frequency dominates at least this share of the frames."""
    return tone_share(pcm, hz, frame_ms=frame_ms, threshold=threshold) >= at_least


def _share(samples: "array[int]", cosine: Sequence[float], sine: Sequence[float]) -> float:
    if not samples:
        return 0.0
    energy = sum(map(mul, samples, samples))
    if energy < _AUDIBLE_RMS * _AUDIBLE_RMS * len(samples):
        return 0.0
    real: float = sum(map(mul, samples, cosine))
    imaginary: float = sum(map(mul, samples, sine))
    share: float = 2 * (real * real + imaginary * imaginary) / (len(samples) * energy)
    return min(1.0, share)


@cache
def _oscillators(hz: float, count: int) -> tuple["array[float]", "array[float]"]:
    step = 2 * math.pi * hz / SAMPLE_RATE_HZ
    return (
        array("d", [math.cos(step * n) for n in range(count)]),
        array("d", [math.sin(step * n) for n in range(count)]),
    )


def _samples(pcm: bytes) -> "array[int]":
    samples = array("h", pcm[: len(pcm) & ~1])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _to_bytes(samples: "array[int]") -> bytes:
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()
