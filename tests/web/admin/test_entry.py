"""Log-in, links from mails, one's own account and who has access: in a browser without scripts."""

import re
import time
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from intercom.administration import accounts, tokens, transfers
from intercom.administration.people import NewPerson, add_person
from intercom.routing.directory import Resident
from intercom.routing.ids import ResidentId
from intercom.store.kinds import Role, TokenPurpose
from intercom.store.models import Account, Unit
from intercom.texts import LANGUAGES, catalogue
from tests.web.admin.rig import PASSWORD, Rig, browsing, password_hash

NEW = "tre små troll i skogen"


async def token_for(
    rig: Rig, username: str, purpose: TokenPurpose = TokenPurpose.SET_PASSWORD
) -> str:
    async with rig.database.writing() as session:
        account = await session.scalar(select(Account).where(Account.username == username))
        return await tokens.make(session, account.id, purpose, rig.now + timedelta(days=1))


async def add_household(rig: Rig) -> int:
    """Make a property with a unit in which Anna lives; give the unit."""
    place = await rig.add_property()
    async with rig.database.writing() as session:
        unit = Unit(property_id=place, label="H0101")
        session.add(unit)
        await session.flush()
        anna = await add_person(
            session,
            unit,
            NewPerson("Anna Lund", email="anna@example.no", role=Role.OWNER, language="sv"),
            rig.now,
        )
        anna.password_hash = password_hash()
    return unit.id


async def test_a_page_asks_for_log_in_and_goes_on_to_where_one_wanted_to_go(rig):
    async with browsing(rig) as client:
        shown = await client.get("/admin/operators")
        assert shown.url == "/admin/login?next=/admin/operators"

        shown = await client.post(
            "/admin/login", username="KARI", password=PASSWORD, next="/admin/operators"
        )

        assert (shown.status, shown.url) == (200, "/admin/operators")


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example/", "//evil.example", "/admin/\\evil", "/static/x", "/admin/\r\nX"],
)
async def test_log_in_never_leads_elsewhere(rig, wanted):
    async with browsing(rig) as client:
        shown = await client.post("/admin/login", username="kari", password=PASSWORD, next=wanted)
        assert shown.url.split("?")[0] == "/admin"


async def test_unknown_names_and_wrong_passwords_are_answered_alike(rig):
    async with browsing(rig) as client:
        known = await client.post("/admin/login", username="kari", password="wrong")
        unknown = await client.post("/admin/login", username="nobody", password="wrong")

        assert (known.status, unknown.status) == (401, 401)
        assert known.text.replace("kari", "nobody") == unknown.text


async def test_ten_failures_lock_the_name_for_the_app_and_webadmin_alike(rig):
    async with browsing(rig) as client:
        for _ in range(10):
            await client.post("/admin/login", username="kari", password="wrong")

        shown = await client.post("/admin/login", username="kari", password=PASSWORD)

        assert shown.status == 429
        assert "10" in shown.text


async def test_after_log_out_the_cookie_opens_nothing(rig, client):
    shown = await client.post("/admin/logout")
    assert shown.done
    assert (await client.get("/admin/operators")).url.startswith("/admin/login")


async def test_a_session_ends_after_an_hour_without_use_and_after_twelve(rig):
    from intercom.web.admin.sessions import AdminSessions

    now = [0.0]
    sessions = AdminSessions(lambda: now[0], lambda: date(2026, 1, 1))
    idle, busy = (sessions.create(1, "hash", "") for _ in range(2))
    for _ in range(12):
        now[0] += 3590
        assert sessions.find(busy) is not None
    assert sessions.find(idle) is None
    now[0] = 12 * 3600 + 1
    assert sessions.find(busy) is None
    assert sessions.of(1) == []


async def test_a_changed_role_counts_at_once_and_a_deleted_account_is_out(rig):
    await rig.add_account("ola", role=Role.OPERATOR)
    async with browsing(rig) as client:
        await client.log_in("ola")
        assert (await client.get("/admin/operators")).status == 200
        async with rig.database.writing() as session:
            ola = await session.scalar(select(Account).where(Account.username == "ola"))
            await accounts.delete_account(session, ola)

        assert (await client.get("/admin/operators")).url.startswith("/admin/login")


async def test_a_forgotten_password_is_answered_the_same_for_everybody(rig):
    async with browsing(rig) as client:
        answers = []
        for who in ("kari", "kari@example.no", "nobody@example.no"):
            began = time.perf_counter()
            shown = await client.post("/admin/forgot", who=who)
            answers.append((shown.status, shown.text))
            assert time.perf_counter() - began < 2
        assert len(set(answers)) == 1
        assert rig.outbox.forgot == ["kari", "kari@example.no", "nobody@example.no"]


async def test_one_source_cannot_have_mails_sent_without_end(rig):
    async with browsing(rig) as client:
        statuses = [(await client.post("/admin/forgot", who="kari")).status for _ in range(12)]
    assert statuses == [200] * 10 + [429] * 2


async def test_a_link_sets_a_password_once_and_looking_at_it_uses_nothing_up(rig):
    token = await token_for(rig, "kari")
    async with browsing(rig) as client, browsing(rig) as old:
        await old.log_in()
        for _ in range(3):
            assert "kari" in (await client.get(f"/admin/password/{token}")).text
        short = await client.post(
            f"/admin/password/{token}", new_password="short", password_again="x"
        )
        assert (short.status, len(short.faults)) == (422, 1)
        other = await client.post(f"/admin/password/{token}", new_password=NEW, password_again="x")
        assert (other.status, len(other.faults)) == (422, 1)

        shown = await client.post(f"/admin/password/{token}", new_password=NEW, password_again=NEW)

        assert shown.status == 200
        over = await client.post(f"/admin/password/{token}", new_password=NEW, password_again=NEW)
        assert over.status == 410
        assert (await old.get("/admin/me")).url.startswith("/admin/login"), "older log-ins end"
        assert (await client.log_in(password=NEW)).url == "/admin"


