"""A change tells each part what concerns it, and nobody else anything."""

from dataclasses import replace

from intercom.app.following import panels_to_look_at
from intercom.routing.change import DirectoryChange, change_between
from intercom.routing.directory import Directory
from tests.fakes import ANNA, BO, HOUSE, MAIN, PANEL, make_house


def test_a_directory_that_is_the_same_is_no_change():
    house = make_house()

    assert not change_between(house, replace(house))
    assert change_between(house, house).summary() == "nothing differs"


def test_a_change_names_what_was_added_changed_and_removed_and_whom_its_doorbells_ring():
    house = make_house()
    bell = house.doorbells["anna"]
    others = {
        "anna": replace(bell, residents=(BO,)),
        "new": replace(bell, doorbell_id="new", residents=()),
    }

    change = change_between(house, replace(house, doorbells=others))

    assert change.doorbells >= {"anna", "new"}
    assert change.rung >= {ANNA, BO}
    assert not change.panels
    assert not change.residents


def test_everything_differs_from_nothing():
    house = make_house()

    change = change_between(Directory(), house)

    assert change.residents == set(house.residents)
    assert change.has_other_trunks is bool(house.trunks)


def test_panels_are_looked_at_again_for_a_doorbell_a_door_or_a_property_of_theirs_alone():
    house = make_house()
    for change in (
        DirectoryChange(doorbells=frozenset({"anna"})),
        DirectoryChange(doors=frozenset({MAIN})),
        DirectoryChange(properties=frozenset({HOUSE})),
        DirectoryChange(panels=frozenset({PANEL})),
    ):
        assert PANEL in panels_to_look_at(house, change)
    elsewhere = DirectoryChange(
        doorbells=frozenset({"nowhere"}), residents=frozenset({ANNA}), has_other_trunks=True
    )
    assert not panels_to_look_at(house, elsewhere)
