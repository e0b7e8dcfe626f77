"""Session descriptions, offers and answers (RFC 8866, RFC 3264)."""

import pytest

from intercom.errors import RemoteProtocolError
from intercom.sip import sdp
from intercom.sip.offer_answer import (
    Codec,
    Direction,
    LocalMedia,
    make_answer,
    make_offer,
    read_answer,
)

PANEL = (
    "v=0\r\no=- 7 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 0 8 9 97\r\na=rtpmap:97 telephone-event/8000\r\na=ptime:20\r\n"
    "m=video 4002 RTP/AVP 34 99\r\na=rtpmap:34 H263/90000\r\na=rtpmap:99 H264/90000\r\n"
    "a=fmtp:99 profile-level-id=4D001F;packetization-mode=1;sprop-parameter-sets=Z00,aO4=\r\n"
    "a=rtcp-fb:* nack pli\r\na=rtcp-fb:99 ccm fir\r\na=rtcp-fb:99 nack\r\na=sendonly\r\n"
)


def local(**settings):
    options = {"video_port": 6002, "video_rtcp_port": 6003} | settings
    return LocalMedia("192.0.2.1", 6000, 6001, **options)


def answered(offer, **settings):
    body, negotiated = make_answer(offer.encode(), local(**settings))
    return sdp.parse(body), negotiated


def audio_only(**replacements):
    lines = PANEL.partition("m=video")[0]
    for old, new in replacements.items():
        assert old in lines
        lines = lines.replace(old, new)
    return lines


def test_a_panels_offer_is_answered_with_one_law_its_event_and_its_own_h264_profile():
    answer, negotiated = answered(PANEL)

    audio, video = answer.media
    assert (audio.port, audio.formats) == (6000, ["8", "97"])
    assert audio.codec("97") == ("TELEPHONE-EVENT", 8000)
    assert (video.port, video.formats) == (6002, ["99"])
    assert video.parameters("99")["profile-level-id"] == "4D001F"
    assert video.parameters("99")["packetization-mode"] == "1"
    assert video.values("rtcp-fb") == ["99 nack pli", "99 ccm fir"]
    assert video.direction is Direction.RECVONLY
    assert negotiated.video is not None
    assert negotiated.video.feedback == {"nack pli", "ccm fir"}
    assert negotiated.audio.remote == ("192.0.2.9", 4000)
    assert negotiated.audio.remote_rtcp == ("192.0.2.9", 4001)
    assert negotiated.audio.codec is Codec.PCMA
    assert negotiated.audio.dtmf_payload_type == 97
    assert negotiated.video is not None
    assert negotiated.video.sprop == "Z00,aO4="
    assert (negotiated.video.can_send, negotiated.video.can_receive) == (False, True)


def test_our_preference_among_the_laws_decides():
    _, negotiated = answered(PANEL, codecs=(Codec.PCMU, Codec.PCMA))

    assert negotiated.audio.codec is Codec.PCMU


def test_a_law_may_have_a_dynamic_payload_type():
    offer = audio_only(**{"0 8 9 97": "100 97", "a=ptime:20": "a=rtpmap:100 pcmu/8000"})

    answer, negotiated = answered(offer)

    assert negotiated.audio.payload_type == 100
    assert negotiated.audio.codec is Codec.PCMU
    assert answer.media[0].codec("100") == ("PCMU", 8000)


def test_without_video_of_ours_the_m_line_is_refused_by_port_0():
    answer, negotiated = answered(PANEL, video_port=None, video_rtcp_port=None)

    assert negotiated.video is None
    assert [media.port for media in answer.media] == [6000, 0]
    assert answer.media[1].formats == ["34", "99"]


