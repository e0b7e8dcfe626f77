"""Reliable provisionals to our calls (RFC 3262 §4), and the early dialogs of forks."""

import pytest

from intercom.sip.address import Address
from intercom.sip.endpoint import Credentials
from intercom.sip.events import InviteAnswered, InviteFailed, InviteProgressed
from tests.sip.peer import from_callee, reliable
from tests.sip.wire import NEW_OFFER, OFFER, bench, header, headers, response


def test_acknowledging_provisionals_is_offered_only_where_it_is_wanted():
    rig = bench()

    rig.call()
    assert header(rig.last, "Supported") == "timer"
    rig.call(is_reliable=True)

    assert header(rig.last, "Supported") == "100rel, timer"


def test_a_reliable_provisional_gets_its_prack_in_the_early_dialog():
    rig = bench()
    dialog = rig.call(is_reliable=True)
    invite = rig.last
    extra = (
        "Require: 100rel\r\nRSeq: 776656\r\nContact: <sip:door@192.0.2.9:5070>\r\n"
        "Record-Route: <sip:192.0.2.9:5080;lr>\r\n"
    )

    assert rig.take(response(invite, 183, extra=extra, body=OFFER)) == ["PRACK"]

    assert rig.last.startswith(b"PRACK sip:door@192.0.2.9:5070 SIP/2.0\r\n")
    assert header(rig.last, "RAck") == "776656 1 INVITE"
    assert header(rig.last, "CSeq") == "2 PRACK"
    assert header(rig.last, "To").endswith(";tag=peertag")
    assert header(rig.last, "Route") == "<sip:192.0.2.9:5080;lr>"
    assert rig.destinations[-1] == Address("192.0.2.9", 5080)
    assert rig.events == [InviteProgressed(dialog, 183, OFFER)]


def test_a_repeated_reliable_provisional_is_neither_acknowledged_nor_told_again():
    rig = bench()
    rig.call(is_reliable=True)
    ringing = reliable(rig.last, 5, status=180)

    assert rig.take(ringing) == ["PRACK"]
    assert rig.take(ringing) == []

    assert len(rig.events) == 1


def test_a_reliable_provisional_that_overtook_another_waits_for_it():
    rig = bench()
    dialog = rig.call(is_reliable=True)
    invite = rig.last
    rig.take(reliable(invite, 5, status=180))

    assert rig.take(reliable(invite, 7)) == []
    assert rig.take(reliable(invite, 6, status=182)) == ["PRACK"]
    assert rig.take(reliable(invite, 7)) == ["PRACK"]

    assert [event.status for event in rig.events] == [180, 182, 183]
    assert rig.events[0] == InviteProgressed(dialog, 180, b"")


def test_each_fork_has_numbers_of_its_own():
    rig = bench()
    rig.call(is_reliable=True)
    invite = rig.last

    assert rig.take(reliable(invite, 5, tag="one")) == ["PRACK"]
    assert rig.take(reliable(invite, 900, tag="two")) == ["PRACK"]
    assert header(rig.last, "To").endswith(";tag=two")
    assert header(rig.last, "CSeq") == "2 PRACK"
    assert rig.take(reliable(invite, 6, tag="one", status=180)) == ["PRACK"]
    assert header(rig.last, "CSeq") == "3 PRACK"


def test_the_bye_after_pracks_counts_on():
    rig = bench()
    dialog = rig.call(is_reliable=True)
    invite = rig.last
    rig.take(reliable(invite, 5))
    rig.take(response(invite, 200, body=OFFER))

    assert header(rig.last, "CSeq") == "1 ACK"
    rig.endpoint.hang_up(dialog, rig.now)
    rig.collect()

    assert header(rig.last, "CSeq") == "3 BYE"


def test_a_2xx_without_sdp_is_answered_by_the_reliable_provisional_before_it():
    rig = bench()
    dialog = rig.call(is_reliable=True)
    invite = rig.last
    rig.take(reliable(invite, 5, body=NEW_OFFER))

    rig.take(response(invite, 200))

    assert rig.events[-1] == InviteAnswered(dialog, NEW_OFFER)


def test_what_a_2xx_says_after_the_reliable_answer_is_ignored():
    rig = bench()
    dialog = rig.call(is_reliable=True)
    invite = rig.last
    rig.take(reliable(invite, 5, body=NEW_OFFER))

    rig.take(response(invite, 200, body=OFFER))

    assert rig.events[-1] == InviteAnswered(dialog, NEW_OFFER)


