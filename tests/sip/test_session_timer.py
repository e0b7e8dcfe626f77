"""Session timers (RFC 4028), in both roles."""

import gc
import weakref

import pytest

from intercom.sip.endpoint import Credentials
from intercom.sip.events import (
    DialogEnded,
    InviteFailed,
    InviteReceived,
    ReinviteAnswered,
    ReinviteFailed,
    ReinviteReceived,
)
from tests.loopback import Loopback
from tests.sip.peer import from_callee, from_caller
from tests.sip.test_races import call_between
from tests.sip.wire import NEW_OFFER, OFFER, bench, header, headers, request, response, tag_of

CONTACT = "Contact: <sip:door@192.0.2.9:5060>\r\n"
ALLOW = "Allow: INVITE, UPDATE\r\n"


def dialled(rig, extra):
    """Call somebody whose 2xx says this."""
    dialog = rig.call()
    rig.take(response(rig.last, 200, extra=CONTACT + extra, body=OFFER))
    return dialog


def called(extra, **settings):
    """Let somebody call who says this, and answer."""
    rig = bench(**settings)
    rig.take(request("INVITE", extra=extra, body=OFFER))
    event = rig.events[-1]
    assert isinstance(event, InviteReceived)
    rig.endpoint.respond(event.dialog, rig.now, 200, body=OFFER)
    rig.collect()
    final = rig.last
    rig.take(from_caller("ACK", tag_of(header(final, "To")), cseq=1))
    return rig, event.dialog, final


# As UAC


def test_our_invite_asks_for_half_an_hour():
    rig = bench()

    rig.call()

    assert header(rig.last, "Supported") == "timer"
    assert header(rig.last, "Session-Expires") == "1800"


def test_our_invite_asks_for_nothing_where_that_is_set_and_still_knows_timers():
    rig = bench(session_expires_s=None)

    rig.call()

    assert headers(rig.last, "Session-Expires") == []
    assert header(rig.last, "Supported") == "timer"


def test_a_peer_without_timers_is_never_refreshed():
    rig = bench()
    dialog = dialled(rig, ALLOW)

    assert rig.wait(10_000.0) == []

    assert not any(isinstance(event, DialogEnded) for event in rig.events)
    rig.endpoint.hang_up(dialog, rig.now)


def test_as_refresher_we_send_update_at_half_the_interval_where_the_peer_does_it():
    rig = bench()
    dialled(rig, ALLOW + "Session-Expires: 600;refresher=uac\r\n")
    told = len(rig.events)

    assert rig.wait(299.0) == []
    assert rig.wait(1.5)[0] == "UPDATE"

    update = rig.last
    assert header(update, "Session-Expires") == "600;refresher=uac"
    assert header(update, "Supported") == "timer"
    assert header(update, "Contact") == "<sip:router@192.0.2.1:5060>"
    assert update.endswith(b"Content-Length: 0\r\n\r\n")
    rig.take(response(update, 200, extra=CONTACT + "Session-Expires: 600;refresher=uac\r\n"))
    assert rig.wait(299.0) == []
    assert rig.wait(1.5)[0] == "UPDATE"
    assert len(rig.events) == told


def test_as_refresher_we_send_our_last_description_again_where_the_peer_does_no_update():
    rig = bench()
    dialled(rig, "Session-Expires: 600;refresher=uac\r\n")
    told = len(rig.events)

    rig.wait(300.5)

    assert rig.last.startswith(b"INVITE ")
    assert rig.last.endswith(OFFER)
    assert header(rig.last, "Session-Expires") == "600;refresher=uac"
    extra = CONTACT + "Session-Expires: 600;refresher=uac\r\n"
    assert rig.take(response(rig.last, 200, extra=extra, body=OFFER)) == ["ACK"]
    assert len(rig.events) == told


def test_a_refresh_whose_answer_is_another_is_told():
    rig = bench()
    dialog = dialled(rig, "Session-Expires: 600;refresher=uac\r\n")
    rig.wait(300.5)

    extra = CONTACT + "Session-Expires: 600;refresher=uac\r\n"
    rig.take(response(rig.last, 200, extra=extra, body=NEW_OFFER))

    assert rig.events[-1] == ReinviteAnswered(dialog, NEW_OFFER)


