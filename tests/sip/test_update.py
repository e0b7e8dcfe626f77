"""UPDATE (RFC 3311), both ways, and what is answered without our user."""

import pytest

from intercom.sip.events import (
    DialogEnded,
    InviteAnswered,
    InviteReceived,
    ReinviteAnswered,
    ReinviteFailed,
    ReinviteReceived,
)
from tests.loopback import Loopback
from tests.sip import wire
from tests.sip.peer import from_callee, from_caller, prack, reliable
from tests.sip.test_races import call_between
from tests.sip.wire import NEW_OFFER, OFFER, bench, header, headers, request, response, talking

ALLOWS = "Contact: <sip:door@192.0.2.9:5060>\r\nAllow: INVITE, UPDATE\r\n"


def test_we_say_that_we_do_prack_and_update():
    rig = bench()

    rig.take(request("OPTIONS"))

    assert {"PRACK", "UPDATE"} <= set(header(rig.last, "Allow").split(", "))
    assert header(rig.last, "Supported") == "100rel, timer"


def test_an_update_without_an_offer_refreshes_the_target_and_disturbs_nobody():
    rig = bench()
    dialog, tag = talking(rig)
    told = len(rig.events)
    update = from_caller("UPDATE", tag).replace(b"panel@192.0.2.9:5060", b"panel@192.0.2.9:5099")

    assert rig.take(update) == rig.take(update) == ["200"]
    assert header(rig.last, "Contact") == "<sip:ring@192.0.2.1:5060>"
    rig.endpoint.hang_up(dialog, rig.now)
    rig.collect()

    assert rig.last.startswith(b"BYE sip:panel@192.0.2.9:5099 ")
    assert len(rig.events) == told


def test_an_update_with_an_offer_is_told_and_answered():
    rig = bench()
    dialog, tag = talking(rig)

    assert rig.take(from_caller("UPDATE", tag, body=NEW_OFFER)) == []
    assert rig.events[-1] == ReinviteReceived(dialog, NEW_OFFER)
    rig.endpoint.respond(dialog, rig.now, 200, body=OFFER)

    assert rig.collect() == ["200"]
    assert rig.last.endswith(OFFER)
    assert rig.wait(60.0) == []  # no ACK comes, and none is waited for


def test_a_refused_update_changes_neither_target_nor_session():
    rig = bench()
    dialog, tag = talking(rig)
    update = from_caller("UPDATE", tag, body=NEW_OFFER)
    rig.take(update.replace(b"panel@192.0.2.9:5060", b"panel@192.0.2.9:5099"))

    rig.endpoint.respond(dialog, rig.now, 488)
    assert rig.collect() == ["488"]
    assert rig.take(from_caller("UPDATE", tag, cseq=3, body=OFFER)) == ["200"]  # as agreed
    rig.take(from_caller("UPDATE", tag, cseq=4, body=NEW_OFFER))
    rig.endpoint.respond(dialog, rig.now, 488)
    rig.endpoint.hang_up(dialog, rig.now)
    rig.collect()

    assert rig.last.startswith(b"BYE sip:panel@192.0.2.9:5060 ")


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_an_offer_that_changes_nothing_gets_our_last_description(method):
    rig = bench()
    dialog, tag = talking(rig)
    told = len(rig.events)

    assert rig.take(from_caller(method, tag, body=OFFER))[-1] == "200"

    assert rig.last.endswith(OFFER)
    assert len(rig.events) == told
    if method == "INVITE":
        rig.take(from_caller("ACK", tag))
        assert len(rig.events) == told
        assert rig.wait(60.0) == []
    rig.endpoint.hang_up(dialog, rig.now)
    assert rig.collect() == ["BYE"]


def test_a_changed_offer_is_compared_with_the_newest_agreement():
    rig = bench()
    dialog, tag = talking(rig)
    rig.take(from_caller("UPDATE", tag, body=NEW_OFFER))
    rig.endpoint.respond(dialog, rig.now, 200, body=b"v=0\r\n")
    rig.collect()

    assert rig.take(from_caller("UPDATE", tag, cseq=3, body=NEW_OFFER)) == ["200"]
    assert rig.last.endswith(b"\r\n\r\nv=0\r\n")
    assert rig.take(from_caller("UPDATE", tag, cseq=4, body=OFFER)) == []
    assert rig.events[-1] == ReinviteReceived(dialog, OFFER)


def test_an_offer_that_differs_in_anything_but_the_version_is_told():
    rig = bench()
    dialog, tag = talking(rig)
    held = OFFER + b"a=sendonly\r\n"  # with the old o=, as some panels write it

    rig.take(from_caller("UPDATE", tag, body=held))

    assert rig.events[-1] == ReinviteReceived(dialog, held)


def test_our_own_offer_with_keys_is_never_used_again_as_an_answer():
    rig = bench()
    keys = OFFER + b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:a\r\na=crypto:2 X inline:b\r\n"
    dialog = rig.call(body=keys)
    rig.take(response(rig.last, 200, body=OFFER))

    rig.take(from_callee(rig, "UPDATE", body=OFFER))

    assert rig.events[-1] == ReinviteReceived(dialog, OFFER)


