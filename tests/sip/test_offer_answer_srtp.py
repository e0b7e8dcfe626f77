"""SRTP keys in offers and answers (RFC 4568)."""

import contextlib
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom.errors import RemoteProtocolError
from intercom.sip import sdp
from intercom.sip.agreement import LocalMedia, Srtp
from intercom.sip.crypto import LocalKeys, SrtpKey, Suite, cryptos_of
from intercom.sip.offer_answer import accept_offer, make_answer, make_offer, read_answer

HEAD = "v=0\r\no=- 7 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
SHA80, SHA32 = Suite.AES_CM_128_HMAC_SHA1_80, Suite.AES_CM_128_HMAC_SHA1_32
GCM128, GCM256 = Suite.AEAD_AES_128_GCM, Suite.AEAD_AES_256_GCM


def keys_of(first):
    """Make keys that tell by their bytes whose they are."""
    rows = (
        tuple(SrtpKey(suite, bytes([start + n]) * suite.key_bytes) for n, suite in enumerate(Suite))
        for start in (first, first + 10)
    )
    return LocalKeys(*rows)


OURS, THEIRS = keys_of(1), keys_of(100)


def local(srtp=Srtp.OPTIONAL, keys=OURS, host="192.0.2.1", **settings):
    return LocalMedia(host, 6000, 6001, srtp=srtp, keys=keys, **settings)


def crypto(tag=1, suite=SHA80, key=None, tail=""):
    key = b"k" * suite.key_bytes if key is None else key
    return f"a=crypto:{tag} {suite.value} inline:{b64encode(key).decode()}{tail}\r\n"


def audio(*lines, protocol="RTP/SAVP", port=4000, kind="audio"):
    return f"m={kind} {port} {protocol} 8 97\r\na=rtpmap:97 telephone-event/8000\r\n" + "".join(
        lines
    )


def answered(*media, srtp=Srtp.OPTIONAL, **settings):
    body, negotiated = make_answer((HEAD + "".join(media)).encode(), local(srtp, **settings))
    return sdp.parse(body).media, negotiated


def refused(*media, srtp=Srtp.OPTIONAL):
    with pytest.raises(RemoteProtocolError) as caught:
        answered(*media, srtp=srtp)
    assert caught.value.status_hint == 488
    return str(caught.value)


@pytest.mark.parametrize("suite", Suite)
@pytest.mark.parametrize("protocol", ["RTP/SAVP", "RTP/SAVPF", "RTP/AVP", "RTP/AVPF"])
@pytest.mark.parametrize("srtp", [Srtp.OPTIONAL, Srtp.REQUIRED])
def test_an_offer_with_keys_is_answered_with_its_protocol_its_tag_and_our_key(
    suite, protocol, srtp
):
    (line,), negotiated = answered(audio(crypto(7, suite), protocol=protocol), srtp=srtp)

    assert line.protocol == protocol
    (ours,) = cryptos_of(line)
    assert (ours.tag, ours.suite) == (7, suite)
    assert ours.key in OURS.audio
    assert negotiated.audio.crypto.key.key == b"k" * suite.key_bytes
    assert negotiated.audio.crypto.tag == 7


def test_the_first_usable_line_of_the_offer_is_taken():
    (line,), negotiated = answered(audio(crypto(1, GCM128), crypto(2, SHA80), crypto(3, GCM256)))

    assert line.values("crypto")[0].startswith("1 AEAD_AES_128_GCM inline:")
    assert len(line.values("crypto")) == 1
    assert negotiated.audio.crypto.tag == 1


def test_a_tag_of_four_bytes_is_taken_only_if_there_is_nothing_else():
    assert answered(audio(crypto(1, SHA32), crypto(2, SHA80)))[1].audio.crypto.suite is SHA80
    assert answered(audio(crypto(1, SHA32)))[1].audio.crypto.suite is SHA32


@pytest.mark.parametrize(
    "line",
    [
        crypto(tail="|2^20"),
        crypto(tail="|2^31"),
        crypto(tail="|1048576"),
        crypto(tail=" WSH=64"),
        crypto(tail=" KDR=0 -optional=1"),
        crypto().replace("a=crypto:1 ", "a=crypto: 1  "),
        crypto().replace("inline", "INLINE"),
        crypto(suite=GCM128).replace("=\r\n", "\r\n"),
        crypto(9).replace("AES_CM", "aes_cm"),
        crypto(999999999),
    ],
)
def test_a_line_is_read_leniently(line):
    assert answered(audio(line))[1].audio.crypto is not None


