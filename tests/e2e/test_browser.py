"""A resident's real browser takes the calls of the simulated door, with sound, picture and relay."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from intercom.demo.stage import Plan
from intercom.demo.verdict import AT_LEAST, RESIDENT_HZ, SETTLE_MS, VISITOR_HZ
from tests.e2e.browser import CHROMIUM, App, open_app, open_browser, write_tone
from tests.e2e.conftest import OpenPlay
from tests.e2e.play import NO_PHONE, now_ms

PICTURE_LIMIT_MS = 1500
LOOKS = 8
TALK_MS = 2500
LATEST_MS = 1000
"""How late a slow machine may write down what it heard."""
STALL_MS = 200
"""A router that got no time for so long plays on where it was, and the recording is ahead by as much."""
TONE_SHARE = 0.5
SECOND_PULSE_S = 8.0

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.xdist_group("browser"),
    pytest.mark.timeout(120),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium on this machine"),
]


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with open_browser(write_tone(tmp_path / "microphone.wav", RESIDENT_HZ)) as browser:
        yield browser


@pytest.fixture
async def browser_without_microphone() -> AsyncIterator[Browser]:
    async with open_browser(None) as browser:
        yield browser


async def read_delays(app: App) -> list[float]:
    """Look at the picture's clock some times, in ms behind the time now."""
    delays: list[float] = []
    for _ in range(10 * LOOKS):
        clock = await app.picture_clock()
        if clock is not None:
            delays.append((now_ms() - clock) % 2**32)
        if len(delays) == LOOKS:
            break
        await app.page.wait_for_timeout(100)
    return delays


async def test_the_page_shows_the_visitor_talks_and_opens_the_door_twice(
    open_play: OpenPlay, browser: Browser, capsys: pytest.CaptureFixture[str]
):
    async with open_play(Plan(app_stage_s=40), cast=NO_PHONE) as play:
        app = await open_app(browser, play.stage)

        await play.press()
        await app.rings()
        delays = await read_delays(app)
        with capsys.disabled():
            words = f"{min(delays):.0f} to {max(delays):.0f} ms"
            sys.stdout.write(f"\n  from the camera to the page's pixels: {words}\n")
        assert "200" not in (await play.call("panel"))["stamps"]
        assert len(delays) == LOOKS
        assert max(delays) < PICTURE_LIMIT_MS

        before_ms = now_ms()
        await app.page.click(".answer")
        answered_ms = await play.at_panel("200")
        await app.page.wait_for_selector(".state[data-s=talking]")
        shares = await app.tone_shares(VISITOR_HZ, 30)
        from_ms = answered_ms + SETTLE_MS
        await app.page.wait_for_timeout(max(0.0, from_ms + TALK_MS + LATEST_MS - now_ms()))
        at_door = await play.heard("panel")
        share = at_door.share(RESIDENT_HZ, from_ms, from_ms + TALK_MS)
        assert at_door.share(RESIDENT_HZ, play.pressed_ms, before_ms - STALL_MS) == 0
        assert share >= AT_LEAST
        assert sum(each > TONE_SHARE for each in shares[5:]) >= AT_LEAST * len(shares[5:])

        await app.hold_door()
        await app.says(".state[data-s=door]", "Door unlocked")
        await app.says(".door.opened", "Unlocked for")
        assert len(play.journal("on")) == 1
        await app.page.wait_for_selector(".state[data-s=talking]")
        await app.hold_door()
        pulses = await play.pulses(2, SECOND_PULSE_S)
        await app.page.wait_for_selector(".state[data-s=door]")
        assert len({pulse["cmd_id"] for pulse in pulses}) == 2
        assert all(pulse["coil_ma"] > 0 for pulse in pulses)

        await app.page.click(".end")
        await app.is_home()
        await play.at_panel("ended")


async def test_the_door_opens_while_it_rings_and_nobody_is_heard(
    open_play: OpenPlay, browser: Browser
):
    async with open_play(Plan(app_stage_s=40), cast=NO_PHONE) as play:
        app = await open_app(browser, play.stage)
        await play.press()
        await app.rings()

        await app.hold_door()

        await app.says(".state[data-s=door]", "Door unlocked")
        assert len(await play.pulses(1)) == 1
        call = await play.ended_at_panel(within_s=25)
        heard = await play.heard("panel")
        assert heard.share(RESIDENT_HZ, play.pressed_ms, now_ms()) == 0
        assert call["states"][-1]["reason"] == "door opened"
        assert await play.carrier_calls() == []


async def test_declining_ends_the_call_as_if_nobody_were_home_and_calls_no_phone(
    open_play: OpenPlay, browser: Browser
):
    async with open_play(Plan(app_stage_s=2), cast=("carrier", "phone", "panel")) as play:
        app = await open_app(browser, play.stage)
        await play.press()
        await app.rings()

        await app.page.click(".decline")

        await app.is_home()
        call = await play.ended_at_panel()
        assert call["states"][-1]["text"]
        assert await play.carrier_calls() == []
        assert (await play.state("phone"))["calls"] == 0


async def test_the_other_page_says_answered_elsewhere_and_falls_silent(
    open_play: OpenPlay, browser: Browser
):
    async with open_play(Plan(app_stage_s=40), cast=NO_PHONE) as play:
        first, second = [await open_app(browser, play.stage) for _ in range(2)]
        await play.press()
        await first.rings()
        await second.rings()

        await second.page.click(".answer")

        await first.says(".outcome", "Answered elsewhere")
        await second.page.wait_for_selector(".state[data-s=talking]")
        assert await play.at_panel("200")
        await second.page.click(".end")
        await play.at_panel("ended")


async def test_a_browser_without_a_microphone_says_so_and_still_opens_the_door(
    open_play: OpenPlay, browser_without_microphone: Browser
):
    async with open_play(Plan(app_stage_s=40), cast=NO_PHONE) as play:
        app = await open_app(browser_without_microphone, play.stage)
        await play.press()
        await app.rings()

        await app.page.click(".answer")
        await app.says(".card", "No microphone here")
        await app.hold_door()

        await app.says(".state[data-s=door]", "Door unlocked")
        assert len(await play.pulses(1)) == 1


async def test_a_visitor_who_leaves_is_a_missed_call_on_the_page(
    open_play: OpenPlay, browser: Browser
):
    async with open_play(Plan(app_stage_s=40), cast=NO_PHONE) as play:
        app = await open_app(browser, play.stage)
        await play.press()
        await app.rings()

        await play.tell("panel", "cancel")

        await app.says(".outcome", "The visitor left")
        assert play.journal() == []
