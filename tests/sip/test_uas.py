"""Calls that come in, against a peer written by hand."""

import pytest

from intercom.sip.events import (
    DialogEnded,
    InviteCancelled,
    InviteConfirmed,
    InviteReceived,
)
from tests.sip import wire
from tests.sip.wire import OFFER, bench, header, request, ringing, talking


def test_an_invite_gets_100_at_once():
    rig = bench()

    assert rig.take(request("INVITE", body=OFFER)) == ["100"]

    event = rig.events[0]
    assert isinstance(event, InviteReceived)
    assert (event.from_user, event.request_user, event.username) == ("panel", "ring", None)
    assert event.body == OFFER
    assert event.source == wire.PEER_ADDRESS


def test_a_repeated_invite_gets_the_last_response_and_no_second_event():
    rig = bench()
    ringing(rig)

    out = rig.take(request("INVITE", body=OFFER))

    assert out == ["180"]
    assert rig.sent[-1] == rig.sent[-2]
    assert len(rig.events) == 1


def test_responses_carry_tag_contact_allow_and_record_route():
    rig = bench()
    dialog, tag = ringing(rig, extra="Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\n")

    rig.endpoint.respond(dialog, rig.now, 200, body=OFFER, headers=[("X-Door", "main")])
    rig.collect()

    assert tag
    assert wire.tag_of(header(rig.last, "To")) == tag
    assert header(rig.last, "Contact") == "<sip:ring@192.0.2.1:5060>"
    assert "INVITE" in header(rig.last, "Allow")
    assert header(rig.last, "Record-Route") == "<sip:p1;lr>, <sip:p2;lr>"
    assert header(rig.last, "Content-Type") == "application/sdp"
    assert header(rig.last, "X-Door") == "main"


def test_a_2xx_is_repeated_until_its_ack():
    rig = bench()
    dialog, tag = ringing(rig)
    rig.endpoint.respond(dialog, rig.now, 200, body=OFFER)

    assert rig.wait(4.0) == ["200"] * 4  # at once, then after 0.5, 1 and 2 s
    rig.take(request("ACK", branch="z9hG4bKack", to_tag=tag))

    assert rig.wait(40.0) == []
    assert rig.events[-1] == InviteConfirmed(dialog)


def test_without_an_ack_the_dialog_ends_with_bye_after_64_t1():
    rig = bench()
    dialog, _ = ringing(rig)
    rig.endpoint.respond(dialog, rig.now, 200, body=OFFER)

    assert "BYE" not in rig.wait(31.9)
    out = rig.wait(0.2)

    assert out == ["BYE"]
    assert rig.events[-1] == DialogEnded(dialog, "the ACK never came")


def test_an_ack_with_the_wrong_request_uri_or_the_invites_own_branch_counts():
    for options in ({"uri": "sip:elsewhere@10.0.0.1"}, {"branch": "z9hG4bKpeer1"}):
        rig = bench()
        dialog, tag = ringing(rig)
        rig.endpoint.respond(dialog, rig.now, 200)
        rig.collect()

        rig.take(request("ACK", to_tag=tag, **({"branch": "z9hG4bKack"} | options)))

        assert rig.events[-1] == InviteConfirmed(dialog)


@pytest.mark.parametrize("options", [{"to_tag": "other"}, {"cseq": 2}, {"from_tag": "other"}])
def test_an_ack_that_is_not_for_our_2xx_does_not_count(options):
    rig = bench()
    dialog, tag = ringing(rig)
    rig.endpoint.respond(dialog, rig.now, 200)
    rig.collect()

    rig.take(request("ACK", **({"branch": "z9hG4bKack", "to_tag": tag} | options)))

    assert InviteConfirmed(dialog) not in rig.events


