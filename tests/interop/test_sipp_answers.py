"""sipp is the resident's phone, behind a trunk or on the desk, of the running router."""

import asyncio
import hashlib
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.firmware_sim.boxes import Box
from tests.interop.house import (
    BUTTON,
    HOST,
    NUMBER,
    SECOND_NUMBER,
    TRUNK_PASSWORD,
    TRUNK_USER,
    Door,
    House,
    Router,
    app_of,
    panel_of,
)
from tests.interop.machine import POLL_S, free_port
from tests.interop.strangers import Sipp

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

STEP_S = 12.0
QUIET_S = 1.5
"""Long enough for a second opening to come, if there were one."""


@dataclass(slots=True)
class Scene:
    """Our own panel, the router with an HTTP door, and sipp for every phone."""

    panel: Box
    router: Router
    door: Door
    phone: Sipp

    async def press(self) -> None:
        assert await self.panel.post("/api/press", button=BUTTON) == 200

    async def call(self) -> dict[str, Any]:
        return dict((await self.panel.get("/api/state"))["call"])

    async def ended(self) -> dict[str, Any]:
        """Wait until the panel's call is over; give how it ended."""
        async with asyncio.timeout(STEP_S):
            while True:
                ended = (await self.call())["ended"]
                if ended is not None:
                    return dict(ended)
                await asyncio.sleep(POLL_S)

    async def sipp_is_content(self) -> None:
        assert await self.phone.ended(STEP_S) == 0, self.phone.errors() + self.router.log()


@asynccontextmanager
async def scene(
    scenario: str, folder: Path, *, calls: int = 1, make: Callable[[Sipp], House] | None = None
) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        phone = await stack.enter_async_context(Sipp(scenario, folder=folder, calls=calls))
        house = make(phone) if make else House(numbers=(NUMBER,), trunk=phone.address)
        door = await stack.enter_async_context(Door())
        router = await stack.enter_async_context(Router(house, folder=folder, door=door))
        panel = await stack.enter_async_context(panel_of(router, folder))
        yield Scene(panel, router, door, phone)


async def opened_once(at: Scene) -> None:
    """Wait for the opening, and long enough for a second one."""
    async with asyncio.timeout(STEP_S):
        while not at.door.openings:  # noqa: ASYNC110 - the door's own counter
            await asyncio.sleep(POLL_S)
    await asyncio.sleep(QUIET_S)
    assert at.door.openings == 1


@pytest.mark.parametrize(
    "scenario", ["phone_presses_5_by_event", "phone_presses_5_by_info", "phone_presses_5_by_both"]
)
async def test_a_5_opens_the_door_exactly_once_whichever_ways_it_comes(
    scenario: str, tmp_path: Path
) -> None:
    async with scene(scenario, tmp_path) as at:
        await at.press()
        await opened_once(at)
        await at.panel.post("/api/cancel")
        await at.sipp_is_content()

    invite = at.phone.messages()
    assert "From: <sip:+4723506953@" in invite
    assert "P-Asserted-Identity: <sip:+4723506953@" in invite


async def test_busy_phones_are_tried_in_turn_and_the_panel_is_told(tmp_path: Path) -> None:
    def make(phone: Sipp) -> House:
        return House(numbers=(NUMBER, SECOND_NUMBER), trunk=phone.address)

    async with scene("phone_is_busy", tmp_path, calls=2, make=make) as at:
        await at.press()
        ended = await at.ended()
        await at.sipp_is_content()

    tried = at.phone.messages()
    assert f"To: <sip:{NUMBER}@" in tried
    assert f"To: <sip:{SECOND_NUMBER}@" in tried
    assert (ended["status"], ended["reason"]) == (480, "Nobody answers")
    assert at.door.openings == 0


async def test_the_next_number_opens_when_the_first_is_busy(tmp_path: Path) -> None:
    def make(phone: Sipp) -> House:
        return House(numbers=(NUMBER, SECOND_NUMBER), trunk=phone.address)

    async with scene("phones_first_busy_second_presses_5", tmp_path, calls=2, make=make) as at:
        await at.press()
        await opened_once(at)
        await at.panel.post("/api/cancel")
        await at.sipp_is_content()


async def test_a_phone_that_never_answers_is_cancelled_when_its_time_is_over(
    tmp_path: Path,
) -> None:
    def make(phone: Sipp) -> House:
        return House(numbers=(NUMBER,), trunk=phone.address, phone_stage_s=5.0)

    async with scene("phone_never_answers", tmp_path, make=make) as at:
        await at.press()
        ended = await at.ended()
        await at.sipp_is_content()

    assert (ended["status"], ended["reason"]) == (480, "Nobody answers")


