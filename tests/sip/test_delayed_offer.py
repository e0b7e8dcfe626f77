"""Offers that come late (RFC 3261 §13.2.1, §14.2): ours in a 2xx, the answer in the ACK."""

from intercom.sip.events import (
    DialogEnded,
    InviteConfirmed,
    OfferAnswered,
    ReinviteReceived,
)
from tests.sip.peer import from_caller
from tests.sip.wire import NEW_OFFER, OFFER, bench, header, request, tag_of, talking


def offering(rig):
    """Let somebody call us without an offer, and make ours in the 2xx."""
    rig.take(request("INVITE"))
    dialog = rig.events[-1].dialog
    rig.endpoint.respond(dialog, rig.now, 200, body=OFFER)
    rig.collect()
    return dialog, tag_of(header(rig.last, "To"))


def test_the_answer_to_the_offer_in_our_2xx_comes_with_the_ack():
    rig = bench()
    dialog, tag = offering(rig)

    rig.take(from_caller("ACK", tag, cseq=1, body=NEW_OFFER))

    assert rig.events[-1] == InviteConfirmed(dialog, NEW_OFFER)


def test_an_ack_without_the_answer_ends_the_dialog():
    rig = bench()
    dialog, tag = offering(rig)

    assert rig.take(from_caller("ACK", tag, cseq=1)) == ["BYE"]

    assert rig.events[-1] == DialogEnded(dialog, "the ACK held no answer")


def test_an_ack_is_not_asked_for_an_answer_that_is_not_due():
    rig = bench()

    dialog, _ = talking(rig)

    assert rig.events[-1] == InviteConfirmed(dialog)


def test_a_reinvite_without_an_offer_gets_ours_and_its_ack_is_told():
    rig = bench()
    dialog, tag = talking(rig)
    rig.take(from_caller("INVITE", tag))
    assert rig.events[-1] == ReinviteReceived(dialog, b"")

    rig.endpoint.respond(dialog, rig.now, 200, body=OFFER)
    rig.collect()
    rig.take(from_caller("ACK", tag, body=NEW_OFFER))

    assert rig.events[-1] == OfferAnswered(dialog, NEW_OFFER)
    assert rig.take(from_caller("UPDATE", tag, cseq=3, body=NEW_OFFER)) == ["200"]  # nothing new


def test_a_reinvites_ack_without_an_answer_leaves_the_session_as_it_was():
    rig = bench()
    dialog, tag = talking(rig)
    rig.take(from_caller("INVITE", tag))
    rig.endpoint.respond(dialog, rig.now, 200, body=NEW_OFFER)
    rig.collect()
    told = len(rig.events)

    assert rig.take(from_caller("ACK", tag)) == []
    assert rig.take(from_caller("UPDATE", tag, cseq=3, body=OFFER)) == ["200"]

    assert len(rig.events) == told


def test_an_update_before_the_answer_to_our_offer_is_491():
    rig = bench()
    _, tag = offering(rig)

    assert rig.take(from_caller("UPDATE", tag, body=NEW_OFFER)) == ["491"]
