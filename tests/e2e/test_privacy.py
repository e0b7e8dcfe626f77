"""What the router of a residential property writes about its calls, at its most talkative: nothing."""

import pytest

from intercom.demo.stage import DOOR, NUMBER, RESIDENT, Plan
from tests.e2e.conftest import OpenPlay
from tests.e2e.play import Play

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

LOGINS = "logins.json"
PRIVATE = (
    *("Kari", "Nordmann", RESIDENT, NUMBER, NUMBER.removeprefix("+")),
    *(DOOR, "button", "doorbell", "device", "leg-", "Mozilla"),
)


async def take_app_call(play: Play) -> None:
    """Ring the app, answer, open, hang up."""
    await play.press()
    await play.at("resident", "ring")
    await play.tell("resident", "accept")
    await play.at("resident", "talking")
    await play.tell("resident", "open")
    await play.at("resident", "opened")
    await play.tell("resident", "hang_up")
    await play.at_panel("ended")


async def take_phone_call(play: Play) -> None:
    """Let the phone take the call, and press 5."""
    await play.tell(
        "phone", "behaviour", {"answer_after_s": 1.0, "press": "5", "press_after_s": 2.0}
    )
    await play.press()
    await play.at("phone", "answered", within_s=15)
    await play.pulses(2, within_s=15)
    await play.tell("phone", "hang_up")
    await play.at_panel("ended")


async def lose_a_call(play: Play) -> None:
    """Let the carrier fail, so that there is something to write."""
    await play.fault("carrier", "reject_503")
    await play.press()

    async def refused() -> bool:
        return [call["status"] for call in await play.carrier_calls()] == [503]

    await play.until("the carrier refuses the call", refused)
    await play.tell("panel", "cancel")
    await play.at_panel("ended")


def files(play: Play) -> dict[str, bytes]:
    """Read every file of the router's own but the log-ins, which calls do not touch."""
    found = (file for file in play.stage.state_dir.rglob("*") if file.is_file())
    return {file.name: file.read_bytes() for file in found if file.name != LOGINS}


def private_words(text: str) -> list[str]:
    return [word for word in PRIVATE if word.lower() in text.lower()]


async def test_a_residential_router_writes_no_person_number_button_or_device_at_level_debug(
    open_play: OpenPlay,
):
    async with open_play(Plan(app_stage_s=1, log_level="debug")) as play:
        before = files(play)
        await take_app_call(play)
        await take_phone_call(play)
        await lose_a_call(play)
        await play.stage.router.stop()

        log = play.router_log()
        assert "trunk.unreachable" in log  # it does write
        assert private_words(log) == [], log
        assert private_words(log + f"resident={RESIDENT}") != []  # a leak would be found
        assert files(play) == before
