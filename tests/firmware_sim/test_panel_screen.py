"""The panel's screen: the router's words before its own, and never silence."""

import re

import pytest

from firmware_sim import screen as module
from firmware_sim.panel_box import Fault
from firmware_sim.panel_http import STATIC
from firmware_sim.screen import Face, Lamp, Screen
from intercom.link.messages import CallState
from tests.firmware_sim.panel_process import until


def made(language: str = "nb") -> Screen:
    return Screen(language, lambda: None)


@pytest.mark.parametrize("language", ["nb", "en"])
async def test_every_face_has_words_and_a_lamp(language):
    screen = made(language)

    for face in Face:
        screen.show(face)
        assert screen.shown.text
        assert isinstance(screen.shown.lamp, Lamp)
    screen.show(Face.IDLE)


async def test_a_state_of_a_newer_router_is_shown_by_its_words():
    screen = made()
    screen.show(Face.CALLING)

    screen.show_router(CallState("call-1", "leave a message", None, "Legg igjen en beskjed"))

    assert screen.shown.text == "Legg igjen en beskjed"
    assert screen.shown.lamp is Lamp.BLINKING


async def test_the_routers_words_about_an_end_stay_and_idle_follows(monkeypatch):
    monkeypatch.setattr(module, "END_SHOWN_S", 0.05)
    screen = made()

    screen.show_router(CallState("call-1", "ended", "nobody answered", "Ingen svarer"))
    screen.end(is_router_heard=True)

    assert screen.shown.text == "Ingen svarer"
    await until(lambda: screen.shown.face is Face.IDLE)


async def test_an_end_without_the_routers_words_is_shown_in_the_panels_own(monkeypatch):
    monkeypatch.setattr(module, "ROUTER_WORDS_S", 0.02)
    linked, unlinked = made(), made("en")
    for screen in (linked, unlinked):
        screen.show(Face.TALKING)

    unlinked.end(is_router_heard=False)
    linked.end(is_router_heard=True)

    assert unlinked.shown.text == "The call has ended"
    assert linked.shown.face is Face.TALKING
    await until(lambda: linked.shown.face is Face.ENDED)


async def test_the_screen_stops_saying_open_when_the_relay_has_dropped_and_hides_nothing_else():
    screen = made()
    screen.show(Face.OPENED)
    screen.relay_at_rest()
    assert screen.shown.face is Face.LOCKED_AGAIN

    screen.show(Face.TALKING)
    screen.relay_at_rest()
    assert screen.shown.face is Face.TALKING


def test_the_page_has_an_icon_for_every_face_and_a_word_for_every_fault():
    script = (STATIC / "panel.js").read_text()
    icons = dict(
        re.findall(r'"?([a-z ]+)"?: "([a-z]+)"', script.partition("ICONS = {")[2].partition("}")[0])
    )
    drawn = set(re.findall(r'data-icon="(\w+)"', (STATIC / "panel.html").read_text()))
    faults = re.findall(r"(\w+):", script.partition("FAULTS = {")[2].partition("}")[0])

    assert {face.value for face in Face} == {name.strip() for name in icons}
    assert set(icons.values()) <= drawn
    assert {fault.value for fault in Fault} == set(faults)
