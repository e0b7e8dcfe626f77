"""What somebody could try who has some right already: to get another person's account, home or door."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from intercom.administration import accounts, activation, credentials, people, team, tokens
from intercom.administration.people import NewPerson, PersonDetails, add_person
from intercom.administration.roster import apply_plan, known_in
from intercom.administration.roster_file import read_roster
from intercom.administration.roster_plan import plan_of
from intercom.administration.roster_undo import take_back, undos_of
from intercom.administration.transfers import ask, confirm
from intercom.errors import RefusedError
from intercom.routing.directory import PropertyKind
from intercom.store.database import Database
from intercom.store.kinds import Role, TokenPurpose
from intercom.store.models import Account, Door, DoorRight, Grant, Property, Undo, Unit

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
TODAY = NOW.date()
ZONE = "Europe/Oslo"


async def build(database: Database) -> None:
    """Make two properties; the first one has a door and two units."""
    async with database.writing() as session:
        for place in ("p1", "p2"):
            session.add(
                Property(
                    id=place,
                    name=place,
                    kind=PropertyKind.RESIDENTIAL,
                    address=place,
                    time_zone=ZONE,
                    prompts={},
                    created_on=TODAY,
                )
            )
        await session.flush()
        session.add(Door(id="d1", property_id="p1", name="Main", document={}))
        for place, label in (("p1", "H0101"), ("p1", "H0102"), ("p2", "H0101")):
            session.add(Unit(property_id=place, label=label))


async def unit_at(session, place: str, label: str = "H0101") -> Unit:
    found = select(Unit).where(Unit.property_id == place, Unit.label == label)
    return (await session.scalars(found)).one()


async def settle(session, name: str, place: str = "p1", label: str = "H0101") -> Account:
    """Let somebody with a password live in a unit."""
    person = NewPerson(name, email=f"{name.partition(' ')[0].lower()}@example.no", role=Role.OWNER)
    account = await add_person(session, await unit_at(session, place, label), person, NOW)
    account.password_hash = "a hash"
    return account


async def import_(database: Database, text: str, place: str = "p1") -> None:
    async with database.writing() as session:
        plan = plan_of(read_roster(text, "NO").rows, await known_in(session, place))
        assert not plan.faults
        await apply_plan(session, place, plan, NOW, is_inviting=False)


async def register(session, name: str = "Inge Installer") -> str:
    """Register a first owner of the empty unit; give the token of the mail."""
    unit = await unit_at(session, "p1")
    waiting = await activation.register(session, unit, name=name, email="inge@example.no", now=NOW)
    until = NOW + timedelta(days=14)
    purpose = TokenPurpose.CONFIRM_ACTIVATION
    return await tokens.make(session, waiting.new_owner_id, purpose, until, waiting.id)


async def names_in(session, unit: Unit) -> set[str]:
    rows = select(Account.name).join(Grant).where(Grant.unit_id == unit.id)
    return set(await session.scalars(rows))


async def test_an_activation_that_was_registered_before_puts_no_household_out(database):
    await build(database)
    async with database.writing() as session:
        token = await register(session)
        await settle(session, "Anna Lund")

    with pytest.raises(RefusedError, match="link_over"):
        async with database.writing() as session:
            await confirm(session, token, NOW)

    async with database.reading() as session:
        assert await names_in(session, await unit_at(session, "p1")) == {"Anna Lund"}


async def test_a_unit_whose_people_came_by_a_file_is_not_to_be_activated(database):
    await build(database)
    async with database.writing() as session:
        token = await register(session)
    await import_(database, "Enhet;Navn;E-post\nH0101;Anna Lund;anna@example.no\n")

    with pytest.raises(RefusedError, match="link_over"):
        async with database.writing() as session:
            await confirm(session, token, NOW)
    with pytest.raises(RefusedError, match="unit_is_active"):
        async with database.writing() as session:
            await register(session)


async def test_somebody_lives_in_a_unit_so_nobody_activates_it_whatever_it_says_of_itself(database):
    await build(database)
    async with database.writing() as session:
        anna = await accounts.create(session, name="Anna", email=None, language="nb", today=TODAY)
        unit = await unit_at(session, "p1")
        await accounts.grant(session, anna, Role.RESIDENT, unit_id=unit.id)

    with pytest.raises(RefusedError, match="unit_is_active"):
        async with database.writing() as session:
            await register(session)


async def test_an_address_that_somebody_only_claims_brings_them_no_role(database):
    await build(database)
    async with database.writing() as session:
        mallory = await settle(session, "Mallory")
        await accounts.change_email(session, mallory, "chief@example.no")

        for place, role in ((None, Role.OPERATOR), ("p1", Role.ADMINISTRATOR)):
            made = await team.add(
                session,
                name="Chief",
                email="chief@example.no",
                role=role,
                property_id=place,
                language="nb",
                now=NOW,
                may_see_all=True,
            )

            assert made.id != mallory.id
            assert made.password_hash is None, "the link goes to the address"


async def test_an_address_at_which_a_link_was_used_brings_the_account_its_next_role(database):
    await build(database)
    async with database.writing() as session:
        ada = await team.add(session, **of_ada("p1"))
        until = NOW + timedelta(days=1)
        token = await tokens.make(session, ada.id, TokenPurpose.SET_PASSWORD, until)
        await credentials.set_by_link(session, token, "a hash", NOW)

        assert (await team.add(session, **of_ada("p2"))).id == ada.id

        await accounts.change_email(session, ada, "other@example.no")
        await accounts.change_email(session, ada, "ada@example.no")
        assert (await team.add(session, **of_ada("p2"))).id != ada.id


def of_ada(place: str) -> dict[str, object]:
    who = {"name": "Ada", "email": "ada@example.no", "role": Role.ADMINISTRATOR}
    return {**who, "property_id": place, "language": "nb", "now": NOW, "may_see_all": True}


async def test_a_link_that_went_to_a_wrong_address_is_over_when_the_address_is_put_right(database):
    await build(database)
    async with database.writing() as session:
        anna = await settle(session, "Anna Lund")
        until = NOW + timedelta(days=1)
        token = await tokens.make(session, anna.id, TokenPurpose.SET_PASSWORD, until)
        same = PersonDetails("Anna B. Lund", "anna@example.no", "", "nb")
        await people.change_person(session, anna, same, ZONE)
        assert (await credentials.holder(session, token, NOW)).account_id == anna.id

        right = PersonDetails("Anna Lund", "anna.lund@example.no", "", "nb")
        await people.change_person(session, anna, right, ZONE)

        with pytest.raises(RefusedError, match="link_over"):
            await credentials.holder(session, token, NOW)


async def test_a_link_is_over_when_a_file_brings_another_address(database):
    await build(database)
    async with database.writing() as session:
        anna = await settle(session, "Anna Lund")
        until = NOW + timedelta(days=1)
        token = await tokens.make(session, anna.id, TokenPurpose.SET_PASSWORD, until)
    await import_(database, "Enhet;Navn;E-post\nH0101;Anna Lund;anna.lund@example.no\n")

    async with database.reading() as session:
        with pytest.raises(RefusedError, match="link_over"):
            await credentials.holder(session, token, NOW)


async def test_taking_an_import_back_changes_nobody_who_has_become_something_elsewhere(database):
    await build(database)
    async with database.writing() as session:
        bob = await settle(session, "Bob Berg")
        bob.email = "mine@example.no"
    await import_(database, "Enhet;Navn;E-post\nH0101;Bob Berg;bob@example.no\n")
    async with database.writing() as session:
        bob = (await session.scalars(select(Account).where(Account.name == "Bob Berg"))).one()
        await accounts.grant(session, bob, Role.OPERATOR)

    async with database.writing() as session:
        (last,) = await undos_of(session, "p1", NOW)
        taking = await take_back(session, last)

        assert [each.name for each in taking.kept] == ["Bob Berg"]
        assert (await session.get_one(Account, bob.id)).email == "bob@example.no"


async def test_who_moves_out_of_one_home_and_keeps_another_has_no_key_to_the_first(database):
    await build(database)
    async with database.writing() as session:
        anna = await settle(session, "Anna Lund")
        await accounts.grant(session, anna, Role.OWNER, unit_id=(await unit_at(session, "p2")).id)
        session.add(DoorRight(door_id="d1", account_id=anna.id, has_key=True))
        await session.flush()

        await people.leave_unit(session, await unit_at(session, "p1"), anna)

        assert not list(await session.scalars(select(DoorRight)))


async def test_who_moves_within_a_property_keeps_its_doors_but_the_own_one_of_before(database):
    await build(database)
    async with database.writing() as session:
        anna = await settle(session, "Anna Lund")
        unit, other = await unit_at(session, "p1"), await unit_at(session, "p1", "H0102")
        await accounts.grant(session, anna, Role.OWNER, unit_id=other.id)
        session.add(Door(id="own", property_id="p1", name="Own", unit_id=unit.id, document={}))
        await session.flush()
        for door in ("d1", "own"):
            session.add(DoorRight(door_id=door, account_id=anna.id, has_key=True))
        await session.flush()

        await people.leave_unit(session, unit, anna)

        assert [each.door_id for each in await session.scalars(select(DoorRight))] == ["d1"]


async def test_an_installer_who_is_taken_off_a_property_keeps_no_key_there(database):
    await build(database)
    async with database.writing() as session:
        for place in ("p1", "p2"):
            inge = await team.add(session, **(of_ada(place) | {"role": Role.INSTALLER}))
        session.add(DoorRight(door_id="d1", account_id=inge.id, has_key=True))
        await session.flush()
        (row,) = await session.scalars(select(Grant).where(Grant.property_id == "p1"))

        await accounts.revoke(session, row)

        assert not list(await session.scalars(select(DoorRight)))


async def test_whoever_is_to_own_a_home_elsewhere_is_not_managed_here(database):
    await build(database)
    async with database.writing() as session:
        anna = await settle(session, "Anna Lund")
        await ask(session, await unit_at(session, "p2"), anna, NOW)

        assert not await accounts.may_manage(session, "p1", anna)


async def test_moving_out_does_not_delete_whom_a_new_home_waits_for(database):
    await build(database)
    async with database.writing() as session:
        anna = await settle(session, "Anna Lund")
        await ask(session, await unit_at(session, "p2"), anna, NOW)

        is_gone = await people.leave_unit(session, await unit_at(session, "p1"), anna)

        assert not is_gone
        assert await session.get(Account, anna.id) is not None


async def test_who_is_deleted_is_in_no_import_that_can_be_taken_back(database):
    await build(database)
    await import_(
        database, "Enhet;Navn;E-post\nH0101;Åse Ødegård;ase@example.no\nH0102;Bo;b@x.no\n"
    )
    async with database.writing() as session:
        ase = (await session.scalars(select(Account).where(Account.name != "Bo"))).one()
        await accounts.delete_account(session, ase)

    async with database.reading() as session:
        steps = str([each.steps for each in await session.scalars(select(Undo))])

    assert "ase@example.no" not in steps
    assert "Ødegård" not in steps


@pytest.mark.parametrize(
    "address",
    ["a@.b.no", ".a@b.no", "a.@b.no", "ø@b.no", "a\x01@b.no", "a@b\u202e.no", "a@\u200b.no"],
)
async def test_an_address_that_no_mail_can_carry_is_refused(address):
    with pytest.raises(RefusedError, match="email_wrong"):
        accounts.checked_email(address)


@pytest.mark.parametrize("address", ["a.b+c@x-y.example.no", "o'neil@example.no", "k@bø.no"])
async def test_an_address_that_a_mail_can_carry_is_taken(address):
    assert accounts.checked_email(address) == address
