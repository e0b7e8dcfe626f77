"""Peers that misuse a dialog or a registration: what they may take of the rest, and where we send."""

import pytest

from intercom.sip.address import Address, Transport
from intercom.sip.events import DialogEnded, InfoReceived, ReinviteReceived
from intercom.sip.timer import TimerQueue
from intercom.sip.uri import next_hop
from tests.sip.wire import (
    NEW_OFFER,
    OFFER,
    OUR_ADDRESS,
    PEER_ADDRESS,
    Bench,
    bench,
    header,
    request,
    response,
    tag_of,
    talking,
)

TLS_TRUNK = Address("203.0.113.5", 5061, Transport.TLS, "trunk.example")
OUR_TLS = Address("192.0.2.1", 5061, Transport.TLS)
OUR_TCP = Address("192.0.2.1", 5060, Transport.TCP)


def calling_by_tls() -> tuple[Bench, dict[str, str]]:
    """Call over TLS, and let the peer answer; return what its requests in the dialog carry."""
    rig = bench(also_local=(OUR_TLS, OUR_TCP))
    rig.call(destination=TLS_TRUNK)
    invite = rig.last
    extra = "Contact: <sip:trunk@203.0.113.5:5061;transport=tls>\r\n"
    rig.take(response(invite, 200, extra=extra, body=OFFER), TLS_TRUNK)
    tags = {
        "call_id": header(invite, "Call-ID"),
        "to_tag": tag_of(header(invite, "From")),
        "from_tag": "peertag",
    }
    return rig, tags


@pytest.mark.parametrize(
    "source", [Address("203.0.113.5", 5061), Address("203.0.113.5", 40_000, Transport.TCP)]
)
@pytest.mark.parametrize("method", ["INFO", "INVITE", "BYE"])
def test_in_a_dialog_of_tls_nothing_counts_that_comes_in_clear(
    method: str, source: Address
) -> None:
    rig, tags = calling_by_tls()
    via = f"SIP/2.0/{source.transport.value} 203.0.113.5;branch=z9hG4bKx;rport"
    body = NEW_OFFER if method == "INVITE" else b"Signal=5\r\n"
    kind = "application/sdp" if method == "INVITE" else "application/dtmf-relay"
    forged = request(method, via=via, extra=f"Content-Type: {kind}\r\n", body=body, **tags)

    assert rig.take(forged, source) == ["403"]
    assert not any(
        isinstance(event, InfoReceived | ReinviteReceived | DialogEnded) for event in rig.events
    )


def test_a_dialog_of_tls_whose_connection_is_lost_is_not_taken_over_in_clear() -> None:
    rig, tags = calling_by_tls()
    rig.endpoint.connection_closed(TLS_TRUNK, rig.now)
    via = "SIP/2.0/TCP 203.0.113.5;branch=z9hG4bKx;rport"
    rig.take(request("OPTIONS", via=via, **tags), Address("203.0.113.5", 40_000, Transport.TCP))
    dialog = next(iter(rig.endpoint._core.usages))
    rig.endpoint.hang_up(dialog, rig.now)
    assert rig.collect() == ["BYE"]
    assert rig.destinations[-1].transport is Transport.TLS


def test_a_dialog_of_tls_goes_on_by_another_connection_of_tls() -> None:
    rig, tags = calling_by_tls()
    via = "SIP/2.0/TLS 203.0.113.5;branch=z9hG4bKx;rport"
    anew = Address("203.0.113.5", 40_000, Transport.TLS)
    assert rig.take(request("INFO", via=via, **tags), anew) == ["200"]


def test_one_dialog_cannot_fill_the_table_that_all_calls_need() -> None:
    rig = bench()
    _, tag = talking(rig)
    answers = [
        rig.take(request("INFO", branch=f"z9hG4bKi{n}", to_tag=tag, cseq=n + 2)) for n in range(500)
    ]
    assert answers[:30] == [["200"]] * 30
    assert answers[31:] == [["503"]] * 469
    assert rig.endpoint.table_sizes()["transactions"] < 40
    assert sum(isinstance(event, InfoReceived) for event in rig.events) <= 31
    bye = request("BYE", branch="z9hG4bKbye", to_tag=tag, cseq=600)
    assert rig.take(bye) == ["200"], "who wants to end it always can"


def test_a_flood_in_a_dialog_uses_up_no_sequence_number() -> None:
    rig = bench()
    _, tag = talking(rig)
    for n in range(40):
        rig.take(request("INFO", branch=f"z9hG4bKi{n}", to_tag=tag, cseq=n + 2))
    rig.now += 1.0
    again = request("INFO", branch="z9hG4bKagain", to_tag=tag, cseq=41)
    assert rig.take(again) == ["200"], "what was answered 503 may be asked again"


def test_registrations_cannot_fill_the_table_that_calls_need() -> None:
    rig = bench(max_transactions=100)
    for n in range(300):
        extra = "Expires: 300\r\n"
        again = request("REGISTER", branch=f"z9hG4bKr{n}", cseq=n + 1, extra=extra)
        assert rig.take(again) == ["200"]
    assert rig.endpoint.table_sizes()["transactions"] == 50
    assert rig.take(request("INVITE", call_id="another", body=OFFER)) == ["100"]


def test_a_session_timer_that_is_set_anew_a_thousand_times_takes_no_room() -> None:
    rig = bench()
    _, tag = talking(rig)
    extra = "Supported: timer\r\nSession-Expires: 1800;refresher=uac\r\n"
    for n in range(5_000):
        rig.now += 0.05
        update = request("UPDATE", branch=f"z9hG4bKu{n}", to_tag=tag, cseq=n + 2, extra=extra)
        assert rig.take(update) == ["200"]
        rig.wait(0.0)
    assert len(rig.endpoint._core.timers) < 3_000


def test_alarms_that_were_stopped_are_dropped_and_the_others_go_off() -> None:
    queue = TimerQueue()
    went_off: list[float] = []
    for n in range(10_000):
        alarm = queue.start(1_000.0 + n, went_off.append)
        if n % 100:
            alarm.stop()
    assert len(queue) < 3_000
    queue.run(20_000.0)
    assert len(went_off) == 100
    assert queue.next_at() is None


@pytest.mark.parametrize(
    "host", ["224.0.0.1", "239.255.255.250", "[ff0e::1]", "255.255.255.255", "127.0.0.1", "0.0.0.0"]
)
def test_a_contact_cannot_make_us_send_to_many_or_to_ourselves(host: str) -> None:
    assert next_hop(f"sip:all@{host}:5060", PEER_ADDRESS) == PEER_ADDRESS


def test_a_contact_that_is_our_own_address_makes_no_loop() -> None:
    rig = bench()
    extra = f"Contact: <sip:me@{OUR_ADDRESS.host}:5060>\r\n"
    dialog = rig.call()
    rig.take(response(rig.last, 200, extra=extra, body=OFFER))
    rig.endpoint.hang_up(dialog, rig.now)
    rig.collect()
    bye, sent = rig.newest("BYE"), len(rig.sent)
    rig.take(bye, OUR_ADDRESS)
    assert len(rig.sent) - sent <= 1, "our own request gets one answer, and that is the end"
