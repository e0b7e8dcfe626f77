"""The panel's screen, lamp and buzzer: what the visitor sees, hears and reads (requirement B12).

The router's words, which come over the panel link, go before the panel's own, which stand in
until they come, and for good where there is no link. A ready answer stands beside the state.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from firmware_sim.process import now_ms
from firmware_sim.words import PanelWords
from intercom.link.messages import CallAnswer, CallState

END_SHOWN_S = 6.0
ANSWER_SHOWN_S = 20.0
"""A ready answer can be read for so long at least, also when the call has ended."""
CHOICE_KEPT_S = 60.0
"""After so long at rest the screen speaks the property's language again."""
ROUTER_WORDS_S = 0.5
"""How long the router's words about an end may come after the end itself."""


class Lamp(Enum):
    OFF = "off"
    BLINKING = "blinking"
    GREEN = "green"
    DOOR = "door"
    """The warm colour that only ever means an open door."""
    RED = "red"
    WHITE = "white"
    """Steady: read what stands here."""


class Sound(Enum):
    """What the buzzer plays as a face comes up; what is heard in the call comes on top of it."""

    NONE = "none"
    RING = "ring"
    """A soft double tone, again and again."""
    SPEAK = "speak"
    """Two short tones, rising."""
    OPEN = "open"
    """Three tones, rising."""
    CLICK = "click"
    REFUSED = "refused"
    """A long low tone, twice."""
    END = "end"
    """Two tones, falling."""
    ALARM = "alarm"
    """Three short low tones."""
    MESSAGE = "message"
    """A bright chime."""


class Face(Enum):
    """The screen's states; the values of the router's states are theirs."""

    IDLE = "idle"
    CALLING = "calling"
    TALKING = "talking"
    OPENED = "opened"
    SENT = "sent"
    REFUSED = "refused"
    NO_ANSWER_FROM_DOOR = "no answer from the door"
    LOCKED_AGAIN = "locked again"
    """The pulse is over; only the panel itself knows."""
    ENDED = "ended"
    NO_ROUTER = "no router"


