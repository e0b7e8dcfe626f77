"""Requests above 1,300 bytes go over TCP, and by UDP where that fails (RFC 3261 §18.1.1)."""

import pytest

from intercom.sip.address import Address, Transport
from intercom.sip.endpoint import Credentials
from intercom.sip.events import InviteAnswered, InviteFailed
from intercom.sip.stream_memory import MAX_FAILED, StreamMemory
from tests.sip.wire import OFFER, OUR_ADDRESS, PEER_ADDRESS, bench, header, response

TCP = PEER_ADDRESS._replace(transport=Transport.TCP)
LARGE = OFFER + b"a=candidate:1 1 udp 1 192.0.2.1 4000 typ host\r\n" * 25
CHALLENGE = 'WWW-Authenticate: Digest realm="x", nonce="y", qop="auth", algorithm=MD5\r\n'


def house(**settings):
    """Make an endpoint that has a TCP address too."""
    return bench(also_local=(OUR_ADDRESS._replace(transport=Transport.TCP),), **settings)


def failed_over_tcp():
    """Make a call whose TCP failed."""
    rig = house()
    rig.call(body=LARGE)
    rig.endpoint.transport_failed(TCP, rig.now)
    rig.collect()
    return rig


def test_a_large_invite_goes_over_tcp_to_the_same_host_and_port():
    rig = house()

    rig.call(body=LARGE)

    assert rig.destinations == [TCP]
    assert header(rig.last, "Via").startswith("SIP/2.0/TCP 192.0.2.1:5060;")
    assert rig.wait(31.0) == []


def test_1300_bytes_go_by_udp_and_one_more_by_tcp():
    rig = house()
    rig.call()
    size = 1_300 - (len(rig.last) - len(OFFER))

    rig.call(body=b"x" * size)
    rig.call(body=b"x" * (size + 1))

    assert [len(data) for data in rig.sent[1:]] == [1_300, 1_301]
    assert rig.destinations == [PEER_ADDRESS, PEER_ADDRESS, TCP]


def test_without_a_tcp_address_of_that_family_everything_goes_by_udp():
    rig = house()
    peer = Address("2001:db8::9", 5060)

    rig.call(body=LARGE, destination=peer)

    assert rig.destinations == [peer]


def test_where_tcp_fails_the_same_request_goes_by_udp():
    rig = failed_over_tcp()

    first, second = rig.sent
    assert rig.destinations == [TCP, PEER_ADDRESS]
    assert header(second, "Via") == header(first, "Via").replace("/TCP ", "/UDP ")
    assert header(second, "CSeq") == header(first, "CSeq")
    assert rig.events == []
    rig.take(response(second, 200, body=OFFER))
    assert isinstance(rig.events[-1], InviteAnswered)
    assert rig.destinations[-1] == PEER_ADDRESS


def test_a_host_whose_tcp_failed_is_not_tried_again_for_ten_minutes():
    rig = failed_over_tcp()
    rig.wait(599.0)

    rig.call(body=LARGE)
    assert rig.destinations[-1] == PEER_ADDRESS
    rig.wait(2.0)
    rig.call(body=LARGE)

    assert rig.destinations[-1] == TCP


def test_a_connection_that_breaks_after_the_peer_spoke_is_no_reason_to_ask_again():
    rig = house()
    dialog = rig.call(body=LARGE)
    rig.take(response(rig.last, 180), TCP)

    rig.endpoint.connection_closed(TCP, rig.now)
    rig.collect()

    assert rig.events[-1] == InviteFailed(dialog, 503, "Service Unavailable", is_local=True)
    assert rig.destinations == [TCP]


def test_a_cancelled_invite_is_not_sent_again_by_udp():
    rig = house()
    dialog = rig.call(body=LARGE)
    rig.endpoint.cancel(dialog, rig.now)

    rig.endpoint.transport_failed(TCP, rig.now)
    rig.collect()

    assert rig.events == [InviteFailed(dialog, 487, "Request Terminated", is_local=True)]
    assert rig.destinations == [TCP]
    rig.call(body=LARGE)
    assert rig.destinations[-1] == PEER_ADDRESS


@pytest.mark.parametrize("is_failed", [False, True])
def test_cancel_and_ack_follow_their_invite(is_failed):
    rig = failed_over_tcp() if is_failed else house()
    if not is_failed:
        rig.call(body=LARGE)
    way = PEER_ADDRESS if is_failed else TCP
    dialog = next(iter(rig.endpoint._core.usages))
    rig.take(response(rig.last, 180), way)
    rig.endpoint.cancel(dialog, rig.now)
    rig.collect()
    rig.take(response(rig.newest("INVITE"), 487), way)

    assert rig.destinations[-2:] == [way, way]
    assert header(rig.newest("CANCEL"), "Via") == header(rig.newest("INVITE"), "Via")
    assert header(rig.newest("ACK"), "Via") == header(rig.newest("INVITE"), "Via")


def test_a_challenge_over_tcp_is_answered_over_tcp():
    rig = house()
    rig.call(body=LARGE, credentials=Credentials("a", "b"))

    rig.take(response(rig.last, 401, extra=CHALLENGE), TCP)

    assert rig.destinations == [TCP, TCP, TCP]
    assert header(rig.last, "CSeq") == "2 INVITE"
    assert header(rig.last, "Via").startswith("SIP/2.0/TCP ")


def test_a_challenge_after_the_fallback_is_answered_by_udp():
    rig = house()
    rig.call(body=LARGE, credentials=Credentials("a", "b"))
    rig.endpoint.transport_failed(TCP, rig.now)
    rig.collect()

    rig.take(response(rig.last, 401, extra=CHALLENGE))

    assert rig.destinations[-1] == PEER_ADDRESS
    assert header(rig.last, "Via").startswith("SIP/2.0/UDP ")


def test_the_memory_of_failures_is_bounded():
    memory = StreamMemory(lambda _: True)
    peers = [TCP._replace(port=1_024 + index) for index in range(MAX_FAILED + 1)]

    for peer in peers:
        memory.note_failure(peer, 0.0)

    assert memory.can_try(peers[0], 1.0)
    assert not memory.can_try(peers[1], 1.0)
    assert not memory.can_try(peers[-1], 1.0)
