"""Calls that we make, against a peer written by hand."""

import pytest

from intercom.errors import LocalProtocolError
from intercom.sip.address import Address
from intercom.sip.events import (
    DialogEnded,
    InfoReceived,
    InviteAnswered,
    InviteFailed,
    InviteProgressed,
    ReinviteReceived,
)
from tests.sip import wire
from tests.sip.wire import NEW_OFFER, OFFER, answered, bench, header, response


def test_an_invite_carries_what_rfc_3261_asks_for():
    rig = bench()

    rig.call(from_display='Dør "A"', headers=[("P-Asserted-Identity", "<sip:x@y>")])

    invite = rig.last
    assert invite.startswith(b"INVITE sip:door@192.0.2.9 SIP/2.0\r\n")
    assert header(invite, "Via").startswith("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK")
    assert header(invite, "Via").endswith(";rport")
    assert header(invite, "Max-Forwards") == "70"
    assert header(invite, "From").startswith('"Dør \\"A\\"" <sip:router@192.0.2.1>;tag=')
    assert header(invite, "To") == "<sip:door@192.0.2.9>"
    assert header(invite, "CSeq") == "1 INVITE"
    assert header(invite, "Contact") == "<sip:router@192.0.2.1:5060>"
    assert header(invite, "P-Asserted-Identity") == "<sip:x@y>"
    assert header(invite, "Content-Length") == str(len(OFFER))


def test_two_calls_share_no_call_id_tag_or_branch():
    rig = bench()

    rig.call()
    rig.call()

    for name in ("Call-ID", "From", "Via"):
        assert header(rig.sent[0], name) != header(rig.sent[1], name)


def test_a_header_with_a_line_end_is_our_own_bug():
    with pytest.raises(LocalProtocolError):
        bench().call(headers=[("X", "a\r\nVia: b")])


def test_a_target_with_a_space_is_our_own_bug():
    with pytest.raises(LocalProtocolError):
        bench().call(target="sip:a@b SIP/2.0")


def test_progress_is_told_without_100():
    rig = bench()
    dialog = rig.call()
    invite = rig.last

    rig.take(response(invite, 100))
    rig.take(response(invite, 180))
    rig.take(response(invite, 183, body=OFFER))

    assert rig.events == [
        InviteProgressed(dialog, 180, b""),
        InviteProgressed(dialog, 183, OFFER),
    ]


def test_a_2xx_is_acknowledged_at_its_contact_and_again_whenever_it_is_repeated():
    rig = bench()
    dialog = rig.call()
    final = response(rig.last, 200, extra="Contact: <sip:door@192.0.2.9:5080>\r\n", body=OFFER)

    first = rig.take(final)
    second = rig.take(final)

    assert first == second == ["ACK"]
    assert rig.sent[-1] == rig.sent[-2]
    assert rig.last.startswith(b"ACK sip:door@192.0.2.9:5080 SIP/2.0\r\n")
    assert header(rig.last, "CSeq") == "1 ACK"
    assert header(rig.last, "Via") != header(rig.sent[0], "Via")
    assert rig.destinations[-1] == Address("192.0.2.9", 5080)
    assert rig.events == [InviteAnswered(dialog, OFFER)]


def test_a_contact_behind_nat_is_reached_at_the_peers_own_address():
    rig = bench()

    answered(rig, extra="Contact: <sip:door@192.168.1.20:5060>\r\n")

    assert rig.last.startswith(b"ACK sip:door@192.168.1.20:5060 ")
    assert rig.destinations[-1] == wire.PEER_ADDRESS


def test_record_route_is_followed_in_reverse_order():
    rig = bench()
    routes = (
        "Record-Route: <sip:192.0.2.9:5099;lr>\r\nRecord-Route: <sip:10.9.9.9;lr>\r\n"
        "Contact: <sip:door@10.0.0.7>\r\n"
    )

    dialog = answered(rig, extra=routes)
    rig.endpoint.hang_up(dialog, rig.now)
    rig.collect()

    for data in rig.sent[-2:]:
        assert wire.headers(data, "Route") == ["<sip:10.9.9.9;lr>", "<sip:192.0.2.9:5099;lr>"]
        assert b" sip:door@10.0.0.7 SIP/2.0\r\n" in data


def test_a_strict_router_gets_itself_as_request_uri():
    rig = bench()

    answered(rig, extra="Record-Route: <sip:192.0.2.9:5099>\r\nContact: <sip:door@10.0.0.7>\r\n")

    assert rig.last.startswith(b"ACK sip:192.0.2.9:5099 SIP/2.0\r\n")
    assert wire.headers(rig.last, "Route") == ["<sip:door@10.0.0.7>"]
    assert rig.destinations[-1] == Address("192.0.2.9", 5099)


@pytest.mark.parametrize("status", [302, 404, 480, 486, 503, 603])
def test_a_refusal_is_told_with_its_status(status):
    rig = bench()
    dialog = rig.call()

    assert rig.take(response(rig.last, status, reason="Why")) == ["ACK"]

    assert rig.events == [InviteFailed(dialog, status, "Why", is_local=False)]


def test_silence_is_408():
    rig = bench()
    dialog = rig.call()

    rig.wait(32.0)

    assert rig.events == [InviteFailed(dialog, 408, "Request Timeout", is_local=True)]
    assert rig.count("INVITE") == 7


