"""Overload: new calls wait, what is up goes on, and strangers cannot bring it about."""

from collections import Counter

from intercom.sip.admission import Admission, AdmissionLimits
from intercom.sip.events import InviteReceived
from tests.loopback import token_source
from tests.sip.nat import PASSWORD, password_of
from tests.sip.test_guard import guesser, stranger
from tests.sip.wire import OFFER, bench, header, never_trusted, request, ringing, talking


def admission(setups: list[int] | None = None, **limits) -> Admission:
    counted = setups or [0]
    return Admission(
        token_source(1),
        lambda: Counter({"": counted[0]}),
        max_calls=100,
        limits=AdmissionLimits(**limits),
    )


def lag(one: Admission, lag_s: float, *, since: float, for_s: float) -> None:
    for tenth in range(int(for_s * 10) + 1):
        one.note_lag(lag_s, since + tenth / 10)


def test_a_loop_that_lags_for_half_a_second_takes_no_new_calls_until_it_was_calm_as_long():
    one = admission()

    lag(one, 0.15, since=0.0, for_s=0.3)
    assert one.admits(0, 0.3)
    lag(one, 0.15, since=0.4, for_s=0.2)
    assert not one.admits(0, 0.6)
    lag(one, 0.05, since=0.7, for_s=5.0)  # between the two marks
    assert not one.admits(0, 5.7)
    lag(one, 0.01, since=6.0, for_s=0.4)
    assert not one.admits(0, 6.4)
    lag(one, 0.01, since=6.5, for_s=0.2)
    assert one.admits(0, 6.7)


def test_one_late_timer_is_no_overload_however_late():
    one = admission()

    one.note_lag(0.3, 1.0)
    assert one.admits(0, 1.0)
    one.note_lag(0.0, 1.1)
    one.note_lag(2.0, 4.0)
    assert one.admits(0, 4.0)
    one.note_lag(0.2, 4.6)

    assert not one.admits(0, 4.6)


def test_full_is_full_until_a_tenth_is_free():
    one = admission()

    assert one.admits(99, 0.0)
    assert not one.admits(100, 0.0)
    assert not one.admits(95, 1.0)
    assert one.admits(89, 2.0)
    assert one.admits(95, 3.0)


def test_calls_in_set_up_are_bounded_also_between_two_counts():
    setups = [0]
    one = admission(setups, max_setups=10)

    assert [one.admits(0, 0.0) for _ in range(12)] == [True] * 10 + [False] * 2
    setups[0] = 9
    assert not one.admits(0, 1.0)
    setups[0] = 5
    assert one.admits(0, 2.0)


def test_who_is_refused_waits_for_five_to_ten_seconds_by_chance():
    one = admission()

    assert {one.retry_after_s() for _ in range(200)} == {5, 6, 7, 8, 9, 10}


def overloaded(rig):
    rig.endpoint.note_lag(0.6, rig.now - 0.6)
    rig.endpoint.note_lag(0.6, rig.now)
    return rig


def test_a_known_panels_new_call_gets_503_with_a_time_and_leaves_nothing():
    rig = overloaded(bench())

    assert rig.take(request("INVITE", body=OFFER)) == ["503"]

    assert 5 <= int(header(rig.last, "Retry-After")) <= 10
    assert rig.endpoint.counters.refused_overload == 1
    assert rig.endpoint.table_sizes()["transactions"] == 0
    assert rig.events == []


def test_a_strangers_call_is_challenged_in_overload_as_ever():
    rig = overloaded(bench(is_trusted=never_trusted(), password_of=password_of))

    assert rig.take(request("INVITE", body=OFFER)) == ["401"]
    assert rig.endpoint.counters.refused_overload == 0


def test_strangers_cannot_fill_the_service():
    rig = bench(is_trusted=lambda source, user: user == "panel", max_dialogs=5)
    for number in range(500):
        mark = f"s{number}"
        data = request("INVITE", branch=f"z9hG4bK{mark}", call_id=mark, body=OFFER)
        assert rig.take(data.replace(b"<sip:panel@", b"<sip:thief@")) == ["401"]

    assert rig.take(request("INVITE", body=OFFER)) == ["100"]


def test_who_forges_a_trusted_address_fills_only_that_addresss_share():
    rig = bench(is_trusted=lambda source, user: source.host == "192.0.2.9", password_of=password_of)
    answers = []
    for number in range(300):
        mark = f"f{number}"
        answers += rig.take(
            request("INVITE", branch=f"z9hG4bK{mark}", call_id=mark, from_tag=mark, body=OFFER)
        )

    assert answers == ["100"] * 100 + ["503"] * 200
    panel = guesser(rig, stranger(1))
    panel(method="INVITE")
    assert panel(PASSWORD, method="INVITE") == ["100"]


def test_calls_that_are_up_and_retransmissions_are_served_in_overload():
    rig = bench()
    _, tag = talking(rig)
    early, _ = ringing(rig, branch="z9hG4bKe", call_id="early")
    overloaded(rig)

    assert rig.take(request("INVITE", branch="z9hG4bKe", call_id="early", body=OFFER)) == ["180"]
    out = rig.take(request("INVITE", branch="z9hG4bKr", cseq=2, to_tag=tag, body=OFFER))
    assert out[0] == "100"
    assert rig.take(request("INFO", branch="z9hG4bKi", cseq=3, to_tag=tag)) == ["200"]
    assert rig.take(request("BYE", branch="z9hG4bKb", cseq=4, to_tag=tag)) == ["200"]
    rig.endpoint.respond(early, rig.now, 200, body=OFFER)
    assert rig.collect() == ["200"]


def test_after_the_overload_calls_are_taken_again():
    rig = overloaded(bench())
    rig.take(request("INVITE", body=OFFER))
    for tenth in range(22):
        rig.endpoint.note_lag(0.0, rig.now + tenth / 10)
    rig.now += 3.0

    assert rig.take(request("INVITE", branch="z9hG4bK2", call_id="c2", body=OFFER)) == ["100"]
    assert isinstance(rig.events[-1], InviteReceived)
