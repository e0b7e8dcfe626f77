"""The resident's page in Chromium: every state of the call screen, against the real web side.

Screenshots go to the folder in INTERCOM_SHOTS, or to the test's own temporary folder.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from intercom.web.connection import Close
from tests.web.desk import ANNA, PASSWORD, Desk, open_desk
from tests.web.door_peer import DoorPeer, picture_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

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
            "law": "PCMA",
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


@pytest.mark.parametrize("look", LOOKS, ids="-".join)
async def test_from_log_in_to_the_end_no_control_moves_and_each_state_says_what_is_known(
    tmp_path: Path, look: tuple[str, str, str]
) -> None:
    async with open_screen(tmp_path, look) as screen:
        page = screen.page
        await page.goto(screen.desk.url)
        await page.wait_for_selector("login-view")
        await screen.shot("00-log-in")
        await screen.log_in()
        await screen.shot("01-home")

        await screen.ring(with_media=True)
        await page.wait_for_selector(".pic.live", timeout=10_000)
        await screen.shot("10-ringing")
        places = {one: await screen.box(one) for one in (".decline", ".door", ".fact", "h1")}

        await page.click(".answer")
        await screen.sent("accept")
        screen.tell(type="talking")
        await page.wait_for_selector(".state[data-s=talking]")
        await page.wait_for_selector(".meter")
        await screen.shot("11-talking")
        assert await screen.box(".end") == places[".decline"]
        for one in (".door", ".fact", "h1"):
            assert await screen.box(one) == places[one], one

        await screen.hold_door(HOLD_MS + 150)
        await screen.sent("open")
        await page.wait_for_selector(".door.opening")
        await screen.shot("12-opening")
        screen.tell(type="door", state="opened", for_ms=6000, cause="")
        await page.wait_for_selector(".call.lit .door.opened")
        await screen.shot("13-opened")
        for state in ("sent", "unknown", "failed", "refused"):
            cause = "the panel is offline" if state == "failed" else ""
            screen.tell(type="door", state=state, for_ms=3000, cause=cause)
            await page.wait_for_selector(f".call:not(.lit) .door.{state}")
            await screen.shot(f"14-{state}")
            assert await screen.box(".end") == places[".decline"]
            assert await screen.box(".door") == places[".door"]

        screen.tell(type="ended", reason="time limit", text="")
        await page.wait_for_selector(".outcome")
        await screen.shot("15-ended")
        assert await screen.box(".outcome") == places[".door"]
        await page.click(".close")
        await screen.is_home()


async def test_a_door_opens_by_holding_for_600_ms_and_lifting_earlier_cancels(
    tmp_path: Path,
) -> None:
    async with open_screen(tmp_path) as screen:
        await screen.log_in()
        await screen.ring()

        await screen.hold_door(250)
        await screen.page.wait_for_timeout(HOLD_MS)
        assert "open" not in screen.sent_types()

        await screen.hold_door(HOLD_MS + 150)
        await screen.sent("open")
        assert screen.sent_types().count("open") == 1


async def test_leaving_the_button_with_the_finger_down_cancels_too(tmp_path: Path) -> None:
    async with open_screen(tmp_path) as screen:
        await screen.log_in()
        await screen.ring()
        box = await screen.box(".door")

        await screen.page.mouse.move(box["x"] + 50, box["y"] + 30)
        await screen.page.mouse.down()
        await screen.page.mouse.move(box["x"] + 50, box["y"] - 60)
        await screen.page.wait_for_timeout(HOLD_MS + 200)
        await screen.page.mouse.up()

        assert "open" not in screen.sent_types()


async def test_a_keyboard_gets_a_question_instead_of_a_hold(tmp_path: Path) -> None:
    async with open_screen(tmp_path) as screen:
        await screen.log_in()
        await screen.ring()
        await screen.page.locator(".door").focus()

        await screen.page.keyboard.press("Enter")
        await screen.page.wait_for_selector("dialog[open]")
        await screen.shot("20-question")
        await screen.page.keyboard.press("Escape")
        assert "open" not in screen.sent_types()
        await screen.page.keyboard.press("Enter")
        await screen.page.click("dialog .yes")

        await screen.sent("open")


async def test_without_a_microphone_it_answers_listens_says_so_and_the_door_works(
    tmp_path: Path,
) -> None:
    async with open_screen(tmp_path, is_microphone_allowed=False) as screen:
        await screen.log_in()
        await screen.ring(with_media=True)
        await screen.page.wait_for_selector(".pic.live", timeout=10_000)

        await screen.page.click(".answer")
        await screen.sent("accept")
        screen.tell(type="talking")
        await screen.says(".card", "The microphone is blocked")
        await screen.says(".fact", "microphone blocked")
        await screen.shot("21-microphone-blocked")
        assert not await screen.page.evaluate(
            "document.querySelector('intercom-app').shadowRoot.querySelector('call-view')"
            ".shadowRoot.querySelector('video').muted"
        )

        await screen.hold_door(HOLD_MS + 150)
        await screen.sent("open")


async def test_a_lost_picture_is_said_and_comes_back(tmp_path: Path) -> None:
    async with open_screen(tmp_path) as screen:
        await screen.log_in()
        await screen.ring(with_media=True)
        await screen.page.wait_for_selector(".pic.live", timeout=10_000)
        assert screen.door is not None

        screen.door.picture.moves.clear()
        await screen.page.wait_for_selector(".pic.lost", timeout=10_000)
        await screen.says(".instead", "The picture is lost")
        await screen.shot("22-picture-lost")

        screen.door.picture.moves.set()
        await screen.page.wait_for_selector(".pic.live", timeout=10_000)


async def test_a_door_without_camera_and_a_picture_that_is_on_its_way_are_two_things(
    tmp_path: Path,
) -> None:
    async with open_screen(tmp_path) as screen:
        await screen.log_in()

        await screen.ring(has_picture=False)
        await screen.says(".instead", "This door has no camera")
        await screen.shot("23-no-camera")
        await screen.page.click(".decline")
        await screen.sent("decline")
        await screen.is_home()

        await screen.ring()
        await screen.says(".instead", "Getting the picture")
        await screen.shot("24-getting-the-picture")


async def test_answered_elsewhere_says_by_whom_and_closes_after_four_seconds(
    tmp_path: Path,
) -> None:
    async with open_screen(tmp_path) as screen:
        await screen.log_in()
        await screen.ring()

        screen.tell(type="quiet")
        await screen.says(".state", "Ringing on your phone")
        await screen.shot("25-quiet")
        screen.tell(type="ended", reason="answered elsewhere", text="Per")

        await screen.says(".outcome", "Answered by Per")
        await screen.shot("26-answered-elsewhere")
        await screen.is_home()
        assert await screen.page.locator(".tell").count() == 0


async def test_a_missed_ring_stays_on_the_page_until_it_is_dismissed(tmp_path: Path) -> None:
    async with open_screen(tmp_path) as screen:
        await screen.log_in()
        await screen.ring()

        screen.tell(type="ended", reason="visitor left", text="")
        await screen.says(".outcome", "The visitor left")
        await screen.shot("27-missed")
        await screen.page.click(".close")
        await screen.says(".tell", "Main entrance")
        await screen.shot("28-home-missed")
        await screen.page.click(".tell button")

        await screen.page.locator(".tell").wait_for(state="detached")


async def test_a_lost_connection_is_said_and_the_door_is_not_offered_until_it_is_back(
    tmp_path: Path,
) -> None:
    async with open_screen(tmp_path) as screen:
        await screen.log_in()
        await screen.ring()

        await screen.context.set_offline(True)
        for entry in list(screen.desk.hub._online.values()):
            entry.connection.close(Close.GOING_AWAY)
        await screen.page.wait_for_selector(".door.offline")
        await screen.shot("29-offline")
        await screen.hold_door(HOLD_MS + 150)
        assert "open" not in screen.sent_types()

        await screen.context.set_offline(False)
        await screen.says(".outcome", "The connection was lost")
        await screen.ring()  # it still rings for the service, so it rings anew
        await screen.page.wait_for_selector(".door.idle")


async def test_a_second_tap_on_answer_neither_hangs_up_nor_mutes(tmp_path: Path) -> None:
    async with open_screen(tmp_path) as screen:
        await screen.log_in()
        await screen.ring()

        await screen.page.dblclick(".answer")
        await screen.sent("accept")
        screen.tell(type="talking")
        await screen.page.wait_for_selector(".state[data-s=talking]")

        pressed = await screen.page.locator(".tog").first.get_attribute("aria-pressed")
        assert pressed == "false"
        assert "hang_up" not in screen.sent_types()


async def test_logging_out_forgets_who_was_there(tmp_path: Path) -> None:
    async with open_screen(tmp_path) as screen:
        await screen.log_in()

        await screen.page.click("header .btn")
        await screen.page.wait_for_selector("login-view")
        await until(lambda: len(screen.desk.logins) == 0)
        await screen.page.reload()

        await screen.page.wait_for_selector("login-view")


async def test_a_wrong_password_is_said(tmp_path: Path) -> None:
    async with open_screen(tmp_path) as screen:
        await screen.page.goto(screen.desk.url)
        await screen.page.fill("input[name=username]", ANNA)
        await screen.page.fill("input[name=password]", "wrong")
        await screen.page.click("button.pri")

        await screen.says("[role=alert]", "Wrong user name or password.")
        await screen.shot("02-wrong")