@pytest.mark.parametrize(
    ("interval_s", "until_s"), [(600, 568.0), (90, 60.0)], ids=["32 s before", "a third before"]
)
def test_a_session_that_the_peer_does_not_refresh_is_ended_in_time(interval_s, until_s):
    rig = bench()
    dialog = dialled(rig, f"Session-Expires: {interval_s};refresher=uas\r\n")

    assert rig.wait(until_s - 0.5) == []
    assert rig.wait(1.0)[0] == "BYE"

    assert rig.events[-1] == DialogEnded(dialog, "the session was not refreshed")


@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
def test_a_refresh_of_the_peer_gives_the_session_its_time_again(method):
    rig = bench()
    dialled(rig, "Session-Expires: 600;refresher=uas\r\n")
    told = len(rig.events)
    rig.wait(500.0)
    timer = "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n"

    body = OFFER if method == "INVITE" else b""
    assert rig.take(from_callee(rig, method, body=body, extra=timer))[-1] == "200"
    assert header(rig.last, "Session-Expires") == "600;refresher=uac"
    assert header(rig.last, "Require") == "timer"
    rig.take(from_callee(rig, "ACK", branch="z9hG4bKack"))

    assert rig.wait(560.0) == []
    assert len(rig.events) == told
    assert rig.wait(10.0)[0] == "BYE"


def test_a_422_is_asked_again_with_the_larger_interval():
    rig = bench(session_expires_s=100)
    dialog = rig.call(credentials=Credentials("u", "p"))
    challenge = 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\n'
    rig.take(response(rig.last, 401, extra=challenge))

    assert rig.take(response(rig.last, 422, extra="Min-SE: 3600\r\n")) == ["ACK", "INVITE"]

    again = rig.last
    assert header(again, "Session-Expires") == header(again, "Min-SE") == "3600"
    assert header(again, "CSeq") == "3 INVITE"
    assert "nc=00000002" in header(again, "Authorization")
    assert header(again, "Call-ID") == header(rig.sent[0], "Call-ID")
    assert rig.take(response(again, 422, extra="Min-SE: 3600\r\n")) == ["ACK"]
    assert rig.events == [InviteFailed(dialog, 422, "Whatever", is_local=False)]


@pytest.mark.parametrize("minimum", ["", "Min-SE: x\r\n", "Min-SE: 60\r\n"])
def test_a_422_that_teaches_nothing_is_a_failure(minimum):
    rig = bench()
    dialog = rig.call()

    assert rig.take(response(rig.last, 422, extra=minimum)) == ["ACK"]

    assert rig.events == [InviteFailed(dialog, 422, "Whatever", is_local=False)]


def test_a_422_after_a_cancel_is_not_asked_again():
    rig = bench()
    dialog = rig.call()
    rig.endpoint.cancel(dialog, rig.now)

    assert rig.take(response(rig.last, 422, extra="Min-SE: 3600\r\n")) == ["ACK"]

    assert rig.events == [InviteFailed(dialog, 487, "Request Terminated", is_local=True)]


def test_a_422_to_a_refresh_is_asked_again_with_the_larger_interval():
    rig = bench()
    dialled(rig, ALLOW + "Session-Expires: 600;refresher=uac\r\n")
    rig.wait(300.5)

    assert rig.take(response(rig.last, 422, extra="Min-SE: 900\r\n")) == ["UPDATE"]

    assert header(rig.last, "Session-Expires") == "900;refresher=uac"
    assert header(rig.last, "Min-SE") == "900"


def test_an_update_that_the_peer_turns_out_not_to_do_becomes_a_reinvite():
    rig = bench()
    dialled(rig, ALLOW + "Session-Expires: 600;refresher=uac\r\n")
    rig.wait(300.5)

    assert rig.take(response(rig.last, 405)) == ["INVITE"]

    assert rig.last.endswith(OFFER)


