"""Challenges to our own requests (RFC 3261 §22)."""

import pytest

from intercom.sip.endpoint import Credentials
from intercom.sip.events import (
    InviteFailed,
)
from tests.sip import wire
from tests.sip.wire import answered, bench, header, response

CHALLENGE = 'Digest realm="carrier", nonce="n1", qop="auth", algorithm=MD5'


@pytest.mark.parametrize(
    ("status", "challenge", "answer"),
    [
        (401, "WWW-Authenticate", "Authorization"),
        (407, "Proxy-Authenticate", "Proxy-Authorization"),
    ],
)
def test_a_challenge_is_acknowledged_and_answered_with_the_next_cseq(status, challenge, answer):
    rig = bench()
    rig.call(credentials=Credentials("u", "p"))
    first = rig.last

    out = rig.take(response(first, status, extra=f"{challenge}: {CHALLENGE}\r\n"))

    assert out == ["ACK", "INVITE"]
    again = rig.last
    assert header(again, "CSeq") == "2 INVITE"
    assert header(again, "Call-ID") == header(first, "Call-ID")
    assert header(again, "From") == header(first, "From")
    assert header(again, "To") == header(first, "To")
    assert header(again, "Via") != header(first, "Via")
    assert 'username="u"' in header(again, answer)
    assert rig.events == []


def test_the_ack_of_an_authenticated_call_carries_its_credentials_and_its_cseq():
    rig = bench()
    rig.call(credentials=Credentials("u", "p"))
    rig.take(response(rig.last, 407, extra=f"Proxy-Authenticate: {CHALLENGE}\r\n"))
    invite = rig.last

    rig.take(response(invite, 200))

    assert header(rig.last, "CSeq") == "2 ACK"
    assert header(rig.last, "Proxy-Authorization") == header(invite, "Proxy-Authorization")


def test_the_same_realm_is_answered_only_once():
    rig = bench()
    dialog = rig.call(credentials=Credentials("u", "wrong"))
    rig.take(response(rig.last, 401, extra=f"WWW-Authenticate: {CHALLENGE}\r\n"))

    out = rig.take(response(rig.last, 401, reason="No", extra=f"WWW-Authenticate: {CHALLENGE}\r\n"))

    assert out == ["ACK"]
    assert rig.events == [InviteFailed(dialog, 401, "No", is_local=False)]


def test_a_stale_nonce_is_answered_again():
    rig = bench()
    rig.call(credentials=Credentials("u", "p"))
    rig.take(response(rig.last, 401, extra=f"WWW-Authenticate: {CHALLENGE}\r\n"))

    out = rig.take(response(rig.last, 401, extra=f"WWW-Authenticate: {CHALLENGE}, stale=true\r\n"))

    assert out == ["ACK", "INVITE"]
    assert header(rig.last, "CSeq") == "3 INVITE"


def test_an_endless_stale_challenge_ends_the_call():
    rig = bench()
    rig.call(credentials=Credentials("u", "p"))

    for _ in range(10):
        invite = rig.newest("INVITE")
        rig.take(response(invite, 401, extra=f"WWW-Authenticate: {CHALLENGE}, stale=true\r\n"))

    assert rig.count("INVITE") == 4
    assert len(rig.events) == 1


def test_two_proxies_with_two_realms_are_both_answered():
    rig = bench()
    rig.call(credentials=Credentials("u", "p"))
    rig.take(response(rig.last, 407, extra=f"Proxy-Authenticate: {CHALLENGE}\r\n"))

    other = CHALLENGE.replace("carrier", "other")
    rig.take(response(rig.last, 407, extra=f"Proxy-Authenticate: {other}\r\n"))

    assert len(wire.headers(rig.last, "Proxy-Authorization")) == 2


def test_without_credentials_a_challenge_ends_the_call():
    rig = bench()
    dialog = rig.call()

    rig.take(response(rig.last, 407, reason="Auth", extra=f"Proxy-Authenticate: {CHALLENGE}\r\n"))

    assert rig.events == [InviteFailed(dialog, 407, "Auth", is_local=False)]


def test_a_challenged_bye_is_answered_too():
    rig = bench()
    dialog = answered(rig, credentials=Credentials("u", "p"))
    rig.endpoint.hang_up(dialog, rig.now)
    rig.collect()

    out = rig.take(response(rig.last, 407, extra=f"Proxy-Authenticate: {CHALLENGE}\r\n"))

    assert out == ["BYE"]
    assert header(rig.last, "CSeq") == "3 BYE"
