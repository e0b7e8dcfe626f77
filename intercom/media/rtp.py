"""RTP packets (RFC 3550 §5.1), and one outgoing stream that never breaks whatever feeds it.

 0                   1                   2                   3
|V=2|P|X|  CC   |M|     PT      |       sequence number         |
|                           timestamp                           |
|                             SSRC                              |
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

HEADER_BYTES = 12
VERSION_BITS = 0x80  # version 2, no padding, no extension, no CSRC
MARKER = 0x80

_HEADER = struct.Struct("!BBHII")
_SEQUENCE = struct.Struct("!H")
_unpack_header = _HEADER.unpack_from
_pack_header = _HEADER.pack_into

_MAX_DROPOUT = 3000  # RFC 3550 appendix A.1: further ahead, the source started anew
_MAX_MISORDER = 100  # RFC 3550 appendix A.1: further behind, the source started anew
_MAX_CLOCK_ERROR_S = 2
"""A timestamp that leaves the wall clock by more than this is a new start of the source's clock."""
_MAX_GENERATED_GAP_S = 0.2
_GENERATED = -1
_EVENTS = -2

Buffer = bytes | bytearray | memoryview


class RtpHeader(NamedTuple):
    payload_type: int
    marker: bool
    sequence_number: int
    timestamp: int
    ssrc: int
    payload_start: int
    payload_end: int
    """Index after the last byte of payload; padding lies behind it."""


def parse(packet: Buffer) -> RtpHeader | None:
    """Read a header; None if this is no well-formed RTP packet."""
    size = len(packet)
    if size < HEADER_BYTES:
        return None
    first, second, sequence_number, timestamp, ssrc = _unpack_header(packet)
    start, end = HEADER_BYTES, size
    if first != VERSION_BITS:
        bounds = _payload_bounds(packet, first, size)
        if bounds is None:
            return None
        start, end = bounds
    return RtpHeader(second & 0x7F, second >= MARKER, sequence_number, timestamp, ssrc, start, end)


def is_rtcp(packet: Buffer) -> bool:
    """Tell RTCP from RTP on one port (RFC 5761 §4)."""
    return len(packet) >= 8 and packet[0] & 0xC0 == VERSION_BITS and 192 <= packet[1] <= 223


def build_header(
    payload_type: int, sequence_number: int, timestamp: int, ssrc: int, *, marker: bool = False
) -> bytearray:
    """Build the 12 bytes before a payload."""
    header = bytearray(HEADER_BYTES)
    second = payload_type | MARKER if marker else payload_type
    _pack_header(
        header, 0, VERSION_BITS, second, sequence_number & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc
    )
    return header


def serial_difference(later: int, earlier: int, bits: int = 32) -> int:
    """Subtract two wrapping numbers; negative if `later` is in fact the earlier one (RFC 1982)."""
    half = 1 << (bits - 1)
    return ((later - earlier + half) & ((1 << bits) - 1)) - half


