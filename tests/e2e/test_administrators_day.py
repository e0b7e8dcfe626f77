"""The administrator's days in a real browser, against `intercom serve` in an empty folder and simulated panels."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from intercom.demo.processes import Child
from tests.e2e.browser import CHROMIUM, PHONE_SIZE, App, open_browser, write_tone
from tests.e2e.empty_house import EmptyHouse, empty_house
from tests.e2e.hand import ENGLISH, Effort, Hand
from tests.e2e.lived_in_house import HOME, OFFICE, OPERATOR, move_in, start_app
from tests.web.admin.conftest import axe

__all__ = ["axe"]

PACE_S = 6.0
"""What a person needs for a click or a field: to find it, to think, to type."""
AT_MOST_S = 600.0
IN_FORCE_S = 2.0
OUT_MS = 5_000.0
MAIL_OF_OPERATOR, RESIDENT, NEW_OWNER = "ola@example.org", "kari@example.org", "nina@example.org"
PASSWORD = "correct horse battery"
DESKTOP = {"width": 1280, "height": 800}
ROSTER = "Unit;Name;E-mail;Doorbell\nH0401;Eva Dahl;eva@example.org;Dahl\nH0402;Jon Moe;;Moe\n"

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.xdist_group("browser"),
    pytest.mark.timeout(120),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium on this machine"),
]

Look = Callable[..., Awaitable[list[str]]]


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with open_browser(write_tone(tmp_path / "microphone.wav", 440)) as opened_browser:
        yield opened_browser


@pytest.fixture
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmptyHouse]:
    # Not tmp_path: a test's name is too long for the path of a Unix socket.
    async with empty_house(tmp_path_factory.mktemp("house")) as prepared:
        yield prepared


async def hand_at(browser: Browser, look: Look | None = None, **more: object) -> Hand:
    """Sit down at a computer."""
    context = await browser.new_context(
        viewport=DESKTOP,  # type: ignore[arg-type]
        locale=ENGLISH,
        bypass_csp=look is not None,
        **more,  # type: ignore[arg-type]
    )
    return Hand(await context.new_page(), look=look)


async def phone_of(
    browser: Browser, effort: Effort | None = None, look: Look | None = None
) -> Hand:
    """Take up a resident's phone."""
    width, height = PHONE_SIZE
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        locale=ENGLISH,
        permissions=["microphone"],
        bypass_csp=look is not None,
    )
    return Hand(await context.new_page(), effort or Effort(), look)


async def choose_password(hand: Hand, link: str, then: str) -> None:
    await hand.opens(link)
    await hand.fills("New password", PASSWORD)
    await hand.fills("The same once more", PASSWORD)
    await hand.presses("Save the password")
    await hand.follows(then)


async def log_in(hand: Hand, username: str) -> None:
    await hand.fills("Username", username)
    await hand.fills("Password", PASSWORD)
    await hand.presses("Log in")


async def log_in_to_app(hand: Hand, username: str) -> App:
    await hand.fills("User name", username)
    await hand.fills("Password", PASSWORD)
    hand.effort.clicks += 1
    await hand.page.get_by_role("button", name="Log in").click()
    await hand.page.wait_for_selector(".pill.ok")
    return App(hand.page)


async def invited_operator(house: EmptyHouse, hand: Hand) -> None:
    """Let the first operator in, from the command line to the empty list of properties."""
    printed = await house.command(
        *("invite-operator", MAIL_OF_OPERATOR, "--name", "Ola Drift", "--language", "en")
    )
    assert "ola.drift" in printed
    await choose_password(hand, await house.mailed_link(MAIL_OF_OPERATOR), "To the administration")
    await log_in(hand, OPERATOR)


async def first_property(hand: Hand) -> None:
    await hand.follows("New property")
    await hand.fills("Name", "Storgata 14")
    await hand.fills("Address", "Storgata 14, 0184 Oslo")
    await hand.chooses("Language of panels and phones", "English")
    await hand.picks("Residential")
    await hand.presses("Create the property")


async def first_entrance(hand: Hand) -> dict[str, str]:
    await hand.follows("Add entrance")
    await hand.fills("What is the door called?", "Main entrance")
    await hand.presses("Add entrance")
    return await hand.reads("server", "key", "sip_server", "username", "password")


