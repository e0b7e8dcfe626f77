"""An ordinary phone takes the call, or a machine, or nobody: what opens, and what is said to whom."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from firmware_sim.process import control_server
from intercom.demo.breaks import OTHER_CALLER_ID, WRONG
from intercom.demo.stage import CALLER_ID, NUMBER, Plan
from intercom.demo.verdict import (
    AT_LEAST,
    OPENED_HZ,
    OPENED_MIN_MS,
    RESIDENT_HZ,
    SETTLE_MS,
    VISITOR_HZ,
)
from tests.e2e.conftest import OpenPlay
from tests.e2e.play import NO_PHONE, Play, now_ms

NO_APP = ("carrier", "phone", "panel")
NO_RESIDENT = ("carrier", "panel")
KEY_5_HZ = (770, 1336)
PROMPT_MS = 4000
TALK_MS = 1500
LATEST_MS = 700
ACCEPT_S = 45
NO_DOOR_S = 12.0
"""Longer than a door's time to answer."""

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


async def wait_ms(play: Play, until_ms: float) -> None:
    """Let the strangers talk until a moment."""

    async def look() -> bool:
        return now_ms() >= until_ms

    await play.until("the moment", look, within_s=60)


async def test_key_4_accepts_without_opening_and_key_5_opens_once_with_tones_for_both(
    open_play: OpenPlay,
):
    async with open_play(Plan(app_stage_s=1)) as play:
        await play.tell("phone", "behaviour", {"answer_after_s": 1.0, "press": None})
        await play.press()
        answered_ms = await play.at("phone", "answered", within_s=15)

        async def quiet_app() -> bool:
            return bool((await play.call("resident"))["is_quiet"])

        await play.until("the app goes on ringing, quietly", quiet_app)
        await wait_ms(play, answered_ms + PROMPT_MS)
        await play.tell("phone", "press", {"digit": "4"})
        await play.at("resident", "ended")
        assert (await play.call("resident"))["ended_reason"] == "answered elsewhere"

        from_ms = now_ms() + SETTLE_MS  # the key is still down
        await wait_ms(play, from_ms + TALK_MS + LATEST_MS)
        at_door, at_phone = await play.heard("panel"), await play.heard("phone")
        assert at_door.share(RESIDENT_HZ, from_ms, from_ms + TALK_MS) >= AT_LEAST
        assert at_phone.share(VISITOR_HZ, from_ms, from_ms + TALK_MS) >= AT_LEAST
        assert play.journal() == []

        await play.tell("phone", "press", {"digit": "5"})
        pulse_ms = (await play.pulses(1))[0]["at_ms"]
        await wait_ms(play, pulse_ms + 2 * LATEST_MS)
        for who in ("panel", "phone"):
            heard = await play.heard(who)
            assert heard.first_tone_ms(OPENED_HZ, pulse_ms, now_ms(), OPENED_MIN_MS), who
        await play.tell("phone", "hang_up")
        await play.ended_at_panel()
        call = await play.call("phone")
        assert call["caller_id"] == CALLER_ID
        assert call["digits_heard"] == []
        assert len(play.journal("on")) == 1


@pytest.mark.parametrize("is_in_band", [False, True], ids=["by event", "as tones"])
async def test_a_visitor_who_plays_a_5_into_the_microphone_opens_nothing(
    open_play: OpenPlay, *, is_in_band: bool
):
    async with open_play(cast=NO_APP) as play:
        await play.tell("phone", "behaviour", {"answer_after_s": 1.0, "press": None})
        await play.press()
        answered_ms = await play.at("phone", "answered", within_s=15)
        await wait_ms(play, answered_ms + PROMPT_MS)

        await play.tell("panel", "play", {"digit": "5", "is_in_band": is_in_band})

        await wait_ms(play, now_ms() + 2000)
        assert (await play.call("phone"))["digits_heard"] == []
        assert play.journal() == []


async def test_an_announcement_and_a_machine_that_say_5_open_nothing_and_are_left_after_45_s(
    open_play: OpenPlay,
):
    plan = Plan(answering_machine_after_s=1.0, has_announcement=True, has_phone=False)
    async with open_play(plan, cast=NO_RESIDENT) as play:
        await play.press()

        async def answered() -> float | None:
            calls = await play.carrier_calls()
            return calls[0]["answered_ms"] if calls else None

        answered_ms = await play.until("the machine answers", answered, within_s=20)
        heard = await play.heard("panel")
        for hz in KEY_5_HZ:
            assert heard.share(hz, play.pressed_ms, answered_ms) == 0, hz
        assert heard.share(425, play.pressed_ms, answered_ms) > 0

        call = await play.ended_at_panel(within_s=ACCEPT_S + 15)
        assert "not accepted" in (await play.intercom("trace")).out
        assert call["states"][-1]["text"] == "Nobody answers"
        carrier = (await play.carrier_calls())[0]
        assert carrier["result"] == "machine"
        assert carrier["ended_by"] == "trunk"
        assert carrier["ended_ms"] - answered_ms < 1000 * (ACCEPT_S + 5)
        assert play.journal() == []


@dataclass(frozen=True)
class Refusal:
    """A bad day of the carrier's, and what the visitor and the operator are told."""

    fault: str | None
    told: str
    text: str
    log_event: str = ""
    remedy: str = ""
    plan: Plan = field(default_factory=Plan)


