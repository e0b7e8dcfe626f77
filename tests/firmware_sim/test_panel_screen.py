"""The panel's screen: the router's words before its own, and never silence."""

import re

import pytest

from firmware_sim import screen as module
from firmware_sim.panel_box import Fault
from firmware_sim.panel_http import STATIC
from firmware_sim.screen import Face, Lamp, Screen, Sound
from firmware_sim.words import PanelWords
from intercom.link.messages import CallAnswer, CallState
from intercom.link.screen import ScreenContent
from intercom.routing.commands import EndReason, PanelState, ReadyAnswer
from intercom.texts import LANGUAGES, words
from tests.firmware_sim.panel_process import until


def made(language: str = "nb") -> Screen:
    return Screen(PanelWords(language), lambda: None)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_face_has_words_a_lamp_and_a_sound(language):
    screen = made(language)

    for face in Face:
        screen.show(face)
        assert screen.shown.text
        is_at_rest = face is Face.IDLE
        assert (screen.shown.lamp is Lamp.OFF) is is_at_rest
        assert (screen.shown.sound is Sound.NONE) is is_at_rest
    screen.show(Face.IDLE)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_state_reason_and_answer_of_the_router_has_the_panels_own_words(language):
    screen = made("en" if language == "nb" else "nb")
    screen.words.take(ScreenContent(languages=(screen.words.home, language)))
    screen.choose(language)

    for state in PanelState:
        screen.show_router(CallState("call-1", state.value, None, "the router's"))
        assert screen.shown.face.value == state.value
        assert screen.shown.text == words(language, f"panel.state.{state.name.lower()}")
    for reason in EndReason:
        screen.show_router(CallState("call-1", "ended", reason.value, "the router's"))
        assert screen.shown.text == words(language, f"panel.reason.{reason.name.lower()}")
    for answer in ReadyAnswer:
        screen.show_answer(CallAnswer("call-1", answer.value, "the router's"))
        assert screen.answer.text == words(language, f"panel.answer.{answer.name.lower()}")
        assert screen.answer.hint
    screen.choose(None)
    screen.show(Face.IDLE)


async def test_a_ready_answer_stands_beside_the_state_with_a_lamp_and_a_sound_of_its_own():
    screen = made()
    screen.press()

    screen.show_answer(CallAnswer("call-1", "coming", "Jeg kommer"))

    assert screen.shown.face is Face.CALLING
    assert screen.answer.text == "Jeg kommer"
    assert (screen.answer.lamp, screen.answer.sound) == (Lamp.WHITE, Sound.MESSAGE)


async def test_a_ready_answer_outlives_the_call_until_it_could_be_read(monkeypatch):
    monkeypatch.setattr(module, "END_SHOWN_S", 0.02)
    monkeypatch.setattr(module, "ANSWER_SHOWN_S", 0.2)
    screen = made()
    screen.press()
    screen.show_answer(CallAnswer("call-1", "leave_it", "Legg det der"))
    screen.show_router(CallState("call-1", "ended", "declined", "Ingen svarer"))

    await until(lambda: screen.shown.face is Face.IDLE)

    assert screen.answer is not None
    await until(lambda: screen.answer is None)


async def test_a_ready_answer_to_one_visitor_is_not_shown_to_the_next():
    screen = made()
    screen.press()
    screen.show_answer(CallAnswer("call-1", "wrong_door", "Feil dør"))

    screen.press()

    assert screen.answer is None


async def test_a_language_that_a_visitor_chose_is_spoken_until_the_screen_has_rested(monkeypatch):
    monkeypatch.setattr(module, "CHOICE_KEPT_S", 0.05)
    screen = made("nb")
    screen.press()
    screen.choose("en")
    assert screen.shown.text == "Calling …"

    screen.show(Face.IDLE)

    assert screen.shown.text == "Press a name"
    await until(lambda: screen.shown.text == "Trykk på et navn")


async def test_a_language_that_is_not_offered_is_not_spoken():
    screen = made("nb")

    screen.choose("sv")

    assert screen.words.language == "nb"


async def test_a_state_of_a_newer_router_is_shown_by_its_words():
    screen = made()
    screen.press()

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


def test_the_page_has_an_icon_for_every_face_and_a_word_for_every_fault_and_a_tune_for_every_sound():
    script = (STATIC / "panel.js").read_text()
    icons = dict(
        re.findall(r'"?([a-z ]+)"?: "([a-z]+)"', script.partition("ICONS = {")[2].partition("}")[0])
    )
    drawn = set(re.findall(r'data-icon="(\w+)"', (STATIC / "panel.html").read_text()))
    inside, buzzer = (STATIC / "inside.js").read_text(), (STATIC / "sounds.js").read_text()
    faults = re.findall(r"(\w+):", inside.partition("FAULTS = {")[2].partition("}")[0])
    sounds = re.findall(r"^  (\w+):", buzzer.partition("SOUNDS = {")[2].partition("};")[0], re.M)

    assert {sound.value for sound in Sound} == {"none", *sounds}
    assert {face.value for face in Face} == {name.strip() for name in icons}
    assert set(icons.values()) <= drawn
    assert {fault.value for fault in Fault} == set(faults)
