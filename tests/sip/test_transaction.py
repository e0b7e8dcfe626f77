"""The four transaction machines: timers A to M with numbers for time (RFC 3261 §17, RFC 6026)."""

from dataclasses import dataclass, field

import pytest

from intercom.sip.address import Address, Datagram, Transport
from intercom.sip.draft import RequestDraft
from intercom.sip.message import Response, parse
from intercom.sip.timer import Timed, TimerQueue
from intercom.sip.transaction import (
    InviteClientTransaction,
    InviteServerTransaction,
    NonInviteClientTransaction,
    NonInviteServerTransaction,
    State,
)

PEER = Address("192.0.2.9", 5060)


@dataclass
class User:
    """Somebody who sent a request, with what they were told."""

    statuses: list[int] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)

    def handle_response(self, response, now):
        self.statuses.append(response.status)

    def handle_failure(self, status, now):
        self.failures.append(status)

    def handle_end(self, transaction):
        self.ended = transaction


@dataclass
class Rig:
    """A machine with its surroundings."""

    outbox: list[Datagram] = field(default_factory=list)
    table: dict = field(default_factory=dict)
    user: User = field(default_factory=User)
    peer: Address = PEER

    def client(self, method="INVITE"):
        draft = RequestDraft(
            method=method,
            uri="sip:a@192.0.2.9",
            sent_by="UDP 192.0.2.1:5060",
            branch="z9hG4bKx",
            from_="<sip:b@192.0.2.1>;tag=1",
            to="<sip:a@192.0.2.9>",
            sip_call_id="c",
            cseq=5,
            routes=("<sip:192.0.2.9;lr>",),
        )
        kind = InviteClientTransaction if method == "INVITE" else NonInviteClientTransaction
        data = draft.to_bytes()
        machine = kind(draft, data, self.peer, self.user, outbox=self.outbox, table=self.table)
        machine.start(0.0)
        return machine

    def server(self, kind):
        return kind(("z9hG4bKx", "h", "X"), self.peer, self.outbox, self.table)

    def run(self, machine: Timed, until: float) -> list[float]:
        """Run the timers; return the times at which something was sent."""
        times = []
        while machine.deadline_at is not None and machine.deadline_at <= until:
            at, before = machine.deadline_at, len(self.outbox)
            machine.handle_timer(at)
            times += [at] * (len(self.outbox) - before)
        return times


def response(status: int) -> Response:
    message = parse(
        f"SIP/2.0 {status} X\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nTo: <sip:a@h>;tag=2\r\n"
        "From: <sip:b@h>;tag=1\r\nCall-ID: c\r\nCSeq: 5 INVITE\r\n\r\n".encode()
    )
    assert isinstance(message, Response)
    return message


def test_timer_a_repeats_an_invite_at_doubling_intervals():
    rig = Rig()

    assert rig.run(rig.client(), 31.9) == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]


def test_timer_b_ends_invite_after_64_t1():
    rig = Rig()
    machine = rig.client()

    rig.run(machine, 32.0)

    assert rig.user.failures == [408]
    assert machine.state is State.TERMINATED
    assert rig.table == {}


def test_a_provisional_stops_timers_a_and_b():
    rig = Rig()
    machine = rig.client()

    machine.receive_response(response(100), 0.1)

    assert machine.deadline_at is None
    assert rig.user.statuses == [100]


def test_a_refusal_is_acknowledged_in_the_transaction_and_again_when_it_is_repeated():
    rig = Rig()
    machine = rig.client()

    machine.receive_response(response(486), 0.1)
    machine.receive_response(response(486), 0.6)

    acks = [datagram.data for datagram in rig.outbox[1:]]
    assert len(acks) == 2
    assert acks[0] == acks[1]
    assert acks[0].startswith(b"ACK sip:a@192.0.2.9 SIP/2.0\r\n")
    assert b"branch=z9hG4bKx;" in acks[0]
    assert b"CSeq: 5 ACK\r\n" in acks[0]
    assert b"To: <sip:a@h>;tag=2\r\n" in acks[0]
    assert b"Route: <sip:192.0.2.9;lr>\r\n" in acks[0]
    assert rig.user.statuses == [486]