@pytest.mark.parametrize(
    "line",
    [
        "",
        crypto(tail="|2^20|1:4"),
        crypto(tail="|1:4"),
        crypto(tail="|2^10"),
        crypto(tail="|1000"),
        crypto(tail="|x"),
        crypto(tail=";inline:" + b64encode(b"l" * 30).decode() + "|2^20|2:1"),
        crypto(tail=" UNENCRYPTED_SRTP"),
        crypto(tail=" UNENCRYPTED_SRTCP"),
        crypto(tail=" WSH=64 unauthenticated_srtp"),
        crypto(tail=" KDR=3"),
        crypto(tail=" FEC_ORDER=SRTP_FEC"),
        crypto(tail=" SOMETHING=NEW"),
        crypto(key=b"short"),
        crypto(key=b"k" * 31),
        crypto().replace("inline:", "inline:*"),
        crypto().replace("inline:", "uri:"),
        crypto("x"),
        crypto(1234567890),
        crypto().replace(SHA80.value, "F8_128_HMAC_SHA1_80"),
        "a=crypto:1\r\n",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80\r\n",
        "a=crypto\r\n",
        "a=fingerprint:sha-1 AA:BB\r\n",
    ],
)
def test_a_line_that_cannot_be_honoured_counts_for_nothing(line):
    assert "a=crypto" in refused(audio(line))
    assert answered(audio(line, crypto(5)))[1].audio.crypto.tag == 5


def test_switched_off_what_is_encrypted_is_refused_and_keys_in_clear_are_passed_over():
    assert "switched off" in refused(audio(crypto()), srtp=Srtp.OFF)

    (line,), negotiated = answered(audio(crypto(), protocol="RTP/AVP"), srtp=Srtp.OFF)
    assert line.value("crypto") is None
    assert negotiated.audio.crypto is None


def test_required_refuses_what_is_in_clear():
    assert "a=crypto" in refused(audio(protocol="RTP/AVP"), srtp=Srtp.REQUIRED)
    assert "a=crypto" in refused(audio(crypto(tail="|1:1"), protocol="RTP/AVP"), srtp=Srtp.REQUIRED)


def test_optional_answers_clear_with_clear():
    (line,), negotiated = answered(audio(protocol="RTP/AVP"))

    assert line.value("crypto") is None
    assert negotiated.audio.crypto is None


@pytest.mark.parametrize(
    ("srtp", "ports"),
    [(Srtp.OFF, [6000, 0]), (Srtp.OPTIONAL, [0, 6000]), (Srtp.REQUIRED, [0, 6000])],
)
def test_of_two_lines_of_sound_the_encrypted_one_is_taken_where_that_is_wanted(srtp, ports):
    lines, negotiated = answered(audio(protocol="RTP/AVP"), audio(crypto(), port=4002), srtp=srtp)

    assert [line.port for line in lines] == ports
    assert [line.protocol for line in lines] == ["RTP/AVP", "RTP/SAVP"]
    assert (negotiated.audio.crypto is None) is (srtp is Srtp.OFF)


def test_each_m_line_has_a_key_of_its_own():
    video = (
        "m=video 4002 RTP/SAVP 99\r\na=rtpmap:99 H264/90000\r\n"
        "a=fmtp:99 packetization-mode=1;profile-level-id=42e01f\r\n" + crypto(2, key=b"v" * 30)
    )

    lines, negotiated = answered(audio(crypto()), video, video_port=6002, video_rtcp_port=6003)

    sound, picture = (cryptos_of(line)[0].key for line in lines)
    assert sound in OURS.audio
    assert picture in OURS.video
    assert negotiated.video.crypto.key.key == b"v" * 30


def test_required_is_offered_as_savp_with_a_line_and_a_key_for_each_suite():
    (line,) = sdp.parse(make_offer(local(Srtp.REQUIRED))).media

    assert line.protocol == "RTP/SAVP"
    offered = cryptos_of(line)
    assert [(each.tag, each.suite) for each in offered] == [
        (1, SHA80),
        (2, GCM256),
        (3, GCM128),
        (4, SHA32),
    ]
    assert len({each.key.key for each in offered}) == 4


