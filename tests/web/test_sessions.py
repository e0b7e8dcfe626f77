"""The table of log-ins: hashed, bounded, expiring, revocable."""

import pytest

from intercom.routing.ids import ResidentId
from intercom.web.sessions import Login, LoginTable
from tests.web.desk import ANNA, Clock, building

RESIDENTS = building().residents


def test_a_token_finds_its_log_in_and_no_other_does():
    logins = LoginTable(clock=Clock())

    token = logins.create(RESIDENTS[ANNA])

    assert logins.find(token).resident_id == ANNA
    assert logins.find(token + "x") is None
    assert logins.find("") is None


def test_a_token_has_256_bits_and_is_not_in_the_table():
    logins = LoginTable(clock=Clock())

    token = logins.create(RESIDENTS[ANNA])

    assert len(token) >= 43  # 32 bytes in base64
    assert token not in repr(logins._logins)


def test_a_log_in_expires_when_it_was_not_used_for_its_lifetime_and_lives_on_when_it_was():
    clock = Clock()
    logins = LoginTable(clock=clock, idle_lifetime_s=100)
    token = logins.create(RESIDENTS[ANNA])

    for _ in range(3):
        clock.ahead_s += 90
        assert logins.find(token) is not None
    clock.ahead_s += 101

    assert logins.find(token) is None
    assert len(logins) == 0


def test_the_table_is_bounded_and_drops_the_least_recently_used():
    logins = LoginTable(clock=Clock(), max_logins=3)
    dropped: list[Login] = []
    logins.on_dropped = dropped.append
    first, second, third = (logins.create(RESIDENTS[ANNA]) for _ in range(3))
    logins.find(first)

    logins.create(RESIDENTS[ANNA])

    assert logins.find(second) is None
    assert logins.find(first) is not None
    assert logins.find(third) is not None
    assert len(dropped) == 1


def test_one_resident_has_at_most_so_many_log_ins_and_others_are_left_alone():
    logins = LoginTable(clock=Clock(), max_per_resident=2)
    other = logins.create(RESIDENTS[ResidentId("per")])

    tokens = [logins.create(RESIDENTS[ANNA]) for _ in range(3)]

    assert [logins.find(token) is not None for token in tokens] == [False, True, True]
    assert logins.find(other) is not None


@pytest.mark.parametrize("times", [1, 2])
def test_revoking_ends_a_log_in_once(times):
    logins = LoginTable(clock=Clock())
    dropped: list[Login] = []
    logins.on_dropped = dropped.append
    token = logins.create(RESIDENTS[ANNA])

    for _ in range(times):
        logins.revoke(token)

    assert logins.find(token) is None
    assert len(dropped) == 1
