"""Search finds a unit by whatever somebody remembers of it."""

import pytest

from intercom.administration.search import PAGE_ROWS, search_units
from intercom.administration.units import add_unit
from intercom.store.database import Database
from tests.administration.street import build, settle


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("", ["H2", "H10", "H11"]),
        ("h1", ["H10", "H11"]),
        ("øde", ["H2"]),
        ("ODE ase", ["H2"]),
        ("kari.hansen", ["H10"]),
        ("kari@", ["H10"]),
        ("10 kari", ["H10"]),
        ("h2 kari", []),
        ("100%", []),
        ("_", []),
        ("ødegård", ["H2"]),
        ("firma", ["H11"]),
    ],
)
async def test_every_word_must_stand_somewhere(
    sqlite_database: Database, text: str, labels: list[str]
):
    await build(sqlite_database)
    await build(sqlite_database, "parken")
    async with sqlite_database.writing() as session:
        _, (kari,) = await settle(session, "H10", "Kari Hansen")
        kari.email = "Kari@Example.no"
        await settle(session, "H2", "Åse Ødegård")
        await settle(session, "H1", "Kari Hansen", property_id="parken")
        await add_unit(session, "storgata", "H11", "Øst Firma AS")
    async with sqlite_database.reading() as session:
        page = await search_units(session, "storgata", text)

    assert [unit.label for unit in page.units] == labels
    assert page.count == len(labels)


async def test_a_page_says_what_stands_on_the_panel_and_who_lives_there(database: Database):
    await build(database)
    async with database.writing() as session:
        for number in range(PAGE_ROWS + 1):
            await add_unit(session, "storgata", str(number))
        await settle(session, "A", "Kari Hansen", "Bo Hansen")

    async with database.reading() as session:
        first = await search_units(session, "storgata")
        last = await search_units(session, "storgata", page=99)

    assert (first.count, first.pages, first.number) == (PAGE_ROWS + 2, 2, 1)
    assert last.number == 2
    unit = last.units[-1]
    assert (unit.label, unit.doorbell) == ("A", "Hansen")
    assert [each.name for each in unit.people] == ["Bo Hansen", "Kari Hansen"]
    assert first.units[0].doorbell is None
