"""Debian's Chromium as the app: what residents really have."""

import asyncio
import base64
import random
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright

from intercom.media import tones
from intercom.media.bridge import Bridge
from intercom.media.decode import Decoder
from intercom.media.encode import Encoder
from intercom.media.leg import Media, MediaLeg
from intercom.media.webrtc import WebRtcFailure
from intercom.media.webrtc_sdp import VIDEO_PAYLOAD_TYPES
from intercom.sip.offer_answer import Codec
from tests.media.h264_clip import FRAMES_A_SECOND, TICKS_A_FRAME, encode
from tests.media.peers import RecordingLeg
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
FILM_S = 8
LOSS = 0.05

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.xdist_group("browser"),
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
    assert {packet[1] & 0x7F for packet in door.heard} == {Codec.PCMA.value}
    assert len(door.heard) > TALK_S * 50 / 2
    assert len({packet[12:] for packet in door.heard}) > 1
    assert cause is WebRtcFailure.CLOSED_BY_APP


@pytest.mark.parametrize("codec", [Codec.OPUS, Codec.G722])
async def test_chromium_shares_the_codec_of_a_panel_that_has_a_wide_band(codec: Codec):
    encoder, decoder = Encoder(codec), Decoder(codec)
    pcm = tones.tone([440], int(TALK_S * 1000))
    async with Door(codec=codec) as door, browser_page() as page:
        door.leg.accept_answer(await page.evaluate(SCRIPT, door.leg.offer()))
        await door.is_ready()
        out = door.leg.out(Media.AUDIO)
        for tick in range(int(TALK_S * 50)):
            payload = encoder.encode(pcm[tick * 320 : (tick + 1) * 320])
            timestamp = tick * out.clock_hz // 50
            door.leg.send_rtp(
                Media.AUDIO, rtp(out.payload_type, tick, timestamp, out.ssrc, payload)
            )
            await asyncio.sleep(0.02)
        report = await page.evaluate("app.report()")

    assert door.leg.codec is codec
    assert report["audio"]["totalAudioEnergy"] > 0.005
    assert {packet[1] & 0x7F for packet in door.heard} == {codec.value}
    spoken = b"".join(decoder.feed(packet[12:]) for packet in door.heard)
    assert len(spoken) > TALK_S * 16_000 / 2
    assert tones.rms(spoken) > 100


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


class LossyWay:
    """A device behind a way that loses one packet of 20, with a bridge of its own in front of it."""

    def __init__(
        self, door: Door, seed: int, *, loss: float = LOSS, sprop: str | None = None
    ) -> None:
        loop = asyncio.get_running_loop()
        self.door = door
        self.panel = RecordingLeg("panel", loop.time)
        self.bridge = Bridge(on_digit=lambda *pressed: None)
        self.bridge.attach_panel(self.panel, sprop=sprop)
        self.bridge.attach(door.leg, hears_visitor=True, is_phone=False)
        self.lost = 0
        chance = random.Random(seed)
        send = door.mux.send

        def send_most(packet: bytes, target: tuple[str, int]) -> None:
            is_picture = 128 <= packet[0] <= 191 and packet[1] & 0x7F in VIDEO_PAYLOAD_TYPES
            if is_picture and chance.random() < loss:
                self.lost += 1
            else:
                send(packet, target)

        door.mux.send = send_most

    async def film(self, clip: list[list[bytes]]) -> None:
        """Send the pictures in real time; no request of anybody's brings a key frame."""
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        number = 0
        for index, payloads in enumerate(clip):
            for payload in payloads:
                kind = 96 | (payload is payloads[-1]) << 7
                packet = rtp(kind, number, index * TICKS_A_FRAME, 77, payload)
                self.panel.on_rtp(self.panel, Media.VIDEO, memoryview(packet), loop.time())
                number += 1
            due_at = began_at + (index + 1) / FRAMES_A_SECOND
            await asyncio.sleep(max(0.0, due_at - loop.time()))


async def test_at_5_percent_loss_the_picture_keeps_moving_by_packets_sent_again(
    capsys: pytest.CaptureFixture[str],
):
    clip = encode("42e01f", FILM_S * FRAMES_A_SECOND, key_frame_every=4 * FRAMES_A_SECOND)
    shown = {}
    for has_nack in (True, False):
        async with Door(video=panel_video()) as door, browser_page() as page:
            way = LossyWay(door, seed=5)
            offer = door.leg.offer()
            if not has_nack:
                offer = re.sub(r"a=rtcp-fb:\d+ nack\r\n", "", offer)
            door.leg.accept_answer(await page.evaluate(SCRIPT, offer))
            await door.is_ready()
            await way.film(clip)
            report = (await page.evaluate("app.report()"))["video"]
            way.bridge.close()
        shown[has_nack] = report["framesDecoded"]
        words = f"{way.lost} packets lost, {report['framesDecoded']} of {len(clip)} pictures shown"
        with capsys.disabled():
            sys.stdout.write(f"\n  {'with' if has_nack else 'without'} NACK: {words}\n")
        assert way.lost > 0

    assert shown[True] >= 0.95 * len(clip)
    assert shown[False] <= 0.75 * len(clip)


@pytest.mark.parametrize("profile_level_id", ["42e01f", "640028"])
async def test_a_panel_that_says_its_parameter_sets_in_sdp_alone_and_sends_out_of_order_is_seen(
    profile_level_id: str,
):
    clip = encode(profile_level_id, int(TALK_S * FRAMES_A_SECOND))
    sets = {payload[0] & 0x1F: payload for payload in clip[0] if payload[0] & 0x1F in (7, 8)}
    sprop = ",".join(base64.b64encode(sets[kind]).decode() for kind in (7, 8))
    bare = [[payload for payload in each if payload[0] & 0x1F not in (7, 8)] for each in clip]
    async with Door(video=panel_video(profile_level_id)) as door, browser_page() as page:
        way = LossyWay(door, seed=5, loss=0.0, sprop=sprop)
        deliver = way.panel.on_rtp
        held: list[memoryview] = []

        def swap_some(leg: MediaLeg, media: Media, packet: memoryview, now: float) -> None:
            if packet[3] % 5 == 2 and not held:  # one in five comes after its successor
                held.append(packet)
                return
            deliver(leg, media, packet, now)
            while held:
                deliver(leg, media, held.pop(), now)

        way.panel.on_rtp = swap_some
        door.leg.accept_answer(await page.evaluate(SCRIPT, door.leg.offer()))
        await door.is_ready()
        await way.film(bare)
        report = (await page.evaluate("app.report()"))["video"]
        way.bridge.close()

    assert report["framesDecoded"] >= 0.9 * len(clip) - 1
    assert report["frameHeight"] == 480
