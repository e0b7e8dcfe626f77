"""The guard: a flood takes its sender's tokens and nobody else's, and who guesses is shut out."""

from itertools import count

import pytest

from intercom.sip.address import Address, Transport
from intercom.sip.counters import Counters
from intercom.sip.endpoint import Credentials, DigestClient
from intercom.sip.events import InfoReceived, InviteReceived
from intercom.sip.guard import GuardLimits, SourceGuard
from tests.loopback import token_source
from tests.sip.nat import (
    NAT_HOST,
    PASSWORD,
    Panels,
    forged,
    password_of,
    play,
    router,
)
from tests.sip.wire import (
    OFFER,
    PEER_ADDRESS,
    Bench,
    bench,
    header,
    never_trusted,
    request,
    response,
    tag_of,
)

NOW = 1000.0
LIMITS = GuardLimits()
FLOOD_RATE = 2_000
FEW_TOKENS = GuardLimits(stranger_rate=200.0, known_rate=200.0)
"""With these nine of ten messages of that flood find no token, and neither do the panels'."""


def guard(*, listed: frozenset[str] = frozenset(), **limits) -> SourceGuard:
    return SourceGuard(Counters(), is_listed=listed.__contains__, limits=GuardLimits(**limits))


def flood(one: SourceGuard, source: Address, messages: int, now: float = NOW) -> int:
    """Send ever new messages at one moment; tell how many are heard."""
    return sum(one.admits(b"%d" % number, source, now) for number in range(messages))


def nearly(rate: float) -> object:
    """Allow for the few that are taken for repetitions."""
    return pytest.approx(rate, rel=0.06)


def stranger(number: int) -> Address:
    return Address(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 5060)


# How much is heard


def test_a_source_is_heard_up_to_its_rate():
    one = guard()

    assert flood(one, PEER_ADDRESS, 3000) == nearly(LIMITS.stranger_rate)
    assert flood(one, PEER_ADDRESS, 300, NOW + 0.2) == nearly(200)


def test_a_large_message_costs_as_much_as_many_small_ones():
    one = guard()

    heard = sum(
        one.admits(b"%d" % number + b" " * 60_000, PEER_ADDRESS, NOW) for number in range(200)
    )

    assert heard == LIMITS.stranger_rate // 30


def test_one_sources_flood_leaves_the_others_heard():
    one = guard()

    flood(one, PEER_ADDRESS, 3000)

    assert one.admits(b"x", stranger(1), NOW)


def test_an_ipv6_source_is_its_whole_64():
    one = guard()

    heard = sum(
        one.admits(b"%d" % number, Address(f"2001:db8::{number:x}", 5060), NOW)
        for number in range(3000)
    )

    assert heard == nearly(LIMITS.stranger_rate)
    assert one.admits(b"x", Address("2001:db8:0:1::1", 5060), NOW)
    assert one.sizes()["sources"] == 2


def test_an_ipv4_address_in_ipv6_clothes_is_the_ipv4_address():
    one = guard()

    flood(one, Address("192.0.2.9", 5060), 3000)

    assert not one.admits(b"y", Address("::ffff:192.0.2.9", 5060), NOW)


def test_a_flood_of_a_hundred_thousand_addresses_leaves_the_tables_bounded_and_known_ones_heard():
    one = guard()
    one.believe(PEER_ADDRESS, NOW)

    heard = sum(one.admits(b"x", stranger(number), NOW) for number in range(100_000))

    assert heard <= LIMITS.strangers_rate + LIMITS.repeated_rate
    assert one.sizes()["sources"] == LIMITS.max_sources
    assert one.admits(b"x", PEER_ADDRESS, NOW)


def test_a_known_source_is_rate_limited_too_at_a_carriers_rate():
    one = guard(listed=frozenset({"192.0.2.9"}))

    assert flood(one, PEER_ADDRESS, 9000) == nearly(LIMITS.known_rate)


def test_a_source_that_the_operator_lists_in_a_flood_is_known_from_then_on():
    listed: set[str] = set()
    one = SourceGuard(Counters(), is_listed=listed.__contains__)
    flood(one, PEER_ADDRESS, 3000)

    listed.add(PEER_ADDRESS.host)
    later = NOW + 1.0
    flood(one, PEER_ADDRESS, 1100, later)

    assert flood(one, PEER_ADDRESS, 9000, later) == nearly(LIMITS.known_rate)