def test_a_second_update_before_the_first_is_answered_is_500_with_a_time():
    rig = bench()
    _, tag = talking(rig)
    rig.take(from_caller("UPDATE", tag, body=NEW_OFFER))

    for cseq, body in ((3, NEW_OFFER), (4, b"")):
        assert rig.take(from_caller("UPDATE", tag, cseq=cseq, body=body)) == ["500"]
        assert 0 <= int(header(rig.last, "Retry-After")) <= 10


def test_an_update_with_an_offer_while_a_reinvite_waits_is_500_and_without_one_200():
    rig = bench()
    _, tag = talking(rig)
    rig.take(from_caller("INVITE", tag, body=NEW_OFFER))

    assert rig.take(from_caller("UPDATE", tag, cseq=3, body=NEW_OFFER)) == ["500"]
    assert rig.take(from_caller("UPDATE", tag, cseq=4)) == ["200"]


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_an_offer_that_crosses_ours_is_491(method):
    rig = bench()
    dialog = rig.call()
    rig.take(response(rig.last, 200, extra=ALLOWS, body=OFFER))
    rig.endpoint.update(dialog, rig.now, NEW_OFFER)
    assert rig.collect() == ["UPDATE"]

    assert rig.take(from_callee(rig, method, body=NEW_OFFER))[-1] == "491"
    assert not any(isinstance(event, ReinviteReceived) for event in rig.events)


def test_an_update_with_something_else_than_sdp_is_415():
    rig = bench()
    _, tag = talking(rig)

    out = rig.take(from_caller("UPDATE", tag, body=b"x", extra="Content-Type: text/plain\r\n"))

    assert out == ["415"]
    assert header(rig.last, "Accept") == "application/sdp"


def test_an_update_for_no_dialog_is_481():
    assert bench().take(request("UPDATE")) == ["481"]
    assert bench().take(request("PRACK", extra="RAck: 1 1 INVITE\r\n")) == ["481"]


def test_hanging_up_answers_the_update_that_waits():
    rig = bench()
    dialog, tag = talking(rig)
    rig.take(from_caller("UPDATE", tag, body=NEW_OFFER))

    rig.endpoint.hang_up(dialog, rig.now)

    assert rig.collect() == ["487", "BYE"]


# Early dialogs


def test_a_caller_may_offer_anew_once_the_reliable_answer_is_there_and_not_before():
    rig = bench()
    rig.take(request("INVITE", extra="Require: 100rel\r\n", body=OFFER))
    event = rig.events[-1]
    assert isinstance(event, InviteReceived)
    rig.endpoint.respond(event.dialog, rig.now, 180)
    rig.collect()
    tag = wire.tag_of(header(rig.last, "To"))
    rig.take(prack(rig.last))

    assert rig.take(from_caller("UPDATE", tag, cseq=3, body=NEW_OFFER)) == ["500"]
    rig.endpoint.respond(event.dialog, rig.now, 183, body=OFFER)
    rig.collect()
    rig.take(prack(rig.last, cseq=4))
    rig.take(from_caller("UPDATE", tag, cseq=5, body=NEW_OFFER))

    assert rig.events[-1] == ReinviteReceived(event.dialog, NEW_OFFER)
    rig.endpoint.respond(event.dialog, rig.now, 180)  # the INVITE's, not the UPDATE's
    rig.endpoint.respond(event.dialog, rig.now, 200, body=OFFER)
    assert rig.collect() == ["180", "200"]
    assert header(rig.last, "CSeq") == "5 UPDATE"
    assert header(rig.sent[-2], "CSeq") == "1 INVITE"


def test_we_may_offer_anew_in_an_early_dialog_once_the_answer_was_acknowledged():
    rig = bench()
    rig.take(request("INVITE", extra="Require: 100rel\r\nAllow: UPDATE\r\n", body=OFFER))
    dialog = rig.events[-1].dialog
    rig.endpoint.respond(dialog, rig.now, 183, body=OFFER)
    rig.endpoint.update(dialog, rig.now, NEW_OFFER)
    assert rig.collect() == ["183"]
    assert rig.events[-1] == ReinviteFailed(dialog, 491)

    rig.take(prack(rig.last))
    rig.endpoint.update(dialog, rig.now, NEW_OFFER)
    assert rig.collect() == ["UPDATE"]
    rig.take(response(rig.last, 200, body=NEW_OFFER))

    assert rig.events[-1] == ReinviteAnswered(dialog, NEW_OFFER)


def test_the_callee_may_offer_anew_before_it_answers_and_its_newest_description_counts():
    rig = bench()
    dialog = rig.call(is_reliable=True)
    invite = rig.last
    rig.take(reliable(invite, 1, body=OFFER))

    rig.take(from_callee(rig, "UPDATE", body=NEW_OFFER))
    assert rig.events[-1] == ReinviteReceived(dialog, NEW_OFFER)
    rig.endpoint.respond(dialog, rig.now, 200, body=OFFER)
    assert rig.collect() == ["200"]
    rig.take(response(invite, 200))

    assert rig.events[-1] == InviteAnswered(dialog, NEW_OFFER)


