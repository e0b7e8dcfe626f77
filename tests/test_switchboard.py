"""Calls from the press to the end, with a real bridge and fakes all around it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from itertools import count

import pytest
from structlog.testing import capture_logs

from intercom import active_call, pulse, wall_clock
from intercom.media.dtmf import DigitWay
from intercom.ports import RelayOutcome, RelayResult
from intercom.routing import events as ev
from intercom.routing.commands import DoorState, EndReason, PanelState
from intercom.routing.directory import Directory, PropertyKind
from intercom.routing.ids import LegId, PanelId
from intercom.routing.limits import Limits
from intercom.switchboard import Switchboard
from intercom.trace import Trace
from tests.fakes import (
    ANNA,
    ANNA_APP,
    BO_APP,
    FAULT,
    MAIN,
    PANEL,
    SHUTTING_DOWN,
    World,
    make_house,
    panel_media,
)

LEG = LegId("panel-leg-1")
OTHER_PANEL = PanelId("panel-b")


@dataclass
class Rig:
    world: World
    switchboard: Switchboard
    house: Directory
    trace: Trace

    def press(self, button="anna", leg_id=LEG, panel_id=PANEL):
        panel = self.house.panels[panel_id]
        return self.switchboard.press(panel, button, leg_id, panel_media(leg_id, float))

    def post(self, event):
        self.switchboard.post(getattr(event, "leg_id", None) or event.panel_leg, event)

    @property
    def is_empty(self):
        tables = self.switchboard._by_leg, self.switchboard._by_panel
        return not any(tables) and self.switchboard.calls == 0

    async def talk_on_app(self):
        """Press, and let Anna's app answer."""
        self.press()
        leg_id = self.world.apps.leg
        self.post(ev.LegAnswered(leg_id))
        await settled()
        return leg_id


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def open_rig(house: Directory | None = None, **limits: float) -> AsyncIterator[Rig]:
    """Run a switchboard; at the end everything must be over and out of the tables, at once."""
    world, trace, numbers = World(), Trace(asyncio.get_running_loop().time), count(1)
    rig = Rig(world, None, house or make_house(), trace)  # type: ignore[arg-type]  # the next line
    rig.switchboard = Switchboard(
        directory=lambda: rig.house,
        trace=trace,
        token=lambda length: f"{next(numbers):0{length}}",
        diaries=world.diaries,
        limits=Limits(**limits),
        now=wall_clock.now,
    )
    async with asyncio.timeout(3), asyncio.TaskGroup() as tasks:
        rig.switchboard.start(tasks, world.ports)
        yield rig
        rig.switchboard.end_all(SHUTTING_DOWN)
    assert rig.is_empty
    assert not world.apps.ringing
    assert not world.phones.ringing


async def test_a_press_rings_and_is_told_that_it_rings_before_any_task_switch():
    async with open_rig() as rig:
        refusal = rig.press()

        assert refusal is None
        assert rig.world.apps.told[0] == ("ring", rig.world.apps.leg, ANNA_APP)
        assert ("progress", LEG, None) in rig.world.panels.told
        assert rig.world.screens.shown == [(PANEL, PanelState.CALLING, None)]


async def test_a_button_that_is_not_there_is_refused_and_leaves_nothing():
    async with open_rig() as rig:
        assert rig.press("nobody") is EndReason.NO_SUCH_BUTTON
        assert rig.is_empty


async def test_a_doorbell_that_reaches_nobody_ends_within_the_press():
    async with open_rig() as rig:
        rig.world.presence.targets.clear()

        rig.press("bo")

        assert rig.world.panels.ended == {LEG: EndReason.NOBODY_REACHABLE}
        assert rig.is_empty


async def test_the_first_answer_connects_and_the_panel_is_answered():
    async with open_rig() as rig:
        leg_id = await rig.talk_on_app()

        assert ("connect", leg_id, None) in rig.world.apps.told
        assert ("answer", LEG, None) in rig.world.panels.told
        assert rig.world.screens.shown[-1] == (PANEL, PanelState.TALKING, None)


async def test_the_same_button_again_joins_the_call_that_rings():
    async with open_rig() as rig:
        rig.press()
        rig.press(leg_id=LegId("again"))
        await settled()

        assert rig.switchboard.calls == 1
        assert rig.world.panels.ended == {LEG: EndReason.ANSWERED_ELSEWHERE}
        assert ("progress", LegId("again"), None) in rig.world.panels.told
        assert len(rig.world.apps.ringing) == 1


