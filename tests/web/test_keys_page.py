"""The resident's page in Chromium: the key to a door without a call, and ready answers to a visitor."""

from dataclasses import replace
from pathlib import Path

import pytest

from intercom.routing.directory import DoorRight
from intercom.routing.ids import DoorId, PropertyId
from tests.web.desk import ANNA
from tests.web.screen import CHROMIUM, HOLD_MS, LOOKS, Screen, open_screen, until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.xdist_group("browser"),
    pytest.mark.timeout(60),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="no Chromium on this machine"),
]


def give_key(screen: Screen) -> list[dict[str, str]]:
    """Let Anna have the key to the main entrance; give the wishes that come."""
    desk, wishes = screen.desk, []
    storgata = PropertyId("storgata")
    prop = replace(desk.directory.properties[storgata], has_keys_in_app=True)
    desk.directory = replace(desk.directory, properties={storgata: prop})
    desk.hub.on_key = lambda _resident, _device, frame: wishes.append(frame)
    desk.change_resident(ANNA, rights=(DoorRight(DoorId("main"), has_key=True),))
    return wishes


def result(screen: Screen, wish: dict[str, str], state: str, cause: str = "") -> None:
    frame = {"type": "key_result", "id": wish["id"], "state": state, "cause": cause}
    screen.desk.hub.send(screen.desk.device, {**frame, "pulse_ms": 1500})


async def test_a_door_with_a_key_is_opened_by_holding_and_says_what_the_door_did(tmp_path):
    async with open_screen(tmp_path) as screen:
        page = screen.page
        await screen.log_in()
        assert await page.locator("door-button").count() == 0
        wishes = give_key(screen)
        await page.wait_for_selector(".door.idle")
        await screen.shot("20-key")

        await screen.hold_door(HOLD_MS // 4)
        assert wishes == []
        await screen.hold_door(HOLD_MS + 150)
        await until(lambda: wishes)
        assert wishes[0]["door"] == "main"
        await page.wait_for_selector(".door.opening")
        result(screen, {"id": "another"}, "opened")
        result(screen, wishes[0], "opened")
        await page.wait_for_selector(".door.opened")
        await screen.shot("21-opened")
        await page.wait_for_selector(".door.idle")

        for state, cause in (
            ("unknown", ""),
            ("failed", "the panel is offline"),
            ("refused", "too many openings within a minute"),
        ):
            wishes.clear()
            await screen.hold_door(HOLD_MS + 150)
            await until(lambda: wishes)
            result(screen, wishes[0], state, cause)
            await page.wait_for_selector(f".door.{state}")
            await screen.shot(f"22-{state}")


async def test_a_wish_whose_answer_was_lost_is_sent_again_as_the_same_wish(tmp_path):
    async with open_screen(tmp_path) as screen:
        await screen.log_in()
        wishes = give_key(screen)
        await screen.page.wait_for_selector(".door.idle")
        await screen.hold_door(HOLD_MS + 150)
        await until(lambda: wishes)
        screen.desk.change_resident(ANNA, name="Anna Berg")  # greets anew, as a reconnection does
        await until(lambda: len(wishes) == 2)

    assert wishes[0] == wishes[1]


@pytest.mark.parametrize("look", LOOKS[1:2], ids="-".join)
async def test_ready_answers_are_sent_while_it_rings_and_in_the_talk_and_said_to_be_told(
    tmp_path, look
):
    async with open_screen(tmp_path, look) as screen:
        page = screen.page
        await screen.log_in()
        await screen.ring()
        await screen.shot("30-ready-answers")
        await page.locator(".answers button").nth(1).click()
        frame = await screen.sent("ready_answer")
        assert frame["answer"] == "leave_it"
        screen.tell(type="ready_answer", answer="leave_it", state="told")
        await page.wait_for_selector(".answers [aria-pressed=true]")
        await screen.shot("31-told")
        assert "accept" not in screen.sent_types()

        await page.click(".answer")
        await screen.sent("accept")
        screen.tell(type="talking")
        await page.wait_for_selector(".state[data-s=talking]")
        screen.tell(type="ready_answer", answer="coming", state="refused")
        await page.wait_for_selector(".answers .note")
        await screen.shot("32-refused")
