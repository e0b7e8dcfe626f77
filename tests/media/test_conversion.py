"""Sound between legs of different codecs and packet lengths, through the bridge on 127.0.0.1."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from intercom.media import dtmf, g711, rtp, tones
from intercom.media.bridge import Bridge
from intercom.media.conversion import Conversion, Transcodings, codecs_beside
from intercom.media.decode import Decoder
from intercom.media.encode import Encoder
from intercom.media.transcode import transcoder
from intercom.sip.codec import G711, Codec
from tests.media.peers import DTMF, Peer, delivered

TONE = tones.tone([440], 400)
FRAMES = [TONE[at : at + 320] for at in range(0, len(TONE), 320)]
OTHER_CLOCK = 102


class CodecPeer(Peer):
    """A peer that may ask for a length of packets, and counts on its codec's clock."""

    def __init__(self, *arguments, ptime_ms=None, has_two_clocks=False, **shape):
        self.ptime_ms, self.has_two_clocks = ptime_ms, has_two_clocks
        super().__init__(*arguments, **shape)
        self.timestamp = 48_000

    def negotiated(self, *, can_send=True):
        agreed = super().negotiated(can_send=can_send)
        audio = replace(
            agreed.audio,
            ptime_ms=self.ptime_ms or 20,
            is_ptime_asked=self.ptime_ms is not None,
            other_events=((OTHER_CLOCK, 8000),) if self.has_two_clocks else (),
        )
        return replace(agreed, audio=audio)

    def speak(self, payload, *, ms=20, **other):
        self.say(payload, timestamp=self.timestamp, **other)
        self.timestamp += self.codec.clock_hz * ms // 1000


class Talk:
    """A panel and one connected phone."""

    def __init__(self, panel, phone, *, limit=8, **of_phone):
        self.digits = []
        self.transcodings = Transcodings(limit)
        self.bridge = Bridge(
            on_digit=lambda *pressed: self.digits.append(pressed), transcodings=self.transcodings
        )
        self.panel = CodecPeer("panel", codec=panel, ssrc=1)
        self.phone = CodecPeer("phone", codec=phone, ssrc=2, **of_phone)
        self.bridge.attach_panel(self.panel.leg)
        self.bridge.attach(self.phone.leg, hears_visitor=False, is_phone=True)
        self.bridge.connect(self.phone.leg.leg_id)

    async def say(self, speaker, frames=FRAMES):
        encoder = Encoder(speaker.codec)
        for frame in frames:
            speaker.speak(encoder.encode(frame))
            await delivered()

    def close(self):
        self.bridge.close()
        self.panel.close()
        self.phone.close()


@pytest.fixture
def talk():
    talks = []

    def start(*arguments, **options):
        talks.append(Talk(*arguments, **options))
        return talks[-1]

    yield start
    for one in talks:
        one.close()


def pcm_of(heard, codec):
    decoder = Decoder(codec)
    return b"".join(decoder.feed(payload) for _, payload in heard)


def sequence_steps(heard):
    numbers = [header.sequence_number for header, _ in heard]
    return [(b - a) & 0xFFFF for a, b in pairwise(numbers)]


@pytest.mark.parametrize("codec", Codec)
async def test_what_both_have_goes_through_untouched(talk, codec):
    one = talk(codec, codec)
    sent = [Encoder(codec).encode(frame) for frame in FRAMES]

    for payload in sent:
        one.panel.speak(payload)
        one.phone.speak(payload)
    await delivered()

    assert [payload for _, payload in one.phone.heard()] == sent
    assert [payload for _, payload in one.panel.heard()] == sent
    assert one.transcodings.in_use == 0


