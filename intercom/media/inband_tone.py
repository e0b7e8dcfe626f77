"""Whether what the gate let through is a key: how long it has lasted, with which gaps, and how pure it is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from intercom.media import inband_fit
from intercom.media.inband_fit import Bools, Doubles, Fit, Floats, Tables

FULL_SCALE_DBM0 = 3.14  # ITU-T G.711 §2.1
BLANK_PEAK = 8.0
"""The A-law's silence: what a decoder gives for nothing."""

# All lengths of time are counted in hops of 5 ms.
_LEAST_HOPS = 6.3
_LEAST_CUT_HOPS = 5.7
"""31 ms, and 28 ms where something was lost: ITU-T Q.24 table A-1 refuses 23 ms or less and accepts 40 ms."""
_FIT_HOPS = 7
_LEAST_FIT_HOPS = 5
ON = 0.8
HELD = 0.65
"""Of a key that was told: an echo may take from the tone as long as it sounds."""
OFF = 0.4
LOUDER = 1.6
_GAP_OFF = 3.2
"""16 ms of surely no tone end a key: Q.24 bridges 10 ms and separates by 40 ms."""
_MOST_OFF = 3.2
"""All gaps of one press together: what is chopped up is no key, though each piece be one."""
_HOLE = 0.8
"""Of one hop, which is a gap: one is bridged, not two."""
_GAP_BLANK = 6.0
"""Silence to the last bit: one lost packet without concealment, but not two."""
_GAP_LOST = 9.0
"""Two packets that are known to be lost."""
_REPEATS_HOPS = (2, 4, 6)
"""Packets of 10, 20 and 30 ms, repeated to conceal a loss."""

_LEAST_DBM0 = -35.0
_OFFSET = 0.02
"""ITU-T Q.24: 1.5 % is accepted, 3.5 % refused."""
_TWIST_DB = (-13.0, 8.5)
_SLOPES = (0.6, 1.0)
"""Of the stronger and of the weaker tone."""
_CLIPPED_SLOPE = 1.2
"""An overloaded tone seems whole where it only begins."""
_RESIDUAL = 0.21
"""Noise 8 dB under both tones makes 0.14 of it."""
_LOUDEST = 0.02
"""Noise spreads; what stands out of it is a voice's harmonic."""
_CLIPPED = 30000.0
"""The last steps of either law below its end."""
_CLIPPED_SAMPLES = 3
_LEAST_KEPT = 0.2
_GAP_POWER = 0.45
_GAP_NOISE = 2.0
_DIAL_HOPS = 4
_DIAL_STEADY = 0.7
"""How steady a dial tone's amplitude is."""


def amplitude_of(dbm0: float) -> float:
    """Give the amplitude of a sine of this level."""
    return float(32768 * 10 ** ((dbm0 - FULL_SCALE_DBM0) / 20))


_LEAST_AMPLITUDE = amplitude_of(_LEAST_DBM0)


@dataclass(slots=True)
class Gap:
    """What came since the tone was last heard for sure, in hops."""

    off: float = 0.0
    blank: float = 0.0
    lost: float = 0.0

    def is_end(self) -> bool:
        """Tell whether this is too much for one key."""
        if self.off >= _GAP_OFF:
            return True
        unheard = self.off + self.blank + self.lost
        return unheard >= (_GAP_LOST if self.lost else _GAP_BLANK)

    def extend(self, strength: float, *, is_blank: bool, is_lost: bool) -> None:
        """Add one hop; a `strength` of 1 is the tone as it was."""
        if is_lost:
            self.lost += 1
        elif is_blank:
            self.blank += 1
        else:
            self.off += min(1.0, max(0.0, (1 - strength) / (1 - OFF)))


