"""What crosses on the wire."""

import pytest

from intercom.sip.address import Transport
from intercom.sip.endpoint import Credentials
from intercom.sip.events import (
    DialogEnded,
    InviteAnswered,
    InviteCancelled,
    InviteConfirmed,
    InviteFailed,
    InviteReceived,
    ReinviteAnswered,
    ReinviteFailed,
    ReinviteReceived,
)
from tests.loopback import Loopback
from tests.sip import wire
from tests.sip.peer import from_caller, prack
from tests.sip.wire import (
    NEW_OFFER,
    OFFER,
    OUR_ADDRESS,
    PEER_ADDRESS,
    answered,
    bench,
    header,
    request,
    response,
    talking,
)


def test_cancel_waits_for_a_provisional():
    rig = bench()
    dialog = rig.call()
    invite = rig.last
    rig.endpoint.cancel(dialog, rig.now)

    assert rig.collect() == []
    assert rig.take(response(invite, 100)) == ["CANCEL"]

    assert header(rig.last, "Via") == header(invite, "Via")
    assert header(rig.last, "CSeq") == "1 CANCEL"
    assert header(rig.last, "To") == header(invite, "To")
    assert rig.take(response(invite, 180)) == []


def test_cancel_ends_in_487():
    rig = bench()
    dialog = rig.call()
    invite = rig.last
    rig.take(response(invite, 180))
    rig.endpoint.cancel(dialog, rig.now, "answered elsewhere")
    assert rig.collect() == ["CANCEL"]
    assert header(rig.last, "Reason") == 'SIP;cause=200;text="answered elsewhere"'

    rig.take(response(rig.last, 200))
    assert rig.take(response(invite, 487, reason="Request Terminated")) == ["ACK"]

    assert rig.events[1:] == [InviteFailed(dialog, 487, "Request Terminated", is_local=False)]


def test_a_200_that_crosses_cancel_is_acknowledged_and_hung_up():
    rig = bench()
    dialog = rig.call()
    invite = rig.last
    rig.take(response(invite, 180))
    rig.endpoint.cancel(dialog, rig.now)
    rig.collect()

    out = rig.take(response(invite, 200, body=OFFER))

    assert out == ["ACK", "BYE"]
    assert rig.events[1:] == [InviteFailed(dialog, 487, "Request Terminated", is_local=True)]
    assert rig.take(response(invite, 200, body=OFFER)) == ["ACK"]
    assert rig.wait(100.0).count("BYE") > 1  # nobody answered it
    assert len(rig.events) == 2


def test_a_486_that_crosses_cancel_still_ends_in_one_487():
    rig = bench()
    dialog = rig.call()
    invite = rig.last
    rig.take(response(invite, 180))
    rig.endpoint.cancel(dialog, rig.now)
    rig.endpoint.cancel(dialog, rig.now)
    assert rig.collect() == ["CANCEL"]

    rig.take(response(invite, 486))

    assert rig.events[1:] == [InviteFailed(dialog, 487, "Request Terminated", is_local=True)]


def test_a_challenge_that_crosses_cancel_is_not_answered():
    rig = bench()
    dialog = rig.call(credentials=Credentials("u", "p"))
    rig.endpoint.cancel(dialog, rig.now)

    out = rig.take(
        response(rig.last, 401, extra='WWW-Authenticate: Digest realm="r", nonce="n"\r\n')
    )

    assert out == ["ACK"]
    assert rig.events == [InviteFailed(dialog, 487, "Request Terminated", is_local=True)]


def test_a_peer_that_never_sends_487_is_given_up_64_t1_after_cancel():
    rig = bench()
    dialog = rig.call()
    invite = rig.last
    rig.take(response(invite, 180))
    rig.wait(5.0)
    rig.endpoint.cancel(dialog, rig.now)
    rig.collect()
    rig.take(response(rig.last, 200))

    rig.wait(31.9)
    assert len(rig.events) == 1
    rig.wait(0.2)

    assert rig.events[1:] == [InviteFailed(dialog, 487, "Request Terminated", is_local=True)]


