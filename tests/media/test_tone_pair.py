"""Two tones that could be a key to any receiver are found in the very packet; voices are let be."""

from pathlib import Path

import numpy as np
import pytest

from bench import speech
from intercom.media import g711
from intercom.media.inband_fit import KEYS
from intercom.media.tone_guard import VETO_S, ToneVeto
from intercom.media.tone_pair import PairFinder
from intercom.sip.codec import Codec
from tests.media.key_house import FRAME, frames, key_tone, to_pcm

TOUCHED_LIMIT = 0.005
SPEECH_LEVEL = 150.0
"""Louder than this (-43 dBm0) a packet is speech."""


def heard(sounds):
    """Tell of each packet what pair it holds."""
    finder = PairFinder()
    return [finder.look(each.astype(np.float32)) for each in sounds]


def on_the_line(wave, codec=Codec.PCMA):
    pcm = g711.decode(g711.encode(to_pcm(wave), codec), codec)
    return np.frombuffer(pcm, "<i2").astype(np.float32)


@pytest.mark.parametrize("key", KEYS)
def test_each_key_is_found_and_named_among_those_it_could_be(key):
    pairs = [each for each in heard(frames(key_tone(key, 60))) if each]

    assert len(pairs) >= 3
    assert {each.keys for each in pairs} == {key}


def test_a_tone_between_two_keys_is_both():
    (pair, *_) = [each for each in heard(frames(key_tone("5", 60, low_off=0.05))) if each]

    assert set(pair.keys) == {"5", "8"}


@pytest.mark.parametrize("ms", [15, 20, 30, 100])
@pytest.mark.parametrize("floor_dbm0", [-20, -35])
def test_the_mask_is_five_percent_fifteen_decibels_and_fifteen_milliseconds_wide(ms, floor_dbm0):
    rng = np.random.default_rng(ms)
    for _ in range(100):
        twist_db = rng.uniform(-15, 15)
        loudest = rng.uniform(floor_dbm0, floor_dbm0 + 15)
        wave = key_tone(
            "5",
            ms,
            low_dbm0=loudest - max(0.0, twist_db),
            twist_db=twist_db,
            low_off=rng.uniform(-0.05, 0.05),
            high_off=rng.uniform(-0.05, 0.05),
            lead=FRAME + int(rng.integers(FRAME)),
        )
        found = [each for each in heard(frames(on_the_line(wave), rest_ms=20)) if each]

        assert any("5" in each.keys for each in found)


def test_all_packets_of_a_long_tone_are_found_but_for_the_part_at_its_edges():
    found = heard(frames(key_tone("5", 400, lead=3 * FRAME + 100), rest_ms=60))

    assert next(n for n, each in enumerate(found) if each) <= 4
    assert all(found[5:23])
    assert not any(found[25:])


@pytest.mark.parametrize("dial_hz", [(425.0,), (350.0, 440.0)])
def test_a_dial_tone_underneath_hides_no_key(dial_hz):
    wave = key_tone("5", 200)
    at = np.arange(len(wave)) / 8000
    for hz in dial_hz:
        wave = wave + 0.8 * np.max(np.abs(wave)) / 2 * np.sin(2 * np.pi * hz * at)

    assert sum(each is not None for each in heard(frames(on_the_line(wave)))) >= 9


@pytest.mark.parametrize(("on_ms", "off_ms"), [(12, 8), (15, 10), (8, 4), (6, 3)])
def test_a_chopped_tone_is_found(on_ms, off_ms):
    wave = key_tone("5", 200)
    wave *= (np.arange(len(wave)) / 8) % (on_ms + off_ms) < on_ms

    assert any(heard(frames(on_the_line(wave))))


@pytest.mark.parametrize(
    "hz", [[425.0], [350.0, 440.0], [480.0, 620.0], [950.0], [1400.0], [950.0, 1000.0]]
)
def test_one_tone_and_the_networks_own_are_no_pair(hz):
    at = np.arange(8000) / 8000
    wave = sum(5000 * np.sin(2 * np.pi * each * at) for each in hz)

    assert not any(heard(frames(on_the_line(wave)))[1:])


def test_a_second_tone_20_db_under_the_first_is_a_codecs_noise_and_15_db_a_key():
    for twist_db, is_key in ((-22.0, False), (-15.0, True), (15.0, True), (22.0, False)):
        wave = key_tone("*", 200, low_dbm0=-5.0 - max(0.0, twist_db), twist_db=twist_db)

        assert any(heard(frames(on_the_line(wave)))[1:-1]) == is_key


def test_what_is_nearly_two_tones_is_told_even_where_it_is_no_pair():
    finder = PairFinder()
    tones, noise = key_tone("5", 20), np.random.default_rng(5).normal(0, 2000, FRAME)
    told = []
    for each in (noise, tones, noise, np.zeros(FRAME)):
        finder.look(each.astype(np.float32))
        told.append(finder.is_near)

    assert told == [False, True, False, False]


def test_noise_and_silence_are_no_pair():
    noise = np.random.default_rng(5).normal(0, 2000, 80_000)

    assert not any(heard(frames(on_the_line(noise))))
    assert not any(heard(frames(np.zeros(8000))))


@pytest.mark.parametrize("size", [0, 1, 40, 79, 80, 100, 240, 480, 960, 2000])
def test_packets_of_any_length_are_looked_at(size):
    wave = on_the_line(key_tone("5", 400))
    finder = PairFinder()
    cut = [wave[at : at + size] for at in range(0, len(wave), size)] if size else [wave[:0]]

    assert any(finder.look(each) for each in cut) == (size > 0)


@pytest.mark.timeout(60)
def test_less_than_one_in_200_packets_of_speech_is_touched(tmp_path: Path):
    touched = spoken = 0
    for _, pcm in speech.stream(tmp_path, 1 / 6, seed=6):
        sounds = frames(np.frombuffer(pcm, "<i2").astype(np.float32))
        for sound, pair in zip(sounds, heard(sounds), strict=True):
            spoken += float(np.sqrt(np.mean(sound**2))) > SPEECH_LEVEL
            touched += pair is not None
    if not spoken:
        pytest.skip("neither espeak-ng nor Debian's prompts are installed")

    assert touched < TOUCHED_LIMIT * spoken


def test_a_veto_lasts_one_and_a_half_seconds_after_the_last_of_the_tone():
    veto = ToneVeto()
    veto.heard("58", 10.0)
    veto.heard("5", 10.4)

    assert veto.forbids("5", 10.4 + VETO_S - 0.01)
    assert not veto.forbids("5", 10.4 + VETO_S)
    assert not veto.forbids("8", 10.0 + VETO_S)
    assert not veto.forbids("9", 10.0)