async def test_another_button_ends_the_call_and_rings_anew():
    async with open_rig() as rig:
        rig.press("anna")
        anna = rig.world.apps.leg
        rig.press("bo", LegId("second"))
        await settled()

        assert rig.world.apps.ended == {anna: EndReason.OTHER_BUTTON}
        assert list(rig.world.apps.ringing.values()) == [BO_APP]
        assert rig.switchboard.calls == 1


async def test_another_button_that_was_added_meanwhile_rings_by_the_new_building():
    async with open_rig(make_house(buttons=("anna",))) as rig:
        rig.press("anna")
        rig.house = make_house()

        rig.press("bo", LegId("second"))
        await settled()

        assert list(rig.world.apps.ringing.values()) == [BO_APP]


async def test_another_button_that_was_removed_meanwhile_is_refused_in_words():
    async with open_rig() as rig:
        rig.press("anna")
        rig.press("bo", LegId("second"))
        rig.house = make_house(buttons=("anna",))
        with capture_logs() as logs:
            await settled()

        assert rig.world.panels.ended[LegId("second")] is EndReason.NO_SUCH_BUTTON
        assert [line["event"] for line in logs] == ["call.without_directory"]
        assert rig.is_empty


async def test_a_visitor_who_presses_another_button_and_leaves_at_once_rings_nobody():
    async with open_rig() as rig:
        rig.press("anna")
        rig.press("bo", LegId("second"))
        rig.post(ev.PanelLeft(LegId("second")))
        await settled()

        assert rig.world.apps.ringing == {}
        assert rig.is_empty


async def test_a_press_during_talk_is_refused_and_talk_goes_on():
    async with open_rig() as rig:
        await rig.talk_on_app()
        rig.press("bo", LegId("second"))
        await settled()

        assert rig.world.panels.ended == {LegId("second"): EndReason.IN_USE}
        assert rig.switchboard.calls == 1


async def test_the_visitor_leaving_stops_all_ringing():
    async with open_rig() as rig:
        rig.press()
        leg_id = rig.world.apps.leg
        rig.post(ev.PanelLeft(LEG))
        await settled()

        assert rig.world.apps.ended == {leg_id: EndReason.VISITOR_LEFT}
        assert rig.is_empty


async def test_the_phone_is_called_when_the_apps_stage_is_over():
    house = make_house()
    anna = replace(house.doorbells["anna"], app_stage_s=0.01, phone_stage_s=30.0)
    async with open_rig(replace(house, doorbells={"anna": anna})) as rig:
        rig.press()
        await asyncio.sleep(0.05)

        assert len(rig.world.phones.ringing) == 1
        assert len(rig.world.apps.ringing) == 1


async def test_a_key_of_the_answered_phone_opens_the_door_once():
    async with open_rig() as rig:
        rig.world.presence.targets.clear()
        rig.press()
        leg_id = rig.world.phones.leg
        rig.post(ev.LegAnswered(leg_id))
        await settled()

        rig.world.phones.facts.bridge._keys._on_digit(leg_id, "5", DigitWay.EVENT)
        await settled()

        assert len(rig.world.relay.pulses) == 1
        assert rig.world.screens.shown[-1] == (PANEL, PanelState.OPENED, None)


async def test_a_key_of_a_leg_that_is_not_the_calls_opens_nothing():
    async with open_rig() as rig:
        rig.press()
        for leg_id in (LEG, LegId("unknown"), rig.world.apps.leg):
            rig.switchboard.post(leg_id, ev.DigitPressed(leg_id, "5"))
            rig.world.apps.facts.bridge._keys._on_digit(leg_id, "5", DigitWay.EVENT)
        await settled()

        assert rig.world.relay.pulses == []


async def test_an_app_is_told_what_became_of_the_door():
    async with open_rig() as rig:
        leg_id = await rig.talk_on_app()
        rig.post(ev.OpenRequested(leg_id))
        await settled()

        told = [fact for what, _, fact in rig.world.apps.told if what == "tell_door"]
        assert told == [DoorState.OPENING, DoorState.OPENED]