async def test_a_dead_trunk_is_given_up_in_time_and_the_next_one_calls(tmp_path: Path) -> None:
    def make(phone: Sipp) -> House:
        nobody = (HOST, free_port(HOST))
        return House(numbers=(NUMBER,), trunk=nobody, second_trunk=phone.address)

    async with scene("phone_presses_5_by_info", tmp_path, make=make) as at:
        await at.press()
        await opened_once(at)
        await at.panel.post("/api/cancel")
        await at.sipp_is_content()
        assert "trunk.unreachable" in at.router.log()


async def test_a_trunk_without_a_free_line_is_passed_over(tmp_path: Path) -> None:
    async with (
        Sipp("trunk_is_full", folder=tmp_path) as full,
        scene(
            "phone_presses_5_by_info",
            tmp_path,
            make=lambda phone: House(
                numbers=(NUMBER,), trunk=full.address, second_trunk=phone.address
            ),
        ) as at,
    ):
        await at.press()
        await opened_once(at)
        await at.panel.post("/api/cancel")
        await at.sipp_is_content()
        assert await full.ended() == 0, full.errors()


async def test_with_no_trunk_alive_the_panel_is_told_that_nobody_can_be_reached(
    tmp_path: Path,
) -> None:
    def make(_: Sipp) -> House:
        return House(numbers=(NUMBER,), trunk=(HOST, free_port(HOST)))

    async with scene("phone_is_busy", tmp_path, make=make) as at:
        pressed_at = time.monotonic()
        await at.press()
        ended = await at.ended()

    assert (ended["status"], ended["reason"]) == (480, "Nobody can be reached")
    assert time.monotonic() - pressed_at < 8.0  # 3.9 s for the trunk, 2.3 s for the words


async def test_digits_before_the_answer_open_nothing(tmp_path: Path) -> None:
    async with scene("phone_presses_5_before_answering", tmp_path) as at:
        await at.press()
        await at.panel.reaches("/api/state", call__phase="talking")
        await asyncio.sleep(QUIET_S)
        await at.panel.post("/api/cancel")
        await at.sipp_is_content()

    assert at.door.openings == 0


async def test_an_answer_that_crosses_the_cancel_is_acknowledged_and_hung_up(
    tmp_path: Path,
) -> None:
    async with scene("phone_answers_when_cancelled", tmp_path) as at:
        await at.press()
        await at.panel.reaches("/api/state", call__phase="early")
        await asyncio.sleep(0.5)
        await at.panel.post("/api/cancel")
        await at.sipp_is_content()


async def test_a_trunk_that_challenges_is_answered_with_the_right_digest(tmp_path: Path) -> None:
    async with scene("phone_behind_digest", tmp_path) as at:
        await at.press()
        await opened_once(at)
        await at.panel.post("/api/cancel")
        await at.sipp_is_content()

    given = re.search(r"^Proxy-Authorization: Digest (.*)$", at.phone.messages(), re.MULTILINE)
    assert given is not None
    params = dict(re.findall(r'(\w+)="?([^",\r]*)"?', given.group(1)))
    assert (params["username"], params["opaque"]) == (TRUNK_USER, "carrier")
    assert params["response"] == md5_response(params)


def md5_response(params: dict[str, str]) -> str:
    """Compute it anew, of RFC 2617 §3.2.2.1 alone: sipp checks Authorization only."""
    secret = md5(f"{TRUNK_USER}:carrier.example:{TRUNK_PASSWORD}")
    between = ":".join(params[name] for name in ("nonce", "nc", "cnonce", "qop"))
    return md5(f"{secret}:{between}:{md5('INVITE:' + params['uri'])}")


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


async def test_a_sip_phone_on_the_desk_rings_beside_the_app_and_opens(tmp_path: Path) -> None:
    def make(phone: Sipp) -> House:
        address = "{}:{}".format(*phone.address)
        return House(has_app=True, sip_phone=f"sip:desk@{address}")

    async with (
        scene("phone_presses_5_by_info", tmp_path, make=make) as at,
        app_of(at.router) as app,
    ):
        await at.press()
        await app.reaches("/api/state", call__phase="ringing")
        state = await app.reaches("/api/state", call__phase="ended")
        await opened_once(at)
        await at.panel.post("/api/cancel")
        await at.sipp_is_content()

    assert state["call"]["ended_reason"] == "answered elsewhere"
    assert 'From: "Main entrance" <sip:+4723506953@' in at.phone.messages()