@pytest.mark.parametrize("codec", [Codec.OPUS, Codec.G722])
async def test_timestamps_that_pass_through_keep_their_codecs_clock(talk, codec):
    one = talk(codec, codec)
    await one.say(one.panel)

    heard = [header.timestamp for header, _ in one.phone.heard()]

    steps = {(b - a) & 0xFFFFFFFF for a, b in pairwise(heard)}
    assert steps == {codec.clock_hz // 50}


@pytest.mark.parametrize("wide", [Codec.OPUS, Codec.G722])
@pytest.mark.parametrize("law", G711)
async def test_a_phone_of_g711_talks_with_a_panel_of_another_codec(talk, wide, law):
    one = talk(wide, law)

    await one.say(one.panel)
    await one.say(one.phone)

    to_phone, to_panel = one.phone.heard(), one.panel.heard()
    assert tones.level_of(pcm_of(to_phone, law)[1600:], 440) > 0.95
    assert tones.level_of(pcm_of(to_panel, wide)[1600:], 440) > 0.95
    assert {header.payload_type for header, _ in to_phone} == {law.value}
    assert set(sequence_steps(to_phone)) == set(sequence_steps(to_panel)) == {1}
    assert one.transcodings.in_use == 2
    one.bridge.close()
    assert one.transcodings.in_use == 0


async def test_a_loss_on_the_way_in_is_a_loss_on_the_way_out(talk):
    one = talk(Codec.OPUS, Codec.PCMA)
    encoder = Encoder(Codec.OPUS)
    for number, frame in enumerate(FRAMES):
        payload = encoder.encode(frame)
        if number == 7:
            one.panel.sequence += 1
            one.panel.timestamp += 960
        else:
            one.panel.speak(payload)
    await delivered()

    heard = one.phone.heard()

    assert len(heard) == len(FRAMES) - 1
    assert sorted(sequence_steps(heard)) == [1] * (len(heard) - 2) + [2]


async def test_without_room_nothing_is_transcoded_and_the_operator_is_told_once(talk):
    one = talk(Codec.OPUS, Codec.PCMA, limit=1)

    with capture_logs() as logs:
        await one.say(one.panel)
        await one.say(one.phone)

    assert len(one.phone.heard()) == len(FRAMES)
    assert one.panel.heard() == []
    assert one.transcodings.in_use == 1
    assert [entry["event"] for entry in logs] == ["media.transcoding_refused"]


async def test_a_codec_that_changes_in_mid_call_gives_its_place_back(talk):
    one = talk(Codec.OPUS, Codec.PCMA)
    await one.say(one.panel)
    await one.say(one.phone)
    one.phone.heard()

    one.panel.codec = Codec.PCMU
    one.panel.leg.update(one.panel.negotiated())
    await one.say(one.panel)
    await one.say(one.phone)

    assert one.transcodings.in_use == 0
    assert tones.level_of(pcm_of(one.phone.heard(), Codec.PCMA)[1600:], 440) > 0.95


@pytest.mark.parametrize(("comes_ms", "wanted_ms"), [(20, 40), (20, 10), (10, 20), (30, 20)])
@pytest.mark.parametrize("codec", [Codec.PCMA, Codec.G722])
async def test_packets_are_as_long_as_the_peer_asked_for(talk, codec, comes_ms, wanted_ms):
    one = talk(codec, codec, ptime_ms=wanted_ms)
    voice = bytes(range(240)) * 16
    size = comes_ms * 8

    for at in range(0, len(voice), size):
        one.panel.speak(voice[at : at + size], ms=comes_ms)
    await delivered()

    heard = one.phone.heard()
    assert {len(payload) for _, payload in heard} == {wanted_ms * 8}
    assert b"".join(payload for _, payload in heard) == voice
    assert set(sequence_steps(heard)) == {1}


async def test_another_law_and_another_length_go_together(talk):
    one = talk(Codec.PCMA, Codec.PCMU, ptime_ms=40)
    voice = bytes(range(160)) * 4

    for at in range(0, len(voice), 160):
        one.panel.speak(voice[at : at + 160])
    await delivered()

    heard = b"".join(payload for _, payload in one.phone.heard())
    assert heard == g711.convert(voice, Codec.PCMA, Codec.PCMU)


async def test_a_peer_that_asked_for_no_length_takes_what_comes(talk):
    one = talk(Codec.PCMA, Codec.PCMA)

    for ms in (10, 30, 60):
        one.panel.speak(bytes(ms * 8), ms=ms)
    await delivered()

    assert [len(payload) for _, payload in one.phone.heard()] == [80, 240, 480]


async def test_a_key_between_the_sound_is_no_loss_to_a_transcoding(talk):
    one = talk(Codec.OPUS, Codec.PCMA)
    encoder = Encoder(Codec.PCMA)

    for number, frame in enumerate(FRAMES):
        payload = encoder.encode(frame)
        if number == 8:
            one.phone.speak(dtmf.build_event("5", 160), payload_type=DTMF, marker=True)
        else:
            one.phone.speak(payload)
    await delivered()

    heard = one.panel.heard()
    assert [digit for _, digit, _ in one.digits] == ["5"]
    assert set(sequence_steps(heard)) == {1}
    assert len(heard) == len(FRAMES) - 1


async def test_keys_on_either_clock_count(talk):
    one = talk(Codec.OPUS, Codec.OPUS, has_two_clocks=True, dtmf_clock_hz=48_000)

    one.phone.speak(dtmf.build_event("5", 960), payload_type=DTMF, marker=True)
    one.phone.speak(dtmf.build_event("7", 160), payload_type=OTHER_CLOCK, marker=True)
    await delivered()

    assert [digit for _, digit, _ in one.digits] == ["5", "7"]


@pytest.mark.parametrize("codec", Codec)
async def test_a_prompt_is_heard_in_whatever_codec_the_leg_has(talk, codec):
    one = talk(codec, codec)

    length_s = one.bridge.play(one.phone.leg.leg_id, TONE)
    for _ in range(60):
        await delivered()

    heard = one.phone.heard()
    assert length_s == pytest.approx(0.4)
    assert tones.level_of(pcm_of(heard, codec)[640:], 440) > 0.9
    times = [header.timestamp for header, _ in heard]
    steps = {(b - a) & 0xFFFFFFFF for a, b in pairwise(times)}
    assert steps == {codec.clock_hz // 50}


@given(st.lists(st.binary(max_size=40), max_size=20), st.sampled_from([*Codec]))
def test_no_bytes_make_a_conversion_fail(packets, codec):
    other = Codec.PCMU if codec is Codec.OPUS else Codec.OPUS
    one = Conversion(transcoder(codec, other), None)

    for packet in packets:
        head = rtp.build_header(codec.value, len(packet), 160 * len(packet), 7)
        for each in (packet, bytes(head) + packet):
            for made in one.convert(each):
                assert rtp.parse(made) is not None
            one.skip(each)


def test_beside_g711_only_g711_is_offered_and_beside_others_what_everybody_can():
    assert codecs_beside(Codec.PCMU, may_transcode=True) == (Codec.PCMU, Codec.PCMA)
    assert codecs_beside(Codec.PCMU, may_transcode=False) == (Codec.PCMU, Codec.PCMA)
    assert codecs_beside(Codec.OPUS, may_transcode=True) == (Codec.OPUS, *G711)
    assert codecs_beside(Codec.G722, may_transcode=False) == (Codec.G722,)


def test_there_is_room_for_a_talk_only_where_both_its_ways_fit():
    some = Transcodings(3)

    assert some.has_room
    assert some.take()
    assert some.has_room
    assert some.take()
    assert not some.has_room
    some.give_back()
    assert some.has_room