@pytest.mark.parametrize(("final", "expected"), [(b"", OFFER), (NEW_OFFER, NEW_OFFER)])
def test_a_preview_counts_only_where_the_2xx_says_nothing(final, expected):
    rig = bench()
    dialog = rig.call()
    invite = rig.last
    rig.take(response(invite, 183, body=OFFER))

    rig.take(response(invite, 200, body=final))

    assert rig.events[-1] == InviteAnswered(dialog, expected)


def test_the_fork_that_answers_is_not_answered_by_what_another_said():
    rig = bench()
    dialog = rig.call(is_reliable=True)
    invite = rig.last
    rig.take(reliable(invite, 5, tag="one", body=OFFER))
    rig.take(reliable(invite, 5, tag="two", body=OFFER))

    rig.take(response(invite, 200, tag="three", body=NEW_OFFER))

    assert rig.events[-1] == InviteAnswered(dialog, NEW_OFFER)
    assert rig.take(from_callee(rig, "BYE", tag="one")) == ["481"]


def test_a_prack_is_challenged_and_answered():
    rig = bench()
    rig.call(is_reliable=True, credentials=Credentials("u", "p"))
    rig.take(reliable(rig.last, 5))

    challenge = 'Proxy-Authenticate: Digest realm="r", nonce="n"\r\n'
    assert rig.take(response(rig.last, 407, extra=challenge)) == ["PRACK"]

    assert header(rig.last, "CSeq") == "3 PRACK"
    assert header(rig.last, "RAck") == "5 1 INVITE"
    assert headers(rig.last, "Proxy-Authorization")


def test_a_reliable_provisional_after_a_cancel_is_acknowledged_and_cancelled():
    rig = bench()
    dialog = rig.call(is_reliable=True)
    invite = rig.last
    rig.endpoint.cancel(dialog, rig.now)

    assert rig.take(reliable(invite, 5, body=OFFER)) == ["PRACK", "CANCEL"]

    assert rig.events == []


def test_a_trunk_that_wakes_after_its_silence_with_a_reliable_183_is_cancelled_or_hung_up():
    rig = bench()
    rig.call(is_reliable=True, silence_s=4.0)
    invite = rig.last
    rig.wait(4.0)
    told = len(rig.events)

    assert rig.take(reliable(invite, 5, body=OFFER)) == ["PRACK", "CANCEL"]
    assert rig.take(response(invite, 200)) == ["ACK", "BYE"]

    assert isinstance(rig.events[-1], InviteFailed)
    assert len(rig.events) == told


def test_a_421_that_asks_for_it_is_obeyed_once():
    rig = bench()
    dialog = rig.call()
    asking = "Require: 100rel\r\n"

    assert rig.take(response(rig.last, 421, extra=asking)) == ["ACK", "INVITE"]
    assert header(rig.last, "Supported") == "100rel, timer"
    assert header(rig.last, "CSeq") == "2 INVITE"
    assert rig.take(response(rig.last, 421, extra=asking)) == ["ACK"]

    assert rig.events == [InviteFailed(dialog, 421, "Whatever", is_local=False)]


def test_199_ends_one_early_dialog_and_is_no_progress():
    rig = bench()
    rig.call()
    invite = rig.last
    rig.take(response(invite, 180, tag="one"))

    assert rig.take(response(invite, 199, tag="one")) == []

    assert len(rig.events) == 1
    assert rig.take(from_callee(rig, "UPDATE", tag="one")) == ["481"]


def test_a_bye_in_an_early_dialog_ends_that_one_alone():
    rig = bench()
    dialog = rig.call()
    invite = rig.last
    rig.take(response(invite, 180, tag="one"))

    assert rig.take(from_callee(rig, "BYE", tag="one")) == ["200"]
    assert rig.take(from_callee(rig, "INFO", tag="one", cseq=9)) == ["481"]
    rig.take(response(invite, 200, tag="two", body=OFFER))

    assert rig.events[1:] == [InviteAnswered(dialog, OFFER)]


@pytest.mark.parametrize("name", ["Require", "Supported", "Allow"])
def test_a_list_that_cannot_be_read_costs_no_answer(name):
    rig = bench()
    dialog = rig.call()
    extra = f'Contact: <sip:door@192.0.2.9>\r\n{name}: a, "b\r\n'

    rig.take(response(rig.last, 180, extra=extra + "RSeq: 1\r\n"))
    assert rig.take(response(rig.sent[0], 200, extra=extra, body=OFFER)) == ["ACK"]

    assert rig.events[-1] == InviteAnswered(dialog, OFFER)
