"""A resident's real browser: the page of a stage's router in Chromium, and what is seen and heard."""

import math
import struct
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from firmware_sim.clock_code import read_clock
from intercom.demo.stage import RESIDENT, Stage
from tests.media.test_webrtc_chromium import ARGUMENTS, CHROMIUM

__all__ = ["CHROMIUM", "App", "open_app", "open_browser"]

PHONE_SIZE = (390, 844)
HOLD_MS = 750
"""The page wants 600."""
PAGE_LIMIT_MS = 15_000.0
WIDTH, HEIGHT, BAR = 640, 480, 16
"""Of the panel's picture, and of the clock in its last rows."""
MICROPHONE_HZ = 48_000

CALL_VIEW = (
    """document.querySelector("intercom-app").shadowRoot.querySelector("call-view").shadowRoot"""
)
CLOCK_BAR = f"""() => {{
  const canvas = Object.assign(document.createElement("canvas"), {{ width: {WIDTH}, height: {HEIGHT} }});
  const pen = canvas.getContext("2d", {{ willReadFrequently: true }});
  pen.drawImage({CALL_VIEW}.querySelector("video"), 0, 0, {WIDTH}, {HEIGHT});
  const bar = pen.getImageData(0, {HEIGHT - BAR}, {WIDTH}, {BAR}).data;
  return Array.from({{ length: {WIDTH * BAR} }}, (_, n) => bar[4 * n + 1]);
}}"""
# Goertzel: the share of a frequency's power in what the page plays of the visitor, frame by frame.
TONE_SHARES = f"""async ({{ hz, frames }}) => {{
  const context = new AudioContext();
  await context.resume();
  const listener = context.createAnalyser();
  listener.fftSize = 4096;
  context.createMediaStreamSource({CALL_VIEW}.querySelector("video").srcObject).connect(listener);
  const samples = new Float32Array(listener.fftSize);
  const step = 2 * Math.PI * hz / context.sampleRate;
  const shares = [];
  for (let frame = 0; frame < frames; frame++) {{
    await new Promise((done) => setTimeout(done, 100));
    listener.getFloatTimeDomainData(samples);
    let real = 0, imaginary = 0, power = 0;
    samples.forEach((sample, n) => {{
      real += sample * Math.cos(step * n);
      imaginary += sample * Math.sin(step * n);
      power += sample * sample;
    }});
    shares.push(power > 1e-3 ? 2 * (real ** 2 + imaginary ** 2) / (samples.length * power) : 0);
  }}
  await context.close();
  return shares;
}}"""


class App:
    """The resident's page, driven as a person would."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.set_default_timeout(PAGE_LIMIT_MS)

    async def log_in(self, stage: Stage) -> None:
        """Log in on the router's page and wait until it is connected."""
        await self.page.goto(stage.app_url)
        await self.page.fill("input[name=username]", RESIDENT)
        await self.page.fill("input[name=password]", stage.secrets.resident)
        await self.page.click("button.pri")
        await self.page.wait_for_selector(".pill.ok")

    async def rings(self) -> None:
        """Wait until the door's picture is on the screen and can be answered."""
        await self.page.wait_for_selector(".state[data-s=ringing]")
        await self.page.wait_for_selector(".pic.live")

    async def is_home(self) -> None:
        await self.page.wait_for_selector("home-view")

    async def says(self, selector: str, words: str) -> None:
        """Wait until an element says something."""
        await self.page.locator(selector).filter(has_text=words).first.wait_for()

    async def hold_door(self) -> None:
        """Press and hold "Open the door" with the mouse."""
        await self.page.wait_for_selector('.door[aria-disabled="false"]')
        box = await self.page.locator(".door").bounding_box()
        assert box is not None
        await self.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        await self.page.mouse.down()
        await self.page.wait_for_timeout(HOLD_MS)
        await self.page.mouse.up()

    async def picture_clock(self) -> int | None:
        """Read the clock in the picture that the page shows: CLOCK_MONOTONIC, modulo 2^32 ms."""
        bar = bytes(await self.page.evaluate(CLOCK_BAR))
        return read_clock(bytes(WIDTH * (HEIGHT - BAR)) + bar, WIDTH, HEIGHT)

    async def tone_shares(self, hz: float, frames: int) -> list[float]:
        """Listen in the page for a tone, ten times a second."""
        return list(await self.page.evaluate(TONE_SHARES, {"hz": hz, "frames": frames}))


@asynccontextmanager
async def open_browser(microphone: Path | None) -> AsyncIterator[Browser]:
    """Start Chromium; its microphone plays a WAV file, or there is none."""
    sound = (
        []
        if microphone is None
        else [
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={microphone}",
        ]
    )
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*ARGUMENTS, *sound]
        )
        try:
            yield browser
        finally:
            await browser.close()


async def open_app(
    browser: Browser, stage: Stage, size: tuple[int, int] = PHONE_SIZE, *, scale: float = 2
) -> App:
    """Open the resident's page as on a device of its own, and log in."""
    width, height = size
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        device_scale_factor=scale,
        locale="en-GB",
        permissions=["microphone"],
    )
    app = App(await context.new_page())
    await app.log_in(stage)
    return app


def write_tone(file: Path, hz: float, length_s: int = 2) -> Path:
    """Write the microphone's sound: a steady tone that fits into its length, so that it loops."""
    samples = (
        round(8000 * math.sin(2 * math.pi * hz * n / MICROPHONE_HZ))
        for n in range(MICROPHONE_HZ * length_s)
    )
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(MICROPHONE_HZ)
        out.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return file