@pytest.mark.parametrize("is_cancelled", [True, False], ids=["after CANCEL", "after timer B"])
def test_a_200_after_giving_up_is_acknowledged_and_hung_up(is_cancelled):
    rig = bench()
    dialog = rig.call()
    invite = rig.last
    if is_cancelled:
        rig.take(response(invite, 180))
        rig.endpoint.cancel(dialog, rig.now)
    rig.wait(60.0)
    assert isinstance(rig.events[-1], InviteFailed)
    told = len(rig.events)

    assert rig.take(response(invite, 200, body=OFFER)) == ["ACK", "BYE"]
    assert rig.take(response(invite, 200, body=OFFER)) == ["ACK"]

    assert len(rig.events) == told
    rig.wait(300.0)
    assert rig.endpoint._core.usages_by_tag == {}
    assert rig.take(response(invite, 200)) == []


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
@pytest.mark.parametrize("is_cancelled", [True, False], ids=["after our CANCEL", "refused"])
def test_a_forks_200_after_a_final_refusal_is_acknowledged_and_hung_up(is_cancelled, transport):
    rig = bench(also_local=(OUR_ADDRESS._replace(transport=Transport.TCP),))
    dialog = rig.call(destination=PEER_ADDRESS._replace(transport=transport))
    invite = rig.last
    rig.take(response(invite, 180, tag="one"))
    if is_cancelled:
        rig.endpoint.cancel(dialog, rig.now)
        rig.collect()
        rig.take(response(rig.last, 200))
    assert rig.take(response(invite, 487 if is_cancelled else 486, tag="one")) == ["ACK"]
    told = len(rig.events)
    rig.wait(5.0)

    assert rig.take(response(invite, 200, tag="two", body=OFFER)) == ["ACK", "BYE"]
    assert header(rig.last, "To").endswith(";tag=two")
    assert rig.take(response(invite, 200, tag="two", body=OFFER)) == ["ACK"]

    assert len(rig.events) == told == 2
    rig.wait(60.0)
    assert rig.endpoint._core.usages_by_tag == {}
    assert rig.endpoint.table_sizes()["transactions"] == 0


def test_a_2xx_to_an_invite_that_was_challenged_and_sent_anew_answers_nothing():
    rig = bench()
    rig.call(credentials=Credentials("router", "secret"))
    first = rig.last
    challenge = 'Digest realm="carrier", nonce="n"'
    rig.take(response(first, 401, extra=f"WWW-Authenticate: {challenge}\r\n"))

    assert rig.take(response(first, 200, body=OFFER)) == []

    assert rig.events == []


def test_cancelling_a_call_that_nobody_answers_ends_once():
    rig = bench()
    dialog = rig.call()
    rig.endpoint.cancel(dialog, rig.now)

    rig.wait(100.0)

    assert rig.events == [InviteFailed(dialog, 487, "Request Terminated", is_local=True)]
    assert rig.count("CANCEL") == 0


def test_the_second_fork_that_answers_is_acknowledged_and_hung_up():
    rig = bench()
    dialog = rig.call()
    invite = rig.last
    rig.take(response(invite, 180, tag="one"))
    rig.take(response(invite, 180, tag="two"))

    assert rig.take(response(invite, 200, tag="two", body=OFFER)) == ["ACK"]
    assert rig.take(response(invite, 200, tag="one", body=OFFER)) == ["ACK", "BYE"]
    assert header(rig.last, "To").endswith(";tag=one")
    assert rig.take(response(invite, 200, tag="one", body=OFFER)) == ["ACK"]
    rig.endpoint.hang_up(dialog, rig.now)
    assert rig.collect() == ["BYE"]

    assert header(rig.last, "To").endswith(";tag=two")
    assert [event for event in rig.events if isinstance(event, InviteAnswered)] == [
        InviteAnswered(dialog, OFFER)
    ]


def test_cancel_after_our_200_changes_nothing():
    rig = bench()
    rig.take(request("INVITE", body=OFFER))
    dialog = rig.events[0].dialog
    rig.endpoint.respond(dialog, rig.now, 200)
    rig.collect()
    tag = wire.tag_of(header(rig.last, "To"))

    assert rig.take(request("CANCEL")) == ["200"]
    rig.take(request("ACK", branch="z9hG4bKa", to_tag=tag))

    assert InviteCancelled(dialog) not in rig.events
    assert rig.events[-1] == InviteConfirmed(dialog)


