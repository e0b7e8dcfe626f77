"""Telephone keys in the sound itself: ITU-T Q.24, by a least-squares fit instead of filters.

    sound -> gate, every 5 ms -> envelope of both tones, 80 ms -> fit -> digit
             20 ms, two tones    how long, with which gaps,       frequency, residual,
             are half of it      which packets were lost          slope, twist

What was lost says nothing: neither that a tone went on nor that it ended. Without a mask, silence to the
last bit and a packet repeated to the last bit are taken for losses.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from intercom.media import inband_fit, inband_tone
from intercom.media.inband_fit import KEYS, Floats
from intercom.media.inband_tone import Gap, Underneath

Samples = NDArray[np.int16] | Floats
SAMPLE_RATE_HZ = 8000
HOP_S = 1 / inband_fit.HOPS_A_SECOND
_MEMORY_HOPS = 40
_STORE_HOPS = 80
"""Twice the memory: what a call touches in turn should stay in the cache."""
_PIECE_HOPS = 20
"""What is looked at in one go: one matrix product for many hops is cheap, one of a second is late."""
_TRACE_HOPS = 20
_ALERT_HOPS = 11
"""The tone's rest may come after a lost packet."""
_LEAST_POWER = inband_tone.amplitude_of(-38.0) ** 2 / 2
_MOST_WAIT_HOPS = 4
_BEFORE_HOPS = 10
_DIAL_KEPT_HOPS = 100
"""A lost packet just before a key hides the dial tone underneath, but it was there."""
_ECHO_HOPS = 60
_ECHO_SHARE = 0.4
"""The same key again within 0.3 s and 8 dB weaker is the echo of the first."""


@dataclass(frozen=True, slots=True)
class DetectedDigit:
    """One press of a key."""

    digit: str
    start_s: float
    """Since the first sample."""
    duration_s: float
    """How long it lasted; as far as it was heard when it was told."""


@dataclass(slots=True)
class _Press:
    key: int
    start: float
    """In hops since the first sample."""
    plateau: tuple[float, float]
    end: float
    hz: tuple[float, ...]
    is_told: bool = False
    gap: Gap = field(default_factory=Gap)

    def digit(self) -> DetectedDigit:
        return DetectedDigit(KEYS[self.key], self.start * HOP_S, (self.end - self.start) * HOP_S)


