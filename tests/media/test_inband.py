"""Keys in the sound itself: what ITU-T Q.24 accepts and refuses, on lines that lose packets; and beeps."""

import zlib
from pathlib import Path

import numpy as np
import pytest

from bench import speech
from intercom.media import dtmf, tones
from intercom.media.beep import BeepDetector
from intercom.media.inband import InBandDetector, detect
from intercom.media.inband_fit import HIGH_HZ, KEYS, LOW_HZ
from tests.media import dtmf_corpus
from tests.media.dtmf_corpus import ACCEPTED, REFUSED, SCORED, Key, Line

LINES = 6
BLOCK = 320


def rng_of(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode()))


def sound(*keys: Key, **line: float) -> bytes:
    return dtmf_corpus.render("", Line(list(keys), **line), rng_of("sound")).pcm


def digits(pcm: bytes) -> str:
    return "".join(found.digit for found in detect(pcm))


def stream(pcm: bytes, lost: frozenset[int] = frozenset(), block: int = BLOCK) -> str:
    detector = InBandDetector()
    told = []
    for n, at in enumerate(range(0, len(pcm), block)):
        told += detector.feed(pcm[at : at + block], is_lost=n in lost)
    return "".join(digit.digit for digit in told)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("condition", ACCEPTED)
def test_every_digit_that_q24_accepts_is_told_once(condition):
    for case in dtmf_corpus.make(condition, LINES):
        assert stream(case.pcm, case.lost) == case.digits


@pytest.mark.timeout(20)
@pytest.mark.parametrize("condition", REFUSED)
def test_nothing_that_q24_refuses_is_told(condition):
    for case in dtmf_corpus.make(condition, LINES):
        assert stream(case.pcm, case.lost) == ""


@pytest.mark.timeout(20)
@pytest.mark.parametrize("condition", SCORED)
def test_60_ms_survive_a_lost_packet_in_19_of_20_digits(condition):
    cases = list(dtmf_corpus.make(condition, LINES))

    heard = sum(len(stream(case.pcm, case.lost)) for case in cases)

    assert 0.95 * 8 * LINES <= heard <= 8 * LINES


def test_each_of_the_sixteen_keys_is_told():
    assert digits(sound(*[Key(digit) for digit in KEYS])) == KEYS


def test_a_recording_tells_where_a_digit_began_and_how_long_it_was():
    (found,) = detect(sound(Key("5", ms=80), lead_ms=100))

    assert found.digit == "5"
    assert found.start_s == pytest.approx(0.1, abs=0.005)
    assert found.duration_s == pytest.approx(0.08, abs=0.008)


def test_the_detector_is_reached_through_dtmf():
    assert dtmf.detect is detect


def test_a_digit_is_told_within_60_ms_of_its_onset():
    for lead_ms in range(40, 60):
        pcm = sound(Key("5", ms=100), lead_ms=lead_ms)
        detector = InBandDetector()
        blocks = [pcm[at : at + BLOCK] for at in range(0, len(pcm), BLOCK)]

        told_at_ms = next(20 * (n + 1) for n, block in enumerate(blocks) if detector.feed(block))

        assert told_at_ms - lead_ms <= 60


@pytest.mark.parametrize("block_ms", [10, 20, 30, 40])
def test_the_size_of_the_blocks_changes_nothing(block_ms):
    pcm = sound(*[Key(digit, ms=45, pause_ms=45) for digit in "15937#*0"])

    assert stream(pcm, block=16 * block_ms) == "15937#*0"


def test_digits_are_heard_at_16_khz_too():
    at = np.arange(16000 // 10) / 16000
    wave = 6000 * (np.sin(2 * np.pi * LOW_HZ[1] * at) + np.sin(2 * np.pi * HIGH_HZ[1] * at))
    pcm = bytes(6400) + wave.astype("<i2").tobytes() + bytes(6400)

    assert [found.digit for found in detect(pcm, rate_hz=16000)] == ["5"]


def test_a_rate_that_5_ms_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="rate_hz"):
        InBandDetector(11025)


def test_a_long_press_is_one_digit():
    assert digits(sound(Key("5", ms=5000))) == "5"


