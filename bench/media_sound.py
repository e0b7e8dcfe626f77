"""What is said in the calls of bench/media.py: real speech in frames of 20 ms."""

import importlib
from itertools import islice
from pathlib import Path

import numpy as np
import speech

from intercom.media import g711
from intercom.sip.codec import Codec

SECONDS = 20
FRAME_SAMPLES = 160
SEED = 5
WIDE_HZ = 16_000


def speech_pcm(folder: Path, sample_rate_hz: int = speech.RATE_HZ) -> bytes:
    """Have some seconds of speech by espeak-ng, 16 bits, not too loud."""
    texts = (speech.spoken(np.random.default_rng((SEED, n))) for n in range(8))
    data = next(islice((text for text in texts if text), 1), None)
    if data is None:
        message = "speech is missing: apt-get install espeak-ng"
        raise SystemExit(message)
    path = folder / "speech.wav"
    path.write_bytes(data)
    samples, rate_hz = speech.load(data)
    samples = speech.resample(samples[: SECONDS * rate_hz], sample_rate_hz / rate_hz)
    samples *= 6000 / max(1.0, float(np.abs(samples).max()))
    return bytes(np.round(samples).astype("<i2").tobytes())


def speech_frames(folder: Path) -> tuple[bytes, ...]:
    """Have speech in G.711 (A-law)."""
    coded = g711.encode(speech_pcm(folder), Codec.PCMA)
    return tuple(
        coded[at : at + FRAME_SAMPLES] for at in range(0, len(coded) - FRAME_SAMPLES, FRAME_SAMPLES)
    )


def opus_frames(folder: Path) -> tuple[bytes, ...]:
    """Have speech in Opus, as an app sends it: 20 ms each, wide band."""
    encode = importlib.import_module("intercom.media.encode")
    pcm = speech_pcm(folder, WIDE_HZ)
    size = 2 * WIDE_HZ // 50
    encoder = encode.Encoder(Codec.OPUS, WIDE_HZ)
    coded = (encoder.encode(pcm[at : at + size]) for at in range(0, len(pcm) - size, size))
    return tuple(frame for frame in coded if frame)
