"""Spoken words from WAV files: 8 kHz, 16 bits, mono; `deploy/make_prompts.py` makes them."""

import wave
from enum import StrEnum
from functools import cache
from importlib import resources

from intercom.errors import ConfigError
from intercom.media.tones import SAMPLE_RATE_HZ, silence

LANGUAGES = ("nb", "en")
_SAME_LANGUAGE = {"no": "nb", "nn": "nb"}
_PAUSE_MS = 60


class Words(StrEnum):
    """What can be said; the value is the file's name."""

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
    MAIN_ENTRANCE = "main_entrance"
    GARAGE = "garage"
    BACK_DOOR = "back_door"
    ENTRANCE = "entrance"
    """Said for doors whose name has no recording."""


_DOOR_NAMES = {
    Words.MAIN_ENTRANCE: ("main entrance", "main door", "front door", "hovedinngang", "hoveddør"),
    Words.GARAGE: ("garage", "garage door", "garasje", "garasjeport"),
    Words.BACK_DOOR: ("back door", "back entrance", "bakdør", "bakinngang"),
    Words.ENTRANCE: ("entrance", "inngang", "inngangsdør"),
}
_WORDS_OF_DOOR = {name: words for words, names in _DOOR_NAMES.items() for name in names}


@cache
def load(name: Words | str, language: str) -> bytes:
    """Give PCM; a language without recordings falls back to English.

    Raises ConfigError when the file is missing or of another format.
    """
    language = language.partition("-")[0].lower()
    language = _SAME_LANGUAGE.get(language, language)
    folder = language if language in LANGUAGES else "en"
    path = resources.files("intercom.media") / "prompts" / f"{folder}_{Words(name).value}.wav"
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


@cache
def which_door(door_name: str, language: str) -> bytes:
    """Say where it rings: the door's name if there is a recording of it, else "the entrance"."""
    words = _WORDS_OF_DOOR.get(door_name.strip().casefold(), Words.ENTRANCE)
    return load(Words.RING_FROM, language) + silence(_PAUSE_MS) + load(words, language)
