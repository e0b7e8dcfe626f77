"""What a carrier says by itself: an announcement before the answer, an answering machine's greeting.

Both hold what must never open a door: a "5" as a tone in the sound, and the announcement also one as
telephone-events. The speech is a buzz with formants, broken into syllables.
"""

import itertools
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from firmware_sim.voice import FRAME_BYTES, SAMPLE_HZ, frames, key_tone, tone

PITCH_HZ = 120
HARMONICS = {1: 900, 2: 1400, 4: 2600, 5: 2200, 9: 900, 10: 1300, 17: 500, 20: 700}
"""Amplitude by multiple of the pitch: a vowel's formants near 550, 1200 and 2400 Hz."""
SYLLABLES_HZ = 4
BEEP_HZ = 1000
BEEP_MS = 400
SILENCE = bytes(FRAME_BYTES)


@dataclass(frozen=True, slots=True)
class Script:
    """A sound in 20 ms pieces, and the keys whose telephone-events go out in the place of some."""

    frames: tuple[bytes, ...]
    presses: tuple[tuple[int, str], ...] = ()
    """(index of the piece, digit)"""

    @property
    def length_s(self) -> float:
        return len(self.frames) * 0.02

    def then_silence(self) -> Iterator[bytes]:
        return itertools.chain(self.frames, itertools.repeat(SILENCE))


def announcement() -> Script:
    """Make "your call is being connected": speech with a tone "5" and a "5" by telephone-events."""
    before, after = speech_like(600), speech_like(800)
    sound = frames(before + key_tone("5", 200) + after)
    return Script(tuple(sound), presses=((len(frames(before)) + 25, "5"),))


def greeting() -> Script:
    """Make "nobody can take your call, … press 5 …" with that tone in it, a pause and the beep."""
    said = speech_like(1200) + key_tone("5", 300) + speech_like(800)
    pause = bytes(2 * SAMPLE_HZ * 300 // 1000)
    return Script(tuple(frames(said + pause + tone((BEEP_HZ,), BEEP_MS))))


def speech_like(length_ms: int) -> bytes:
    """Make something that sounds and measures like talk."""
    base = 2 * math.pi * PITCH_HZ / SAMPLE_HZ
    beat = math.pi * SYLLABLES_HZ / SAMPLE_HZ
    samples = (
        math.sin(beat * n) ** 2
        * sum(level * math.sin(base * multiple * n) for multiple, level in HARMONICS.items())
        for n in range(length_ms * SAMPLE_HZ // 1000)
    )
    rounded = [max(-32768, min(32767, round(sample))) for sample in samples]
    return struct.pack(f"<{len(rounded)}h", *rounded)
