"""Generated sounds and the measurement of one frequency."""

import random
import struct

import pytest

from intercom.media import g711, tones
from intercom.sip.codec import G711


def test_a_pure_tone_has_its_power_at_its_frequency():
    pcm = tones.tone([1000], 400)

    assert tones.level_of(pcm, 1000) > 0.98
    assert tones.level_of(pcm, 1200) < 0.01


def test_ringback_is_425_hz_for_one_second_in_five():
    pcm = tones.ringback()

    assert len(pcm) == 2 * 5 * 8000
    assert tones.tone_share(pcm, 425) == pytest.approx(0.2)


@pytest.mark.parametrize("law", G711)
def test_a_tone_is_found_after_g711(law):
    pcm = g711.decode(g711.encode(tones.tone([440], 500), law), law)

    assert tones.has_tone(pcm, 440, at_least=0.95)


def test_long_frames_tell_425_from_440_hz():
    pcm = tones.tone([440], 1000)

    assert tones.tone_share(pcm, 425, frame_ms=100) == 0.0
    assert tones.tone_share(pcm, 440, frame_ms=100) == 1.0


def test_silence_and_noise_hold_no_tone():
    rng = random.Random(1)
    noise = struct.pack("<8000h", *(rng.randint(-9000, 9000) for _ in range(8000)))

    assert tones.tone_share(tones.silence(1000), 1000) == 0.0
    assert tones.tone_share(noise, 1000) < 0.02
    assert tones.tone_share(b"", 1000) == 0.0


def test_the_loudest_part_of_a_mix_is_found_and_the_quiet_part_is_not():
    loud, quiet = tones.tone([440], 500, -9), tones.tone([1000], 500, -25)
    mix = struct.pack(
        "<4000h",
        *(
            a + b
            for a, b in zip(
                struct.unpack("<4000h", loud), struct.unpack("<4000h", quiet), strict=True
            )
        ),
    )

    assert tones.has_tone(mix, 440)
    assert not tones.has_tone(mix, 1000)


@pytest.mark.parametrize("sound", [tones.opened, tones.refused, tones.ending_soon])
def test_signals_are_shorter_than_a_second_and_audible(sound):
    pcm = sound()

    assert 0.2 < len(pcm) / 16000 < 1.0
    assert tones.rms(pcm) > 1000


@pytest.mark.parametrize(("digit", "row_hz", "column_hz"), [("5", 770, 1336), ("8", 852, 1336)])
def test_no_signal_sounds_like_a_key(digit, row_hz, column_hz):
    for sound in (tones.opened(), tones.refused(), tones.ending_soon(), tones.ringback()):
        row = tones.tone_share(sound, row_hz, threshold=0.25)
        column = tones.tone_share(sound, column_hz, threshold=0.25)

        assert min(row, column) == 0.0, digit
