"""People of a unit: made by the administrator, and the doorbell follows by itself."""

import pytest
from sqlalchemy import func, select

from intercom.administration.doorbells import doorbell_of
from intercom.administration.number_checks import is_verified
from intercom.administration.people import (
    NewPerson,
    PersonDetails,
    add_person,
    change_person,
    join_unit,
    leave_unit,
)
from intercom.administration.units import add_unit, delete_unit, inhabitants, rename_unit
from intercom.errors import RefusedError
from intercom.store.database import Database, Row
from intercom.store.kinds import MailState, Role
from intercom.store.models import Account, Button, Doorbell, Mail, Unit
from tests.administration.street import NOW, build, settle


async def _move_in(database: Database, person: NewPerson) -> None:
    async with database.writing() as session:
        unit = await add_unit(session, "storgata", "H0301")
        await add_person(session, unit, person, NOW)


async def test_a_person_brings_a_doorbell_to_every_panel(database: Database):
    await build(database)
    touched: list[frozenset[Row]] = []
    database.on_change.append(touched.append)

    async with database.writing() as session:
        unit = await add_unit(session, "storgata", "H0301")
        person = NewPerson(name="Kari Nordmann", email="kari@example.no", number="900 12 345")
        account = await add_person(session, unit, person, NOW)

    assert account.username == "kari.nordmann"
    assert account.number == "+4790012345"
    assert account.number_verified_on is None
    assert not is_verified(account, NOW.date())
    async with database.reading() as session:
        bell = await doorbell_of(session, unit.id)
        assert bell is not None
        assert bell.name == "Nordmann"
        assert [each.account_id for each in bell.members] == [account.id]
        buttons = (await session.execute(select(Button.panel_id, Button.name))).all()
        assert sorted(buttons) == [("storgata-panel1", "101"), ("storgata-panel2", "101")]
        mail = await session.scalar(select(Mail))
        assert mail is not None
        assert mail.state is MailState.WAITING
    assert {row.table for row in touched[0]} >= {"account", "grant", "doorbell", "member", "button"}


async def test_an_invitation_needs_an_address_and_nothing_is_kept_without(database: Database):
    await build(database)

    with pytest.raises(RefusedError) as refused:
        await _move_in(database, NewPerson(name="Kari Nordmann"))

    assert refused.value.field == "email"
    async with database.reading() as session:
        assert await session.scalar(select(func.count(Unit.id))) == 0


async def test_the_second_of_a_name_gets_a_username_of_their_own(database: Database):
    await build(database)

    async with database.writing() as session:
        _, people = await settle(session, "1", "Åse Ødegård", "Ase Odegard")

    assert [each.username for each in people] == ["ase.odegard", "ase.odegard2"]


@pytest.mark.parametrize("number", ["112", "820 12 345", "12", "+47 59 12 34 56 78", "abc"])
async def test_a_number_that_is_nobodys_telephone_is_refused(
    sqlite_database: Database, number: str
):
    await build(sqlite_database)

    with pytest.raises(RefusedError) as refused:
        await _move_in(sqlite_database, NewPerson(name="Kari", number=number, is_invited=False))

    assert refused.value.field == "number"


async def test_another_number_must_be_verified_again(database: Database):
    await build(database)
    async with database.writing() as session:
        _, (kari,) = await settle(session, "1", "Kari Nordmann")
        kari.number, kari.number_verified_on = "+4790012345", NOW.date()
        assert is_verified(kari, NOW.date())

        await change_person(
            session, kari, PersonDetails("Kari Hansen", "", "+47 900 12 345", "nb"), "Europe/Oslo"
        )
        assert is_verified(kari, NOW.date())
        await change_person(
            session, kari, PersonDetails("Kari Hansen", "", "912 34 567", "nb"), "Europe/Oslo"
        )

    assert kari.name == "Kari Hansen"
    assert not is_verified(kari, NOW.date())


async def test_who_leaves_the_only_unit_is_deleted_and_the_name_is_off_the_panel(
    database: Database,
):
    await build(database)
    async with database.writing() as session:
        unit, (kari,) = await settle(session, "H0301", "Kari Nordmann")

    async with database.writing() as session:
        is_gone = await leave_unit(
            session, await session.get_one(Unit, unit.id), await session.get_one(Account, kari.id)
        )

    assert is_gone
    async with database.reading() as session:
        bell = await doorbell_of(session, unit.id)
        assert bell is not None
        assert (bell.name, bell.is_hidden) == ("H0301", True)
        assert await session.scalar(select(func.count(Account.id))) == 0
    async with database.writing() as session:
        person = NewPerson(name="Ola Hansen", is_invited=False)
        await add_person(session, await session.get_one(Unit, unit.id), person, NOW)
        bell = await doorbell_of(session, unit.id)
        assert bell is not None
        assert (bell.name, bell.is_hidden) == ("Hansen", False)


async def test_who_has_another_unit_stays(database: Database):
    await build(database)
    async with database.writing() as session:
        first, (kari,) = await settle(session, "1", "Kari Nordmann")
        second = await add_unit(session, "storgata", "2")
        await join_unit(session, second, kari, Role.OWNER)

        assert not await leave_unit(session, first, kari)

        assert [each.account.id for each in await inhabitants(session, second.id)] == [kari.id]


async def test_a_unit_takes_with_it_who_lives_nowhere_else(database: Database):
    await build(database)
    async with database.writing() as session:
        first, (kari, ola) = await settle(session, "1", "Kari Nordmann", "Ola Nordmann")
        second = await add_unit(session, "storgata", "2")
        await join_unit(session, second, ola, Role.RESIDENT)

    async with database.writing() as session:
        gone = await delete_unit(session, await session.get_one(Unit, first.id))

    assert gone == [kari.username]
    async with database.reading() as session:
        assert list(await session.scalars(select(Account.id))) == [ola.id]
        assert list(await session.scalars(select(Doorbell.unit_id))) == [second.id]
        assert set(await session.scalars(select(Button.name))) == {"102"}


async def test_two_units_of_a_property_never_have_one_label(database: Database):
    await build(database)
    await build(database, "parken")
    async with database.writing() as session:
        await add_unit(session, "storgata", "H0301")
        await add_unit(session, "parken", "H0301")
        other = await add_unit(session, "storgata", "H0302")

        with pytest.raises(RefusedError):
            await add_unit(session, "storgata", " h0301 ")
        with pytest.raises(RefusedError):
            await rename_unit(session, other, "H0301")
        await rename_unit(session, other, "h0302")

    assert other.label == "h0302"