def test_timer_d_keeps_a_refused_invite_for_32_s():
    rig = Rig()
    machine = rig.client()
    machine.receive_response(response(486), 1.0)

    assert machine.deadline_at == 33.0
    rig.run(machine, 33.0)

    assert rig.table == {}
    assert rig.user.failures == []


def test_timer_m_hands_every_2xx_on_for_64_t1():
    rig = Rig()
    machine = rig.client()

    machine.receive_response(response(200), 1.0)
    machine.receive_response(response(200), 2.0)

    assert rig.user.statuses == [200, 200]
    assert machine.deadline_at == 33.0
    rig.run(machine, 33.0)
    assert machine.state is State.TERMINATED


def test_a_2xx_after_a_refusal_is_handed_on_and_not_acknowledged_as_the_refusal():
    rig = Rig()
    machine = rig.client()
    machine.receive_response(response(487), 1.0)

    machine.receive_response(response(200), 1.5)

    assert rig.user.statuses == [487, 200]
    assert len(rig.outbox) == 2  # the INVITE and the refusal's ACK


def test_a_provisional_after_the_final_is_absorbed():
    rig = Rig()
    machine = rig.client()
    machine.receive_response(response(200), 1.0)

    machine.receive_response(response(180), 1.1)
    machine.receive_response(response(486), 1.2)

    assert rig.user.statuses == [200]
    assert len(rig.outbox) == 1


def test_timer_e_repeats_other_requests_up_to_t2_and_timer_f_ends_them():
    rig = Rig()
    machine = rig.client("BYE")

    times = rig.run(machine, 40.0)

    assert times == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert rig.user.failures == [408]
    assert rig.table == {}


def test_timer_e_is_t2_once_a_provisional_came():
    rig = Rig()
    machine = rig.client("BYE")

    machine.receive_response(response(100), 0.2)

    assert rig.run(machine, 9.0) == [0.5, 4.5, 8.5]


def test_timer_k_absorbs_repeated_finals_for_t4():
    rig = Rig()
    machine = rig.client("BYE")

    machine.receive_response(response(200), 1.0)
    machine.receive_response(response(200), 1.5)

    assert rig.user.statuses == [200]
    assert machine.deadline_at == 6.0
    rig.run(machine, 6.0)
    assert rig.table == {}


def test_a_transport_that_fails_is_503():
    rig = Rig()

    rig.client().fail(0.1)

    assert rig.user.failures == [503]
    assert rig.table == {}


def test_a_repeated_invite_gets_the_last_provisional_again():
    rig = Rig()
    machine = rig.server(InviteServerTransaction)
    machine.respond(100, b"100", 0.0)
    machine.respond(180, b"180", 0.0)

    machine.receive_retransmission()

    assert [datagram.data for datagram in rig.outbox] == [b"100", b"180", b"180"]


def test_timer_g_repeats_a_refusal_and_timer_h_ends_it():
    rig = Rig()
    machine = rig.server(InviteServerTransaction)
    machine.respond(486, b"486", 0.0)

    times = rig.run(machine, 40.0)

    assert times == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert rig.table == {}


def test_the_ack_stops_timer_g_and_timer_i_absorbs_more_for_t4():
    rig = Rig()
    machine = rig.server(InviteServerTransaction)
    machine.respond(486, b"486", 0.0)

    machine.receive_ack(0.2)
    machine.receive_ack(0.3)
    machine.receive_retransmission()

    assert rig.run(machine, 5.1) == []
    assert machine.state is State.CONFIRMED
    rig.run(machine, 5.2)
    assert rig.table == {}


