"""The event log in Webadmin: only where there is one, by filter, as CSV, and for as long as is set."""

import csv
import io
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from intercom.store.kinds import Role
from intercom.store.models import CommercialLog, Event
from tests.web.privacy_office import NOW, opened_office, text_of

LOG = "/admin/p/bank/log"


@pytest.fixture
async def office(sqlite_database):
    async with opened_office(sqlite_database) as opened:
        yield opened


async def test_a_residential_property_has_no_log_at_any_of_its_addresses(office):
    await office.furnish()
    browser = await office.log_in("olga", (Role.OPERATOR, None))

    for path in ("/admin/p/home/log", "/admin/p/home/log.csv"):
        assert (await browser.get(path))[0] == 404
    assert (await browser.post("/admin/p/home/log/retention", days="30"))[0] == 404


async def test_lines_are_told_by_day_in_the_propertys_zone_the_newest_first(office):
    log_id = await office.furnish()
    browser = await office.log_in("vera", (Role.ADMINISTRATOR, "bank"))
    late = NOW.replace(hour=23, minute=30) - timedelta(days=1)  # the next day in Oslo
    await office.write(
        log_id,
        {"person": "vera", "door": "Main entrance", "doorbell": "Desk", "means": "app"},
        {"what": "missed", "doorbell": "Desk", "at": late},
    )

    status, page = await browser.get(LOG)

    text = text_of(page)
    assert status == 200
    assert "Vera opened Main entrance" in text
    assert "13:00:00" in text
    assert "Nobody answered at Desk" in text
    assert "00:30:00" in text
    assert text.count("Sunday") == 1
    assert text.index("Vera opened") < text.index("Nobody answered")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("q=vera", {"event-0"}),
        ("q=VER", {"event-0"}),
        ("what=missed", {"event-1"}),
        ("door=Garage", {"event-2"}),
        ("from=2026-11-22", {"event-0", "event-1"}),
        ("to=2026-11-21", {"event-2"}),
        ("from=2026-11-22&what=opened&q=vera", {"event-0"}),
        ("what=nonsense&from=nonsense", {"event-0", "event-1", "event-2"}),
        ("q=%25", set()),
    ],
)
async def test_a_filter_leaves_what_was_asked_for(office, asked, found):
    log_id = await office.furnish()
    browser = await office.log_in("vera", (Role.ADMINISTRATOR, "bank"))
    await office.write(
        log_id,
        {"person": "vera", "door": "Main entrance"},
        {"what": "missed"},
        {"door": "Garage", "at": NOW - timedelta(days=1)},
    )

    status, text = await browser.get(f"{LOG}.csv?{asked}")
    shown, page = await browser.get(f"{LOG}?{asked}")

    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), delimiter=";"))
    assert (status, shown) == (200, 200)
    assert {row["Id"] for row in rows} == found
    assert page.count('<time class="tn"') == len(found)


async def test_a_csv_file_holds_no_formula_and_every_line(office):
    log_id = await office.furnish()
    browser = await office.log_in("vera", (Role.ADMINISTRATOR, "bank"))
    bad = '=HYPERLINK("http://x";"y")'
    await office.write(log_id, {"door": bad}, *({"door": "D"} for _ in range(1100)))

    _, text = await browser.get(f"{LOG}.csv")

    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff")), delimiter=";"))
    assert len(rows) == 1102
    assert f"'{bad}" in rows[1]
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]
    assert len({row[-1] for row in rows}) == 1102


async def test_pages_of_a_long_log_follow_one_another(office):
    log_id = await office.furnish()
    browser = await office.log_in("vera", (Role.ADMINISTRATOR, "bank"))
    await office.write(
        log_id, *({"door": "D", "at": NOW - timedelta(seconds=n)} for n in range(120))
    )

    _, first = await browser.get(f"{LOG}?what=opened")
    _, last = await browser.get(f"{LOG}?what=opened&page=3")

    assert "what=opened&amp;page=2" in first
    assert last.count('<time class="tn"') == 20


async def test_a_shorter_retention_deletes_what_is_older_at_once(office):
    log_id = await office.furnish()
    browser = await office.log_in("vera", (Role.ADMINISTRATOR, "bank"))
    await office.write(log_id, {}, {"at": NOW - timedelta(days=31)})

    status, _ = await browser.post(f"{LOG}/retention", days="30")

    assert status == 303
    async with office.database.reading() as session:
        assert await session.scalar(select(CommercialLog.retention_days)) == 30
        assert list(await session.scalars(select(Event.id))) == ["event-0"]


@pytest.mark.parametrize("days", ["0", "366", "", "x", "-1", "²", "99999"])
async def test_a_retention_that_cannot_be_is_refused_beside_its_field(office, days):
    log_id = await office.furnish()
    browser = await office.log_in("vera", (Role.ADMINISTRATOR, "bank"))
    await office.write(log_id, {"at": NOW - timedelta(days=80)})

    status, page = await browser.post(f"{LOG}/retention", days=days)

    assert status == 422
    assert "Choose from 1 to 365 days." in page
    async with office.database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(Event)) == 1


async def test_an_installer_does_not_see_the_log(office):
    await office.furnish()
    browser = await office.log_in("ivar", (Role.INSTALLER, "bank"))

    assert (await browser.get(LOG))[0] == 403
    assert (await browser.get(f"{LOG}.csv"))[0] == 403


async def test_an_administrator_of_another_property_does_not_see_the_log(office):
    await office.furnish()
    browser = await office.log_in("hans", (Role.ADMINISTRATOR, "home"))

    assert (await browser.get(LOG))[0] == 404
