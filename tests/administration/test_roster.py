"""A file of units and people: read, shown as what will change, done whole, taken back."""

import pytest
from sqlalchemy import func, select

from intercom.administration import accounts
from intercom.administration.roster import apply_plan, known_in
from intercom.administration.roster_file import RosterFile, decoded, read_roster
from intercom.administration.roster_plan import Plan, plan_of
from intercom.administration.roster_undo import (
    KEPT_FOR,
    Steps,
    Taking,
    keep,
    take_back,
    undo_in,
    undos_of,
)
from intercom.errors import RefusedError
from intercom.store.database import Database
from intercom.store.kinds import Role
from intercom.store.models import Account, Button, Doorbell, Grant, Mail, Member, Undo, Unit
from tests.administration.street import NOW, build, settle

FILE = """Enhet;Navn;Rolle;E-post;Telefon
H0101;Kari Nordmann;Eier;kari@example.no;900 12 345
H0101;Ola Nordmann;;ola@example.no;
H0102;Åse Ødegård;;ase@example.no;
H0201;;;;
"""


async def plan_for(database: Database, text: str = FILE) -> Plan:
    """Plan an import without doing it."""
    async with database.reading() as session:
        known = await known_in(session, "storgata")
    return plan_of(read_roster(text, "NO").rows, known)


async def import_(database: Database, text: str = FILE, *, is_inviting: bool = False) -> Plan:
    """Do an import."""
    plan = await plan_for(database, text)
    async with database.writing() as session:
        await apply_plan(session, "storgata", plan, NOW, is_inviting=is_inviting)
    return plan


async def undo(database: Database) -> Taking:
    """Take the last import back."""
    async with database.writing() as session:
        last = (await undos_of(session, "storgata", NOW))[0]
        return await take_back(session, last)


async def count(database: Database, table: type) -> int:
    """Count a table's rows."""
    async with database.reading() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def test_a_file_becomes_units_people_doorbells_and_invitations(database: Database):
    await build(database)

    await import_(database, is_inviting=True)

    async with database.reading() as session:
        units = list(await session.scalars(select(Unit.label).order_by(Unit.ordered_label)))
        bells = list(await session.scalars(select(Doorbell.name).order_by(Doorbell.name)))
        roles = await session.execute(
            select(Account.username, Grant.role).join(Grant).order_by(Account.username)
        )
        assert units == ["H0101", "H0102", "H0201"]
        assert bells == ["Nordmann", "Ødegård"]
        assert [tuple(row) for row in roles] == [
            ("ase.odegard", Role.OWNER),
            ("kari.nordmann", Role.OWNER),
            ("ola.nordmann", Role.RESIDENT),
        ]
        kari = await session.scalar(select(Account).where(Account.username == "kari.nordmann"))
        assert kari is not None
        assert (kari.number, kari.number_verified_on) == ("+4790012345", None)
    assert await count(database, Mail) == 3
    assert await count(database, Member) == 3
    assert await count(database, Button) == 4


async def test_the_same_file_again_changes_nothing(database: Database):
    await build(database)
    await import_(database)

    plan = await plan_for(database)

    assert plan.is_empty
    assert plan.unchanged == 3


async def test_a_preview_says_what_was_and_what_will_be(sqlite_database: Database):
    await build(sqlite_database)
    await import_(sqlite_database)

    plan = await plan_for(
        sqlite_database,
        "unit,name,email,role,doorbell\n"
        "h0101,kari nordmann,kari@firma.no,,Nordmann & co\n"
        "H0102,Ola Nordmann,ola@example.no,owner,\n",
    )

    kari, ola = plan.changed_people
    assert kari.changes == {
        "name": ("Kari Nordmann", "kari nordmann"),
        "email": ("kari@example.no", "kari@firma.no"),
    }
    assert ola.homes == [("h0102", Role.OWNER)]
    assert [(each.bell_before, each.bell_name) for each in plan.renamed] == [
        ("Nordmann", "Nordmann & co")
    ]
    assert not plan.new_people
    assert not plan.new_units


async def test_one_person_in_two_units_is_one_account(sqlite_database: Database):
    await build(sqlite_database)

    await import_(
        sqlite_database,
        "unit,name,email\n1,Kari Nordmann,k@example.no\n2,Kari Nordmann,k@example.no\n",
    )

    assert await count(sqlite_database, Account) == 1
    assert await count(sqlite_database, Member) == 2


async def test_nobody_of_another_property_is_changed(sqlite_database: Database):
    await build(sqlite_database)
    await build(sqlite_database, "parken")
    async with sqlite_database.writing() as session:
        await settle(session, "1", "Kari Nordmann", property_id="parken")

    plan = await plan_for(sqlite_database, "unit,name,username\n1,Kari,kari.nordmann\n")

    assert [fault.key for fault in plan.faults] == ["people.import.taken"]


