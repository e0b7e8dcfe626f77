"""Packets of another length from a stream of them: joined or split, with nothing made up.

    10 ms  |1|2|3|4|5|6|          in
    20 ms  | 1 2 | 3 4 | 5 6 |    out, 2 lost: |1| and | 3 4 | with a gap between

Time is that of the packets alone. A packet that overtakes another waits until one more has come; what
comes later is dropped, and so are copies. A loss stays one: the timestamps leave a gap there, for the
receiver conceals it as its own ear likes; only where a frame must be whole (a codec's) the begun one is
filled with silence.

All is counted in ticks of 8 kHz, which G.711, G.722 (RFC 3551 §4.5.2) and Opus (six of its own) share.
"""

from collections.abc import Callable
from dataclasses import dataclass

from intercom.media.rtp import serial_difference

TICKS_A_MS = 8
_MAX_DROPOUT = 3000  # RFC 3550 appendix A.1, as the next
_MAX_MISORDER = 100
_MAX_GAP_TICKS = 5 * 8000
"""A longer silence begins anew."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A packet's sound at its place."""

    sequence: int
    timestamp: int
    payload: bytes
    marker: bool = False


@dataclass(frozen=True, slots=True)
class Units:
    """What a stream is counted in."""

    bytes_a_tick: int = 1
    """Of the sound once it is opened: 1 of G.711 and G.722, 2 of PCM at 8 kHz, 4 at 16."""
    in_clock_hz: int = 8000
    out_clock_hz: int = 8000


EIGHT_KHZ = Units()


class Repacketiser:
    """One direction of one stream; `restarts` tells how often it began anew."""

    def __init__(
        self,
        frame_ms: int,
        units: Units = EIGHT_KHZ,
        *,
        opened: Callable[[bytes], bytes] = bytes,
        sealed: Callable[[bytes], bytes] = bytes,
        is_padded: bool = False,
    ) -> None:
        """Decode each payload in order by `opened`, encode each frame by `sealed`, a whole one if `is_padded`."""
        self.restarts = 0
        self._units = units
        self._in_scale = units.in_clock_hz // 8000
        self._out_scale = units.out_clock_hz // 8000
        self._frame_ticks = frame_ms * TICKS_A_MS
        self._frame_bytes = self._frame_ticks * units.bytes_a_tick
        self._opened, self._sealed, self._is_padded = opened, sealed, is_padded
        self._expected: int | None = None
        """The next packet's number."""
        self._expected_ts = 0
        self._held: Piece | None = None
        self._begun = bytearray()
        self._at = 0
        """When what is begun begins, in ticks without end."""
        self._number = 0
        self._marker = True
        self._is_damaged = False
        """The last packet could not be decoded: it is as good as lost."""
        self._out: list[Piece] = []

    def feed(self, packet: Piece) -> list[Piece]:
        """Take a packet as it came; give those that are ready, numbered and timed on our own clock."""
        self._out = []
        if self._expected is None:
            self._restart(packet)
        assert self._expected is not None
        ahead = (packet.sequence - self._expected) & 0xFFFF
        if ahead >= 0x10000 - _MAX_MISORDER:
            return []
        if ahead > _MAX_DROPOUT:
            self._restart(packet)
            ahead = 0
        if ahead == 0:
            self._take(packet)
            self._take_held()
        elif self._held is None:
            self._held = packet
        elif packet.sequence != self._held.sequence:
            self._pass_gap(packet)
        return self._out

    def begin_anew(self) -> None:
        """Take the next packet as another stream's first."""
        if self._expected is not None:
            self.restarts += 1
            self._expected = None

    def skip(self, sequence: int) -> None:
        """Let a packet that has no sound be none that is lost."""
        if sequence == self._expected:
            self._expected = (sequence + 1) & 0xFFFF

    def _restart(self, packet: Piece) -> None:
        self.begin_anew()
        self._expected, self._expected_ts = packet.sequence, packet.timestamp
        self._held = None
        self._begun.clear()
        self._at = packet.timestamp // self._in_scale
        self._marker = True

    def _pass_gap(self, packet: Piece) -> None:
        """Give up what is missing, for two have come after it."""
        assert self._held is not None
        first, second = self._held, packet
        if serial_difference(second.sequence, first.sequence, bits=16) < 0:
            first, second = second, first
        self._held = second
        self._take(first)
        self._take_held()

    def _take_held(self) -> None:
        if self._held is not None and self._held.sequence == self._expected:
            held, self._held = self._held, None
            self._take(held)

    def _take(self, packet: Piece) -> None:
        gap = serial_difference(packet.timestamp, self._expected_ts, bits=32) // self._in_scale
        if gap > _MAX_GAP_TICKS or gap < -_MAX_GAP_TICKS:
            self._restart(packet)
        elif gap > 0:
            is_lost = packet.sequence != self._expected or self._is_damaged
            self._leave_gap(gap, is_lost=is_lost)
        self._marker |= packet.marker and not self._begun
        sound = self._opened(packet.payload)
        self._is_damaged = not sound
        ticks = len(sound) // self._units.bytes_a_tick
        self._expected = (packet.sequence + 1) & 0xFFFF
        self._expected_ts = (packet.timestamp + ticks * self._in_scale) & 0xFFFFFFFF
        self._begun += sound
        while len(self._begun) >= self._frame_bytes:
            self._send(self._frame_bytes)

    def _leave_gap(self, gap_ticks: int, *, is_lost: bool) -> None:
        """Send what is begun and go on later; numbers are left out as packets would have had them."""
        if self._begun and self._is_padded:
            room = self._frame_ticks - len(self._begun) // self._units.bytes_a_tick
            filled = min(room, gap_ticks)
            self._begun += bytes(filled * self._units.bytes_a_tick)
            gap_ticks -= filled
            if filled < room:
                return
        if self._begun:
            self._send(len(self._begun))
        self._at += gap_ticks
        if is_lost:
            self._number += gap_ticks // self._frame_ticks
        else:
            self._marker = True

    def _send(self, size: int) -> None:
        payload = self._sealed(bytes(self._begun[:size]))
        del self._begun[:size]
        timestamp = self._at * self._out_scale & 0xFFFFFFFF
        self._at += size // self._units.bytes_a_tick
        if payload:
            self._out.append(Piece(self._number & 0xFFFF, timestamp, payload, self._marker))
            self._marker = False
        self._number += 1
