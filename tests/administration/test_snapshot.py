"""What the store says is what calls are routed by; what is wrong there leaves out itself alone."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, text

from intercom.errors import StoreDownError
from intercom.routing.change import DirectoryChange, change_between
from intercom.routing.directory import (
    CommercialProperty,
    Directory,
    DoorRight,
    PanelLinkRelay,
    Property,
    PropertyKind,
)
from intercom.routing.hours import Hours, Quiet, QuietMode
from intercom.store import models
from intercom.store.database import touch
from intercom.store.kinds import Layout, Role
from intercom.store.models import Account, Button, Doorbell, Grant, Member, QuietHours
from tests.administration.house import (
    ANNA_NUMBER,
    TODAY,
    Followed,
    build_house,
    snapshot_of,
)


async def loaded(database, **how) -> Directory:
    snapshot = snapshot_of(database, **how)
    await snapshot.load()
    return snapshot.directory


async def test_a_house_in_the_store_is_a_directory(database):
    await build_house(database)

    house = await loaded(database)

    assert type(house.properties["house"]) is Property
    assert house.doors["main"].relay == PanelLinkRelay("main", 1)
    assert house.panels["main"].doorbell_of("101") == "hansen"
    bell = house.doorbells["hansen"]
    assert (bell.name, bell.residents, bell.step_s, bell.group) == (
        "Hansen",
        ("anna", "bo"),
        None,
        "",
    )
    anna, bo = house.residents["anna"], house.residents["bo"]
    assert (anna.number, anna.has_app, bo.number, bo.has_app) == (ANNA_NUMBER, False, None, True)
    assert [each.trunk_id for each in house.trunks] == ["carrier"]


async def test_a_commercial_property_names_its_log_and_has_none_once_it_is_residential(database):
    await build_house(database, kind=PropertyKind.COMMERCIAL)
    followed = Followed(database)
    await followed.snapshot.load()
    assert followed.directory.properties["house"].log == "log-1"

    async with database.writing() as session:
        await session.delete(await session.get(models.CommercialLog, "log-1"))
        await session.flush()
        (await session.get_one(models.Property, "house")).kind = PropertyKind.RESIDENTIAL
    await followed.catch_up()

    assert type(followed.directory.properties["house"]) is not CommercialProperty


async def test_each_person_of_an_individual_or_grouped_doorbell_has_a_button(database):
    await build_house(database, layout=Layout.GROUPED)

    house = await loaded(database)

    assert {
        bell.doorbell_id: (bell.name, bell.group, bell.residents)
        for bell in house.doorbells.values()
    } == {
        "hansen/anna": ("Anna Hansen", "Hansen", ("anna",)),
        "hansen/bo": ("Bo Hansen", "Hansen", ("bo",)),
    }
    panel = house.panels["main"]
    assert [panel.doorbell_of(name) for name in ("101", "102", "103")] == [
        None,
        "hansen/anna",
        "hansen/bo",
    ]


async def test_persons_in_order_ring_in_steps(database):
    await build_house(database, layout=Layout.SEQUENTIAL)

    assert (await loaded(database)).doorbells["hansen"].step_s == 25.0


async def test_what_is_hidden_is_on_no_panel_and_comes_back(database):
    await build_house(database, layout=Layout.INDIVIDUAL)
    followed = Followed(database)
    await followed.snapshot.load()

    async with database.writing() as session:
        (await session.get_one(Member, ("hansen", 1))).is_hidden = True
    change = await followed.catch_up()
    assert followed.directory.panels["main"].doorbell_of("102") is None
    assert followed.directory.panels["main"].doorbell_of("103") == "hansen/bo"
    assert change.doorbells == {"hansen/anna"}
    assert change.rung == {"anna"}

    async with database.writing() as session:
        (await session.get_one(Doorbell, "hansen")).is_hidden = True
    await followed.catch_up()
    assert (followed.directory.doorbells, followed.directory.panels["main"].buttons) == ({}, ())

    async with database.writing() as session:
        (await session.get_one(Doorbell, "hansen")).is_hidden = False
        (await session.get_one(Member, ("hansen", 1))).is_hidden = False
    await followed.catch_up()
    assert set(followed.directory.doorbells) == {"hansen/anna", "hansen/bo"}


async def test_a_number_is_called_for_a_year_after_its_check(database):
    await build_house(database)

    for days, number in ((0, ANNA_NUMBER), (365, ANNA_NUMBER), (366, None)):
        house = await loaded(database, today=TODAY + timedelta(days=days))
        assert house.residents["anna"].number == number


async def test_a_number_that_expires_goes_when_the_day_changes(database):
    await build_house(database)
    day = [TODAY]
    snapshot = snapshot_of(database)
    snapshot._pieces._today = lambda: day[0]
    await snapshot.load()
    day[0] = TODAY + timedelta(days=366)

    change = await snapshot.day_changed()

    assert change.residents == {"anna"}
    assert snapshot.directory.residents["anna"].number is None
    assert not await snapshot.day_changed()


async def test_a_number_that_was_never_checked_is_not_called(database):
    await build_house(database)
    async with database.writing() as session:
        (await session.get_one(Account, 1)).number_verified_on = None

    assert (await loaded(database)).residents["anna"].number is None


async def test_a_person_without_a_password_has_no_app(database):
    await build_house(database)
    async with database.writing() as session:
        anna = await session.get_one(Account, 1)
        anna.has_app = True

    assert not (await loaded(database)).residents["anna"].has_app


async def test_who_lives_nowhere_and_is_rung_nowhere_is_no_resident(database):
    await build_house(database)
    async with database.writing() as session:
        session.add(Account(id=9, username="boss", name="Boss", created_on=TODAY))
        await session.flush()
        session.add(Grant(account_id=9, role=Role.ADMINISTRATOR, property_id="house"))

    assert set((await loaded(database)).residents) == {"anna", "bo"}


async def test_ones_own_right_to_a_door_takes_the_place_of_the_units(database):
    await build_house(database)
    async with database.writing() as session:
        session.add(models.DoorRight(id=1, door_id="main", unit_id=1, has_key=True))
        session.add(models.DoorRight(id=2, door_id="main", account_id=2, may_open=False))

    house = await loaded(database)

    assert house.residents["anna"].rights == (DoorRight("main", has_key=True, hours=Hours()),)
    assert house.residents["bo"].rights == (DoorRight("main", may_open=False, hours=Hours()),)


async def test_a_right_with_hours_that_there_are_not_lets_nobody_in(database):
    await build_house(database)
    async with database.writing() as session:
        session.add(
            models.DoorRight(id=1, door_id="main", unit_id=1, has_key=True, start_minute=9999)
        )

    assert (await loaded(database)).residents["anna"].rights == (
        DoorRight("main", may_open=False, has_key=False),
    )


async def test_quiet_hours_are_the_propertys_and_the_doorbells(database):
    await build_house(database)
    async with database.writing() as session:
        session.add(QuietHours(property_id="house", days=127, start_minute=1320, end_minute=360))
        session.add(
            QuietHours(
                doorbell_id="hansen",
                days=0b1100000,
                start_minute=0,
                end_minute=1440,
                mode=QuietMode.PHONE_ONLY,
            )
        )

    house = await loaded(database)

    assert house.properties["house"].quiet == (Quiet(Hours(start_minute=1320, end_minute=360)),)
    assert house.doorbells["hansen"].quiet == (
        Quiet(Hours(frozenset({5, 6}), 0, 0), QuietMode.PHONE_ONLY),
    )


WRONG = {
    "a door's relay": (models.Door, "main", {"document": {"relay": {"driver": "magic"}}}),
    "a trunk's address": (models.Trunk, "carrier", {"document": {"address": "sip:what"}}),
    "a panel's password": (models.Panel, "main", {"document": {"password": "short"}}),
    "a property's language": (models.Property, "house", {"language": "tlh"}),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_is_wrong_leaves_out_itself_and_all_comes_back_when_it_is_mended(database, what):
    await build_house(database)
    whole = await loaded(database)
    followed = Followed(database)
    model, key, wrong = WRONG[what]
    async with database.writing() as session:
        row = await session.get_one(model, key)
        right = {name: getattr(row, name) for name in wrong}
        for name, value in wrong.items():
            setattr(row, name, value)

    await followed.snapshot.load()

    assert followed.snapshot.left_out
    assert {"anna", "bo"} == set(followed.directory.residents)
    async with database.writing() as session:
        row = await session.get_one(model, key)
        for name, value in right.items():
            setattr(row, name, value)
    await followed.catch_up()
    assert not followed.snapshot.left_out
    assert followed.directory == whole


async def test_a_zone_that_there_is_not_does_not_shut_a_property_down(database):
    await build_house(database)
    async with database.writing() as session:
        (await session.get_one(models.Property, "house")).time_zone = "Mars/Olympus"

    snapshot = snapshot_of(database)
    await snapshot.load()

    assert snapshot.directory.properties["house"].time_zone == "Europe/Oslo"
    assert list(snapshot.left_out) == ["time zone of property house"]


async def test_a_row_that_the_store_cannot_read_leaves_the_others(sqlite_database):
    await build_house(sqlite_database)
    async with sqlite_database.writing() as session:
        await session.execute(text("UPDATE account SET devices = 'no json' WHERE id = 2"))
        touch(session, Account, 2)

    snapshot = snapshot_of(sqlite_database)
    await snapshot.load()

    assert set(snapshot.directory.residents) == {"anna"}
    assert snapshot.directory.doorbells["hansen"].residents == ("anna",)
    assert list(snapshot.left_out) == ["account 2"]


async def test_a_sip_log_in_of_a_panels_name_is_left_out_and_its_owner_stays(database):
    await build_house(database)
    account = {"username": "main", "password": "long enough"}
    async with database.writing() as session:
        (await session.get_one(Account, 1)).devices = {"sip_account": [account]}

    snapshot = snapshot_of(database)
    await snapshot.load()

    assert snapshot.directory.residents["anna"].sip_accounts == ()
    assert list(snapshot.left_out) == ["phones anna"]


async def test_a_statement_over_many_rows_needs_only_their_parents_name(database):
    await build_house(database)
    followed = Followed(database)
    await followed.snapshot.load()

    async with database.writing() as session:
        await session.execute(delete(Member).where(Member.account_id == 2))
        await session.execute(delete(Button).where(Button.account_id == 2))
        touch(session, Doorbell, "hansen")
    await followed.catch_up()

    assert followed.directory.doorbells["hansen"].residents == ("anna",)
    assert followed.directory == await loaded(database)


async def test_what_did_not_change_is_the_very_same(database):
    await build_house(database)
    followed = Followed(database)
    await followed.snapshot.load()
    before = followed.directory

    async with database.writing() as session:
        (await session.get_one(Doorbell, "hansen")).name = "Hansen og Lie"
    change = await followed.catch_up()

    assert change == DirectoryChange(
        doorbells=frozenset({"hansen"}), rung=frozenset({"anna", "bo"})
    )
    assert followed.directory.doorbells["hansen"].name == "Hansen og Lie"
    assert followed.directory.residents is before.residents
    assert followed.directory.panels is before.panels
    assert change == change_between(before, followed.directory)


async def test_reading_all_again_finds_nothing_new(database):
    await build_house(database)
    snapshot = snapshot_of(database)
    await snapshot.load()
    before = snapshot.directory

    assert not await snapshot.load()
    assert snapshot.directory is before


async def test_a_deleted_property_takes_everything_along(database):
    await build_house(database)
    followed = Followed(database)
    await followed.snapshot.load()

    async with database.writing() as session:
        await session.execute(delete(models.Panel))
        await session.execute(delete(models.Door))
        await session.delete(await session.get(models.Property, "house"))
    await followed.catch_up()

    assert followed.directory == Directory(trunks=followed.directory.trunks)


async def test_a_store_without_content_is_no_building_but_a_fault(sqlite_database):
    await build_house(sqlite_database)
    snapshot = snapshot_of(sqlite_database)
    await snapshot.load()
    async with sqlite_database.writing() as session:
        await session.execute(delete(models.Revision))

    with pytest.raises(StoreDownError):
        await snapshot.revision()
