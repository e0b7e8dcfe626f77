"""The hops of the two calls, in their order; each name is also a word for `--break`."""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class HopText:
    label: str
    within_s: float
    """How long it may take after the hop before it."""
    look_at: str
    """What to look at when it is not reached."""


class Hop(Enum):
    """A place that a press must pass; what it is reached by is what the strangers saw."""

    TRYING = "trying"
    PROGRESS = "progress"
    RING = "ring"
    PICTURE = "picture"
    ANSWER = "answer"
    SOUND = "sound"
    OPEN = "open"
    RELAY = "relay"
    TONE = "tone"
    HANG_UP = "hang-up"
    PRESS_AGAIN = "press-again"
    RING_AGAIN = "ring-again"
    TRUNK = "trunk"
    CALLER_ID = "caller-id"
    PHONE_RING = "phone-ring"
    PHONE_ANSWER = "phone-answer"
    PROMPT = "prompt"
    TALK = "talk"
    KEY = "key"
    PHONE_RELAY = "phone-relay"
    PHONE_TONE = "phone-tone"
    PHONE_HANG_UP = "phone-hang-up"


TEXTS: dict[Hop, HopText] = {
    Hop.TRYING: HopText(
        "the router took the press (100)", 3, "does the panel call the router's address and port?"
    ),
    Hop.PROGRESS: HopText(
        "the panel was told that it rings (183)",
        3,
        "the panel's password, and whether the button leads to a doorbell",
    ),
    Hop.RING: HopText("the app rings", 3, "is the resident's app logged in and online?"),
    Hop.PICTURE: HopText(
        "the app shows the visitor, before any answer", 6, "the panel's camera, and UDP to the app"
    ),
    Hop.ANSWER: HopText("the resident answered (200)", 3, "did the app send its answer?"),
    Hop.SOUND: HopText("sound both ways", 6, "the panel's microphone and speaker, UDP both ways"),
    Hop.OPEN: HopText("the resident asked to open the door", 3, "is the app still connected?"),
    Hop.RELAY: HopText(
        "the relay pulsed, measured by its board", 4, "the panel link, and the relay's coil"
    ),
    Hop.TONE: HopText("both heard the door's tone", 3, "the panel's speaker"),
    Hop.HANG_UP: HopText("hung up", 3, "did the app end the call?"),
    Hop.PRESS_AGAIN: HopText("the button again (100, 183)", 3, "does the panel still live?"),
    Hop.RING_AGAIN: HopText("the app rings, nobody takes it", 3, "is the app online?"),
    Hop.TRUNK: HopText(
        "the carrier took the call", 9, "the trunk's address, user name and password"
    ),
    Hop.CALLER_ID: HopText(
        "it shows the one caller ID", 1, "INTERCOM_CALLER_ID, and what the trunk may present"
    ),
    Hop.PHONE_RING: HopText("the phone rings", 4, "is the phone registered with the carrier?"),
    Hop.PHONE_ANSWER: HopText("the phone was answered", 6, "did anybody pick up?"),
    Hop.PROMPT: HopText("it was told which door", 8, "sound from the router to the phone"),
    Hop.TALK: HopText("talk both ways", 6, "the panel's microphone, the phone, UDP both ways"),
    Hop.KEY: HopText("the resident pressed 5", 3, "which key was it?"),
    Hop.PHONE_RELAY: HopText(
        "the relay pulsed, measured by its board", 4, "the panel link, and the relay's coil"
    ),
    Hop.PHONE_TONE: HopText("both heard the door's tone", 3, "the panel's speaker"),
    Hop.PHONE_HANG_UP: HopText("hung up", 3, "did the phone end the call?"),
}


class HopError(Exception):
    """A hop was not reached."""

    def __init__(self, hop: Hop, seen: str) -> None:
        super().__init__(f"{hop.value}: {seen}")
        self.hop = hop
        self.seen = seen