REFUSALS = {
    "busy": Refusal("busy", "Nobody answers", "Nobody answers"),
    "declined": Refusal("decline", "Nobody answers", "Nobody answers"),
    "switched off": Refusal("not_registered", "Nobody answers", "Nobody answers"),
    "overloaded": Refusal(
        "reject_503",
        "Nobody can be reached",
        "Nobody can be reached now",
        "trunk.unreachable",
        "address",
    ),
    "password": Refusal(
        None,
        "Nobody can be reached",
        "Nobody can be reached now",
        "trunk.refused",
        "password is wrong",
        Plan(trunk_password=WRONG),
    ),
    "caller ID": Refusal(
        None,
        "Nobody can be reached",
        "Nobody can be reached now",
        "trunk.refused",
        "allow your caller ID",
        Plan(allowed_caller_ids=(OTHER_CALLER_ID,)),
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
async def test_a_call_that_the_carrier_refuses_is_a_clear_word_to_visitor_and_operator(
    open_play: OpenPlay, refusal: Refusal
):
    async with open_play(refusal.plan, cast=NO_APP) as play:
        if refusal.fault:
            await play.fault("carrier", refusal.fault)

        await play.press()
        call = await play.ended_at_panel(within_s=20)

        assert call["ended"] == {"status": 480, "reason": refusal.told}
        assert call["states"][-1]["text"] == refusal.text
        errors = logged_errors(play)
        assert len(errors) == (1 if refusal.log_event else 0)
        assert all(refusal.log_event in line and refusal.remedy in line for line in errors)
        assert play.journal() == []


async def test_no_trunk_that_may_show_the_caller_id_is_a_clear_word_to_visitor_and_operator(
    open_play: OpenPlay,
):
    def without_trunk(building: str) -> str:
        return building[: building.index("[[trunk]]")]

    async with open_play(cast=NO_RESIDENT, edit=without_trunk) as play:
        await play.press()
        call = await play.ended_at_panel()

        assert call["ended"] == {"status": 480, "reason": "Nobody can be reached"}
        assert call["states"][-1]["text"] == "Nobody can be reached now"
        assert "add a [[trunk]]" in logged_errors(play)[0]
        assert await play.carrier_calls() == []


async def test_a_number_that_does_not_exist_is_a_clear_word_to_the_visitor(open_play: OpenPlay):
    def renumbered(building: str) -> str:
        return building.replace(NUMBER, "+4790000009")

    async with open_play(cast=NO_RESIDENT, edit=renumbered) as play:
        await play.press()
        call = await play.ended_at_panel()

        assert call["ended"] == {"status": 480, "reason": "Nobody can be reached"}
        assert (await play.carrier_calls())[0]["status"] == 404


async def test_a_panel_with_a_wrong_password_reaches_nobody_and_shows_it(open_play: OpenPlay):
    async with open_play(
        Plan(panel_password=WRONG), cast=("carrier", "phone", "panel"), is_online=False
    ) as play:
        await play.press()

        async def over() -> str | None:
            ended = (await play.call("panel"))["ended"]
            return str(ended["status"]) if ended else None

        status = await play.until("the panel is refused", over)
        panel = await play.state("panel")
        assert status in ("401", "403")
        assert not panel["is_registered"]
        assert not panel["link"]["is_online"]
        assert (await play.state("phone"))["calls"] == 0


async def test_a_door_that_does_not_answer_is_called_unknown_and_never_opened(open_play: OpenPlay):
    async with open_play(Plan(app_stage_s=40), cast=(*NO_PHONE, "resident")) as play:
        await play.fault("panel", "relay_silent")
        await play.press()
        await play.at("resident", "ring")
        await play.tell("resident", "accept")
        await play.at("resident", "talking")

        await play.tell("resident", "open")

        await play.at("resident", "unknown", within_s=NO_DOOR_S)
        call = await play.call("resident")
        assert [each["state"] for each in call["door_states"]] == ["opening", "unknown"]
        states = [each["state"] for each in (await play.call("panel"))["states"]]
        assert "no answer from the door" in states
        assert "opened" not in states
        assert play.journal() == []


@asynccontextmanager
async def http_relay(asked: list[str]) -> AsyncIterator[int]:
    """Play a relay with a web server, which measures nothing."""

    async def open_door(request: web.Request) -> web.Response:
        asked.append(request.path_qs)
        return web.Response(text="OK")

    app = web.Application()
    app.router.add_get("/open", open_door)
    async with control_server(app) as port:
        yield port


async def test_a_relay_by_http_is_called_once_and_the_app_is_told_sent_not_opened(
    open_play: OpenPlay,
):
    asked: list[str] = []
    async with http_relay(asked) as port:

        def by_http(building: str) -> str:
            ours = '{ driver = "panel-link", panel = "main", relay = 1 }'
            theirs = f'{{ driver = "http", url = "http://127.0.0.1:{port}/open?door=1" }}'
            return building.replace(ours, theirs)

        async with open_play(
            Plan(app_stage_s=40), cast=(*NO_PHONE, "resident"), edit=by_http
        ) as play:
            await play.press()
            await play.at("resident", "ring")
            await play.tell("resident", "open")

            await play.at("resident", "sent")
            states = [each["state"] for each in (await play.call("resident"))["door_states"]]
            assert states == ["opening", "sent"]
            assert asked == ["/open?door=1"]
            assert play.journal() == []


def logged_errors(play: Play) -> list[str]:
    """Read what the router wants an operator to act upon."""
    return [line for line in play.router_log().splitlines() if "[error" in line]
