"""Debian's Chromium as the app: what residents really have."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright

from intercom.media.leg import Media
from intercom.media.webrtc import WebRtcFailure
from intercom.sip.offer_answer import Law
from tests.media.h264_clip import FRAMES_A_SECOND, TICKS_A_FRAME, encode
from tests.media.webrtc_apps import Door, panel_video, rtp

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
    "--disable-quic",
    "--no-first-run",
]
SCRIPT = (Path(__file__).parent / "chromium_app.js").read_text()
LOUD_PCMA = bytes([0x2A]) * 8 + bytes([0xAA]) * 8  # full scale, 500 Hz
TALK_S = 2.0

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(60),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium on this machine"),
]


@asynccontextmanager
async def browser_page() -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield await browser.new_page()
        finally:
            await browser.close()


async def play(door: Door, clip: list[list[bytes]]) -> None:
    """Send sound and picture in real time, as a panel does."""
    audio, video = door.leg.out(Media.AUDIO), door.leg.out(Media.VIDEO)
    frames = enumerate(clip)
    number = 0
    for tick in range(int(TALK_S * 50)):
        sound = rtp(audio.payload_type, tick, tick * 160, audio.ssrc, LOUD_PCMA * 10)
        door.leg.send_rtp(Media.AUDIO, sound)
        if video and tick * FRAMES_A_SECOND % 50 < FRAMES_A_SECOND:
            index, payloads = next(frames)
            for position, payload in enumerate(payloads):
                kind = video.payload_type | (position == len(payloads) - 1) << 7
                picture = rtp(kind, number, index * TICKS_A_FRAME, video.ssrc, payload)
                door.leg.send_rtp(Media.VIDEO, picture)
                number += 1
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("profile_level_id", ["42001f", "42e01f", "4d001f", "640028"])
async def test_chromium_hears_and_sees_the_panel_and_is_heard(profile_level_id: str):
    clip = encode(profile_level_id, int(TALK_S * FRAMES_A_SECOND) + 1)
    async with Door(video=panel_video(profile_level_id)) as door, browser_page() as page:
        door.leg.accept_answer(await page.evaluate(SCRIPT, door.leg.offer()))
        await door.is_ready()
        await play(door, clip)
        report = await page.evaluate("app.report()")
        await page.evaluate("app.peer.close()")
        cause = await door.failure()

    assert report["state"] == "connected"
    assert report["tracks"] == {"audio": 1, "video": 1}
    assert report["video"]["framesDecoded"] > 10
    assert report["video"]["frameHeight"] == 480
    assert report["audio"]["totalAudioEnergy"] > 0.1
    assert {packet[1] & 0x7F for packet in door.heard} == {Law.PCMA.value}
    assert len(door.heard) > TALK_S * 50 / 2
    assert len({packet[12:] for packet in door.heard}) > 1
    assert cause is WebRtcFailure.CLOSED_BY_APP


async def test_chromium_connects_although_all_its_candidates_are_mdns_names():
    async with Door() as door, browser_page() as page:
        answer = await page.evaluate(SCRIPT, door.leg.offer())
        door.leg.accept_answer(answer)
        await door.is_ready()
        report = await page.evaluate("app.report()")

    assert report["candidates"]
    assert all(".local " in candidate for candidate in report["candidates"])


async def test_chromium_reports_lost_key_frames_by_pli():
    clip = encode("42e01f", int(TALK_S * FRAMES_A_SECOND) + 1)
    async with Door(video=panel_video()) as door, browser_page() as page:
        door.leg.accept_answer(await page.evaluate(SCRIPT, door.leg.offer()))
        await door.is_ready()
        await play(door, clip[1:FRAMES_A_SECOND] + [[b"\x41\x9a"]] * FRAMES_A_SECOND * 2)

    plis = [packet for media, packet in door.reports if b"\x81\xce\x00\x02" in packet]
    assert plis
    assert all(media is Media.VIDEO for media, packet in door.reports if packet in plis)
