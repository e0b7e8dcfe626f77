"""The pages of properties, doors and panels in a real browser: axe-core, the strict policy, what follows by itself.

Pictures of every page go to the folder in INTERCOM_SHOTS, where it is set.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from intercom.ports import RelayOutcome, RelayResult
from intercom.web.admin.office import PanelLive
from tests.web.admin.conftest import Axe
from tests.web.admin.rig import PASSWORD, Client, Rig

pytestmark = pytest.mark.timeout(90)

SIZES = {"phone": (390, 844), "desktop": (1280, 800)}
PLACE = "/admin/p/storgata-14"
PANEL = f"{PLACE}/panels/storgata-14-hovedinngang"
PAGES = {
    "properties": "/admin",
    "property-new": "/admin/new",
    "property": PLACE,
    "doors": f"{PLACE}/doors",
    "door": f"{PLACE}/doors/storgata-14-bakdor",
    "door-new": f"{PLACE}/doors/new",
    "panels": f"{PLACE}/panels",
    "panel": PANEL,
    "panel-new": f"{PLACE}/panels/new",
    "settings": f"{PLACE}/settings",
    "not-there": "/admin/p/nowhere",
}


@dataclass
class Tab:
    """A browser's tab, and what its console complained of."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    async def open(self, path: str) -> None:
        await self.page.goto(self.url + path)

    async def picture(self, name: str) -> None:
        folder = os.environ.get("INTERCOM_SHOTS")
        if folder:
            await self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@asynccontextmanager
async def logged_in(
    browser: Browser, rig: Rig, size: str = "desktop", scheme: str = "light", **more: object
) -> AsyncIterator[Tab]:
    """Open a tab in which kari is logged in."""
    width, height = SIZES[size]
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,  # type: ignore[arg-type]  # one of its words
        locale="nb-NO",
        reduced_motion="reduce",
        **more,  # type: ignore[arg-type]  # Playwright's own
    )
    tab = Tab(await context.new_page(), rig.url)
    tab.page.on("console", lambda message: tab.complaints.append(message.text))
    tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
    await tab.open("/admin/login")
    await tab.page.fill("[name=username]", "kari")
    await tab.page.fill("[name=password]", PASSWORD)
    await tab.page.click("main form button.pri")
    await tab.page.wait_for_selector("nav.nav")
    yield tab
    await context.close()


@pytest.fixture
async def furnished(client: Client, rig: Rig) -> Rig:
    """Make a property with three entrances, tested each otherwise, and quiet hours."""
    new = {"address": "Storgata 14, Oslo", "language": "nb", "time_zone": "Europe/Oslo"}
    new |= {"open_keys": "5", "kind": "residential"}
    await client.post("/admin/new", new, name="Storgata 14")
    await client.post("/admin/new", new | {"kind": "commercial"}, name="Kontorgården Øst")
    http = {"host": "192.0.2.9", "username": "admin", "password": "hemmelig", "code": "1234"}
    entrance = {"door": "", "pulse_s": "3", "relay_number": "1"} | http
    for make, name in (
        ("open-intercom", "Hovedinngang"),
        ("2n", "Bakdør"),
        ("grandstream", "Garasje"),
    ):
        await client.post(f"{PLACE}/panels/new", entrance, make=make, name=name)
        rig.live.panels[f"storgata-14-{name.lower()}"] = PanelLive(True, 93_600, "1.4.2", True)
    rig.live.panels["storgata-14-bakdor"] = PanelLive(True, 400, "2.48", None)
    rig.live.panels["storgata-14-garasje"] = PanelLive(False, 4_000, "", None)
    night = {f"day{day}": "yes" for day in range(7)} | {"start": "22:00", "end": "07:00"}
    await client.post(f"{PLACE}/settings/quiet", night, mode="say-so")
    await client.post(f"{PLACE}/doors/storgata-14-hovedinngang/test")
    rig.relay = RelayResult(RelayOutcome.FAILED, "the panel is offline")
    await client.post(f"{PLACE}/doors/storgata-14-garasje/test")
    return rig


@pytest.mark.parametrize(("size", "scheme"), [("phone", "dark"), ("desktop", "light")])
async def test_axe_finds_nothing_wrong_with_any_page(
    browser: Browser, furnished: Rig, axe: Axe, size: str, scheme: str
):
    found: list[str] = []
    async with logged_in(browser, furnished, size, scheme, bypass_csp=True) as tab:
        for name, path in PAGES.items():
            await tab.open(path)
            await tab.picture(f"{name}-{size}-{scheme}")
            wide = await tab.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            found += [f"{name}: {wide} px too wide"] if wide > 0 else []
            await tab.page.evaluate(
                "document.querySelectorAll('main details').forEach(e => e.open = true)"
            )
            found += [f"{name}: {each}" for each in await axe(tab.page)]

    assert found == []


async def test_a_faulty_form_and_a_password_page_are_right_for_axe(
    browser: Browser, furnished: Rig, axe: Axe
):
    async with logged_in(browser, furnished, "phone", "dark", bypass_csp=True) as tab:
        await tab.open(f"{PLACE}/panels/new")
        await tab.page.fill("[name=name]", "Sidedør")
        await tab.page.fill("[name=pulse_s]", "99")
        await tab.page.click("main form .btn.pri")
        faulty = await axe(tab.page)
        focused = await tab.page.evaluate("document.activeElement.name")
        await tab.picture("panel-new-faulty-phone-dark")
        await tab.page.fill("[name=pulse_s]", "5")
        await tab.page.click("main form .btn.pri")
        await tab.page.wait_for_selector("#password")
        once = await axe(tab.page)
        await tab.picture("panel-password-phone-dark")

    assert faulty == []
    assert focused == "pulse_s"
    assert once == []


async def test_no_page_offends_its_own_policy_and_every_script_runs(
    browser: Browser, furnished: Rig
):
    async with logged_in(browser, furnished) as tab:
        for name, path in PAGES.items():
            if name != "not-there":
                await tab.open(path)

        assert tab.complaints == []


async def test_a_panel_that_goes_turns_red_by_itself(browser: Browser, furnished: Rig):
    async with logged_in(browser, furnished) as tab:
        await tab.open(f"{PLACE}/panels")
        assert await tab.page.locator("#panels .pill.ok").count() == 2

        furnished.live.panels["storgata-14-bakdor"] = PanelLive(is_online=False, since_s=1.0)
        await expect(tab.page.locator("#panels .pill.bad")).to_have_count(2, timeout=15_000)

        assert tab.complaints == []


async def test_only_the_fields_of_the_chosen_make_are_shown(browser: Browser, furnished: Rig):
    async with logged_in(browser, furnished) as tab:
        await tab.open(f"{PLACE}/panels/new")
        assert not await tab.page.is_visible("[name=host]")

        await tab.page.select_option("[name=make]", "2n")

        assert await tab.page.is_visible("[name=host]")
        assert not await tab.page.is_visible("[name=code]")


async def test_everything_can_be_done_without_scripts(browser: Browser, furnished: Rig):
    async with logged_in(browser, furnished, java_script_enabled=False) as tab:
        await tab.open(f"{PLACE}/panels/storgata-14-garasje")
        await tab.page.click("details.confirm summary:has-text('Slett')")
        await tab.page.click("details.confirm form button:has-text('Slett')")

        assert await tab.page.locator(".say.ok").inner_text() == "Panelet er slettet"
