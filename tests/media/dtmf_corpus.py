"""A corpus of dialled digits after ITU-T Q.24 and the faults of packet networks, made from a seed.

Every condition is a rule for one line of digits; most vary several things at once, as telephones do.
Levels are dBm0 a tone; a signal-to-noise ratio is that of both tones to noise of the whole band.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from intercom.media import g711
from intercom.media.inband_fit import HIGH_HZ, KEYS, LOW_HZ
from intercom.sip.offer_answer import Codec

RATE_HZ = 8000
PACKET = 160
FULL_SCALE_DBM0 = 3.14
Rng = np.random.Generator
Wave = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Key:
    """One press."""

    digit: str
    ms: float = 50.0
    pause_ms: float = 50.0
    low_dbm0: float = -10.0
    high_dbm0: float = -10.0
    low_off: float = 0.0
    high_off: float = 0.0
    gap_at_ms: float | None = None
    """Where 10 ms are missing."""


@dataclass(frozen=True, slots=True)
class Line:
    """What the presses go through."""

    keys: list[Key]
    law: Codec = Codec.PCMA
    snr_db: float | None = None
    dial_hz: tuple[float, ...] = ()
    dial_db: float = -60.0
    """Each dial tone's level against the stronger tone of the first key."""
    echo_ms: float = 0.0
    echo_db: float = -60.0
    overload_db: float = 0.0
    losses: str = ""
    """`zeros`, `repeat` or `mask`; one packet of each key is lost."""
    lead_ms: float = 60.0
    ramp_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Case:
    """A line as it is heard."""

    condition: str
    pcm: bytes
    digits: str
    """What must be told, and nothing else."""
    onsets_s: list[float] = field(default_factory=list)
    lost: frozenset[int] = frozenset()
    """Numbers of the packets of 20 ms that the receiver knows to be lost."""


def amplitude(dbm0: float) -> float:
    return float(32768 * 10 ** ((dbm0 - FULL_SCALE_DBM0) / 20))


