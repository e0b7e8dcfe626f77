"""Our description through several offers and answers (RFC 3264 §8)."""

from dataclasses import replace

import pytest

from intercom.errors import LocalProtocolError, RemoteProtocolError
from intercom.sip import sdp
from intercom.sip.agreement import LocalMedia, Srtp
from intercom.sip.crypto import cryptos_of
from intercom.sip.description import Description
from intercom.sip.offer_answer import accept_offer, make_answer
from intercom.sip.sdp import Direction
from tests.sip.test_offer_answer_srtp import OURS, THEIRS, crypto

HEAD = "v=0\r\no=- 7 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
AUDIO = "m=audio 4000 RTP/AVP 8 97\r\na=rtpmap:97 telephone-event/8000\r\n"
OFFER = HEAD + AUDIO + "m=application 9 UDP/BFCP *\r\n"


def description(**settings):
    return Description(LocalMedia("192.0.2.1", 6000, 6001, session_id=5, **settings))


def version(body):
    return int(sdp.parse(body).session_version)


def test_the_version_rises_by_one_with_each_change_and_stays_without():
    one = description()

    bodies = [
        one.answer(text.encode())[0]
        for text in (OFFER, OFFER, OFFER + "a=x\r\n", OFFER.replace("4000\r", "4001\r"))
    ]
    held, _ = one.answer((HEAD + "a=sendonly\r\n" + AUDIO).encode())
    again, _ = one.answer((HEAD + "a=sendonly\r\n" + AUDIO).encode())
    resumed, _ = one.answer(OFFER.encode())

    assert len(set(bodies)) == 1
    assert [version(body) for body in (bodies[0], held, again, resumed)] == [1, 2, 2, 3]
    assert held == again
    assert {sdp.parse(body).session_id for body in (*bodies, held, resumed)} == {"5"}


def test_an_accepted_offer_is_answered_the_same_in_183_and_200():
    one = description()
    accepted = accept_offer(OFFER.encode(), one.local.codecs, has_video=False)

    assert one.accept(accepted) == one.accept(accepted) == one.body


def test_a_later_offer_keeps_every_m_line_and_number_and_ends_the_hold():
    one = description()
    one.answer((HEAD + "a=sendonly\r\n" + AUDIO + "m=application 9 UDP/BFCP *\r\n").encode())
    assert sdp.parse(one.body).media[0].direction is Direction.RECVONLY

    again = sdp.parse(one.offer())

    assert [(line.kind, line.port) for line in again.media] == [("audio", 6000), ("application", 0)]
    assert again.media[0].formats == ["8", "97"]
    assert again.media[0].direction is Direction.SENDRECV
    assert again.session_version == "2"
    assert one.offer() == one.body


def test_the_answer_to_a_later_offer_is_read_against_that_offer():
    one = description()
    one.answer(OFFER.encode())
    one.offer()

    negotiated = one.read(
        (HEAD + AUDIO.replace("4000", "4444") + "m=application 0 UDP/BFCP *\r\n").encode()
    )

    assert negotiated.audio.remote == ("192.0.2.9", 4444)
    assert negotiated.audio.dtmf_payload_type == 97
    with pytest.raises(RemoteProtocolError):
        one.read((HEAD + "m=application 0 UDP/BFCP *\r\n" + AUDIO).encode())


def test_what_cannot_be_answered_changes_nothing():
    one = description()
    before, _ = one.answer(OFFER.encode())

    with pytest.raises(RemoteProtocolError):
        one.answer(OFFER.replace(" 8 97", " 9").encode())

    assert one.answer(OFFER.encode())[0] == one.body == before


def test_an_answer_without_an_offer_of_ours_is_our_own_fault():
    with pytest.raises(LocalProtocolError):
        description().read(OFFER.encode())


def test_an_encrypted_leg_never_goes_back_to_clear():
    one = description(srtp=Srtp.OPTIONAL, keys=OURS)
    encrypted = HEAD + AUDIO.replace("RTP/AVP", "RTP/SAVP") + crypto()
    body, negotiated = one.answer(encrypted.encode())
    assert negotiated.audio.crypto is not None

    with pytest.raises(RemoteProtocolError) as caught:
        one.answer((HEAD + AUDIO).encode())

    assert caught.value.status_hint == 488
    assert one.body == body


def test_a_peers_new_key_is_taken_and_ours_stays():
    one = description(srtp=Srtp.REQUIRED, keys=OURS)
    encrypted = HEAD + AUDIO.replace("RTP/AVP", "RTP/SAVP")
    body, first = one.answer((encrypted + crypto()).encode())

    again, second = one.answer((encrypted + crypto(key=b"n" * 30)).encode())

    assert again == body
    assert first.audio.crypto.key.key != second.audio.crypto.key.key == b"n" * 30


def test_a_later_encrypted_offer_repeats_our_key_and_tag():
    one = description(srtp=Srtp.REQUIRED, keys=OURS)
    one.answer((HEAD + AUDIO.replace("RTP/AVP", "RTP/SAVP") + crypto(3)).encode())

    (ours,) = cryptos_of(sdp.parse(one.offer()).media[0])
    them = replace(LocalMedia("192.0.2.9", 1, 2), srtp=Srtp.REQUIRED, keys=THEIRS)
    answer, _ = make_answer(one.body, them)

    assert (ours.tag, ours.key) == (3, OURS.audio[0])
    assert one.read(answer).audio.crypto.key in THEIRS.audio


def test_no_key_shows_in_the_representation():
    one = description(srtp=Srtp.REQUIRED, keys=OURS)
    one.offer()

    assert "inline" not in repr(one)
    assert "SrtpKey" not in repr(one.local)
