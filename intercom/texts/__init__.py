"""What people read, in their language: `words("nb", "mail.invitation.subject", name="Kari")`.

A key's first part is the file: `mail.nb.toml` holds what begins with "mail.". Webadmin speaks bokmål and
English, what residents and visitors see all four; a test keeps the files complete. Texts use str.format.
Where the value `count` is 1, the key with `_one` behind it is taken if there is one: "1 unit", "2 units".
"""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

LANGUAGES = ("nb", "nn", "en", "sv")
_INSTEAD = {"nn": "nb", "sv": "nb"}
"""Whose words stand in where a file has none in the language."""
_FOLDER = Path(__file__).parent


def words(language: str, key: str, **values: object) -> str:
    """Give the words behind a key; raise KeyError for one that does not exist."""
    texts = catalogue(key.partition(".")[0], language)
    text = texts.get(f"{key}_one", texts[key]) if values.get("count") == 1 else texts[key]
    return text.format(**values) if values else text


@cache
def catalogue(room: str, language: str) -> Mapping[str, str]:
    """Give every text of a room, such as "mail", by its whole key; each language has all of them."""
    path = _FOLDER / f"{room}.{language}.toml"
    if not path.exists():
        return catalogue(room, _INSTEAD.get(language, "en")) if language != "en" else {}
    return dict(_flat(room, tomllib.loads(path.read_text("utf-8"))))


def _flat(prefix: str, table: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}.{name}", value)
        else:
            yield f"{prefix}.{name}", str(value)
