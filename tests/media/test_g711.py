"""G.711 by tables."""

import struct

import pytest

from intercom.media import g711
from intercom.sip.codec import G711, Codec

EVERY_BYTE = bytes(range(256))


@pytest.mark.parametrize("law", G711)
def test_every_code_survives_decoding_and_encoding(law):
    pcm = g711.decode(EVERY_BYTE, law)

    again = g711.encode(pcm, law)

    # mu-law has two codes for zero: 0x7F comes back as 0xFF.
    assert g711.decode(again, law) == pcm
    assert sum(a != b for a, b in zip(again, EVERY_BYTE, strict=True)) <= 1


@pytest.mark.parametrize(
    ("law", "sample", "byte"),
    [
        (Codec.PCMA, 0, 0xD5),
        (Codec.PCMA, -1, 0x55),
        (Codec.PCMA, 32767, 0xAA),
        (Codec.PCMA, -32768, 0x2A),
        (Codec.PCMU, 0, 0xFF),
        (Codec.PCMU, 32767, 0x80),
        (Codec.PCMU, -32768, 0x00),
    ],
)
def test_known_samples_have_the_codes_of_itu_t_g711(law, sample, byte):
    assert g711.encode(struct.pack("<h", sample), law) == bytes([byte])


@pytest.mark.parametrize("law", G711)
def test_decoding_error_is_below_a_sixteenth_of_the_sample(law):
    samples = [1000, -1000, 5000, -20000, 32000, 100]

    decoded = struct.unpack("<6h", g711.decode(g711.encode(struct.pack("<6h", *samples), law), law))

    for sample, heard in zip(samples, decoded, strict=True):
        assert abs(sample - heard) <= abs(sample) / 16


@pytest.mark.parametrize("law", G711)
def test_silence_decodes_to_almost_zero(law):
    (sample,) = struct.unpack("<h", g711.decode(bytes([g711.SILENCE[law]]), law))

    assert abs(sample) <= 8


def test_law_conversion_equals_decoding_and_encoding():
    swapped = g711.convert(EVERY_BYTE, Codec.PCMA, Codec.PCMU)

    assert swapped == g711.encode(g711.decode(EVERY_BYTE, Codec.PCMA), Codec.PCMU)
    assert g711.convert(EVERY_BYTE, Codec.PCMA, Codec.PCMA) is EVERY_BYTE


def test_an_odd_last_byte_is_ignored():
    assert len(g711.encode(bytes(321), Codec.PCMA)) == 160
