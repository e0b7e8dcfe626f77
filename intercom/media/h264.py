"""H.264 in RTP (RFC 6184): what a packet holds, packetising, and the pictures since the last key frame."""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from intercom.media.rtp import Buffer, parse, serial_difference

CLOCK_HZ = 90_000  # RFC 6184 §8.2.1
MAX_PAYLOAD_BYTES = 1200
MAX_GOP_BYTES = 4_000_000
"""A GOP that grows beyond this is forgotten; joining devices then wait for the next key frame."""
MAX_GOP_PACKETS = 16_000
"""The same for many small packets; less than half of all sequence numbers."""
_MAX_PARAMETER_SET_BYTES = 1000
_MAX_LATE_TS = CLOCK_HZ
"""A picture that is earlier by more than a second is of a clock that began anew."""
_MAX_LATE_PACKETS = 128
_FU_START = 0x80
_FU_END = 0x40


class NalType(IntEnum):
    SLICE = 1
    IDR = 5
    SEI = 6
    SPS = 7
    PPS = 8
    STAP_A = 24
    FU_A = 28


def nal_starts(payload: Buffer) -> Iterator[tuple[int, bytes]]:
    """Yield (type, bytes) of each NAL unit that begins in this payload; of a fragment its first part."""
    if not payload:
        return
    kind = payload[0] & 0x1F
    if kind == NalType.STAP_A:
        yield from _aggregated(bytes(payload))
    elif kind == NalType.FU_A:
        if len(payload) > 1 and payload[1] & _FU_START:
            header = (payload[0] & 0xE0) | (payload[1] & 0x1F)
            yield payload[1] & 0x1F, bytes([header]) + payload[2:]
    elif kind < NalType.STAP_A:
        yield kind, bytes(payload)


def _aggregated(payload: bytes) -> Iterator[tuple[int, bytes]]:
    start = 1
    while start + 2 < len(payload):
        size = payload[start] << 8 | payload[start + 1]
        nal = payload[start + 2 : start + 2 + size]
        if size == 0 or len(nal) < size:
            return
        yield nal[0] & 0x1F, nal
        start += 2 + size


def starts_key_frame(payload: Buffer) -> bool:
    """Tell whether an IDR slice begins in this payload."""
    return any(kind == NalType.IDR for kind, _ in nal_starts(payload))


def packetise(nals: list[bytes], max_bytes: int = MAX_PAYLOAD_BYTES) -> list[bytes]:
    """Turn the NAL units of one picture into payloads: single units and FU-A; the last gets the marker."""
    payloads: list[bytes] = []
    for nal in nals:
        if len(nal) <= max_bytes:
            payloads.append(nal)
            continue
        indicator = (nal[0] & 0xE0) | NalType.FU_A
        step = max_bytes - 2
        for start in range(1, len(nal), step):
            bits = _FU_START if start == 1 else 0
            bits |= _FU_END if start + step >= len(nal) else 0
            header = bytes([indicator, bits | (nal[0] & 0x1F)])
            payloads.append(header + nal[start : start + step])
    return payloads


def split_annex_b(stream: bytes) -> list[bytes]:
    """Split a byte stream with start codes into NAL units (ITU-T H.264 annex B)."""
    parts = stream.split(b"\x00\x00\x01")[1:]
    return [nal for nal in (part.rstrip(b"\x00") for part in parts) if nal]


def split_access_units(stream: bytes) -> list[list[bytes]]:
    """Split a byte stream into pictures: each ends with a slice that the next first slice or header follows."""
    pictures: list[list[bytes]] = [[]]
    has_slice = False
    for nal in split_annex_b(stream):
        is_slice = nal[0] & 0x1F in (NalType.SLICE, NalType.IDR)
        # first_mb_in_slice = 0 is the single bit 1 at the head of a slice
        if has_slice and (not is_slice or (len(nal) > 1 and nal[1] & 0x80)):
            pictures.append([])
            has_slice = False
        pictures[-1].append(nal)
        has_slice = has_slice or is_slice
    return [picture for picture in pictures if picture]


def parameter_sets(sprop: str | None) -> list[bytes]:
    """Read the SPS and PPS of an SDP's sprop-parameter-sets (RFC 6184 §8.1); bad parts are left out."""
    nals = []
    for part in (sprop or "").split(","):
        try:
            nal = base64.b64decode(part.strip(), validate=True)
        except (binascii.Error, ValueError):
            continue
        if nal and nal[0] & 0x1F in (NalType.SPS, NalType.PPS):
            nals.append(nal)
    return nals


@dataclass(frozen=True, slots=True)
class Added:
    """What one packet meant to the cache."""

    begins_key_frame: bool
    missing: tuple[bytes, ...] = ()
    """Parameter sets that this key frame needs and did not bring; to be put before this packet."""
    position: int | None = None
    """Where it was put among `GopCache.packets` when it came late; None: at their end, or not held."""


