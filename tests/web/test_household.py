"""What a resident sets from the app: the own doorbell by Submit, the own log-ins, the end of the account."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from sqlalchemy import select

from intercom.administration.doorbells import doorbell_of
from intercom.administration.people import NewPerson, add_person
from intercom.routing.directory import Resident
from intercom.routing.ids import ResidentId
from intercom.store.kinds import Layout, Role
from intercom.store.models import Account, Unit
from tests.web.admin.phones import Phone
from tests.web.admin.rig import PASSWORD, Rig, open_rig, password_hash


class App:
    """An app with a log-in of its own."""

    def __init__(self, rig: Rig, session: aiohttp.ClientSession, username: str) -> None:
        self.rig = rig
        self._session = session
        resident = Resident(ResidentId(username), username, password_hash())
        self._cookies = {"login": rig.logins.create(resident, "Chrome, Android")}

    async def ask(self, method: str, path: str, json: object = None, **headers: str):
        headers = {"Origin": self.rig.url, **headers}
        async with self._session.request(
            method, self.rig.url + path, json=json, headers=headers, cookies=self._cookies
        ) as response:
            return response.status, await response.json()


@asynccontextmanager
async def household(database, checks=None) -> AsyncIterator[tuple[App, App, dict[str, int]]]:
    """Serve a unit with Anna and Per, and another with Else; give Anna's and Else's apps and the ids."""
    ids: dict[str, int] = {}
    async with open_rig(database, checks=checks) as rig, aiohttp.ClientSession() as session:
        place = await rig.add_property()
        async with database.writing() as store:
            for label, names in (("H0101", ("Anna", "Per")), ("H0102", ("Else",))):
                unit = Unit(property_id=place, label=label)
                store.add(unit)
                await store.flush()
                ids[label] = unit.id
                for name in names:
                    person = NewPerson(name, email=f"{name}@example.no", role=Role.RESIDENT)
                    account = await add_person(store, unit, person, rig.now)
                    account.password_hash = password_hash()
                    ids[name] = account.id
        yield App(rig, session, "anna"), App(rig, session, "else"), ids


def wanted(ids: dict[str, int], **changes: object) -> dict[str, object]:
    bell = {
        "name": "Familien Lund",
        "layout": "sequential",
        "step_s": 20.0,
        "order": [ids["Per"], ids["Anna"]],
        "hidden": [],
        "quiet": [{"days": [0, 6], "start": "22:00", "end": "07:00", "mode": "phone-only"}],
        **changes,
    }
    return {"unit": ids["H0101"], "doorbell": bell, "ring_way": "together"}


async def test_submit_changes_the_whole_doorbell_and_what_is_read_back_is_what_was_sent(
    sqlite_database,
):
    async with household(sqlite_database) as (anna, _, ids):
        status, shown = await anna.ask("POST", "/api/setup", wanted(ids))

        assert status == 200
        assert shown == (await anna.ask("GET", "/api/setup"))[1]
        (unit,) = shown["units"]
        bell = unit["doorbell"]
        assert (bell["name"], bell["layout"], bell["step_s"]) == (
            "Familien Lund",
            "sequential",
            20.0,
        )
        assert [each["id"] for each in bell["members"]] == [ids["Per"], ids["Anna"]]
        assert bell["quiet"] == wanted(ids)["doorbell"]["quiet"]
        assert shown["ring_way"] == "together"
        async with sqlite_database.reading() as session:
            assert (await doorbell_of(session, ids["H0101"])).layout is Layout.SEQUENTIAL


async def test_nobody_changes_a_neighbours_doorbell(sqlite_database):
    async with household(sqlite_database) as (_, stranger, ids):
        status, said = await stranger.ask("POST", "/api/setup", wanted(ids))

        assert status == 404
        assert "error" in said
        async with sqlite_database.reading() as session:
            bell = await doorbell_of(session, ids["H0101"])
            assert bell.layout is Layout.PARALLEL
            account = await session.get_one(Account, ids["Else"])
            assert account.ring_way.value == "app-then-phone", "nothing at all was changed"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "x" * 100},
        {"layout": "all"},
        {"step_s": 5.0},
        {"order": [999]},
        {"hidden": [999]},
        {"quiet": [{"days": [7], "start": "22:00", "end": "07:00", "mode": "say-so"}]},
        {"quiet": [{"days": [1], "start": "25:00", "end": "07:00", "mode": "say-so"}]},
        {"quiet": [{"days": [1], "start": "22:00", "end": "07:00", "mode": "loud"}]},
        {"surprise": 1},
    ],
)
async def test_a_wrong_setting_changes_nothing(sqlite_database, changes):
    async with household(sqlite_database) as (anna, _, ids):
        before = await anna.ask("GET", "/api/setup")

        status, said = await anna.ask("POST", "/api/setup", wanted(ids, **changes))

        assert status == 409, said
        assert await anna.ask("GET", "/api/setup") == before


async def test_another_sites_page_and_a_form_change_nothing(sqlite_database):
    async with household(sqlite_database) as (anna, _, ids):
        evil = {"Origin": "https://evil.example"}
        assert (await anna.ask("POST", "/api/setup", wanted(ids), **evil))[0] == 403
        plain = {"Content-Type": "text/plain"}
        assert (await anna.ask("POST", "/api/setup", wanted(ids), **plain))[0] == 409


async def test_log_ins_are_seen_and_ended_but_not_a_neighbours(sqlite_database):
    async with household(sqlite_database) as (anna, stranger, _):
        status, shown = await anna.ask("GET", "/api/logins")
        assert status == 200
        assert [(each["label"], each["is_this"]) for each in shown] == [("Chrome, Android", True)]
        path = f"/api/logins/{shown[0]['device']}"

        assert (await stranger.ask("DELETE", path))[0] == 404
        assert (await anna.ask("DELETE", path))[0] == 200
        assert (await anna.ask("GET", "/api/logins"))[0] == 401


async def test_the_account_is_deleted_with_the_password_and_the_log_in_is_over(sqlite_database):
    async with household(sqlite_database) as (anna, _, ids):
        assert (await anna.ask("DELETE", "/api/me", {"password": "wrong"}))[0] == 409

        assert (await anna.ask("DELETE", "/api/me", {"password": PASSWORD}))[0] == 200

        assert (await anna.ask("GET", "/api/setup"))[0] == 401
        async with sqlite_database.reading() as session:
            assert await session.scalar(select(Account.id).where(Account.id == ids["Anna"])) is None
            bell = await doorbell_of(session, ids["H0101"])
            assert [each.account_id for each in bell.members] == [ids["Per"]]


async def test_a_resident_sets_the_own_number_and_a_check_call_verifies_it(sqlite_database):
    phone = Phone()
    async with (
        phone.at(sqlite_database) as checks,
        household(sqlite_database, checks) as (anna, stranger, _),
    ):
        status, shown = await anna.ask("POST", "/api/setup", {"number": "900 12 345"})
        assert (status, shown["number"], shown["number_verified"]) == (200, "+4790012345", False)

        _, calling = await anna.ask("POST", "/api/setup/check-number", {})
        assert calling["number_check"] == "on"
        phone.answer("5")
        await phone.over()

        _, after = await anna.ask("GET", "/api/setup")
        assert (after["number_check"], after["number_verified"]) == ("confirmed", True)
        assert (await stranger.ask("GET", "/api/setup"))[1]["number"] is None
        _, other = await anna.ask("POST", "/api/setup", {"number": "+46701234567"})
        assert (other["number_check"], other["number_verified"]) == (None, False)


async def test_a_resident_starts_three_check_calls_a_day_and_no_more(sqlite_database):
    phone = Phone()
    async with (
        phone.at(sqlite_database) as checks,
        household(sqlite_database, checks) as (anna, *_),
    ):
        await anna.ask("POST", "/api/setup", {"number": "90012345"})
        answers = []
        for at in (0.0, 10.0, 20.0, 30.0, 86_401.0):
            phone.now = at
            answers.append((await anna.ask("POST", "/api/setup/check-number", {}))[0])
            if phone.legs:
                phone.answer("1")
            await phone.over()

        assert answers == [200, 200, 200, 409, 200]
        assert len(phone.rung) == 4


async def test_what_is_no_number_is_not_kept_and_without_one_nobody_is_rung(sqlite_database):
    phone = Phone()
    async with (
        phone.at(sqlite_database) as checks,
        household(sqlite_database, checks) as (anna, *_),
    ):
        assert (await anna.ask("POST", "/api/setup", {"number": "112"}))[0] == 409
        assert (await anna.ask("POST", "/api/setup", {"number": "+4782000000"}))[0] == 409
        assert (await anna.ask("POST", "/api/setup/check-number", {}))[0] == 409
        assert (await anna.ask("POST", "/api/setup/check-number", {"number": "90012345"}))[0] == 409

        only = {"number": "90012345", "ring_way": "phone-only"}
        assert (await anna.ask("POST", "/api/setup", only))[0] == 200
        assert (await anna.ask("POST", "/api/setup", {"number": ""}))[0] == 409, (
            "nothing would ring"
        )
        assert phone.rung == []
