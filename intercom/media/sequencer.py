"""Generated sound in real time: prompts, tones and ringback, one tick for all receivers of all calls."""

import asyncio
from collections.abc import Callable, Sequence

from intercom.media.clips import FRAME_MS
from intercom.media.dtmf import EventPacket

_FRAME_S = FRAME_MS / 1000
_MAX_LATE_S = 0.1
"""Up to this, frames that are late are sent at once; beyond, the time is lost."""

CallAt = Callable[[float, Callable[[], None]], asyncio.TimerHandle]
"""`loop.call_at`, or a test's own."""


class Track:
    """What one receiver is played: keys, else a clip, else a loop, else the live sound is heard."""

    def __init__(
        self,
        send: Callable[[bytes, float], None],
        send_key: Callable[[EventPacket, float], None] | None = None,
    ) -> None:
        self.send = send
        """Called with (encoded frame, now)."""
        self._send_key = send_key
        self._keys: list[EventPacket | None] = []
        self._clip: Sequence[bytes] = ()
        self._clip_at = 0
        self._loop: Sequence[bytes] = ()
        self._loop_at = 0

    @property
    def is_playing(self) -> bool:
        """Whether generated sound takes the place of the live sound."""
        return bool(self._clip or self._loop or self._keys)

    @property
    def has_keys(self) -> bool:
        """Whether keys are being pressed."""
        return bool(self._keys)

    def set_keys(self, frames: Sequence[EventPacket | None]) -> None:
        """Press these keys, in place of all sound; clip and loop wait."""
        self._keys = [*reversed(frames)]

    def let_go(self) -> None:
        """Play nothing more to anybody; its receiver can go at once, and need not wait for the collector."""
        self.send, self._send_key = _send_nothing, None
        self._clip = self._loop = ()
        self._keys = []

    def play(self, now: float) -> bool:
        """Send the next 20 ms, of the keys first; False when there is nothing more to play."""
        if self._keys:
            packet = self._keys.pop()
            if packet is not None and self._send_key is not None:
                self._send_key(packet, now)
            return True
        frame = self.next_frame()
        if frame is None:
            return False
        self.send(frame, now)
        return True

    def set_clip(self, clip: Sequence[bytes]) -> None:
        """Play a clip from its beginning, in place of the one that plays."""
        self._clip, self._clip_at = clip, 0

    def set_loop(self, loop: Sequence[bytes]) -> None:
        """Play this again and again, from its beginning, whenever no clip plays; empty: stop."""
        self._loop, self._loop_at = loop, 0

    def next_frame(self) -> bytes | None:
        """Take the next frame; None when there is nothing more to play."""
        if self._clip:
            frame = self._clip[self._clip_at]
            self._clip_at += 1
            if self._clip_at >= len(self._clip):
                self._clip = ()
            return frame
        if self._loop:
            frame = self._loop[self._loop_at]
            self._loop_at = (self._loop_at + 1) % len(self._loop)
            return frame
        return None


def _send_nothing(_frame: bytes, _now: float) -> None:
    """Send nothing."""


class Sequencer:
    """Send a frame of every playing track each 20 ms; no timer runs while nothing plays.

    All calls share one: a timer for each took a quarter of a busy core. A track that begins while
    others play waits for their tick, up to 20 ms.
    """

    def __init__(self, clock: Callable[[], float], call_at: CallAt) -> None:
        self._clock = clock
        self._call_at = call_at
        self._tracks: dict[Track, None] = {}
        """In the order of their beginning."""
        self._timer: asyncio.TimerHandle | None = None
        self._next_at = 0.0

    def start(self, track: Track) -> None:
        """Play what this track has, from now on."""
        self._tracks[track] = None
        if self._timer is None:
            self._next_at = self._clock()
            self._timer = self._call_at(self._next_at, self._tick)

    def forget(self, track: Track) -> None:
        """Stop a track whose receiver is gone; the last one stops the timer."""
        track.let_go()
        self._tracks.pop(track, None)
        if not self._tracks:
            self.close()

    def close(self) -> None:
        """Stop everything."""
        self._tracks.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        now = self._clock()
        self._timer = None
        try:
            self._play_all(now)
        finally:
            if self._tracks:
                self._next_at += _FRAME_S
                if now - self._next_at > _MAX_LATE_S:
                    self._next_at = now + _FRAME_S
                self._timer = self._call_at(self._next_at, self._tick)

    def _play_all(self, now: float) -> None:
        """Play each; one that fails is forgotten, and costs the others no more than this frame."""
        for track in tuple(self._tracks):
            is_going_on = False
            try:
                is_going_on = track.play(now)
            finally:
                if not is_going_on:
                    self._tracks.pop(track, None)