def test_an_answer_to_our_offer_comes_with_the_ack():
    rig = bench()
    rig.take(request("INVITE"))
    dialog = rig.events[0].dialog
    rig.endpoint.respond(dialog, rig.now, 200, body=OFFER)
    rig.collect()
    tag = wire.tag_of(header(rig.last, "To"))

    rig.take(request("ACK", branch="z9hG4bKack", to_tag=tag, body=OFFER))

    assert rig.events[-1] == InviteConfirmed(dialog, OFFER)


def test_a_refusal_is_repeated_until_its_ack():
    rig = bench()
    dialog, tag = ringing(rig)

    rig.endpoint.respond(dialog, rig.now, 486, reason="Busy Now")
    assert rig.wait(1.0) == ["486", "486"]
    rig.take(request("ACK", to_tag=tag))

    assert rig.sent[-1].startswith(b"SIP/2.0 486 Busy Now\r\n")
    assert rig.wait(40.0) == []


def test_cancel_gets_200_and_the_invite_487():
    rig = bench()
    dialog, tag = ringing(rig)

    out = rig.take(request("CANCEL"))

    assert out == ["200", "487"]
    assert wire.tag_of(header(rig.sent[-2], "To")) == tag
    assert rig.events[-1] == InviteCancelled(dialog)


def test_what_a_cancel_requires_is_passed_over():
    rig = bench()
    ringing(rig)

    assert rig.take(request("CANCEL", extra="Require: nothing-known\r\n")) == ["200", "487"]


def test_cancel_for_nothing_is_481():
    assert bench().take(request("CANCEL", branch="z9hG4bKnone")) == ["481"]


def test_an_early_bye_cancels():
    rig = bench()
    dialog, tag = ringing(rig)

    out = rig.take(request("BYE", branch="z9hG4bKbye", to_tag=tag, cseq=2))

    assert out == ["200", "487"]
    assert rig.events[-1] == InviteCancelled(dialog)


def test_hanging_up_an_unanswered_call_is_480():
    rig = bench()
    dialog, _ = ringing(rig)

    rig.endpoint.hang_up(dialog, rig.now)

    assert rig.collect() == ["480"]


def test_hanging_up_before_the_ack_waits_for_it():
    rig = bench()
    dialog, tag = ringing(rig)
    rig.endpoint.respond(dialog, rig.now, 200)
    rig.endpoint.hang_up(dialog, rig.now)

    assert "BYE" not in rig.collect()
    out = rig.take(request("ACK", branch="z9hG4bKack", to_tag=tag))

    assert out == ["BYE"]
    assert header(rig.last, "CSeq") == "1 BYE"
    assert header(rig.last, "To").endswith(";tag=peertag")
    assert InviteConfirmed(dialog) not in rig.events


def test_a_long_ringing_is_repeated_each_minute():
    rig = bench()
    ringing(rig)

    assert rig.wait(125.0) == ["180", "180"]


def test_an_invite_that_comes_by_two_ways_is_482():
    rig = bench()
    ringing(rig)

    assert rig.take(request("INVITE", branch="z9hG4bKotherway", body=OFFER)) == ["482"]


def test_options_says_what_we_do():
    rig = bench()

    assert rig.take(request("OPTIONS")) == ["200"]
    assert header(rig.last, "Accept") == "application/sdp"
    assert "CANCEL" in header(rig.last, "Allow")


