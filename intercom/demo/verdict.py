"""What the recordings of both ends show, measured in frames of 20 ms."""

import io
import json
import wave
from dataclasses import dataclass
from pathlib import Path

from intercom.media.tones import rms, tone_share

VISITOR_HZ = 440
RESIDENT_HZ = 1000
OPENED_HZ = 880  # the second note of `tones.opened`
AT_LEAST = 0.95
"""Share of the frames that must show the other end's tone."""
OPENED_MIN_MS = 200
"""Of the note's 320 ms."""
SETTLE_MS = 300
"""After the answer, until sound is on its way in both directions."""
FRAME_MS = 20
_BYTES_PER_MS = 16
"""8 kHz, 16 bits, mono."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What one end heard, on the clock that all processes share."""

    pcm: bytes
    started_ms: int

    @classmethod
    def of_wav(cls, data: bytes, started_ms: int | None) -> "Recording":
        """Read a WAV file of 8 kHz, 16 bits, mono."""
        with wave.open(io.BytesIO(data)) as file:
            return cls(file.readframes(file.getnframes()), started_ms or 0)

    def between(self, from_ms: float, until_ms: float) -> bytes:
        """Cut out what was heard between two moments."""
        first = max(0, int(from_ms - self.started_ms)) * _BYTES_PER_MS
        last = max(0, int(until_ms - self.started_ms)) * _BYTES_PER_MS
        return self.pcm[first:last]

    def share(self, hz: float, from_ms: float, until_ms: float) -> float:
        """Give the share of frames between two moments in which `hz` dominates; silence counts."""
        expected = max(1, int(until_ms - from_ms) // FRAME_MS)
        heard = self.between(from_ms, until_ms)
        frames = len(heard) // (_BYTES_PER_MS * FRAME_MS)
        return tone_share(heard, hz) * frames / expected

    def first_tone_ms(
        self, hz: float, from_ms: float, until_ms: float, least_ms: int
    ) -> float | None:
        """Find when `hz` was first heard for `least_ms` together; None: it was not."""
        run = 0
        moment = max(from_ms, self.started_ms)
        until_ms = min(until_ms, self.started_ms + len(self.pcm) / _BYTES_PER_MS)
        while moment + FRAME_MS <= until_ms:
            frame = self.between(moment, moment + FRAME_MS)
            run = run + 1 if tone_share(frame, hz) >= 1 else 0
            if run * FRAME_MS >= least_ms:
                return moment + FRAME_MS - run * FRAME_MS
            moment += FRAME_MS
        return None

    def is_silent(self, from_ms: float, until_ms: float, loudest_rms: float = 100.0) -> bool:
        """Tell whether nothing was heard between two moments."""
        return rms(self.between(from_ms, until_ms)) < loudest_rms


def count_pulses(journal: Path) -> int:
    """Count the pulses of a relay board's journal in which the coil drew current."""
    if not journal.exists():
        return 0
    entries = map(json.loads, journal.read_text("utf-8").splitlines())
    return sum(each["phase"] == "on" and each["coil_ma"] > 0 for each in entries)
