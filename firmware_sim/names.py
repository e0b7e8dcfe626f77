"""The names on the screen as a visitor finds them: in the order of the alphabet, groups opening to their persons."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from intercom.link.screen import ScreenEntry

_LAST_LETTERS = str.maketrans({"æ": "{a", "ä": "{a", "ø": "{b", "ö": "{b", "å": "{c"})
"""Behind z; æ ø å in Norwegian. Swedish has å ä ö."""
_SWEDISH = str.maketrans({"å": "{a", "ä": "{b", "æ": "{b", "ö": "{c", "ø": "{c"})
_NUMBER = re.compile(r"(\d+)")

SortKey = list[tuple[bool, int, str]]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the screen: a name to press, or a group that opens to its persons."""

    name: str
    button: str = ""
    """Empty: it is a group."""
    persons: tuple["Row", ...] = ()


def arranged(entries: Iterable[ScreenEntry], language: str) -> list[Row]:
    """Put the names in order; those of one group stand together behind its name."""
    rows: list[Row] = []
    groups: dict[str, list[Row]] = {}
    for entry in entries:
        into = groups.setdefault(entry.group, []) if entry.group else rows
        into.append(Row(entry.name, entry.button))
    for name, persons in groups.items():
        rows.append(Row(name, persons=tuple(_sorted(persons, language))))
    return _sorted(rows, language)


def _sorted(rows: list[Row], language: str) -> list[Row]:
    letters = _SWEDISH if language == "sv" else _LAST_LETTERS
    return sorted(
        rows, key=lambda row: (_sort_key(row.name.casefold().translate(letters)), row.button)
    )


def _sort_key(name: str) -> SortKey:
    """Let 2 come before 10."""
    pieces = _NUMBER.split(name)
    return [(not p.isdigit(), int(p) if p.isdecimal() else 0, p) for p in pieces if p]
