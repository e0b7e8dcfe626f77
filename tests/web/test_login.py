"""Logging in: the same answer for everybody who may not, and limits on guessing."""

import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from intercom.link.guessing import GuessLimits, NameLocks, SourceBudgets, source_key
from intercom.routing.ids import ResidentId
from tests.web.desk import ANNA, PASSWORD, Clock, Desk, browser_like, log_in, open_desk

LIMITS = GuessLimits()


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with open_desk() as desk:
        yield desk


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with browser_like() as client:
        yield client


async def test_the_right_password_gives_the_name_and_a_strict_cookie(desk, client):
    response = await log_in(client, desk)

    assert response.status == 200
    assert await response.json() == {"name": "Anna Lund"}
    cookie = response.cookies["login"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Strict"
    assert cookie["path"] == "/"
    assert response.headers["Cache-Control"] == "no-store"


async def test_with_tls_the_cookie_is_secure_and_bound_to_the_host(client):
    async with open_desk(is_tls=True) as desk:
        response = await log_in(client, desk)

        assert response.cookies["__Host-login"]["secure"]


async def test_a_wrong_password_an_unknown_user_and_one_without_app_get_the_same_answer(
    desk, client
):
    answers = []
    for username, password in ((ANNA, "wrong"), ("nobody", PASSWORD), ("per", PASSWORD)):
        response = await log_in(client, desk, username, password)
        headers = {name: value for name, value in response.headers.items() if name != "Date"}
        answers.append((response.status, await response.text(), headers))

    assert answers[0][0] == 401
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.alone
async def test_an_unknown_user_costs_as_much_time_as_a_wrong_password(client):
    async with open_desk(limits=GuessLimits(failures=99, source_failures=99)) as desk:
        times: dict[str, list[float]] = {ANNA: [], "nobody": []}
        for _ in range(5):
            for username, took in times.items():
                began = time.perf_counter()
                await log_in(client, desk, username, "wrong")
                took.append(time.perf_counter() - began)

    known, unknown = (min(took) for took in times.values())
    assert 0.6 < known / unknown < 1.6, (known, unknown)  # alike; 0.01 without the dummy hash


@pytest.mark.parametrize("username", [ANNA, "nobody"])
async def test_ten_failures_lock_a_name_for_ten_minutes_whether_it_exists_or_not(username):
    clock = Clock()
    locks = NameLocks(LIMITS, clock)

    for _ in range(LIMITS.failures):
        assert locks.locked_for_s(username) == 0
        locks.begin(username)

    assert locks.locked_for_s(username) == pytest.approx(600, abs=1)
    clock.ahead_s = 599
    assert locks.locked_for_s(username) > 0
    clock.ahead_s = 601
    assert locks.locked_for_s(username) == 0


async def test_even_the_right_password_does_not_open_a_locked_name_until_the_time_is_over(client):
    async with open_desk(limits=GuessLimits(failures=2)) as desk:
        for _ in range(2):
            assert (await log_in(client, desk, password="wrong")).status == 401

        response = await log_in(client, desk)
        assert response.status == 429
        assert 0 < int(response.headers["Retry-After"]) <= 600

        desk.clock.ahead_s = 601
        assert (await log_in(client, desk)).status == 200


def test_a_right_password_forgets_the_failures_before_it():
    locks = NameLocks(LIMITS, Clock())

    for _ in range(30):
        locks.begin(ANNA)
        locks.succeed(ANNA)

    assert locks.locked_for_s(ANNA) == 0


def test_a_source_that_failed_thirty_times_waits_whatever_the_names_and_earns_tries_back():
    clock = Clock()
    sources = SourceBudgets(LIMITS, clock)
    for _ in range(LIMITS.source_failures):
        assert sources.wait_s("192.0.2.1") == 0
        sources.begin("192.0.2.1")

    assert sources.wait_s("192.0.2.1") == pytest.approx(LIMITS.source_refill_s, abs=0.1)
    assert sources.wait_s("192.0.2.2") == 0

    clock.ahead_s = LIMITS.source_refill_s + 0.1
    assert sources.wait_s("192.0.2.1") == 0


def test_a_household_of_ipv6_addresses_is_one_source():
    assert source_key("2001:db8::1") == source_key("2001:db8::ffff:1")
    assert source_key("2001:db8::1") != source_key("2001:db8:0:1::1")
    assert source_key("192.0.2.1") != source_key("192.0.2.2")
    assert source_key("not an address") == "not an address"


def test_the_tables_of_failures_stay_bounded():
    limits = GuessLimits(max_entries=100)
    locks, sources = NameLocks(limits, Clock()), SourceBudgets(limits, Clock())

    for number in range(1000):
        locks.begin(f"name {number}")
        sources.begin(f"source {number}")

    assert len(locks._failures) == len(sources._spent) == 100


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"username": "anna"}',
        b'{"username": 1, "password": "x"}',
        b'{"username": "\\ud800", "password": "x"}',
        b'{"username": "anna", "password": "' + b"x" * 513 + b'"}',
        b'{"username": "' + b"x" * 100_000 + b'"}',
        b"[" * 5000,
    ],
)
async def test_a_malformed_request_is_answered_with_400(desk, client, body):
    response = await client.post(
        f"{desk.url}/api/login", data=body, headers={"Content-Type": "application/json"}
    )

    assert response.status == 400


async def test_a_form_of_another_site_cannot_log_in(desk, client):
    login = {"username": ANNA, "password": PASSWORD}
    as_form = await client.post(f"{desk.url}/api/login", data=login)
    as_json = await client.post(
        f"{desk.url}/api/login", json=login, headers={"Origin": "https://elsewhere.example"}
    )

    assert as_form.status == 400
    assert as_json.status == 403


async def test_logging_out_ends_the_log_in(desk, client):
    await log_in(client, desk)
    assert (await client.get(f"{desk.url}/api/me")).status == 200

    await client.post(f"{desk.url}/api/logout")

    assert (await client.get(f"{desk.url}/api/me")).status == 401
    assert len(desk.logins) == 0


async def test_the_app_is_told_that_a_building_from_a_file_has_no_pages_of_accounts(desk, client):
    before = await (await client.get(f"{desk.url}/api/me")).json()
    await log_in(client, desk)
    after = await (await client.get(f"{desk.url}/api/me")).json()

    assert before["account_pages"] is after["account_pages"] is False


async def test_a_resident_who_vanished_or_changed_password_is_logged_out(desk, client):
    await log_in(client, desk)
    desk.change_resident(ResidentId("per"), name="Per-Olav")
    assert (await client.get(f"{desk.url}/api/me")).status == 200

    desk.change_resident(ANNA, password_hash="another")

    assert (await client.get(f"{desk.url}/api/me")).status == 401
