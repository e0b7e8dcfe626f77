"""One call's shell: the order of its first commands, its deadline, its sounds and its end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from intercom.active_call import ActiveCall
from intercom.diary import Diary
from intercom.media.bridge import Bridge
from intercom.ports import CallFacts
from intercom.routing import events as ev
from intercom.routing.call import Call
from intercom.routing.commands import EndReason, PanelState
from intercom.routing.ids import CallId, LegId
from intercom.routing.limits import Limits
from intercom.routing.plan import build_plan
from intercom.trace import Hop, Trace
from tests.fakes import FAULT, HOUSE, MAIN, PANEL, World, make_house, panel_media

LEG = LegId("panel-leg")


class Owner:
    """Stands for the switchboard."""

    def __init__(self):
        self.claimed = {}
        self.closed_calls = []

    def claim(self, leg_id, call):
        self.claimed[leg_id] = call

    def release(self, leg_id):
        self.claimed.pop(leg_id, None)

    def closed(self, call):
        self.closed_calls.append(call)


class Rig:
    def __init__(self, tasks, **limits):
        house, self.world, self.owner = make_house(), World(), Owner()
        loop = asyncio.get_running_loop()
        self.trace = Trace(loop.time)
        doorbell = house.doorbells["anna"]
        self.bridge = Bridge(on_digit=lambda *_: None)
        self.panel = panel_media(LEG, loop.time)
        facts = CallFacts(
            call_id=CallId("call-1"),
            property=house.properties[HOUSE],
            panel=house.panels[PANEL],
            door=house.doors[MAIN],
            doorbell=doorbell,
            bridge=self.bridge,
            codec=self.panel.codec,
            picture=None,
        )
        numbers = iter(range(100))
        call = Call(
            facts.call_id,
            panel_leg=LEG,
            button="anna",
            doorbell=doorbell,
            door_id=MAIN,
            open_keys=frozenset("5"),
            plan=build_plan(doorbell, house.residents, self.world.presence.online, 60.0),
            limits=Limits(**limits),
            has_right=lambda _: True,
            new_id=lambda kind: f"{kind}-{next(numbers)}",
        )
        self.active = ActiveCall(
            call,
            facts,
            ports=self.world.ports,
            trace=self.trace,
            diary=Diary(),
            tasks=tasks,
            owner=self.owner,
        )

    @property
    def hops(self):
        return [step.hop for step in self.trace.calls()[0].steps]

    def begin(self):
        self.active.begin(self.panel, "anna")


@contextlib.asynccontextmanager
async def open_call(**limits: float) -> AsyncIterator[Rig]:
    """Make a call; its tasks must be over soon after it is aborted."""
    async with asyncio.timeout(3), asyncio.TaskGroup() as tasks:
        rig = Rig(tasks, **limits)
        yield rig
        rig.active.abort(EndReason.SHUTTING_DOWN)
    assert rig.owner.closed_calls == [rig.active]
    assert rig.bridge._is_closed


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_the_residents_are_rung_before_the_panel_is_attached():
    async with open_call() as rig:
        attached = []
        rig.world.apps.on_ring = lambda _: attached.append(rig.bridge._panel)
        rig.begin()

        assert attached == [None]
        assert rig.bridge._panel.leg.leg_id == LEG
        assert rig.hops[0] is Hop.PRESS


async def test_the_running_task_returns_at_once_when_the_call_is_ended_from_outside():
    async with open_call() as rig:
        rig.begin()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(rig.active.run())
            await settled()
            rig.active.abort(FAULT)
            async with asyncio.timeout(0.2):
                await asyncio.wait([running])

        assert rig.world.panels.ended == {LEG: FAULT}


async def test_an_event_wakes_the_call_and_its_deadline_ends_it():
    async with open_call(call_s=0.05) as rig:
        rig.begin()
        await rig.active.run()

        assert rig.active.is_closed
        assert rig.world.panels.ended == {LEG: EndReason.NOBODY_ANSWERED}


async def test_a_wake_up_that_comes_for_nothing_leaves_the_deadline_standing():
    async with open_call(call_s=0.1) as rig:
        rig.begin()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(rig.active.run())
            await settled()
            rig.active.put(ev.TimePassed())  # one that comes for nothing
            await settled()
            assert not rig.active.is_closed
            async with asyncio.timeout(1.0):
                await asyncio.wait([running])

        assert rig.active.is_closed
        assert rig.active._alarm is None


async def test_the_screen_is_told_of_the_end_once():
    async with open_call() as rig:
        rig.begin()
        rig.active.abort(FAULT)
        rig.active.abort(EndReason.TIME_LIMIT)

        assert [state for _, state, _ in rig.world.screens.shown] == [
            PanelState.CALLING,
            PanelState.ENDED,
        ]


@pytest.mark.parametrize("port", ["panels", "apps", "screens"])
async def test_a_port_that_fails_at_the_end_leaves_nothing_else_undone(port):
    async with open_call() as rig:
        rig.begin()
        broken = getattr(rig.world, port)

        def fail(*_: object) -> None:
            raise LookupError

        broken.end = broken.cancel = broken.show = fail
        with capture_logs() as logs:
            rig.active.abort(FAULT)

        assert {line["event"] for line in logs} == {"call.not_ended"}
        assert port == "panels" or rig.world.panels.ended == {LEG: FAULT}
        assert port == "apps" or not rig.world.apps.ringing
        assert port == "screens" or rig.world.screens.shown[-1][1] is PanelState.ENDED
        assert rig.active.is_closed


async def test_a_key_of_a_phone_is_noted_and_brought_to_the_call():
    async with open_call() as rig:
        rig.begin()
        rig.active.digit(LegId("leg-0"), "5", "event")

        assert rig.hops[-1] is Hop.KEY
        assert rig.active.unheard() == [ev.DigitPressed(LegId("leg-0"), "5")]


async def test_events_that_came_too_late_are_given_back():
    async with open_call() as rig:
        rig.begin()
        late = ev.PanelLeft(LegId("second"))
        rig.active.put(late)

        assert rig.active.unheard() == [late]
        assert rig.active.unheard() == []


async def test_an_ended_calls_presses_that_were_not_decided_about_are_ended():
    async with open_call() as rig:
        rig.begin()
        second = LegId("second")
        rig.active.press_again(second, "bo", panel_media(second, float))
        rig.active.abort(FAULT)

        assert rig.world.panels.ended == {LEG: FAULT, second: FAULT}
