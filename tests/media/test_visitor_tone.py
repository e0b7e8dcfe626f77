"""A visitor who plays keys into the panel opens nothing, and a phone's tones press nothing at the panel (B9)."""

import numpy as np
import pytest

from intercom.media import tones
from intercom.media.tone_guard import VETO_S
from intercom.sip.codec import Codec
from tests.media import spandsp
from tests.media.key_house import (
    EVENT,
    FRAME,
    INFO,
    SOUND,
    KeyHouse,
    frames,
    key_tone,
    to_pcm,
)

needs_spandsp = pytest.mark.skipif(not spandsp.IS_THERE, reason="libspandsp2 is not installed")
LOSSES_DB = [6, 12, 20, 34, 46]
CARRIERS = {
    "no telephone-event": {"events": False},
    "telephone-event": {"events": True},
    "the carrier's detector": {"events": True, "converts": True},
}


@pytest.fixture(params=[Codec.PCMA, Codec.PCMU], ids=lambda codec: codec.name)
def codec(request):
    return request.param


def tones_of(seed, count):
    """Make tones over the whole range that a visitor may try, one every half second."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        twist_db = rng.uniform(-15, 15)
        loudest = min(0.0, -twist_db)
        yield key_tone(
            "5",
            float(np.exp(rng.uniform(np.log(15), np.log(2000)))),
            low_dbm0=loudest - rng.uniform(0, 20),
            twist_db=twist_db,
            low_off=rng.uniform(-0.05, 0.05),
            high_off=rng.uniform(-0.05, 0.05),
            lead=int(rng.integers(FRAME)),
            phase=rng.uniform(0, 6),
        )


@needs_spandsp
@pytest.mark.timeout(60)
@pytest.mark.parametrize("loss_db", LOSSES_DB)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_five_at_the_panel_opens_nothing_through_any_echo(carrier, loss_db):
    house = KeyHouse(loss_db=loss_db, delay=1 + loss_db % 15, **CARRIERS[carrier])
    for n, tone in enumerate(tones_of(loss_db, 25)):
        house.play(frames(tone), rest_ms=20 * (5 + n % 30))
    house.close()

    assert house.opened == []


@needs_spandsp
@pytest.mark.parametrize("carrier", CARRIERS)
def test_without_guard_and_veto_the_same_echo_would_open(carrier):
    house = KeyHouse(loss_db=12, **CARRIERS[carrier])
    house.bridge._panel.tap = None
    for _ in range(5):
        house.play(frames(key_tone("5", 200)))
    house.close()

    assert house.digits == "55555"


@needs_spandsp
def test_the_veto_alone_stops_what_the_guard_let_through(codec):
    house = KeyHouse(loss_db=6, codec=codec, converts=True)
    guard = house.bridge._panel.tap
    hear = guard.hear
    guard.hear = lambda packet, now: (hear(packet, now), packet)[1]  # takes nothing out
    for _ in range(5):
        house.play(frames(key_tone("5", 300)), rest_ms=1000)
    house.close()

    assert len(spandsp.digits(b"".join(to_pcm(each) for each in house.at_phone))) == 5
    assert house.opened == []


@needs_spandsp
@pytest.mark.timeout(60)
def test_no_key_is_left_for_a_carriers_detector_in_what_the_phone_hears(codec):
    house = KeyHouse(codec=codec)
    for tone in tones_of(7, 60):
        house.play(frames(tone), rest_ms=200)
    house.close()

    heard = np.concatenate(house.at_phone)
    for gain in (1.0, 0.5, 0.1):
        assert spandsp.digits(to_pcm(heard * gain)) == ""


@needs_spandsp
@pytest.mark.timeout(60)
@pytest.mark.parametrize("ms", [40, 70, 100, 300])
def test_a_door_code_in_a_greeting_presses_nothing_at_the_panel(codec, ms):
    rng = np.random.default_rng(ms)
    house = KeyHouse(codec=codec, events=False)
    words = rng.normal(0, 1200, 12_000)
    code = [
        np.concatenate((key_tone(each, ms, lead=int(rng.integers(FRAME))), np.zeros(ms * 8)))
        for each in "12*55#"
    ]
    house.play(resident=frames(words, *code, words))
    house.close()

    heard = np.concatenate(house.at_panel)
    assert spandsp.digits(to_pcm(np.concatenate((words, *code)))) == "12*55#"
    assert spandsp.digits(to_pcm(heard)) == ""
    assert np.mean(heard[:11_000] ** 2) == pytest.approx(1200**2, rel=0.1)


def test_a_residents_own_five_opens_two_seconds_after_the_visitors():
    for way in (SOUND, EVENT, INFO):
        house = KeyHouse(events=way is EVENT, loss_db=12)
        house.play(frames(key_tone("5", 200)), rest_ms=2000)
        if way is SOUND:
            house.play(resident=frames(key_tone("5", 120)))
        elif way is EVENT:
            house.event("5")
        else:
            house.bridge.digit_by_info(house.phone.leg.leg_id, "5")
        house.play()
        house.close()

        assert [(digit, its) for digit, its, _ in house.opened] == [("5", way)]


@pytest.mark.parametrize("way", [SOUND, EVENT, INFO])
def test_the_visitors_key_is_vetoed_by_every_way_until_after_its_tone(way):
    house = KeyHouse(events=way is EVENT)
    tone = frames(key_tone("5", 1000))
    if way is SOUND:
        house.play(tone, [*frames(np.zeros(4000)), *frames(key_tone("5", 200))])
    elif way is EVENT:
        house.event("5")
        house.play(tone)
    else:
        house.play(tone, rest_ms=round(1000 * VETO_S) - 200)
        house.bridge.digit_by_info(house.phone.leg.leg_id, "5")
    house.close()

    assert house.opened == []


def test_another_key_than_the_visitors_counts_at_once():
    house = KeyHouse()
    house.play(frames(key_tone("5", 100)), rest_ms=0)
    house.bridge.digit_by_info(house.phone.leg.leg_id, "9")
    house.close()

    assert house.digits == "9"


def test_a_visitors_words_reach_the_phone_unchanged_before_and_after_a_tone(codec):
    rng = np.random.default_rng(3)
    words = frames(rng.normal(0, 1500, 50 * FRAME))
    house = KeyHouse(codec=codec)
    house.play([*words, *frames(key_tone("5", 200)), *words], rest_ms=0)
    house.close()

    powers = [float(np.mean(each**2)) for each in house.at_phone]
    silent = [n for n, power in enumerate(powers) if power < 100**2]
    assert silent == list(range(silent[0], silent[-1] + 1))
    assert 9 <= len(silent) <= 11


def test_apps_hear_the_panel_untouched_while_no_phone_is_there():
    house = KeyHouse()
    house.bridge.detach(house.phone.leg.leg_id)

    assert house.bridge._panel.tap is None
    house.close()


def test_our_own_tones_and_ringing_are_not_taken_for_a_key():
    house = KeyHouse()
    sounds = [tones.ringback(), tones.opened(), tones.refused(), tones.ending_soon()]
    pcm = np.frombuffer(b"".join(sounds), "<i2").astype(float)
    house.play(frames(pcm))
    house.close()

    heard = np.concatenate(house.at_phone)[: len(pcm)]
    assert np.mean(heard**2) == pytest.approx(np.mean(pcm**2), rel=0.05)
