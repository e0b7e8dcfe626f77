"""A peer that says nothing at all to an INVITE: given up early, and cleaned up after should it wake."""

import pytest

from intercom.sip.digest import Credentials
from intercom.sip.events import InviteFailed
from tests.sip.wire import OFFER, bench, response

SILENCE_S = 4.0


def test_silence_ends_a_call_in_408_at_its_time_and_not_before():
    peer = bench()
    peer.call(silence_s=SILENCE_S)

    peer.wait(SILENCE_S - 0.1)
    assert peer.events == []
    peer.wait(0.2)

    (failed,) = peer.events
    assert isinstance(failed, InviteFailed)
    assert (failed.status, failed.is_local) == (408, True)
    peer.wait(60.0)
    assert len(peer.events) == 1


@pytest.mark.parametrize("status", [100, 180])
def test_any_provisional_breaks_the_silence(status):
    peer = bench()
    peer.call(silence_s=SILENCE_S)
    peer.take(response(peer.last, status))

    peer.wait(30.0)

    assert not any(isinstance(event, InviteFailed) for event in peer.events)


def test_a_peer_that_rings_after_its_silence_is_cancelled():
    peer = bench()
    peer.call(silence_s=SILENCE_S)
    invite = peer.last
    peer.wait(SILENCE_S)

    assert peer.take(response(invite, 180)) == ["CANCEL"]
    assert peer.take(response(invite, 487)) == ["ACK"]
    assert len(peer.events) == 1


def test_a_peer_that_answers_after_its_silence_is_acknowledged_and_hung_up():
    peer = bench()
    peer.call(silence_s=SILENCE_S)
    invite = peer.last
    peer.wait(SILENCE_S)

    assert peer.take(response(invite, 200, body=OFFER)) == ["ACK", "BYE"]
    assert len(peer.events) == 1


def test_cancelling_in_the_silence_still_ends_in_one_failure():
    peer = bench()
    dialog = peer.call(silence_s=SILENCE_S)
    peer.endpoint.cancel(dialog, peer.now)

    peer.wait(60.0)

    assert [type(event) for event in peer.events] == [InviteFailed]


def test_a_peer_that_challenged_was_not_silent_and_has_its_time_again():
    peer = bench()
    peer.call(silence_s=SILENCE_S, credentials=Credentials("u", "p"))
    peer.wait(SILENCE_S - 0.2)
    challenge = 'WWW-Authenticate: Digest realm="r", nonce="n"\r\n'
    peer.take(response(peer.last, 401, extra=challenge))

    peer.wait(SILENCE_S - 0.2)
    assert peer.events == []
    peer.wait(1.0)

    assert [type(event) for event in peer.events] == [InviteFailed]