async def first_unit(hand: Hand) -> None:
    await hand.fills("Label", "H0301")
    await hand.fills("Name", "Kari Nordmann")
    await hand.fills("E-mail", RESIDENT)
    await hand.presses("Add unit")


async def test_from_an_empty_folder_to_the_first_ring_takes_less_than_ten_minutes(
    house: EmptyHouse, browser: Browser, axe: Look, capsys: pytest.CaptureFixture[str]
):
    began = asyncio.get_running_loop().time()
    ready = await house.start_router()
    assert "intercom invite-operator" in ready
    hand = await hand_at(browser, axe)

    await invited_operator(house, hand)
    await first_property(hand)
    panel = await house.start_panel(await first_entrance(hand))
    await hand.follows("Continue")
    await expect(hand.page.locator(".steps .now")).to_contain_text("unit", timeout=15_000)
    await hand.follows("Add unit")
    await first_unit(hand)
    shown_s = await house.shows(panel, ["Nordmann"], IN_FORCE_S)
    await hand.is_told("invitation is on its way", "body")
    phone = await phone_of(browser, hand.effort, axe)
    await choose_password(phone, await house.mailed_link(RESIDENT), "Open the app")
    await phone.is_told("Forgot your password?", "login-view")
    app = await log_in_to_app(phone, "kari.nordmann")
    await phone.page.get_by_role("link", name="Kari Nordmann: my account").wait_for()
    await phone.arrived("the app, waiting")
    visitor = await (await browser.new_context(locale=ENGLISH)).new_page()
    await visitor.goto(panel.url)
    await visitor.get_by_text("Nordmann").click()
    await app.rings()

    took_s = hand.effort.seconds(PACE_S) + asyncio.get_running_loop().time() - began
    await app.page.click(".answer")
    await app.page.wait_for_selector(".state[data-s=talking]")
    await app.hold_door()
    await app.says(".state[data-s=door]", "Door unlocked")
    journal = await house.remote.get(panel, "/api/journal")
    assert [line for line in journal if line["phase"] == "on"]
    await app.page.click(".end")
    await hand.goes_to("Overview")
    await hand.is_told("Everything works")
    with capsys.disabled():
        effort = f"{hand.effort.clicks} clicks and {hand.effort.fields} fields"
        sys.stdout.write(
            f"\n  to the first ring: {effort}, {took_s / 60:.1f} min at {PACE_S:.0f} s each;"
            f" on the panel after {shown_s:.2f} s; {len({*hand.seen, *phone.seen})} pages through axe\n"
        )
    assert took_s < AT_MOST_S
    assert hand.faults + phone.faults == []


async def test_a_day_of_renaming_hiding_moving_importing_and_looking_into_the_log(
    house: EmptyHouse, browser: Browser, axe: Look
):
    screens = await move_in(house, PASSWORD)
    hand = await hand_at(browser, axe)
    await hand.opens(f"{house.url}/admin")
    await log_in(hand, OPERATOR)
    await hand.takes(HOME.name)
    assert await hand.page.locator("nav").get_by_role("link", name="Events").count() == 0

    await rename_by_submit_and_hide(house, hand, screens[HOME])
    await hand.follows(HOME.unit)
    await hand.follows(HOME.person)
    await hand.is_told("Not verified: it is not rung yet")
    await hand.follows(HOME.unit)
    await hand_over_to_nina(house, hand, browser, screens[HOME])
    await import_and_take_back(house, hand, screens[HOME])
    await read_who_opened(house, hand, screens[OFFICE])

    assert hand.faults == []


async def rename_by_submit_and_hide(house: EmptyHouse, hand: Hand, screen: Child) -> None:
    """Change what is on the panel: by what is saved, not by what is typed."""
    await hand.goes_to("Units")
    await hand.follows(HOME.unit)
    await hand.follows("Change the doorbell")
    await house.shows(screen, ["Nordmann"], 10.0)
    await hand.fills("Name on the panel", "Fam. Nordmann")
    await asyncio.sleep(0.5)
    assert await house.names_on(screen) == ["Nordmann"]
    await hand.presses("Save the doorbell")
    await house.shows(screen, ["Fam. Nordmann"], IN_FORCE_S)
    for names in ([], ["Fam. Nordmann"]):
        await hand.picks("Hide the button")
        await hand.presses("Save the doorbell")
        await house.shows(screen, names, IN_FORCE_S)


