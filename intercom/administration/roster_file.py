"""A file of units and people as property managers have it: read, checked line by line, nothing saved."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from intercom.administration import accounts
from intercom.administration.entries import name_from, number_from, username_from
from intercom.errors import RefusedError
from intercom.store.folding import folded
from intercom.store.kinds import Role
from intercom.texts import LANGUAGES

MAX_BYTES = 4 * 1024 * 1024
MAX_ROWS = 20_000
MAX_FAULTS = 200
COLUMNS = {
    "unit": ("unit", "enhet", "leilighet", "apartment", "bolignummer", "lagenhet", "label"),
    "name": ("name", "navn", "namn", "person", "full name", "fullt navn"),
    "role": ("role", "rolle", "roll"),
    "email": ("email", "e-mail", "e-post", "epost", "mail"),
    "number": ("telephone", "phone", "telefon", "mobil", "mobile", "number", "tlf"),
    "language": ("language", "sprak", "malform"),
    "username": ("username", "brukernavn", "anvandarnamn"),
    "doorbell": ("doorbell", "on the panel", "ringeklokke", "pa panelet", "dorskilt", "panel"),
}
"""What each column may be called, as `folded` writes it; only the unit's has to be there."""
_ROLES = {
    "owner": Role.OWNER,
    "eier": Role.OWNER,
    "agare": Role.OWNER,
    "resident": Role.RESIDENT,
    "beboer": Role.RESIDENT,
    "boende": Role.RESIDENT,
    "station": Role.STATION,
    "stasjon": Role.STATION,
}
_LANGUAGES = {
    **{each: each for each in LANGUAGES},
    "no": "nb",
    "norsk": "nb",
    "bokmal": "nb",
    "nynorsk": "nn",
    "english": "en",
    "engelsk": "en",
    "svenska": "sv",
    "svensk": "sv",
}


@dataclass(frozen=True, slots=True)
class RosterRow:
    """A line: a person in a unit, or a unit alone. What is empty stays as it is in the store."""

    line: int
    unit: str
    name: str = ""
    username: str = ""
    email: str = ""
    number: str = ""
    language: str = ""
    role: Role | None = None
    doorbell: str = ""

    @property
    def has_person(self) -> bool:
        """Whether the line is about a person, not about a unit alone."""
        return bool(self.name or self.username or self.email or self.number)


@dataclass(frozen=True, slots=True)
class RosterFault:
    """What is wrong in a line, as words of `intercom.texts`."""

    line: int
    key: str
    values: tuple[tuple[str, object], ...] = ()
    found: str = ""
    """What stands there."""


@dataclass(frozen=True, slots=True)
class RosterFile:
    rows: tuple[RosterRow, ...]
    faults: tuple[RosterFault, ...]


def decoded(content: bytes) -> str:
    """Read a file's bytes as UTF-8, or as Windows writes it in Western Europe."""
    if len(content) > MAX_BYTES:
        raise RefusedError("people.import.too_large", field="file", most=MAX_BYTES // 2**20)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def read_roster(text: str, region: str | None) -> RosterFile:
    """Read a whole file with commas, semicolons or tabs; `region` is whose numbers need no code.

    Refuses what is no such file at all; what is wrong with a line is among the faults.
    """
    text = text.removeprefix("\ufeff").replace("\0", "")
    header, _, _ = text.strip("\r\n").partition("\n")
    if not header.strip():
        raise RefusedError("people.import.empty", field="text")
    delimiter = max(";\t,", key=header.count)
    reader = csv.reader(io.StringIO(text.strip("\r\n"), newline=""), delimiter=delimiter)
    faults: list[RosterFault] = []
    rows: list[RosterRow] = []
    try:
        places = _places(next(reader))
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(rows) >= MAX_ROWS:
                raise RefusedError("people.import.too_many", field="file", most=MAX_ROWS)
            written = {
                name: cells[place].strip() for name, place in places.items() if place < len(cells)
            }
            row = _read(reader.line_num, written, region, faults)
            if row is not None:
                rows.append(row)
    except csv.Error as error:
        raise RefusedError("people.import.unreadable", field="file") from error
    return RosterFile(tuple(rows), tuple(faults))


def _places(header: list[str]) -> dict[str, int]:
    known = {other: name for name, others in COLUMNS.items() for other in others}
    places: dict[str, int] = {}
    for place, title in enumerate(header):
        name = known.get(folded(title))
        if name is not None:
            places.setdefault(name, place)
    if "unit" not in places:
        raise RefusedError("people.import.no_unit_column", field="text")
    return places


def _read(
    line: int, written: dict[str, str], region: str | None, faults: list[RosterFault]
) -> RosterRow | None:
    """Read a line; None and a fault for each cell that is wrong."""
    read: dict[str, str] = {}
    role: Role | None = None
    wrong: list[RosterFault] = []
    for name, value in _checked(written):
        try:
            if name == "role":
                role = _role(value)
            else:
                read[name] = _cell(name, value, region)
        except RefusedError as error:
            wrong.append(RosterFault(line, error.key, tuple(error.values.items()), value[:60]))
    row = RosterRow(line, role=role, **read) if "unit" in read else None
    if row is not None and row.has_person and not row.name and not wrong:
        wrong.append(RosterFault(line, "people.import.no_name"))
    faults += wrong
    return None if wrong else row


def _checked(written: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Give the cells that say something; the unit always."""
    return ((name, value) for name, value in written.items() if value or name == "unit")


def _cell(name: str, value: str, region: str | None) -> str:
    match name:
        case "email":
            return accounts.checked_email(value)
        case "number":
            return number_from(value, region) or ""
        case "username":
            return username_from(value)
        case "language":
            language = _LANGUAGES.get(folded(value))
            if language is None:
                raise RefusedError("people.import.language_wrong")
            return language
        case _:
            return name_from(value)


def _role(value: str) -> Role:
    role = _ROLES.get(folded(value))
    if role is None:
        raise RefusedError("people.refused.role")
    return role