def test_timer_l_absorbs_repeated_invites_after_a_2xx():
    rig = Rig()
    machine = rig.server(InviteServerTransaction)
    machine.respond(200, b"200", 0.0)

    machine.receive_retransmission()

    assert len(rig.outbox) == 1
    assert machine.deadline_at == 32.0
    rig.run(machine, 32.0)
    assert rig.table == {}


def test_timer_j_repeats_the_final_on_request_for_64_t1():
    rig = Rig()
    machine = rig.server(NonInviteServerTransaction)
    machine.receive_retransmission()
    machine.respond(200, b"200", 0.0)
    machine.receive_retransmission()

    assert [datagram.data for datagram in rig.outbox] == [b"200", b"200"]
    assert rig.run(machine, 32.0) == []
    assert rig.table == {}


@pytest.mark.parametrize("kind", [InviteServerTransaction, NonInviteServerTransaction])
def test_a_second_final_is_not_sent(kind):
    rig = Rig()
    machine = rig.server(kind)
    machine.respond(486, b"486", 0.0)

    machine.respond(200, b"200", 0.0)

    assert [datagram.data for datagram in rig.outbox] == [b"486"]


def test_a_deadline_that_moved_later_does_not_fire_early():
    queue, rung = TimerQueue(), []
    alarm = queue.start(1.0, rung.append)
    alarm.deadline_at = 5.0

    queue.run(2.0)
    assert rung == []
    assert queue.next_at() == 5.0
    queue.run(5.0)

    assert rung == [5.0]
    assert queue.next_at() is None


def test_a_deadline_that_moved_earlier_fires_once():
    queue, rung = TimerQueue(), []
    alarm = queue.start(5.0, rung.append)
    alarm.deadline_at = 1.0
    queue.watch(alarm)

    queue.run(1.0)
    queue.run(6.0)

    assert rung == [1.0]


def test_a_stopped_alarm_never_rings():
    queue, rung = TimerQueue(), []
    queue.start(1.0, rung.append).stop()

    assert queue.next_at() is None
    queue.run(2.0)
    assert rung == []


# Over a stream (RFC 3261 §17: timers A, E and G are not started; D, I, J and K are zero)


def stream_rig():
    return Rig(peer=Address("192.0.2.9", 5060, Transport.TCP))


@pytest.mark.parametrize("method", ["INVITE", "BYE"])
def test_over_a_stream_a_request_is_sent_once_and_fails_after_64_t1(method):
    rig = stream_rig()
    machine = rig.client(method)

    assert rig.run(machine, 31.9) == []
    assert len(rig.outbox) == 1
    assert rig.run(machine, 32.0) == []
    assert rig.user.failures == [408]


@pytest.mark.parametrize("method", ["INVITE", "BYE"])
def test_over_a_stream_timers_d_and_k_are_zero(method):
    rig = stream_rig()
    machine = rig.client(method)

    machine.receive_response(response(486), 0.1)

    assert rig.user.statuses == [486]
    assert machine.state is State.TERMINATED
    assert rig.table == {}
    assert len(rig.outbox) == (2 if method == "INVITE" else 1)  # the ACK


def test_over_a_stream_timer_m_still_hands_a_repeated_2xx_on():
    rig = stream_rig()
    machine = rig.client()

    machine.receive_response(response(200), 0.1)
    machine.receive_response(response(200), 0.6)

    assert rig.user.statuses == [200, 200]
    assert machine.deadline_at == 32.1


def test_over_a_stream_a_refusal_is_sent_once_and_timers_h_and_i_end_it():
    rig = stream_rig()
    machine = rig.server(InviteServerTransaction)

    machine.respond(486, b"486", 0.0)

    assert rig.run(machine, 31.9) == []
    assert len(rig.outbox) == 1
    assert machine.deadline_at == 32.0
    machine.receive_ack(31.0)
    assert machine.state is State.TERMINATED


def test_over_a_stream_timer_j_is_zero():
    rig = stream_rig()
    machine = rig.server(NonInviteServerTransaction)

    machine.respond(200, b"200", 0.0)

    assert machine.state is State.TERMINATED
    assert rig.table == {}