def test_every_m_line_is_answered_in_order():
    head, audio, rest = PANEL.partition("m=audio")
    offer = (
        f"{head}m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nm=audio 5000 RTP/SAVP 8\r\n"
        f"m=text 0 RTP/AVP 98\r\n{audio}{rest}m=audio 9000 RTP/AVP 8\r\n"
    )

    answer, negotiated = answered(offer)

    lines = [(media.kind, media.port, media.protocol) for media in answer.media]
    assert lines == [
        ("application", 0, "UDP/DTLS/SCTP"),
        ("audio", 0, "RTP/SAVP"),
        ("text", 0, "RTP/AVP"),
        ("audio", 6000, "RTP/AVP"),
        ("video", 6002, "RTP/AVP"),
        ("audio", 0, "RTP/AVP"),
    ]
    assert negotiated.audio.remote == ("192.0.2.9", 4000)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("RTP/AVP", "RTP/SAVP"),
        ("RTP/AVP", "UDP/TLS/RTP/SAVPF"),
        ("0 8 9 97", "9 97"),
        ("4000", "0"),
        ("c=IN IP4 192.0.2.9", "c=IN IP4 panel.example"),
        ("c=IN IP4 192.0.2.9", "c=IN IP4 239.1.1.1/127"),
        ("m=audio", "m=image"),
    ],
)
def test_without_common_audio_it_is_488(old, new):
    with pytest.raises(RemoteProtocolError) as caught:
        answered(audio_only(**{old: new}))

    assert caught.value.status_hint == 488


@pytest.mark.parametrize(
    ("line", "direction", "can_send", "can_receive"),
    [
        ("a=sendrecv", Direction.SENDRECV, True, True),
        ("a=sendonly", Direction.RECVONLY, False, True),
        ("a=recvonly", Direction.SENDONLY, True, False),
        ("a=inactive", Direction.INACTIVE, False, False),
    ],
)
def test_hold_is_mirrored(line, direction, can_send, can_receive):
    answer, negotiated = answered(audio_only(**{"a=ptime:20": line}))

    assert answer.media[0].direction is direction
    assert (negotiated.audio.can_send, negotiated.audio.can_receive) == (can_send, can_receive)


def test_the_hold_of_rfc_2543_stops_our_sending():
    _, negotiated = answered(audio_only(**{"c=IN IP4 192.0.2.9": "c=IN IP4 0.0.0.0"}))

    assert not negotiated.audio.can_send


def test_a_direction_of_the_whole_description_holds_for_its_m_lines():
    answer, _ = answered(audio_only(**{"t=0 0": "t=0 0\r\na=sendonly"}))

    assert answer.media[0].direction is Direction.RECVONLY


def test_our_own_direction_limits_the_answer():
    answer, negotiated = answered(PANEL, audio_direction=Direction.SENDONLY)

    assert answer.media[0].direction is Direction.SENDONLY
    assert not negotiated.audio.can_receive


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a=rtcp:4099", ("192.0.2.9", 4099)),
        ("a=rtcp:4099 IN IP4 192.0.2.10", ("192.0.2.10", 4099)),
        ("a=rtcp:4099 IN IP4 nowhere", ("192.0.2.9", 4099)),
        ("a=rtcp:0", ("192.0.2.9", 4001)),
        ("a=rtcp:x", ("192.0.2.9", 4001)),
    ],
)
def test_the_rtcp_attribute_is_honoured(line, expected):
    _, negotiated = answered(audio_only(**{"a=ptime:20": line}))

    assert negotiated.audio.remote_rtcp == expected


def test_our_own_rtcp_port_is_said_when_it_is_not_the_next():
    body = make_offer(LocalMedia("192.0.2.1", 6000, 6010))

    assert sdp.parse(body).media[0].value("rtcp") == "6010"


@pytest.mark.parametrize(
    ("line", "expected"),
    [("a=ptime:30", 30), ("a=ptime:0", 20), ("a=ptime:1000000", 20), ("a=ptime:25", 20)],
)
def test_a_usual_ptime_is_taken_over(line, expected):
    answer, negotiated = answered(audio_only(**{"a=ptime:20": line}))

    assert negotiated.audio.ptime_ms == expected
    assert answer.media[0].value("ptime") == str(expected)


def test_the_events_on_the_clock_of_the_sound_are_taken():
    offer = audio_only(
        **{
            "0 8 9 97": "8 110 97",
            "a=ptime:20": "a=rtpmap:110 telephone-event/48000",
        }
    )

    _, negotiated = answered(offer)

    assert (negotiated.audio.dtmf_payload_type, negotiated.audio.dtmf_clock_hz) == (97, 8000)


