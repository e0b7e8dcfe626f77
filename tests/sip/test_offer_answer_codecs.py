"""G.722 and Opus in offers and answers (RFC 3551 §4.5.2, RFC 7587), and their telephone-events."""

import pytest

from intercom.errors import RemoteProtocolError
from intercom.sip import sdp
from intercom.sip.agreement import LocalMedia
from intercom.sip.codec import G711, Codec
from intercom.sip.offer_answer import make_answer, make_offer, read_answer

HEAD = "v=0\r\no=- 7 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
WIDE = (Codec.OPUS, Codec.G722, Codec.PCMA, Codec.PCMU)
BARESIP = HEAD + (
    "m=audio 23518 RTP/AVP 96 9 0 8 101\r\na=rtpmap:96 opus/48000/2\r\n"
    "a=fmtp:96 stereo=1;sprop-stereo=1\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
    "a=sendrecv\r\na=ptime:20\r\na=minptime:2\r\n"
)
LINPHONE = HEAD + (
    "m=audio 7078 RTP/AVP 96 97 0 8 9 101 99\r\na=rtpmap:96 opus/48000/2\r\n"
    "a=fmtp:96 useinbandfec=1\r\na=rtpmap:97 speex/16000\r\na=fmtp:97 vbr=on\r\n"
    "a=rtpmap:101 telephone-event/48000\r\na=rtpmap:99 telephone-event/8000\r\n"
)


def local(*codecs, port=6000):
    return LocalMedia("192.0.2.1", port, port + 1, codecs=codecs)


def answered(offer, *codecs):
    body, negotiated = make_answer(offer.encode(), local(*codecs))
    return sdp.parse(body).media[0], negotiated.audio


def test_opus_is_answered_with_two_channels_its_offers_number_and_repair():
    line, audio = answered(BARESIP, *WIDE)

    assert line.formats == ["96", "101"]
    assert line.values("rtpmap") == ["96 opus/48000/2", "101 telephone-event/8000"]
    assert line.parameters("96") == {"useinbandfec": "1"}
    assert (audio.codec, audio.payload_type) == (Codec.OPUS, 96)
    assert (audio.codec.clock_hz, audio.codec.sample_rate_hz) == (48_000, 48_000)


def test_g722_is_number_9_on_a_clock_of_8000_although_it_has_16000_samples():
    line, audio = answered(BARESIP, Codec.G722, Codec.PCMA)

    assert line.formats == ["9", "101"]
    assert line.codec("9") == ("G722", 8000)
    assert audio.codec is Codec.G722
    assert (audio.codec.clock_hz, audio.codec.sample_rate_hz) == (8000, 16_000)


@pytest.mark.parametrize("rtpmap", ["", "a=rtpmap:9 G722/16000\r\n", "a=rtpmap:9 g722/8000/1\r\n"])
def test_g722_is_known_without_its_name_and_with_the_clock_that_it_ought_to_have(rtpmap):
    line, audio = answered(HEAD + f"m=audio 4000 RTP/AVP 9\r\n{rtpmap}", *WIDE)

    assert audio.codec is Codec.G722
    assert line.codec("9") == ("G722", 8000)


@pytest.mark.parametrize("mapped", ["opus/8000/2", "opus/16000", "G722/32000", "G722/8000/2"])
def test_other_clocks_and_channels_are_other_codecs(mapped):
    offer = HEAD + f"m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 {mapped}\r\n"

    with pytest.raises(RemoteProtocolError, match="none of OPUS, G722, PCMA, PCMU"):
        answered(offer, *WIDE)


def test_opus_may_say_one_channel_or_none():
    for mapped in ("opus/48000/1", "opus/48000"):
        offer = HEAD + f"m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 {mapped}\r\n"
        assert answered(offer, *WIDE)[1].codec is Codec.OPUS


