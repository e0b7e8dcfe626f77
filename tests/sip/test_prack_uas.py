"""Provisionals that we send reliably (RFC 3262 §3)."""

import pytest

from intercom.sip.events import (
    InviteCancelled,
    InviteConfirmed,
    InviteReceived,
    OfferAnswered,
    ReinviteReceived,
)
from tests.sip.peer import from_caller, prack
from tests.sip.wire import NEW_OFFER, OFFER, bench, header, headers, request, tag_of

REQUIRED = "Require: 100rel\r\n"
ABLE = "Supported: timer, 100REL\r\n"


def called(extra=REQUIRED, body=OFFER, **settings):
    """Let somebody call us who wants or can do it."""
    rig = bench(**settings)
    rig.take(request("INVITE", extra=extra, body=body))
    event = rig.events[-1]
    assert isinstance(event, InviteReceived)
    return rig, event.dialog


def progress(rig, dialog, status=183, body=OFFER):
    """Send a provisional; return it."""
    rig.endpoint.respond(dialog, rig.now, status, body=body)
    rig.collect()
    return rig.last


def test_a_caller_who_requires_it_gets_every_provisional_above_100_reliably():
    rig, dialog = called()

    ringing = progress(rig, dialog, 180, b"")

    assert header(ringing, "Require") == "100rel"
    assert 1 <= int(header(ringing, "RSeq")) < 2**31
    assert headers(rig.sent[0], "RSeq") == []  # never the 100


@pytest.mark.parametrize(
    ("is_on", "status", "body", "is_reliable"),
    [
        (False, 183, OFFER, False),
        (True, 183, OFFER, True),
        (True, 180, b"", False),
    ],
)
def test_a_caller_who_can_do_it_gets_only_sdp_reliably_and_only_where_that_is_set(
    is_on, status, body, is_reliable
):
    rig, dialog = called(ABLE, reliable_provisionals=is_on)

    assert bool(headers(progress(rig, dialog, status, body), "RSeq")) is is_reliable


def test_a_reliable_provisional_is_repeated_at_doubling_intervals_until_its_prack():
    rig, dialog = called()
    first = progress(rig, dialog)

    assert rig.wait(16.0) == ["183"] * 5  # after 0.5, 1.5, 3.5, 7.5 and 15.5 s
    assert rig.last == first
    assert rig.take(prack(first)) == ["200"]

    assert rig.wait(60.0) == []


def test_without_a_prack_the_call_is_refused_after_64_t1_and_told():
    rig, dialog = called()
    progress(rig, dialog)

    assert "500" not in rig.wait(31.9)
    assert rig.wait(0.2) == ["500"]

    assert rig.events[-1] == InviteCancelled(dialog)


@pytest.mark.parametrize("rack", ["1 1 INVITE", "{} 2 INVITE", "{} 1 UPDATE", "nonsense", "{}"])
def test_a_prack_for_something_else_is_481_and_ends_nothing(rack):
    rig, dialog = called()
    first = progress(rig, dialog)

    assert rig.take(prack(first, rack=rack.format(header(first, "RSeq")))) == ["481"]

    assert rig.wait(0.6) == ["183"]


def test_a_prack_twice_is_481_but_its_retransmission_is_200():
    rig, dialog = called()
    first = progress(rig, dialog)

    assert rig.take(prack(first)) == rig.take(prack(first)) == ["200"]
    assert rig.take(prack(first, cseq=3)) == ["481"]


def test_a_prack_where_nothing_was_sent_reliably_is_481():
    rig, dialog = called(ABLE)
    ringing = progress(rig, dialog, 180, b"")
    tag = tag_of(header(ringing, "To"))

    assert rig.take(from_caller("PRACK", tag, extra="RAck: 1 1 INVITE\r\n")) == ["481"]


def test_a_second_provisional_waits_for_the_prack_of_the_first():
    rig, dialog = called()
    first = progress(rig, dialog, 180, b"")
    rig.endpoint.respond(dialog, rig.now, 183, body=OFFER)
    assert rig.collect() == []

    assert rig.take(prack(first)) == ["183", "200"]

    second = rig.sent[-2]
    assert int(header(second, "RSeq")) == int(header(first, "RSeq")) + 1
    assert rig.take(prack(second, cseq=3)) == ["200"]


def test_the_2xx_is_held_until_the_sdp_is_acknowledged():
    rig, dialog = called()
    first = progress(rig, dialog)
    rig.endpoint.respond(dialog, rig.now, 200, body=OFFER)
    assert rig.collect() == []

    assert rig.take(prack(first)) == ["200", "200"]

    assert header(rig.sent[-2], "CSeq") == "2 PRACK"
    assert header(rig.last, "CSeq") == "1 INVITE"
    rig.take(from_caller("ACK", tag_of(header(first, "To")), cseq=1))
    assert rig.events[-1] == InviteConfirmed(dialog)
    assert rig.wait(60.0) == []


