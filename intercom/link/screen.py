"""What stands on a panel's screen, cut into parts that are told apart by their digests.

Pure. A manifest is signed as a door command is; it lists the SHA-256 of every part, so the panel asks for
those alone that it lacks, takes nothing that was not signed, and shows the new screen whole or not at all.

    part 0      {"door": …, "place": …, "languages": […], "texts": {language: {key: words}}}
    part 1…     {"names": [[button, name, group], …]}

A name's part is chosen by its button, so that one new name changes one part, also among thousands.
"""

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from intercom.errors import RemoteProtocolError

SCREEN_VERSION = 1
MAX_PARTS = 512
MAX_PART_BYTES = 28_000
"""In a message its quotes and backslashes count twice; that must stay below the link's limit."""
NAMES_PER_PART = 100
MAX_NAMES = 20_000
MAX_NAME_CHARACTERS = 120
DIGEST_CHARACTERS = 64

_Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class ScreenEntry:
    """A name that can be pressed."""

    button: str
    """What the panel calls: the user part of its Request-URI."""
    name: str
    group: str = ""
    """The name that opens to this one; empty: it stands on the screen by itself."""


@dataclass(frozen=True, slots=True)
class ScreenContent:
    """Everything on a panel's screen that is not of a call."""

    door: str = ""
    """Where the panel hangs, such as "Main entrance"."""
    place: str = ""
    """Below it, such as "Storgata 14"."""
    languages: tuple[str, ...] = ()
    """The property's first; a visitor may choose the others."""
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By language, then by key."""
    entries: tuple[ScreenEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class ScreenManifest:
    """The part of `cfg.put` that is signed."""

    v: int
    panel: str
    rev: int
    """Above every one before, also those before a restart: an old screen cannot be played back."""
    parts: tuple[str, ...]
    """SHA-256 of each part, in hexadecimal digits."""

    def __post_init__(self) -> None:
        if not 0 < len(self.parts) <= MAX_PARTS:
            raise RemoteProtocolError("a screen has too many parts, or none")
        if not all(is_digest(part) for part in self.parts):
            raise RemoteProtocolError("a part is not named by its digest")


def is_digest(text: object) -> bool:
    """Tell whether this can be a part's name."""
    return (
        isinstance(text, str)
        and len(text) == DIGEST_CHARACTERS
        and not set(text) - set("0123456789abcdef")
    )


def digest_of(part: str) -> str:
    """Name a part."""
    return hashlib.sha256(part.encode()).hexdigest()


def screen_digest(parts: Sequence[str]) -> str:
    """Name a whole screen by its parts' names, whatever its rev."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def write_face(content: ScreenContent) -> str:
    """Write the part that holds everything but the names."""
    return _write(
        {
            "door": content.door[:MAX_NAME_CHARACTERS],
            "place": content.place[:MAX_NAME_CHARACTERS],
            "languages": list(content.languages),
            "texts": {language: dict(texts) for language, texts in content.texts.items()},
        }
    )


def part_numbers(names: int) -> int:
    """Say over how many parts so many names are spread: a power of two, so that it changes seldom."""
    count = 1
    while count * NAMES_PER_PART < names:
        count *= 2
    return count


def part_of(button: str, parts: int) -> int:
    """Say into which of so many parts a name belongs: always the same one."""
    return zlib.crc32(button.encode()) & (parts - 1)


def write_names(entries: Sequence[ScreenEntry]) -> Iterator[str]:
    """Write one part's names; as several parts where they are uncommonly long."""
    rows = [
        [each.button, each.name[:MAX_NAME_CHARACTERS], each.group[:MAX_NAME_CHARACTERS]]
        for each in entries
    ]
    text = _write({"names": rows})
    if len(text.encode()) <= MAX_PART_BYTES or len(entries) < 2:  # cannot be halved
        yield text
        return
    half = len(entries) // 2
    yield from write_names(entries[:half])
    yield from write_names(entries[half:])


def write_parts(content: ScreenContent) -> list[str]:
    """Write every part of a screen."""
    count = part_numbers(len(content.entries))
    spread: list[list[ScreenEntry]] = [[] for _ in range(count)]
    for entry in content.entries:
        spread[part_of(entry.button, count)].append(entry)
    return [write_face(content), *(part for each in spread if each for part in write_names(each))]


def read_parts(parts: Sequence[str]) -> ScreenContent:
    """Put a screen together; raises RemoteProtocolError for what no router of ours writes."""
    face = _read(parts[0])
    entries: list[ScreenEntry] = []
    for part in parts[1:]:
        rows = _read(part).get("names")
        if not isinstance(rows, list) or len(rows) + len(entries) > MAX_NAMES:
            raise RemoteProtocolError("a part of the screen is no list of names")
        entries += map(_entry_of, rows)
    languages = face.get("languages")
    if not isinstance(languages, list) or not all(isinstance(each, str) for each in languages):
        raise RemoteProtocolError("the screen does not say its languages")
    return ScreenContent(
        door=_word(face.get("door")),
        place=_word(face.get("place")),
        languages=tuple(languages),
        texts=_texts_of(face.get("texts")),
        entries=tuple(entries),
    )


def _entry_of(row: object) -> ScreenEntry:
    if not isinstance(row, list) or len(row) != 3:  # button, name, group
        raise RemoteProtocolError("a name on the screen is not button, name and group")
    return ScreenEntry(*map(_word, row))


def _texts_of(found: object) -> dict[str, dict[str, str]]:
    if not isinstance(found, dict):
        raise RemoteProtocolError("the screen has no texts")
    texts: dict[str, dict[str, str]] = {}
    for language, words in found.items():
        if not isinstance(words, dict):
            raise RemoteProtocolError("the screen's texts are not by language and key")
        texts[language] = {key: _word(text) for key, text in words.items()}
    return texts


def _word(value: object) -> str:
    if not isinstance(value, str):
        raise RemoteProtocolError("a word on the screen is no text")
    return value


def _write(fields: _Json) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def _read(part: str) -> _Json:
    try:
        fields = json.loads(part)
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError("a part of the screen is not JSON") from error
    if not isinstance(fields, dict):
        raise RemoteProtocolError("a part of the screen is not a JSON object")
    return fields
