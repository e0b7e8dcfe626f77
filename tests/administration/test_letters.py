"""What mails say, and where their links lead."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from intercom.administration import invitations, people, properties, team, units
from intercom.administration.letter_facts import facts_of
from intercom.administration.letters import Facts, letter
from intercom.store.database import Database
from intercom.store.kinds import Role
from intercom.store.models import Account
from intercom.texts import LANGUAGES

ORIGIN = "https://door.example"
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


async def facts(database: Database, username: str) -> Facts:
    async with database.reading() as session:
        account = (await session.scalars(select(Account).where(Account.username == username))).one()
        found = await facts_of(
            session, invitations.INVITATION, account, None, lambda _language, _alert: ""
        )
    assert found is not None
    return found


async def make_house(database: Database, address: str) -> None:
    """Make a property with kari in a unit, and ola who administers it."""
    of_house = properties.PropertyFacts("Storgata 14", address, "nb", "Europe/Oslo", "5")
    async with database.writing() as session:
        house = await properties.make_property(session, of_house, "residential", NOW.date())
        unit = await units.add_unit(session, house.id, "H0301")
        kari = people.NewPerson("Kari", "kari", "kari@example.org", role=Role.OWNER)
        await people.add_person(session, unit, kari, NOW)
        await team.add(
            session,
            name="Ola",
            email="ola@example.org",
            role=Role.ADMINISTRATOR,
            property_id=house.id,
            language="nb",
            now=NOW,
            may_see_all=True,
        )


@pytest.mark.parametrize("language", LANGUAGES)
def test_who_runs_the_service_is_led_to_webadmin_and_who_lives_there_to_the_app(language: str):
    kari = Facts("Kari", "kari@example.org", "kari", language, is_staff=False)
    ola = Facts("Ola", "ola@example.org", "ola", language, is_staff=True)

    to_kari, to_ola = (letter("invitation", each, ORIGIN, "token") for each in (kari, ola))

    assert f"{ORIGIN}/\n" in to_kari.text
    assert f"{ORIGIN}/admin\n" not in to_kari.text
    assert f"{ORIGIN}/admin\n" in to_ola.text
    assert f"{ORIGIN}/\n" not in to_ola.text


async def test_who_lives_in_a_unit_is_no_staff_and_who_administers_it_is(sqlite_database: Database):
    await make_house(sqlite_database, "Storgata 14, Oslo")

    assert not (await facts(sqlite_database, "kari")).is_staff
    assert (await facts(sqlite_database, "ola")).is_staff


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("Storgata 14, 0184 Oslo", "Storgata 14, 0184 Oslo"),
        ("Elvegata 1, Oslo", "Storgata 14, Elvegata 1, Oslo"),
    ],
)
async def test_a_property_that_is_called_as_its_address_is_named_once(
    sqlite_database: Database, address: str, place: str
):
    await make_house(sqlite_database, address)

    assert (await facts(sqlite_database, "kari")).place == place
