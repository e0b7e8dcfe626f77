"""The panel's screen as a visitor uses it, in a real browser."""

import contextlib
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from intercom.routing.commands import EndReason, PanelState, ReadyAnswer
from intercom.routing.directory import Directory
from tests.adapters.panel_rig import CALL, MAIN, Router, router
from tests.adapters.test_panel_screens import house
from tests.firmware_sim.panel_process import PanelProcess, SipServer, panel_process, sip_server
from tests.firmware_sim.test_panel_names import Link, until_rows
from tests.web.admin.conftest import AXE, CHROMIUM, RULES

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(
        shutil.which(CHROMIUM) is None, reason="Chromium is not installed: `make setup` as root"
    ),
]
RUN_AXE = """async tags => (await axe.run(".device", {runOnly: {type: "tag", values: tags}})).violations
  .map(each => `${each.id}: ${each.nodes.map(node => node.target.join(" ")).join(", ")}`)"""
MANY = [
    f"{name}, {first}"
    for name in ("Berg", "Hansen", "Åsen")
    for first in ("Kari", "Ola", "Eva", "Tor")
]


@dataclass
class Visitor:
    """Stands before the panel."""

    page: Page
    panel: PanelProcess
    router: Router
    sip: SipServer

    async def names(self) -> list[str]:
        return await self.page.locator("#names .name").all_inner_texts()

    async def type(self, letters: str) -> None:
        for letter in letters:
            await self.page.click(f'[data-key="{letter}"]')

    async def violations(self) -> list[str]:
        await self.page.evaluate(AXE.read_text("utf-8"))
        return await self.page.evaluate(RUN_AXE, RULES)


@contextlib.asynccontextmanager
async def visitor(
    folder: Path, directory: Callable[[], Directory], *names: str
) -> AsyncIterator[Visitor]:
    """Bring a visitor to a panel on whose screen these names stand."""
    async with router(directory=directory) as r, sip_server() as sip, async_playwright() as play:
        link = Link(r.url.replace("http", "ws"))
        async with panel_process(folder, link=link, sip_port=sip.sip.local.port) as panel:
            await until_rows(panel, *names)
            browser = await play.chromium.launch(
                executable_path=CHROMIUM, args=["--headless=new", "--no-sandbox", "--disable-gpu"]
            )
            context = await browser.new_context(
                bypass_csp=True, viewport={"width": 1280, "height": 900}
            )
            page = await context.new_page()
            faults: list[str] = []
            page.on("pageerror", lambda error: faults.append(str(error)))
            await page.goto(f"http://127.0.0.1:{panel.ports['http_port']}/")
            yield Visitor(page, panel, r, sip)
            await browser.close()
            assert faults == []


async def test_a_visitor_finds_a_name_among_many_by_its_letters(tmp_path):
    async with visitor(tmp_path, lambda: house(*MANY), *sorted(MANY)) as v:
        await expect(v.page.locator("#names .name")).to_have_count(12)
        await expect(v.page.locator('[data-key="x"]')).to_be_disabled()

        await v.type("ha")

        assert await v.names() == [f"Hansen, {first}" for first in ("Eva", "Kari", "Ola", "Tor")]
        await v.page.click("#clear")
        await v.page.click("#clear")
        await v.type("tor")
        assert await v.names() == ["Berg, Tor", "Hansen, Tor", "Åsen, Tor"]


async def test_a_visitor_presses_a_person_of_a_group_and_sees_hears_and_reads_every_state(tmp_path):
    async with visitor(tmp_path, lambda: house("Kari", "Ola", group="Hansen"), "Hansen") as v:
        assert await v.violations() == []
        await v.page.click('[data-group="Hansen"]')
        await v.page.click("#persons button >> nth=1")

        await expect(v.page.locator("#text")).to_have_text("Ringer …")
        await expect(v.page.locator("#whom")).to_have_text("Ola")
        assert v.sip.invites[0].request_user == "102"
        await expect(v.page.locator("#device")).to_have_attribute("data-lamp", "blinking")
        assert await v.violations() == []

        v.router.hub.show_message(MAIN, CALL, ReadyAnswer.COMING)
        await expect(v.page.locator("#answertext")).to_have_text("Jeg kommer")
        await expect(v.page.locator("#answerfrom")).to_have_text("Svar fra Ola")
        await v.page.click("[data-language=en]")
        await expect(v.page.locator("#answertext")).to_have_text("I am coming")
        await expect(v.page.locator("html")).to_have_attribute("lang", "en")
        assert await v.violations() == []

        v.router.hub.show(MAIN, CALL, PanelState.OPENED, None)
        await expect(v.page.locator("#text")).to_have_text("The door is open")
        await expect(v.page.locator("#device")).to_have_attribute("data-lamp", "door")

        v.sip.respond(v.sip.invites[0], 480)
        v.router.hub.show(MAIN, CALL, PanelState.ENDED, EndReason.DOOR_OPENED)
        await expect(v.page.locator("#text")).to_have_text("Welcome in")
        await v.page.click("#cancel")
        await expect(v.page.locator("#list")).to_be_visible()
        await expect(v.page.locator("#answer")).to_be_hidden()


async def test_a_new_name_appears_before_a_visitors_eyes_without_a_reload(tmp_path):
    names = ["Berg"]
    async with visitor(tmp_path, lambda: house(*names), "Berg") as v:
        await expect(v.page.locator("#names .name")).to_have_text(["Berg"])

        names.append("Hansen")
        v.router.hub.directory_changed()

        await expect(v.page.locator("#names .name")).to_have_text(["Berg", "Hansen"], timeout=2000)
