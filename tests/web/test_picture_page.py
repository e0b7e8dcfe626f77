"""The picture on the resident's page: there with its first frame, lost, and back by itself."""

import time
from pathlib import Path

import pytest

from tests.web.screen import CHROMIUM, LOOKS, open_screen

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(60),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="no Chromium on this machine"),
]

OWN_WATCH_S = 4.0
"""The page finds out by itself after this, without the service's word."""
OPACITY = """() => getComputedStyle(document.querySelector("intercom-app").shadowRoot
  .querySelector("call-view").shadowRoot.querySelector("video")).opacity"""


@pytest.mark.parametrize("look", LOOKS, ids="-".join)
async def test_the_services_word_that_the_picture_stopped_is_shown_and_the_next_frame_ends_it(
    tmp_path: Path, look: tuple[str, str, str]
) -> None:
    async with open_screen(tmp_path, look) as screen:
        page = screen.page
        await screen.log_in()
        await screen.ring(with_media=True)
        await page.wait_for_selector(".pic.live", timeout=10_000)
        await page.click(".answer")
        await screen.sent("accept")
        screen.tell(type="talking")
        await page.wait_for_selector(".meter")
        assert screen.door is not None

        screen.door.picture.moves.clear()
        await page.wait_for_timeout(1000)  # frames that are on their way have been shown
        stopped_at = time.monotonic()
        screen.tell(**{"type": "path", "media": "video", "state": "lost", "from": "door"})
        await page.wait_for_selector(".pic.lost", timeout=3000)
        took_s = time.monotonic() - stopped_at
        await screen.shot("23-picture-stopped")
        title = await page.locator(".instead b").inner_text()
        sub = await page.locator(".instead span").inner_text()
        assert await page.locator(".meter").count() == 1  # the sound goes on
        screen.door.picture.moves.set()
        await page.wait_for_selector(".pic.live", timeout=3000)

        assert took_s < OWN_WATCH_S - 1
        assert title in {"The picture is lost", "Bildet er borte"}
        assert sub in {"The sound is still on.", "Lyden er fortsatt på."}


async def test_a_word_about_this_devices_own_way_is_not_taken_for_the_doors(tmp_path: Path) -> None:
    async with open_screen(tmp_path) as screen:
        await screen.log_in()
        await screen.ring(with_media=True)
        await screen.page.wait_for_selector(".pic.live", timeout=10_000)

        screen.tell(**{"type": "path", "media": "video", "state": "lost", "from": "you"})
        screen.tell(**{"type": "path", "media": "audio", "state": "lost", "from": "door"})
        screen.tell(type="quiet")
        await screen.page.wait_for_selector(".fact")
        await screen.says(".state", "Ringing on your phone")

        assert await screen.page.locator(".pic.live").count() == 1


async def test_the_first_frame_is_seen_at_once_and_not_faded_in(tmp_path: Path) -> None:
    async with open_screen(tmp_path) as screen:
        await screen.log_in()
        await screen.ring(with_media=True)
        await screen.page.wait_for_selector(".pic.live", timeout=10_000)

        assert await screen.page.evaluate(OPACITY) == "1"
