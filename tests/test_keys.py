"""Doors opened by the key in the app: for whom, when, how often, and never twice by one wish."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from intercom import keys as keys_module
from intercom.adapters.app_keys import AppKeys
from intercom.keys import TOO_OFTEN, KeyResult, Keys
from intercom.ports import RelayOutcome, RelayResult
from intercom.routing.commands import DoorState
from intercom.routing.directory import Directory, Door, DoorRight, PanelLinkRelay, PropertyKind
from intercom.routing.door import NO_RIGHT
from intercom.routing.hours import Hours
from intercom.routing.ids import DoorId, PropertyId, ResidentId
from intercom.routing.log_line import Means, What
from tests.fakes import (
    ANNA,
    ANNA_APP,
    BO,
    BO_APP,
    FAULT_TEXT,
    HOUSE,
    MAIN,
    PANEL,
    FakeChannel,
    World,
    make_house,
)

GARAGE, NEIGHBOUR = DoorId("garage"), PropertyId("neighbour")
OPENED = KeyResult(DoorState.OPENED, "", 3000)
REFUSED = KeyResult(DoorState.REFUSED, NO_RIGHT)
SUNDAY_NOON_UTC = datetime(2026, 3, 29, 12, tzinfo=UTC)
"""14:00 in Oslo: summer time began that night."""
AFTERNOON = Hours(start_minute=13 * 60 + 30, end_minute=15 * 60)


@dataclass
class Desk:
    keys: Keys
    world: World
    house: Directory
    now: datetime = SUNDAY_NOON_UTC
    told: list[KeyResult] = field(default_factory=list)

    def turn(self, wish="wish-1", *, who=ANNA, door=MAIN):
        self.keys.turn(who, door, wish, self.told.append)

    async def turned(self, wish="wish-1", *, who=ANNA, door=MAIN):
        """Turn the key, and give what came of it."""
        before = len(self.told)
        self.turn(wish, who=who, door=door)
        await self.settled()
        return self.told[before:]

    async def settled(self):
        for _ in range(10):
            await asyncio.sleep(0)

    @property
    def pulses(self):
        return len(self.world.relay.pulses)


def house_with(
    *rights: DoorRight, has_keys: bool = True, kind: PropertyKind = PropertyKind.RESIDENTIAL
) -> Directory:
    """Make a house where Anna has these rights and Bo has none."""
    house = make_house(kind=kind)
    anna = replace(house.residents[ANNA], rights=rights)
    garage = Door(GARAGE, HOUSE, "Garage", PanelLinkRelay(PANEL, 2))
    prop = replace(house.properties[HOUSE], has_keys_in_app=has_keys)
    return replace(
        house,
        properties={HOUSE: prop},
        doors={**house.doors, GARAGE: garage},
        residents={**house.residents, ANNA: anna},
    )


KEY = DoorRight(MAIN, has_key=True)


@contextlib.asynccontextmanager
async def desk_with(*rights: DoorRight, **ways: object) -> AsyncIterator[Desk]:
    desk = Desk(None, World(), house_with(*rights, **ways))  # type: ignore[arg-type]  # the next line
    desk.keys = Keys(directory=lambda: desk.house, diaries=desk.world.diaries, now=lambda: desk.now)
    async with asyncio.TaskGroup() as tasks:
        desk.keys.start(tasks, desk.world.ports)
        yield desk


# -- what is refused -------------------------------------------------------------------------


async def test_a_key_turns_nothing_where_the_property_has_no_keys_in_the_app():
    async with desk_with(KEY, has_keys=False) as desk:
        assert await desk.turned() == [REFUSED]
        assert desk.pulses == 0


async def test_the_wrong_person_is_refused():
    async with desk_with(KEY) as desk:
        assert await desk.turned(who=BO) == [REFUSED]
        assert await desk.turned(who=ResidentId("stranger")) == [REFUSED]
        assert desk.pulses == 0


@pytest.mark.parametrize("door", [GARAGE, DoorId("no-such-door"), DoorId("")])
async def test_the_wrong_door_is_refused_in_the_same_words_whether_it_exists_or_not(door):
    async with desk_with(KEY) as desk:
        assert await desk.turned(door=door) == [REFUSED]
        assert desk.pulses == 0


async def test_being_rung_from_a_door_is_no_key_to_it():
    async with desk_with(DoorRight(MAIN)) as desk:
        assert await desk.turned() == [REFUSED]
        assert desk.pulses == 0


async def test_outside_the_hours_of_the_right_the_key_is_refused_by_the_propertys_own_clock():
    async with desk_with(replace(KEY, hours=AFTERNOON)) as desk:
        assert await desk.turned() == [OPENED]
        desk.now += timedelta(hours=1)
        assert await desk.turned("wish-2") == [REFUSED]
        desk.now -= timedelta(hours=1, days=7)  # 13:00 in Oslo: winter time
        assert await desk.turned("wish-3") == [REFUSED]
        assert desk.pulses == 1


async def test_a_wish_that_comes_again_opens_once_and_is_told_the_same_again():
    async with desk_with(KEY) as desk:
        assert await desk.turned() == [OPENED]
        assert await desk.turned() == [OPENED]
        assert desk.pulses == 1


async def test_a_wish_that_comes_again_while_it_is_under_way_opens_once():
    async with desk_with(KEY) as desk:
        desk.turn()
        desk.turn()
        await desk.settled()

        assert desk.told == [OPENED]
        assert desk.pulses == 1


async def test_a_wish_that_was_refused_stays_refused_when_the_right_comes_later():
    async with desk_with() as desk:
        assert await desk.turned() == [REFUSED]
        desk.house = house_with(KEY)
        assert await desk.turned() == [REFUSED]
        assert await desk.turned("wish-2") == [OPENED]


async def test_a_right_that_was_taken_away_counts_no_more_at_once():
    async with desk_with(KEY) as desk:
        desk.house = house_with()
        assert await desk.turned() == [REFUSED]


async def test_a_person_who_is_gone_is_refused_and_forgotten():
    async with desk_with(KEY) as desk:
        await desk.turned()
        desk.house = replace(desk.house, residents={BO: desk.house.residents[BO]})
        desk.keys.directory_changed()

        assert await desk.turned("wish-2") == [REFUSED]
        assert desk.keys._rings == {}
        assert desk.pulses == 1


async def test_a_person_without_an_app_has_no_key():
    async with desk_with(KEY) as desk:
        anna = replace(desk.house.residents[ANNA], has_app=False)
        desk.house = replace(desk.house, residents={ANNA: anna})

        assert await desk.turned() == [REFUSED]


async def test_a_person_opens_three_times_within_a_minute_and_others_are_not_held_up(monkeypatch):
    async with desk_with(KEY) as desk:
        desk.house = replace(
            desk.house,
            residents={
                each: replace(desk.house.residents[ANNA], resident_id=each) for each in (ANNA, BO)
            },
        )
        for number in range(3):
            assert await desk.turned(f"wish-{number}") == [OPENED]
        assert await desk.turned("wish-3") == [KeyResult(DoorState.REFUSED, TOO_OFTEN)]
        assert await desk.turned("wish-3", who=BO) == [OPENED]
        assert desk.pulses == 4

        monkeypatch.setattr(keys_module, "TURNS_WITHIN_S", 0.0)
        assert await desk.turned("wish-3") == [KeyResult(DoorState.REFUSED, TOO_OFTEN)]
        assert await desk.turned("wish-4") == [OPENED]


async def test_a_service_that_stops_turns_no_key():
    async with desk_with(KEY) as desk:
        desk.keys.stop()

        assert await desk.turned() == [REFUSED]


async def test_refused_wishes_do_not_pile_up(monkeypatch):
    monkeypatch.setattr(keys_module, "REMEMBERED_REFUSALS", 5)
    async with desk_with() as desk:
        for number in range(20):
            desk.turn(f"wish-{number}")

        assert len(desk.keys._rings[ANNA].refusals) == 5


# -- what is done and told -------------------------------------------------------------------


async def test_the_same_wish_is_the_same_command_to_the_panel_and_anothers_is_not():
    async with desk_with(KEY) as first, desk_with(KEY) as second:
        await first.turned()
        await second.turned()
        await second.turned("wish-2")
        commands = [command for _, _, command in first.world.relay.pulses]
        again, other = [command for _, _, command in second.world.relay.pulses]

    assert commands == [again]
    assert other != again
    assert "wish" not in again


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (RelayOutcome.OPENED, DoorState.OPENED),
        (RelayOutcome.SENT, DoorState.SENT),
        (RelayOutcome.UNKNOWN, DoorState.UNKNOWN),
        (RelayOutcome.FAILED, DoorState.FAILED),
    ],
)
async def test_what_the_door_did_is_told_as_it_was_measured(outcome, state):
    async with desk_with(KEY) as desk:
        desk.world.relay.result = RelayResult(outcome, "why")

        assert await desk.turned() == [KeyResult(state, "why", 3000)]


async def test_a_fault_of_a_driver_is_unknown_to_the_person_and_names_nobody_in_the_log():
    async with desk_with(KEY) as desk:
        desk.world.relay.result = RuntimeError(FAULT_TEXT)
        with capture_logs() as logs:
            (told,) = await desk.turned()

    assert told.state is DoorState.UNKNOWN
    assert [(line["event"], set(line)) for line in logs] == [
        ("relay.driver_failed", {"event", "exc_info", "log_level"})
    ]


async def test_a_commercial_property_writes_who_turned_a_key_and_who_was_refused_one():
    async with desk_with(replace(KEY, hours=AFTERNOON), kind=PropertyKind.COMMERCIAL) as desk:
        await desk.turned()
        desk.now += timedelta(hours=3)
        await desk.turned("wish-2")
        await desk.turned(who=BO)  # a stranger to the door: nobody's business

    lines = [(line.what, line.person, line.door, line.means) for line in desk.world.sink.lines]
    assert lines == [
        (What.OPENED, ANNA, "Main entrance", Means.KEY),
        (What.REFUSED, ANNA, "Main entrance", Means.KEY),
    ]


async def test_a_residential_property_writes_nothing():
    async with desk_with(KEY) as desk:
        await desk.turned()
        await desk.turned(door=GARAGE)

    assert desk.world.sink.lines == []


async def test_the_app_is_told_over_its_channel_and_nobody_else():
    async with desk_with(KEY) as desk:
        channel = FakeChannel(ANNA_APP.device_id, BO_APP.device_id)
        frames = AppKeys(channel, desk.keys)

        frames.message(ANNA, ANNA_APP.device_id, {"type": "key", "door": MAIN, "id": "wish-1"})
        await desk.settled()

    assert channel.sent == [
        (
            ANNA_APP.device_id,
            {
                "type": "key_result",
                "id": "wish-1",
                "state": "opened",
                "cause": "",
                "pulse_ms": 3000,
            },
        )
    ]
