"""Which doors an app is told of, which have a key, and what a change of the building costs."""

import time
from dataclasses import replace

import pytest

from intercom.routing.change import DirectoryChange, change_between
from intercom.routing.directory import (
    Button,
    Directory,
    Door,
    Doorbell,
    DoorRight,
    Panel,
    PanelLinkRelay,
    Property,
    Resident,
)
from intercom.routing.ids import DoorbellId, DoorId, PanelId, PropertyId, ResidentId
from intercom.web import signaling
from intercom.web.app_doors import AppDoors
from tests.web.desk import ANNA, browser_like, log_in, open_desk
from tests.web.test_signaling import connected

HOUSE, OTHER = PropertyId("house"), PropertyId("other")
MAIN, GARAGE, FLAT, FOREIGN = (DoorId(each) for each in ("main", "garage", "flat", "foreign"))
FRONT, BACK = PanelId("front"), PanelId("back")
KARI, OLA = ResidentId("kari"), ResidentId("ola")


def house(*rights: DoorRight, has_keys: bool = True) -> Directory:
    """Make a house with Kari's and Ola's doorbells at the front, and a garage without a panel."""
    prop = Property(HOUSE, "House", "Storgata 14", has_keys_in_app=has_keys)
    bells = [Doorbell(DoorbellId(each), HOUSE, each, (each,)) for each in (KARI, OLA)]
    return Directory(
        properties={HOUSE: prop, OTHER: Property(OTHER, "Other", "Storgata 16")},
        doors={
            door_id: Door(door_id, prop_id, name, PanelLinkRelay(FRONT, 1))
            for door_id, prop_id, name in (
                (MAIN, HOUSE, "Main entrance"),
                (GARAGE, HOUSE, "Garage"),
                (FLAT, HOUSE, "Kari's door"),
                (FOREIGN, OTHER, "Elsewhere"),
            )
        },
        panels={
            FRONT: Panel(FRONT, HOUSE, MAIN, tuple(Button(b.name, b.doorbell_id) for b in bells))
        },
        doorbells={bell.doorbell_id: bell for bell in bells},
        residents={
            KARI: Resident(KARI, "Kari", "hash", rights=rights),
            OLA: Resident(OLA, "Ola", "hash"),
        },
    )


def doors_of(directory: Directory, resident_id: ResidentId = KARI) -> list[tuple[object, object]]:
    return [(door["id"], door["key"]) for door in AppDoors(directory).of(resident_id)]


def test_nobody_is_told_of_a_door_that_neither_rings_them_nor_knows_them():
    assert doors_of(house(), OLA) == [(MAIN, False)]
    assert doors_of(house(), ResidentId("stranger")) == []


def test_doors_with_a_key_are_told_whether_they_ring_or_not_in_the_buildings_order():
    rights = (DoorRight(FLAT, has_key=True), DoorRight(GARAGE, has_key=True), DoorRight(MAIN))

    assert doors_of(house(*rights)) == [(MAIN, False), (GARAGE, True), (FLAT, True)]


@pytest.mark.parametrize(
    "right", [DoorRight(FOREIGN, has_key=True), DoorRight(DoorId("gone"), has_key=True)]
)
def test_a_key_of_a_property_without_keys_or_to_no_door_is_not_told(right: DoorRight):
    assert doors_of(house(right)) == [(MAIN, False)]


def test_without_keys_in_the_app_only_the_doors_that_ring_are_told():
    rights = (DoorRight(GARAGE, has_key=True), DoorRight(MAIN, has_key=True))

    assert doors_of(house(*rights, has_keys=False)) == [(MAIN, False)]


def with_doorbell(directory: Directory, *residents: ResidentId) -> Directory:
    bell = replace(directory.doorbells[DoorbellId(KARI)], residents=residents)
    return replace(directory, doorbells={**directory.doorbells, bell.doorbell_id: bell})


def with_panel(directory: Directory, panel: Panel) -> Directory:
    return replace(directory, panels={**directory.panels, panel.panel_id: panel})


