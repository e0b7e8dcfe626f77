"""Other sample rates by short filters: 48, 16 and 8 kHz, piece by piece, as many samples out as time in."""

from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Samples = NDArray[np.int16]

_TAPS_A_STEP = 24
"""Taps for each sample of the lower rate: 24 leave 1 kHz between what passes and what does not."""
_PASS = 0.88
"""The edge as a part of half the lower rate: 3.5 kHz of 4, 7 kHz of 8."""
_STOP_DB = 50.0


@cache
def _low_pass(factor: int) -> NDArray[np.float32]:
    """Design a windowed sinc that keeps what the rate a `factor` lower can carry."""
    taps = _TAPS_A_STEP * factor
    middle = np.arange(taps) - (taps - 1) / 2
    beta = 0.1102 * (_STOP_DB - 8.7)  # Kaiser's formula
    response = np.sinc(middle * _PASS / factor) * np.kaiser(taps, beta)
    return np.asarray(response / response.sum(), np.float32)


class Decimator:
    """Keep each `factor`-th sample of what the lower rate can carry; the length must be a multiple."""

    def __init__(self, factor: int) -> None:
        self._factor = factor
        self._taps = _low_pass(factor)
        self._past = np.zeros(len(self._taps) - factor, np.float32)

    def feed(self, samples: Samples) -> Samples:
        """Give the samples that belong to these, 12 of the lower rate late."""
        sound = np.concatenate((self._past, samples.astype(np.float32)))
        windows = sliding_window_view(sound, len(self._taps))[:: self._factor]
        self._past = sound[len(sound) - len(self._past) :]
        return _as_samples(windows @ self._taps)


class Doubler:
    """Put a sample between each two."""

    def __init__(self) -> None:
        taps = _low_pass(2)[::-1] * 2
        self._even, self._odd = np.ascontiguousarray(taps[1::2]), np.ascontiguousarray(taps[::2])
        self._past = np.zeros(len(self._even) - 1, np.float32)

    def feed(self, samples: Samples) -> Samples:
        """Give twice as many samples."""
        sound = np.concatenate((self._past, samples.astype(np.float32)))
        windows = sliding_window_view(sound, len(self._even))
        self._past = sound[len(sound) - len(self._past) :]
        out = np.empty(2 * len(samples), np.float32)
        out[::2], out[1::2] = windows @ self._even, windows @ self._odd
        return _as_samples(out)


def _as_samples(sound: NDArray[np.float32]) -> Samples:
    return np.clip(np.rint(sound), -32768, 32767).astype(np.int16)
