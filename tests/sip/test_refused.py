"""What is never done, whoever asks: transfers, redirections, subscriptions, messages."""

import pytest

from intercom.sip.events import DialogEnded, InviteFailed
from tests.sip.peer import from_callee, from_caller
from tests.sip.wire import OFFER, answered, bench, header, request, response, talking

ELSEWHERE = "Contact: <sip:+882123456@192.0.2.66>\r\n"


def test_a_transfer_is_405_in_and_outside_of_a_dialog_and_calls_nobody():
    rig = bench()
    assert rig.take(request("REFER", extra="Refer-To: <sip:+882123456@192.0.2.66>\r\n")) == ["405"]
    assert "REFER" not in header(rig.last, "Allow")
    _, tag = talking(rig)
    told = len(rig.events)

    refer = from_caller("REFER", tag, extra="Refer-To: <sip:+882123456@192.0.2.66>\r\n")
    assert rig.take(refer) == ["405"]

    assert len(rig.events) == told
    assert rig.count("INVITE") == 0
    assert rig.take(from_caller("BYE", tag, cseq=3)) == ["200"]


@pytest.mark.parametrize("status", [300, 301, 302, 305, 380])
def test_a_redirection_is_never_followed(status):
    rig = bench()
    dialog = rig.call()

    assert rig.take(response(rig.last, status, extra=ELSEWHERE)) == ["ACK"]

    assert rig.events == [InviteFailed(dialog, status, "Whatever", is_local=False)]
    assert rig.wait(40.0) == []


@pytest.mark.parametrize("method", ["MESSAGE", "SUBSCRIBE", "PUBLISH"])
def test_what_is_no_call_is_405(method):
    rig = bench()

    assert rig.take(request(method)) == ["405"]

    assert header(rig.last, "Allow").startswith("INVITE, ")


def test_a_notify_that_nobody_subscribed_to_is_481_and_ends_no_dialog():
    rig = bench()
    assert rig.take(request("NOTIFY", branch="z9hG4bKn")) == ["481"]
    _, tag = talking(rig)

    assert rig.take(from_caller("NOTIFY", tag)) == ["405"]

    assert rig.take(from_caller("BYE", tag, cseq=3)) == ["200"]


def test_a_redirected_reinvite_leaves_the_dialog_as_it_was():
    rig = bench()
    dialog = answered(rig)
    rig.endpoint.reinvite(dialog, rig.now, OFFER)
    rig.collect()

    assert rig.take(response(rig.last, 302, extra=ELSEWHERE)) == ["ACK"]

    assert not any(isinstance(event, DialogEnded) for event in rig.events)
    rig.endpoint.hang_up(dialog, rig.now)
    rig.collect()
    assert rig.last.startswith(b"BYE sip:door@192.0.2.9:5060 ")


def test_a_bye_while_our_reinvite_waits_ends_the_dialog_once():
    rig = bench()
    dialog = answered(rig)
    rig.endpoint.reinvite(dialog, rig.now, OFFER)
    rig.collect()
    reinvite = rig.last

    assert rig.take(from_callee(rig, "BYE")) == ["200"]
    assert rig.take(response(reinvite, 487)) == ["ACK"]

    assert rig.events[1:] == [DialogEnded(dialog, "the peer hung up")]
    assert rig.wait(100.0) == []


def test_a_2xx_to_our_reinvite_that_crosses_our_bye_is_acknowledged():
    rig = bench()
    dialog = answered(rig)
    rig.endpoint.reinvite(dialog, rig.now, OFFER)
    rig.collect()
    reinvite = rig.last
    rig.endpoint.hang_up(dialog, rig.now)
    rig.collect()

    assert rig.take(response(reinvite, 200, body=OFFER)) == ["ACK"]

    assert len(rig.events) == 1
