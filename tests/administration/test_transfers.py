"""A unit changes hands only when the new owner confirms, and then at once (D6, D7); roles and their last holders."""

from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select

from intercom.administration import (
    accounts,
    activation,
    credentials,
    invitations,
    team,
    tokens,
    transfers,
)
from intercom.administration.doorbells import Face, change_face, doorbell_of
from intercom.administration.people import NewPerson, add_person
from intercom.administration.roster_undo import Steps
from intercom.administration.transfers import Confirmed
from intercom.errors import RefusedError
from intercom.routing.directory import PropertyKind
from intercom.routing.hours import QuietMode
from intercom.store.database import Database
from intercom.store.kinds import Layout, Role, TokenPurpose
from intercom.store.models import (
    Account,
    Button,
    Door,
    DoorRight,
    Grant,
    Mail,
    MailToken,
    Member,
    Panel,
    Property,
    QuietHours,
    Transfer,
    Undo,
    Unit,
)

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUSEHOLD = [("Anna Lund", Role.OWNER), ("Per Lund", Role.RESIDENT)]


async def build(database: Database, *, is_active: bool = True) -> int:
    """Make a property with a panel and a unit in which Anna and Per live; give the unit."""
    async with database.writing() as session:
        session.add(
            Property(
                id="p1",
                name="Storgata",
                kind=PropertyKind.RESIDENTIAL,
                address="Storgata 14",
                prompts={},
                created_on=NOW.date(),
            )
        )
        await session.flush()
        session.add(Door(id="d1", property_id="p1", name="Main", document={}))
        unit = Unit(property_id="p1", label="H0101")
        session.add(unit)
        await session.flush()
        session.add(Panel(id="n1", property_id="p1", door_id="d1", document={}))
        await session.flush()
        for name, role in HOUSEHOLD if is_active else ():
            email = f"{name.split()[0].lower()}@example.no"
            await add_person(session, unit, NewPerson(name, email=email, role=role), NOW)
    return unit.id


async def newcomer(database: Database, name: str = "Nils Ny") -> int:
    async with database.writing() as session:
        made = await accounts.create(
            session, name=name, email="nils@example.no", language="nb", today=NOW.date()
        )
    return made.id


async def ask(database: Database, unit_id: int, account_id: int) -> str:
    """Ask for a transfer and give the token of its mail."""
    async with database.writing() as session:
        unit = await session.get_one(Unit, unit_id)
        owner = await session.get_one(Account, account_id)
        transfer = await transfers.ask(session, unit, owner, NOW)
        return await tokens.make(
            session,
            account_id,
            TokenPurpose.CONFIRM_TRANSFER,
            NOW + timedelta(days=14),
            transfer.id,
        )


async def confirm(database: Database, token: str, now: datetime = NOW) -> Confirmed:
    async with database.writing() as session:
        return await transfers.confirm(session, token, now)


async def people_of(database: Database, unit_id: int) -> set[tuple[str, Role]]:
    async with database.reading() as session:
        rows = await session.execute(
            select(Account.name, Grant.role)
            .join(Grant, Grant.account_id == Account.id)
            .where(Grant.unit_id == unit_id)
        )
        return {(name, role) for name, role in rows.all()}


async def count(database: Database, table: type) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def test_nothing_changes_before_the_new_owner_confirms(database):
    unit_id = await build(database)

    await ask(database, unit_id, await newcomer(database))

    assert await people_of(database, unit_id) == set(HOUSEHOLD)


async def test_at_the_confirmation_the_old_household_is_out_and_the_doorbell_starts_anew(database):
    unit_id = await build(database)
    async with database.writing() as session:
        bell = await doorbell_of(session, unit_id)
        await change_face(session, bell, Face("Lund, Anna & Per", Layout.INDIVIDUAL))
        session.add(
            QuietHours(
                doorbell_id=bell.id,
                days=127,
                start_minute=0,
                end_minute=60,
                mode=QuietMode.SAY_SO,
            )
        )
        anna = bell.members[0].account_id
        session.add(DoorRight(door_id="d1", account_id=anna))
    token = await ask(database, unit_id, await newcomer(database))

    confirmed = await confirm(database, token)

    assert confirmed.out == {"anna.lund", "per.lund"}
    assert confirmed.needs_password
    assert await people_of(database, unit_id) == {("Nils Ny", Role.OWNER)}
    async with database.reading() as session:
        bell = await doorbell_of(session, unit_id)
        assert [each.account.name for each in bell.members] == ["Nils Ny"]
        assert "Lund" not in bell.name
        assert bell.layout is Layout.PARALLEL
        buttons = list(await session.scalars(select(Button)))
        assert [(each.doorbell_id, each.account_id) for each in buttons] == [(bell.id, None)]
    for table in (QuietHours, DoorRight, Transfer, MailToken):
        assert await count(database, table) == 0, table
    assert await count(database, Account) == 1


