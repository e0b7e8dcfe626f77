"""A recording of the property's own: what is read, what is refused, and what is made of it."""

import struct

import numpy as np
import pytest

from intercom.errors import ConfigError
from intercom.media import g711, recording, tones
from intercom.media.recording import prepare, resample
from intercom.media.wav import MAX_FILE_BYTES, read_wav, write_wav
from intercom.sip.codec import Codec


def sine(hz, rate_hz, seconds=1.0, amplitude=0.3):
    return amplitude * np.sin(2 * np.pi * hz * np.arange(int(rate_hz * seconds)) / rate_hz)


def wav_of(data, *, tag=1, channels=1, rate_hz=8000, bits=16, extra=b"", before=b""):
    fmt = struct.pack(
        "<HHIIHH",
        tag,
        channels,
        rate_hz,
        rate_hz * channels * bits // 8,
        channels * bits // 8,
        bits,
    )
    fmt += extra
    body = b"fmt " + struct.pack("<I", len(fmt)) + fmt + before
    body += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def pcm16(samples):
    return np.rint(samples * 32767).astype("<i2").tobytes()


def decoded(made):
    return np.frombuffer(made.pcm, "<i2") / 32768


def pcm24(samples):
    whole = np.rint(samples * 8388607).astype("<i4")
    return b"".join(int(each).to_bytes(3, "little", signed=True) for each in whole)


