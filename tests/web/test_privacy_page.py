"""The privacy page: what is stored and for how long, whole by the models; and the change of a property's kind."""

from collections import Counter

import pytest
from sqlalchemy import func, select

from intercom.administration.alerts import AlertKind
from intercom.administration.stored import STORED, stored_for
from intercom.routing.directory import PropertyKind
from intercom.routing.log_line import Means, What
from intercom.store.kinds import Role
from intercom.store.models import Alert, Base, CommercialLog, Event, Property
from intercom.texts import catalogue, words
from tests.web.privacy_office import NOW, opened_office, text_of


@pytest.fixture
async def office(sqlite_database):
    async with opened_office(sqlite_database) as opened:
        yield opened


def test_every_column_of_every_table_stands_in_exactly_one_line():
    told = Counter(
        (table, column)
        for line in STORED
        for table, columns in line.columns.items()
        for column in columns
    )
    there = {
        (table.name, column.name)
        for table in Base.metadata.tables.values()
        for column in table.columns
    }

    assert there - told.keys() == set(), "tell of it in administration/stored.py"
    assert told.keys() - there == set(), "it is not stored any more"
    assert max(told.values()) == 1


@pytest.mark.parametrize("language", ["nb", "en"])
def test_every_line_event_means_and_alert_has_its_words(language):
    keys = {f"privacy.stored.{line.name}.{part}" for line in STORED for part in _PARTS}
    keys |= {f"privacy.what.{each.value}" for each in What}
    keys |= {f"privacy.said.{each.value}" for each in What}
    keys |= {f"privacy.means.{each.value}" for each in Means}
    keys |= {
        f"privacy.alert.{each.value}.{part}" for each in AlertKind for part in ("title", "todo")
    }

    assert keys <= catalogue("privacy", language).keys()


_PARTS = ("title", "what", "kept")


def test_a_residential_property_is_told_of_no_event():
    assert "event" not in {line.name for line in stored_for(PropertyKind.RESIDENTIAL)}
    assert "event" in {line.name for line in stored_for(PropertyKind.COMMERCIAL)}


async def test_a_residential_propertys_page_says_that_there_is_no_log(office):
    await office.furnish()
    browser = await office.log_in("anne", (Role.ADMINISTRATOR, "home"))

    status, page = await browser.get("/admin/p/home/privacy")

    assert status == 200
    assert "This building keeps no event log" in text_of(page)
    assert words("en", "privacy.stored.event.what") not in page
    assert "/admin/p/home/log" not in page


async def test_a_commercial_propertys_page_says_for_how_long(office):
    await office.furnish()
    browser = await office.log_in("vera", (Role.ADMINISTRATOR, "bank"))

    _, page = await browser.get("/admin/p/bank/privacy")

    assert "kept with names for 90 days" in text_of(page)


async def test_making_a_property_residential_deletes_its_log_at_once(office):
    log_id = await office.furnish()
    browser = await office.log_in("vera", (Role.ADMINISTRATOR, "bank"))
    await office.write(log_id, {"person": "vera"})

    status, _ = await browser.post("/admin/p/bank/privacy/residential", typed_name=" bank ")

    assert status == 303
    async with office.database.reading() as session:
        assert (await session.get_one(Property, "bank")).kind is PropertyKind.RESIDENTIAL
        for table in (Event, CommercialLog):
            assert await session.scalar(select(func.count()).select_from(table)) == 0
    assert (await browser.get("/admin/p/bank/log"))[0] == 404


async def test_a_name_typed_wrongly_changes_nothing(office):
    log_id = await office.furnish()
    browser = await office.log_in("vera", (Role.ADMINISTRATOR, "bank"))
    await office.write(log_id, {})

    status, page = await browser.post("/admin/p/bank/privacy/residential", typed_name="home")

    assert status == 422
    assert "Type the name exactly: Bank" in page
    async with office.database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(Event)) == 1


async def test_only_an_operator_makes_a_property_commercial(office):
    await office.furnish()
    administrator = await office.log_in("anne", (Role.ADMINISTRATOR, "home"))
    operator = await office.log_in("olga", (Role.OPERATOR, None))
    path = "/admin/p/home/privacy/commercial"

    assert (await administrator.post(path, typed_name="Home"))[0] == 403
    assert (await operator.post(path, typed_name="Home"))[0] == 303

    async with office.database.reading() as session:
        assert (await session.get_one(Property, "home")).kind is PropertyKind.COMMERCIAL
        places = await session.scalars(select(CommercialLog.property_id))
        assert set(places) == {"bank", "home"}


async def test_a_log_that_begins_anew_is_another_one(office):
    before = await office.furnish()
    operator = await office.log_in("olga", (Role.OPERATOR, None))

    await operator.post("/admin/p/bank/privacy/residential", typed_name="Bank")
    await operator.post("/admin/p/bank/privacy/commercial", typed_name="Bank")

    async with office.database.reading() as session:
        (after,) = await session.scalars(select(CommercialLog.id))
    assert after != before


async def test_alerts_that_stand_come_with_what_to_do_and_those_that_are_over_after(office):
    await office.furnish()
    browser = await office.log_in("ivar", (Role.INSTALLER, "home"))
    usual = {"property_id": "home", "raised_at": NOW}
    async with office.database.writing() as session:
        session.add(Alert(kind="panel_offline", subject="panel-1", **usual))
        session.add(Alert(kind="mail_failed", subject="", cleared_at=NOW, **usual))
        session.add(Alert(kind="trunk_down", subject="carrier", raised_at=NOW))

    _, page = await browser.get("/admin/p/home/alerts")

    text = text_of(page)
    assert text.index("Panel panel-1 is offline") < text.index("An e-mail could not be delivered")
    assert "carrier" not in text


async def test_the_services_alerts_are_its_operators(office):
    await office.furnish()
    operator = await office.log_in("olga", (Role.OPERATOR, None))
    administrator = await office.log_in("anne", (Role.ADMINISTRATOR, "home"))
    async with office.database.writing() as session:
        session.add(Alert(kind="trunk_down", subject="carrier", raised_at=NOW))

    assert "Telephone line carrier is down" in (await operator.get("/admin/alerts"))[1]
    assert (await administrator.get("/admin/alerts"))[0] == 403