@pytest.mark.parametrize(
    ("method", "status"), [("REFER", "405"), ("SUBSCRIBE", "405"), ("FOO", "501")]
)
def test_methods_that_we_do_not_do_are_refused_with_allow(method, status):
    rig = bench()

    assert rig.take(request(method)) == [status]
    assert header(rig.last, "Allow").startswith("INVITE")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda data: data.replace(b"Max-Forwards: 70", b"Max-Forwards: 0"), "483"),
        (lambda data: data.replace(b"Max-Forwards: 70", b"Max-Forwards: 256"), "400"),
        (lambda data: data.replace(b"SIP/2.0\r\nVia", b"SIP/7.0\r\nVia"), "505"),
        (lambda data: data.replace(b"sip:ring@192.0.2.1 SIP", b"news:abc SIP"), "416"),
        (lambda data: data.replace(b"sip:ring@192.0.2.1 SIP", b"sip:ring@ SIP"), "400"),
        (lambda data: data.replace(b"CSeq: 1 INVITE", b"CSeq: 1 BYE"), "400"),
        (lambda data: data.replace(b"CSeq: 1 INVITE", b"CSeq: one INVITE"), "400"),
        (lambda data: data.replace(b"Call-ID: call-1\r\n", b""), "400"),
        (lambda data: data.replace(b"Call-ID", b"Call-ID: other\r\nCall-ID"), "400"),
        (lambda data: data.replace(b"application/sdp", b"text/plain"), "415"),
        (lambda data: data.replace(b"Contact", b"Require: 100rel, foo\r\nContact"), "420"),
        (lambda data: data.replace(b"Contact", b"Content-Encoding: gzip\r\nContact"), "415"),
        (lambda data: data.replace(b"Contact", b"Accept: text/plain\r\nContact"), "406"),
        (lambda data: data.replace(b"Length: ", b"Length: 9"), "400"),
        (lambda data: data.replace(b"Length: ", b"Length: -"), "400"),
        (lambda data: data.replace(b"Contact: <", b"Contact: "), "400"),
        (lambda data: data.replace(b"Contact", b"Record-Route: <sip:p, <sip:q\r\nContact"), "400"),
        (lambda data: data.replace(b"Contact", b'Require: a, "x\r\nContact'), "400"),
    ],
)
def test_a_bad_invite_is_refused_without_a_trace(change, status):
    rig = bench()

    assert rig.take(change(request("INVITE", body=OFFER))) == [status]

    assert rig.events == []
    assert rig.endpoint._core.layer.size == 0
    assert rig.endpoint.get_timer() is None


def test_420_lists_all_that_is_not_supported_and_415_what_is():
    rig = bench()

    rig.take(request("INVITE", extra="Require: 100rel, foo\r\nRequire: timer, bar\r\n"))
    assert header(rig.last, "Unsupported") == "foo, bar"
    rig.take(request("INVITE", body=b"x", extra="Content-Type: text/plain\r\n"))
    assert header(rig.last, "Accept") == "application/sdp"


def test_a_full_endpoint_says_503():
    rig = bench(max_dialogs=1)
    ringing(rig)

    out = rig.take(request("INVITE", branch="z9hG4bKnew", call_id="call-2", body=OFFER))

    assert out == ["503"]
    assert 5 <= int(header(rig.last, "Retry-After")) <= 10


def test_answering_what_has_ended_is_ignored():
    rig = bench()
    dialog, _ = ringing(rig)
    rig.take(request("CANCEL"))

    rig.endpoint.respond(dialog, rig.now, 200)
    rig.endpoint.hang_up(dialog, rig.now)
    rig.endpoint.send_info(dialog, rig.now, "text/plain", b"x")
    rig.endpoint.cancel(dialog, rig.now)

    assert rig.collect() == []


def test_a_keep_alive_is_ignored():
    rig = bench()

    assert rig.take(b"\r\n\r\n") == []
    assert rig.take(b"\0\0\0\0") == []
    assert rig.endpoint.counters.dropped_malformed == 0


def test_an_rfc_2543_caller_without_branch_and_from_tag_can_call():
    rig = bench()
    old = request("INVITE", via="SIP/2.0/UDP 192.0.2.9:5060", body=OFFER).replace(
        b";tag=peertag", b""
    )

    assert rig.take(old) == ["100"]
    assert rig.take(old) == ["100"]
    assert len(rig.events) == 1


def test_nothing_is_left_after_a_call():
    rig = bench()
    _, tag = talking(rig)
    rig.take(request("BYE", branch="z9hG4bKbye", to_tag=tag, cseq=2))

    rig.wait(100.0)

    assert rig.endpoint.get_timer() is None
    assert rig.endpoint._core.layer.size == 0
    assert rig.endpoint._core.usages_by_tag == {}