async def hand_over_to_nina(house: EmptyHouse, hand: Hand, browser: Browser, screen: Child) -> None:
    """Transfer the unit: the old owner's app is out when the new one confirms, and not before."""
    kari = await phone_of(browser)
    await kari.page.goto(house.url)
    await log_in_to_app(kari, HOME.username)
    await hand.presses("Transfer to a new owner", "link")
    await hand.fills("New owner's name", "Nina Lie")
    await hand.fills("New owner's e-mail", NEW_OWNER)
    await hand.presses("Send the mail")
    await hand.is_told("Waiting for the new owner")
    nina = await phone_of(browser)
    await nina.opens(await house.mailed_link(NEW_OWNER))
    assert await kari.page.locator(".pill.ok").is_visible()
    assert await house.names_on(screen) == ["Fam. Nordmann"]

    await nina.presses("Yes, confirm")

    await kari.page.get_by_role("button", name="Log in").wait_for(timeout=OUT_MS)
    await house.shows(screen, ["Lie"], IN_FORCE_S)


async def import_and_take_back(house: EmptyHouse, hand: Hand, screen: Child) -> None:
    """Import a file: nothing changes by the preview, and all is as before after the undo."""
    await hand.goes_to("Units")
    await hand.follows("Import from a file")
    await hand.gives("File", "people.csv", ROSTER.encode("utf-8-sig"))
    await hand.presses("Show what will change")
    await hand.is_told("Eva Dahl")
    assert await house.names_on(screen) == ["Lie"]
    await hand.presses("Import")
    await house.shows(screen, ["Dahl", "Lie", "Moe"], IN_FORCE_S)
    await hand.goes_to("Units")
    await hand.follows("Import from a file")
    await hand.presses("Take back", "link")
    await hand.presses("Take it back")
    await house.shows(screen, ["Lie"], IN_FORCE_S)


async def read_who_opened(house: EmptyHouse, hand: Hand, panel: Child) -> None:
    """Look into the log, which is there where people work."""
    vera = await start_app(house, OFFICE, PASSWORD)
    await house.remote.post(panel, "/api/press", {"button": "101"})
    await house.until(vera, "call", "ring_ms")
    await house.remote.post(vera, "/api/accept", {})
    await house.remote.post(vera, "/api/open", {})
    await house.until(vera, "call", "opened_ms")
    await hand.goes_to("Properties")
    await hand.takes(OFFICE.name)
    await hand.goes_to("Events")
    await hand.is_told(f"{OFFICE.person} opened {OFFICE.door}")


async def test_everything_up_to_the_first_name_on_the_panel_can_be_done_without_scripts(
    house: EmptyHouse, browser: Browser
):
    await house.start_router()
    hand = await hand_at(browser, java_script_enabled=False)

    await invited_operator(house, hand)
    await first_property(hand)
    panel = await house.start_panel(await first_entrance(hand))
    await hand.follows("Continue")
    await hand.follows("Add unit")
    await first_unit(hand)
    await house.shows(panel, ["Nordmann"], 10.0)
    await hand.follows("Change the doorbell")
    await hand.fills("Name on the panel", "Fam. Nordmann")
    await hand.presses("Save the doorbell")
    await house.shows(panel, ["Fam. Nordmann"], IN_FORCE_S)
    await hand.goes_to("Units")
    await hand.follows("Import from a file")
    await hand.fills("Or paste the lines here", ROSTER)
    await hand.presses("Show what will change")
    await hand.is_told("Eva Dahl")
    await hand.presses("Import")
    await house.shows(panel, ["Dahl", "Fam. Nordmann", "Moe"], IN_FORCE_S)
    await hand.goes_to("Doors")
    await hand.presses("Unlock now")
    await hand.is_told("Did the door release?")
    await hand.presses("Yes, it opened")
    await hand.is_told("You confirmed")
