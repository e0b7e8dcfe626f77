"""Requests that were here before, belong to nobody or are too large: 482, 481, 513 (RFC 3261 §8.2)."""

import pytest

from intercom.sip.address import Address, Transport
from intercom.sip.events import InviteReceived
from tests.sip.wire import OFFER, PEER_ADDRESS, bench, header, request, ringing

TCP = PEER_ADDRESS._replace(transport=Transport.TCP)
PROXY = Address("192.0.2.50", 5060)


def test_our_own_invite_that_a_proxy_sends_back_is_482():
    rig = bench()
    rig.call(destination=PROXY)
    via = f"SIP/2.0/UDP 192.0.2.50:5060;branch=z9hG4bKproxy, {header(rig.last, 'Via')}"

    assert rig.take(request("INVITE", via=via, body=OFFER), PROXY) == ["482"]
    assert not any(isinstance(event, InviteReceived) for event in rig.events)


def test_our_own_invite_that_comes_straight_back_is_482():
    rig = bench()
    rig.call()

    assert rig.take(rig.last) == ["482"]


def test_a_request_with_our_sent_by_but_another_branch_is_no_loop():
    rig = bench()
    rig.call(destination=PROXY)
    via = "SIP/2.0/UDP 192.0.2.50;branch=z9hG4bKp,SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKother"

    assert rig.take(request("INVITE", via=via, body=OFFER), PROXY) == ["100"]


def test_an_invite_that_comes_by_two_transports_is_482_the_second_time():
    rig = bench()
    ringing(rig)

    assert rig.take(request("INVITE", branch="z9hG4bKfork2", body=OFFER), TCP) == ["482"]


@pytest.mark.parametrize("method", ["INVITE", "BYE", "INFO", "OPTIONS"])
def test_a_to_tag_that_we_never_gave_is_481(method):
    rig = bench()
    ringing(rig)

    assert rig.take(request(method, to_tag="stranger", branch="z9hG4bK2", cseq=2)) == ["481"]


@pytest.mark.parametrize("method", ["BYE", "INFO", "OPTIONS"])
def test_our_tag_with_a_from_tag_that_is_not_the_peers_is_481(method):
    rig = bench()
    _, tag = ringing(rig)

    data = request(method, to_tag=tag, from_tag="stranger", branch="z9hG4bK2", cseq=2)

    assert rig.take(data) == ["481"]


def test_a_message_above_64_kb_is_513_without_being_read():
    rig = bench()
    head = request("INVITE").replace(b"Content-Length: 0", b"Content-Length: 70000")

    assert rig.take(head, TCP) == ["513"]
    assert rig.destinations == [TCP]
