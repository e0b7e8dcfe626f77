"""Fixtures for Webadmin's pages: `rig` (SQLite), `client` (no scripts), `browser`, and `axe`."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

from intercom.store.database import Database
from tests.web.admin.rig import Client, Rig, browsing, open_rig

AXE = Path(__file__).parents[1] / "vendor" / "axe-4.14.1.min.js"
CHROMIUM = "/usr/bin/chromium"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_RUN = """async tags => (await axe.run(document, {runOnly: {type: "tag", values: tags}})).violations
  .map(each => `${each.id}: ${each.nodes.map(node => node.target.join(" ")).join(", ")}`)"""

Axe = Callable[[Page], Awaitable[list[str]]]


@pytest.fixture
async def rig(sqlite_database: Database) -> AsyncIterator[Rig]:
    """Serve Webadmin with an operator, kari."""
    async with open_rig(sqlite_database) as opened:
        await opened.add_account()
        yield opened


@pytest.fixture
async def client(rig: Rig) -> AsyncIterator[Client]:
    """Open a browser without scripts in which kari is logged in."""
    async with browsing(rig) as opened:
        await opened.log_in()
        yield opened


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Start Chromium."""
    if shutil.which(CHROMIUM) is None:
        pytest.skip("Chromium is not installed: `make setup` as root")
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--headless=new", "--no-sandbox", "--disable-gpu"]
        )
        yield started
        await started.close()


@pytest.fixture
def axe() -> Axe:
    """Give a function that lists what axe-core finds wrong with a page: nothing, it should be.

    The page must come of a context made with `bypass_csp=True`: ours lets no foreign script in.
    """
    script = AXE.read_text("utf-8")

    async def violations(page: Page) -> list[str]:
        await page.evaluate(script)
        found: list[str] = await page.evaluate(_RUN, RULES)
        return found

    return violations
