"""baresip is a panel that nobody here wrote: it rings at the running router, talks and opens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from intercom.media.tones import tone_share
from tests.firmware_sim.boxes import Box
from tests.interop.house import BUTTON, PANEL, PANEL_PASSWORD, Door, House, Router, app_of
from tests.interop.machine import Namespace
from tests.interop.strangers import Baresip

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

PANEL_HZ = 440
RESIDENT_HZ = 1000
RINGBACK_HZ = 425
TALK_S = 2.0
STEP_S = 8.0
PROMPT_S = 2.0
"""The spoken name of the door, which a phone hears first."""
HALF_SECOND_BYTES = 8_000
PREVIEW_MS = 500
"""Requirement B2."""


@dataclass(slots=True)
class Scene:
    """A panel of baresip's, the router, and the resident's app."""

    panel: Baresip
    router: Router
    app: Box
    door: Door

    async def press(self) -> None:
        """Call the button and wait until the app rings."""
        host, port = self.router.sip
        await self.panel.dial(f"sip:{BUTTON}@{host}:{port}")
        await self.app.reaches("/api/state", call__phase="ringing")

    async def reached(self, step: str) -> dict[str, Any]:
        """Wait until the app's call has a stamp of a step, such as first_frame_ms."""
        async with asyncio.timeout(STEP_S):
            while True:
                call = (await self.app.get("/api/state"))["call"]
                if call[step] is not None:
                    return dict(call)
                await asyncio.sleep(0.05)


@asynccontextmanager
async def scene(
    folder: Path, *, by_address: bool = False, early: str = "183"
) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        namespace = await stack.enter_async_context(Namespace())
        door = await stack.enter_async_context(Door())
        house = House(
            host=namespace.host,
            panel_address=namespace.guest if by_address else "",
            early=early,
            has_app=True,
        )
        router = await stack.enter_async_context(Router(house, folder=folder, door=door))
        app = await stack.enter_async_context(app_of(router))
        panel = await stack.enter_async_context(
            Baresip(
                namespace,
                folder=folder,
                server=router.sip,
                username=PANEL,
                password="" if by_address else PANEL_PASSWORD,
                is_registering=not by_address,
                tone_hz=PANEL_HZ,
            )
        )
        if not by_address:
            await panel.registered()
        yield Scene(panel, router, app, door)


