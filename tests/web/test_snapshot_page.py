"""A call whose picture is a still one each second, as the resident's page shows it."""

import base64
from pathlib import Path

import pytest

from tests.web.screen import CHROMIUM, LOOKS, SCENE, Screen, open_screen

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.xdist_group("browser"),
    pytest.mark.timeout(60),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="no Chromium on this machine"),
]


async def jpeg_of_the_scene(screen: Screen) -> str:
    page = await screen.context.new_page()
    await page.set_viewport_size({"width": 640, "height": 480})
    await page.goto(SCENE.as_uri())
    jpeg = await page.screenshot(type="jpeg", quality=70)
    await page.close()
    return base64.b64encode(jpeg).decode()


@pytest.mark.parametrize("look", [LOOKS[0], LOOKS[2]], ids="-".join)
async def test_still_pictures_stand_in_for_the_video_are_called_so_and_go_with_the_call(
    tmp_path: Path, look: tuple[str, str, str]
) -> None:
    async with open_screen(tmp_path, look) as screen:
        await screen.log_in()
        jpeg = await jpeg_of_the_scene(screen)
        await screen.page.bring_to_front()
        await screen.ring(is_snapshot=True)
        await screen.page.wait_for_selector(".pic.loading")

        screen.tell(type="snapshot", jpeg=jpeg)
        await screen.page.wait_for_selector(".pic.live img")
        words = await screen.page.locator(".note").inner_text()
        await screen.shot("30-snapshot")
        size = await screen.page.locator(".pic img").evaluate("image => image.naturalWidth")
        screen.tell(type="ended", reason="visitor left", text="")
        await screen.page.wait_for_selector(".outcome")

        assert size in {640, 1280}  # at the density of the screen
        assert words in {"A picture each second", "Ett bilde i sekundet"}
        assert await screen.page.locator(".pic img").count() == 0


async def test_without_a_new_picture_for_six_seconds_it_says_so(tmp_path: Path) -> None:
    async with open_screen(tmp_path) as screen:
        await screen.log_in()
        jpeg = await jpeg_of_the_scene(screen)
        await screen.ring(is_snapshot=True)
        screen.tell(type="snapshot", jpeg=jpeg)
        await screen.page.wait_for_selector(".pic.live img")

        await screen.page.wait_for_selector(".pic.lost", timeout=8000)
