"""Our offer and the answers to it, as text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom.errors import RemoteProtocolError
from intercom.media.dtls import Fingerprint
from intercom.media.ice import IceCredentials
from intercom.media.webrtc_sdp import Answer, Offer, read_answer, write_offer
from intercom.sip.offer_answer import Codec

DIGEST = ":".join(["AB"] * 32)
CHROMIUM = f"""v=0
o=- 1296503146369064740 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
a=msid-semantic: WMS 859622a7
m=audio 9 UDP/TLS/RTP/SAVPF 8 0
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:5Lp+
a=ice-pwd:boF/BoqgZYuuRVJFNh4D+rsg
a=ice-options:trickle
a=fingerprint:sha-256 {DIGEST}
a=setup:active
a=mid:0
a=sendrecv
a=rtcp-mux
a=rtpmap:8 PCMA/8000
a=rtpmap:0 PCMU/8000
m=video 9 UDP/TLS/RTP/SAVPF 102 104
c=IN IP4 0.0.0.0
a=ice-ufrag:5Lp+
a=ice-pwd:boF/BoqgZYuuRVJFNh4D+rsg
a=fingerprint:sha-256 {DIGEST}
a=setup:active
a=mid:1
a=recvonly
a=rtcp-mux
a=rtpmap:102 H264/90000
a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f
a=rtpmap:104 H264/90000
a=fmtp:104 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
""".replace("\n", "\r\n")
FIREFOX = f"""v=0
o=mozilla...THIS_IS_SDPARTA-99.0 5 0 IN IP4 0.0.0.0
s=-
t=0 0
a=fingerprint:sha-256 {DIGEST.lower()}
a=group:BUNDLE 0
a=ice-options:trickle
a=msid-semantic:WMS *
m=audio 9 UDP/TLS/RTP/SAVPF 0
c=IN IP4 0.0.0.0
a=sendrecv
a=ice-pwd:4b2c84fb0e2d92a1b9d4e28c5f6a7b8c
a=ice-ufrag:ab12cd34
a=mid:0
a=rtcp-mux
a=setup:active
m=video 0 UDP/TLS/RTP/SAVPF 102
c=IN IP4 0.0.0.0
a=inactive
"""


def offer(**changes: object) -> Offer:
    values = {
        "session_id": 5,
        "advertised": ("203.0.113.5", "10.0.0.5"),
        "port": 40_000,
        "ice": IceCredentials("ufrag", "p" * 22),
        "fingerprint": Fingerprint("sha-256", DIGEST),
        "codecs": (Codec.PCMU, Codec.PCMA),
        "audio_ssrc": 7,
        "video_ssrc": 8,
    }
    return Offer(**{**values, **changes})


def test_an_answer_of_chromium_is_understood():
    assert read_answer(CHROMIUM, has_video=True) == Answer(
        ice=IceCredentials("5Lp+", "boF/BoqgZYuuRVJFNh4D+rsg"),
        fingerprints=(Fingerprint("sha-256", DIGEST),),
        codec=Codec.PCMA,
        audio_payload_type=8,
        video_payload_type=102,
    )


def test_an_answer_of_firefox_has_its_fingerprint_above_the_media_and_may_lack_the_picture():
    answer = read_answer(FIREFOX, has_video=True)

    assert answer.fingerprints == (Fingerprint("sha-256", DIGEST),)
    assert answer.codec is Codec.PCMU
    assert answer.video_payload_type is None


def test_a_picture_outside_the_bundle_counts_as_refused():
    answer = read_answer(CHROMIUM.replace("BUNDLE 0 1", "BUNDLE 0"), has_video=True)

    assert answer.video_payload_type is None


def test_a_picture_that_the_app_does_not_want_to_receive_counts_as_refused():
    answer = read_answer(CHROMIUM.replace("a=recvonly", "a=inactive"), has_video=True)

    assert answer.video_payload_type is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("m=audio 9", "m=audio 0"),
        ("m=audio 9 UDP/TLS/RTP/SAVPF 8 0", "m=audio 9 UDP/TLS/RTP/SAVPF 111"),
        ("m=audio", "m=application"),
        ("m=video", "m=audio 9 UDP/TLS/RTP/SAVPF 8\r\nm=video"),
        ("a=rtcp-mux", "a=x"),
        ("a=setup:active", "a=setup:passive"),
        ("a=fingerprint:sha-256", "a=x:"),
        (DIGEST, "AB:C"),
        ("a=ice-ufrag:5Lp+", "a=ice-ufrag:5L"),
        ("a=ice-pwd:boF/", "a=ice-pwd:<>"),
        ("v=0", "x=0"),
        ("a=mid:1", "a=" + "x" * 20_000),
    ],
)
def test_an_answer_that_cannot_work_is_refused(old: str, new: str):
    with pytest.raises(RemoteProtocolError):
        read_answer(CHROMIUM.replace(old, new), has_video=True)


def test_an_answer_with_a_picture_to_an_offer_without_is_refused():
    with pytest.raises(RemoteProtocolError):
        read_answer(CHROMIUM, has_video=False)


def test_the_preferred_law_and_candidate_come_first():
    text = write_offer(offer())

    assert "m=audio 40000 UDP/TLS/RTP/SAVPF 0 8\r\n" in text
    priorities = re.findall(r"candidate:\d 1 udp (\d+) (\S+) 40000 typ host", text)
    assert [address for _, address in priorities[:2]] == ["203.0.113.5", "10.0.0.5"]
    assert int(priorities[0][0]) > int(priorities[1][0])
    assert "\r\na=ice-lite\r\n" in text


@pytest.mark.parametrize(
    ("profile", "offered"),
    [
        ("42E01F", ["42e01f"]),
        ("640028", ["640028", "42e01f"]),
        ("4d001f\r\na=evil", ["42e01f"]),
        ("", ["42e01f"]),
    ],
)
def test_the_panels_profile_comes_first_and_the_common_one_after(profile: str, offered: list[str]):
    text = write_offer(offer(profile_level_id=profile))

    assert re.findall(r"profile-level-id=(\S+?);", text) == offered
    assert "evil" not in text


def test_without_a_picture_there_is_no_video_line():
    text = write_offer(offer(video_ssrc=None))

    assert "m=video" not in text
    assert "a=group:BUNDLE 0\r\n" in text


def test_an_ipv6_router_says_so():
    text = write_offer(offer(advertised=("2001:db8::5",)))

    assert text.count("IN IP6 2001:db8::5") == 3


@given(text=st.text(max_size=500), has_video=st.booleans())
def test_any_text_is_an_answer_or_a_protocol_error(text: str, has_video: bool):
    with pytest.raises(RemoteProtocolError):
        read_answer(text, has_video=has_video)


LINES = CHROMIUM.split("\r\n")


@given(
    number=st.integers(0, len(LINES) - 2),
    line=st.one_of(
        st.sampled_from(LINES),
        st.text(max_size=60),
        st.builds(
            lambda name, value: f"a={name}:{value}",
            st.sampled_from(
                ["rtpmap", "fmtp", "mid", "group", "setup", "ice-ufrag", "fingerprint"]
            ),
            st.text(max_size=40),
        ),
        st.builds(lambda text: f"m=audio {text}", st.text(max_size=30)),
    ),
)
def test_an_answer_with_a_changed_line_is_read_or_a_protocol_error(number: int, line: str):
    lines = [*LINES[:number], line, *LINES[number + 1 :]]

    try:
        answer = read_answer("\r\n".join(lines), has_video=True)
    except RemoteProtocolError:
        return
    assert isinstance(answer, Answer)
    assert 0 <= answer.audio_payload_type <= 127


def test_opus_is_offered_with_its_clock_channels_and_repair():
    text = write_offer(offer(codecs=(Codec.OPUS, Codec.PCMA)))

    assert "m=audio 40000 UDP/TLS/RTP/SAVPF 111 8\r\n" in text
    assert "a=rtpmap:111 opus/48000/2\r\n" in text
    assert "a=fmtp:111 minptime=10;useinbandfec=1\r\n" in text


def test_g722_is_offered_on_a_clock_of_8000_and_nothing_is_said_of_opus():
    text = write_offer(offer(codecs=(Codec.G722, Codec.PCMA, Codec.PCMU)))

    assert "m=audio 40000 UDP/TLS/RTP/SAVPF 9 8 0\r\n" in text
    assert "a=rtpmap:9 G722/8000\r\n" in text
    assert "opus" not in text


def test_an_answer_may_take_any_codec_that_was_offered_and_no_other():
    answer = CHROMIUM.replace("SAVPF 8 0", "SAVPF 111").replace("8 PCMA/8000", "111 opus/48000/2")

    taken = read_answer(answer, has_video=True, codecs=(Codec.OPUS, Codec.PCMA))

    assert (taken.codec, taken.audio_payload_type) == (Codec.OPUS, 111)
    with pytest.raises(RemoteProtocolError, match="no codec that we offered"):
        read_answer(answer, has_video=True)