def test_a_callee_that_has_not_answered_our_offer_may_not_make_one():
    rig = bench()
    rig.call()
    rig.take(response(rig.last, 180))

    assert rig.take(from_callee(rig, "UPDATE", body=NEW_OFFER)) == ["491"]
    assert rig.take(from_callee(rig, "UPDATE", cseq=9)) == ["200"]


def test_only_the_newest_fork_may_change_what_we_hear():
    rig = bench()
    rig.call(is_reliable=True)
    invite = rig.last
    rig.take(reliable(invite, 1, tag="one", body=OFFER))
    rig.take(reliable(invite, 1, tag="two", body=OFFER))

    assert rig.take(from_callee(rig, "UPDATE", tag="one", body=NEW_OFFER)) == ["500"]
    assert rig.take(from_callee(rig, "UPDATE", tag="two", body=NEW_OFFER)) == []


# Ours


def test_our_update_carries_contact_and_offer_and_its_answer_is_told():
    rig = bench()
    dialog = rig.call()
    rig.take(response(rig.last, 200, extra=ALLOWS, body=OFFER))

    rig.endpoint.update(dialog, rig.now, NEW_OFFER)
    rig.collect()

    assert header(rig.last, "Contact") == "<sip:router@192.0.2.1:5060>"
    assert header(rig.last, "CSeq") == "2 UPDATE"
    assert rig.last.endswith(NEW_OFFER)
    moved = "Contact: <sip:door@192.0.2.9:5077>\r\n"
    assert rig.take(response(rig.last, 200, extra=moved, body=OFFER)) == []
    assert rig.events[-1] == ReinviteAnswered(dialog, OFFER)
    rig.endpoint.hang_up(dialog, rig.now)
    rig.collect()
    assert rig.last.startswith(b"BYE sip:door@192.0.2.9:5077 ")


def test_an_update_to_somebody_who_does_not_do_it_fails_at_once():
    rig = bench()
    dialog = wire.answered(rig)

    rig.endpoint.update(dialog, rig.now, NEW_OFFER)

    assert rig.collect() == []
    assert rig.events[-1] == ReinviteFailed(dialog, 405)


def test_an_update_refused_by_glare_is_sent_again_after_the_owners_wait():
    rig = bench()
    dialog = rig.call()
    rig.take(response(rig.last, 200, extra=ALLOWS, body=OFFER))
    rig.endpoint.update(dialog, rig.now, NEW_OFFER)
    rig.collect()
    rig.take(response(rig.last, 491))

    assert "UPDATE" not in rig.wait(2.0)
    assert "UPDATE" in rig.wait(2.1)
    assert header(rig.newest("UPDATE"), "CSeq") == "3 UPDATE"
    assert not any(isinstance(event, ReinviteFailed) for event in rig.events)


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
@pytest.mark.parametrize("status", [408, 481])
def test_a_change_that_says_the_dialog_is_gone_ends_it(method, status):
    rig = bench()
    dialog = rig.call()
    rig.take(response(rig.last, 200, extra=ALLOWS, body=OFFER))
    change = rig.endpoint.update if method == "UPDATE" else rig.endpoint.reinvite
    change(dialog, rig.now, NEW_OFFER)
    rig.collect()

    rig.take(response(rig.last, status))

    assert rig.events[-2] == ReinviteFailed(dialog, status)
    assert isinstance(rig.events[-1], DialogEnded)


def test_updates_that_cross_are_both_491_and_then_both_done():
    net = Loopback()
    a, b, dialog, incoming = call_between(net)
    for node in (a, b):
        node.on_event = lambda event, node=node: (
            node.endpoint.respond(event.dialog, net.now, 200, body=OFFER)
            if isinstance(event, ReinviteReceived)
            else None
        )

    a.endpoint.update(dialog, net.now, b"from a")
    b.endpoint.update(incoming, net.now, b"from b")
    net.run(20.0)

    assert "SIP/2.0 491 Request Pending" in net.starts(a)
    assert "SIP/2.0 491 Request Pending" in net.starts(b)
    assert a.all(ReinviteAnswered) == [ReinviteAnswered(dialog, OFFER)]
    assert b.all(ReinviteAnswered) == [ReinviteAnswered(incoming, OFFER)]


def test_a_refused_change_leaves_what_a_refresh_is_compared_with():
    rig = bench()
    dialog = rig.call()
    rig.take(response(rig.last, 200, extra=ALLOWS, body=NEW_OFFER))
    rig.endpoint.reinvite(dialog, rig.now, NEW_OFFER)
    rig.collect()
    rig.take(response(rig.newest("INVITE"), 488))

    assert rig.take(from_callee(rig, "UPDATE", body=NEW_OFFER)) == ["200"]

    assert rig.last.endswith(OFFER)
    assert headers(rig.last, "Content-Type") == ["application/sdp"]