async def test_the_new_owner_confirms_by_a_button_and_goes_on_to_a_password(rig):
    unit_id = await add_household(rig)
    async with rig.database.writing() as session:
        unit = await session.get_one(Unit, unit_id)
        nils = await accounts.create(
            session, name="Nils Ny", email="n@example.no", language="nb", today=date(2026, 1, 1)
        )
        transfer = await transfers.ask(session, unit, nils, rig.now)
        token = await tokens.make(
            session,
            nils.id,
            TokenPurpose.CONFIRM_TRANSFER,
            rig.now + timedelta(days=1),
            transfer.id,
        )
    async with browsing(rig) as anna, browsing(rig) as client:
        await anna.log_in("anna.lund")
        assert (await anna.get("/admin/me")).status == 200
        shown = await client.get(f"/admin/confirm/{token}")
        assert "H0101" in shown.text

        shown = await client.post(f"/admin/confirm/{token}")

        assert shown.url.startswith("/admin/password/")
        assert "nils.ny" in shown.text
        assert (await anna.get("/admin/me")).url.startswith("/admin/login")
        assert (await client.post(f"/admin/confirm/{token}")).status == 410


async def test_own_account_shows_and_ends_log_ins(rig, client):
    rig.logins.create(Resident(ResidentId("kari"), "Kari", "hash"), "Safari, iPhone")
    shown = await client.get("/admin/me")
    assert "Safari, iPhone" in shown.text
    (login,) = rig.logins.of("kari")

    await client.post("/admin/me/logins", device=login.device_id)

    assert rig.logins.of("kari") == []
    assert (await client.get("/admin/me")).status == 200, "this one goes on"


async def test_another_address_needs_the_password(rig, client):
    fields = {"email": "new@example.no", "language": "en"}
    refused = await client.post("/admin/me", fields)
    assert (refused.status, len(refused.faults)) == (422, 1)
    wrong = await client.post("/admin/me", fields, password="wrong")
    assert wrong.status == 422

    assert (await client.post("/admin/me", fields, password=PASSWORD)).done == "Saved."

    async with rig.database.reading() as session:
        kari = await session.scalar(select(Account).where(Account.username == "kari"))
        assert (kari.email, kari.language) == ("new@example.no", "en")


async def test_a_changed_password_ends_every_other_log_in(rig, client):
    async with browsing(rig) as other:
        await other.log_in()
        await client.get("/admin/me")

        shown = await client.post(
            "/admin/me/password", password=PASSWORD, new_password=NEW, password_again=NEW
        )

        assert shown.done
        assert (await other.get("/admin/me")).url.startswith("/admin/login")


async def test_who_deletes_the_own_account_is_gone_at_once(rig):
    unit_id = await add_household(rig)
    async with browsing(rig) as client:
        await client.log_in("anna.lund")
        await client.get("/admin/me")
        refused = await client.post("/admin/me/delete", confirm="anna", password=PASSWORD)
        assert refused.status == 422

        shown = await client.post("/admin/me/delete", confirm="anna.lund", password=PASSWORD)

        assert shown.url.startswith("/admin/login")
        assert shown.done
    async with rig.database.reading() as session:
        assert await session.scalar(select(Account).where(Account.username == "anna.lund")) is None
        assert await session.get(Unit, unit_id) is not None


async def test_the_last_operator_cannot_delete_the_own_account(rig, client):
    await client.get("/admin/me")
    shown = await client.post("/admin/me/delete", confirm="kari", password=PASSWORD)
    assert shown.status == 422
    assert "siste drifteren" in shown.text


async def test_an_administrator_is_invited_and_taken_back(rig, client):
    place = await rig.add_property()
    path = f"/admin/p/{place}/team"
    await client.get(path)
    shown = await client.post(path, name="Ada Berg", email="ada@example.no", role="administrator")
    assert "Ada Berg" in shown.text
    assert rig.outbox.woken == 1
    bad = await client.post(path, name="Bo", email="bo@example.no", role="operator")
    assert bad.status == 422
    last = await client.post(f"{path}/{_grant(shown.text)}/revoke")
    assert last.status == 422
    await client.post(path, name="Bo Berg", email="bo@example.no", role="administrator")

    gone = await client.post(f"{path}/{_grant(shown.text)}/revoke")

    assert gone.done
    assert "Ada Berg" not in gone.text


async def test_somebody_elses_role_cannot_be_taken_back_through_the_own_property(rig, client):
    first, second = await rig.add_property("One"), await rig.add_property("Two")
    for place in (first, second):
        await client.get(f"/admin/p/{place}/team")
        for name in ("Ada", "Bo"):
            await client.post(
                f"/admin/p/{place}/team",
                name=name,
                email=f"{name}@{place}.no",
                role="administrator",
            )
    text = (await client.get(f"/admin/p/{second}/team")).text

    assert (await client.post(f"/admin/p/{first}/team/{_grant(text)}/revoke")).status == 404


def test_the_account_texts_are_whole_in_every_language():
    for room in ("account", "mail"):
        keys = {language: set(catalogue(room, language)) for language in LANGUAGES}
        assert len({frozenset(each) for each in keys.values()}) == 1


def _grant(text: str) -> str:
    found = re.search(r"/team/(\d+)/revoke", text)
    assert found is not None
    return found[1]
