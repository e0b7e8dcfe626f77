"""The way from nothing to the first ring: a person who only follows what the overview says."""

import pytest
from playwright.async_api import Browser, Page, expect
from sqlalchemy import select

from intercom.store.kinds import Role
from intercom.store.models import Account, Doorbell, Panel
from intercom.web.admin.office import PanelLive
from tests.web.admin.rig import PASSWORD, Client, Rig, password_hash
from tests.web.admin.test_property_looks import logged_in

pytestmark = pytest.mark.timeout(90)


async def _next(page: Page) -> None:
    """Press the one button of the checklist."""
    await page.click(".steps .now .btn")
    await page.wait_for_selector("main form")


async def test_whoever_follows_the_checklist_comes_to_the_first_ring(browser: Browser, rig: Rig):
    async with logged_in(browser, rig) as tab:
        page = tab.page
        await page.click("main .btn.pri")
        await page.fill("[name=name]", "Storgata 14")
        await page.fill("[name=address]", "Storgata 14, Oslo")
        await page.check("[name=kind][value=residential]")
        await page.click("main form .btn.pri")

        await _next(page)
        await page.fill("[name=name]", "Hovedinngang")
        await page.click("main form .btn.pri")
        await page.click("main .btn.pri")
        await expect(page.locator(".steps .now")).to_contain_text("Koble til panelet")
        async with rig.database.reading() as session:
            panel_id = await session.scalar(select(Panel.id))
        assert panel_id is not None
        rig.live.panels[panel_id] = PanelLive(is_online=True, since_s=1.0)
        await expect(page.locator(".steps .now")).to_contain_text("enheten", timeout=15_000)

        await _next(page)
        await page.fill("[name=label]", "H0301")
        await page.click("main form .btn.pri")
        await tab.open("/admin/p/storgata-14")
        await _next(page)
        await page.fill("[name=name]", "Anna Lund")
        await page.fill("[name=email]", "anna@example.no")
        await page.click("main form .btn.pri")
        await page.wait_for_selector(".say.ok")
        await tab.open("/admin/p/storgata-14")
        await expect(page.locator(".steps .now")).to_contain_text("Ring på")

        async with rig.database.writing() as session:  # as by the link in the mail
            anna = (await session.scalars(select(Account).where(Account.name == "Anna Lund"))).one()
            anna.password_hash = password_hash()
        await tab.open("/admin/p/storgata-14")

        assert await page.locator(".steps").count() == 0
        await expect(page.locator("main")).to_contain_text("Alt virker")
        assert tab.complaints == []

    async with rig.database.reading() as session:
        assert await session.scalar(select(Doorbell.name)) == "Lund"


async def test_a_panel_that_comes_later_does_not_keep_from_the_next_steps(client: Client, rig: Rig):
    place = await rig.add_property()

    before = await client.get(f"/admin/p/{place}")
    await client.post(f"/admin/p/{place}/units/new", label="H0301", language="nb")
    after = await client.get(f"/admin/p/{place}")

    assert f"/admin/p/{place}/units/new" in before.text
    assert "/people/new" not in before.text
    assert "/people/new" in after.text


async def test_an_installer_is_not_sent_where_only_administrators_may_go(
    browser: Browser, rig: Rig
):
    place = await rig.add_property()
    await rig.add_account("ola", "Ola", Role.INSTALLER, property_id=place)
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(f"{rig.url}/admin/login")
    await page.fill("[name=username]", "ola")
    await page.fill("[name=password]", PASSWORD)
    await page.click("main form button.pri")
    await page.wait_for_selector(".steps")

    links = await page.locator("a").evaluate_all("found => found.map(each => each.pathname)")

    assert f"/admin/p/{place}/panels/new" in links
    assert not [each for each in links if "/units" in each or "/people" in each]
    await context.close()
