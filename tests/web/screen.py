"""A resident's browser tab against the real web side, and the service's words to it.

Screenshots go to the folder in INTERCOM_SHOTS, or to the test's own temporary folder.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.web.desk import ANNA, PASSWORD, Desk, open_desk
from tests.web.door_peer import DoorPeer, picture_of

SCENE = Path(__file__).with_name("scene.svg")
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--allow-loopback-in-peer-connection",
    "--use-fake-device-for-media-stream",
)
HOLD_MS = 600
SIZES = {
    "phone": (390, 844),
    "small": (360, 640),
    "side": (844, 390),
    "station": (1280, 800),
}
LOOKS = (
    ("phone", "light", "en-GB"),
    ("small", "dark", "nb-NO"),
    ("station", "light", "nb-NO"),
)
EXPECTED_ERRORS = ("401 (Unauthorized)", "ERR_INTERNET_DISCONNECTED")  # logging in; being offline


@dataclass
class Screen:
    """One resident's browser tab, and the service's words to it."""

    desk: Desk
    page: Page
    shots: Path
    picture: Path
    problems: list[str] = field(default_factory=list)
    calls: int = 0
    door: DoorPeer | None = None

    @property
    def context(self) -> BrowserContext:
        return self.page.context

    async def log_in(self) -> None:
        await self.page.goto(self.desk.url)
        await self.page.fill("input[name=username]", ANNA)
        await self.page.fill("input[name=password]", PASSWORD)
        await self.page.click("button.pri")
        await self.page.wait_for_selector(".pill.ok")

    async def ring(self, *, with_media: bool = False, **fields: object) -> None:
        """Ring; with media, a stock peer shows the scene."""
        self.calls += 1
        self.desk.frames.clear()
        offer = ""
        if with_media:
            self.door = DoorPeer(picture_of(self.picture))
            offer = await self.door.offer()
        frame = {
            "type": "ring",
            "door": {"name": "Main entrance"},
            "place": "Storgata 14",
            "doorbell": "Lund",
            "offer": offer,
            "codec": "PCMA",
            "has_picture": True,
            "ring_s": 60,
            "since_s": 7,
        }
        self.tell(**{**frame, **fields})
        await self.page.wait_for_selector("call-view .decline")
        if self.door is not None and with_media:
            answer = await self.sent("answer_sdp")
            await self.door.accept(answer["sdp"])

    def tell(self, **frame: object) -> None:
        self.desk.hub.send(self.desk.device, {"call": f"call-{self.calls}", **frame})

    async def sent(self, frame_type: str) -> dict[str, str]:
        """Wait for a frame of the page."""
        await until(lambda: frame_type in self.sent_types())
        return next(frame for frame in self.desk.frames if frame["type"] == frame_type)

    def sent_types(self) -> list[str]:
        return [frame["type"] for frame in self.desk.frames]

    async def shot(self, name: str) -> None:
        await self.page.wait_for_timeout(300)  # transitions take 260 ms
        await self.page.screenshot(path=self.shots / f"{name}.png")

    async def box(self, selector: str) -> dict[str, float]:
        box = await self.page.locator(selector).bounding_box()
        assert box is not None
        return dict(box)

    async def hold_door(self, for_ms: int) -> None:
        box = await self.box(".door")
        await self.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        await self.page.mouse.down()
        await self.page.wait_for_timeout(for_ms)
        await self.page.mouse.up()

    async def says(self, selector: str, text: str) -> None:
        await self.page.locator(selector).filter(has_text=text).first.wait_for()

    async def is_home(self) -> None:
        await self.page.wait_for_selector("home-view", timeout=8000)


async def until(is_so: Callable[[], object], within_s: float = 10.0) -> None:
    async with asyncio.timeout(within_s):
        while not is_so():  # noqa: ASYNC110 - it looks into the hub
            await asyncio.sleep(0.02)


@asynccontextmanager
async def open_browser(*arguments: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*ARGUMENTS, *arguments]
        )
        yield browser
        await browser.close()


@asynccontextmanager
async def open_screen(
    tmp_path: Path,
    look: tuple[str, str, str] = LOOKS[0],
    *,
    is_microphone_allowed: bool = True,
) -> AsyncIterator[Screen]:
    size, scheme, locale = look
    shots = Path(os.environ.get("INTERCOM_SHOTS", tmp_path)) / "-".join(look)
    shots.mkdir(parents=True, exist_ok=True)
    denying = [] if is_microphone_allowed else ["--deny-permission-prompts"]
    async with open_desk() as desk, open_browser(*denying) as browser:
        width, height = SIZES[size]
        context = await browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            locale=locale,
            permissions=["microphone"] if is_microphone_allowed else [],
            device_scale_factor=1 if size == "station" else 2,
        )
        page = await context.new_page()
        screen = Screen(desk, page, shots, await draw_scene(browser, tmp_path))
        page.on("pageerror", lambda error: screen.problems.append(str(error)))
        page.on("console", lambda message: _note(screen, message.type, message.text))
        yield screen
        if screen.door is not None:
            await screen.door.close()
        assert screen.problems == []


def _note(screen: Screen, kind: str, text: str) -> None:
    if kind == "error" and not any(expected in text for expected in EXPECTED_ERRORS):
        screen.problems.append(text)


async def draw_scene(browser: Browser, folder: Path) -> Path:
    page = await browser.new_page(viewport={"width": 1280, "height": 960})
    await page.goto(SCENE.as_uri())
    await page.screenshot(path=folder / "scene.png")
    await page.close()
    return folder / "scene.png"