class RtpSender:
    """Give one outgoing stream unbroken sequence numbers and timestamps.

    Live packets keep their distances (so that loss and order stay visible to the receiver); at a
    change of source the numbers go on by one and the timestamp by the time that passed.
    """

    def __init__(
        self,
        *,
        payload_type: int,
        ssrc: int,
        clock_hz: int,
        sequence_number: int,
        timestamp: int,
        is_video: bool = False,
    ) -> None:
        self.payload_type = payload_type
        self.ssrc = ssrc
        self.clock_hz = clock_hz
        self.packets_sent = 0
        self.payload_bytes_sent = 0
        self._switch_marker = 0 if is_video else MARKER  # RFC 3551 §4.1; in video it ends a frame
        self._last_sequence = (sequence_number - 1) & 0xFFFF
        self._last_timestamp = timestamp & 0xFFFFFFFF
        self._last_at: float | None = None
        self._source: int | None = None
        self._source_ssrc = 0
        self._source_timestamp = 0
        self._sequence_offset = 0
        self._timestamp_offset = 0
        self._since_switch = 0
        """Numbers that may arrive late: older ones would repeat what another source has used."""
        self._generated_samples = 0

    def retarget(self, *, payload_type: int, ssrc: int, clock_hz: int) -> None:
        """Go on with what a new offer and answer agreed."""
        self.payload_type, self.ssrc, self.clock_hz = payload_type, ssrc, clock_hz

    def cut(self) -> None:
        """Take the next packet as a new source's."""
        self._source = None

    def rewrite(
        self,
        packet: Buffer,
        source: int,
        now: float,
        *,
        table: bytes | None = None,
        is_replay: bool = False,
    ) -> bytearray | None:
        """Copy a checked packet with this stream's header; None if it comes too late to be sent.

        `source` is any number ≥ 0 that names where it comes from. `table` converts the payload by
        `translate`. In a replay, frames get the time at which they are sent.
        """
        first, second, sequence, timestamp, ssrc = _unpack_header(packet)
        out = bytearray(packet) if first == VERSION_BITS else _copy_payload(packet, first)
        if out is None:
            return None
        if table is not None:
            out[HEADER_BYTES:] = out[HEADER_BYTES:].translate(table)
        marker = second & MARKER
        if source != self._source or ssrc != self._source_ssrc:
            self._switch(source, ssrc, sequence, timestamp, now)
            marker |= self._switch_marker
        elif is_replay and timestamp != self._source_timestamp:
            self._timestamp_offset = self._timestamp_now(now, self.clock_hz // 1000) - timestamp
        out_sequence = (sequence + self._sequence_offset) & 0xFFFF
        ahead = (out_sequence - self._last_sequence) & 0xFFFF
        if ahead == 0 or ahead >= 0x10000 - _MAX_MISORDER:
            return self._late(out, ahead, out_sequence, timestamp, marker)
        if ahead > _MAX_DROPOUT or self._clock_jumped(timestamp, now):
            self._switch(source, ssrc, sequence, timestamp, now)
            marker |= self._switch_marker
            out_sequence = (sequence + self._sequence_offset) & 0xFFFF
            ahead = 1
        self._since_switch += ahead
        self._source_timestamp = timestamp
        self._last_sequence = out_sequence
        out_timestamp = self._last_timestamp = (timestamp + self._timestamp_offset) & 0xFFFFFFFF
        self._last_at = now
        self._count(out)
        _pack_header(
            out, 0, VERSION_BITS, self.payload_type | marker, out_sequence, out_timestamp, self.ssrc
        )
        return out

    def renumber(
        self,
        packet: memoryview,
        header: tuple[int, int, int, int, int],
        source: int,
        now: float,
    ) -> bool:
        """Write this stream's header over that of a packet of sound with a bare header, in place.

        `header` is what stood there: first and second byte, number, timestamp, SSRC. Only where the
        packet goes on from the last one of its source; False, and nothing done, where `rewrite` must
        decide.
        """
        _, second, sequence, timestamp, ssrc = header
        if source != self._source or ssrc != self._source_ssrc or self._last_at is None:
            return False
        out_sequence = (sequence + self._sequence_offset) & 0xFFFF
        ahead = (out_sequence - self._last_sequence) & 0xFFFF
        out_timestamp = (timestamp + self._timestamp_offset) & 0xFFFFFFFF
        # Both within the limit: so is their difference, and `_clock_jumped` would say no.
        if (
            not 0 < ahead <= _MAX_DROPOUT
            or (out_timestamp - self._last_timestamp) & 0xFFFFFFFF
            >= _MAX_CLOCK_ERROR_S * self.clock_hz
            or now - self._last_at >= _MAX_CLOCK_ERROR_S
        ):
            return False
        self._since_switch += ahead
        self._source_timestamp = timestamp
        self._last_sequence = out_sequence
        self._last_timestamp = out_timestamp
        self._last_at = now
        self.packets_sent += 1
        self.payload_bytes_sent += len(packet) - HEADER_BYTES
        _pack_header(
            packet,
            0,
            VERSION_BITS,
            self.payload_type | second & MARKER,
            out_sequence,
            out_timestamp,
            self.ssrc,
        )
        return True

    def rewrite_after(
        self,
        payloads: Sequence[bytes],
        packet: Buffer,
        source: int,
        now: float,
        *,
        is_replay: bool = False,
    ) -> list[bytearray]:
        """Rewrite a packet and put payloads of the same instant before it."""
        out = self.rewrite(packet, source, now, is_replay=is_replay)
        if out is None:
            return []
        _, _, sequence, timestamp, _ = _unpack_header(out)
        if sequence != self._last_sequence:  # a late one: no room before it
            return [out]
        before = [
            build_header(self.payload_type, sequence + i, timestamp, self.ssrc) + payload
            for i, payload in enumerate(payloads)
        ]
        for inserted in before:
            self._count(inserted)
        self._sequence_offset += len(payloads)
        self._last_sequence = (sequence + len(payloads)) & 0xFFFF
        self._since_switch = 0
        _SEQUENCE.pack_into(out, 2, self._last_sequence)
        return [*before, out]

    def skip(self, packet: Buffer, source: int) -> None:
        """Close the gap that a packet leaves which is not sent on, if it is the next in order."""
        _, _, sequence, _, ssrc = _unpack_header(packet)
        if source != self._source or ssrc != self._source_ssrc:
            return
        if (sequence + self._sequence_offset - self._last_sequence) & 0xFFFF == 1:
            self._sequence_offset -= 1
            self._since_switch = 0

    def packet(
        self, payload: bytes, now: float, samples: int, *, marker: bool = False
    ) -> bytearray:
        """Build a packet of generated sound of `samples` timestamp units."""
        if self._source != _GENERATED:
            self._source = _GENERATED
            timestamp = self._timestamp_now(now, self.clock_hz // 50)
            marker = True
        elif self._last_at is not None and now - self._last_at > _MAX_GENERATED_GAP_S:
            timestamp = self._timestamp_now(now, self._generated_samples)
        else:
            timestamp = self._last_timestamp + self._generated_samples
        self._generated_samples = samples
        self._last_timestamp = timestamp & 0xFFFFFFFF
        self._last_sequence = (self._last_sequence + 1) & 0xFFFF
        self._last_at = now
        self._since_switch = 0
        out = build_header(
            self.payload_type, self._last_sequence, timestamp, self.ssrc, marker=marker
        )
        out += payload
        self._count(out)
        return out

    def event(self, payload: bytes, payload_type: int, now: float, *, is_first: bool) -> bytearray:
        """Build a telephone-event packet in this stream's numbers (RFC 4733 §2.5.1.2).

        All packets of one press carry the time of its first; the sound that follows goes on by the
        time that passed.
        """
        if is_first:
            self._last_timestamp = self._timestamp_now(now, self.clock_hz // 50) & 0xFFFFFFFF
            self._last_at = now
        self._source = _EVENTS
        self._last_sequence = (self._last_sequence + 1) & 0xFFFF
        self._since_switch = 0
        out = build_header(
            payload_type, self._last_sequence, self._last_timestamp, self.ssrc, marker=is_first
        )
        out += payload
        self._count(out)
        return out

    def timestamp_at(self, now: float) -> int | None:
        """Give the RTP time that belongs to `now`, for a sender report; None before any packet."""
        if self._last_at is None:
            return None
        return (self._last_timestamp + int((now - self._last_at) * self.clock_hz)) & 0xFFFFFFFF

    def _switch(self, source: int, ssrc: int, sequence: int, timestamp: int, now: float) -> None:
        self._source, self._source_ssrc = source, ssrc
        self._source_timestamp = timestamp
        self._sequence_offset = self._last_sequence + 1 - sequence
        self._timestamp_offset = self._timestamp_now(now, self.clock_hz // 50) - timestamp
        self._since_switch = 0

    def _timestamp_now(self, now: float, least: int) -> int:
        """Go on from the last packet by the time that passed, at least by `least`."""
        if self._last_at is None:
            return self._last_timestamp
        return self._last_timestamp + max(int((now - self._last_at) * self.clock_hz), least)

    def _clock_jumped(self, timestamp: int, now: float) -> bool:
        if self._last_at is None:
            return False
        moved = (timestamp + self._timestamp_offset - self._last_timestamp) & 0xFFFFFFFF
        if moved >= 0x80000000:
            moved -= 0x100000000
        error = moved - (now - self._last_at) * self.clock_hz
        limit = _MAX_CLOCK_ERROR_S * self.clock_hz
        return not -limit < error < limit

    def _late(
        self, out: bytearray, ahead: int, sequence: int, timestamp: int, marker: int
    ) -> bytearray | None:
        if ahead == 0 or 0x10000 - ahead >= self._since_switch:
            return None  # a copy, or a number that another source has used
        out_timestamp = (timestamp + self._timestamp_offset) & 0xFFFFFFFF
        self._count(out)
        _pack_header(
            out, 0, VERSION_BITS, self.payload_type | marker, sequence, out_timestamp, self.ssrc
        )
        return out

    def _count(self, out: bytearray) -> None:
        self.packets_sent += 1
        self.payload_bytes_sent += len(out) - HEADER_BYTES


def _copy_payload(packet: Buffer, first: int) -> bytearray | None:
    bounds = _payload_bounds(packet, first, len(packet))
    return bounds and bytearray(HEADER_BYTES) + packet[bounds[0] : bounds[1]]


def _payload_bounds(packet: Buffer, first: int, size: int) -> tuple[int, int] | None:
    """Find the payload behind CSRCs and extension and before padding."""
    if first & 0xC0 != VERSION_BITS:
        return None
    start = HEADER_BYTES + 4 * (first & 0x0F)
    if first & 0x10:
        if size < start + 4:
            return None
        start += 4 + 4 * (packet[start + 2] << 8 | packet[start + 3])
    end = size
    if first & 0x20:
        end -= packet[size - 1]
        if packet[size - 1] == 0:
            return None
    return (start, end) if start <= end else None
