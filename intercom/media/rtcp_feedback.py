"""RTCP feedback about a picture: what was lost, what is wanted whole, and how much fits through.

RFC 4585 (NACK, PLI), RFC 5104 (FIR, TMMBR) and draft-alvestrand-rmcat-remb. Reading is lenient:
what is no well-formed feedback is None.
"""

import struct
from dataclasses import dataclass

TRANSPORT_FEEDBACK = 205  # RFC 4585 §6.1
PAYLOAD_FEEDBACK = 206

_VERSION = 0x80
_COMMON = struct.Struct("!BBH")
_TWO_WORDS = struct.Struct("!II")
_WORD = struct.Struct("!I")
_LOST = struct.Struct("!HH")
_NACK_FORMAT = 1  # RFC 4585 §6.2.1
_TMMBR_FORMAT = 3  # RFC 5104 §4.2.1
_PLI_FORMAT = 1  # RFC 4585 §6.3.1
_FIR_FORMAT = 4  # RFC 5104 §4.3.1
_APPLICATION_FORMAT = 15  # RFC 4585 §6.4
_REMB = b"REMB"
_MAX_LOST = 128
"""More numbers than anybody keeps packets of; the rest of such a NACK is not read."""
_TMMBR_OVERHEAD_BYTES = 40  # IP, UDP and RTP headers (RFC 5104 §4.2.1.1)


@dataclass(frozen=True, slots=True)
class PictureLossIndication:
    ssrc: int
    media_ssrc: int


@dataclass(frozen=True, slots=True)
class FullIntraRequest:
    ssrc: int
    media_ssrc: int


@dataclass(frozen=True, slots=True)
class Nack:
    """Packets that did not arrive."""

    ssrc: int
    media_ssrc: int
    lost: tuple[int, ...]
    """Their sequence numbers, at most 128 of them."""


@dataclass(frozen=True, slots=True)
class BitRateEstimate:
    """What a receiver thinks that its way can carry (REMB)."""

    ssrc: int
    bits_per_s: int
    media_ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BitRateRequest:
    """How much a receiver wants to get at most (TMMBR)."""

    ssrc: int
    media_ssrc: int
    bits_per_s: int


Feedback = PictureLossIndication | FullIntraRequest | Nack | BitRateEstimate | BitRateRequest


def parse(kind: int, feedback_format: int, body: bytes) -> Feedback | None:
    """Read what follows a feedback message's first word; raise struct.error if it is too short."""
    if kind == TRANSPORT_FEEDBACK:
        return _parse_transport(feedback_format, body)
    return _parse_payload(feedback_format, body)


def build_pli(ssrc: int, media_ssrc: int) -> bytes:
    """Build a picture loss indication: "send a key frame"."""
    return _packet(PAYLOAD_FEEDBACK, _PLI_FORMAT, _TWO_WORDS.pack(ssrc, media_ssrc))


def build_fir(ssrc: int, media_ssrc: int, command: int) -> bytes:
    """Build a full intra request; `command` must differ from the last one's."""
    entry = struct.pack("!IB3x", media_ssrc, command & 0xFF)
    return _packet(PAYLOAD_FEEDBACK, _FIR_FORMAT, _TWO_WORDS.pack(ssrc, 0) + entry)


def build_nack(ssrc: int, media_ssrc: int, lost: tuple[int, ...]) -> bytes:
    """Build a NACK for these sequence numbers, in their order."""
    entries: list[list[int]] = []
    for number in lost:
        ahead = (number - entries[-1][0]) & 0xFFFF if entries else 0
        if 0 < ahead <= 16:
            entries[-1][1] |= 1 << (ahead - 1)
        else:
            entries.append([number & 0xFFFF, 0])
    body = _TWO_WORDS.pack(ssrc, media_ssrc) + b"".join(_LOST.pack(*entry) for entry in entries)
    return _packet(TRANSPORT_FEEDBACK, _NACK_FORMAT, body)


def build_estimate(ssrc: int, bits_per_s: int, media_ssrcs: tuple[int, ...]) -> bytes:
    """Build a REMB."""
    exponent, mantissa = _float_of(bits_per_s, 18)
    rate = _WORD.pack(len(media_ssrcs) << 24 | exponent << 18 | mantissa)
    body = _TWO_WORDS.pack(ssrc, 0) + _REMB + rate + b"".join(map(_WORD.pack, media_ssrcs))
    return _packet(PAYLOAD_FEEDBACK, _APPLICATION_FORMAT, body)


def build_rate_request(ssrc: int, media_ssrc: int, bits_per_s: int) -> bytes:
    """Build a TMMBR."""
    exponent, mantissa = _float_of(bits_per_s, 17)
    rate = exponent << 26 | mantissa << 9 | _TMMBR_OVERHEAD_BYTES
    body = _TWO_WORDS.pack(ssrc, 0) + _TWO_WORDS.pack(media_ssrc, rate)
    return _packet(TRANSPORT_FEEDBACK, _TMMBR_FORMAT, body)


def _parse_transport(feedback_format: int, body: bytes) -> Feedback | None:
    if feedback_format == _NACK_FORMAT:
        return Nack(_word(body, 0), _word(body, 4), _lost_of(body[_TWO_WORDS.size :]))
    if feedback_format == _TMMBR_FORMAT:
        media_ssrc, rate = _TWO_WORDS.unpack_from(body, 8)
        bits_per_s = (rate >> 9 & 0x1FFFF) << (rate >> 26)
        return BitRateRequest(_word(body, 0), media_ssrc, bits_per_s)
    return None


def _parse_payload(feedback_format: int, body: bytes) -> Feedback | None:
    if feedback_format == _PLI_FORMAT:
        return PictureLossIndication(_word(body, 0), _word(body, 4))
    if feedback_format == _FIR_FORMAT:
        return FullIntraRequest(_word(body, 0), _word(body, 8))
    if feedback_format == _APPLICATION_FORMAT and body[8:12] == _REMB:
        rate = _word(body, 12)
        ssrcs = tuple(_word(body, 16 + 4 * n) for n in range(rate >> 24))
        return BitRateEstimate(_word(body, 0), (rate & 0x3FFFF) << (rate >> 18 & 0x3F), ssrcs)
    return None


def _lost_of(entries: bytes) -> tuple[int, ...]:
    lost: list[int] = []
    for first, others in _LOST.iter_unpack(entries[: len(entries) // 4 * 4]):
        lost.append(first)
        lost += [(first + bit + 1) & 0xFFFF for bit in range(16) if others >> bit & 1]
        if len(lost) >= _MAX_LOST:
            break
    return tuple(lost[:_MAX_LOST])


def _float_of(value: int, bits: int) -> tuple[int, int]:
    """Write a number as exponent and mantissa, rounded down."""
    exponent = max(0, value.bit_length() - bits)
    return exponent, value >> exponent


def _word(body: bytes, at: int) -> int:
    value: int = _WORD.unpack_from(body, at)[0]
    return value


def _packet(kind: int, feedback_format: int, body: bytes) -> bytes:
    return _COMMON.pack(_VERSION | feedback_format, kind, len(body) // 4) + body
