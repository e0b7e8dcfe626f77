"""Generated sound in real time: prompts, tones and ringback, one timer for all receivers of a call."""

import asyncio
from collections.abc import Callable, Sequence
from functools import cache, lru_cache

from intercom.media import g711, tones
from intercom.media.dtmf import EventPacket
from intercom.sip.offer_answer import Law

FRAME_MS = 20
FRAME_BYTES = g711.SAMPLE_RATE_HZ * FRAME_MS // 1000
_FRAME_S = FRAME_MS / 1000
_MAX_LATE_S = 0.1
"""Up to this, frames that are late are sent at once; beyond, the time is lost."""

CallAt = Callable[[float, Callable[[], None]], asyncio.TimerHandle]
"""`loop.call_at`, or a test's own."""


@cache
def encoded_ringback(law: Law) -> bytes:
    """Give one period of the ringing tone as it goes on the wire."""
    return g711.encode(tones.ringback(), law)


@lru_cache(maxsize=64)  # every prompt and tone in both laws; encoding one takes milliseconds
def encoded_clip(pcm: bytes, law: Law) -> bytes:
    """Give a clip as it goes on the wire, in whole frames."""
    return g711.encode(pcm + bytes(-len(pcm) % (2 * FRAME_BYTES)), law)


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
        self._clip = b""
        self._clip_at = 0
        self._loop = b""
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

    def play_key(self, now: float) -> None:
        """Send the next packet of the keys, or make their pause."""
        packet = self._keys.pop()
        if packet is not None and self._send_key is not None:
            self._send_key(packet, now)

    def set_clip(self, clip: bytes) -> None:
        """Play a clip from its beginning, in place of the one that plays."""
        self._clip, self._clip_at = clip, 0

    def set_loop(self, loop: bytes) -> None:
        """Play this again and again, from its beginning, whenever no clip plays; empty: stop."""
        self._loop, self._loop_at = loop, 0

    def next_frame(self) -> bytes | None:
        """Take the next frame; None when there is nothing more to play."""
        if self._clip:
            frame = self._clip[self._clip_at : self._clip_at + FRAME_BYTES]
            self._clip_at += FRAME_BYTES
            if self._clip_at >= len(self._clip):
                self._clip = b""
            return frame
        if self._loop:
            frame = self._loop[self._loop_at : self._loop_at + FRAME_BYTES]
            self._loop_at = (self._loop_at + FRAME_BYTES) % len(self._loop)
            return frame
        return None


class Sequencer:
    """Send a frame of every playing track each 20 ms; no timer runs while nothing plays."""

    def __init__(self, clock: Callable[[], float], call_at: CallAt) -> None:
        self._clock = clock
        self._call_at = call_at
        self._tracks: list[Track] = []
        self._timer: asyncio.TimerHandle | None = None
        self._next_at = 0.0

    def start(self, track: Track) -> None:
        """Play what this track has, from now on."""
        if track not in self._tracks:
            self._tracks.append(track)
        if self._timer is None:
            self._next_at = self._clock()
            self._timer = self._call_at(self._next_at, self._tick)

    def forget(self, track: Track) -> None:
        """Stop a track whose receiver is gone."""
        if track in self._tracks:
            self._tracks.remove(track)

    def close(self) -> None:
        """Stop everything."""
        self._tracks.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        now = self._clock()
        self._timer = None
        for track in tuple(self._tracks):
            if track.has_keys:
                track.play_key(now)
                continue
            frame = track.next_frame()
            if frame is None:
                self.forget(track)
            else:
                track.send(frame, now)
        if not self._tracks:
            return
        self._next_at += _FRAME_S
        if now - self._next_at > _MAX_LATE_S:
            self._next_at = now + _FRAME_S
        self._timer = self._call_at(self._next_at, self._tick)
