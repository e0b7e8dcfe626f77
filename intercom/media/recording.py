"""A recording made fit for the telephone: 8 kHz, mono, the level of speech, no silence around it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from intercom.errors import ConfigError
from intercom.media import g711
from intercom.media.tones import FULL_SCALE_DBM0, SAMPLE_RATE_HZ
from intercom.media.wav import WavFile, read_wav
from intercom.sip.codec import Codec

SPEECH_DBM0 = -20.0  # ITU-T P.56: the usual active level of speech, -26 dB under full scale
PEAK = 0.98
"""Of full scale: no sample is louder, so nothing is clipped."""
MAX_GAIN_DB = 30.0
"""More would make a recording of nothing into loud noise."""
CUT_OFF_HZ = 3600.0
HALF_WIDTH = 24
"""Of the filter, in zero crossings of its sinc: 70 dB against folding beyond 4.2 kHz."""
EDGE_S = 0.03
"""Of silence that stays at both ends."""
FADE_S = 0.005
SILENCE_DB = 40.0
"""A frame so far under the loudest one is silence at the ends."""
_FRAME_S = 0.02
_ACTIVITY_MARGIN_DB = 15.9  # ITU-T P.56 §5: so far under the mean, a frame is a pause
_KAISER_BETA = 7.0  # 70 dB of side lobes
_AUDIBLE_DBM0 = -60.0
_WINDOW = np.kaiser(8193, _KAISER_BETA)
_WINDOW_AT = np.linspace(-1, 1, 8193)

Samples = NDArray[np.float64]
"""Of full scale: between -1 and 1."""


@dataclass(frozen=True, slots=True)
class Recording:
    pcm: bytes
    """16-bit little-endian, 8 kHz, mono."""
    length_s: float
    was: str
    """The file's own format, in words for a person."""
    changes: tuple[str, ...]
    """What was done to it, in words for a person."""


def prepare(content: bytes) -> Recording:
    """Make a WAV file's content fit; ConfigError says what is wrong with it and what to do."""
    wav = read_wav(content)
    samples = to_samples(wav)
    changes = []
    if wav.channels > 1:
        changes.append("both channels mixed into one")
    if wav.rate_hz != SAMPLE_RATE_HZ:
        samples = resample(samples, wav.rate_hz)
        changes.append(f"{wav.rate_hz} Hz brought to {SAMPLE_RATE_HZ} Hz")
    if speech_dbm0(samples) < _AUDIBLE_DBM0:
        raise ConfigError("is all silence: record it again, closer to the microphone")
    trimmed = trim(samples)
    cut_s = (len(samples) - len(trimmed)) / SAMPLE_RATE_HZ
    if cut_s >= 0.1:
        changes.append(f"{cut_s:.1f} s of silence cut off at its ends")
    levelled, gain_db = level(trimmed)
    if abs(gain_db) >= 0.5:
        changes.append(f"made {abs(gain_db):.0f} dB {'louder' if gain_db > 0 else 'quieter'}")
    length_s = len(levelled) / SAMPLE_RATE_HZ
    return Recording(to_pcm(levelled), length_s, wav.words, tuple(changes))


def to_samples(wav: WavFile) -> Samples:
    """Decode and mix to mono."""
    flat: NDArray[Any]
    if wav.law:
        codec = Codec.PCMA if wav.law == "A" else Codec.PCMU
        flat = np.frombuffer(g711.decode(wav.data, codec), "<i2") / 32768.0
    elif wav.bits == 8:
        flat = (np.frombuffer(wav.data, np.uint8) - 128.0) / 128.0
    elif wav.bits == 16:
        flat = np.frombuffer(wav.data, "<i2") / 32768.0
    else:
        thirds = np.frombuffer(wav.data, np.uint8).reshape(-1, 3).astype(np.int32)
        whole = thirds[:, 0] << 8 | thirds[:, 1] << 16 | thirds[:, 2] << 24
        flat = whole / 2147483648.0
    mono: Samples = flat.reshape(-1, wav.channels).mean(axis=1)
    mono -= mono.mean()  # a constant part is heard as a click at each end
    return mono


def resample(samples: Samples, rate_hz: int) -> Samples:
    """Bring to 8 kHz by a polyphase filter: a sinc under a Kaiser window, nothing left to fold."""
    shared = math.gcd(rate_hz, SAMPLE_RATE_HZ)
    phases, step = SAMPLE_RATE_HZ // shared, rate_hz // shared
    band = 2 * CUT_OFF_HZ / rate_hz
    half = math.ceil(HALF_WIDTH / band)
    count = len(samples) * phases // step
    windows = sliding_window_view(np.pad(samples, (half, half + step + 1)), 2 * half)
    out = np.zeros(count)
    offsets = np.arange(1 - half, half + 1)
    for phase in range(min(phases, count)):
        first, remainder = divmod(phase * step, phases)
        weights = _kernel(offsets - remainder / phases, band, half)
        places = out[phase::phases]
        # The window that begins at `first + 1` of the padded sound is centred on `first`.
        places[:] = windows[first + 1 :: step][: len(places)] @ weights
    return out


def _kernel(distances: NDArray[Any], band: float, half: int) -> Samples:
    window = np.interp(distances / half, _WINDOW_AT, _WINDOW)
    weights = band * np.sinc(band * distances) * window
    scaled: Samples = weights / weights.sum()
    return scaled


def trim(samples: Samples) -> Samples:
    """Cut silence off both ends, and let what is left begin and end softly."""
    frame = int(SAMPLE_RATE_HZ * _FRAME_S)
    power = _frame_power(samples, frame)
    loud = np.flatnonzero(power > power.max() * 10 ** (-SILENCE_DB / 10))
    edge = int(SAMPLE_RATE_HZ * EDGE_S)
    begin = max(0, int(loud[0]) * frame - edge)
    kept = samples[begin : (int(loud[-1]) + 1) * frame + edge].copy()
    fade = min(int(SAMPLE_RATE_HZ * FADE_S), len(kept) // 2)
    slope = 0.5 - 0.5 * np.cos(np.pi * np.arange(fade) / fade)
    kept[:fade] *= slope
    kept[len(kept) - fade :] *= slope[::-1]
    return kept


def level(samples: Samples) -> tuple[Samples, float]:
    """Bring speech to its level, or as near as its peaks let it; give the gain in dB too."""
    gain_db = min(SPEECH_DBM0 - speech_dbm0(samples), MAX_GAIN_DB)
    peak = float(np.abs(samples).max())
    gain = min(10 ** (gain_db / 20), PEAK / peak)
    return samples * gain, 20 * math.log10(gain)


def speech_dbm0(samples: Samples) -> float:
    """Measure the level of what is said, without its pauses; -inf of silence."""
    power = _frame_power(samples, int(SAMPLE_RATE_HZ * _FRAME_S))
    active = power[power >= power.mean() * 10 ** (-_ACTIVITY_MARGIN_DB / 10)]
    mean = float(active.mean())
    # A sine of full scale, whose power is a half, has FULL_SCALE_DBM0.
    return 10 * math.log10(2 * mean) + FULL_SCALE_DBM0 if mean > 0 else -math.inf


def _frame_power(samples: Samples, frame: int) -> Samples:
    whole = np.pad(samples, (0, -len(samples) % frame)).reshape(-1, frame)
    power: Samples = (whole * whole).mean(axis=1)
    return power


def to_pcm(samples: Samples) -> bytes:
    """Give 16-bit little-endian PCM."""
    pcm: bytes = np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2").tobytes()
    return pcm