def test_an_answer_after_cancel_is_not_sent():
    rig = bench()
    rig.take(request("INVITE", body=OFFER))
    dialog = rig.events[0].dialog
    assert rig.take(request("CANCEL")) == ["200", "487"]

    rig.endpoint.respond(dialog, rig.now, 200)

    assert rig.collect() == []


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_an_offer_that_our_user_never_answers_is_500_after_10_s_and_may_come_again(method):
    rig = bench()
    dialog, tag = talking(rig)
    rig.take(from_caller(method, tag, body=NEW_OFFER))
    assert isinstance(rig.events[-1], ReinviteReceived)

    assert rig.wait(9.9) == []
    assert rig.wait(0.2) == ["500"]

    assert rig.endpoint._core.usages[dialog].changes.waiting is None
    if method == "INVITE":
        rig.take(from_caller("ACK", tag, branch="z9hG4bKINVITE2"))
    rig.endpoint.respond(dialog, rig.now, 200, body=OFFER)  # too late
    assert rig.collect() == []
    rig.take(from_caller(method, tag, cseq=3, body=NEW_OFFER))
    rig.endpoint.respond(dialog, rig.now, 200, body=OFFER)
    assert rig.collect() == ["200"]
    rig.take(from_caller("ACK", tag, cseq=3, branch="z9hG4bKack3"))
    assert rig.wait(30.0) == []


def test_an_offer_in_a_prack_that_is_never_answered_does_not_hold_the_200_for_ever():
    rig = bench()
    rig.take(request("INVITE", body=OFFER, extra="Require: 100rel\r\n"))
    dialog = rig.events[-1].dialog
    rig.endpoint.respond(dialog, rig.now, 183, body=OFFER)
    rig.collect()
    rig.take(prack(rig.last, body=NEW_OFFER))
    assert isinstance(rig.events[-1], ReinviteReceived)

    assert rig.wait(10.1)[-1] == "500"


def test_a_2xx_to_a_reinvite_that_was_refused_before_changes_nothing():
    rig = bench()
    dialog = answered(rig)
    rig.endpoint.reinvite(dialog, rig.now, NEW_OFFER)
    rig.collect()
    reinvite = rig.last
    assert rig.take(response(reinvite, 488)) == ["ACK"]

    assert rig.take(response(reinvite, 200, body=OFFER)) == []

    assert rig.events[1:] == [ReinviteFailed(dialog, 488)]


def test_two_byes_that_cross_both_get_200():
    net = Loopback()
    a, b, dialog, incoming = call_between(net)

    a.endpoint.hang_up(dialog, net.now)
    b.endpoint.hang_up(incoming, net.now)
    net.run(40.0)

    assert a.all(DialogEnded) == b.all(DialogEnded) == []
    assert net.starts(a)[-1] == net.starts(b)[-1] == "SIP/2.0 200 OK"
    assert net.starts(a).count("BYE sip:b@10.0.0.2:5060 SIP/2.0") == 1


def test_hanging_up_crosses_the_peers_info():
    net = Loopback()
    a, b, dialog, incoming = call_between(net)

    b.endpoint.send_info(incoming, net.now, "application/dtmf", b"5")
    a.endpoint.hang_up(dialog, net.now)
    net.run(40.0)

    assert [event for event in a.events if not isinstance(event, InviteAnswered)] == []
    assert len(b.all(DialogEnded)) == 1


def test_reinvites_that_cross_are_491_and_the_callees_goes_first():
    net = Loopback()
    a, b, dialog, incoming = call_between(net)
    a.on_event = answer_reinvites(net, a)
    b.on_event = answer_reinvites(net, b)

    a.endpoint.reinvite(dialog, net.now, b"from a")
    b.endpoint.reinvite(incoming, net.now, b"from b")
    net.run(20.0)

    assert "SIP/2.0 491 Request Pending" in net.starts(a)
    assert "SIP/2.0 491 Request Pending" in net.starts(b)
    assert a.all(ReinviteReceived) == [ReinviteReceived(dialog, b"from b")]
    assert b.all(ReinviteReceived) == [ReinviteReceived(incoming, b"from a")]
    assert a.all(ReinviteAnswered) == [ReinviteAnswered(dialog, OFFER)]
    assert b.all(ReinviteAnswered) == [ReinviteAnswered(incoming, OFFER)]
    ours = [sent.at for sent in net.sent if sent.datagram.data.endswith(b"from a")]
    theirs = [sent.at for sent in net.sent if sent.datagram.data.endswith(b"from b")]
    assert ours[-1] > theirs[-1]


