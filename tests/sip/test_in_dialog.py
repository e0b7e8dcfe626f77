"""Requests within a dialog that the peer began."""

from intercom.sip.events import (
    DialogEnded,
    InfoReceived,
    InviteConfirmed,
    ReinviteReceived,
)
from tests.sip.wire import NEW_OFFER, OFFER, bench, header, request, ringing, talking


def test_a_bye_ends_the_dialog_and_its_repetition_gets_the_same_200():
    rig = bench()
    dialog, tag = talking(rig)
    bye = request("BYE", branch="z9hG4bKbye", to_tag=tag, cseq=2)

    assert rig.take(bye) == ["200"]
    assert rig.take(bye) == ["200"]

    assert rig.events[-1] == DialogEnded(dialog, "the peer hung up")
    assert len(rig.events) == 3


def test_a_bye_that_overtakes_the_ack_stops_the_2xx():
    rig = bench()
    dialog, tag = ringing(rig)
    rig.endpoint.respond(dialog, rig.now, 200)
    rig.collect()

    rig.take(request("BYE", branch="z9hG4bKbye", to_tag=tag, cseq=2))

    assert rig.wait(40.0) == []
    assert rig.events[-1] == DialogEnded(dialog, "the peer hung up")


def test_info_in_a_dialog_is_told_once():
    rig = bench()
    dialog, tag = talking(rig)
    info = request(
        "INFO",
        branch="z9hG4bKi",
        to_tag=tag,
        cseq=2,
        body=b"5",
        extra="Content-Type: application/dtmf\r\n",
    )

    assert rig.take(info) == rig.take(info) == ["200"]

    assert rig.events[2:] == [InfoReceived(dialog, "application/dtmf", b"5")]


def test_a_reinvite_is_told_answered_and_its_contact_taken_over():
    rig = bench()
    dialog, tag = talking(rig)
    again = request("INVITE", branch="z9hG4bKre", to_tag=tag, cseq=2, body=b"v=0\r\n")
    again = again.replace(b"panel@192.0.2.9:5060", b"panel@192.0.2.9:5099")

    assert rig.take(again) == ["100"]
    assert rig.events[-1] == ReinviteReceived(dialog, b"v=0\r\n")
    rig.endpoint.respond(dialog, rig.now, 200, body=OFFER)
    assert rig.collect() == ["200"]
    rig.take(request("ACK", branch="z9hG4bKa2", to_tag=tag, cseq=2))
    rig.endpoint.hang_up(dialog, rig.now)
    rig.collect()

    assert rig.last.startswith(b"BYE sip:panel@192.0.2.9:5099 ")
    assert rig.events.count(InviteConfirmed(dialog)) == 1


def test_a_refused_reinvite_leaves_the_dialog_as_it_was():
    rig = bench()
    dialog, tag = talking(rig)
    rig.take(request("INVITE", branch="z9hG4bKre", to_tag=tag, cseq=2, body=NEW_OFFER))

    rig.endpoint.respond(dialog, rig.now, 488)
    assert rig.collect() == ["488"]
    rig.take(request("ACK", branch="z9hG4bKre", to_tag=tag, cseq=2))

    assert rig.take(request("BYE", branch="z9hG4bKb", to_tag=tag, cseq=3)) == ["200"]


def test_a_cancelled_reinvite_is_487_and_the_dialog_goes_on():
    rig = bench()
    dialog, tag = talking(rig)
    rig.take(request("INVITE", branch="z9hG4bKre", to_tag=tag, cseq=2, body=NEW_OFFER))

    out = rig.take(request("CANCEL", branch="z9hG4bKre", to_tag=tag, cseq=2))

    assert out == ["200", "487"]
    rig.endpoint.send_info(dialog, rig.now, "application/dtmf", b"5")
    assert rig.collect() == ["INFO"]


def test_a_second_reinvite_before_the_first_is_answered_is_500():
    rig = bench()
    _, tag = talking(rig)
    rig.take(request("INVITE", branch="z9hG4bKre", to_tag=tag, cseq=2, body=NEW_OFFER))

    out = rig.take(request("INVITE", branch="z9hG4bKre2", to_tag=tag, cseq=3, body=OFFER))

    assert out == ["100", "500"]
    assert 0 <= int(header(rig.last, "Retry-After")) <= 10


def test_a_request_out_of_order_is_500():
    rig = bench()
    _, tag = talking(rig)

    assert rig.take(request("INFO", branch="z9hG4bKi", to_tag=tag, cseq=1)) == ["500"]


def test_a_request_with_an_unknown_tag_is_481():
    rig = bench()
    talking(rig)

    for method in ("BYE", "INFO", "INVITE", "OPTIONS"):
        assert rig.take(request(method, branch="z9hG4bKu", to_tag="unknown")) == ["481"]


def test_an_options_in_a_dialog_says_what_we_do_and_changes_nothing():
    rig = bench()
    _, tag = talking(rig)
    before = len(rig.events)

    assert rig.take(request("OPTIONS", branch="z9hG4bKo", to_tag=tag, cseq=2)) == ["200"]

    assert "INVITE" in header(rig.last, "Allow")
    assert header(rig.last, "Accept") == "application/sdp"
    assert len(rig.events) == before