@dataclass(frozen=True, slots=True)
class Underneath:
    """Something that may sound together with a key, and what amplitude it has then."""

    hz: tuple[float, ...]
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Run:
    """A key's tone up to now."""

    hops: float
    """How long it was heard, without the gaps."""
    start: float
    """Where it began, in hops before now."""
    full: list[int]
    """The hops in which it is whole."""
    gaps: list[int]
    """The hops between those, known and without it."""
    plateau: tuple[float, float]
    is_cut: bool
    """Whether something in it or at its edge was not heard."""

    def is_long_enough(self) -> bool:
        """Tell whether it can be a press."""
        return self.hops >= (_LEAST_CUT_HOPS if self.is_cut else _LEAST_HOPS)


def blanks(hops: Floats) -> Bools:
    """Tell which hops say nothing: silence to the last bit."""
    result: Bools = np.abs(hops).max(axis=1) <= BLANK_PEAK
    return result


def repeats(hops: Floats) -> Bools:
    """Tell which hops belong to a packet that was repeated to the last bit."""
    result = np.zeros(len(hops), dtype=np.bool_)
    for lag in _REPEATS_HOPS:
        same = (hops[lag:] == hops[:-lag]).all(axis=1)
        if not same.any():
            continue
        edges = np.flatnonzero(np.diff(np.concatenate(([False], same, [False]))))
        for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            if end - begin >= lag:
                result[begin + lag : end + lag] = True
    return result


def strengths(tones: NDArray[np.complex64], plateau: tuple[float, float]) -> list[float]:
    """Give each hop's amplitude as a share of the plateau, weighed by power; a lone tone is none."""
    low, high = plateau
    amplitudes = np.abs(tones)
    weight = low * low / (low * low + high * high)
    one, other = amplitudes[:, 0] / low, amplitudes[:, 1] / high
    both = weight * one + (1 - weight) * other
    both[np.minimum(one, other) < 0.3] *= 0.5
    result: list[float] = both.tolist()
    return result


def trace(tones: NDArray[np.complex64], is_blank: Bools, is_lost: Bools) -> Run | None:
    """Follow a tone back from the newest hop; None where it is not heard at all."""
    heard = np.flatnonzero(~is_blank & ~is_lost)[-4:]
    if len(heard) < 3:
        return None
    low, high = np.sort(np.abs(tones[heard]), axis=0)[-2].tolist()
    if min(low, high) <= 0:
        return None
    strength = strengths(tones, (low, high))
    walk = _walk(strength, is_blank.tolist(), is_lost.tolist())
    if not walk.full:
        return None
    first = walk.full[-1]
    before = strength[first - 1] if walk.passed[:1] == [first - 1] else 0.0
    share = before if before > OFF else 0.0
    start = len(strength) - first + share
    return Run(walk.length + share, start, walk.full, walk.gaps, (low, high), walk.is_cut)


@dataclass(slots=True)
class _Walk:
    """Hops passed on the way back through a tone."""

    length: float = 0.0
    full: list[int] = field(default_factory=list)
    gaps: list[int] = field(default_factory=list)
    passed: list[int] = field(default_factory=list)
    """The known ones since the last whole one."""
    is_cut: bool = False


def _walk(strength: list[float], is_blank: list[bool], is_lost: list[bool]) -> _Walk:
    walk, gap, edge, off, holes = _Walk(), Gap(), 0.0, 0.0, 0
    for k in range(len(strength) - 1, -1, -1):
        is_known = not (is_blank[k] or is_lost[k])
        if is_known and strength[k] > LOUDER:
            break
        if is_known and strength[k] >= ON:
            off += gap.off
            holes += gap.off >= _HOLE
            if off > _MOST_OFF or holes > 1:
                break
            walk.gaps += walk.passed
            walk.length += 1 + edge
            walk.full.append(k)
            walk.passed, gap, edge = [], Gap(), 0.0
            continue
        gap.extend(strength[k], is_blank=is_blank[k], is_lost=is_lost[k])
        walk.is_cut |= not is_known
        if gap.is_end():
            break
        if is_known:
            edge += strength[k] if strength[k] > OFF else 0.0
            walk.passed.append(k)
    return walk