TONE = sine(1000, 8000)
FORMATS = {
    "PCM, 8 bits": wav_of((np.rint(TONE * 127) + 128).astype(np.uint8).tobytes(), bits=8),
    "PCM, 16 bits": wav_of(pcm16(TONE)),
    "PCM, 24 bits": wav_of(pcm24(TONE), bits=24),
    "A-law": wav_of(g711.encode(pcm16(TONE), Codec.PCMA), tag=6, bits=8),
    "µ-law": wav_of(g711.encode(pcm16(TONE), Codec.PCMU), tag=7, bits=8),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_usual_format_gives_the_same_sound(name):
    made = prepare(FORMATS[name])

    assert made.was == f"1.0 s, 8000 Hz, {name}, mono"
    assert tones.has_tone(made.pcm, 1000, at_least=0.9)
    assert recording.speech_dbm0(decoded(made)) == pytest.approx(-20, abs=0.3)


def test_an_extensible_header_and_other_chunks_are_read_too():
    extra = struct.pack("<HHIH", 22, 16, 4, 1) + bytes(14)
    other = b"LIST" + struct.pack("<I", 3) + b"abc\0"

    made = prepare(wav_of(pcm16(TONE), tag=0xFFFE, extra=extra, before=other))

    assert made.was.endswith("PCM, 16 bits, mono")


def test_a_stream_that_did_not_know_its_length_is_read_to_its_end():
    whole = wav_of(pcm16(TONE))
    at = whole.index(b"data") + 4

    made = prepare(whole[:at] + b"\xff\xff\xff\xff" + whole[at + 4 :])

    assert made.length_s == pytest.approx(1.0, abs=0.1)


def test_both_channels_are_heard():
    both = np.stack([sine(500, 16000), sine(1500, 16000)], axis=1).reshape(-1)

    made = prepare(wav_of(pcm16(both), channels=2, rate_hz=16000))

    assert tones.level_of(made.pcm, 500) > 0.4
    assert tones.level_of(made.pcm, 1500) > 0.4
    assert "both channels mixed into one" in made.changes


@pytest.mark.parametrize(
    ("hz", "rate_hz"),
    [
        (hz, rate_hz)
        for hz in (4400, 5000, 7500, 11000, 20000)
        for rate_hz in (11025, 16000, 22050, 44100, 48000)
        if hz < rate_hz / 2
    ],
)
def test_what_8_khz_cannot_hold_is_left_out_and_not_folded(hz, rate_hz):
    left = resample(sine(hz, rate_hz), rate_hz)[400:-400]

    assert 20 * np.log10(np.abs(left).max() / 0.3) < -70


@pytest.mark.parametrize("rate_hz", [11025, 16000, 22050, 44100, 48000, 8001])
@pytest.mark.parametrize("hz", [300, 1000, 3000])
def test_speech_passes_unchanged_and_in_time(rate_hz, hz):
    made = resample(sine(hz, rate_hz), rate_hz)

    wanted = sine(hz, 8000, len(made) / 8000)
    assert np.abs(made - wanted)[400:-400].max() < 0.001
    assert len(made) == 8000


def test_silence_around_it_is_cut_off_and_its_ends_are_soft():
    quiet = np.zeros(8000)

    made = prepare(wav_of(pcm16(np.concatenate([quiet, TONE, quiet]))))

    assert made.length_s == pytest.approx(1.06, abs=0.03)
    assert "1.9 s of silence cut off at its ends" in made.changes
    assert np.abs(decoded(made)[[0, -1]]).max() < 0.001


@pytest.mark.parametrize("amplitude", [0.004, 0.05, 0.99])
def test_loud_and_soft_recordings_come_out_at_one_level(amplitude):
    made = prepare(wav_of(pcm16(sine(700, 8000, amplitude=amplitude))))

    assert recording.speech_dbm0(decoded(made)) == pytest.approx(-20, abs=0.3)
    assert any("louder" in each or "quieter" in each for each in made.changes)


def test_peaks_are_never_clipped_though_the_level_is_then_lower():
    spiky = sine(700, 8000, amplitude=0.001)
    spiky[::1000] = 0.9

    made = prepare(wav_of(pcm16(spiky)))

    assert np.abs(decoded(made)).max() <= recording.PEAK + 0.001


def test_a_constant_part_is_taken_out():
    made = prepare(wav_of(pcm16(TONE + 0.4)))

    assert abs(decoded(made).mean()) < 0.005


WRONG = {
    "an MP3": (b"ID3\3" + bytes(200), "is no WAV file"),
    "nothing": (b"", "is no WAV file"),
    "no format": (b"RIFF\4\0\0\0WAVE", "no fmt chunk"),
    "no sound": (wav_of(b""), "holds no sound"),
    "silence": (wav_of(bytes(16000)), "all silence"),
    "float": (wav_of(bytes(16000), tag=3, bits=32), "is format no. 3 of 32 bits"),
    "32 bits": (wav_of(bytes(16000), bits=32), "is PCM of 32 bits"),
    "six channels": (wav_of(bytes(12000), channels=6), "has 6 channels"),
    "no channel": (wav_of(bytes(12000), channels=0), "has 0 channels"),
    "96 kHz": (wav_of(bytes(16000), rate_hz=96000), "has 96000 Hz"),
    "4 kHz": (wav_of(bytes(16000), rate_hz=4000), "has 4000 Hz"),
    "too long": (wav_of(bytes(16000 * 21)), "lasts 21 s: cut it to 20 s"),
    "too large": (wav_of(bytes(MAX_FILE_BYTES)), "is longer than 5 MB"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_used_is_refused_with_the_remedy(name):
    content, words = WRONG[name]

    with pytest.raises(ConfigError) as raised:
        prepare(content)

    assert words in str(raised.value)
    assert any(remedy in str(raised.value) for remedy in ("save it", "record it", "cut it"))


def test_no_broken_file_does_anything_but_be_refused():
    random = np.random.default_rng(7)
    whole = wav_of(pcm16(TONE[:400]), channels=2)
    for _ in range(2000):
        broken = bytearray(whole[: random.integers(0, len(whole))])
        for _ in range(int(random.integers(0, 6))):
            if broken:
                broken[random.integers(0, min(len(broken), 60))] = random.integers(0, 256)
        try:
            wav = read_wav(bytes(broken))
        except ConfigError:
            continue
        assert wav.length_s <= 20


def test_what_is_written_is_read_again():
    wav = read_wav(write_wav(pcm16(TONE), 8000))

    assert (wav.data, wav.rate_hz, wav.channels) == (pcm16(TONE), 8000, 1)
