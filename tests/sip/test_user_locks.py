"""Locks on guessing one user's password: they stop the guesser and never the user's own panel."""

import pytest

from intercom.sip.address import Address
from intercom.sip.user_locks import NEAR_INTERVAL_S, UserLockLimits, UserLocks
from tests.sip.nat import PASSWORD
from tests.sip.test_guard import guesser, registrar, stranger

HOME = Address("192.0.2.9", 5060)
AWAY = Address("203.0.113.5", 5060)
NOW = 1000.0


def fail(locks: UserLocks, source: Address, times: int, now: float = NOW, user: str = "main"):
    return [locks.fail(user, source, now, is_user=True) for _ in range(times)]


def may(locks: UserLocks, source: Address, now: float = NOW, *, is_user: bool = True) -> bool:
    return locks.may_try("main", source, now, is_user=is_user)


def test_ten_failures_lock_the_user_at_that_source_for_ten_minutes():
    locks = UserLocks()

    assert fail(locks, AWAY, 10) == [False] * 9 + [True]

    assert not may(locks, AWAY, NOW + 599.0)
    assert may(locks, AWAY, NOW + 600.0)
    assert may(locks, HOME)
    assert locks.may_try("garage", AWAY, NOW, is_user=True)


def test_nine_failures_in_ten_minutes_do_not_and_are_forgotten_then():
    locks = UserLocks()

    fail(locks, AWAY, 9)
    fail(locks, AWAY, 9, NOW + 600.0)

    assert may(locks, AWAY, NOW + 600.0)


def test_tries_during_a_lock_do_not_make_it_longer():
    locks = UserLocks()
    fail(locks, AWAY, 10)

    fail(locks, AWAY, 50, NOW + 500.0)

    assert may(locks, AWAY, NOW + 600.0)


def test_an_ipv6_guesser_has_one_count_for_his_64():
    locks = UserLocks()

    for number in range(10):
        fail(locks, Address(f"2001:db8::{number:x}", 5060), 1)

    assert not may(locks, Address("2001:db8::ffff", 5060))


def test_a_hundred_failures_from_anywhere_lock_the_user_for_strangers_alone():
    locks = UserLocks()
    locks.succeed("main", HOME, NOW)

    for number in range(20):
        fail(locks, stranger(number), 5)

    assert not may(locks, AWAY)
    assert may(locks, HOME)
    assert may(locks, HOME._replace(port=40_000))


def test_the_port_that_a_panel_registered_from_stays_open_while_a_neighbour_guesses():
    locks = UserLocks()
    locks.succeed("main", HOME, NOW)
    neighbour = HOME._replace(port=41_000)

    fail(locks, neighbour, 10)

    assert all(may(locks, HOME) for _ in range(10))


def test_a_neighbours_guesses_are_slow_once_the_user_is_locked():
    locks = UserLocks()
    locks.succeed("main", HOME, NOW)
    neighbour = HOME._replace(port=41_000)
    fail(locks, neighbour, 10)

    tries = [may(locks, neighbour, NOW + 0.1 * tenth) for tenth in range(500)]

    assert sum(tries) == 50 / NEAR_INTERVAL_S


def test_where_the_user_was_seen_is_forgotten_after_a_day():
    locks = UserLocks()
    locks.succeed("main", HOME, NOW)
    later = NOW + 86_400.0

    fail(locks, HOME, 10, later)

    assert not may(locks, HOME, later)


def test_invented_names_push_no_real_users_failures_out_and_all_tables_are_bounded():
    locks = UserLocks(UserLockLimits(max_entries=50))
    fail(locks, AWAY, 10)

    for number in range(1000):
        locks.fail(f"invented-{number}" + "x" * 60_000, AWAY, NOW, is_user=False)
        locks.succeed(f"panel-{number}", stranger(number), NOW)

    assert not may(locks, AWAY)
    assert locks.size() <= 2 + 50 * 3


def test_lifting_forgets_every_failure():
    locks = UserLocks()
    fail(locks, AWAY, 10)

    locks.lift_all()

    assert may(locks, AWAY)


# On the endpoint


def test_a_locked_users_right_password_gets_the_same_401_from_a_stranger():
    rig = registrar()
    away = guesser(rig, AWAY)
    for _ in range(11):
        away()
        rig.now += 1.0
    before = rig.last

    assert away(PASSWORD) == ["401"]

    assert len(rig.last) == len(before)
    assert b"stale" not in rig.last
    assert b"Retry-After" not in rig.last
    rig.now += 600.0
    away()
    assert away(PASSWORD) == ["200"]


def test_a_live_panel_registers_on_while_the_world_guesses_its_password():
    rig = registrar()
    panel = guesser(rig, HOME)
    panel()
    assert panel(PASSWORD) == ["200"]

    for number in range(15):
        attempt = guesser(rig, stranger(number))
        for _ in range(11):
            attempt()

    assert rig.endpoint.counters.locked_users >= 15
    assert panel(PASSWORD) == ["200"]


@pytest.mark.parametrize("user", ["panel-1", "nobody"])
def test_the_lock_answers_alike_for_users_that_exist_and_that_do_not(user):
    rig = registrar()
    attempt = guesser(rig, AWAY, user)

    answers = []
    for _ in range(15):
        answers.append(attempt())
        rig.now += 1.0

    assert answers == [["401"]] * 15
    assert rig.endpoint.counters.locked_users == 1
