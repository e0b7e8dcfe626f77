"""G.711 by tables: one byte a sample, 8 kHz; PCM here is 16-bit little-endian mono."""

import sys
from array import array
from functools import cache

from intercom.sip.offer_answer import Codec

SAMPLE_RATE_HZ = 8000
SILENCE = {Codec.PCMA: 0xD5, Codec.PCMU: 0xFF}
"""The byte that decodes to (nearly) zero."""

_ALAW_TOGGLE = 0x55  # ITU-T G.711 §3.1: even bits are inverted on the line
_ULAW_BIAS = 33 * 4  # ITU-T G.711 table 2a: 33 on the 14-bit scale, here 16 bits


def encode(pcm: bytes, law: Codec) -> bytes:
    """Encode PCM; an odd last byte is ignored."""
    samples = array("H", pcm[: len(pcm) & ~1])
    if sys.byteorder == "big":
        samples.byteswap()
    return bytes(map(encoding_table(law).__getitem__, samples))


def decode(data: bytes, law: Codec) -> bytes:
    """Decode to PCM."""
    samples = array("h", map(decoding_table(law).__getitem__, data))
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


def convert(data: bytes, from_law: Codec, to_law: Codec) -> bytes:
    """Turn one law into the other without going through PCM."""
    table = conversion_table(from_law, to_law)
    return data if table is None else data.translate(table)


@cache
def conversion_table(from_law: Codec, to_law: Codec) -> bytes | None:
    """Give the table for `bytes.translate`; None where the laws are the same."""
    if from_law is to_law:
        return None
    return encode(decode(bytes(range(256)), from_law), to_law)


def _intervals(law: Codec) -> list[tuple[int, int]]:
    """List (first magnitude, decoded magnitude) of the 128 codes of one sign, loudest last."""
    if law is Codec.PCMA:
        return [
            (
                (i if not segment else i + 16) * step,
                (i if not segment else i + 16) * step + step // 2,
            )
            for segment in range(8)
            for step in (16 << max(segment - 1, 0),)
            for i in range(16)
        ]
    return [
        (max(middle - step // 2, 0), middle)
        for segment in range(8)
        for step in (8 << segment,)
        for i in range(16)
        for middle in ((i * 8 + _ULAW_BIAS << segment) - _ULAW_BIAS,)
    ]


def _line_byte(law: Codec, code: int, *, is_negative: bool) -> int:
    if law is Codec.PCMA:
        return (code if is_negative else code | 0x80) ^ _ALAW_TOGGLE
    return (0x7F if is_negative else 0xFF) - code


@cache
def encoding_table(law: Codec) -> bytes:
    """Give the byte of each sample; its index is the sample's 16 bits as an unsigned number."""
    starts = [first for first, _ in _intervals(law)]
    widths = [end - start for start, end in zip(starts, [*starts[1:], 0x8000], strict=True)]
    positive = b"".join(
        bytes([_line_byte(law, code, is_negative=False)]) * width
        for code, width in enumerate(widths)
    )
    # A negative sample's magnitude is its one's complement, as in the ITU-T G.191 reference.
    negative = b"".join(
        bytes([_line_byte(law, code, is_negative=True)]) * width
        for code, width in enumerate(widths)
    )
    return positive + negative[::-1]


@cache
def decoding_table(law: Codec) -> tuple[int, ...]:
    """Give the sample of each byte."""
    table = [0] * 256
    for code, (_, magnitude) in enumerate(_intervals(law)):
        table[_line_byte(law, code, is_negative=False)] = magnitude
        table[_line_byte(law, code, is_negative=True)] = -magnitude
    return tuple(table)
