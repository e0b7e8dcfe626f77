"""Everything that is wrong with a building file, said at once: file, line, place, what to do."""

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from intercom.building.lines import LineIndex, Path
from intercom.building.table import SECRETS, Table
from intercom.errors import ConfigError

_MAPPINGS = {"buttons": "button"}
"""Tables whose keys are names of things, and what one such thing is called."""
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""They let a name look like another one, and so would what quotes it (Unicode UAX 9 §2)."""
_TAGS = frozenset(
    {"panel-link", "panel-code", "http", "2n", "akuvox", "grandstream", "doorbird", "fanvil"}
)
"""Pydantic puts the relay's driver into the place of an error."""
_KEY = "[key]"
"""Pydantic's place of a key that is wrong itself."""


class Faults:
    """Collects faults; nothing of a file is used when there is one."""

    def __init__(self, file: FilePath, raw: Mapping[str, Any], lines: LineIndex) -> None:
        self._file = file
        self._raw = raw
        self._lines = lines
        self._faults: list[tuple[int, str]] = []
        self._mended: set[Path] = set()
        self.warnings: list[str] = []

    def add(self, path: Path, fault: str) -> None:
        """Note a fault at a place; of a mended table, what else it says means nothing."""
        if path[:2] not in self._mended:
            self._note(path, fault)

    def add_reference(self, path: Path, fault: str) -> None:
        """Note a reference to nothing, also one that stands in a mended table."""
        self._note(path, fault)

    def mark_mended(self, path: Path) -> None:
        """Remember a table that has faults of shape and was read on without those fields."""
        self._mended.add(path)

    def warn(self, path: Path, doubt: str) -> None:
        """Note something that is allowed and probably not meant."""
        self.warnings.append(self._say(path, doubt))

    def add_shape(self, path: Path, shape: type[Table], error: ValidationError) -> None:
        """Note what a table's shape has against it."""
        for details in error.errors(include_url=False):
            inner = tuple(part for part in details["loc"] if part not in _TAGS)
            self._note((*path, *inner), _explain(shape, inner, details))

    def raise_if_any(self) -> None:
        """Raise ConfigError with all faults, in the order of the lines."""
        if self._faults:
            raise ConfigError("\n".join(words for _, words in sorted(self._faults)))

    def _note(self, path: Path, fault: str) -> None:
        self._faults.append((self._lines.line_of(path) or 0, self._say(path, fault)))

    def _say(self, path: Path, fault: str) -> str:
        line = self._lines.line_of(path)
        where = f"{self._file}:{line}" if line else str(self._file)
        place = " → ".join(self._names(path))
        return f"{where}: {place}: {fault}" if place else f"{where}: {fault}"

    def _names(self, path: Path) -> Iterable[str]:
        value: Any = self._raw
        kind = ""
        for part in path:
            value = _inside(value, part)
            if part == _KEY or (isinstance(part, int) and isinstance(value, str)):
                continue  # the list is named before, the text itself after
            if isinstance(part, int):
                yield f'{kind} "{name_of(value)}"' if name_of(value) else f"{kind} no. {part + 1}"
            elif kind in _MAPPINGS.values():
                yield f'{kind} "{part}"'
            elif isinstance(value, list) and value and isinstance(value[0], dict):
                kind = part
                if part == path[-1]:
                    yield part
                continue
            elif part not in _MAPPINGS or part == path[-1]:
                yield part
            kind = _MAPPINGS.get(part, part) if isinstance(part, str) else ""


def name_of(item: object) -> str:
    """Give the id by which a table is known in the file."""
    if isinstance(item, dict):
        for key in ("id", "username", "name"):
            if isinstance(item.get(key), str):
                return str(item[key])
    return item if isinstance(item, str) else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Suggest the nearest known word, or list the few there are."""
    names = sorted(set(known))
    close = difflib.get_close_matches(word, names, n=1)
    if close:
        return f'; did you mean "{close[0]}"?'
    return f"; there is {', '.join(names)}" if 0 < len(names) <= 8 else ""


def _inside(value: Any, part: str | int) -> Any:  # noqa: ANN401 - parsed TOML
    if isinstance(value, dict):
        return value.get(part)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return None


def _explain(shape: type[Table], inner: Path, details: ErrorDetails) -> str:
    known, description = _describe(shape, inner)
    context = details.get("ctx", {})
    match details["type"]:
        case "missing":
            return f"is missing: give {description}"
        case "extra_forbidden":
            return f"is not known here{did_you_mean(str(inner[-1]), known)}"
        case "union_tag_not_found":
            return f"has no driver: give {description}"
        case "union_tag_invalid":
            tag = str(context["tag"])
            return f'driver "{tag}" is not known{did_you_mean(tag, _TAGS)}'
        case _:
            return _explain_value(inner, details["input"], description)


def _explain_value(inner: Path, given: object, description: str) -> str:
    if SECRETS.intersection(map(str, inner)) or _has_tables(given):
        return f"is wrong: give {description}"
    turning = _TURNING.search(given) if isinstance(given, str) else None
    if turning is not None:
        mark = f"U+{ord(turning[0]):04X}"
        return f"holds {mark}, which turns the direction of writing: leave it out"
    shown = f'"{given}"' if isinstance(given, str) else str(given)
    shown = shown.lower() if isinstance(given, bool) else shown
    return f"{shown} is wrong: give {description}"


def _has_tables(given: object) -> bool:
    """Tell whether there are tables in it, which may hold a secret."""
    return isinstance(given, dict) or (
        isinstance(given, list) and any(isinstance(each, dict) for each in given)
    )


def _describe(shape: type[Table], inner: Path) -> tuple[tuple[str, ...], str]:
    """Give the keys known at a place, and what must stand there."""
    description = ""
    for part in inner:
        if isinstance(part, int):
            continue
        field = _fields_of(shape).get(part)
        if field is None:
            break
        description = field.description or ""
        shape = next(iter(_shapes_in(field.annotation, inner)), shape)
    return tuple(_fields_of(shape)), description


def _fields_of(shape: type[Table]) -> dict[str, FieldInfo]:
    """List a table's fields by the names that they have in the file."""
    return {field.alias or name: field for name, field in shape.model_fields.items()}


def _shapes_in(annotation: Any, inner: Path) -> Iterable[type[Table]]:  # noqa: ANN401 - a type
    options = [annotation, *getattr(annotation, "__args__", ())]
    shapes = [one for one in options if isinstance(one, type) and issubclass(one, Table)]
    return sorted(shapes, key=lambda one: str(inner[-1]) not in one.model_fields)
