"""The resident's page in Chromium: every state of the call screen."""

from pathlib import Path

import pytest

from intercom.web.connection import Close
from tests.web.desk import ANNA
from tests.web.screen import CHROMIUM, HOLD_MS, LOOKS, open_screen, until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.xdist_group("browser"),
    pytest.mark.timeout(120),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="no Chromium on this machine"),
]


@pytest.mark.parametrize("look", LOOKS, ids="-".join)
async def test_from_log_in_to_the_end_no_control_moves_and_each_state_says_what_is_known(
    tmp_path: Path, look: tuple[str, str, str]
) -> None:
    async with open_screen(tmp_path, look) as screen:
        page = screen.page
        await page.goto(screen.desk.url)
        await page.wait_for_selector("login-view")
        await screen.shot("00-log-in")
        await screen.log_in()
        await screen.shot("01-home")

        await screen.ring(with_media=True)
        await page.wait_for_selector(".pic.live", timeout=10_000)
        await screen.shot("10-ringing")
        places = {one: await screen.box(one) for one in (".decline", ".door", ".fact", "h1")}

        await page.click(".answer")
        await screen.sent("accept")
        screen.tell(type="talking")
        await page.wait_for_selector(".state[data-s=talking]")
        await page.wait_for_selector(".meter")
        await screen.shot("11-talking")
        assert await screen.box(".end") == places[".decline"]
        for one in (".door", ".fact", "h1"):
            assert await screen.box(one) == places[one], one

        await screen.hold_door(HOLD_MS + 150)
        await screen.sent("open")
        await page.wait_for_selector(".door.opening")
        await screen.shot("12-opening")
        screen.tell(type="door", state="opened", for_ms=6000, cause="")
        await page.wait_for_selector(".call.lit .door.opened")
        await screen.shot("13-opened")
        for state in ("sent", "unknown", "failed", "refused"):
            cause = "the panel is offline" if state == "failed" else ""
            screen.tell(type="door", state=state, for_ms=3000, cause=cause)
            await page.wait_for_selector(f".call:not(.lit) .door.{state}")
            await screen.shot(f"14-{state}")
            assert await screen.box(".end") == places[".decline"]
            assert await screen.box(".door") == places[".door"]

        screen.tell(type="ended", reason="time limit", text="")
        await page.wait_for_selector(".outcome")
        await screen.shot("15-ended")
        assert await screen.box(".outcome") == places[".door"]
        await page.click(".close")
        await screen.is_home()


async def test_a_door_opens_by_holding_for_600_ms_and_lifting_earlier_cancels(
    tmp_path: Path,
) -> None:
    async with open_screen(tmp_path) as screen:
        await screen.log_in()
        await screen.ring()

        await screen.hold_door(250)
        await screen.page.wait_for_timeout(HOLD_MS)
        assert "open" not in screen.sent_types()

        await screen.hold_door(HOLD_MS + 150)
        await screen.sent("open")
        assert screen.sent_types().count("open") == 1


async def test_leaving_the_button_with_the_finger_down_cancels_too(tmp_path: Path) -> None:
    async with open_screen(tmp_path) as screen:
        await screen.log_in()
        await screen.ring()
        box = await screen.box(".door")

        await screen.page.mouse.move(box["x"] + 50, box["y"] + 30)
        await screen.page.mouse.down()
        await screen.page.mouse.move(box["x"] + 50, box["y"] - 60)
        await screen.page.wait_for_timeout(HOLD_MS + 200)
        await screen.page.mouse.up()

        assert "open" not in screen.sent_types()


async def test_a_keyboard_gets_a_question_instead_of_a_hold(tmp_path: Path) -> None:
    async with open_screen(tmp_path) as screen:
        await screen.log_in()
        await screen.ring()
        await screen.page.locator(".door").focus()

        await screen.page.keyboard.press("Enter")
        await screen.page.wait_for_selector("dialog[open]")
        await screen.shot("20-question")
        await screen.page.keyboard.press("Escape")
        assert "open" not in screen.sent_types()
        await screen.page.keyboard.press("Enter")
        await screen.page.click("dialog .yes")

        await screen.sent("open")


async def test_without_a_microphone_it_answers_listens_says_so_and_the_door_works(
    tmp_path: Path,
) -> None:
    async with open_screen(tmp_path, is_microphone_allowed=False) as screen:
        await screen.log_in()
        await screen.ring(with_media=True)
        await screen.page.wait_for_selector(".pic.live", timeout=10_000)

        await screen.page.click(".answer")
        await screen.sent("accept")
        screen.tell(type="talking")
        await screen.says(".card", "The microphone is blocked")
        await screen.says(".fact", "microphone blocked")
        await screen.shot("21-microphone-blocked")
        assert not await screen.page.evaluate(
            "document.querySelector('intercom-app').shadowRoot.querySelector('call-view')"
            ".shadowRoot.querySelector('video').muted"
        )

        await screen.hold_door(HOLD_MS + 150)
        await screen.sent("open")