def test_optional_is_offered_as_avp_with_keys_that_others_pass_over():
    offer = make_offer(local(Srtp.OPTIONAL))

    assert sdp.parse(offer).media[0].protocol == "RTP/AVP"
    answer, seen_by_them = make_answer(offer, local(Srtp.OFF, LocalKeys(), "192.0.2.2"))
    assert seen_by_them.audio.crypto is None
    assert read_answer(offer, answer).audio.crypto is None


def test_off_offers_no_keys_though_there_are_some():
    assert b"crypto" not in make_offer(local(Srtp.OFF))


@pytest.mark.parametrize("srtp", [Srtp.OPTIONAL, Srtp.REQUIRED])
def test_both_ends_read_each_others_key(srtp):
    ours = local(srtp, video_port=6002, video_rtcp_port=6003)
    offer = make_offer(ours)
    theirs = LocalMedia("192.0.2.2", 7000, 7001, 7002, 7003, srtp=Srtp.REQUIRED, keys=THEIRS)

    answer, seen_by_them = make_answer(offer, theirs)
    seen_by_us = read_answer(offer, answer)

    assert seen_by_us.audio.crypto.key in THEIRS.audio
    assert seen_by_us.video.crypto.key in THEIRS.video
    assert seen_by_them.audio.crypto.key in OURS.audio
    assert seen_by_them.video.crypto.key in OURS.video
    assert seen_by_us.audio.crypto.tag == seen_by_them.audio.crypto.tag == 1


@pytest.mark.parametrize(
    ("srtp", "answer"),
    [
        (Srtp.REQUIRED, audio(protocol="RTP/AVP")),
        (Srtp.REQUIRED, audio()),
        (Srtp.REQUIRED, audio(crypto(9))),
        (Srtp.REQUIRED, audio(crypto(2, SHA80))),
        (Srtp.REQUIRED, audio(crypto(1, SHA80), crypto(4, SHA32))),
        (Srtp.REQUIRED, audio(crypto(1, tail=" UNENCRYPTED_SRTP"))),
        (Srtp.OPTIONAL, audio(crypto(9), protocol="RTP/AVP")),
        (Srtp.OPTIONAL, audio()),
        (Srtp.OFF, audio(crypto())),
    ],
)
def test_an_answer_that_takes_none_of_our_keys_is_488(srtp, answer):
    with pytest.raises(RemoteProtocolError) as caught:
        read_answer(make_offer(local(srtp)), (HEAD + answer).encode())

    assert caught.value.status_hint == 488


def test_keys_are_in_no_representation():
    offer = make_offer(local(Srtp.REQUIRED))
    accepted = accept_offer(offer, local().codecs, has_video=False, srtp=Srtp.REQUIRED)
    shown = repr((local(), accepted.negotiated, OURS, cryptos_of(accepted.offered.media[0])))

    for key in OURS.audio:
        assert repr(key.key)[2:-1] not in shown
        assert b64encode(key.key).decode() not in repr(accepted)


@pytest.mark.parametrize(
    ("srtp", "is_secure", "expected"),
    [
        (Srtp.OPTIONAL, False, Srtp.OFF),
        (Srtp.OPTIONAL, True, Srtp.OPTIONAL),
        (Srtp.REQUIRED, False, Srtp.REQUIRED),
        (Srtp.OFF, True, Srtp.OFF),
    ],
)
def test_toward_a_trunk_keys_are_said_in_clear_only_when_that_is_ordered(srtp, is_secure, expected):
    assert srtp.toward_trunk(is_signalling_secure=is_secure) is expected


@given(
    st.lists(st.sampled_from(crypto(tail="|2^20|1:4 KDR=0 WSH=1").split()) | st.text(), max_size=6)
)
def test_whatever_stands_in_a_crypto_line_only_remote_protocol_error_is_raised(parts):
    line = "a=crypto:" + " ".join(parts).replace("\n", "").replace("\r", "")

    with contextlib.suppress(RemoteProtocolError):
        body, _ = make_answer((HEAD + audio(line + "\r\n")).encode(), local())
        assert b"a=crypto" in body
