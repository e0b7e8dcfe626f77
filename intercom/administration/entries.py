"""What people type into a form or a file, read and checked; refused with the words that say why."""

import re
import unicodedata
from collections.abc import Container

from babel.core import get_global

from intercom.errors import RefusedError
from intercom.routing.numbers import objection_to_kind, objection_to_writing, to_e164
from intercom.store.folding import folded

MAX_NAME = 64
_UNSEEN = re.compile("[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn a text's direction around, as in building.tables."""
_USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def name_from(text: str, field: str = "name") -> str:
    """Read a name of 1 to 64 characters: a person's, a unit's, a doorbell's."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not name:
        raise RefusedError("people.refused.empty", field=field)
    if len(name) > MAX_NAME:
        raise RefusedError("people.refused.too_long", field=field, longest=MAX_NAME)
    if _UNSEEN.search(name):
        raise RefusedError("people.refused.unseen", field=field)
    return name


def username_from(text: str, field: str = "username") -> str:
    """Read a username: letters without accents, digits, dots, dashes; kept in lower case."""
    username = text.strip()
    if not _USERNAME.fullmatch(username):
        raise RefusedError("people.refused.username", field=field)
    return username.lower()


def number_from(text: str, region: str | None, field: str = "number") -> str | None:
    """Read a telephone number as people of a region write it, to E.164; an empty text is none."""
    written = text.strip()
    if not written:
        return None
    if objection_to_writing(written, region) is not None:
        raise RefusedError("people.refused.number", field=field)
    number = to_e164(written, region)
    if number is None or objection_to_kind(number) is not None:
        raise RefusedError("people.refused.number_kind", field=field)
    return number


def region_of_zone(time_zone: str) -> str | None:
    """Give the country of an IANA zone, such as NO for Europe/Oslo: where numbers need no code."""
    region: str | None = get_global("zone_territories").get(time_zone)
    return region


def proposed_username(name: str, taken: Container[str]) -> str:
    """Make a username of a person's name that nobody has: kari.nordmann, kari.nordmann2."""
    words = re.findall(r"[a-z0-9]+", folded(name))
    stem = ".".join(words[:1] + words[-1:] if len(words) > 1 else words)[:56] or "person"
    if stem not in taken:
        return stem
    count = 2
    while f"{stem}{count}" in taken:
        count += 1
    return f"{stem}{count}"


def proposed_doorbell_name(name: str) -> str:
    """Make what stands on the panel of a person's name: the last word."""
    return name.rpartition(" ")[2]