def test_a_lagging_service_hears_fewer_strangers():
    one = guard()
    one.set_busy(is_busy=True)

    heard = sum(one.admits(b"x", stranger(number), NOW) for number in range(10_000))

    assert heard == nearly(LIMITS.strangers_rate * LIMITS.busy_share)


def test_a_datagram_that_is_sent_again_is_heard_in_a_flood_and_not_for_ever():
    one = guard()
    flood(one, PEER_ADDRESS, 3000)

    heard = [one.admits(b"REGISTER", PEER_ADDRESS, NOW) for _ in range(6)]

    assert heard == [False, True, True, True, False, False]


def test_the_same_datagram_from_another_port_is_no_repetition():
    one = guard()
    flood(one, PEER_ADDRESS, 3000)

    heard = [
        one.admits(b"REGISTER", PEER_ADDRESS._replace(port=6000 + port), NOW) for port in range(50)
    ]

    assert sum(heard) <= 2


def test_a_drop_is_forgotten_after_two_generations():
    one = guard(stranger_rate=1.0)

    for at in (NOW, NOW + 17.0, NOW + 34.0):
        one.admits(b"x", PEER_ADDRESS, at)  # takes the token
        assert not one.admits(b"REGISTER", PEER_ADDRESS, at)
    one.admits(b"x", PEER_ADDRESS, NOW + 41.0)
    assert one.admits(b"REGISTER", PEER_ADDRESS, NOW + 41.0)


def test_who_has_a_proof_is_heard_in_a_flood_within_a_budget():
    one = guard()
    one.has_proof = lambda data, source, now: data == b"proven"
    flood(one, PEER_ADDRESS, 3000)

    assert sum(one.admits(b"proven", PEER_ADDRESS, NOW) for _ in range(3000)) == (
        LIMITS.stranger_rate + 3  # three copies count as a repetition
    )


# Shutting out


def fail(one: SourceGuard, times: int, *, gap_s: float, source: Address = PEER_ADDRESS) -> float:
    now = NOW
    for number in range(times):
        now = NOW + number * gap_s
        one.note_failure(source, now)
    return now


def test_sixteen_wrong_credentials_in_two_seconds_shut_a_source_out_for_five_minutes():
    one = guard()

    now = fail(one, 16, gap_s=0.13)

    assert one.is_locked(PEER_ADDRESS, now)
    assert not one.admits(b"x", PEER_ADDRESS, now + 299.0)
    assert one.admits(b"x", PEER_ADDRESS, now + 300.0)
    assert one.locked_count(now + 300.0) == 0


@pytest.mark.parametrize(("times", "gap_s"), [(15, 0.01), (16, 0.14), (59, 1.0), (200, 11.0)])
def test_fewer_or_slower_failures_do_not(times, gap_s):
    one = guard()

    now = fail(one, times, gap_s=gap_s)

    assert not one.is_locked(PEER_ADDRESS, now)


def test_sixty_in_ten_minutes_do_too():
    one = guard()

    now = fail(one, 60, gap_s=10.0)

    assert one.is_locked(PEER_ADDRESS, now)


@pytest.mark.parametrize("way", ["believed", "listed"])
def test_a_known_source_is_never_shut_out(way):
    one = guard(listed=frozenset({PEER_ADDRESS.host} if way == "listed" else ()))
    if way == "believed":
        one.believe(PEER_ADDRESS, NOW)

    now = fail(one, 500, gap_s=0.01)

    assert not one.is_locked(PEER_ADDRESS, now)
    assert one.admits(b"x", PEER_ADDRESS, now)


def test_a_lock_is_of_the_host_whatever_the_port_and_transport():
    one = guard()

    now = fail(one, 16, gap_s=0.01)

    assert one.is_locked(Address(PEER_ADDRESS.host, 50_000, Transport.TLS), now)
    assert not one.is_locked(stranger(1), now)


def test_all_locks_can_be_lifted():
    one = guard()
    now = fail(one, 16, gap_s=0.01)

    assert one.lift_all(now) == 1

    assert one.admits(b"x", PEER_ADDRESS, now)