async def test_a_door_driver_that_raises_leaves_the_door_unknown_and_the_call_alive():
    async with open_rig() as rig:
        rig.world.relay.result = RuntimeError("bug")
        leg_id = await rig.talk_on_app()
        with capture_logs() as logs:
            rig.post(ev.OpenRequested(leg_id))
            await settled()

        assert rig.world.screens.shown[-1][1] is PanelState.NO_ANSWER_FROM_DOOR
        assert [line["event"] for line in logs] == ["relay.driver_failed"]
        assert rig.switchboard.calls == 1


async def test_a_door_driver_that_hangs_is_given_up_and_the_door_unknown(monkeypatch):
    monkeypatch.setattr(pulse, "RELAY_LIMIT_S", 0.02)
    async with open_rig() as rig:
        rig.world.relay.result = None
        leg_id = await rig.talk_on_app()
        rig.post(ev.OpenRequested(leg_id))
        await asyncio.sleep(0.1)

        assert rig.world.screens.shown[-1][1] is PanelState.NO_ANSWER_FROM_DOOR


async def test_a_relay_result_after_the_calls_end_changes_nothing(monkeypatch):
    monkeypatch.setattr(pulse, "RELAY_LIMIT_S", 0.05)
    async with open_rig() as rig:
        rig.world.relay.result = None
        leg_id = await rig.talk_on_app()
        rig.post(ev.OpenRequested(leg_id))
        await settled()
        rig.post(ev.PanelLeft(LEG))
        await settled()
        shown = list(rig.world.screens.shown)
        await asyncio.sleep(0.1)

        assert rig.is_empty
        assert rig.world.screens.shown == shown


async def test_a_door_whose_kind_of_relay_is_not_set_up_fails_in_words():
    async with open_rig() as rig:
        rig.switchboard._ports.relays = {}

        result = await rig.switchboard.relay_test(MAIN)

        assert result.outcome is RelayOutcome.FAILED


async def test_a_relay_test_needs_no_call():
    async with open_rig() as rig:
        assert await rig.switchboard.relay_test(MAIN) == RelayResult(
            RelayOutcome.OPENED, on_ms=3000
        )


async def test_late_events_of_legs_that_are_gone_are_passed_over():
    async with open_rig() as rig:
        leg_id = await rig.talk_on_app()
        rig.post(ev.LegEnded(leg_id))
        await settled()
        for event in (ev.LegAnswered(leg_id), ev.OpenRequested(leg_id), ev.LegEnded(leg_id)):
            rig.post(event)
        rig.post(ev.PanelLeft(LEG))
        await settled()

        assert rig.is_empty
        assert rig.world.relay.pulses == []


async def test_an_app_that_comes_online_rings_in_its_residents_call_alone():
    async with open_rig() as rig:
        tablet = replace(ANNA_APP, device_id="anna-2")
        rig.press()
        rig.switchboard.device_online(tablet)
        rig.switchboard.device_online(BO_APP)
        await settled()

        assert list(rig.world.apps.ringing.values()) == [ANNA_APP, tablet]


async def test_a_leg_that_fails_within_its_ringing_lets_the_next_stage_begin():
    async with open_rig() as rig:
        rig.world.apps.on_ring = lambda leg: rig.post(ev.LegFailed(leg, ev.LegFailure.UNREACHABLE))
        rig.press()
        await settled()

        assert len(rig.world.phones.ringing) == 1


# Faults


async def test_a_fault_in_one_call_ends_that_call_alone():
    async with open_rig(make_house(panels=(PANEL, OTHER_PANEL))) as rig:
        rig.press()
        rig.press("bo", LegId("other"), OTHER_PANEL)
        bo = rig.world.apps.leg_of(BO_APP)
        anna = rig.world.apps.leg_of(ANNA_APP)
        rig.world.apps.fault_on = {"connect"}
        with capture_logs():
            rig.post(ev.LegAnswered(anna))
            await settled()

        assert rig.world.panels.ended == {LEG: FAULT}
        assert rig.world.apps.ringing == {bo: BO_APP}
        assert rig.switchboard.calls == 1


@pytest.mark.parametrize("step", ["ring", "progress"])
async def test_a_fault_in_the_first_commands_ends_the_call_within_the_press(step):
    async with open_rig() as rig:
        rig.world.apps.fault_on = rig.world.panels.fault_on = {step}
        with capture_logs():
            rig.press()

        assert rig.world.panels.ended == {LEG: FAULT}
        assert rig.is_empty