async def test_a_confirmation_is_used_once_and_not_after_its_time(database):
    unit_id = await build(database)
    token = await ask(database, unit_id, await newcomer(database))

    with pytest.raises(RefusedError, match="link_over"):
        await confirm(database, token, NOW + timedelta(days=15))
    await confirm(database, token)
    with pytest.raises(RefusedError, match="link_over"):
        await confirm(database, token)


async def test_a_transfer_to_somebody_else_ends_the_link_of_the_one_before(database):
    unit_id = await build(database)
    first = await ask(database, unit_id, await newcomer(database))
    second = await ask(database, unit_id, await newcomer(database, "Else Annen"))

    with pytest.raises(RefusedError, match="link_over"):
        await confirm(database, first)
    await confirm(database, second)

    assert await people_of(database, unit_id) == {("Else Annen", Role.OWNER)}
    assert await count(database, Account) == 1, "who was asked first is forgotten, too"


async def test_asking_again_sends_again_and_keeps_the_first_link(database):
    unit_id = await build(database)
    account_id = await newcomer(database)
    first = await ask(database, unit_id, account_id)
    await ask(database, unit_id, account_id)

    await confirm(database, first)

    assert await people_of(database, unit_id) == {("Nils Ny", Role.OWNER)}


async def test_who_has_another_home_keeps_the_account_but_loses_the_unit(database):
    unit_id = await build(database)
    async with database.writing() as session:
        other = Unit(property_id="p1", label="H0102")
        session.add(other)
        await session.flush()
        anna = await session.scalar(select(Account).where(Account.username == "anna.lund"))
        await accounts.grant(session, anna, Role.OWNER, unit_id=other.id)

    confirmed = await confirm(database, await ask(database, unit_id, await newcomer(database)))

    assert "anna.lund" in confirmed.out
    assert await people_of(database, other.id) == {("Anna Lund", Role.OWNER)}
    assert await people_of(database, unit_id) == {("Nils Ny", Role.OWNER)}


async def test_an_installer_registers_an_owner_who_confirms_and_has_a_doorbell(database):
    unit_id = await build(database, is_active=False)
    async with database.writing() as session:
        unit = await session.get_one(Unit, unit_id)
        await activation.register(session, unit, name="Nils Ny", email="nils@example.no", now=NOW)
        await activation.send_again(session, unit, NOW)
        transfer = await transfers.pending(session, unit_id)
        token = await tokens.make(
            session,
            transfer.new_owner_id,
            TokenPurpose.CONFIRM_ACTIVATION,
            NOW + timedelta(days=14),
            transfer.id,
        )
        kinds = list(await session.scalars(select(Mail.kind)))
    assert kinds == ["activation"]

    confirmed = await confirm(database, token)

    assert confirmed.is_activation
    async with database.reading() as session:
        unit = await session.get_one(Unit, unit_id)
        assert unit.activated_on == NOW.date()
        assert [each.account.name for each in (await doorbell_of(session, unit_id)).members] == [
            "Nils Ny"
        ]
        assert await session.scalar(select(func.count()).select_from(Button)) == 1
    async with database.writing() as session:
        with pytest.raises(RefusedError, match="unit_is_active"):
            await activation.register(session, unit, name="X", email="x@example.no", now=NOW)


async def test_an_installer_who_corrects_the_mail_leaves_nothing_of_the_wrong_one(database):
    unit_id = await build(database, is_active=False)
    async with database.writing() as session:
        unit = await session.get_one(Unit, unit_id)
        await activation.register(session, unit, name="Nils", email="wrong@example.no", now=NOW)
        await activation.register(session, unit, name="Nils", email="right@example.no", now=NOW)

    async with database.reading() as session:
        assert list(await session.scalars(select(Account.email))) == ["right@example.no"]


