"""The one place where a Call meets I/O: presses and legs' events find their call here.

Every call has one task and one bounded inbox (`active_call`), so its events are handled one after
another and no lock is needed. Ports return at once; what becomes of their work comes back by `post`.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from intercom.active_call import ActiveCall
from intercom.diary import Diaries
from intercom.keys import Keys
from intercom.local_time import local_time
from intercom.media.bridge import Bridge
from intercom.media.conversion import Transcodings
from intercom.media.sequencer import Sequencer
from intercom.ports import CallFacts, PanelMedia, Ports, RelayResult
from intercom.pulse import pulse
from intercom.routing import events as ev
from intercom.routing.call import Call
from intercom.routing.commands import EndReason
from intercom.routing.directory import Directory, Doorbell, Panel, Property
from intercom.routing.hours import QuietMode, quiet_mode
from intercom.routing.ids import CallId, CommandId, DoorId, LegId, PanelId, ResidentId
from intercom.routing.limits import Limits
from intercom.routing.log_line import Means
from intercom.routing.plan import OnlineDevice, build_plan
from intercom.routing.rights import is_still_rung, may_open_in_call
from intercom.trace import Trace

log = structlog.get_logger()


class Switchboard:
    """All calls that live now; `start` it before the first press."""

    def __init__(
        self,
        *,
        directory: Callable[[], Directory],
        trace: Trace,
        token: Callable[[int], str],
        diaries: Diaries,
        limits: Limits | None = None,
        transcodings: Transcodings | None = None,
        now: Callable[[], datetime],
    ) -> None:
        """`now` gives the wall clock's time, for quiet hours and the hours of rights."""
        self.keys = Keys(directory=directory, diaries=diaries, now=now)
        self._now = now
        self._directory = directory
        self._trace = trace
        self._token = token
        self._diaries = diaries
        self._limits = limits or Limits()
        self._transcodings = transcodings or Transcodings()
        self._ports: Ports
        self._tasks: asyncio.TaskGroup
        self._by_panel: dict[PanelId, ActiveCall] = {}
        self._by_leg: dict[LegId, ActiveCall] = {}
        self._legs_of: dict[ActiveCall, list[LegId]] = {}
        """All that a call ever claimed."""
        self._is_stopping = False
        self._sequencer: Sequencer | None = None

    def start(self, tasks: asyncio.TaskGroup, ports: Ports) -> None:
        """Begin to take presses; `tasks` owns every call's task from now on."""
        self._tasks = tasks
        self._ports = ports
        self.keys.start(tasks, ports)

    @property
    def calls(self) -> int:
        """How many calls live now."""
        return len(self._by_panel)

    # -- what adapters call ------------------------------------------------------------------

    def press(
        self,
        panel: Panel,
        button: str,
        leg_id: LegId,
        media: PanelMedia,
    ) -> EndReason | None:
        """Take a press, with the panel's leg and its media; a reason back means: refused."""
        if self._is_stopping:
            return EndReason.SHUTTING_DOWN
        if panel.doorbell_of(button) is None:
            return EndReason.NO_SUCH_BUTTON
        active = self._by_panel.get(panel.panel_id)
        if active is None:
            self._start_call(panel.panel_id, button, leg_id, media)
        else:
            self.claim(leg_id, active)
            active.press_again(leg_id, button, media)
        return None

    def post(self, leg_id: LegId, event: ev.Event) -> None:
        """Bring an event of a leg to its call; a leg that is gone by now is silently passed over."""
        active = self._by_leg.get(leg_id)
        if active is not None:
            active.put(event)

    def device_online(self, target: OnlineDevice) -> None:
        """Ring a device that came online just now, in every call that rings its resident."""
        for active in list(self._by_panel.values()):
            if target.resident_id in active.facts.doorbell.residents:
                active.put(ev.DeviceCameOnline(target))

    def directory_changed(self) -> None:
        """Part the calls from whoever their doorbells ring no more."""
        directory = self._directory()
        self.keys.directory_changed()
        for active in list(self._by_panel.values()):
            facts = active.facts
            doorbell_id, door_id = facts.doorbell.doorbell_id, facts.door.door_id
            stayers = frozenset(
                each
                for each in facts.doorbell.residents
                if is_still_rung(directory, each, doorbell_id, door_id)
            )
            if len(stayers) < len(facts.doorbell.residents):
                active.put(ev.ResidentsChanged(stayers))

    async def relay_test(self, door_id: DoorId, by: ResidentId | None = None) -> RelayResult:
        """Pulse a door's relay through its whole path, outside any call.

        `by` is the username of whoever asked in Webadmin; None: the machine's operator.
        """
        directory = self._directory()
        door = directory.doors[door_id]
        result = await pulse(self._ports, door, CommandId(f"test-{self._token(16)}"), None)
        openings = self._diaries.of_openings(directory.properties[door.property_id])
        openings.opened(door, result.outcome, by, Means.TEST)
        return result

    def end_all(self, reason: EndReason) -> None:
        """End every call at once and take no more: the service stops."""
        self._is_stopping = True
        self.keys.stop()
        for active in list(self._by_panel.values()):
            active.abort(reason)

    # -- what calls call (active_call.Owner) ---------------------------------------------------

    def claim(self, leg_id: LegId, call: ActiveCall) -> None:
        """Bring this leg's events to the call from now on."""
        self._by_leg[leg_id] = call
        self._legs_of.setdefault(call, []).append(leg_id)
        self._trace.claim(leg_id, call.facts.call_id)

    def release(self, leg_id: LegId) -> None:
        """Bring them no more."""
        self._by_leg.pop(leg_id, None)

    def closed(self, call: ActiveCall) -> None:
        """Forget a call, and begin the next one if a press of another button ended it."""
        for leg_id in self._legs_of.pop(call, ()):
            if self._by_leg.get(leg_id) is call:
                del self._by_leg[leg_id]
        panel_id = call.facts.panel.panel_id
        del self._by_panel[panel_id]
        if call.anew is not None:
            press, media = call.anew
            self._start_call(panel_id, press.button, press.panel_leg, media)
            for event in call.unheard():
                if isinstance(event, ev.PanelLeft):  # the visitor went away at once
                    self.post(event.panel_leg, event)

    # -- one call's beginning ------------------------------------------------------------------

    def _start_call(self, panel_id: PanelId, button: str, leg_id: LegId, media: PanelMedia) -> None:
        try:
            active = self._make_call(panel_id, button, leg_id, media)
        except KeyError:  # the building was loaded again and lacks what this press leads to
            log.warning("call.without_directory", remedy="press again")
            self._ports.panels.end(leg_id, EndReason.NO_SUCH_BUTTON)
            return
        self._by_panel[panel_id] = active
        self.claim(leg_id, active)
        active.begin(media, button)
        if not active.is_closed:
            self._tasks.create_task(active.run(), name=f"call {active.facts.call_id}")

    def _make_call(
        self, panel_id: PanelId, button: str, leg_id: LegId, media: PanelMedia
    ) -> ActiveCall:
        directory = self._directory()
        panel = directory.panels[panel_id]
        doorbell_id = panel.doorbell_of(button)
        if doorbell_id is None:
            raise KeyError(button)
        doorbell = directory.doorbells[doorbell_id]
        facts = CallFacts(
            call_id=CallId(self._token(12)),
            property=directory.properties[panel.property_id],
            panel=panel,
            door=directory.doors[panel.door_id],
            doorbell=doorbell,
            bridge=Bridge(
                on_digit=lambda leg, digit, way: active.digit(leg, digit, way.value),
                on_beep=lambda leg: active.put(ev.BeepHeard(leg)),
                sequencer=self._shared_sequencer(),
                transcodings=self._transcodings,
            ),
            codec=media.codec,
            picture=media.picture,
        )
        plan = build_plan(
            doorbell,
            directory.residents,
            self._ports.presence.online,
            panel.profile.ring_limit_s,
            self._quiet_mode(facts.property, doorbell),
        )
        call = Call(
            call_id=facts.call_id,
            panel_leg=leg_id,
            button=button,
            doorbell=doorbell,
            door_id=panel.door_id,
            open_keys=facts.property.open_keys,
            plan=plan,
            limits=self._limits,
            new_id=lambda kind: f"{kind}-{self._token(12)}",
            has_right=lambda resident_id: self._has_right(facts, resident_id),
        )
        active = ActiveCall(
            call,
            facts,
            ports=self._ports,
            trace=self._trace,
            diary=self._diaries.of_call(facts.property, facts.call_id, doorbell, facts.door),
            tasks=self._tasks,
            owner=self,
        )
        return active

    def _quiet_mode(self, prop: Property, doorbell: Doorbell) -> QuietMode | None:
        quiet = (*prop.quiet, *doorbell.quiet)
        return quiet_mode(quiet, local_time(self._now(), prop.time_zone)) if quiet else None

    def _has_right(self, facts: CallFacts, resident_id: ResidentId) -> bool:
        """Tell whether a person may open a call's door now, by what is in force now."""
        directory, door_id = self._directory(), facts.door.door_id
        if not is_still_rung(directory, resident_id, facts.doorbell.doorbell_id, door_id):
            return False
        zone = directory.properties.get(facts.property.property_id, facts.property).time_zone
        now = local_time(self._now(), zone)
        return may_open_in_call(directory.residents[resident_id], door_id, now)

    def _shared_sequencer(self) -> Sequencer:
        """Give the one by which all calls play sounds."""
        if self._sequencer is None:
            loop = asyncio.get_running_loop()
            self._sequencer = Sequencer(loop.time, loop.call_at)
        return self._sequencer
