"""The pictures of the documents, taken of the real thing: `python -m tests.e2e.screenshot`.

They show a stage of the demonstration: the app while it rings, with the picture of the simulated
camera, on a phone and on a wall station, and the panel's own page.
"""

import asyncio
from pathlib import Path

from playwright.async_api import Browser

from intercom.demo.stage import Plan, Stage, open_stage
from tests.e2e.browser import CALL_VIEW, PHONE_SIZE, open_app, open_browser
from tests.e2e.play import NO_PHONE, Play

IMAGES = Path(__file__).parents[2] / "docs" / "img"
STATION_SIZE = (1280, 800)
PANEL_SIZE = (1280, 900)
SETTLE_MS = 1500
"""Until the picture is sharp and every transition is over."""
# The simulated camera's test clocks, in a corner and at the lower edge, are left out.
PHONE_CROP = ("scale(1.17)", "50% 10%")
STATION_CROP = ("scale(1.2)", "50% 75%")


async def take_all() -> None:
    """Write every picture."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    plan = Plan(app_stage_s=60)
    async with open_stage(plan) as stage, open_browser(None) as browser:
        for name in ("router", *NO_PHONE):
            await getattr(stage, f"start_{name}")()
        await stage.wait_online()
        await _take_ringing(stage, browser)


async def _take_ringing(stage: Stage, browser: Browser) -> None:
    app = await open_app(browser, stage, PHONE_SIZE)
    station = await open_app(browser, stage, STATION_SIZE, scale=1)
    width, height = PANEL_SIZE
    panel = await browser.new_page(viewport={"width": width, "height": height})
    await panel.goto(f"{stage.panel.url}/")
    await panel.wait_for_timeout(SETTLE_MS)
    await Play(stage).press()
    for each, (transform, origin) in ((app, PHONE_CROP), (station, STATION_CROP)):
        await each.rings()
        await each.page.evaluate(
            f"""{CALL_VIEW}.querySelector("video").style.cssText +=
                "transform: {transform}; transform-origin: {origin}" """
        )
    for name, page in (("ringing", app.page), ("station", station.page), ("panel", panel)):
        await page.bring_to_front()
        await page.wait_for_timeout(SETTLE_MS)
        await page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")


if __name__ == "__main__":
    asyncio.run(take_all())
