"""What is remembered of calls: lines of the log in a commercial property, nothing in a residential one."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from dataclasses import fields
from datetime import UTC, datetime
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom.diary import CommercialDiary, Diaries, Diary, Openings, uuid7
from intercom.ports import RelayOutcome, RelayResult
from intercom.routing import events as ev
from intercom.routing.commands import ReadyAnswer
from intercom.routing.directory import CommercialProperty, Property, PropertyKind
from intercom.routing.ids import CallId, LegId, PropertyId, ResidentId
from intercom.routing.limits import Limits
from intercom.routing.log_line import Means
from intercom.switchboard import Switchboard
from intercom.trace import Trace
from tests.fakes import ANNA, LOG, MAIN, PANEL, SHUTTING_DOWN, World, make_house, panel_media

LEG = LegId("panel-leg")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@contextlib.asynccontextmanager
async def office(kind=PropertyKind.COMMERCIAL) -> AsyncIterator[tuple[World, Switchboard]]:
    house, world, numbers = make_house(kind=kind), World(), count(1)
    switchboard = Switchboard(
        directory=lambda: house,
        trace=Trace(asyncio.get_running_loop().time),
        token=lambda length: f"{next(numbers):0{length}}",
        diaries=world.diaries,
        limits=Limits(),
        now=lambda: NOW,
    )
    async with asyncio.timeout(3), asyncio.TaskGroup() as tasks:
        switchboard.start(tasks, world.ports)
        switchboard.press(house.panels[PANEL], "anna", LEG, panel_media(LEG, float))
        yield world, switchboard
        switchboard.end_all(SHUTTING_DOWN)


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_call_by_app_that_opens_is_told_whole():
    async with office() as (world, switchboard):
        leg = world.apps.leg
        switchboard.post(leg, ev.LegAnswered(leg))
        switchboard.post(leg, ev.OpenRequested(leg))
        await settled()

    assert world.sink.told() == [
        ("rang", "anna", "app"),
        ("answered", "anna", "app"),
        ("opened", "anna", "app"),
    ]
    (line, *_) = world.sink.lines
    assert (line.log, line.door, line.doorbell) == (LOG, "Main entrance", "anna")
    assert len({line.call for line in world.sink.lines}) == 1


async def test_a_phone_that_was_picked_up_answered_only_when_a_key_was_pressed():
    async with office() as (world, switchboard):
        switchboard.post(world.apps.leg, ev.LegFailed(world.apps.leg, ev.LegFailure.UNREACHABLE))
        await settled()
        phone = world.phones.leg
        switchboard.post(phone, ev.LegAnswered(phone))
        await settled()
        before = world.sink.told()
        switchboard.post(phone, ev.DigitPressed(phone, "5"))
        await settled()

    assert before == [
        ("rang", "anna", "app"),
        ("unreached", "anna", "app"),
        ("rang", "anna", "phone"),
    ]
    assert world.sink.told()[3:] == [("answered", "anna", "phone"), ("opened", "anna", "phone")]


async def test_a_voicemail_that_ends_leaves_a_missed_call():
    async with office() as (world, switchboard):
        switchboard.post(world.apps.leg, ev.LegFailed(world.apps.leg, ev.LegFailure.UNREACHABLE))
        await settled()
        phone = world.phones.leg
        switchboard.post(phone, ev.LegAnswered(phone))
        switchboard.post(phone, ev.BeepHeard(phone))
        await settled()

    assert [what for what, *_ in world.sink.told()] == ["rang", "unreached", "rang", "missed"]


async def test_a_declined_call_is_not_missed():
    async with office() as (world, switchboard):
        switchboard.post(world.apps.leg, ev.LegDeclined(world.apps.leg))
        await settled()

    assert [what for what, *_ in world.sink.told()] == ["rang", "declined"]


async def test_a_ready_answer_is_told_and_the_call_is_not_missed():
    async with office() as (world, switchboard):
        leg = world.apps.leg
        switchboard.post(leg, ev.AnswerChosen(leg, ReadyAnswer.COMING))
        switchboard.post(LEG, ev.PanelLeft(LEG))
        await settled()

    assert [what for what, *_ in world.sink.told()] == ["rang", "message"]


@pytest.mark.parametrize(
    ("outcome", "what"),
    [
        (RelayOutcome.SENT, "sent"),
        (RelayOutcome.UNKNOWN, "unknown"),
        (RelayOutcome.FAILED, "failed"),
    ],
)
async def test_what_the_door_did_is_told_as_it_was_measured(outcome, what):
    async with office() as (world, switchboard):
        world.relay.result = RelayResult(outcome)
        switchboard.post(world.apps.leg, ev.OpenRequested(world.apps.leg))
        await settled()

    assert world.sink.told()[1:] == [(what, "anna", "app")]


async def test_a_phone_that_has_used_up_its_openings_leaves_a_line_of_the_refusal():
    async with office() as (world, switchboard):
        switchboard.post(world.apps.leg, ev.LegFailed(world.apps.leg, ev.LegFailure.UNREACHABLE))
        await settled()
        phone = world.phones.leg
        switchboard.post(phone, ev.LegAnswered(phone))
        for _ in range(Limits().max_openings + 1):
            switchboard.post(phone, ev.DigitPressed(phone, "5"))
            await settled()

    assert world.sink.told()[4:] == [
        *[("opened", "anna", "phone")] * 3,
        ("refused", "anna", "phone"),
    ]


async def test_an_opening_without_an_answer_when_the_service_stops_is_told_as_unknown():
    world = World()
    world.relay.result = None  # it never says anything
    switchboard = Switchboard(
        directory=lambda: make_house(kind=PropertyKind.COMMERCIAL),
        trace=Trace(lambda: 0.0),
        token=lambda length: "0" * length,
        diaries=world.diaries,
        now=lambda: NOW,
    )

    async def serve() -> None:
        async with asyncio.TaskGroup() as tasks:
            switchboard.start(tasks, world.ports)
            switchboard.press(make_house().panels[PANEL], "anna", LEG, panel_media(LEG, float))
            switchboard.post(world.apps.leg, ev.OpenRequested(world.apps.leg))
            await settled()
            raise LookupError

    with pytest.raises(ExceptionGroup):
        await serve()

    assert world.sink.told()[1:] == [("unknown", "anna", "app")]


async def test_the_test_of_a_relay_is_told_with_who_asked():
    async with office() as (world, switchboard):
        await switchboard.relay_test(MAIN, ResidentId("vera"))

    assert ("opened", "vera", "test") in world.sink.told()


async def test_a_residential_property_has_no_line():
    async with office(PropertyKind.RESIDENTIAL) as (world, switchboard):
        leg = world.apps.leg
        switchboard.post(leg, ev.LegAnswered(leg))
        switchboard.post(leg, ev.OpenRequested(leg))
        await settled()
        await switchboard.relay_test(MAIN, ANNA)

    assert not world.sink.lines


def reaches(root: object, goal: object) -> bool:
    """Tell whether there is any way from an object to another, but by classes."""
    seen, waiting = set(), [root]
    while waiting:
        one = waiting.pop()
        if one is goal:
            return True
        if id(one) not in seen and not isinstance(one, type):
            seen.add(id(one))
            waiting += gc.get_referents(one)
    return False


def diary_of(prop: Property, world: World) -> Diary:
    house = make_house()
    (doorbell, *_) = house.doorbells.values()
    return world.diaries.of_call(prop, CallId("call"), doorbell, house.doors[MAIN])


def test_no_sink_can_be_reached_from_what_a_residential_property_gets():
    world = World()
    home = Property(PropertyId("home"), "Home", "Storgata 1")
    bank = CommercialProperty(PropertyId("bank"), "Bank", "Storgata 2", log=LOG)

    assert not reaches(diary_of(home, world), world.sink)
    assert not reaches(world.diaries.of_openings(home), world.sink)
    assert reaches(diary_of(bank, world), world.sink)
    assert reaches(world.diaries.of_openings(bank), world.sink)


def test_what_a_residential_property_gets_can_keep_nothing():
    world = World()
    home = Property(PropertyId("home"), "Home", "Storgata 1")

    for each in (diary_of(home, world), world.diaries.of_openings(home)):
        assert type(each) in (Diary, Openings)
        with pytest.raises(AttributeError):
            each.anything = 1  # type: ignore[attr-defined]


def test_a_residential_property_has_no_field_for_a_log():
    assert "log" not in {each.name for each in fields(Property)}
    assert not hasattr(Property(PropertyId("home"), "Home", "Storgata 1"), "log")


def test_a_commercial_property_out_of_a_file_writes_nowhere():
    world = World()
    bank = CommercialProperty(PropertyId("bank"), "Bank", "Storgata 2")

    assert not isinstance(diary_of(bank, world), CommercialDiary)


@given(st.datetimes(min_value=datetime(2000, 1, 1)), st.binary(min_size=10, max_size=10))  # noqa: DTZ001
def test_a_lines_id_is_a_uuid_of_version_7_with_its_time(at, entropy):
    at = at.replace(tzinfo=UTC)

    line_id = uuid7(at, entropy.hex())

    first, second, third, fourth, last = line_id.split("-")
    assert [len(each) for each in (first, second, third, fourth, last)] == [8, 4, 4, 4, 12]
    assert third[0] == "7"
    assert fourth[0] in "89ab"
    assert int(first + second, 16) == int(at.timestamp() * 1000)


def test_ids_sort_by_time():
    made = [uuid7(datetime.fromtimestamp(at, UTC), "f" * 20) for at in range(10)]

    assert made == sorted(made)


def test_what_a_commercial_propertys_openings_say_names_the_person():
    world = World()
    bank = CommercialProperty(PropertyId("bank"), "Bank", "Storgata 2", log=LOG)
    openings = Diaries(world.sink, now=lambda: NOW, token=lambda n: "a" * n).of_openings(bank)

    openings.refused(make_house().doors[MAIN], ANNA, Means.KEY)

    assert world.sink.told() == [("refused", "anna", "key")]
    assert world.sink.lines[0].at == NOW
