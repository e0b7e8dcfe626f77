"""A form as a page shows it: the values that were typed, and the words beside the fields that are wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from intercom.errors import RefusedError
from intercom.texts import words
from intercom.web.admin.visit import Visit


@dataclass(frozen=True, slots=True)
class Form:
    """What stands in a form's fields."""

    values: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    """By the field's name; "": the whole form's."""

    def value(self, name: str) -> str:
        """Give a field's value; empty when there is none."""
        return self.values.get(name, "")

    @property
    def status(self) -> int:
        """The HTTP status of a page with this form."""
        return HTTPStatus.UNPROCESSABLE_ENTITY if self.faults else HTTPStatus.OK

    def fault(self, name: str) -> str:
        """Give the words beside a field; empty: it is right."""
        return self.faults.get(name, "")


def refused_form(visit: Visit, error: RefusedError) -> Form:
    """Give a form back as it was sent, with the reason beside its field."""
    return Form(visit.form, {error.field: words_of(visit.language, error)})


def place_of(visit: Visit) -> str:
    """Give the property in the path; every route that asks has one there."""
    if visit.property_id is None:
        raise LookupError("This page is of no property")
    return visit.property_id


def words_of(language: str, error: RefusedError) -> str:
    """Say a refusal in the language of the page."""
    return words(language, error.key, **error.values)


@dataclass(frozen=True, slots=True)
class Pager:
    """One page of a long list."""

    total: int
    number: int = 1
    """Counted from 1; one that does not exist is brought to the nearest that does."""
    size: int = 50

    @property
    def last(self) -> int:
        """The number of the last page."""
        return max(1, -(-self.total // self.size))

    @property
    def here(self) -> int:
        """The number of this page, which exists."""
        return min(max(1, self.number), self.last)

    @property
    def offset(self) -> int:
        """How many entries come before this page."""
        return (self.here - 1) * self.size

    @property
    def first_entry(self) -> int:
        return min(self.offset + 1, self.total)

    @property
    def last_entry(self) -> int:
        return min(self.offset + self.size, self.total)


def pager(visit: Visit, total: int, size: int = 50) -> Pager:
    """Read which page of a list is asked for by ?page=."""
    asked = visit.request.query.get("page", "1")
    return Pager(total, int(asked) if asked.isdecimal() and len(asked) < 9 else 1, size)