async def test_a_lost_picture_is_said_and_comes_back(tmp_path: Path) -> None:
    async with open_screen(tmp_path) as screen:
        await screen.log_in()
        await screen.ring(with_media=True)
        await screen.page.wait_for_selector(".pic.live", timeout=10_000)
        assert screen.door is not None

        screen.door.picture.moves.clear()
        await screen.page.wait_for_selector(".pic.lost", timeout=10_000)
        await screen.says(".instead", "The picture is lost")
        await screen.shot("22-picture-lost")

        screen.door.picture.moves.set()
        await screen.page.wait_for_selector(".pic.live", timeout=10_000)


async def test_a_door_without_camera_and_a_picture_that_is_on_its_way_are_two_things(
    tmp_path: Path,
) -> None:
    async with open_screen(tmp_path) as screen:
        await screen.log_in()

        await screen.ring(has_picture=False)
        await screen.says(".instead", "This door has no camera")
        await screen.shot("23-no-camera")
        await screen.page.click(".decline")
        await screen.sent("decline")
        await screen.is_home()

        await screen.ring()
        await screen.says(".instead", "Getting the picture")
        await screen.shot("24-getting-the-picture")


async def test_answered_elsewhere_says_by_whom_and_closes_after_four_seconds(
    tmp_path: Path,
) -> None:
    async with open_screen(tmp_path) as screen:
        await screen.log_in()
        await screen.ring()

        screen.tell(type="quiet")
        await screen.says(".state", "Ringing on your phone")
        await screen.shot("25-quiet")
        screen.tell(type="ended", reason="answered elsewhere", text="Per")

        await screen.says(".outcome", "Answered by Per")
        await screen.shot("26-answered-elsewhere")
        await screen.is_home()
        assert await screen.page.locator(".tell").count() == 0


async def test_a_missed_ring_stays_on_the_page_until_it_is_dismissed(tmp_path: Path) -> None:
    async with open_screen(tmp_path) as screen:
        await screen.log_in()
        await screen.ring()

        screen.tell(type="ended", reason="visitor left", text="")
        await screen.says(".outcome", "The visitor left")
        await screen.shot("27-missed")
        await screen.page.click(".close")
        await screen.says(".tell", "Main entrance")
        await screen.shot("28-home-missed")
        await screen.page.click(".tell button")

        await screen.page.locator(".tell").wait_for(state="detached")


async def test_a_lost_connection_is_said_and_the_door_is_not_offered_until_it_is_back(
    tmp_path: Path,
) -> None:
    async with open_screen(tmp_path) as screen:
        await screen.log_in()
        await screen.ring()

        await screen.context.set_offline(True)
        for entry in list(screen.desk.hub._online.values()):
            entry.connection.close(Close.GOING_AWAY)
        await screen.page.wait_for_selector(".door.offline")
        await screen.shot("29-offline")
        await screen.hold_door(HOLD_MS + 150)
        assert "open" not in screen.sent_types()

        await screen.context.set_offline(False)
        await screen.says(".outcome", "The connection was lost")
        await screen.ring()  # it still rings for the service, so it rings anew
        await screen.page.wait_for_selector(".door.idle")


async def test_a_second_tap_on_answer_neither_hangs_up_nor_mutes(tmp_path: Path) -> None:
    async with open_screen(tmp_path) as screen:
        await screen.log_in()
        await screen.ring()

        await screen.page.dblclick(".answer")
        await screen.sent("accept")
        screen.tell(type="talking")
        await screen.page.wait_for_selector(".state[data-s=talking]")

        pressed = await screen.page.locator(".tog").first.get_attribute("aria-pressed")
        assert pressed == "false"
        assert "hang_up" not in screen.sent_types()


async def test_logging_out_forgets_who_was_there(tmp_path: Path) -> None:
    async with open_screen(tmp_path) as screen:
        await screen.log_in()

        await screen.page.click("header .btn")
        await screen.page.wait_for_selector("login-view")
        await until(lambda: len(screen.desk.logins) == 0)
        await screen.page.reload()

        await screen.page.wait_for_selector("login-view")


async def test_a_wrong_password_is_said(tmp_path: Path) -> None:
    async with open_screen(tmp_path) as screen:
        await screen.page.goto(screen.desk.url)
        await screen.page.fill("input[name=username]", ANNA)
        await screen.page.fill("input[name=password]", "wrong")
        await screen.page.click("button.pri")

        await screen.says("[role=alert]", "Wrong user name or password.")
        await screen.shot("02-wrong")