def test_a_refresh_that_is_refused_is_tried_again_until_the_session_ends():
    rig = bench()
    dialog = dialled(rig, "Session-Expires: 600;refresher=uac\r\n")
    rig.wait(300.2)

    for _ in range(13):
        assert rig.last.startswith(b"INVITE ")
        rig.take(response(rig.last, 488))
        rig.wait(20.0)
    assert not any(isinstance(event, ReinviteFailed | DialogEnded) for event in rig.events)
    rig.take(response(rig.last, 488))
    assert rig.wait(20.0)[0] == "BYE"

    assert rig.events[-1] == DialogEnded(dialog, "the session was not refreshed")


@pytest.mark.parametrize("status", [408, 481])
def test_a_refresh_that_says_the_dialog_is_gone_ends_it(status):
    rig = bench()
    dialled(rig, ALLOW + "Session-Expires: 600;refresher=uac\r\n")
    rig.wait(300.5)

    rig.take(response(rig.last, status))

    assert isinstance(rig.events[-1], DialogEnded)
    assert not any(isinstance(event, ReinviteFailed) for event in rig.events)


def test_what_our_user_wants_during_a_refresh_comes_after_it():
    rig = bench()
    dialog = dialled(rig, ALLOW + "Session-Expires: 600;refresher=uac\r\n")
    rig.wait(300.2)

    rig.endpoint.reinvite(dialog, rig.now, NEW_OFFER)
    assert rig.collect() == []
    refreshed = CONTACT + "Session-Expires: 600;refresher=uac\r\n"
    assert rig.take(response(rig.newest("UPDATE"), 200, extra=refreshed)) == ["INVITE"]

    assert rig.last.endswith(NEW_OFFER)
    rig.take(response(rig.last, 200, extra=refreshed, body=OFFER))
    assert rig.events[-1] == ReinviteAnswered(dialog, OFFER)


def test_a_reinvite_of_our_user_keeps_who_refreshes():
    rig = bench()
    dialog = dialled(rig, "Session-Expires: 600;refresher=uas\r\n")

    rig.endpoint.reinvite(dialog, rig.now, NEW_OFFER)
    rig.collect()

    assert header(rig.last, "Session-Expires") == "600;refresher=uas"


def test_an_absurdly_short_interval_does_not_make_us_hurry():
    rig = bench()
    dialled(rig, ALLOW + "Session-Expires: 0;refresher=uac\r\n")

    assert rig.wait(44.0) == []
    assert rig.wait(1.1)[0] == "UPDATE"


# As UAS


def test_a_caller_with_timers_refreshes_by_itself():
    rig, dialog, final = called("Supported: timer\r\nSession-Expires: 600\r\n")

    assert header(final, "Session-Expires") == "600;refresher=uac"
    assert header(final, "Require") == "timer"
    assert rig.wait(567.0) == []
    assert rig.wait(1.5)[0] == "BYE"
    assert rig.events[-1] == DialogEnded(dialog, "the session was not refreshed")


def test_a_caller_may_leave_the_task_to_us():
    extra = "Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n" + ALLOW
    rig, _, final = called(extra)

    assert header(final, "Session-Expires") == "600;refresher=uas"
    assert rig.wait(300.5)[0] == "UPDATE"
    assert header(rig.newest("UPDATE"), "Session-Expires") == "600;refresher=uac"


def test_a_caller_with_timers_that_asks_for_none_gets_ours():
    _, _, final = called("Supported: timer\r\n")

    assert header(final, "Session-Expires") == "1800;refresher=uac"


@pytest.mark.parametrize(
    ("extra", "settings"),
    [("", {}), ("Supported: timer\r\n", {"session_expires_s": None})],
    ids=["no timers", "not wanted"],
)
def test_without_anybody_asking_there_is_no_timer(extra, settings):
    rig, _, final = called(extra, **settings)

    assert headers(final, "Session-Expires") == []
    assert rig.wait(10_000.0) == []


