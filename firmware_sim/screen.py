"""The panel's screen, lamp and buzzer: what the visitor sees, hears and reads (requirement B12).

The router's words, which come over the panel link, go before the panel's own, which stand in
until they come, and for good where there is no link.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from firmware_sim.process import now_ms
from intercom.link.messages import CallState

END_SHOWN_S = 6.0
ROUTER_WORDS_S = 0.5
"""How long the router's words about an end may come after the end itself."""


class Lamp(Enum):
    OFF = "off"
    BLINKING = "blinking"
    GREEN = "green"
    DOOR = "door"
    """The warm colour that only ever means an open door."""
    RED = "red"


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


_LAMPS = {
    Face.IDLE: Lamp.OFF,
    Face.CALLING: Lamp.BLINKING,
    Face.TALKING: Lamp.GREEN,
    Face.OPENED: Lamp.DOOR,
    Face.SENT: Lamp.DOOR,
    Face.REFUSED: Lamp.RED,
    Face.NO_ANSWER_FROM_DOOR: Lamp.RED,
    Face.LOCKED_AGAIN: Lamp.GREEN,
    Face.ENDED: Lamp.OFF,
    Face.NO_ROUTER: Lamp.RED,
}

# Norwegian bokmål, English
_WORDS = {
    Face.IDLE: ("Trykk på et navn", "Press a name"),
    Face.CALLING: ("Ringer …", "Calling …"),
    Face.TALKING: ("Snakk nå", "Please speak"),
    Face.OPENED: ("Døren er åpen", "The door is open"),
    Face.SENT: ("Prøv døren", "Try the door"),
    Face.REFUSED: ("Døren kan ikke åpnes nå", "The door cannot be opened now"),
    Face.NO_ANSWER_FROM_DOOR: ("Døren svarte ikke", "The door did not answer"),
    Face.LOCKED_AGAIN: ("Døren er låst igjen", "The door is locked again"),
    Face.ENDED: ("Samtalen er slutt", "The call has ended"),
    Face.NO_ROUTER: (
        "Ingen kontakt med anlegget. Prøv igjen om litt, eller bruk nøkkel.",
        "No contact with the system. Try again soon, or use a key.",
    ),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """What the screen shows, since when."""

    face: Face
    text: str
    lamp: Lamp
    at_ms: int
    is_from_router: bool
    reason: str | None = None


class Screen:
    """Shows one face at a time, and falls back to idle after an end."""

    def __init__(self, language: str, on_change: Callable[[], None]) -> None:
        self._is_english = language == "en"
        self._on_change = on_change
        self._timer: asyncio.TimerHandle | None = None
        self.shown = self._own(Face.IDLE)

    def show(self, face: Face) -> None:
        """Show a face in the panel's own words."""
        self._set(self._own(face))

    def show_router(self, state: CallState) -> None:
        """Show what the router says; a state of a newer router is shown by its words alone."""
        try:
            face = Face(state.state)
        except ValueError:
            face = self.shown.face
        lamp = _LAMPS[face]
        self._set(Shown(face, state.text, lamp, now_ms(), is_from_router=True, reason=state.reason))

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
        self._on_change()

    def _own(self, face: Face) -> Shown:
        text = _WORDS[face][self._is_english]
        return Shown(face, text, _LAMPS[face], now_ms(), is_from_router=False)

    def _after(self, seconds: float, what: Callable[[], None]) -> None:
        self._cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, what)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
