"""What a simulated phone or carrier says: RTP packets of a sound, and of pressed keys.

Pure, and written apart from the router's own RTP and RFC 4733 code, so that a mistake there is not
made here as well. One call of `next_packets` makes the packets of 20 ms:

    tick      1        2        3    …   8                 9
    event     160, M   320      480      1280, E, thrice   -
    talk      -        -        -        -                 M
"""

import math
import struct
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from intercom.media import g711
from intercom.sip.offer_answer import Codec

SAMPLE_HZ = 8000
FRAME_MS = 20
FRAME_SAMPLES = 160
FRAME_BYTES = 2 * FRAME_SAMPLES
PRESS_MS = 160
END_PACKETS = 3  # RFC 4733 §2.5.1.4: the last packet of an event is sent three times
EVENT_VOLUME = 10  # -10 dBm0
MAX_JITTER_MS = 500
AMPLITUDE = 8000
"""Of 32767: about -9 dBm0."""

_SWELLS_HZ = 5

KEYS = "0123456789*#ABCD"
"""RFC 4733 §3.2: a key's place is its event code."""
_ROWS_HZ = (697, 770, 852, 941)
_COLUMNS_HZ = (1209, 1336, 1477, 1633)
_PAD = ("123A", "456B", "789C", "*0#D")


def tone(frequencies_hz: Iterable[int], length_ms: int, amplitude: int = AMPLITUDE) -> bytes:
    """Make the sum of some sines, `amplitude` each, as 16-bit mono sound at 8 kHz."""
    steps = [2 * math.pi * hz / SAMPLE_HZ for hz in frequencies_hz]
    samples = [
        round(amplitude * sum(math.sin(step * n) for step in steps))
        for n in range(length_ms * SAMPLE_HZ // 1000)
    ]
    return struct.pack(f"<{len(samples)}h", *samples)


def hum(hz: int, length_ms: int) -> bytes:
    """Make one pitch that swells five times a second, as no machine's beep does: a person's voice."""
    beat, step = 2 * math.pi * _SWELLS_HZ / SAMPLE_HZ, 2 * math.pi * hz / SAMPLE_HZ
    samples = [
        round(AMPLITUDE * (0.65 - 0.35 * math.cos(beat * n)) * math.sin(step * n))
        for n in range(length_ms * SAMPLE_HZ // 1000)
    ]
    return struct.pack(f"<{len(samples)}h", *samples)


def key_tone(digit: str, length_ms: int) -> bytes:
    """Make the two tones of a key, as a phone without telephone-events sends it (ITU-T Q.23)."""
    row = next(n for n, keys in enumerate(_PAD) if digit in keys)
    pair = (_ROWS_HZ[row], _COLUMNS_HZ[_PAD[row].index(digit)])
    return tone(pair, length_ms, AMPLITUDE // 2)


def frames(pcm: bytes) -> list[bytes]:
    """Cut a sound into 20 ms; the last piece is filled with silence."""
    pieces = [pcm[start : start + FRAME_BYTES] for start in range(0, len(pcm), FRAME_BYTES)]
    return [piece.ljust(FRAME_BYTES, b"\0") for piece in pieces]


def endless(pcm: bytes) -> Iterator[bytes]:
    """Give the sound's 20 ms pieces round and round."""
    pieces = frames(pcm)
    while True:
        yield from pieces


@dataclass(slots=True)
class Playout:
    """Says when a heard packet belongs: by its timestamp, as a jitter buffer has it, not its arrival."""

    _ssrc: int | None = None
    _began_ms: int = 0
    _began_ts: int = 0

    def at_ms(self, ssrc: int, timestamp: int, arrived_ms: int) -> int:
        """Place a packet on the clock of `arrived_ms`; a new source or a leap starts anew."""
        ahead = (timestamp - self._began_ts) & 0xFFFFFFFF
        samples = ahead - (1 << 32) if ahead >> 31 else ahead
        at_ms = self._began_ms + samples * 1000 // SAMPLE_HZ
        if ssrc == self._ssrc and abs(at_ms - arrived_ms) <= MAX_JITTER_MS:
            return at_ms
        self._ssrc, self._began_ms, self._began_ts = ssrc, arrived_ms, timestamp
        return arrived_ms


@dataclass(slots=True)
class Voice:
    """One RTP stream: talk, and keys in its stead; owns sequence number and timestamp."""

    codec: Codec
    event_payload_type: int | None
    ssrc: int
    sequence_number: int = 0
    timestamp: int = 0
    _queue: deque[Iterator[list[bytes]]] = field(default_factory=deque)
    _has_paused: bool = True

    def press(self, digit: str, *, is_in_band: bool = False) -> None:
        """Press a key for 160 ms, once those pressed before it are done."""
        by_event = not is_in_band and self.event_payload_type is not None
        self._queue.append(self._events(digit) if by_event else self._key_sound(digit))

    def next_packets(self, talk: bytes) -> list[bytes]:
        """Make the packets of the next 20 ms; `talk` is left out while a key is down."""
        packets: list[bytes] | None = None
        while packets is None and self._queue:
            packets = next(self._queue[0], None)
            if packets is None:
                self._queue.popleft()
        if packets is None:
            packets = [self._sound(talk)]
        self.timestamp = (self.timestamp + FRAME_SAMPLES) & 0xFFFFFFFF
        return packets

    def _events(self, digit: str) -> Iterator[list[bytes]]:
        payload_type = self.event_payload_type or 0
        code, began_ts = KEYS.index(digit), self.timestamp
        ticks = PRESS_MS // FRAME_MS
        for tick in range(1, ticks + 1):
            is_end = tick == ticks
            payload = struct.pack("!BBH", code, is_end << 7 | EVENT_VOLUME, tick * FRAME_SAMPLES)
            yield [
                self._packet(payload_type, payload, began_ts, is_first=tick == 1)
                for _ in range(END_PACKETS if is_end else 1)
            ]
        self._has_paused = True

    def _key_sound(self, digit: str) -> Iterator[list[bytes]]:
        for piece in frames(key_tone(digit, PRESS_MS)):
            yield [self._sound(piece)]

    def _sound(self, pcm: bytes) -> bytes:
        is_first, self._has_paused = self._has_paused, False
        payload = g711.encode(pcm, self.codec)
        return self._packet(self.codec.value, payload, self.timestamp, is_first=is_first)

    def _packet(
        self, payload_type: int, payload: bytes, timestamp: int, *, is_first: bool
    ) -> bytes:
        sequence_number = self.sequence_number
        self.sequence_number = (sequence_number + 1) & 0xFFFF
        flags = is_first << 7 | payload_type
        return struct.pack("!BBHII", 0x80, flags, sequence_number, timestamp, self.ssrc) + payload