def test_a_transport_that_fails_is_503():
    rig = bench()
    dialog = rig.call()

    rig.endpoint.transport_failed(wire.PEER_ADDRESS, rig.now)
    rig.collect()

    assert rig.events == [InviteFailed(dialog, 503, "Service Unavailable", is_local=True)]


def test_bye_carries_tags_the_next_cseq_and_a_reason():
    rig = bench()
    dialog = answered(rig)

    rig.endpoint.hang_up(dialog, rig.now, "nobody there")
    rig.collect()

    assert rig.last.startswith(b"BYE sip:door@192.0.2.9:5060 SIP/2.0\r\n")
    assert header(rig.last, "CSeq") == "2 BYE"
    assert header(rig.last, "To").endswith(";tag=peertag")
    assert header(rig.last, "From") == header(rig.sent[0], "From")
    assert header(rig.last, "Reason") == 'SIP;cause=200;text="nobody there"'


def test_the_peers_bye_ends_the_dialog():
    rig = bench()
    dialog = answered(rig)
    invite = rig.sent[0]

    out = rig.take(bye_from_peer(invite))

    assert out == ["200"]
    assert rig.events[-1] == DialogEnded(dialog, "the peer hung up")
    assert rig.take(bye_from_peer(invite, branch="z9hG4bKother", cseq=9)) == ["481"]


def bye_from_peer(invite, *, method="BYE", branch="z9hG4bKbye", cseq=8, tag="peertag", body=b""):
    """Write a request within the dialog from whoever answered."""
    return wire.request(
        method,
        branch=branch,
        call_id=header(invite, "Call-ID"),
        from_tag=tag,
        to_tag=wire.tag_of(header(invite, "From")),
        cseq=cseq,
        body=body,
    )


def test_a_request_with_a_foreign_tag_is_481():
    rig = bench()
    answered(rig)

    assert rig.take(bye_from_peer(rig.sent[0], tag="somebody")) == ["481"]
    assert rig.events[1:] == []


def test_info_goes_both_ways():
    rig = bench()
    dialog = answered(rig)
    invite = rig.sent[0]

    rig.endpoint.send_info(dialog, rig.now, "application/dtmf-relay", b"Signal=5\r\n")
    rig.collect()
    assert header(rig.last, "Content-Type") == "application/dtmf-relay"
    assert rig.last.endswith(b"\r\n\r\nSignal=5\r\n")

    info = bye_from_peer(invite, method="INFO", body=b"Signal=7")
    info = info.replace(b"application/sdp", b"Application/DTMF-Relay; x=y")
    assert rig.take(info) == ["200"]
    assert rig.take(info) == ["200"]
    assert rig.events[1:] == [InfoReceived(dialog, "application/dtmf-relay", b"Signal=7")]


def test_an_info_replayed_with_a_new_branch_is_refused():
    rig = bench()
    answered(rig)
    invite = rig.sent[0]
    rig.take(bye_from_peer(invite, method="INFO", body=b"5"))

    out = rig.take(bye_from_peer(invite, method="INFO", branch="z9hG4bKreplay", body=b"5"))

    assert out == ["500"]
    assert len(rig.events) == 2


def test_a_reinvite_of_the_callee_is_told_answered_and_acknowledged():
    rig = bench()
    dialog = answered(rig)
    again = bye_from_peer(rig.sent[0], method="INVITE", body=NEW_OFFER)

    assert rig.take(again) == ["100"]
    rig.endpoint.respond(dialog, rig.now, 200, body=OFFER)
    assert rig.collect() == ["200"]
    assert header(rig.last, "Contact") == "<sip:router@192.0.2.1:5060>"
    rig.take(bye_from_peer(rig.sent[0], method="ACK", branch="z9hG4bKa"))

    assert rig.wait(40.0) == []
    assert rig.events[1:] == [ReinviteReceived(dialog, NEW_OFFER)]


def test_hanging_up_before_the_ack_of_a_reinvite_does_not_wait():
    rig = bench()
    dialog = answered(rig)
    rig.take(bye_from_peer(rig.sent[0], method="INVITE", body=NEW_OFFER))
    rig.endpoint.respond(dialog, rig.now, 200, body=OFFER)

    rig.endpoint.hang_up(dialog, rig.now)

    assert rig.collect() == ["200", "BYE"]


@pytest.mark.parametrize("status", [481, 408])
def test_an_info_that_says_the_dialog_is_gone_ends_it(status):
    rig = bench()
    dialog = answered(rig)
    rig.endpoint.send_info(dialog, rig.now, "application/dtmf", b"5")
    rig.collect()

    rig.take(response(rig.last, status))

    assert isinstance(rig.events[-1], DialogEnded)


def test_a_silent_peer_ends_the_dialog_after_an_info():
    rig = bench()
    dialog = answered(rig)
    rig.endpoint.send_info(dialog, rig.now, "application/dtmf", b"5")

    rig.wait(32.0)

    assert rig.events[-1] == DialogEnded(dialog, "the peer is silent")
    assert rig.count("BYE") == 1


def test_nothing_is_left_after_a_call():
    rig = bench()
    dialog = answered(rig)
    rig.endpoint.hang_up(dialog, rig.now)
    rig.collect()
    rig.take(response(rig.last, 200))

    rig.wait(200.0)

    assert rig.endpoint.get_timer() is None
    assert rig.endpoint._core.layer.size == 0
    assert rig.endpoint._core.usages_by_tag == {}
