"""Where in a TOML text a value stands, so that an error can name its line.

The standard parser keeps no positions. This scanner reads only what it must: headers, keys, and the
strings and brackets that may hide either. It is given text that the parser has already accepted.
"""

import re
from collections.abc import Iterator

Path = tuple[str | int, ...]
"""A way into parsed TOML, such as ("panel", 0, "buttons", "2")."""

_WORD = re.compile(
    r'''"""(?:\\.|[^\\])*?"""'''
    r"""|'''.*?'''"""
    r"""|"(?:\\.|[^"\\\n])*"|'[^'\n]*'"""
    r"""|\#[^\n]*|\n|[\[\]{}=.,]|[^\s\[\]{}=.,\#"']+""",
    re.DOTALL,
)
_OPENING, _CLOSING = "[{", "]}"


class LineIndex:
    """The line of every header and of every key that begins a line."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {}
        self._counts: dict[Path, int] = {}
        prefix: Path = ()
        for line, statement in _statements(text):
            if statement[0] == "[":
                prefix = self._enter(statement)
                self._lines.setdefault(prefix, line)
                if prefix and isinstance(prefix[-1], int):
                    self._lines.setdefault(prefix[:-1], line)
            elif "=" in statement:
                keys = [_unquote(t) for t in statement[: statement.index("=")] if t != "."]
                for end in range(1, len(keys) + 1):
                    self._lines.setdefault((*prefix, *keys[:end]), line)

    def line_of(self, path: Path) -> int | None:
        """Give the line of a value, or of the nearest table around it."""
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path[:-1]
        return None

    def _enter(self, statement: list[str]) -> Path:
        """Follow a header; in [[panel]] … [panel.buttons] the latter means the latest panel."""
        is_array = statement[1:2] == ["["]
        keys = [_unquote(word) for word in statement if word not in {"[", "]", "."}]
        path: Path = ()
        for position, key in enumerate(keys):
            path = (*path, key)
            if is_array and position == len(keys) - 1:
                self._counts[path] = self._counts.get(path, -1) + 1
            if path in self._counts:
                path = (*path, self._counts[path])
        return path


def _statements(text: str) -> Iterator[tuple[int, list[str]]]:
    """Split into statements, each with the line on which it begins; a value may span lines."""
    line, began, depth = 1, 1, 0
    statement: list[str] = []
    for found in _WORD.finditer(text):
        word = found.group()
        if word == "\n" and depth == 0 and statement:
            yield began, statement
            statement = []
        elif word[0] not in "\n#":
            if not statement:
                began = line
            depth += (word in _OPENING) - (word in _CLOSING)
            statement.append(word)
        line += word.count("\n")
    if statement:
        yield began, statement


def _unquote(word: str) -> str:
    return word[1:-1] if word[:1] in "\"'" else word
