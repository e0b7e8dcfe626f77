"""A check call: the service rings a number, and only a person's key confirms it (requirement B11)."""

import asyncio

import pytest

from intercom.demo.stage import CALLER_ID, NUMBER, Plan
from tests.e2e.conftest import OpenPlay
from tests.e2e.play import Play

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

ONLY_A_PHONE = ("carrier", "phone")
NOT_DONE = 1


async def check_number(play: Play, number: str = NUMBER) -> asyncio.Task:
    """Ask for a check call, beside which the phone is told what to do."""
    play.pressed_ms = 0
    return asyncio.get_running_loop().create_task(play.intercom("check-number", number))


async def test_whoever_answers_hears_words_and_confirms_the_number_by_the_key_that_opens(
    open_play: OpenPlay,
):
    async with open_play(Plan(), cast=ONLY_A_PHONE, is_online=False) as play:
        await play.tell("phone", "behaviour", {"answer_after_s": 0.5, "press": None})
        asked = await check_number(play)
        answered_ms = await play.at("phone", "answered", within_s=20)
        await asyncio.sleep(2.5)
        await play.tell("phone", "press", {"digit": "5"})
        done = await asked

        assert done.exit_code == 0, done
        assert f"{NUMBER}: confirmed" in done.out
        assert not (await play.heard("phone")).is_silent(answered_ms + 500, answered_ms + 2000)
        [call] = await play.carrier_calls()
        assert call["from_user"] == CALLER_ID
        assert play.journal("on") == []


async def test_a_call_that_is_answered_and_hung_up_without_the_key_confirms_nothing(
    open_play: OpenPlay,
):
    async with open_play(Plan(), cast=ONLY_A_PHONE, is_online=False) as play:
        await play.tell("phone", "behaviour", {"answer_after_s": 0.5, "press": None})
        asked = await check_number(play)
        await play.at("phone", "answered", within_s=20)
        await play.tell("phone", "press", {"digit": "1"})
        await asyncio.sleep(1.0)
        await play.tell("phone", "hang_up")
        done = await asked

        assert done.exit_code == NOT_DONE
        assert "the key did not come" in done.out


async def test_a_premium_number_is_never_rung(open_play: OpenPlay):
    async with open_play(Plan(), cast=ONLY_A_PHONE, is_online=False) as play:
        done = await play.intercom("check-number", "+4782000000")

        assert done.exit_code == NOT_DONE
        assert "premium-rate" in done.err
        assert await play.carrier_calls() == []