_SIGNS = {
    Face.IDLE: (Lamp.OFF, Sound.NONE),
    Face.CALLING: (Lamp.BLINKING, Sound.RING),
    Face.TALKING: (Lamp.GREEN, Sound.SPEAK),
    Face.OPENED: (Lamp.DOOR, Sound.OPEN),
    Face.SENT: (Lamp.DOOR, Sound.OPEN),
    Face.REFUSED: (Lamp.RED, Sound.REFUSED),
    Face.NO_ANSWER_FROM_DOOR: (Lamp.RED, Sound.REFUSED),
    Face.LOCKED_AGAIN: (Lamp.GREEN, Sound.CLICK),
    Face.ENDED: (Lamp.WHITE, Sound.END),
    Face.NO_ROUTER: (Lamp.RED, Sound.ALARM),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """What the screen shows, since when."""

    face: Face
    text: str
    hint: str
    """What the visitor may do; empty where the text says everything."""
    lamp: Lamp
    sound: Sound
    at_ms: int
    is_from_router: bool
    reason: str | None = None
    said: str = ""
    """The router's own words, in the property's language."""


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """A resident's ready answer."""

    answer: str
    text: str
    hint: str
    lamp: Lamp
    sound: Sound
    at_ms: int
    said: str
    """The router's own words, in the property's language."""


class Screen:
    """Shows one face at a time, and falls back to idle after an end."""

    def __init__(self, words: PanelWords, on_change: Callable[[], None]) -> None:
        self.words = words
        self.answer: ShownAnswer | None = None
        self._on_change = on_change
        self._timer: asyncio.TimerHandle | None = None
        self._choice_timer: asyncio.TimerHandle | None = None
        self.shown = self._made(Face.IDLE)

    def press(self) -> None:
        """Answer a press at once; what was said to another visitor goes."""
        self.answer = None
        self.show(Face.CALLING)

    def put_away(self) -> None:
        """Be ready for the next visitor."""
        self.answer = None
        self.show(Face.IDLE)

    def show(self, face: Face) -> None:
        """Show a face in the panel's own words."""
        self._set(self._made(face))

    def show_router(self, state: CallState) -> None:
        """Show what the router says; a state of a newer router is shown by its words alone."""
        try:
            face = Face(state.state)
        except ValueError:
            face = self.shown.face
        self._set(self._made(face, reason=state.reason, said=state.text))

    def show_answer(self, answer: CallAnswer) -> None:
        """Show a ready answer beside the state, until the next press and long enough to be read."""
        self.answer = self._made_answer(answer.answer, answer.text)
        asyncio.get_running_loop().call_later(ANSWER_SHOWN_S, self._drop_old_answer)
        self._on_change()

    def choose(self, language: str | None) -> None:
        """Speak another language until the screen has been at rest for a while."""
        self.words.choose(language)
        self.retell()

    def retell(self) -> None:
        """Say what is shown in the words of now."""
        old = self.shown
        self.shown = replace(
            self._made(old.face, reason=old.reason, said=old.said), at_ms=old.at_ms
        )
        if self.answer is not None:
            again = self._made_answer(self.answer.answer, self.answer.said)
            self.answer = replace(again, at_ms=self.answer.at_ms)
        self._keep_choice()
        self._on_change()

    def relay_at_rest(self) -> None:
        """Stop saying that the door is open, once its relay has dropped."""
        if self.shown.face is Face.OPENED:
            self.show(Face.LOCKED_AGAIN)

    def end(self, *, is_router_heard: bool) -> None:
        """Show the end of a call, unless the router has words for it, or will have in a moment."""
        if self.shown.face is Face.ENDED or self.shown.face is Face.NO_ROUTER:
            return
        if is_router_heard:
            self._after(ROUTER_WORDS_S, lambda: self.end(is_router_heard=False))
        else:
            self.show(Face.ENDED)

    def _set(self, shown: Shown) -> None:
        self.shown = shown
        self._cancel()
        if shown.face in (Face.ENDED, Face.NO_ROUTER):
            self._after(END_SHOWN_S, lambda: self.show(Face.IDLE))
        if shown.face is Face.IDLE:
            self._drop_old_answer()
        self._keep_choice()
        self._on_change()

    def _made(self, face: Face, *, reason: str | None = None, said: str = "") -> Shown:
        key = f"state.{face.name}" if reason is None else f"reason.{_key(reason)}"
        own = self.words.find(key.lower())
        text = said if said and (self.words.is_home or not own) else own
        hint = self.words.find(f"hint.{face.name}".lower()) if reason is None else ""
        lamp, sound = _SIGNS[face]
        return Shown(face, text, hint, lamp, sound, now_ms(), bool(said), reason, said)

    def _made_answer(self, answer: str, said: str) -> ShownAnswer:
        own = self.words.find(f"answer.{_key(answer)}")
        text = said if said and (self.words.is_home or not own) else own
        hint = self.words.find(f"answer_hint.{_key(answer)}")
        return ShownAnswer(answer, text, hint, Lamp.WHITE, Sound.MESSAGE, now_ms(), said)

    def _drop_old_answer(self) -> None:
        answer = self.answer
        if answer is None or self.shown.face is not Face.IDLE:
            return
        if now_ms() - answer.at_ms >= ANSWER_SHOWN_S * 1000:
            self.answer = None
            self._on_change()

    def _keep_choice(self) -> None:
        if self._choice_timer is not None:
            self._choice_timer.cancel()
        self._choice_timer = None
        if not self.words.is_home and self.shown.face is Face.IDLE:
            loop = asyncio.get_running_loop()
            self._choice_timer = loop.call_later(CHOICE_KEPT_S, lambda: self.choose(None))

    def _after(self, seconds: float, what: Callable[[], None]) -> None:
        self._cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, what)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None


def _key(value: str) -> str:
    return value.replace(" ", "_")