def test_the_tables_of_failures_and_locks_and_belief_are_bounded():
    one = guard(max_failing=20, max_locked=20, max_believed=20)

    for number in range(100):
        fail(one, 15, gap_s=0.0, source=stranger(number))
        fail(one, 16, gap_s=0.0, source=stranger(1000 + number))
        one.believe(stranger(2000 + number), NOW)

    sizes = one.sizes()
    assert sizes["failing"] in {19, 20}
    assert (sizes["locked"], sizes["believed"]) == (20, 20)


# On the endpoint


def guesser(rig: Bench, source: Address, user: str = "panel-1"):
    """Be somebody who answers challenges; a try is one request."""
    client = DigestClient(Credentials(user, "guess"), token_source(3))
    serial = count()

    def attempt(password: str = "guess", method: str = "REGISTER") -> list[str]:
        client._credentials = Credentials(user, password)
        number = next(serial)
        mark = f"{source.host}-{user}-{number}"
        uri = "sip:192.0.2.1"
        extra = "".join(f"{name}: {value}\r\n" for name, value in client.authorize(method, uri))
        data = request(method, uri=uri, branch=f"z9hG4bK{mark}", call_id=mark, extra=extra)
        out = rig.take(data.replace(b"sip:ring@", f"sip:{user}@".encode()), source)
        if out == ["401"]:
            client.learn("Authorization", [header(rig.last, "WWW-Authenticate")])
        return out

    return attempt


def registrar() -> Bench:
    rig = bench(is_trusted=never_trusted(), password_of=password_of)
    rig.now = NOW
    return rig


def test_sixteen_wrong_passwords_silence_the_service_for_the_guesser_alone():
    rig = registrar()
    attempt = guesser(rig, PEER_ADDRESS)

    answers = [attempt() for _ in range(20)]

    assert answers == [["401"]] * 17 + [[]] * 3  # the first has no credentials
    assert rig.endpoint.is_locked(PEER_ADDRESS, rig.now)
    assert rig.endpoint.counters.dropped_locked == 3
    assert guesser(rig, stranger(1))() == ["401"]


def test_requests_without_credentials_and_stale_nonces_shut_nobody_out():
    rig = registrar()
    attempt = guesser(rig, PEER_ADDRESS)
    attempt()
    for _ in range(100):
        rig.now += 400.0
        attempt()
        rig.take(request("INVITE", branch=f"z9hG4bK{rig.now}", call_id=str(rig.now)))

    assert rig.endpoint.locked_sources(rig.now) == 0
    assert rig.endpoint.counters.wrong_credentials == 0


def test_nobody_can_be_shut_out_by_a_forger_with_a_nonce_of_his_own():
    rig = registrar()
    forger, victim = stranger(66), Address(NAT_HOST, 4000)
    client = DigestClient(Credentials("panel-1", "guess"), token_source(3))
    rig.take(request("REGISTER", uri="sip:192.0.2.1"), forger)
    client.learn("Authorization", [header(rig.last, "WWW-Authenticate")])

    for number in range(100):
        ((name, value),) = client.authorize("REGISTER", "sip:192.0.2.1")
        extra = f"{name}: {value}\r\n"
        mark = f"f{number}"
        rig.take(
            request("REGISTER", uri="sip:192.0.2.1", branch=mark, call_id=mark, extra=extra), victim
        )

    assert not rig.endpoint.is_locked(victim, rig.now)
    assert rig.endpoint.counters.wrong_credentials == 0


def test_a_panel_that_registered_is_not_shut_out_by_a_neighbour_who_guesses():
    rig = registrar()
    assert guesser(rig, Address(NAT_HOST, 4000))() == ["401"]
    panel = guesser(rig, Address(NAT_HOST, 4001), "panel-2")
    panel()
    assert panel(PASSWORD) == ["200"]
    attempt = guesser(rig, Address(NAT_HOST, 4002))

    for _ in range(200):
        attempt()

    assert panel(PASSWORD) == ["200"]