def test_a_reinvite_while_another_waits_fails_at_once():
    net = Loopback()
    a, _, dialog, _ = call_between(net)

    a.endpoint.reinvite(dialog, net.now, OFFER)
    a.endpoint.reinvite(dialog, net.now, OFFER)
    net.run(0.1)

    assert a.all(ReinviteFailed) == [ReinviteFailed(dialog, 491)]


def test_a_refused_reinvite_leaves_the_dialog_as_it_was():
    net = Loopback()
    a, b, dialog, incoming = call_between(net)
    b.on_event = lambda event: (
        b.endpoint.respond(incoming, net.now, 488) if isinstance(event, ReinviteReceived) else None
    )

    a.endpoint.reinvite(dialog, net.now, NEW_OFFER)
    net.run(1.0)
    a.endpoint.hang_up(dialog, net.now)
    net.run(1.0)

    assert a.all(ReinviteFailed) == [ReinviteFailed(dialog, 488)]
    assert len(b.all(DialogEnded)) == 1


@pytest.mark.parametrize("seed", range(12))
def test_a_call_survives_loss_duplication_and_reordering(seed):
    net = Loopback(seed=seed, loss=0.25, duplication=0.25, jitter_s=0.4)
    a = net.add("10.0.0.1", is_trusted=lambda source, user: True)
    b = net.add("10.0.0.2", password_of={"u": "p"}.get)
    b.on_event = answer_calls(net, b)

    dialog = a.endpoint.invite(
        net.now,
        target="sip:b@10.0.0.2",
        destination=b.address,
        from_uri="sip:u@10.0.0.1",
        body=OFFER,
        credentials=Credentials("u", "p"),
    )
    net.run(40.0)
    a.endpoint.hang_up(dialog, net.now)
    net.run(400.0)

    assert a.all(InviteAnswered) == [InviteAnswered(dialog, OFFER)]
    assert len(b.all(InviteReceived)) == 1
    assert len(b.all(InviteConfirmed)) == 1
    assert len(b.all(DialogEnded)) == 1
    for node in (a, b):
        assert node.endpoint._core.layer.size == 0
        assert node.endpoint._core.usages_by_tag == {}
        assert node.endpoint.get_timer() is None


@pytest.mark.parametrize("seed", range(12))
def test_a_cancel_at_any_moment_ends_both_sides_once(seed):
    net = Loopback(seed=seed, loss=0.15, duplication=0.2, jitter_s=0.5)
    a = net.add("10.0.0.1")
    b = net.add("10.0.0.2", is_trusted=lambda source, user: True)
    b.on_event = answer_calls(net, b)

    dialog = a.endpoint.invite(
        net.now, target="sip:b@10.0.0.2", destination=b.address, from_uri="sip:a@h", body=OFFER
    )
    net.run(0.1 * seed)
    a.endpoint.cancel(dialog, net.now)
    net.run(400.0)

    ends = [*a.all(InviteFailed), *a.all(InviteAnswered)]
    assert len(ends) == 1
    assert len([*b.all(InviteCancelled), *b.all(DialogEnded)]) == len(b.all(InviteReceived)) <= 1
    for node in (a, b):
        assert node.endpoint._core.layer.size == 0
        assert node.endpoint._core.usages_by_tag == {}


def call_between(net):
    """Set up a confirmed call from one endpoint to another."""
    a = net.add("10.0.0.1")
    b = net.add("10.0.0.2", is_trusted=lambda source, user: True)
    dialog = a.endpoint.invite(
        net.now,
        target="sip:b@10.0.0.2",
        destination=b.address,
        from_uri="sip:a@10.0.0.1",
        body=OFFER,
    )
    net.run(1.0)
    incoming = b.last(InviteReceived).dialog
    b.endpoint.respond(incoming, net.now, 200, body=OFFER)
    net.run(1.0)
    assert b.all(InviteConfirmed) == [InviteConfirmed(incoming)]
    return a, b, dialog, incoming


def answer_calls(net, node):
    """Answer each call with 180 and 200."""

    def answer(event):
        if isinstance(event, InviteReceived):
            node.endpoint.respond(event.dialog, net.now, 180)
            node.endpoint.respond(event.dialog, net.now, 200, body=OFFER)

    return answer


def answer_reinvites(net, node):
    """Answer each re-INVITE with 200."""

    def answer(event):
        if isinstance(event, ReinviteReceived):
            node.endpoint.respond(event.dialog, net.now, 200, body=OFFER)

    return answer