def test_what_apps_and_phones_surely_have_goes_first_unless_somebody_says_otherwise():
    usual = LocalMedia("192.0.2.1", 6000, 6001).codecs

    assert answered(BARESIP, *usual)[1].codec is Codec.PCMA
    assert answered(BARESIP, *usual, *WIDE)[1].codec is Codec.PCMA
    assert answered(BARESIP, Codec.OPUS, *usual)[1].codec is Codec.OPUS


@pytest.mark.parametrize(
    ("codecs", "number", "clock_hz"),
    [((Codec.OPUS,), 101, 48_000), ((Codec.G722,), 99, 8000), (G711, 99, 8000)],
)
def test_events_are_those_on_the_clock_of_the_sound(codecs, number, clock_hz):
    line, audio = answered(LINPHONE, *codecs)

    assert (audio.dtmf_payload_type, audio.dtmf_clock_hz) == (number, clock_hz)
    assert line.codec(str(number)) == ("TELEPHONE-EVENT", clock_hz)
    assert len(line.formats) == 2


def test_an_offer_of_opus_has_events_on_both_clocks_and_others_have_one():
    with_opus = sdp.parse(make_offer(local(Codec.OPUS, Codec.PCMA))).media[0]
    without = sdp.parse(make_offer(local(Codec.G722, *G711))).media[0]

    assert with_opus.formats == ["111", "8", "101", "110"]
    assert with_opus.codec("101") == ("TELEPHONE-EVENT", 8000)
    assert with_opus.codec("110") == ("TELEPHONE-EVENT", 48_000)
    assert with_opus.parameters("111") == {"useinbandfec": "1"}
    assert without.formats == ["9", "8", "0", "101"]


@pytest.mark.parametrize("codecs", [(Codec.OPUS,), (Codec.G722,), WIDE, WIDE[1:], G711])
def test_both_ends_read_the_same_agreement(codecs):
    offer = make_offer(local(*codecs))

    answer, theirs = make_answer(offer, local(*WIDE, port=7000))
    ours = read_answer(offer, answer)

    assert ours.audio.codec is theirs.audio.codec is codecs[0]
    assert ours.audio.dtmf_clock_hz == theirs.audio.dtmf_clock_hz == codecs[0].clock_hz
    assert ours.audio.dtmf_payload_type == theirs.audio.dtmf_payload_type


def test_a_peer_that_answers_opus_by_another_number_is_sent_that_and_sends_ours():
    offer = make_offer(local(*WIDE))
    answer = HEAD + (
        "m=audio 4000 RTP/AVP 96 97\r\na=rtpmap:96 opus/48000/2\r\n"
        "a=rtpmap:97 telephone-event/48000\r\n"
    )

    audio = read_answer(offer, answer.encode()).audio

    assert (audio.payload_type, audio.expected) == (96, 111)
    assert (audio.dtmf_send_payload_type, audio.dtmf_payload_type) == (97, 110)


def test_an_answer_with_both_clocks_of_events_is_heard_on_both():
    offer = make_offer(local(*WIDE))
    answer = HEAD + (
        "m=audio 4000 RTP/AVP 111 101 110\r\na=rtpmap:111 opus/48000/2\r\n"
        "a=rtpmap:101 telephone-event/8000\r\na=rtpmap:110 telephone-event/48000\r\n"
    )

    audio = read_answer(offer, answer.encode()).audio

    assert audio.event_clocks == {110: 48_000, 101: 8000}


def test_an_answer_with_a_codec_that_was_not_offered_is_refused():
    offer = make_offer(local(*G711))

    with pytest.raises(RemoteProtocolError, match="no codec that we offered"):
        read_answer(offer, (HEAD + "m=audio 4000 RTP/AVP 9\r\n").encode())


@pytest.mark.parametrize(
    ("lines", "is_asked"),
    [("", False), ("a=ptime:30\r\n", True), ("a=maxptime:40\r\n", True), ("a=ptime:x\r\n", False)],
)
def test_it_is_known_whether_a_peer_asked_for_a_length_of_packets(lines, is_asked):
    assert (
        answered(HEAD + "m=audio 4000 RTP/AVP 8\r\n" + lines, *G711)[1].is_ptime_asked is is_asked
    )