def render(condition: str, line: Line, rng: Rng, *, is_refused: bool = False) -> Case:
    """Make the sound of a line."""
    total_ms = line.lead_ms + sum(key.ms + key.pause_ms for key in line.keys) + 100
    count = -(-int(total_ms * RATE_HZ / 1000) // PACKET) * PACKET
    wave = np.zeros(count)
    at_ms = line.lead_ms
    spans = []
    for key in line.keys:
        first, sound = round(at_ms * RATE_HZ / 1000), _press(key, rng, line.ramp_ms)
        wave[first : first + len(sound)] += sound
        spans.append((first, first + len(sound)))
        at_ms += key.ms + key.pause_ms
    first_key = line.keys[0]
    low, high = amplitude(first_key.low_dbm0), amplitude(first_key.high_dbm0)
    if line.echo_ms:
        delay = round(line.echo_ms * RATE_HZ / 1000)
        wave[delay:] += 10 ** (line.echo_db / 20) * wave[:-delay]
    for hz in line.dial_hz:
        peak = max(low, high) * 10 ** (line.dial_db / 20)
        wave += peak * np.sin(2 * np.pi * hz * np.arange(count) / RATE_HZ + rng.uniform(0, 6.28))
    if line.snr_db is not None:
        power = (low * low + high * high) / 2
        wave += rng.normal(0, np.sqrt(power / 10 ** (line.snr_db / 10)), count)
    wave *= 10 ** (line.overload_db / 20)
    pcm = np.clip(np.round(wave), -32768, 32767).astype("<i2").tobytes()
    pcm = g711.decode(g711.encode(pcm, line.law), line.law)
    lost: set[int] = set()
    if line.losses:
        lost = {_lost_packet(first, end, rng) for first, end in spans}
        pcm = _lose(pcm, sorted(lost), line.losses)
    return Case(
        condition,
        pcm,
        "" if is_refused else "".join(key.digit for key in line.keys),
        [first / RATE_HZ for first, _ in spans],
        frozenset(lost) if line.losses == "mask" else frozenset(),
    )


def _press(key: Key, rng: Rng, ramp_ms: float) -> Wave:
    count = round(key.ms * RATE_HZ / 1000)
    at = np.arange(count) / RATE_HZ
    row, column = divmod(KEYS.index(key.digit), 4)
    wave = np.zeros(count)
    for hz, off, dbm0 in (
        (LOW_HZ[row], key.low_off, key.low_dbm0),
        (HIGH_HZ[column], key.high_off, key.high_dbm0),
    ):
        turn = 2 * np.pi * hz * (1 + off) * at + rng.uniform(0, 2 * np.pi)
        wave += amplitude(dbm0) * np.sin(turn)
    if ramp_ms:
        ramp = ramp_ms * RATE_HZ / 1000
        wave *= np.minimum(1, np.minimum(np.arange(count) + 1, count - np.arange(count)) / ramp)
    if key.gap_at_ms is not None:
        first = round(key.gap_at_ms * RATE_HZ / 1000)
        wave[first : first + RATE_HZ // 100] = 0
    return wave


def _lost_packet(first: int, end: int, rng: Rng) -> int:
    """Choose a packet that overlaps a press."""
    return int(rng.integers(first // PACKET, (end - 1) // PACKET + 1))


def _lose(pcm: bytes, lost: list[int], how: str) -> bytes:
    result = bytearray(pcm)
    size = 2 * PACKET
    for n in lost:
        repeated = result[(n - 1) * size : n * size] if how == "repeat" else bytes(size)
        result[n * size : (n + 1) * size] = repeated
    return bytes(result)


def keys(rng: Rng, count: int = 8, **fixed: float) -> list[Key]:
    """Make presses of one telephone: levels and frequencies are its own."""
    twist = rng.uniform(-8, 4)
    low = rng.uniform(max(-25.0, -25 - twist), min(0.0, -twist))
    one = Key(
        "0",
        ms=rng.uniform(40, 120),
        pause_ms=rng.uniform(40, 120),
        low_dbm0=low,
        high_dbm0=low + twist,
        low_off=rng.uniform(-0.015, 0.015),
        high_off=rng.uniform(-0.015, 0.015),
    )
    one = replace(one, **fixed)  # type: ignore[arg-type]  # the fields named are all floats
    return [replace(one, digit=str(rng.choice(list(KEYS)))) for _ in range(count)]


def law(rng: Rng) -> Codec:
    return Codec.PCMA if rng.random() < 0.5 else Codec.PCMU


def any_line(rng: Rng, presses: list[Key]) -> Line:
    """Put presses on a line of ordinary quality, each thing by chance."""
    line = Line(presses, law(rng), lead_ms=rng.uniform(40, 80), ramp_ms=rng.choice([0.0, 0.0, 2.0]))
    if rng.random() < 0.5:
        line = replace(line, snr_db=rng.uniform(12, 40))
    if rng.random() < 0.25:
        line = replace(line, dial_hz=_dial(rng), dial_db=rng.uniform(-25, -6))
    if rng.random() < 0.4:
        line = replace(line, echo_ms=rng.uniform(5, 60), echo_db=rng.uniform(-40, -14))
    return line


def _dial(rng: Rng) -> tuple[float, ...]:
    return (425.0,) if rng.random() < 0.5 else (350.0, 440.0)


def _plain(rng: Rng) -> Line:
    return Line(keys(rng), law(rng), lead_ms=rng.uniform(40, 80))


def _corners(rng: Rng) -> Line:
    twist = rng.choice([-8.0, 0.0, 4.0])
    low = rng.choice([max(-25.0, -25 - twist), min(0.0, -twist)])
    presses = keys(
        rng,
        ms=40,
        pause_ms=40,
        low_dbm0=low,
        high_dbm0=low + twist,
        low_off=rng.choice([-0.015, 0.015]),
        high_off=rng.choice([-0.015, 0.015]),
    )
    return Line(presses, law(rng), lead_ms=rng.uniform(40, 80))


def _twice(rng: Rng) -> Line:
    presses = keys(rng, 4, ms=rng.uniform(40, 60), pause_ms=40)
    return any_line(rng, [key for key in presses for _ in range(2)])


def _gaps(rng: Rng) -> Line:
    presses = keys(rng, ms=rng.uniform(60, 120))
    line = any_line(rng, [])
    cut = [replace(key, gap_at_ms=rng.uniform(20, key.ms - 30)) for key in presses]
    return replace(line, keys=cut)


def _noise(rng: Rng) -> Line:
    return replace(_plain(rng), snr_db=8.0)


def _noisy_corners(rng: Rng) -> Line:
    return replace(_corners(rng), snr_db=8.0)


def _under_dial_tone(rng: Rng) -> Line:
    return replace(any_line(rng, keys(rng)), dial_hz=_dial(rng), dial_db=rng.uniform(-12, 0))


def _echo(rng: Rng) -> Line:
    return replace(_plain(rng), echo_ms=rng.uniform(5, 100), echo_db=rng.uniform(-30, -10))


def _overload(rng: Rng) -> Line:
    twist = rng.uniform(-8, 4)
    presses = keys(rng, low_dbm0=min(0.0, -twist), high_dbm0=min(0.0, twist))
    return replace(any_line(rng, presses), overload_db=rng.uniform(0, 6))


def _mixed(rng: Rng) -> Line:
    return any_line(rng, keys(rng))


def _lossy(how: str, least_ms: float, most_ms: float) -> Callable[[Rng], Line]:
    def make(rng: Rng) -> Line:
        presses = keys(rng, ms=rng.uniform(least_ms, most_ms), pause_ms=rng.uniform(60, 120))
        return replace(any_line(rng, presses), losses=how)

    return make


def _short(rng: Rng) -> Line:
    return any_line(rng, keys(rng, ms=rng.uniform(15, 23)))


def _short_noisy(rng: Rng) -> Line:
    return replace(_plain(rng), keys=keys(rng, ms=23), snr_db=rng.uniform(8, 20))


def _off(rng: Rng, both: bool) -> tuple[float, float]:
    far = float(rng.choice([-1, 1]) * rng.uniform(0.035, 0.045))
    near = (
        float(rng.choice([-1, 1]) * rng.uniform(0.035, 0.045)) if both else rng.uniform(-0.01, 0.01)
    )
    return (far, near) if rng.random() < 0.5 else (near, far)


def _off_frequency(rng: Rng) -> Line:
    low, high = _off(rng, both=rng.random() < 0.5)
    return any_line(rng, keys(rng, low_off=low, high_off=high))


def _off_noisy(rng: Rng) -> Line:
    low, high = _off(rng, both=rng.random() < 0.5)
    return replace(_plain(rng), keys=keys(rng, low_off=low, high_off=high), snr_db=8.0)


ACCEPTED: dict[str, Callable[[Rng], Line]] = {
    "levels, twist, frequencies": _plain,
    "corners, 40 ms on and off": _corners,
    "the same key twice": _twice,
    "10 ms gap inside": _gaps,
    "noise, 8 dB": _noise,
    "corners in noise, 8 dB": _noisy_corners,
    "dial tone underneath": _under_dial_tone,
    "echo": _echo,
    "overload": _overload,
    "everything a little": _mixed,
    "lost packet, zeros, 80 ms": _lossy("zeros", 80, 120),
    "lost packet, repeated, 80 ms": _lossy("repeat", 80, 120),
    "lost packet, masked, 80 ms": _lossy("mask", 80, 120),
}
SCORED: dict[str, Callable[[Rng], Line]] = {
    "lost packet, zeros, 60 ms": _lossy("zeros", 60, 60),
    "lost packet, repeated, 60 ms": _lossy("repeat", 60, 60),
    "lost packet, masked, 60 ms": _lossy("mask", 60, 60),
}
"""Where a digit may be missed, but not more often than by others."""
REFUSED: dict[str, Callable[[Rng], Line]] = {
    "15 to 23 ms": _short,
    "23 ms in noise": _short_noisy,
    "3.5 % off": _off_frequency,
    "3.5 % off in noise": _off_noisy,
}
CONDITIONS = ACCEPTED | SCORED | REFUSED


def make(condition: str, lines: int, seed: int = 1) -> Iterator[Case]:
    """Make so many lines of a condition."""
    for n in range(lines):
        rng = np.random.default_rng((seed, zlib.crc32(condition.encode()), n))
        line = CONDITIONS[condition](rng)
        yield render(condition, line, rng, is_refused=condition in REFUSED)