def test_the_2xx_does_not_wait_for_a_ringing_without_sdp_whose_prack_still_fits():
    rig, dialog = called()
    ringing = progress(rig, dialog, 180, b"")
    rig.endpoint.respond(dialog, rig.now, 200, body=OFFER)

    assert rig.collect() == ["200"]
    assert rig.take(prack(ringing)) == ["200"]
    rig.take(from_caller("ACK", tag_of(header(ringing, "To")), cseq=1))

    assert rig.wait(60.0) == []


@pytest.mark.parametrize(("end", "status"), [("cancel", "487"), ("hang up", "480")])
def test_a_held_2xx_is_dropped_when_the_call_ends_before_it_went_out(end, status):
    rig, dialog = called()
    progress(rig, dialog)
    rig.endpoint.respond(dialog, rig.now, 200, body=OFFER)

    out = rig.take(request("CANCEL")) if end == "cancel" else []
    rig.endpoint.hang_up(dialog, rig.now)
    out += rig.collect()

    assert out[-1] == status
    rig.take(request("ACK", to_tag=tag_of(header(rig.last, "To"))))
    assert rig.wait(60.0) == []


def test_after_a_reliable_answer_the_2xx_repeats_it_and_says_nothing_else():
    for body, expected in ((OFFER, OFFER), (NEW_OFFER, b""), (b"", b"")):
        rig, dialog = called()
        rig.take(prack(progress(rig, dialog)))

        rig.endpoint.respond(dialog, rig.now, 200, body=body)
        rig.collect()

        assert rig.last.partition(b"\r\n\r\n")[2] == expected
        assert len(headers(rig.last, "Content-Type")) == bool(expected)


def test_a_long_ringing_is_said_again_with_a_number_of_its_own():
    rig, dialog = called()
    first = progress(rig, dialog)
    rig.take(prack(first))

    assert rig.wait(149.0) == []
    assert rig.wait(1.1) == ["183"]

    assert int(header(rig.last, "RSeq")) == int(header(first, "RSeq")) + 1
    assert rig.last.endswith(b"Content-Length: 0\r\n\r\n")


def test_an_offer_in_a_prack_is_told_and_answered_in_its_200():
    rig, dialog = called()
    first = progress(rig, dialog)

    assert rig.take(prack(first, body=NEW_OFFER)) == []
    assert rig.events[-1] == ReinviteReceived(dialog, NEW_OFFER)
    rig.endpoint.respond(dialog, rig.now, 200, body=OFFER)

    assert rig.collect() == ["200"]
    assert header(rig.last, "CSeq") == "2 PRACK"
    assert rig.last.endswith(OFFER)
    rig.endpoint.respond(dialog, rig.now, 200, body=OFFER)
    assert rig.collect() == ["200"]
    assert header(rig.last, "CSeq") == "1 INVITE"


def test_an_offer_in_a_prack_that_is_refused_leaves_the_call_as_it_was():
    rig, dialog = called()
    rig.take(prack(progress(rig, dialog), body=NEW_OFFER))

    rig.endpoint.respond(dialog, rig.now, 488)
    assert rig.collect() == ["488"]
    rig.endpoint.respond(dialog, rig.now, 200, body=OFFER)

    assert rig.collect() == ["200"]
    assert rig.last.endswith(OFFER)


def test_our_offer_in_a_reliable_provisional_is_answered_in_the_prack():
    rig, dialog = called(body=b"")
    first = progress(rig, dialog)
    assert first.endswith(OFFER)

    assert rig.take(prack(first, body=NEW_OFFER)) == ["200"]
    assert rig.events[-1] == OfferAnswered(dialog, NEW_OFFER)
    rig.endpoint.respond(dialog, rig.now, 200, body=OFFER)
    rig.collect()
    assert rig.last.endswith(b"Content-Length: 0\r\n\r\n")
    rig.take(from_caller("ACK", tag_of(header(first, "To")), cseq=1))

    assert rig.events[-1] == InviteConfirmed(dialog, NEW_OFFER)


def test_a_prack_without_the_answer_to_our_offer_ends_the_call():
    rig, dialog = called(body=b"")

    assert rig.take(prack(progress(rig, dialog))) == ["200", "500"]

    assert rig.events[-1] == InviteCancelled(dialog)


def test_an_offer_of_ours_is_not_put_into_a_provisional_that_may_be_lost():
    rig, dialog = called("", body=b"")

    unreliable = progress(rig, dialog)

    assert unreliable.endswith(b"Content-Length: 0\r\n\r\n")
    assert headers(unreliable, "Content-Type") == []


def test_nothing_is_left_after_a_call():
    rig, dialog = called()
    first = progress(rig, dialog)
    rig.take(prack(first))
    rig.take(request("CANCEL"))
    rig.take(request("ACK", to_tag=tag_of(header(first, "To"))))

    rig.wait(200.0)

    assert rig.endpoint.get_timer() is None
    assert rig.endpoint._core.layer.size == 0
    assert rig.endpoint._core.usages_by_tag == {}