BACK_PANEL = Panel(BACK, HOUSE, GARAGE, (Button("101", DoorbellId(OLA)),))
CHANGES = {
    "a person more": (lambda d: with_doorbell(d, KARI, OLA), {KARI, OLA}),
    "a person less": (with_doorbell, {KARI}),
    "a panel more": (lambda d: with_panel(d, BACK_PANEL), {OLA}),
    "a panel less": (lambda d: replace(d, panels={}), {KARI, OLA}),
    "a panel at another door": (
        lambda d: with_panel(d, replace(d.panels[FRONT], door_id=GARAGE)),
        {KARI, OLA},
    ),
    "a button less": (
        lambda d: with_panel(d, replace(d.panels[FRONT], buttons=d.panels[FRONT].buttons[:1])),
        {OLA},
    ),
    "no doorbells": (lambda d: replace(d, doorbells={}), {KARI, OLA}),
    "a right more": (
        lambda d: replace(
            d,
            residents={
                **d.residents,
                OLA: replace(d.residents[OLA], rights=(DoorRight(GARAGE, has_key=True),)),
            },
        ),
        {OLA},
    ),
    "another door": (
        lambda d: replace(d, doors={**d.doors, MAIN: replace(d.doors[MAIN], name="Gate")}),
        None,
    ),
    "no door": (lambda d: replace(d, doors={}), None),
    "another property": (
        lambda d: replace(
            d, properties={**d.properties, HOUSE: replace(d.properties[HOUSE], address="X")}
        ),
        None,
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_following_a_change_is_as_good_as_beginning_anew_and_names_whom_it_concerns(name: str):
    change_it, concerned = CHANGES[name]
    before = house(DoorRight(GARAGE, has_key=True))
    after = change_it(before)
    followed = AppDoors(before)

    told = followed.follow(after, change_between(before, after))

    assert told == concerned
    fresh = AppDoors(after)
    assert [followed.of(each) for each in (KARI, OLA)] == [fresh.of(each) for each in (KARI, OLA)]
    back = followed.follow(before, change_between(after, before))
    assert (back is None) == (concerned is None)
    assert [followed.of(each) for each in (KARI, OLA)] == [
        AppDoors(before).of(each) for each in (KARI, OLA)
    ]


def big_house(units: int) -> Directory:
    """Make a property of so many doorbells, each on four panels."""
    people = [ResidentId(f"r{number}") for number in range(units)]
    bells = {
        DoorbellId(f"d{number}"): Doorbell(DoorbellId(f"d{number}"), HOUSE, each, (each,))
        for number, each in enumerate(people)
    }
    buttons = tuple(Button(str(101 + number), each) for number, each in enumerate(bells))
    panels = [PanelId(f"p{number}") for number in range(4)]
    base = house()
    return replace(
        base,
        panels={each: Panel(each, HOUSE, MAIN, buttons) for each in panels},
        doorbells=bells,
        residents={each: Resident(each, each, "hash") for each in people},
    )


def test_a_change_of_one_doorbell_among_5000_costs_no_more_than_a_moment():
    before = big_house(5000)
    doors, bell = AppDoors(before), DoorbellId("d17")
    renamed = replace(before.doorbells[bell], residents=(ResidentId("r18"),))
    after = replace(before, doorbells={**before.doorbells, bell: renamed})
    change = DirectoryChange(doorbells=frozenset({bell}))

    begun = time.perf_counter()
    concerned = doors.follow(after, change)
    took_ms = (time.perf_counter() - begun) * 1000

    assert concerned == {"r17", "r18"}
    assert doors.of(ResidentId("r17")) == []
    assert took_ms < 5


async def test_a_key_reaches_whoever_takes_keys_and_no_call():
    async with open_desk() as desk, browser_like() as client:
        keys = []
        desk.hub.on_key = lambda *frame: keys.append(frame)
        await log_in(client, desk)
        async with connected(client, desk) as socket:
            device = desk.device
            await socket.send_json({"type": "key", "door": "main", "id": "1", "resident": "per"})
            await socket.send_json({"type": "ping"})
            assert await socket.receive_json() == {"type": "pong"}

    assert keys == [(ANNA, device, {"type": "key", "door": "main", "id": "1"})]
    assert desk.frames == []


@pytest.mark.timeout(20)
async def test_an_app_is_told_its_doors_anew_when_a_change_concerns_it_and_only_then():
    async with open_desk() as desk, browser_like() as client:
        await log_in(client, desk)
        async with connected(client, desk) as socket:
            before = desk.directory
            per = replace(before.residents[ResidentId("per")], name="Per Berg")
            desk.directory = replace(before, residents={**before.residents, per.resident_id: per})
            desk.hub.directory_changed(change_between(before, desk.directory))
            prop = next(iter(before.properties.values()))
            desk.directory = replace(
                desk.directory,
                properties={prop.property_id: replace(prop, has_keys_in_app=True)},
                residents={
                    **desk.directory.residents,
                    ANNA: replace(
                        before.residents[ANNA], rights=(DoorRight(DoorId("main"), has_key=True),)
                    ),
                },
            )
            desk.hub.directory_changed(change_between(before, desk.directory))

            greeting = await socket.receive_json()
            await socket.send_json({"type": "ping"})
            assert await socket.receive_json() == {"type": "pong"}

    assert [door["key"] for door in greeting["doors"]] == [True]


@pytest.mark.timeout(20)  # two log-ins
async def test_many_apps_are_told_a_few_at_a_time(monkeypatch):
    monkeypatch.setattr(signaling, "GREETED_AT_ONCE", 1)
    async with open_desk() as desk, browser_like() as client, browser_like() as other:
        await log_in(client, desk)
        await log_in(other, desk)
        async with connected(client, desk) as first, connected(other, desk) as second:
            desk.change_resident(ANNA, name="Anna Berg")

            for socket in (first, second):
                assert (await socket.receive_json())["resident"] == {"name": "Anna Berg"}
