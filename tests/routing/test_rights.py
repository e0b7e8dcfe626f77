"""Who may open which door at which hour, in a call and by the key in the app."""

from dataclasses import replace

import pytest

from intercom.routing.directory import Directory, DoorRight, Property, Resident
from intercom.routing.hours import Hours, LocalTime
from intercom.routing.ids import DoorbellId, DoorId, PropertyId, ResidentId
from intercom.routing.rights import has_key, is_still_rung, may_open_in_call, may_use_key
from tests.fakes import ANNA, BO, MAIN, make_house

GARAGE = DoorId("garage")
HOUSE = Property(PropertyId("house"), "House", "Storgata 14", has_keys_in_app=True)
WORKDAYS = Hours(frozenset(range(5)), 7 * 60, 16 * 60)
NIGHT = Hours(start_minute=22 * 60, end_minute=6 * 60)
TUESDAY_NOON, TUESDAY_NIGHT = LocalTime(1, 12 * 60), LocalTime(1, 23 * 60)
SUNDAY_NOON = LocalTime(6, 12 * 60)
KEY = DoorRight(GARAGE, has_key=True)


def somebody(*rights: DoorRight) -> Resident:
    return Resident(ANNA, "Anna", "hash", rights=rights)


# -- what is refused -------------------------------------------------------------------------


def test_a_key_turns_nothing_where_the_property_has_no_keys_in_the_app():
    house = replace(HOUSE, has_keys_in_app=False)

    assert not may_use_key(somebody(KEY), house, GARAGE, TUESDAY_NOON)
    assert not has_key(somebody(KEY), house, GARAGE)


def test_a_key_turns_no_other_door():
    assert not may_use_key(somebody(KEY), HOUSE, MAIN, TUESDAY_NOON)


def test_whoever_is_rung_from_a_door_has_no_key_to_it_by_that():
    assert may_open_in_call(somebody(), GARAGE, TUESDAY_NOON)
    assert not may_use_key(somebody(), HOUSE, GARAGE, TUESDAY_NOON)
    assert not may_use_key(somebody(DoorRight(GARAGE)), HOUSE, GARAGE, TUESDAY_NOON)


@pytest.mark.parametrize("now", [TUESDAY_NIGHT, SUNDAY_NOON, LocalTime(1, 16 * 60)])
def test_outside_its_hours_a_right_opens_nothing(now: LocalTime):
    anna = somebody(replace(KEY, hours=WORKDAYS))

    assert may_open_in_call(anna, GARAGE, TUESDAY_NOON)
    assert may_use_key(anna, HOUSE, GARAGE, TUESDAY_NOON)
    assert not may_open_in_call(anna, GARAGE, now)
    assert not may_use_key(anna, HOUSE, GARAGE, now)


def test_a_right_that_takes_away_is_stronger_than_one_that_gives():
    anna = somebody(KEY, DoorRight(GARAGE, may_open=False, has_key=True, hours=NIGHT))

    assert not may_open_in_call(anna, GARAGE, TUESDAY_NIGHT)
    assert not may_use_key(anna, HOUSE, GARAGE, TUESDAY_NIGHT)
    assert may_open_in_call(anna, GARAGE, TUESDAY_NOON)
    assert may_use_key(anna, HOUSE, GARAGE, TUESDAY_NOON)


def test_a_right_that_only_takes_away_gives_nothing_outside_its_hours():
    anna = somebody(DoorRight(GARAGE, may_open=False, has_key=True, hours=NIGHT))

    assert not may_open_in_call(anna, GARAGE, TUESDAY_NOON)
    assert not has_key(anna, HOUSE, GARAGE)


def test_a_right_to_another_door_changes_nothing():
    assert may_open_in_call(somebody(DoorRight(MAIN, may_open=False)), GARAGE, TUESDAY_NOON)


@pytest.mark.parametrize(
    ("resident_id", "doorbell", "door"),
    [
        (BO, "anna", MAIN),
        (ANNA, "bo", MAIN),
        (ANNA, "gone", MAIN),
        (ANNA, "anna", GARAGE),
        (ResidentId("moved-out"), "anna", MAIN),
    ],
)
def test_who_is_not_rung_any_more_opens_nothing(resident_id, doorbell, door):
    assert not is_still_rung(make_house(), resident_id, DoorbellId(doorbell), door)


def test_a_person_who_is_gone_opens_nothing_though_the_doorbell_names_them():
    house = make_house()
    empty = Directory(house.properties, house.doors, house.panels, house.doorbells)

    assert is_still_rung(house, ANNA, DoorbellId("anna"), MAIN)
    assert not is_still_rung(empty, ANNA, DoorbellId("anna"), MAIN)


# -- what is given ---------------------------------------------------------------------------


def test_one_of_several_rights_is_enough():
    anna = somebody(DoorRight(GARAGE, hours=WORKDAYS), replace(KEY, hours=NIGHT))

    assert may_open_in_call(anna, GARAGE, TUESDAY_NOON)
    assert not may_use_key(anna, HOUSE, GARAGE, TUESDAY_NOON)
    assert may_use_key(anna, HOUSE, GARAGE, TUESDAY_NIGHT)
    assert has_key(anna, HOUSE, GARAGE)
