"""Offer/answer line by line (RFC 3264, RFC 8866), with what real panels and carriers write."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intercom.errors import RemoteProtocolError
from intercom.sip import sdp
from intercom.sip.agreement import LocalMedia, Srtp
from intercom.sip.codec import Codec
from intercom.sip.offer_answer import make_answer, make_offer, read_answer
from intercom.sip.sdp import Direction
from tests.sip.test_offer_answer_srtp import OURS, crypto

HEAD = "v=0\r\no=- 7 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
AUDIO = "m=audio 4000 RTP/AVP 0 8 97\r\na=rtpmap:97 telephone-event/8000\r\n"
H264 = "a=rtpmap:{0} H264/90000\r\na=fmtp:{0} profile-level-id={1};packetization-mode={2}\r\n"


def local(**changes):
    options = {"video_port": 6002, "video_rtcp_port": 6003} | changes
    return LocalMedia(options.pop("host", "192.0.2.1"), 6000, 6001, **options)


def answered(offer, **changes):
    body, negotiated = make_answer(offer.encode(), local(**changes))
    return sdp.parse(body), negotiated


def refusal(offer, **changes):
    with pytest.raises(RemoteProtocolError) as caught:
        answered(offer, **changes)
    assert caught.value.status_hint == 488
    return str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "m=application 5000 UDP/BFCP *",
        "m=message 2855 TCP/MSRP *",
        "m=image 5002 udptl t38",
        "m=text 5004 RTP/AVP 98",
        "m=audio 5006 RTP/AVP 9",
        "m=audio 5006/2 RTP/AVP 0 8",
        "m=audio 5006 TCP/RTP/AVP 8",
        "m=video 5008 RTP/AVP 34",
        "m=quantum 5010 NEW/PROTO æ 日本",
    ],
)
def test_what_we_do_not_speak_is_refused_by_port_0_at_its_place(line):
    answer, negotiated = answered(HEAD + AUDIO + line + "\r\na=mid:2\r\n")

    assert [media.port for media in answer.media] == [6000, 0]
    kind, _, protocol, *formats = line[2:].split()
    refused = answer.media[1]
    assert (refused.kind, refused.protocol, refused.formats) == (kind, protocol.upper(), formats)
    assert negotiated.audio.remote == ("192.0.2.9", 4000)


def test_bundle_rtcp_mux_ice_and_simulcast_are_passed_over():
    offer = (
        HEAD
        + "a=group:BUNDLE a v\r\na=ice-lite\r\na=msid-semantic: WMS\r\n"
        + AUDIO
        + "a=mid:a\r\na=rtcp-mux\r\na=ice-ufrag:x\r\na=ice-pwd:y\r\n"
        "a=candidate:1 1 UDP 1 192.0.2.66 7 typ host\r\na=extmap:1 urn:x\r\n"
    )

    body, negotiated = make_answer(offer.encode(), local())

    for name in (b"group", b"mid", b"rtcp-mux", b"ice", b"candidate", b"extmap"):
        assert b"a=" + name not in body
    assert negotiated.audio.remote == ("192.0.2.9", 4000)
    assert negotiated.audio.remote_rtcp == ("192.0.2.9", 4001)


@pytest.mark.parametrize("other", ["9", "96 107 110", "18 4"])
def test_other_codecs_beside_g711_are_passed_over(other):
    offer = HEAD + (
        f"m=audio 4000 RTP/AVP {other} 8 101\r\na=rtpmap:96 opus/48000/2\r\n"
        "a=rtpmap:107 PCMA/16000\r\na=rtpmap:110 PCMU/8000/2\r\na=rtpmap:101 telephone-event/8000\r\n"
    )

    answer, negotiated = answered(offer)

    assert answer.media[0].formats == ["8", "101"]
    assert negotiated.audio.codec is Codec.PCMA


@pytest.mark.parametrize(
    "formats",
    [
        "96\r\na=rtpmap:96 opus/48000/2",
        "9",
        "8\r\na=rtpmap:8 PCMA/8000/2",
        "8\r\na=rtpmap:8 L16/8000",
    ],
)
def test_without_g711_it_is_488_and_says_so(formats):
    assert "none of PCMA, PCMU" in refusal(HEAD + f"m=audio 4000 RTP/AVP {formats}\r\n")


@pytest.mark.parametrize(
    ("offer", "words"),
    [
        (HEAD.replace("IP4 192.0.2.9\r\nt", "IP4 pbx.example\r\nt") + AUDIO, "host names"),
        (HEAD.replace("c=IN IP4 192.0.2.9\r\n", "") + AUDIO, "no IP address"),
        (HEAD + AUDIO.replace("4000", "0"), "port 0"),
        (HEAD + AUDIO.replace("RTP/AVP", "UDP/TLS/RTP/SAVPF"), "protocol"),
        (HEAD + "m=video 4002 RTP/AVP 99\r\n", "none is offered"),
        (HEAD, "none is offered"),
        (HEAD.replace("c=IN IP4 192.0.2.9", "c=IN IP6 2001:db8::9") + AUDIO, "no IPv4"),
    ],
)
def test_the_refusal_says_why(offer, words):
    assert words in refusal(offer)


def test_ipv6_offered_to_ipv6_is_taken_and_ipv4_is_not():
    offer = HEAD.replace("c=IN IP4 192.0.2.9", "c=IN IP6 2001:db8::9") + AUDIO

    assert answered(offer, host="2001:db8::1")[1].audio.remote == ("2001:db8::9", 4000)
    assert "no IPv6" in refusal(HEAD + AUDIO, host="2001:db8::1")


def test_of_two_m_lines_with_addresses_of_both_kinds_ours_is_taken():
    offer = HEAD + AUDIO + "c=IN IP6 2001:db8::9\r\n" + AUDIO.replace("4000", "4100")

    answer, _ = answered(offer)

    assert [media.port for media in answer.media] == [0, 6000]


def test_the_time_is_repeated():
    assert answered(HEAD.replace("t=0 0", "t=3724394400 3724398000") + AUDIO)[0].time == (
        "3724394400 3724398000"
    )
    assert answered(HEAD.replace("t=0 0", "t=x y") + AUDIO)[0].time == "0 0"


def test_static_payload_types_need_no_rtpmap():
    assert answered(HEAD + "m=audio 4000 RTP/AVP 8 0\r\n")[1].audio.payload_type == 8


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("a=ptime:30\r\na=maxptime:30\r\n", 30),
        ("a=ptime:20\r\na=maxptime:150\r\n", 20),
        ("a=maxptime:10\r\n", 10),
        ("a=ptime:60\r\na=maxptime:40\r\n", 40),
        ("a=maxptime:0\r\n", 20),
        ("a=maxptime:5\r\n", 20),
        ("a=maxptime:x\r\n", 20),
    ],
)
def test_ptime_stays_within_maxptime(lines, expected):
    assert answered(HEAD + AUDIO + lines)[1].audio.ptime_ms == expected


@pytest.mark.parametrize("clock_hz", [8000, 16_000, 48_000])
def test_events_of_any_clock_are_taken_with_their_payload_type(clock_hz):
    offer = HEAD + f"m=audio 4000 RTP/AVP 8 121\r\na=rtpmap:121 telephone-event/{clock_hz}\r\n"

    answer, negotiated = answered(offer)

    assert answer.media[0].codec("121") == ("TELEPHONE-EVENT", clock_hz)
    assert (negotiated.audio.dtmf_payload_type, negotiated.audio.dtmf_clock_hz) == (121, clock_hz)


@pytest.mark.parametrize(
    ("held", "direction"),
    [
        ("a=sendonly\r\n", Direction.RECVONLY),
        ("a=inactive\r\n", Direction.INACTIVE),
        ("a=recvonly\r\n", Direction.SENDONLY),
    ],
)
def test_hold_may_stand_above_all_m_lines_and_an_m_line_overrules_it(held, direction):
    assert answered(HEAD + held + AUDIO)[0].media[0].direction is direction
    assert answered(HEAD + held + AUDIO + "a=sendrecv\r\n")[0].media[0].direction is (
        Direction.SENDRECV
    )


def test_hold_by_0000_is_agreed_to_and_only_our_sending_stops():
    _, negotiated = answered(HEAD + AUDIO + "c=IN IP4 0.0.0.0\r\n")

    assert (negotiated.audio.can_send, negotiated.audio.can_receive) == (False, True)


def test_unicode_in_names_is_no_obstacle():
    offer = HEAD.replace("s=-", "s=Åpne døra 門") + AUDIO + "i=Ærlig\r\na=label:Dør ñ\r\n"

    assert answered(offer)[0].media[0].port == 6000


def test_of_several_h264_formats_mode_1_and_baseline_are_best_for_the_apps():
    offer = (
        HEAD
        + AUDIO
        + (
            "m=video 4002 RTP/AVP 96 97 98 99\r\n"
            + H264.format(96, "640028", 1)
            + H264.format(97, "42801e", 0)
            + H264.format(98, "4d001f", 1)
            + H264.format(99, "42e01f", 1)
        )
    )

    answer, negotiated = answered(offer)

    assert answer.media[1].formats == ["99"]
    assert negotiated.video.profile_level_id == "42e01f"
    assert answered(offer.replace("98 99", "98"))[1].video.payload_type == 96


@pytest.mark.parametrize(
    ("formats", "expected"),
    [
        (H264.format(99, "42e01f", 1), 99),
        (H264.format(99, "42801e", 1), 99),
        (H264.format(99, "42e01f", 0), None),
        (H264.format(99, "640028", 1), None),
        (H264.format(99, "640028", 1) + H264.format(100, "42e01f", 1), 100),
        ("a=rtpmap:99 VP8/90000\r\n", None),
    ],
)
def test_an_answered_h264_must_have_the_profile_and_mode_of_our_offer(formats, expected):
    answer = HEAD + AUDIO + "m=video 4002 RTP/AVP 99 100\r\n" + formats

    video = read_answer(make_offer(local()), answer.encode()).video

    assert (video.payload_type if video else None) == expected


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + AUDIO + "m=video 0 RTP/AVP 99\r\nm=audio 0 RTP/AVP 8\r\n",
        HEAD + "m=video 0 RTP/AVP 99\r\n" + AUDIO,
        HEAD,
    ],
)
def test_an_answer_with_other_m_lines_than_ours_is_488(answer):
    with pytest.raises(RemoteProtocolError) as caught:
        read_answer(make_offer(local()), answer.encode())

    assert caught.value.status_hint == 488


@pytest.mark.parametrize("refusal", ["m=video 0 RTP/AVP 99\r\n", ""])
def test_an_answer_may_refuse_part_of_our_offer_or_leave_it_out(refusal):
    answer = (HEAD + AUDIO + refusal).encode()

    assert read_answer(make_offer(local()), answer).video is None


ADDRESSES = ["IP4 192.0.2.9", "IP4 0.0.0.0", "IP6 2001:db8::9", "IP4 pbx.example", "IP4 239.1.1.1"]
ATTRIBUTES = [
    "a=sendonly", "a=inactive", "a=recvonly", "a=sendrecv", "a=ptime:30", "a=maxptime:10",
    "a=rtcp:9 IN IP4 192.0.2.7", "a=rtcp-fb:* nack pli", "a=rtpmap:96 H264/90000", "a=rtcp-mux",
    "a=fmtp:96 packetization-mode=1;profile-level-id=42e01f", "a=rtpmap:97 telephone-event/48000",
    "a=rtpmap:98 PCMA/8000", "a=crypto:1 X inline:y", "i=ø", "b=AS:64", "k=clear:x", "a=", "x", "",
    crypto().strip(), crypto(2).strip(), *(f"c=IN {address}" for address in ADDRESSES),
]  # fmt: skip
MEDIA = st.builds(
    lambda kind, port, protocol, formats, rest: (
        "\r\n".join([f"m={kind} {port} {protocol} {' '.join(formats)}", *rest]) + "\r\n"
    ),
    st.sampled_from(["audio", "audio", "AUDIO", "video", "application", "message", "x-ø"]),
    st.sampled_from([0, 9, 4000, 65_535]),
    st.sampled_from(
        ["RTP/AVP", "RTP/SAVP", "RTP/AVPF", "rtp/avp", "UDP/TLS/RTP/SAVPF", "TCP/MSRP"]
    ),
    st.lists(st.sampled_from(["0", "8", "9", "96", "97", "98", "*", "200", "x"]), max_size=5),
    st.lists(st.sampled_from(ATTRIBUTES) | st.text(max_size=20), max_size=6),
)


@settings(
    max_examples=400, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
@given(
    st.sampled_from(["", "a=sendonly\r\n", "t=1 2\r\n", "m=audio 4000 RTP/AVP 8\r\n"]),
    st.lists(MEDIA, max_size=5),
    st.sampled_from(Srtp),
)
def test_every_offer_that_is_answered_gets_a_valid_answer_of_as_many_lines(head, media, srtp):
    offer = (HEAD + head + "".join(media)).encode()
    try:
        answer, negotiated = make_answer(offer, local(srtp=srtp, keys=OURS))
    except RemoteProtocolError:
        return

    offered, ours = sdp.parse(offer), sdp.parse(answer)
    assert [line.kind for line in ours.media] == [line.kind for line in offered.media]
    assert [line.protocol for line in ours.media] == [line.protocol for line in offered.media]
    taken = [line for line in ours.media if line.port]
    assert [line.kind for line in taken].count("audio") == 1
    assert len(taken) == (1 if negotiated.video is None else 2)
    for mine, theirs in zip(ours.media, offered.media, strict=True):
        assert mine.formats
        assert set(mine.formats) <= {*theirs.formats, "0"}
        if mine.port:
            assert theirs.port
            assert set(mine.formats) <= set(theirs.formats)
            assert not mine.direction.can_send or theirs.direction.can_receive
            assert not mine.direction.can_receive or theirs.direction.can_send
    assert answer.decode().isprintable() or all(
        line.isprintable() for line in answer.decode().split("\r\n")
    )
    assert (negotiated.audio.crypto is not None) is (b"a=crypto" in answer.split(b"m=video")[0])


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.lists(MEDIA, max_size=4), st.sampled_from(Srtp))
def test_whatever_answers_our_offer_only_remote_protocol_error_is_raised(media, srtp):
    offer = make_offer(local(srtp=srtp, keys=OURS))

    try:
        negotiated = read_answer(offer, (HEAD + "".join(media)).encode())
    except RemoteProtocolError:
        return
    assert srtp is not Srtp.REQUIRED or negotiated.audio.crypto is not None
