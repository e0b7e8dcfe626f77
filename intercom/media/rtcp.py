"""RTCP (RFC 3550 §6): lenient reading, minimal writing; feedback about a picture is `rtcp_feedback`'s."""

import struct
from dataclasses import dataclass
from enum import IntEnum

from intercom.media import rtcp_feedback
from intercom.media.rtcp_feedback import (
    BitRateEstimate,
    Feedback,
    FullIntraRequest,
    Nack,
    PictureLossIndication,
    build_fir,
    build_pli,
)
from intercom.media.rtp import Buffer

__all__ = [
    "BitRateEstimate",
    "FullIntraRequest",
    "Goodbye",
    "Nack",
    "PacketType",
    "PictureLossIndication",
    "ReceiverReport",
    "ReportBlock",
    "RtcpPacket",
    "SenderReport",
    "build_cname",
    "build_fir",
    "build_goodbye",
    "build_pli",
    "build_receiver_report",
    "build_sender_report",
    "ntp_middle",
    "parse",
    "wants_key_frame",
]

NTP_EPOCH_OFFSET_S = 2208988800  # RFC 3550 §4: seconds from 1900 to 1970

_VERSION = 0x80
_COMMON = struct.Struct("!BBH")
_WORD = struct.Struct("!I")
_SENDER_INFO = struct.Struct("!QIII")
_BLOCK = struct.Struct("!IIIIII")
_CNAME = 1  # RFC 3550 §6.5.1


class PacketType(IntEnum):
    SENDER_REPORT = 200
    RECEIVER_REPORT = 201
    SOURCE_DESCRIPTION = 202
    GOODBYE = 203
    TRANSPORT_FEEDBACK = rtcp_feedback.TRANSPORT_FEEDBACK
    PAYLOAD_FEEDBACK = rtcp_feedback.PAYLOAD_FEEDBACK


@dataclass(frozen=True, slots=True)
class ReportBlock:
    ssrc: int
    fraction_lost: int = 0
    """Of 256, since the last report."""
    packets_lost: int = 0
    highest_sequence: int = 0
    """With the number of wraps in the upper half."""
    jitter_ts: int = 0
    last_sender_report: int = 0
    """The middle 32 bits of the NTP time in the last sender report."""
    delay_since_last: int = 0
    """In 1/65536 s."""


@dataclass(frozen=True, slots=True)
class SenderReport:
    ssrc: int
    ntp_time: int
    """64 bits, 32.32 seconds since 1900."""
    timestamp: int
    packets: int
    payload_bytes: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class Goodbye:
    ssrcs: tuple[int, ...]


RtcpPacket = SenderReport | ReceiverReport | Goodbye | Feedback


def parse(compound: Buffer) -> list[RtcpPacket]:
    """Read a compound packet as far as it is well-formed; unknown parts are left out."""
    packets: list[RtcpPacket] = []
    start = 0
    while start + _COMMON.size <= len(compound):
        first, kind, words = _COMMON.unpack_from(compound, start)
        end = start + 4 * (words + 1)
        if first & 0xC0 != _VERSION or end > len(compound):
            break
        packet = _parse_one(kind, first & 0x1F, bytes(compound[start + 4 : end]))
        if packet is not None:
            packets.append(packet)
        start = end
    return packets


def wants_key_frame(compound: Buffer) -> bool:
    """Tell whether a receiver asks for a whole picture, by PLI or FIR."""
    return any(
        isinstance(packet, PictureLossIndication | FullIntraRequest) for packet in parse(compound)
    )


def _parse_one(kind: int, count: int, body: bytes) -> RtcpPacket | None:
    try:
        match kind:
            case PacketType.SENDER_REPORT:
                ntp_time, timestamp, sent, sent_bytes = _SENDER_INFO.unpack_from(body, 4)
                blocks = _parse_blocks(body, 24, count)
                return SenderReport(_word(body, 0), ntp_time, timestamp, sent, sent_bytes, blocks)
            case PacketType.RECEIVER_REPORT:
                return ReceiverReport(_word(body, 0), _parse_blocks(body, 4, count))
            case PacketType.GOODBYE:
                return Goodbye(tuple(_word(body, 4 * i) for i in range(count)))
            case PacketType.TRANSPORT_FEEDBACK | PacketType.PAYLOAD_FEEDBACK:
                return rtcp_feedback.parse(kind, count, body)
            case _:
                return None
    except struct.error:  # shorter than its type needs
        return None


def _word(body: bytes, at: int) -> int:
    value: int = _WORD.unpack_from(body, at)[0]
    return value


def _parse_blocks(body: bytes, start: int, count: int) -> tuple[ReportBlock, ...]:
    blocks = []
    for i in range(count):
        ssrc, loss, highest, jitter, last, delay = _BLOCK.unpack_from(body, start + i * _BLOCK.size)
        lost = loss & 0xFFFFFF
        lost -= (lost & 0x800000) << 1
        blocks.append(ReportBlock(ssrc, loss >> 24, lost, highest, jitter, last, delay))
    return tuple(blocks)


def build_sender_report(report: SenderReport) -> bytes:
    """Build an SR."""
    body = _WORD.pack(report.ssrc) + _SENDER_INFO.pack(
        report.ntp_time,
        report.timestamp,
        report.packets & 0xFFFFFFFF,
        report.payload_bytes & 0xFFFFFFFF,
    )
    return _packet(
        PacketType.SENDER_REPORT, len(report.blocks), body + _build_blocks(report.blocks)
    )


def build_receiver_report(report: ReceiverReport) -> bytes:
    """Build an RR."""
    body = _WORD.pack(report.ssrc) + _build_blocks(report.blocks)
    return _packet(PacketType.RECEIVER_REPORT, len(report.blocks), body)


def build_cname(ssrc: int, cname: str) -> bytes:
    """Build the SDES that every compound packet needs (RFC 3550 §6.1)."""
    text = cname.encode()[:255]
    chunk = _WORD.pack(ssrc) + bytes([_CNAME, len(text)]) + text + b"\0"
    return _packet(PacketType.SOURCE_DESCRIPTION, 1, chunk + bytes(-len(chunk) % 4))


def build_goodbye(ssrc: int) -> bytes:
    """Build a BYE."""
    return _packet(PacketType.GOODBYE, 1, _WORD.pack(ssrc))


def ntp_middle(ntp_time: int) -> int:
    """Give the 32 bits that a report block names a sender report by (RFC 3550 §6.4.1)."""
    return (ntp_time >> 16) & 0xFFFFFFFF


def _build_blocks(blocks: tuple[ReportBlock, ...]) -> bytes:
    return b"".join(
        _BLOCK.pack(
            block.ssrc,
            block.fraction_lost << 24 | (block.packets_lost & 0xFFFFFF),
            block.highest_sequence,
            block.jitter_ts,
            block.last_sender_report,
            block.delay_since_last,
        )
        for block in blocks
    )


def _packet(kind: PacketType, count: int, body: bytes) -> bytes:
    return _COMMON.pack(_VERSION | count, kind, len(body) // 4) + body