def test_what_a_proxy_asked_for_is_refreshed_by_us():
    rig, _, final = called("Session-Expires: 600;refresher=uac\r\n")

    assert header(final, "Session-Expires") == "600;refresher=uas"
    assert headers(final, "Require") == []
    assert rig.wait(300.5)[0] == "INVITE"


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("x: 7200\r\nk: timer\r\n", "1800;refresher=uac"),
        ("Session-Expires: 7200\r\nMin-SE: 3600\r\nSupported: timer\r\n", "3600;refresher=uac"),
        ("Session-Expires: 200\r\nSupported: timer\r\n", "200;refresher=uac"),
    ],
    ids=["ours is shorter", "not below theirs", "theirs is shorter"],
)
def test_the_shorter_interval_counts_but_not_below_the_callers_minimum(extra, expected):
    _, _, final = called(extra)

    assert header(final, "Session-Expires") == expected


def test_less_than_90_s_is_422_to_who_knows_timers():
    rig = bench()

    out = rig.take(
        request("INVITE", extra="Supported: timer\r\nSession-Expires: 89\r\n", body=OFFER)
    )

    assert out == ["422"]
    assert header(rig.last, "Min-SE") == "90"
    assert rig.events == []


def test_less_than_90_s_is_passed_over_where_422_would_not_be_understood():
    _, _, final = called("Session-Expires: 60\r\n")

    assert headers(final, "Session-Expires") == []


@pytest.mark.parametrize("value", ["x", "", "-1", "1e3", "9999999999999"])
def test_an_interval_that_cannot_be_read_is_none(value):
    _, _, final = called(f"Session-Expires: {value}\r\n")

    assert headers(final, "Session-Expires") == []


def test_a_refresh_that_says_nothing_of_timers_turns_them_off():
    rig, _, final = called("Supported: timer\r\nSession-Expires: 600\r\n")

    assert rig.take(from_caller("UPDATE", tag_of(header(final, "To")))) == ["200"]

    assert headers(rig.last, "Session-Expires") == []
    assert rig.wait(10_000.0) == []


def test_a_change_of_the_callers_keeps_the_task_with_us():
    extra = "Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n"
    rig, dialog, final = called(extra)
    tag = tag_of(header(final, "To"))

    rig.take(from_caller("INVITE", tag, body=NEW_OFFER, extra="Supported: timer\r\n"))
    rig.endpoint.respond(dialog, rig.now, 200, body=OFFER)
    rig.collect()

    assert header(rig.last, "Session-Expires") == "600;refresher=uas"


def test_a_required_timer_is_understood():
    _, _, final = called("Require: timer\r\nSession-Expires: 600\r\n")

    assert header(final, "Session-Expires") == "600;refresher=uac"


# Both


def test_two_of_ours_talk_for_hours_and_disturb_nobody():
    net = Loopback()
    a, b, dialog, incoming = call_between(net)

    net.run(4 * 3600.0)
    a.endpoint.hang_up(dialog, net.now)
    net.run(40.0)

    assert net.starts(a).count("UPDATE sip:b@10.0.0.2:5060 SIP/2.0") == 16
    assert not any(isinstance(event, ReinviteReceived) for event in b.events)
    assert b.all(DialogEnded) == [DialogEnded(incoming, "the peer hung up")]


def test_an_ended_call_is_not_kept_in_memory_by_its_timer():
    rig = bench()
    dialled(rig, "Session-Expires: 90;refresher=uas\r\n")  # its timer stands before those below
    dialog = dialled(rig, ALLOW + "Session-Expires: 1800;refresher=uac\r\n")
    usage = weakref.ref(rig.endpoint._core.usages[dialog])
    rig.endpoint.hang_up(dialog, rig.now)
    rig.collect()
    rig.take(response(rig.last, 200))
    rig.wait(40.0)

    gc.collect()

    assert usage() is None


def test_nothing_is_left_of_a_timer_after_the_call():
    net = Loopback()
    a, b, dialog, _ = call_between(net)
    net.run(1000.0)

    a.endpoint.hang_up(dialog, net.now)
    net.run(40.0)

    for node in (a, b):
        assert node.endpoint.get_timer() is None
        assert node.endpoint._core.usages_by_tag == {}