def test_only_a_press_of_100_ms_is_told_where_that_is_asked():
    pcm = sound(Key("1", ms=80), Key("2", ms=130))
    detector = InBandDetector(least_s=0.1)

    told = [
        digit.digit
        for at in range(0, len(pcm), BLOCK)
        for digit in detector.feed(pcm[at : at + BLOCK])
    ]

    assert told == ["2"]


def test_a_masked_loss_is_ignored_whatever_the_block_holds():
    key = sound(Key("5", ms=100), lead_ms=100)
    other = sound(Key("9", ms=100), lead_ms=100)
    at = 7 * BLOCK
    pcm = key[:at] + other[at : at + BLOCK] + key[at + BLOCK :]

    assert stream(pcm, lost=frozenset({7})) == "5"


def test_a_23_ms_tone_is_not_lengthened_by_a_repeated_packet():
    pcm = sound(Key("5", ms=20, pause_ms=100), lead_ms=60)
    repeated = pcm[: 4 * BLOCK] + pcm[3 * BLOCK : 4 * BLOCK] + pcm[5 * BLOCK :]

    assert digits(repeated) == ""


def test_the_echo_of_a_digit_is_no_second_press():
    assert digits(sound(Key("5", ms=60, pause_ms=100), echo_ms=100, echo_db=-12)) == "5"


def test_one_tone_alone_is_no_digit():
    assert digits(tones.tone([770], 300)) == ""
    assert digits(tones.tone([1336], 300)) == ""


def test_the_service_s_own_tones_are_no_digits():
    played = tones.ringback() + tones.opened() + tones.refused() + tones.ending_soon()

    assert digits(played) == ""


def test_noise_and_silence_hold_no_digit():
    noise = np.clip(rng_of("noise").normal(0, 3000, 80000), -32768, 32767).astype("<i2").tobytes()

    assert digits(noise) == ""
    assert digits(bytes(160000)) == ""


def test_any_bytes_can_be_fed():
    random = rng_of("bytes")
    detector = InBandDetector()

    for _ in range(500):
        detector.feed(random.bytes(int(random.integers(0, 700))), is_lost=random.random() < 0.2)

    assert isinstance(detector.finish(), list)


@pytest.mark.timeout(60)
def test_ten_minutes_of_speech_hold_no_digit(tmp_path: Path):
    told = []
    seconds = 0.0
    for name, pcm in speech.stream(tmp_path, 1 / 6, seed=3):
        seconds += len(pcm) / 2 / speech.RATE_HZ
        told += [(name, digit) for digit in stream(pcm)]
    if not seconds:
        pytest.skip("neither espeak-ng nor Debian's prompts are installed")

    assert told == []


def beeps(pcm: bytes) -> int:
    detector = BeepDetector()
    return sum(detector.feed(pcm[at : at + BLOCK]) for at in range(0, len(pcm), BLOCK))


@pytest.mark.parametrize("hz", [550, 800, 1000, 1400, 1950])
def test_a_steady_tone_of_a_quarter_of_a_second_is_one_beep(hz):
    assert beeps(tones.silence(110) + tones.tone([hz], 250) + tones.silence(500)) == 1


def test_a_beep_is_heard_in_noise_of_15_db():
    clean = np.frombuffer(tones.tone([1000], 400, -15.0), "<i2").astype(float)
    noise = rng_of("beep").normal(0, np.sqrt(np.mean(clean**2)) * 10 ** (-15 / 20), len(clean))

    assert beeps((clean + noise).astype("<i2").tobytes()) == 1


def test_a_short_tone_is_no_beep():
    assert beeps(tones.silence(100) + tones.tone([1000], 150) + tones.silence(300)) == 0


def test_the_network_s_tones_are_no_beep():
    assert beeps(tones.ringback() * 2) == 0
    assert beeps(tones.tone([350, 440], 1000)) == 0
    assert beeps(tones.tone([480, 620], 1000)) == 0


def test_a_key_is_no_beep():
    assert beeps(sound(Key("5", ms=500))) == 0


@pytest.mark.timeout(60)
def test_five_minutes_of_speech_hold_no_beep(tmp_path: Path):
    heard = [name for name, pcm in speech.stream(tmp_path, 1 / 12, seed=4) if beeps(pcm)]

    assert heard == []