async def test_it_rings_with_picture_talks_both_ways_and_opens_its_http_door(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as at:
        await at.press()
        await at.panel.event("CALL_PROGRESS")
        await at.reached("first_frame_ms")
        assert not any(event.get("type") == "CALL_ESTABLISHED" for event in at.panel.events)
        await at.reached("first_sound_ms")
        await asyncio.sleep(TALK_S)
        early = at.panel.heard()
        await at.app.post("/api/accept")
        await at.panel.event("CALL_ESTABLISHED")
        await asyncio.sleep(TALK_S)
        await at.app.post("/api/open")
        await at.reached("sent_ms")
        heard_by_resident = await at.app.get("/api/heard.wav")
        await at.panel.hang_up()
        call, heard_by_visitor = await at.reached("ended_ms"), at.panel.heard()

    assert call["has_picture"]
    assert call["first_frame_ms"] - call["ring_ms"] <= PREVIEW_MS
    assert call["ended_reason"] == "visitor left"
    assert call["opened_ms"] is None, "an HTTP relay only says that it was sent"
    assert at.door.openings == 1
    assert tone_share(heard_by_resident[-16_000:], PANEL_HZ) > 0.9
    assert loudest_share(early, RINGBACK_HZ) > 0.9
    assert loudest_share(early, RESIDENT_HZ) < 0.1
    assert loudest_share(heard_by_visitor, RESIDENT_HZ) > 0.9


async def test_it_is_hung_up_on_when_the_resident_ends_the_call(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await at.press()
        await at.app.post("/api/accept")
        await at.panel.event("CALL_ESTABLISHED")
        await asyncio.sleep(0.5)
        await at.app.post("/api/hang_up")

        await at.panel.event("CALL_CLOSED", limit_s=3.0)


async def test_it_is_forgotten_when_the_visitor_gives_up(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await at.press()
        await at.panel.hang_up()

        call = await at.reached("ended_ms")

    assert call["ended_reason"] == "visitor left"


async def test_it_may_hold_the_call_and_take_it_up_again(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await at.press()
        await at.app.post("/api/accept")
        await at.panel.event("CALL_ESTABLISHED")
        await at.panel.command("hold")
        await asyncio.sleep(TALK_S)
        on_hold = await at.app.get("/api/heard.wav")
        await at.panel.command("resume")
        await asyncio.sleep(TALK_S)
        resumed = await at.app.get("/api/heard.wav")
        call = (await at.app.get("/api/state"))["call"]

    assert call["phase"] == "talking"
    assert tone_share(on_hold[-HALF_SECOND_BYTES:], PANEL_HZ) < 0.1
    assert tone_share(resumed[-HALF_SECOND_BYTES:], PANEL_HZ) > 0.9


async def test_it_talks_to_another_baresip_on_the_desk_which_presses_5(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        namespace = await stack.enter_async_context(Namespace())
        door = await stack.enter_async_context(Door())
        desk = await stack.enter_async_context(
            Baresip(
                namespace,
                folder=tmp_path,
                server=(namespace.host, 5060),
                username="desk",
                password="",
                is_registering=False,
                is_answering=True,
                has_video=False,
                tone_hz=RESIDENT_HZ,
            )
        )
        house = House(host=namespace.host, sip_phone=f"sip:desk@{namespace.guest}:{desk.sip_port}")
        router = await stack.enter_async_context(Router(house, folder=tmp_path, door=door))
        panel = await stack.enter_async_context(
            Baresip(
                namespace,
                folder=tmp_path,
                server=router.sip,
                username=PANEL,
                password=PANEL_PASSWORD,
                audio_codec="PCMU",
            )
        )
        await panel.registered()
        await panel.dial(f"sip:{BUTTON}@{router.sip[0]}:{router.sip[1]}")
        await panel.event("CALL_ESTABLISHED")
        await asyncio.sleep(TALK_S + PROMPT_S)
        at_panel, at_desk = panel.heard(), desk.heard()
        await desk.command("sndcode", "5")
        await asyncio.sleep(TALK_S)
        await desk.hang_up()
        await panel.event("CALL_CLOSED", limit_s=3.0)

    assert loudest_share(at_panel, RESIDENT_HZ) > 0.9
    assert loudest_share(at_desk, PANEL_HZ) > 0.9
    assert door.openings == 1


async def test_it_needs_no_password_where_its_address_is_allowed(tmp_path: Path) -> None:
    async with scene(tmp_path, by_address=True) as at:
        await at.press()
        await at.reached("first_frame_ms")
        await at.app.post("/api/accept")
        await at.panel.event("CALL_ESTABLISHED")
        await at.panel.hang_up()
        await at.app.reaches("/api/state", call__phase="ended")


async def test_with_profile_answer_it_is_answered_at_once_and_hears_ringing_in_the_sound(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, early="answer") as at:
        await at.press()
        await at.panel.event("CALL_ESTABLISHED")
        await at.reached("first_frame_ms")
        await asyncio.sleep(TALK_S)
        ringing = at.panel.heard()
        await at.app.post("/api/decline")

        await at.panel.event("CALL_CLOSED", limit_s=3.0)

    assert loudest_share(ringing, RINGBACK_HZ) > 0.9


def loudest_share(pcm: bytes, tone_hz: int) -> float:
    """Give the tone's share of the half second that has most of it."""
    pieces = [pcm[at : at + HALF_SECOND_BYTES] for at in range(0, len(pcm), HALF_SECOND_BYTES)]
    return max((tone_share(piece, tone_hz) for piece in pieces), default=0.0)