def test_without_events_of_the_peer_there_are_none():
    answer, negotiated = answered(audio_only(**{"0 8 9 97": "0 8"}))

    assert negotiated.audio.dtmf_payload_type is None
    assert answer.media[0].formats == ["8"]


def test_ipv6_is_answered_with_ipv6():
    offer = audio_only(**{"c=IN IP4 192.0.2.9": "c=IN IP6 2001:db8::9"})

    body, negotiated = make_answer(offer.encode(), LocalMedia("2001:db8::1", 6000, 6001))

    assert negotiated.audio.remote == ("2001:db8::9", 4000)
    assert b"c=IN IP6 2001:db8::1\r\n" in body


def test_an_m_lines_own_connection_counts():
    offer = PANEL.replace("a=rtpmap:34", "c=IN IP4 192.0.2.77\r\na=rtpmap:34")

    _, negotiated = answered(offer)

    assert negotiated.video is not None
    assert negotiated.video.remote == ("192.0.2.77", 4002)
    assert negotiated.audio.remote[0] == "192.0.2.9"


def test_an_unsaid_h264_profile_is_baseline_level_1_and_mode_0():
    offer = PANEL.replace("a=fmtp:99", "a=fmtp:98")

    _, negotiated = answered(offer)

    assert negotiated.video is not None
    assert negotiated.video.profile_level_id == "42000a"
    assert negotiated.video.packetization_mode == 0


def test_packetization_mode_1_is_preferred():
    offer = PANEL.replace("34 99", "98 99").replace("a=rtpmap:34 H263", "a=rtpmap:98 h264")

    _, negotiated = answered(offer)

    assert negotiated.video is not None
    assert negotiated.video.payload_type == 99


def test_an_offer_and_its_answer_are_read_the_same_by_both():
    ours = local(video_direction=Direction.SENDONLY)
    offer = make_offer(ours)
    theirs = LocalMedia("192.0.2.2", 7000, 7001, 7002, 7003, codecs=(Codec.PCMU,))

    answer, seen_by_them = make_answer(offer, theirs)
    seen_by_us = read_answer(offer, answer)

    assert seen_by_us.audio.remote == ("192.0.2.2", 7000)
    assert seen_by_them.audio.remote == ("192.0.2.1", 6000)
    assert seen_by_us.audio.codec is seen_by_them.audio.codec is Codec.PCMU
    assert seen_by_us.audio.dtmf_payload_type == seen_by_us.audio.dtmf_send_payload_type == 101
    assert seen_by_us.video is not None
    assert seen_by_them.video is not None
    assert (seen_by_us.video.can_send, seen_by_us.video.can_receive) == (True, False)
    assert (seen_by_them.video.can_send, seen_by_them.video.can_receive) == (False, True)


def test_event_payload_types_may_differ_each_way():
    offer = make_offer(local(dtmf_payload_type=101, video_port=None, video_rtcp_port=None))
    answer = audio_only(**{"0 8 9 97": "8 97"}).encode()

    audio = read_answer(offer, answer).audio

    assert audio.dtmf_payload_type == 101
    assert audio.dtmf_send_payload_type == 97


def test_an_answer_that_refuses_the_picture_is_audio_only():
    offer = make_offer(local())

    assert read_answer(offer, PANEL.replace("video 4002", "video 0").encode()).video is None


def test_an_answer_without_audio_is_488():
    with pytest.raises(RemoteProtocolError) as caught:
        read_answer(make_offer(local()), PANEL.replace("audio 4000", "audio 0").encode())

    assert caught.value.status_hint == 488


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"v=0\r\nm=audio x RTP/AVP 8\r\n",
        b"v=0\r\nm=audio 99999 RTP/AVP 8\r\n",
        b"v=0\r\nc=IN IP9 h\r\n",
        b"v=0\r\n" + b"m=audio 1 RTP/AVP 8\r\n" * 17,
        b"v=0\r\n" + b"a=x\r\n" * 600,
        b"v=0\r\n" + b"a=" + b"x" * 17_000,
        b"\xff\xfe\0",
    ],
)
def test_what_is_no_description_raises_remote_protocol_error(body):
    with pytest.raises(RemoteProtocolError):
        sdp.parse(body)
