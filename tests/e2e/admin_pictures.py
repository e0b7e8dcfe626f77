"""The pictures of docs/administrator.md, taken of the real thing: `python -m tests.e2e.admin_pictures`.

A router runs over a database that `believable_house` has filled, with one simulated panel, and a browser
goes through Webadmin. `--all FOLDER` takes every page instead, on a phone and a desktop, light and dark.
"""

import argparse
import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from playwright.async_api import Browser, Page
from sqlalchemy import select

from intercom.adapters.panel_link import load_or_create_key, public_key_text
from intercom.demo.ports import PortBlock
from intercom.demo.processes import HOST, Child, Remote, start
from intercom.store.models import Account, Unit
from tests.e2e.believable_house import (
    ADMINISTRATOR,
    EMPTY,
    HOUSE,
    OFFICE,
    PASSWORD,
    Links,
    furnish,
)
from tests.e2e.browser import open_browser
from tests.store.databases import opened

IMAGES = Path(__file__).parents[2] / "docs" / "img" / "admin"
SIZES = {"phone": (390, 844), "desktop": (1280, 800), "narrow": (320, 640)}
SHARPNESS = {"phone": 1.5, "desktop": 1.0, "narrow": 1.0}
"""Pixels of a picture for one of the page."""
SCHEMES = ("light", "dark")
PLACE, BUSINESS = f"/admin/p/{HOUSE}", f"/admin/p/{OFFICE}"
PANEL = f"{HOUSE}-main-entrance"
RTP_PORTS = 40
ONLINE_S = 30.0
MAX_BYTES = 150_000
"""A picture of the manual."""
ROSTER = """Unit;Name;Role;E-mail;Telephone;Doorbell
H0303;Sara Foss;Owner;sara@example.org;900 55 123;Foss
H0303;Emil Foss;Resident;emil@example.org;;
H0304;Nora Bakke;Owner;nora@example.org;;Bakke
H0203;Per Hansen;Owner;per.hansen@example.org;;Hansen"""


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture of the manual."""

    name: str
    path: str
    size: str = "desktop"
    height: int = 0
    """Pixels that are shown; 0: as many as the size has."""


@dataclass(frozen=True, slots=True)
class Scene:
    """The running service and what is in it."""

    url: str
    links: Links
    units: dict[str, int]
    people: dict[str, int]

    def shots(self) -> tuple[Shot, ...]:
        """List the pictures of the manual."""
        unit, anna = self.units["H0101"], self.people["Anna Berg"]
        return (
            Shot("properties", "/admin", height=420),
            Shot("first-steps", f"/admin/p/{EMPTY}", height=640),
            Shot("overview", PLACE, "phone"),
            Shot("doors", f"{PLACE}/doors", height=560),
            Shot("panel", f"{PLACE}/panels/{PANEL}", height=720),
            Shot("units", f"{PLACE}/units", height=700),
            Shot("doorbell", f"{PLACE}/units/{unit}/doorbell", height=860),
            Shot("person", f"{PLACE}/people/{anna}", "phone"),
            Shot("rights", f"{PLACE}/people/{anna}/doors", height=620),
            Shot("log", f"{BUSINESS}/log", height=700),
            Shot("privacy", f"{PLACE}/privacy", "phone"),
        )

    def pages(self) -> dict[str, str]:
        """List every page that is worth a look, by the name of its picture."""
        unit, anna = self.units["H0101"], self.people["Anna Berg"]
        jonas = self.people["Jonas Berg"]
        return {
            "properties": "/admin",
            "property-new": "/admin/new",
            "operators": "/admin/operators",
            "service-alerts": "/admin/alerts",
            "me": "/admin/me",
            "steps": f"/admin/p/{EMPTY}",
            "overview": PLACE,
            "units": f"{PLACE}/units",
            "units-none": f"{PLACE}/units?q=zzz",
            "units-empty": f"/admin/p/{EMPTY}/units",
            "unit": f"{PLACE}/units/{unit}",
            "unit-new": f"{PLACE}/units/new",
            "unit-transfer": f"{PLACE}/units/{self.units['H0302']}",
            "unit-nobody": f"{PLACE}/units/{self.units['H0303']}",
            "unit-doors": f"{PLACE}/units/{unit}/doors",
            "doorbell": f"{PLACE}/units/{unit}/doorbell",
            "doorbell-individual": f"{PLACE}/units/{self.units['H0202']}/doorbell",
            "transfer": f"{PLACE}/units/{unit}/transfer",
            "person-new": f"{PLACE}/units/{unit}/people/new",
            "people": f"{PLACE}/people",
            "people-empty": f"/admin/p/{EMPTY}/people",
            "person": f"{PLACE}/people/{anna}",
            "person-invited": f"{PLACE}/people/{jonas}",
            "person-doors": f"{PLACE}/people/{anna}/doors",
            "activation": f"{PLACE}/activation",
            "import": f"{PLACE}/import",
            "doors": f"{PLACE}/doors",
            "doors-empty": f"/admin/p/{EMPTY}/doors",
            "door": f"{PLACE}/doors/{HOUSE}-back-yard",
            "door-new": f"{PLACE}/doors/new",
            "panels": f"{PLACE}/panels",
            "panels-empty": f"/admin/p/{EMPTY}/panels",
            "panel": f"{PLACE}/panels/{PANEL}",
            "panel-new": f"{PLACE}/panels/new",
            "alerts": f"{PLACE}/alerts",
            "log": f"{BUSINESS}/log",
            "log-none": f"{BUSINESS}/log?q=zzz",
            "privacy": f"{PLACE}/privacy",
            "privacy-commercial": f"{BUSINESS}/privacy",
            "team": f"{PLACE}/team",
            "team-empty": f"/admin/p/{EMPTY}/team",
            "settings": f"{PLACE}/settings",
            "not-there": "/admin/p/nowhere",
            "link-password": f"/admin/password/{self.links.password}",
            "link-confirm": f"/admin/confirm/{self.links.confirm}",
            "link-over": "/admin/password/over",
        }


async def take_manual(folder: Path) -> None:
    """Write the pictures of the manual."""
    async with open_scene() as scene, open_browser(None) as browser:
        for shot in scene.shots():
            async with open_tab(browser, scene, shot.size, height=shot.height) as page:
                await page.goto(scene.url + shot.path)
                await _take(page, folder / f"{shot.name}.png")
        async with open_tab(browser, scene, "desktop", height=860) as page:
            await _preview_an_import(page, scene)
            await _take(page, folder / "import.png")


async def take_all(folder: Path, language: str) -> None:
    """Write every page as a picture, and say which are wider than their screen."""
    async with open_scene(language) as scene, open_browser(None) as browser:
        for size in SIZES:
            for scheme in SCHEMES if size != "narrow" else SCHEMES[:1]:
                async with open_tab(browser, scene, size, scheme=scheme, scale=1) as page:
                    for name, path in scene.pages().items():
                        await page.goto(scene.url + path)
                        await _look(page, folder / f"{name}-{size}-{scheme}.png")
                    await _preview_an_import(page, scene)
                    await _look(page, folder / f"import-preview-{size}-{scheme}.png")
                    await page.context.clear_cookies()
                    for name in ("login", "forgot"):
                        await page.goto(f"{scene.url}/admin/{name}")
                        await _look(page, folder / f"{name}-{size}-{scheme}.png")


async def _look(page: Page, file: Path) -> None:
    wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    if wide > 0:
        print(f"{file.stem}: {wide} px too wide")  # noqa: T201 - a command's output
    await page.screenshot(path=file, full_page=True, animations="disabled")


async def _take(page: Page, file: Path) -> None:
    await page.evaluate("document.fonts.ready")
    await page.screenshot(path=file, animations="disabled")


async def _preview_an_import(page: Page, scene: Scene) -> None:
    await page.goto(f"{scene.url}{PLACE}/import")
    await page.fill("[name=text]", ROSTER)
    await page.click("main form .btn.pri")
    await page.wait_for_load_state()


@asynccontextmanager
async def open_tab(
    browser: Browser,
    scene: Scene,
    size: str,
    *,
    height: int = 0,
    scheme: str = "light",
    scale: float = 0,
) -> AsyncIterator[Page]:
    """Open a tab in which Kari is logged in."""
    width, usual = SIZES[size]
    context = await browser.new_context(
        viewport={"width": width, "height": height or usual},
        color_scheme=scheme,  # type: ignore[arg-type]  # one of SCHEMES
        device_scale_factor=scale or SHARPNESS[size],
        locale="en-GB",
        timezone_id="Europe/Oslo",
        reduced_motion="reduce",
    )
    page = await context.new_page()
    await page.goto(f"{scene.url}/admin/login")
    await page.fill("[name=username]", ADMINISTRATOR)
    await page.fill("[name=password]", PASSWORD)
    await page.click("main form button.pri")
    await page.wait_for_selector("nav.nav", state="attached")
    yield page
    await context.close()


@asynccontextmanager
async def open_scene(language: str = "en") -> AsyncIterator[Scene]:
    """Run the service on a filled database, and the panel of its main entrance."""
    with tempfile.TemporaryDirectory() as temporary, PortBlock() as block:
        folder = Path(temporary)
        state = folder / "router"
        state.mkdir(mode=0o700)
        address = f"sqlite:///{state / 'intercom.db'}"
        async with opened(address) as database:
            await database.migrate()
            links = await furnish(database)
            async with database.writing() as session:
                kari = select(Account).where(Account.username == ADMINISTRATOR)
                (await session.scalars(kari)).one().language = language
                units = {each.label: each.id for each in await session.scalars(select(Unit))}
                people = {each.name: each.id for each in await session.scalars(select(Account))}
        sip, http = block.take(), block.take()
        settings = _settings(block, state, sip, http)
        router = await start("router", ("intercom", "serve"), folder, settings)
        panel = None
        try:
            key = public_key_text(load_or_create_key(state / "panel-link.key"))
            own = block.take()
            panel = await _start_panel(folder, links, key=key, sip=sip, http=http, own=own)
            yield Scene(f"http://{HOST}:{http}", links, units, people)
        finally:
            if panel is not None:
                await panel.stop()
            await router.stop()


def _settings(block: PortBlock, state: Path, sip: int, http: int) -> dict[str, str]:
    rtp = block.take(RTP_PORTS)
    return {
        "INTERCOM_CALLER_ID": "+4723506953",
        "INTERCOM_STATE_DIR": str(state),
        "INTERCOM_DATABASE": f"sqlite:///{state / 'intercom.db'}",
        "INTERCOM_SIP_HOST": HOST,
        "INTERCOM_SIP_PORT": str(sip),
        "INTERCOM_HTTP_HOST": HOST,
        "INTERCOM_HTTP_PORT": str(http),
        "INTERCOM_MEDIA_HOST": HOST,
        "INTERCOM_WEBRTC_PORT": str(block.take()),
        "INTERCOM_RTP_PORT_FIRST": str(rtp),
        "INTERCOM_RTP_PORT_LAST": str(rtp + RTP_PORTS - 1),
    }


async def _start_panel(
    folder: Path, links: Links, *, key: str, sip: int, http: int, own: int
) -> Child:
    panel = await start(
        "panel",
        (
            "firmware_sim.panel",
            f"--sip-server={HOST}:{sip}",
            f"--panel-id={PANEL}",
            f"--password={links.panel_password}",
            f"--link=ws://{HOST}:{http}/panel-link",
            f"--server-key={key}",
            f"--state-dir={folder / 'panel'}",
            f"--http-port={own}",
        ),
        folder,
    )
    async with aiohttp.ClientSession() as session, asyncio.timeout(ONLINE_S):
        remote = Remote(session)
        while not (await remote.get(panel, "/api/state"))["link"]["is_online"]:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)
    return panel


def main() -> None:
    """Take the pictures that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="every page, for a look")
    parser.add_argument("--language", default="en", help="of the pages of --all")
    asked = parser.parse_args()
    folder: Path = asked.all or IMAGES
    folder.mkdir(parents=True, exist_ok=True)
    if asked.all is not None:
        asyncio.run(take_all(folder, asked.language))
        return
    asyncio.run(take_manual(folder))
    for picture in sorted(folder.glob("*.png")):
        assert picture.stat().st_size < MAX_BYTES, f"{picture.name} is too large"


if __name__ == "__main__":
    main()
