"""Building files into the store and out of it: nothing is lost, nothing is done twice or by half."""

import asyncio
import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from sqlalchemy import select

from intercom.administration.snapshot import Snapshot
from intercom.building import load_building
from intercom.building.load import parse_building
from intercom.errors import ConfigError
from intercom.store.building_import import ImportWish, export_building, import_building
from intercom.store.building_tables import inventory_of
from intercom.store.building_text import building_text
from intercom.store.inventory_reading import read_inventory
from intercom.store.migration import make_all_tables
from intercom.store.models import Account, Doorbell, Grant, Member, Unit
from tests.store.databases import opened
from tests.store.house_file import ENVIRONMENT, SMALL, WHOLE
from tests.store.inventories import inventories

pytestmark = pytest.mark.timeout(30)
TODAY = date(2026, 11, 22)
FILES = {"small": SMALL, "whole": WHOLE}


def parsed(text, folder):
    file = folder / "building.toml"
    file.write_text(text)
    file.chmod(0o600)
    return parse_building(file, caller_id="+4723506953", environment=ENVIRONMENT)


async def take(database, text, folder, **wish):
    return await import_building(database, parsed(text, folder), folder, ImportWish(**wish), TODAY)


async def directory_of(database, folder):
    snapshot = Snapshot(database, today=lambda: TODAY, folder=folder, environment=ENVIRONMENT)
    await snapshot.load()
    assert not snapshot.left_out
    return snapshot.directory


async def inventory(database, property_id):
    async with database.reading() as session:
        return await read_inventory(session, property_id)


@pytest.mark.parametrize("name", FILES)
async def test_a_file_that_is_exported_and_taken_in_again_gives_the_same_directory(
    database, sqlite_address, tmp_path, name
):
    made = await take(database, FILES[name], tmp_path)
    text = await export_building(database, None)
    before, stored = (
        await directory_of(database, tmp_path),
        await inventory(database, made.property_id),
    )

    async with opened(sqlite_address.replace("intercom.db", "other.db")) as other:
        await other.migrate()
        await take(other, text, tmp_path)

        assert without_log(await directory_of(other, tmp_path)) == without_log(before)
        assert await inventory(other, made.property_id) == stored
        assert await export_building(other, None) == text


@pytest.mark.parametrize("name", FILES)
async def test_the_store_has_the_directory_that_the_file_has(sqlite_database, tmp_path, name):
    await take(sqlite_database, FILES[name], tmp_path, are_numbers_verified=True)
    file = tmp_path / "building.toml"

    from_file = load_building(file, caller_id="+4723506953", environment=ENVIRONMENT).directory

    from_store = await directory_of(sqlite_database, tmp_path)
    assert in_order(without_log(from_store)) == in_order(without_log(from_file))


def without_log(directory):
    properties = {
        key: replace(each, log=None) if hasattr(each, "log") else each
        for key, each in directory.properties.items()
    }
    return replace(directory, properties=properties)


def in_order(directory):
    """Put a panel's buttons in order: the store does not know in which a file had them."""
    panels = {
        key: replace(each, buttons=tuple(sorted(each.buttons, key=lambda one: one.name)))
        for key, each in directory.panels.items()
    }
    return replace(directory, panels=panels)


@pytest.mark.parametrize("name", FILES)
async def test_taking_a_file_in_again_changes_nothing(database, tmp_path, name):
    await take(database, FILES[name], tmp_path)
    told = []
    database.on_change.append(told.append)

    again = await take(database, FILES[name], tmp_path)

    assert not again.change
    assert not again.left_alone
    assert not told


async def test_a_trial_says_what_would_change_and_changes_nothing(database, tmp_path):
    tried = await take(database, SMALL, tmp_path, is_tried_only=True)

    assert tried.change.counts() == {"added": 11, "changed": 0, "removed": 0}
    assert 'added resident "kari"' in tried.change.summary()
    assert (await inventory(database, "storgata"))["property"] == {}


async def test_each_doorbell_of_a_file_without_units_gets_one_and_its_people_live_there(
    database, tmp_path
):
    await take(database, SMALL, tmp_path)

    async with database.reading() as session:
        rows = select(Unit.label, Account.username, Grant.role).join_from(Grant, Unit).join(Account)
        homes = {tuple(row) for row in (await session.execute(rows)).all()}
    assert {(label, name, role.value) for label, name, role in homes} == {
        ("Hansen", "kari", "resident"),
        ("Hansen", "ola", "resident"),
        ("Berg", "berg", "resident"),
    }


async def test_a_number_is_not_verified_by_being_taken_in(database, tmp_path):
    made = await take(database, SMALL, tmp_path)

    assert made.unverified == 2
    assert (await directory_of(database, tmp_path)).residents["kari"].number is None


async def test_the_operator_may_vouch_for_the_numbers_of_a_file(database, tmp_path):
    made = await take(database, SMALL, tmp_path, are_numbers_verified=True)

    assert made.unverified == 0
    assert (await directory_of(database, tmp_path)).residents["kari"].number == "+4790012345"