def talking_in_a_flood() -> tuple[Bench, InviteReceived, str]:
    """Let a panel that is known by its address alone call, then let its address be flooded."""
    rig = bench(is_trusted=lambda source, user: user == "panel")
    rig.now = NOW
    rig.take(request("INVITE", body=OFFER))
    event = rig.events[-1]
    assert isinstance(event, InviteReceived)
    rig.endpoint.respond(event.dialog, rig.now, 200, body=OFFER)
    rig.collect()
    tag = tag_of(header(rig.last, "To"))
    messages = forged("INVITE")
    for _ in range(2000):
        rig.endpoint.receive_datagram(next(messages)[0], PEER_ADDRESS, rig.now)
    rig.endpoint.datagrams_to_send()
    return rig, event, tag


def test_a_call_that_is_up_goes_on_in_a_flood_in_its_panels_name():
    rig, _, tag = talking_in_a_flood()
    info = {"extra": "Content-Type: application/dtmf-relay\r\n", "body": b"Signal=5\r\n"}

    assert rig.take(request("OPTIONS", branch="z9hG4bKo", call_id="other")) == []
    rig.take(request("ACK", branch="z9hG4bKa", to_tag=tag))
    assert rig.take(request("INFO", branch="z9hG4bKi", cseq=2, to_tag=tag, **info)) == ["200"]
    assert rig.take(request("BYE", branch="z9hG4bKb", cseq=3, to_tag=tag)) == ["200"]

    assert any(isinstance(event, InfoReceived) for event in rig.events)


def test_a_cancel_and_a_retransmission_find_their_call_in_a_flood():
    rig = bench(is_trusted=lambda source, user: user == "panel")
    rig.now = NOW
    rig.take(request("INVITE", body=OFFER))
    for data, _ in zip((data for data, _ in forged("INVITE")), range(2000), strict=False):
        rig.endpoint.receive_datagram(data, PEER_ADDRESS, rig.now)
    rig.endpoint.datagrams_to_send()

    assert rig.take(request("INVITE", body=OFFER)) == ["100"]
    assert rig.take(request("CANCEL")) == ["200", "487"]


def test_a_response_to_us_is_heard_in_a_flood_and_a_forged_one_is_not():
    rig = bench()
    rig.now = NOW
    rig.call()
    invite = rig.last
    for data, _ in zip((data for data, _ in forged("INVITE")), range(3000), strict=False):
        rig.endpoint.receive_datagram(data, PEER_ADDRESS, rig.now)
    rig.endpoint.datagrams_to_send()
    before = rig.endpoint.counters.dropped_rate

    strange = invite.replace(b"z9hG4bK", b"z9hG4bKx").replace(b"Call-ID: ", b"Call-ID: x")
    rig.take(response(strange, 200, body=OFFER))
    assert rig.endpoint.counters.dropped_rate == before + 1

    assert rig.take(response(invite, 200, body=OFFER)) == ["ACK"]


# Fifty panels behind one NAT, the router just restarted


def after_the_first_second(number: int) -> float:
    """Start when the flood has taken the tokens."""
    return 1.0 + number * 0.02


@pytest.mark.parametrize("method", ["INVITE", "REGISTER"])
@pytest.mark.parametrize("limits", [LIMITS, FEW_TOKENS], ids=["as set", "few tokens"])
def test_fifty_panels_behind_a_nat_register_within_10_s_in_a_flood_in_its_name(method, limits):
    service, panels = router(guard_limits=limits), Panels(50)

    play(
        service,
        panels,
        duration_s=11.0,
        flood=forged(method),
        flood_rate=FLOOD_RATE,
        start=after_the_first_second,
    )

    assert panels.registered == 50
    assert service.locked_sources(1010.0) == 0
    if limits is FEW_TOKENS:
        assert service.counters.dropped_rate > 9 * (FLOOD_RATE - limits.known_rate - 300)


def test_without_the_ways_beyond_the_tokens_panels_would_be_lost_in_that_flood():
    service, panels = router(guard_limits=FEW_TOKENS), Panels(50)
    service._core.guard.has_proof = lambda *_: False
    service._core.guard._dropped.is_repeated = lambda *_: False

    play(
        service,
        panels,
        duration_s=11.0,
        flood=forged("REGISTER"),
        flood_rate=FLOOD_RATE,
        start=after_the_first_second,
    )

    assert panels.registered < 25