async def test_an_import_taken_back_leaves_what_was_before(database: Database):
    await build(database)
    await import_(database, "unit,name,email\nH0101,Kari Nordmann,old@example.no\n")

    await import_(database)
    taking = await undo(database)

    assert not taking.kept
    assert await count(database, Account) == 1
    async with database.reading() as session:
        kari = await session.scalar(select(Account))
        assert kari is not None
        assert (kari.email, kari.number) == ("old@example.no", None)
        assert list(await session.scalars(select(Unit.label))) == ["H0101"]
        assert list(await session.scalars(select(Doorbell.name))) == ["Nordmann"]
        assert len(list(await session.scalars(select(Button.name)))) == 2
        assert len(await undos_of(session, "storgata", NOW)) == 1


async def test_what_was_changed_since_is_not_taken_back(database: Database):
    await build(database)
    await import_(database)
    async with database.writing() as session:
        people = {each.username: each for each in await session.scalars(select(Account))}
        people["kari.nordmann"].password_hash = "x"
        people["ola.nordmann"].email = "other@example.no"

    taking = await undo(database)

    assert {(each.name, each.why) for each in taking.kept} == {
        ("Kari Nordmann", "active"),
        ("Ola Nordmann", "changed"),
    }
    assert taking.kept_units == ["H0101"]
    async with database.reading() as session:
        assert list(await session.scalars(select(Unit.label))) == ["H0101"]


async def test_an_import_can_be_taken_back_for_30_days(sqlite_database: Database):
    await build(sqlite_database)
    await import_(sqlite_database)

    async with sqlite_database.writing() as session:
        assert await undos_of(session, "storgata", NOW + KEPT_FOR) == []
        undo_id = await session.scalar(select(Undo.id))
        assert undo_id is not None
        with pytest.raises(RefusedError):
            await undo_in(session, "storgata", undo_id, NOW + KEPT_FOR)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_file_is_read_as_spreadsheets_write_it(encoding: str, delimiter: str):
    text = FILE.replace(";", delimiter).replace("\n", "\r\n")

    file = read_roster(decoded(text.encode(encoding)), "NO")

    assert file.faults == ()
    assert [row.name for row in file.rows] == ["Kari Nordmann", "Ola Nordmann", "Åse Ødegård", ""]


def _faults(text: str) -> list[tuple[int, str]]:
    file: RosterFile = read_roster(text, "NO")
    return [(fault.line, fault.key) for fault in file.faults]


def test_every_fault_has_its_line():
    assert _faults(
        "unit,name,email,phone,role,language\n"
        "1,Kari,nonsense,,,\n"
        "\n"
        ",Ola,,,,\n"
        '2,"Per\nHansen",,112,king,fr\n'
        "3,,lise@example.no,,,\n"
    ) == [
        (2, "account.email_wrong"),
        (4, "people.refused.empty"),
        (6, "people.refused.number"),
        (6, "people.refused.role"),
        (6, "people.import.language_wrong"),
        (7, "people.import.no_name"),
    ]


@pytest.mark.parametrize("text", ["", "\n", "navn,e-post\nKari,k@example.no\n", "\x00\x01"])
def test_what_is_no_such_file_is_refused(text: str):
    with pytest.raises(RefusedError):
        read_roster(text, "NO")


async def test_who_is_deleted_is_out_of_every_undo_and_the_rest_can_still_be_taken_back(
    database: Database,
):
    await build(database)
    await import_(database)
    await import_(
        database, "Enhet;Navn;E-post;Dørklokke\nH0102;Åse Ødegård;aase@example.no;Ødegård A\n"
    )
    await import_(database, "Enhet;Navn\nH0301;Liv Moe\n")
    async with database.reading() as session:
        untouched = (await undos_of(session, "storgata", NOW))[0].id
        (before,) = (await session.get_one(Undo, untouched)).steps
    async with database.writing() as session:
        (ase,) = await session.scalars(select(Account).where(Account.email == "aase@example.no"))
        await accounts.delete_account(session, ase)

    async with database.reading() as session:
        kept = {each.id: each.steps[0] for each in await session.scalars(select(Undo))}
        assert kept[untouched] == before
        assert "example.no" in str(kept), "the others' are there"
        assert "degård" not in str(kept)
        assert "ase@" not in str(kept)
    for _ in range(len(kept)):
        await undo(database)
    assert (await count(database, Account), await count(database, Unit)) == (0, 0)


async def test_whom_an_undo_deletes_is_out_of_the_later_undos(database: Database):
    await build(database)
    await import_(database, "Enhet;Navn;E-post\nH0101;Liv Moe;liv@example.no\n")
    async with database.writing() as session:
        (first,) = await undos_of(session, "storgata", NOW)
        unit = (await session.scalars(select(Unit))).one()
        liv = (await session.scalars(select(Account))).one()
        steps = Steps(homes=[[liv.id, unit.id]], bells_renamed=[["x", "Moe", "Vik"]])
        steps.changed(liv.id, {"language": ("nb", "en")})
        await keep(session, "storgata", steps, NOW)
        await take_back(session, first)

    assert await count(database, Account) == await count(database, Undo) == 0