def judge(
    hops: Floats,
    tones: NDArray[np.complex64],
    run: Run,
    key: int,
    *,
    table: Tables,
    under: Sequence[Underneath] = (),
) -> Fit | None:
    """Fit the tone's newest whole hops, alone and with each thing that may be underneath.

    None if it is no key.
    """
    at = sorted(run.full[:_FIT_HOPS])
    if len(at) < _LEAST_FIT_HOPS:
        return None
    samples = hops[at].astype(np.float64).ravel()
    times_s = _times_s(at, table)
    keep = _unclipped(samples)
    if keep.sum() < _LEAST_KEPT * len(keep):
        return None
    is_clipped = bool(keep.sum() < len(keep))
    hz = inband_fit.guess_hz(tones, at, key)
    found = inband_fit.fit(samples, times_s, hz, key, keep=keep)
    strength = strengths(tones, run.plateau)
    if _is_key(found, is_clipped=is_clipped) and _are_gaps_quiet(hops, strength, run, found):
        return found
    for thing in under:
        found = inband_fit.fit(samples, times_s, hz, key, keep=keep, under=thing.hz)
        if thing.least <= found.under <= thing.most and _is_key(found, is_clipped=is_clipped):
            return found
    return None


def dial_tones(before: Floats, table: Tables) -> list[Underneath]:
    """Find the dial tones in what was heard last before a key: they sound on underneath."""
    is_blank = blanks(before).tolist()
    end = len(before)
    while end > 0 and is_blank[end - 1]:
        end -= 1
    found = []
    # The packet before a key may be a repeated one: then the one before that has the tone whole.
    for last in (end, end - _DIAL_HOPS):
        first = last - _DIAL_HOPS
        if first < 0 or any(is_blank[first:last]):
            continue
        samples = before[first:last].astype(np.float64).ravel()
        times_s = _times_s(list(range(_DIAL_HOPS)), table)
        for hz in inband_fit.DIAL_TONES_HZ:
            steady = inband_fit.dial_amplitude(samples, times_s, hz)
            if steady:
                found.append(Underneath(hz, _DIAL_STEADY * steady, steady / _DIAL_STEADY))
    return found


def _times_s(at: list[int], table: Tables) -> Doubles:
    """Give the times of some hops' samples about their middle."""
    middle = (at[0] + at[-1] + 1) / 2
    times = (np.array(at)[:, np.newaxis] - middle) * table.hop + np.arange(table.hop)
    result: Doubles = times.ravel() / (table.hop * inband_fit.HOPS_A_SECOND)
    return result


def _is_key(found: Fit, *, is_clipped: bool) -> bool:
    low, high = found.amplitudes
    twist_db = 20 * math.log10(max(high, 1e-3) / max(low, 1e-3))
    steep = found.slopes if low > high else found.slopes[::-1]
    limits = (_CLIPPED_SLOPE, _CLIPPED_SLOPE) if is_clipped else _SLOPES
    return (
        min(low, high) >= _LEAST_AMPLITUDE
        and max(map(abs, found.offsets)) <= _OFFSET
        and _TWIST_DB[0] <= twist_db <= _TWIST_DB[1]
        and abs(steep[0]) <= limits[0]
        and abs(steep[1]) <= limits[1]
        and found.residual <= _RESIDUAL
        and found.loudest <= _LOUDEST
    )


def _unclipped(samples: Doubles) -> Doubles:
    """Mark with 1 what the codec did not clip: of an overloaded tone only that is two sinusoids."""
    result: Doubles = (np.abs(samples) < _CLIPPED).astype(np.float64)
    return result if len(result) - result.sum() >= _CLIPPED_SAMPLES else np.ones(len(samples))


def _are_gaps_quiet(hops: Floats, strength: list[float], run: Run, found: Fit) -> bool:
    """Tell whether a gap holds no more than what is left of the tone, and noise."""
    power = sum(one * one for one in found.amplitudes) / 2
    return all(
        float(np.mean(hops[k] ** 2))
        <= (strength[k] ** 2 + _GAP_POWER) * power + _GAP_NOISE * found.noise
        for k in run.gaps
    )