async def test_deleting_an_account_leaves_nothing_that_names_the_person(database):
    unit_id = await build(database)
    async with database.writing() as session:
        anna = await session.scalar(select(Account).where(Account.username == "anna.lund"))
        steps = asdict(Steps(accounts=[[anna.id, "Anna Lund", "anna@example.no", "", "nb"]]))
        session.add(Undo(property_id="p1", made_at=NOW, summary={}, steps=[steps]))
        await credentials.set_password(session, anna, "hash")
        await invitations.invite(session, anna, NOW)
        await tokens.make(session, anna.id, TokenPurpose.SET_PASSWORD, NOW + timedelta(days=1))
        anna_id = anna.id
    async with database.writing() as session:
        await accounts.delete_account(session, await session.get_one(Account, anna_id))

    for table, expected in ((MailToken, 0), (Mail, 1), (Member, 1), (Undo, 0), (Account, 1)):
        assert await count(database, table) == expected, table
    assert await people_of(database, unit_id) == {("Per Lund", Role.RESIDENT)}


async def test_a_doorbell_that_nobody_is_left_behind_is_hidden_and_has_nobodys_name(database):
    unit_id = await build(database)
    async with database.writing() as session:
        for username in ("anna.lund", "per.lund"):
            account = await session.scalar(select(Account).where(Account.username == username))
            await accounts.delete_account(session, account)

    async with database.reading() as session:
        bell = await doorbell_of(session, unit_id)
        assert (bell.name, bell.is_hidden) == ("H0101", True)


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ADMINISTRATOR])
async def test_the_last_of_those_who_run_it_stays(database, role):
    await build(database)
    place = None if role is Role.OPERATOR else "p1"
    add = {"role": role, "property_id": place, "language": "nb", "now": NOW}
    async with database.writing() as session:
        await team.add(session, name="Ada", email="ada@example.no", **add)
        (ada,) = await team.colleagues(session, place)
        row = await team.grant_of(session, ada.grant_id, place)
        with pytest.raises(RefusedError, match=f"last_{role.value}"):
            await accounts.revoke(session, row)
        with pytest.raises(RefusedError, match=f"last_{role.value}"):
            await accounts.delete_account(session, ada.account)
        await team.add(session, name="Bo", email="bo@example.no", **add)
        await accounts.revoke(session, row)
        assert [each.account.name for each in await team.colleagues(session, place)] == ["Bo"]
        assert await session.get(Account, ada.account.id) is None, "who is nothing is forgotten"


async def test_an_administrator_learns_nothing_of_accounts_in_other_properties(database):
    await build(database)
    async with database.writing() as session:
        session.add(
            Property(
                id="p2",
                name="Other",
                kind=PropertyKind.COMMERCIAL,
                address="x",
                prompts={},
                created_on=date(2026, 1, 1),
            )
        )
        await session.flush()
        add = {"role": Role.INSTALLER, "language": "nb", "now": NOW}
        await team.add(session, name="Ada One", email="ada@example.no", property_id="p2", **add)
        await team.add(session, name="Ada Two", email="ada@example.no", property_id="p1", **add)

        (found,) = await team.colleagues(session, "p1")
        assert found.account.name == "Ada Two"
        assert not await accounts.may_manage(
            session, "p1", (await team.colleagues(session, "p2"))[0].account
        )


@pytest.mark.parametrize(
    ("name", "username"),
    [
        ("Kari Nordmann", "kari.nordmann"),
        ("Åse Ødegård Bjørk", "ase.bjork"),
        ("José Ñandú", "jose.nandu"),
        ("李 明", "resident"),
        ("A", "resident"),
    ],
)
async def test_a_username_is_made_of_the_name_and_numbered_when_taken(
    sqlite_database, name, username
):
    async with sqlite_database.writing() as session:
        for expected in (username, f"{username}2", f"{username}3"):
            made = await accounts.create(
                session, name=name, email=None, language="nb", today=NOW.date()
            )
            assert made.username == expected


@pytest.mark.parametrize(
    "email", ["", "kari", "kari@", "@x.no", "a b@x.no", "a@x", "a@b..no", "a@x.no\nBcc: b@x.no"]
)
def test_what_is_no_address_is_refused_at_its_field(email):
    with pytest.raises(RefusedError) as refused:
        accounts.checked_email(email)
    assert refused.value.field == "email"


@pytest.mark.parametrize(
    ("password", "key"),
    [
        ("short", "password_short"),
        ("x" * 600, "password_long"),
        ("kari.nordmann1", "password_is_name"),
        ("password123", "password_common"),
        ("Passord1234!", "password_common"),
        ("1234567890", "password_common"),
        ("qwertyuiopå", "password_common"),
        ("aaaaaaaaaaaa", "password_common"),
    ],
)
def test_passwords_that_are_guessed_first_are_refused(password, key):
    with pytest.raises(RefusedError, match=key):
        credentials.check_password(password, "kari.nordmann")


def test_a_few_words_are_a_good_password():
    credentials.check_password("fire blå elger løper", "kari.nordmann")