class GopCache:
    """Hold the packets since the last key frame, for devices that join later; RAM only."""

    def __init__(self, sprop: str | None = None, max_bytes: int = MAX_GOP_BYTES) -> None:
        self.packets: list[bytes] = []
        """Whole RTP packets in the order of their numbers, beginning with the key frame's picture."""
        self.is_complete = False
        """A key frame and all that followed are held."""
        self._max_bytes = max_bytes
        self._held_bytes = 0
        self._ssrc: int | None = None
        self._picture_ts: int | None = None
        self._key_ts: int | None = None
        self._gop_start_ts = 0
        self._sets: dict[int, bytes] = {nal[0] & 0x1F: nal for nal in parameter_sets(sprop)}
        self._seen_in_picture: set[int] = set()
        self.missing: tuple[bytes, ...] = ()
        """Parameter sets to put before `packets`."""

    def add(self, packet: Buffer) -> Added:
        """Take one RTP packet of the stream."""
        header = parse(packet)
        if header is None:
            return Added(begins_key_frame=False)
        if header.ssrc != self._ssrc:
            self._forget()
            self._ssrc, self._picture_ts, self._key_ts = header.ssrc, None, None
        if header.timestamp != self._picture_ts:
            self._begin_picture(header.timestamp)
        kinds = self._note_parameter_sets(packet[header.payload_start : header.payload_end])
        begins = NalType.IDR in kinds and self._is_news(header.timestamp)
        if begins:
            self._begin_gop(header.timestamp)
        position = self._hold(bytes(packet), header.sequence_number, header.timestamp)
        return Added(begins, self.missing if begins else (), position)

    @property
    def has_hole(self) -> bool:
        """Whether a packet is missing among those held: what follows it cannot be shown."""
        if not self.packets:
            return False
        return _ahead(_number(self.packets[-1]), self.packets[0]) + 1 != len(self.packets)

    @property
    def bytes_per_s(self) -> float:
        """Give the stream's rate over the pictures held; 0 while that is not known."""
        if not self.is_complete or self._picture_ts is None:
            return 0.0
        length_ts = serial_difference(self._picture_ts, self._gop_start_ts)
        return self._held_bytes * CLOCK_HZ / length_ts if length_ts > 0 else 0.0

    def wipe(self) -> None:
        """Forget the pictures and the parameter sets."""
        self._forget()
        self._sets.clear()
        self.missing = ()
        self._ssrc = self._picture_ts = self._key_ts = None

    def _note_parameter_sets(self, payload: Buffer) -> set[int]:
        kinds = set()
        for kind, nal in nal_starts(payload):
            kinds.add(kind)
            if kind in (NalType.SPS, NalType.PPS):
                self._seen_in_picture.add(kind)
                if payload[0] & 0x1F != NalType.FU_A and len(nal) <= _MAX_PARAMETER_SET_BYTES:
                    self._sets[kind] = nal
        return kinds

    def _begin_picture(self, timestamp: int) -> None:
        if self._picture_ts is not None and _is_before(timestamp, self._picture_ts):
            return  # a late packet of an earlier picture
        self._picture_ts = timestamp
        self._seen_in_picture.clear()
        if not self.is_complete:
            self._forget()

    def _begin_gop(self, timestamp: int) -> None:
        """Keep only what came of this picture: its own headers."""
        own = [packet for packet in self.packets if _timestamp(packet) == timestamp]
        self._forget()
        self.packets = own
        self._held_bytes = sum(map(len, own))
        self._key_ts = self._gop_start_ts = timestamp
        self.is_complete = True
        wanted: tuple[NalType, ...] = (
            NalType.SPS,
            NalType.PPS,
        )  # no decoder reads a PPS before its SPS
        if NalType.SPS in self._seen_in_picture:
            wanted = () if NalType.PPS in self._seen_in_picture else (NalType.PPS,)
        self.missing = tuple(self._sets[kind] for kind in wanted if kind in self._sets)

    def _is_news(self, timestamp: int) -> bool:
        """Tell whether a key frame of this time is another one than the last, and not an earlier one."""
        key_ts = self._key_ts
        return key_ts is None or (timestamp != key_ts and not _is_before(timestamp, key_ts))

    def _hold(self, packet: bytes, number: int, timestamp: int) -> int | None:
        """Put a packet where its number belongs; give the place unless that is the end."""
        if self.is_complete and _is_before(timestamp, self._gop_start_ts):
            return None  # a late packet of the pictures before this key frame
        too_large = self._held_bytes + len(packet) > self._max_bytes
        if too_large or len(self.packets) >= MAX_GOP_PACKETS:
            self._forget()
            return None
        place = last = len(self.packets)
        while place and (ahead := _ahead(number, self.packets[place - 1])) <= 0:
            if ahead == 0 or last - place >= _MAX_LATE_PACKETS:
                return None  # a copy, or much too late
            place -= 1
        self.packets.insert(place, packet)
        self._held_bytes += len(packet)
        return place if place < last else None

    def _forget(self) -> None:
        self.packets = []
        self._held_bytes = 0
        self.is_complete = False


def _timestamp(packet: bytes) -> int:
    return int.from_bytes(packet[4:8], "big")


def _is_before(timestamp: int, reference: int) -> bool:
    return -_MAX_LATE_TS < serial_difference(timestamp, reference) < 0


def _number(packet: bytes) -> int:
    return packet[2] << 8 | packet[3]


def _ahead(number: int, packet: bytes) -> int:
    return serial_difference(number, _number(packet), 16)
