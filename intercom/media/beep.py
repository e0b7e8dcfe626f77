"""The beep of an answering machine: one steady tone, 200 ms long, that is no tone of the network.

A voice has harmonics and moves; a key has two tones; ringing, busy and dial tones are 425 Hz or lie
between 340 and 500 Hz, where no beep is looked for. So a beep of less than 500 Hz is not heard.
"""

import math

import numpy as np

from intercom.media.inband_fit import Floats
from intercom.media.inband_tone import amplitude_of

SAMPLE_RATE_HZ = 8000
LEAST_S = 0.2
_WINDOW_S = 0.02
_BAND_HZ = (500.0, 2000.0)
"""ITU-T E.180 supplement 2: call progress tones lie at 350 to 500 Hz, special information at 950 and more."""
_LEAST_POWER = amplitude_of(-40.0) ** 2 / 2
_PURE = 0.85
_LAG = 4
_NOISE = 0.25
"""The share that may be no sinusoid where a closer look is taken."""
_TURN = 0.25
"""By so much 2 cos(kw) of a beep's windows may differ: 12 Hz make 0.08, noise some."""
_DRIFT_HZ = 12.0
"""A beep keeps its pitch; a voice that holds a vowel does not."""
_SPREAD = 1.6
"""Of the power, loudest window to quietest."""
_PADDED = 4


class BeepDetector:
    """Find one steady tone in a stream of sound: 16-bit little-endian mono."""

    def __init__(self, rate_hz: int = SAMPLE_RATE_HZ) -> None:
        self._rate_hz = rate_hz
        self._size = round(rate_hz * _WINDOW_S)
        self._rest: Floats = np.zeros(0, np.float32)
        self._steady: list[tuple[float, float]] = []
        """Frequency and power of the windows in a row that could be one beep."""
        self._first: Floats | None = None
        """The window before, if a beep may begin with it: looked at closely if the next goes on like it."""
        self._before = 0.0
        """The power of the window before."""
        self._is_told = False

    def feed(self, block: bytes) -> bool:
        """Take the next block and tell, once a beep, whether one has been heard."""
        samples = np.frombuffer(block[: len(block) & ~1], dtype="<i2")
        return self.hear(samples.astype(np.float32))

    def hear(self, samples: Floats) -> bool:
        """Do the same with samples on the 16-bit scale."""
        if len(self._rest):
            samples = np.concatenate((self._rest, samples))
        whole = len(samples) // self._size * self._size
        self._rest = samples[whole:].copy()
        has_begun = False
        for at in range(0, whole, self._size):
            has_begun |= self._listen(samples[at : at + self._size])
        return has_begun

    def _listen(self, window: Floats) -> bool:
        power, before = float(window.dot(window)) / len(window), self._before
        self._before = power
        if power > _SPREAD * before or before > _SPREAD * power:
            return self._begin(window if power >= _LEAST_POWER else None)
        twice_cos = _turn(window) if power >= _LEAST_POWER else None
        if twice_cos is None:
            return self._begin(None)
        if not self._steady and not self._goes_on(twice_cos, before):
            return self._begin(window)
        tone = self._tone(window, power)
        if tone is None:
            return self._begin(None)
        if not self._is_same(tone, power):
            self._begin(None)
        self._steady.append((tone, power))
        del self._steady[: -_windows(LEAST_S)]
        if self._is_told or len(self._steady) < _windows(LEAST_S):
            return False
        self._is_told = True
        return True

    def _begin(self, window: Floats | None) -> bool:
        """Forget what was: with this window a beep may begin."""
        self._first = None if window is None else window.copy()
        self._steady.clear()
        self._is_told = False
        return False

    def _goes_on(self, twice_cos: float, power: float) -> bool:
        """Look at the first window now that a second one has come, which is as loud."""
        first, self._first = self._first, None
        turn = None if first is None else _turn(first)
        if first is None or turn is None or abs(turn - twice_cos) > _TURN:
            return False
        tone = self._tone(first, power)
        if tone is not None:
            self._steady.append((tone, power))
        return True

    def _tone(self, window: Floats, power: float) -> float | None:
        """Give the frequency that has nearly all of a window's power, if one of the band has."""
        spectrum = np.fft.rfft(window, _PADDED * self._size)
        powers = spectrum.real**2 + spectrum.imag**2
        peak = int(powers.argmax())
        hz = peak * self._rate_hz / (_PADDED * self._size)
        if not _BAND_HZ[0] <= hz <= _BAND_HZ[1]:
            return None
        share = 2 * float(powers[peak]) / (self._size**2 * power)
        if share < _PURE:
            return None
        before, at, after = (math.sqrt(float(powers[k])) for k in (peak - 1, peak, peak + 1))
        bend = before - 2 * at + after
        moved = (before - after) / (2 * bend) if bend else 0.0
        return hz + moved * self._rate_hz / (_PADDED * self._size)

    def _is_same(self, hz: float, power: float) -> bool:
        if not self._steady:
            return True
        tones = [tone for tone, _ in self._steady]
        powers = [loudness for _, loudness in self._steady]
        spread = max(*powers, power) / min(*powers, power)
        drift_hz = max(*tones, hz) - min(*tones, hz)
        return drift_hz <= _DRIFT_HZ and spread <= _SPREAD


def _turn(window: Floats) -> float | None:
    """Give 2 cos(kw) of what may be one sinusoid: then x[n + k] + x[n - k] = 2 cos(kw) x[n]."""
    middle = window[_LAG:-_LAG]
    sides = window[2 * _LAG :] + window[: -2 * _LAG]
    energy = float(middle.dot(middle)) + 1e-3
    twice_cos = float(sides.dot(middle)) / energy
    rest = float(sides.dot(sides)) - twice_cos * twice_cos * energy
    return twice_cos if rest <= _NOISE * (2 + twice_cos * twice_cos) * energy else None


def _windows(length_s: float) -> int:
    return math.floor(length_s / _WINDOW_S) - 1
