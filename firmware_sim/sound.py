"""The panel's microphone and speaker: a steady tone in, everything that was heard on record."""

import asyncio
from collections.abc import Callable, Iterable

from firmware_sim.process import WavRecorder
from firmware_sim.voice import FRAME_MS, endless, tone

FRAME_S = FRAME_MS / 1000
LATE_FRAMES = 5
"""Further behind than this, the clock is set anew instead of sending a burst."""


class Microphone:
    """Hears a steady tone, 20 ms at a time, by an even clock."""

    def __init__(self, tone_hz: int) -> None:
        # A second holds whole periods of every whole number of hertz: it can be repeated.
        self._frames = endless(tone((tone_hz,), 1000))

    async def run(self, listeners: Callable[[], Iterable[Callable[[bytes], None]]]) -> None:
        """Give each listener each frame, for ever."""
        loop = asyncio.get_running_loop()
        due_at = loop.time()
        while True:
            frame = next(self._frames)
            for listen in listeners():
                listen(frame)
            due_at = max(due_at + FRAME_S, loop.time() - LATE_FRAMES * FRAME_S)
            await asyncio.sleep(max(0.0, due_at - loop.time()))


class Speaker:
    """Records what it plays; a new recording begins with each press."""

    def __init__(self) -> None:
        self.recording = WavRecorder()

    def begin(self) -> None:
        """Start a new recording."""
        self.recording.clear()

    def play(self, pcm: bytes, at_ms: int) -> None:
        """Play sound that arrived at `at_ms`."""
        self.recording.write(pcm, at_ms)

    def mark(self, name: str) -> None:
        """Name this moment in the recording."""
        self.recording.mark(name)
