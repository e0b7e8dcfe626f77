"""What people read: every language of a room says the same things."""

import string
from itertools import groupby

import pytest

from intercom import texts
from intercom.texts import LANGUAGES

FILES = sorted(path.stem for path in texts._FOLDER.glob("*.toml"))
ROOMS = {room: tuple(names) for room, names in groupby(FILES, lambda name: name.partition(".")[0])}
OF_RESIDENTS_AND_VISITORS = ("panel", "account", "mail")


def values_in(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("room", OF_RESIDENTS_AND_VISITORS)
def test_what_residents_and_visitors_read_is_there_in_every_language(room):
    assert {name.partition(".")[2] for name in ROOMS[room]} == set(LANGUAGES)


@pytest.mark.parametrize("room", ROOMS)
def test_every_language_of_a_room_has_the_same_texts_with_the_same_values_in_them(room):
    english = texts.catalogue(room, "en")

    for name in ROOMS[room]:
        language = name.partition(".")[2]
        found = texts.catalogue(room, language)
        assert found.keys() == english.keys(), name
        for key, text in found.items():
            assert text.strip(), f"{name}: {key}"
            assert values_in(text) == values_in(english[key]), f"{name}: {key}"


def test_one_thing_is_not_spoken_of_as_many():
    assert texts.words("en", "property.list.units", count=1) == "1 unit"
    assert texts.words("nb", "property.list.units", count=2) == "2 enheter"
    assert texts.words("en", "people.units.found", count=1, total=2) == "1 of 2 units"
