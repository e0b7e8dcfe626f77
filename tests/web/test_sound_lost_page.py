"""Sound that stops in a call, as the resident's page says it: from the door, or from here."""

from pathlib import Path

import pytest

from tests.web.screen import CHROMIUM, LOOKS, Screen, open_screen

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(60),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="no Chromium on this machine"),
]

DOOR = {"media": "audio", "from": "door"}
HERE = {"media": "audio", "from": "you"}


async def talk(screen: Screen) -> None:
    await screen.log_in()
    await screen.ring(with_media=True)
    await screen.page.wait_for_selector(".pic.live", timeout=10_000)
    await screen.page.click(".answer")
    await screen.sent("accept")
    screen.tell(type="talking")
    await screen.page.wait_for_selector(".meter")


@pytest.mark.parametrize("look", LOOKS, ids="-".join)
async def test_no_sound_from_the_door_is_said_over_the_picture_until_it_is_back(
    tmp_path: Path, look: tuple[str, str, str]
) -> None:
    async with open_screen(tmp_path, look) as screen:
        await talk(screen)
        places = {one: await screen.box(one) for one in (".end", ".door", ".fact")}

        screen.tell(type="path", state="lost", **DOOR)
        words = await screen.page.locator(".silent").inner_text()
        await screen.shot("40-no-sound-from-the-door")
        assert words in {"No sound from the door", "Ingen lyd fra døren"}
        for one, box in places.items():
            assert await screen.box(one) == box, one

        screen.tell(type="path", state="back", **DOOR)
        await screen.page.locator(".silent").wait_for(state="detached")


@pytest.mark.parametrize("look", LOOKS, ids="-".join)
async def test_that_the_door_does_not_hear_one_takes_the_place_of_they_can_hear_you(
    tmp_path: Path, look: tuple[str, str, str]
) -> None:
    async with open_screen(tmp_path, look) as screen:
        await talk(screen)

        screen.tell(type="path", state="lost", **HERE)
        await screen.page.locator(".meter").wait_for(state="detached")
        words = await screen.page.locator(".fact").inner_text()
        await screen.shot("41-they-do-not-hear-you")
        assert words in {
            "They can\u2019t hear you: your sound is lost",
            "De hører deg ikke: lyden din er borte",
        }

        screen.tell(type="path", state="back", **HERE)
        await screen.page.wait_for_selector(".meter")


async def test_who_has_muted_the_microphone_reads_that_and_no_fault(tmp_path: Path) -> None:
    async with open_screen(tmp_path) as screen:
        await talk(screen)
        await screen.page.wait_for_timeout(700)  # right after Answer, taps are not taken

        await screen.page.locator(".tog").first.click()
        screen.tell(type="path", state="lost", **HERE)

        await screen.says(".fact", "Muted. They can\u2019t hear you")


async def test_while_it_only_rings_nobody_misses_the_sound_until_one_listens(
    tmp_path: Path,
) -> None:
    async with open_screen(tmp_path) as screen:
        await screen.log_in()
        await screen.ring(with_media=True)
        await screen.page.wait_for_selector(".pic.live", timeout=10_000)

        screen.tell(type="path", state="lost", **DOOR)
        await screen.page.wait_for_timeout(300)
        assert await screen.page.locator(".silent").count() == 0
        await screen.page.click("button.chip")

        await screen.says(".silent", "No sound from the door")


async def test_with_the_picture_gone_too_both_are_said_in_one_place(tmp_path: Path) -> None:
    async with open_screen(tmp_path) as screen:
        await talk(screen)
        assert screen.door is not None

        screen.door.picture.moves.clear()
        await screen.page.wait_for_selector(".pic.lost", timeout=10_000)
        screen.tell(type="path", state="lost", **DOOR)

        await screen.says(".instead", "Picture and sound are lost")
        await screen.shot("42-both-lost")
        assert await screen.page.locator(".silent").count() == 0
