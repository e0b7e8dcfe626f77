"""Whether a tone stands alone: who presses a key has not spoken just before, a machine's greeting speaks on.

A telephone shuts its microphone while a key is held, and the hand takes a moment to reach it. A tone in the
middle of recorded talk is part of the talk, and opens nothing.
"""

from collections import deque

from intercom.media.inband_fit import Floats

RATE_HZ = 8000
BEFORE_S = 0.2
"""So long before a tone must be quiet."""
_LATE_S = 0.03
"""A key is told up to so much later than its known length says."""
_QUIETER = 0.06
"""Of the tone's power, 12 dB below: a street is quieter, talk is not."""
_KEPT_S = 0.8


class LoneTone:
    """Remembers how loud the last packets were."""

    def __init__(self) -> None:
        self._packets: deque[tuple[int, float]] = deque()
        """Samples and energy of each, the newest last."""
        self._samples = 0

    def take(self, samples: Floats) -> None:
        """Take the next packet's sound, 8 kHz."""
        self._packets.append((len(samples), float(samples.dot(samples))))
        self._samples += len(samples)
        while self._samples > _KEPT_S * RATE_HZ:
            self._samples -= self._packets.popleft()[0]

    def is_alone(self, length_s: float) -> bool:
        """Tell whether it was quiet before the tone that is heard now, since `length_s`."""
        of_tone, seen, loudest = (length_s + _LATE_S) * RATE_HZ, 0, 0.0
        before = of_tone + BEFORE_S * RATE_HZ
        for size, energy in reversed(self._packets):
            power = energy / size
            if seen < of_tone:  # this one may hold the tone's beginning
                loudest = max(loudest, power)
            elif power > loudest * _QUIETER:
                return False
            seen += size
            if seen >= before:
                break
        return True
