"""A person's number in Webadmin: checked by a call that a phone answers, and due again after a year."""

import re
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import select

from intercom.store.models import Account, Mail
from intercom.texts import words
from tests.web.admin.phones import Phone
from tests.web.admin.rig import PASSWORD, browsing, open_rig

PLACE = "/admin/p/storgata-14"
PERSON = f"{PLACE}/people/2"
NUMBER = "+4790012345"


@asynccontextmanager
async def kari_with_a_number(database, phone):
    async with (
        phone.at(database) as checks,
        open_rig(database, checks=checks) as rig,
        browsing(rig) as client,
    ):
        await rig.add_account("vera", "Vera Vik")
        await rig.add_property()
        await client.log_in("vera")
        unit = {"label": "H0101", "name": "Kari Nordmann", "number": "900 12 345"}
        await client.post(f"{PLACE}/units/new", {**unit, "language": "nb"})
        yield rig, client


def is_followed(shown) -> bool:
    """Whether the page looks by itself what came of the call."""
    return re.search(r'id="number"[^>]* data-follow', shown.text) is not None


async def test_a_phone_that_is_answered_and_confirms_by_its_key_is_verified_on_the_page(
    sqlite_database,
):
    phone = Phone()
    async with kari_with_a_number(sqlite_database, phone) as (_, client):
        before = await client.get(PERSON)
        ringing = await client.post(f"{PERSON}/check")
        again = await client.get(PERSON)
        phone.answer("5")
        await phone.over()
        after = await client.get(PERSON)

    assert phone.rung == [NUMBER]
    assert words("nb", "people.page.number_unverified") in before.text
    assert words("nb", "people.page.number_running") in ringing.text
    assert [is_followed(each) for each in (before, again, after)] == [False, True, False]
    assert words("nb", "people.page.number_result_confirmed") in after.text
    assert words("nb", "people.page.verified") in after.text
    assert f'action="{PERSON}/check"' not in after.text


async def test_another_key_verifies_nothing_and_the_call_can_be_made_again(sqlite_database):
    phone = Phone()
    async with kari_with_a_number(sqlite_database, phone) as (_, client):
        await client.post(f"{PERSON}/check")
        phone.answer("1")
        await phone.over()
        after = await client.get(PERSON)

    assert words("nb", "people.page.number_result_other") in after.text
    assert f'action="{PERSON}/check"' in after.text


async def test_a_number_is_due_a_month_before_its_year_is_over(sqlite_database):
    async with kari_with_a_number(sqlite_database, Phone()) as (rig, client):
        for days, is_due in ((334, False), (335, True), (400, True)):
            async with sqlite_database.writing() as session:
                kari = await session.get_one(Account, 2)
                kari.number_verified_on = rig.now.date() - timedelta(days=days)

            person, people = await client.get(PERSON), await client.get(f"{PLACE}/people")

            assert (f'action="{PERSON}/check"' in person.text) is is_due
            assert (words("nb", "people.people.numbers_due", count=1) in people.text) is is_due


async def test_invitations_that_were_held_back_are_sent_by_one_button(sqlite_database):
    async with kari_with_a_number(sqlite_database, Phone()) as (rig, client):
        held = {"name": "Ola", "email": "ola@example.no", "language": "nb", "role": "resident"}
        await client.post(f"{PLACE}/units/1/people/new", {**held, "is_rung": "yes"})
        rig.outbox.woken = 0

        before = await client.get(f"{PLACE}/people")
        after = await client.post(f"{PLACE}/people/invite")

        assert words("nb", "people.people.held", count=1) in before.text
        assert after.done == words("nb", "people.done.invited_all")
        assert words("nb", "people.people.invite_held") not in after.text
        assert rig.outbox.woken == 1
        async with sqlite_database.reading() as session:
            sent = await session.execute(
                select(Account.username, Mail.kind).join(Mail, Mail.account_id == Account.id)
            )
            assert sent.all() == [("ola", "invitation")]


@pytest.mark.timeout(60)
async def test_the_page_follows_the_call_by_itself_and_its_notices_are_accessible(
    sqlite_database, browser, axe
):
    phone = Phone()
    async with kari_with_a_number(sqlite_database, phone) as (rig, client):
        held = {"name": "Ola", "email": "ola@example.no", "language": "nb", "role": "resident"}
        await client.post(f"{PLACE}/units/1/people/new", held)
        async with sqlite_database.writing() as session:
            kari = await session.get_one(Account, 2)
            kari.number_verified_on = rig.now.date() - timedelta(days=340)
        context = await browser.new_context(
            base_url=rig.url, bypass_csp=True, locale="nb-NO", reduced_motion="reduce"
        )
        page = await context.new_page()
        await page.goto("/admin/login")
        await page.fill("[name=username]", "vera")
        await page.fill("[name=password]", PASSWORD)
        await page.click("main form button.pri")
        await page.wait_for_selector("nav.nav")
        await page.goto(f"{PLACE}/people")
        await page.click("#due summary")
        assert await axe(page) == []

        await page.click("#due a")
        await page.click(f'form[action="{PERSON}/check"] button')
        await page.get_by_text(words("nb", "people.page.number_running")).wait_for()
        phone.answer("5")
        confirmed = words("nb", "people.page.number_result_confirmed")
        await page.get_by_text(confirmed).wait_for(timeout=15_000)
        await context.close()
