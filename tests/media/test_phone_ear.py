"""Keys and beeps in a phone's own sound: one press is one opening, on ways that lose and disorder packets."""

import random

import numpy as np
import pytest

from intercom.media import g711, rtp, tones
from intercom.media.encode import Encoder
from intercom.media.phone_ear import BEEP_LIMIT_S, PhoneEar
from intercom.sip.codec import Codec
from tests.media import dtmf_corpus
from tests.media.key_house import (
    EVENT,
    FRAME,
    INFO,
    SILENCE,
    SOUND,
    KeyHouse,
    PlainerLeg,
    frames,
    key_tone,
    to_pcm,
)
from tests.media.peers import DTMF


class Ear:
    """A phone's ear, and packets for it."""

    def __init__(self, codec=Codec.PCMA, *, events=False, sequence=65_530, ssrc=9):
        leg = PlainerLeg("phone", float, codec=codec)
        leg.events = events
        self.digits, self.beeps, self.now = [], 0, 10.0
        self.codec, self.sequence, self.ssrc = codec, sequence, ssrc
        self.timestamp = 0xFFFFFF00
        self.ear = PhoneEar(leg, self._pressed, self._beeped)
        self.encoder = None if codec.is_g711 else Encoder(codec, 8000, 20)

    def _pressed(self, digit, _now):
        self.digits.append(digit)
        self.ear.stop_beep()  # as whoever takes the keys does: a person is there

    def _beeped(self):
        self.beeps += 1

    def packet(self, samples):
        """Make the next packet of the stream."""
        pcm = to_pcm(samples + np.random.default_rng(self.sequence).normal(0, 8, len(samples)))
        sound = g711.encode(pcm, self.codec) if self.encoder is None else self.encoder.encode(pcm)
        head = rtp.build_header(self.codec.value, self.sequence, self.timestamp, self.ssrc)
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.timestamp = (self.timestamp + len(samples) * self.codec.clock_hz // 8000) & 0xFFFFFFFF
        return memoryview(bytes(head) + sound)

    def packets(self, *sounds, size=FRAME):
        whole = np.concatenate(sounds)
        return [self.packet(whole[at : at + size]) for at in range(0, len(whole) - size + 1, size)]

    def hear(self, packets):
        """Let packets come, 20 ms apart; give what goes on to the panel."""
        out = []
        for packet in packets:
            self.now += 0.02
            out.append(self.ear.hear(packet, self.now))
        return out


def rest(ms):
    return np.zeros(ms * 8)


def one_press(digit="5", ms=120, lead_ms=200):
    return rest(lead_ms), key_tone(digit, ms), rest(300)


@pytest.mark.parametrize("codec", Codec, ids=lambda codec: codec.name)
def test_a_key_in_the_sound_of_any_codec_is_told_once_and_kept_from_the_panel(codec):
    ear = Ear(codec)
    packets = ear.packets(*one_press("5", 200))

    out = ear.hear(packets)

    assert ear.digits == ["5"]
    kept = [n for n, (came, went) in enumerate(zip(packets, out, strict=True)) if went is not came]
    assert 9 <= len(kept) <= 12
    if codec.is_g711:
        assert {bytes(out[n][12:]) for n in kept} == {bytes([g711.SILENCE[codec]]) * FRAME}
        assert all(out[n][:12] == packets[n][:12] for n in kept)
    else:
        assert {out[n] for n in kept} == {None}


@pytest.mark.parametrize("size", [80, 240, 320, 480, 960])
def test_the_length_of_the_packets_changes_nothing(size):
    ear = Ear()

    ear.hear(ear.packets(*one_press(), size=size))

    assert ear.digits == ["5"]


def test_where_telephone_events_are_agreed_on_a_key_in_the_sound_must_last_100_ms():
    for ms, told in ((85, []), (130, ["5"])):
        ear = Ear(events=True)
        ear.hear(ear.packets(*one_press(ms=ms)))

        assert ear.digits == told


def test_one_lost_packet_inside_a_press_makes_neither_none_nor_two():
    for lost in range(10, 17):
        ear = Ear()
        packets = ear.packets(*one_press(ms=120))
        ear.hear([each for n, each in enumerate(packets) if n != lost])

        assert ear.digits == ["5"]


def test_presses_are_two_though_the_pause_between_them_was_lost():
    ear = Ear()
    packets = ear.packets(rest(200), key_tone("5", 80), rest(60), key_tone("5", 80), rest(200))

    ear.hear([each for n, each in enumerate(packets) if n not in (14, 15, 16)])

    assert ear.digits == ["5", "5"]


def test_a_pause_in_which_nothing_was_sent_parts_two_presses():
    ear = Ear()
    ear.hear(ear.packets(rest(200), key_tone("5", 80)))
    ear.timestamp += 8 * 60  # 60 ms of silence that were not sent: their numbers go on
    ear.hear(ear.packets(key_tone("5", 80), rest(200)))

    assert ear.digits == ["5", "5"]


def test_copies_and_packets_out_of_order_make_no_press_more_or_less():
    rng = random.Random(4)
    for _ in range(20):
        ear = Ear(sequence=rng.randrange(65_536))
        packets = ear.packets(*one_press(), *one_press("9"), *one_press("5"), *one_press("1"))
        came = sorted(enumerate(packets), key=lambda each: each[0] + rng.uniform(0, 2))
        came += rng.sample(came, 5)
        ear.hear([packet for _, packet in sorted(came, key=lambda each: each[0] // 4)])
        # The first that comes late shows what the way is like, and may cost a press.
        assert "".join(ear.digits) in ("5951", "951")


def test_a_new_source_is_followed_from_its_first_packet():
    ear = Ear()
    ear.hear(ear.packets(*one_press("1")))
    ear.ssrc, ear.sequence = 10, 3

    ear.hear(ear.packets(*one_press("2")))

    assert ear.digits == ["1", "2"]


def test_any_bytes_are_survived():
    rng = random.Random(1)
    for codec in Codec:
        ear = Ear(codec)
        for _ in range(300):
            ear.ear.hear(
                memoryview(
                    bytes([0x80 | rng.randrange(64)]) + rng.randbytes(rng.randrange(11, 300))
                ),
                1.0,
            )


@pytest.mark.parametrize("loss", [0.0, 0.05, 0.15, 0.3])
@pytest.mark.timeout(60)
def test_one_press_by_all_ways_at_once_is_one_opening_whatever_is_lost(loss):
    rng = random.Random(round(100 * loss))
    presses = 60
    house = KeyHouse()
    say = house.phone.send
    house.phone.send = lambda *each, **more: (
        say(*each, **more) if rng.random() >= loss else skip(house.phone)
    )
    for n in range(presses):
        digit = "1234567890"[n % 10]
        info_at = rng.choice([0, 2, 5, 20])
        house.event(digit)
        for tick, sound in enumerate(frames(key_tone(digit, 120), rest_ms=1300)):
            if tick == info_at:
                house.bridge.digit_by_info(house.phone.leg.leg_id, digit)
            house.tick(resident=sound)
    house.close()

    assert house.digits == ("1234567890" * presses)[:presses]


def skip(end):
    """Lose a packet: its number is gone."""
    end.sequence = (end.sequence + 1) & 0xFFFF


@pytest.mark.timeout(60)
def test_of_keys_in_the_sound_alone_nearly_all_survive_a_loss_of_5_percent():
    rng = random.Random(5)
    heard = 0
    for n in range(150):
        ear = Ear(sequence=rng.randrange(65_536))
        packets = ear.packets(*one_press("1234567890*#"[n % 12], 120))
        ear.hear([each for each in packets if rng.random() >= 0.05])
        assert len(ear.digits) <= 1
        heard += len(ear.digits)

    assert heard >= 149


def test_after_an_event_the_sounds_keys_are_only_its_echo():
    house = KeyHouse()
    house.event("5")
    house.play(resident=frames(rest(2000), key_tone("5", 200)), rest_ms=200)
    house.close()

    assert [(digit, way) for digit, way, _ in house.opened] == [("5", EVENT)]


def test_a_key_in_the_sound_that_its_event_follows_late_opens_once():
    house = KeyHouse()
    house.play(resident=frames(key_tone("5", 160)), rest_ms=0)
    house.event("5")
    house.play(rest_ms=300)
    house.bridge.digit_by_info(house.phone.leg.leg_id, "5")
    house.close()

    assert [(digit, way) for digit, way, _ in house.opened] == [("5", SOUND)]


def test_info_after_info_is_a_second_press():
    house = KeyHouse()
    for _ in range(2):
        house.bridge.digit_by_info(house.phone.leg.leg_id, "5")
        house.play()
    house.close()

    assert [way for _, way, _ in house.opened] == [INFO, INFO]


def test_flash_and_unknown_events_are_no_keys_and_do_not_stop_those_in_the_sound():
    house = KeyHouse()
    for event in (16, 17, 64, 255):
        house.phone.send(bytes([event, 10, 0, 160]), DTMF)
        house.tick()
    house.play(resident=frames(*one_press("5", 150)))
    house.close()

    assert house.digits == "5"


def test_a_key_counts_neither_before_the_phone_is_in_the_call_nor_after():
    house = KeyHouse(events=False)
    house.bridge.detach(house.phone.leg.leg_id)
    house.play(resident=frames(*one_press()))
    house.bridge.attach(house.phone.leg, hears_visitor=False, is_phone=True)
    house.bridge.close()
    house.play(resident=frames(*one_press()))
    house.close()

    assert house.opened == []


def test_a_key_counts_from_a_phone_that_is_not_connected_yet():
    house = KeyHouse(events=False)
    house.bridge.disconnect(house.phone.leg.leg_id)
    house.play(resident=frames(*one_press()))
    house.close()

    assert house.digits == "5"


def test_a_residents_words_reach_the_panel_unchanged():
    rng = np.random.default_rng(8)
    ear = Ear()
    packets = ear.packets(rng.normal(0, 1500, 8000))

    assert all(came is went for came, went in zip(packets, ear.hear(packets), strict=True))


@pytest.mark.parametrize("hz", [700, 1000, 1150, 1300])
@pytest.mark.parametrize("codec", Codec, ids=lambda codec: codec.name)
def test_one_steady_tone_from_a_phone_reaches_the_panel_in_any_codec(codec, hz):
    ear = Ear(codec)
    packets = ear.packets(rest(40), 8000 * np.sin(2 * np.pi * hz * np.arange(8000) / 8000))

    out = ear.hear(packets)[3:]

    assert sum(went is not came for came, went in zip(packets[3:], out, strict=True)) <= 1


@pytest.mark.timeout(60)
@pytest.mark.parametrize("condition", dtmf_corpus.ACCEPTED)
def test_an_ear_tells_of_hard_lines_what_the_detector_tells_that_looks_at_everything(condition):
    for case in dtmf_corpus.make(condition, lines=2, seed=4):
        ear = Ear()
        ear.ear.stop_beep()
        wave = np.frombuffer(case.pcm, "<i2").astype(float)
        packets = ear.packets(wave)
        ear.hear([each for n, each in enumerate(packets) if n not in case.lost])

        assert "".join(ear.digits) == case.digits


def beep():
    return np.frombuffer(tones.tone([1000], 400), "<i2").astype(float)


def test_a_beep_is_told_once_with_the_leg_it_came_from():
    house = KeyHouse()
    house.play(resident=frames(rest(300), beep()))
    house.close()

    assert house.beeps == ["phone"]


def test_a_beep_after_a_key_is_nobodys_machine():
    house = KeyHouse()
    house.event("1")
    house.play(resident=frames(rest(400), beep()))
    house.close()

    assert house.beeps == []


def test_beeps_are_listened_for_as_long_as_a_phone_may_be_unaccepted():
    ear = Ear()
    ear.hear(ear.packets(rest(100)))
    ear.now += BEEP_LIMIT_S + 1
    ear.hear(ear.packets(beep(), rest(200)))

    assert ear.beeps == 0


def test_silence_is_no_press():
    house = KeyHouse()
    for _ in range(100):
        house.tick(SILENCE, SILENCE)
    house.close()

    assert house.opened == []


def talk(ms, level=4000):
    """Something as loud as talk on a telephone, in syllables."""
    at = np.arange(ms * 8) / 8000
    voice = sum(np.sin(2 * np.pi * 140 * n * at) / n for n in (1, 2, 3, 5))
    return level * voice * np.sin(np.pi * 4 * at) ** 2


def test_a_key_in_the_midst_of_a_machines_greeting_is_nobodys():
    ear = Ear()

    ear.hear(ear.packets(talk(1200), key_tone("5", 300), talk(800)))

    assert ear.digits == []


def test_who_has_spoken_a_moment_ago_accepts_by_a_key():
    ear = Ear()

    ear.hear(ear.packets(talk(1200), rest(260), *one_press("5", 150, lead_ms=0)))

    assert ear.digits == ["5"]


def test_once_a_person_is_there_a_key_counts_in_the_midst_of_talk():
    ear = Ear()
    ear.hear(ear.packets(rest(100)))
    ear.ear.stop_beep()

    ear.hear(ear.packets(talk(1200), key_tone("5", 150), talk(300)))

    assert ear.digits == ["5"]