async def test_a_fault_while_the_call_is_ended_leaves_no_leg_ringing():
    async with open_rig() as rig:
        rig.press()
        rig.switchboard.device_online(replace(ANNA_APP, device_id="anna-2"))
        await settled()
        rig.world.apps.fault_on = {"cancel"}
        with capture_logs():
            rig.post(ev.PanelLeft(LEG))
            await settled()

        assert rig.world.apps.ringing == {}
        assert LEG in rig.world.panels.ended
        assert rig.world.screens.shown[-1][1] is PanelState.ENDED


async def test_a_fault_in_the_middle_of_an_answer_leaves_no_other_leg_ringing():
    async with open_rig() as rig:
        rig.press()
        first = rig.world.apps.leg
        for number in (2, 3):
            rig.switchboard.device_online(replace(ANNA_APP, device_id=f"anna-{number}"))
        await settled()
        rig.world.apps.fault_on = {"cancel"}
        with capture_logs():
            rig.post(ev.LegAnswered(first))
            await settled()

        assert rig.world.apps.ringing == {}
        assert rig.is_empty


async def test_ports_that_always_fail_cannot_take_the_service_down():
    async with open_rig() as rig:
        rig.press()
        rig.world.apps.fault_on = rig.world.panels.fault_on = {"cancel", "end"}
        with capture_logs():
            rig.post(ev.PanelLeft(LEG))
            await settled()
        rig.world.apps.fault_on = rig.world.panels.fault_on = frozenset()
        rig.world.apps.ringing.clear()

        assert rig.is_empty
        assert rig.press(leg_id=LegId("next")) is None
        assert rig.switchboard.calls == 1


async def test_a_flooded_inbox_ends_that_call_alone():
    async with open_rig(make_house(panels=(PANEL, OTHER_PANEL))) as rig:
        rig.press()
        rig.press("bo", LegId("other"), OTHER_PANEL)
        with capture_logs() as logs:
            for _ in range(active_call.INBOX_EVENTS + 1):
                rig.post(ev.PanelLeft(LEG))
            await settled()

        assert rig.world.panels.ended == {LEG: FAULT}
        assert [line["event"] for line in logs] == ["call.flooded"]
        assert rig.switchboard.calls == 1


@pytest.mark.parametrize("kind", PropertyKind)
async def test_only_a_commercial_propertys_fault_says_whose_call_it_was(kind):
    async with open_rig(make_house(kind=kind)) as rig:
        rig.world.apps.fault_on = {"ring"}
        with capture_logs() as logs:
            rig.press()

        (line,) = logs
        assert line["event"] == "call.failed"
        is_named = {"call_id", "panel_id"} <= line.keys()
        assert is_named == (kind is PropertyKind.COMMERCIAL)


# The end of the service


async def test_stopping_ends_every_call_at_once_and_takes_no_more():
    async with open_rig(make_house(panels=(PANEL, OTHER_PANEL))) as rig:
        rig.press()
        rig.press("bo", LegId("other"), OTHER_PANEL)

        rig.switchboard.end_all(SHUTTING_DOWN)

        assert rig.world.panels.ended == {LEG: SHUTTING_DOWN, LegId("other"): SHUTTING_DOWN}
        assert rig.world.apps.ringing == {}
        assert rig.press(leg_id=LegId("late")) is SHUTTING_DOWN


async def test_calls_whose_tasks_are_cancelled_end_their_legs():
    world = World()
    switchboard = Switchboard(
        directory=make_house,
        trace=Trace(lambda: 0.0),
        token=lambda length: "0" * length,
        diaries=World().diaries,
        now=wall_clock.now,
    )

    async def serve() -> None:
        async with asyncio.TaskGroup() as tasks:
            switchboard.start(tasks, world.ports)
            switchboard.press(make_house().panels[PANEL], "anna", LEG, panel_media(LEG, float))
            await asyncio.sleep(0)
            raise LookupError

    with pytest.raises(ExceptionGroup):
        await serve()

    assert world.panels.ended == {LEG: SHUTTING_DOWN}
    assert world.apps.ringing == {}


async def test_a_resident_who_left_the_doorbell_is_not_rung_when_coming_online():
    async with open_rig() as rig:
        rig.press("bo")
        rig.switchboard.device_online(replace(ANNA_APP, resident_id=ANNA))
        await settled()

        assert list(rig.world.apps.ringing.values()) == [BO_APP]