class InBandDetector:
    """Find the keys in a stream of sound, fed block by block: 16-bit little-endian mono."""

    def __init__(self, rate_hz: int = SAMPLE_RATE_HZ, *, least_s: float = 0.0) -> None:
        self.least_s = least_s
        """Tell only what has lasted this long; less than 40 ms changes nothing."""
        self._table = inband_fit.tables(rate_hz)
        hop = self._table.hop
        self._store = np.zeros(_STORE_HOPS * hop, dtype=np.float32)
        self._hops = self._store.reshape(-1, hop)
        size = self._store.itemsize
        width = inband_fit.WINDOW_HOPS
        self._windows = as_strided(
            self._store, (_STORE_HOPS - width + 1, width * hop), (hop * size, size)
        )
        """Row n ends with hop n + 3."""
        self._is_lost = np.zeros(_STORE_HOPS, dtype=np.bool_)
        self._filled = _MEMORY_HOPS * hop
        self._done = _MEMORY_HOPS
        self._base = -_MEMORY_HOPS
        """The number of the store's first hop, counted from the first sample."""
        self._since = 0
        """The hop from which on a new press may begin."""
        self._key = -1
        self._alert_until = -1
        self._refusals = 0
        self._retry_at = -1
        self._press: _Press | None = None
        self._last: dict[int, _Press] = {}
        self._dial: list[Underneath] = []
        self._dial_at = -_DIAL_KEPT_HOPS - 1
        self._ended: list[DetectedDigit] = []

    def feed(self, block: bytes, *, is_lost: bool = False) -> list[DetectedDigit]:
        """Take the next block and tell what has been pressed; what a lost block holds is ignored.

        A digit is told once, when it is decided, with its duration up to then.
        """
        return self.hear(np.frombuffer(block[: len(block) & ~1], dtype="<i2"), is_lost=is_lost)

    def hear(
        self, samples: Samples, *, is_lost: bool = False, may_hold: bool = True
    ) -> list[DetectedDigit]:
        """Do the same with samples on the 16-bit scale.

        Where somebody else knows that no key begins in them, `may_hold` false saves looking.
        """
        piece = _PIECE_HOPS * self._table.hop
        if len(samples) <= piece:
            self._take(samples, is_lost=is_lost)
            if may_hold or self._press is not None or self._base + self._done < self._alert_until:
                return self._look()
            self._done = self._filled // self._table.hop
            return []
        told: list[DetectedDigit] = []
        for at in range(0, len(samples), piece):
            self._take(samples[at : at + piece], is_lost=is_lost)
            told += self._look()
        return told

    def take_ended(self) -> list[DetectedDigit]:
        """Give the presses that have ended since the last call, with their whole durations."""
        ended, self._ended = self._ended, []
        return ended

    def finish(self) -> list[DetectedDigit]:
        """End the stream: give what has ended, and the press that had not."""
        if self._press is not None:
            self._end(self._press, self._base + self._done)
        return self.take_ended()

    def _take(self, samples: Samples, *, is_lost: bool) -> None:
        hop = self._table.hop
        if self._filled + len(samples) > len(self._store):
            gone = self._done - _MEMORY_HOPS
            kept = self._filled - gone * hop
            self._store[:kept] = self._store[gone * hop : self._filled].copy()
            marks = self._is_lost[gone : gone - (-kept // hop)].copy()
            self._is_lost[:] = False
            self._is_lost[: len(marks)] = marks
            self._filled = kept
            self._done -= gone
            self._base += gone
        end = self._filled + len(samples)
        self._store[self._filled : end] = 0 if is_lost else samples
        if is_lost:
            self._is_lost[self._filled // hop : -(-end // hop)] = True
        self._filled = end

    def _look(self) -> list[DetectedDigit]:
        first, last = self._done, self._filled // self._table.hop
        if first == last:
            return []
        self._done = last
        told: list[DetectedDigit] = []
        for n in range(first, last):
            if self._press is not None:
                told += self._follow(self._press, n)
                continue
            at = self._base + n + 1
            if not at % inband_fit.WINDOW_HOPS:
                self._listen(n)
            if self._retry_at < at <= self._alert_until:
                told += self._examine(self._key, n)
        return told

    def _listen(self, n: int) -> None:
        """Look closely for a while where a window sounds like a key: of 40 ms one is full of it."""
        window = self._windows[n + 1 - inband_fit.WINDOW_HOPS]
        key = inband_fit.gate(window, self._table, _LEAST_POWER)
        if key is not None:
            self._key, self._alert_until = key, self._base + n + 1 + _ALERT_HOPS

    def _examine(self, key: int, n: int) -> list[DetectedDigit]:
        begin = max(n + 1 - _TRACE_HOPS, self._since - self._base, 0)
        hops, is_lost = self._hops[begin : n + 1], self._is_lost[begin : n + 1]
        tones = inband_fit.envelope(hops, self._table, key)
        is_blank = inband_tone.blanks(hops)
        is_blank |= inband_tone.repeats(hops)
        run = inband_tone.trace(tones, is_blank, is_lost)
        if run is None or not run.is_long_enough():
            return []
        if self._is_echo(key, run):
            return []
        under = self._underneath(key, n, run)
        found = inband_tone.judge(hops, tones, run, key, table=self._table, under=under)
        if found is None:
            self._refuse(n)
            return []
        now = self._base + n + 1.0
        hz = tuple(
            nominal * (1 + off)
            for nominal, off in zip(inband_fit.frequencies(key), found.offsets, strict=True)
        )
        low, high = np.median(np.abs(tones[run.full]), axis=0).tolist()
        self._press = _Press(key, now - run.start, (low, high), now, hz)
        return self._tell(self._press)

    def _refuse(self, n: int) -> None:
        """Wait the longer the more was refused of late: a sound that is nearly a key must not cost much."""
        at = self._base + n
        if at - self._retry_at > _ALERT_HOPS:
            self._refusals = 0
        self._refusals = min(self._refusals + 1, _MOST_WAIT_HOPS)
        self._retry_at = at + self._refusals

    def _underneath(self, key: int, n: int, run: inband_tone.Run) -> list[Underneath]:
        """List what may sound together with a key: a dial tone, the echo of another key."""
        onset = n - math.ceil(run.start)
        before = self._hops[max(onset - _BEFORE_HOPS, 0) : max(onset, 0)]
        under = inband_tone.dial_tones(before, self._table)
        if under:
            self._dial, self._dial_at = under, self._base + n
        elif self._base + n - self._dial_at <= _DIAL_KEPT_HOPS:
            under = [*self._dial]
        own = inband_fit.frequencies(key)
        for last in self._last.values():
            if last.key != key and self._base + n - last.end <= _ECHO_HOPS:
                hz = tuple(
                    hz for hz, group in zip(last.hz, own, strict=True) if abs(hz - group) > 40
                )
                under.append(Underneath(hz, 0.0, _ECHO_SHARE * sum(run.plateau)))
        return under

    def _is_echo(self, key: int, run: inband_tone.Run) -> bool:
        last = self._last.get(key)
        if last is None:
            return False
        gone = self._base + self._done - run.start - last.end
        return gone <= _ECHO_HOPS and sum(run.plateau) < _ECHO_SHARE * sum(last.plateau)

    def _tell(self, press: _Press) -> list[DetectedDigit]:
        digit = press.digit()
        if press.is_told or digit.duration_s < self.least_s:
            return []
        press.is_told = True
        return [digit]

    def _follow(self, press: _Press, n: int) -> list[DetectedDigit]:
        hops = self._hops[n : n + 1]
        tones = inband_fit.envelope(hops, self._table, press.key)
        strength = inband_tone.strengths(tones, press.plateau)[0]
        is_lost = bool(self._is_lost[n])
        is_blank = bool(inband_tone.blanks(hops)[0])
        now = self._base + n + 1.0
        if strength > inband_tone.LOUDER:
            self._end(press, self._base + n + 1)
            return []
        if strength >= inband_tone.HELD and not is_lost:
            press.end = now
            press.gap = Gap()
            return self._tell(press)
        if press.end == now - 1 and not is_lost:
            press.end += strength if strength > inband_tone.OFF else 0.0
        press.gap.extend(strength, is_blank=is_blank, is_lost=is_lost)
        if press.gap.is_end():
            self._end(press, self._base + n + 1)
        return []

    def _end(self, press: _Press, at: int) -> None:
        if press.is_told:
            self._ended.append(press.digit())
        self._last[press.key] = press
        self._press = None
        self._since = at - 2
        self._alert_until = -1


def detect(pcm: bytes, *, rate_hz: int = SAMPLE_RATE_HZ) -> list[DetectedDigit]:
    """Find the keys in a recording: 16-bit little-endian mono."""
    detector = InBandDetector(rate_hz)
    detector.feed(pcm)
    return detector.finish()
