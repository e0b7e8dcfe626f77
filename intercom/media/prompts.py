"""What is said: the recordings that come with the service, or a property's own in their place.

PCM here is 16-bit little-endian, 8 kHz, mono. `prompts/texts.toml` has the words of each recording in
each language; `deploy/make_prompts.py` makes the files.
"""

import tomllib
import wave
from enum import StrEnum
from functools import cache, lru_cache
from importlib import resources
from importlib.resources.abc import Traversable

from intercom.errors import ConfigError
from intercom.media.tones import SAMPLE_RATE_HZ, silence
from intercom.routing.directory import Door, Property

LANGUAGES = ("nb", "nn", "en", "sv")
"""Norwegian bokmål and nynorsk, English, Swedish."""
_SAME_LANGUAGE = {"no": "nb"}
_PAUSE_MS = 60


class Words(StrEnum):
    """What can be said; the value is the file's name, and the key in `[property.prompts]`."""

    RING_FROM = "ring_from"
    """Goes before the name of a door."""
    PRESS_ANY_KEY = "press_any_key"
    DOOR_OPENED = "door_opened"
    NOBODY_ANSWERS = "nobody_answers"
    NOBODY_REACHABLE = "nobody_reachable"
    TOO_MANY_CALLS = "too_many_calls"
    NO_CALLBACK = "no_callback"
    """For whoever calls our number."""
    IN_USE = "in_use"
    NOT_OPENED = "not_opened"
    QUIET_HOURS = "quiet_hours"
    COMING = "coming"
    """A resident's ready answers to the visitor."""
    LEAVE_IT = "leave_it"
    WRONG_DOOR = "wrong_door"
    CONFIRM_NUMBER = "confirm_number"
    """Asks whoever answers a check call for the key."""
    NUMBER_CONFIRMED = "number_confirmed"
    MAIN_ENTRANCE = "main_entrance"
    GARAGE = "garage"
    BACK_DOOR = "back_door"
    GATE = "gate"
    CELLAR = "cellar"
    ENTRANCE = "entrance"
    """Said for doors whose name has no recording."""


_DOOR_NAMES = {
    Words.MAIN_ENTRANCE: (
        *("main entrance", "main door", "front door"),
        *("hovedinngang", "hoveddør", "hovudinngang", "hovuddør"),
        *("huvudentré", "huvudingång", "huvuddörr", "ytterdörr"),
    ),
    Words.GARAGE: ("garage", "garage door", "garasje", "garasjeport", "garageport"),
    Words.BACK_DOOR: ("back door", "back entrance", "bakdør", "bakinngang", "bakdörr"),
    Words.GATE: ("gate", "garden gate", "hageport", "kjøreport", "køyreport", "grind"),
    Words.CELLAR: ("cellar", "basement", "kjeller", "kjellar", "källare"),
    Words.ENTRANCE: ("entrance", "inngang", "inngangsdør", "entré", "ingång"),
}
_WORDS_OF_DOOR = {name: words for words, names in _DOOR_NAMES.items() for name in names}


def say(words: Words, prop: Property) -> bytes:
    """Give what a property says: its own recording, else ours in its language."""
    return prop.recordings.get(words.value) or load(words, prop.language)


def which_door(door: Door, prop: Property) -> bytes:
    """Say where it rings: by the door's own recording, by its name if that is known, else "the entrance"."""
    words = _WORDS_OF_DOOR.get(door.name.strip().casefold(), Words.ENTRANCE)
    return _joined(say(Words.RING_FROM, prop), door.recording or say(words, prop))


@cache
def load(name: Words | str, language: str) -> bytes:
    """Give one of our own recordings; a language without any falls back to English.

    Raises ConfigError when the file is missing or of another format.
    """
    path = _folder() / f"{_known(language)}_{Words(name).value}.wav"
    try:
        with path.open("rb") as file, wave.open(file) as recording:
            shape = (recording.getframerate(), recording.getsampwidth(), recording.getnchannels())
            pcm: bytes = recording.readframes(recording.getnframes())
    except (OSError, wave.Error) as error:
        message = f"prompt {path} cannot be read: run deploy/make_prompts.py"
        raise ConfigError(message) from error
    if shape != (SAMPLE_RATE_HZ, 2, 1):
        message = f"prompt {path} is not 8 kHz, 16 bits, mono: run deploy/make_prompts.py"
        raise ConfigError(message)
    return pcm


def texts(language: str) -> dict[Words, str]:
    """Give the words of our recordings as they are said."""
    table = tomllib.loads((_folder() / "texts.toml").read_text("utf-8"))
    return {words: table[_known(language)][words.value] for words in Words}


def _known(language: str) -> str:
    language = language.partition("-")[0].lower()
    language = _SAME_LANGUAGE.get(language, language)
    return language if language in LANGUAGES else "en"


def _folder() -> Traversable:
    return resources.files("intercom.media") / "prompts"


@lru_cache(maxsize=256)  # the same object each time, so that what is made of it is found again
def _joined(first: bytes, second: bytes) -> bytes:
    return first + silence(_PAUSE_MS) + second