async def test_a_verified_number_stays_so_and_another_one_does_not(database, tmp_path):
    await take(database, SMALL, tmp_path, are_numbers_verified=True)

    again = await take(database, SMALL.replace("900 12 345", "+4790012399"), tmp_path)

    assert again.change.changed == {"resident": {"kari": ("number", "number_verified_on")}}
    people = (await inventory(database, "storgata"))["resident"]
    assert people["kari"]["number_verified_on"] is None
    assert people["ola"]["number_verified_on"] == TODAY


async def test_what_the_file_lacks_stays_unless_it_is_to_go(database, tmp_path):
    await take(database, SMALL, tmp_path)
    smaller = SMALL.replace(', "2" = "berg"', "")
    for kind in ("doorbell", "resident"):
        start = smaller.index(f'[[{kind}]]\n{"id" if kind == "doorbell" else "username"} = "berg"')
        end = smaller.index("[[", start + 2)
        smaller = smaller[:start] + smaller[end:]

    kept = await take(database, smaller, tmp_path)
    assert kept.left_alone == {"unit": ("Berg",), "resident": ("berg",), "doorbell": ("berg",)}
    assert kept.change.changed == {"panel": {"main": ("buttons",)}}

    gone = await take(database, smaller, tmp_path, is_pruned=True)

    assert gone.change.removed == {"unit": ("Berg",), "resident": ("berg",), "doorbell": ("berg",)}
    stored = await inventory(database, "storgata")
    assert set(stored["resident"]) == {"kari", "ola"}
    assert set(stored["doorbell"]) == {"hansen"}
    async with database.reading() as session:
        assert set((await session.scalars(select(Account.username))).all()) == {"kari", "ola"}


async def test_a_change_of_the_file_changes_that_alone(database, tmp_path):
    await take(database, SMALL, tmp_path)
    told = []
    database.on_change.append(told.append)
    other = SMALL.replace('name = "Hansen"', 'name = "Hansen & Berg"').replace(
        '["kari", "ola"]', '["ola", "berg"]'
    )

    made = await take(database, other, tmp_path)

    assert made.change.changed["doorbell"] == {"hansen": ("unit", "name", "members")}
    async with database.reading() as session:
        bell = await session.get_one(Doorbell, "hansen")
        rows = select(Account.username).join(Member).order_by(Member.position)
        assert bell.name == "Hansen & Berg"
        members = await session.scalars(rows.where(Member.doorbell_id == "hansen"))
        assert list(members.all()) == ["ola", "berg"]
    tables = {row.table for touched in told for row in touched}
    assert "account" not in tables


async def test_a_password_that_was_changed_since_is_not_set_back(database, tmp_path):
    await take(database, SMALL, tmp_path)
    async with database.writing() as session:
        kari = (await session.scalars(select(Account).where(Account.username == "kari"))).one()
        kari.password_hash = "$argon2id$of-her-own"

    assert not (await take(database, SMALL, tmp_path)).change

    people = (await inventory(database, "storgata"))["resident"]
    assert people["kari"]["password_hash"] == "$argon2id$of-her-own"


async def test_a_file_may_become_another_property_and_its_ids_must_be_free(database, tmp_path):
    await take(database, SMALL, tmp_path)

    with pytest.raises(ConfigError) as refused:
        await take(database, SMALL.replace("Kari Hansen", "Kari Moen"), tmp_path, property_id="b")

    said = str(refused.value)
    assert 'panel "main" is one of property "storgata" already: give this one another id' in said
    assert 'resident "kari" (Kari Moen) is the username of somebody else' in said
    assert (await inventory(database, "b"))["property"] == {}


async def test_a_file_does_not_make_a_property_commercial(database, tmp_path):
    await take(database, SMALL, tmp_path)

    with pytest.raises(ConfigError, match="change that in Webadmin"):
        await take(database, SMALL.replace('"residential"', '"commercial"'), tmp_path)


async def test_the_property_to_export_must_be_there(database, tmp_path):
    with pytest.raises(ConfigError, match="There is none yet"):
        await export_building(database, None)
    await take(database, SMALL, tmp_path)
    with pytest.raises(ConfigError, match="There are: storgata"):
        await export_building(database, "torget")


@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # what fails is small enough as it is
    suppress_health_check=[HealthCheck.too_slow],
)
@given(inventories())
def test_whatever_is_stored_is_exported_and_taken_in_again(inventory_wanted):
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(_go_round(inventory_wanted, Path(name)))


async def _go_round(wanted, folder):
    text = building_text(wanted)
    assert inventory_of(parsed(text, folder), folder, None) == without_what_is_not_given(wanted)
    async with opened(f"sqlite:///{folder / 'intercom.db'}") as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(make_all_tables)
        made = await take(database, text, folder)
        assert await inventory(database, made.property_id) == wanted
        assert not (await take(database, text, folder)).change


def without_what_is_not_given(wanted):
    optional = ("email", "password_hash", "number_verified_on", "contact_email", "log_days")
    return {
        kind: {
            key: {name: v for name, v in fields.items() if v is not None or name not in optional}
            for key, fields in things.items()
        }
        for kind, things in wanted.items()
    }
