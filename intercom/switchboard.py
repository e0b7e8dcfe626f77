"""The one place where a Call meets I/O: inbox → `Call.handle` → commands → ports.

Every call has one task and one bounded inbox, so its events are handled one after another and
no lock is needed. Ports return at once; what becomes of their work comes back through `post`.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

import structlog

from intercom.media import prompts, tones
from intercom.media.bridge import Bridge
from intercom.media.dtmf import DigitWay
from intercom.media.leg import MediaLeg
from intercom.ports import (
    CallFacts,
    PanelLegs,
    PanelScreens,
    Presence,
    RelayDriver,
    RelayOutcome,
    RelayResult,
    ResidentLegs,
)
from intercom.routing import commands as do
from intercom.routing import events as ev
from intercom.routing.call import Call
from intercom.routing.commands import EndReason, PanelState
from intercom.routing.directory import Directory, Door, Panel, PropertyKind, Relay
from intercom.routing.ids import CallId, CommandId, DoorId, LegId, PanelId, ResidentId
from intercom.routing.limits import Limits
from intercom.routing.plan import AppTarget, PhoneTarget, build_plan
from intercom.sip.offer_answer import NegotiatedVideo
from intercom.trace import Fact, Hop, Trace

log = structlog.get_logger()

INBOX_EVENTS = 256
"""More events than that waiting in one call is a flood; the call is ended as a fault."""

_TONES = {
    do.Tone.OPENED: tones.opened,
    do.Tone.REFUSED: tones.refused,
    do.Tone.ENDING_SOON: tones.ending_soon,
}
_RESULT_WORDS = {
    RelayOutcome.OPENED: "measured open",
    RelayOutcome.SENT: "sent; this door gives no feedback",
    RelayOutcome.UNKNOWN: "no answer",
    RelayOutcome.FAILED: "failed",
}


@dataclass(slots=True)
class Ports:
    """The outside world of the switchboard; filled in by the composition root."""

    panels: PanelLegs
    apps: ResidentLegs
    phones: ResidentLegs
    presence: Presence
    screens: PanelScreens
    relays: Mapping[type[Relay], RelayDriver]


@dataclass(slots=True)
class _ActiveCall:
    call: Call
    facts: CallFacts
    panel_leg: LegId
    inbox: "asyncio.Queue[ev.Event]" = field(default_factory=lambda: asyncio.Queue(INBOX_EVENTS))
    legs: dict[LegId, ResidentLegs] = field(default_factory=dict)
    anew: do.StartAnew | None = None
    is_closed: bool = False


@dataclass(frozen=True, slots=True)
class _PanelMedia:
    leg: MediaLeg
    picture: NegotiatedVideo | None


class Switchboard:
    """All calls that live now. Enter it as a context manager to give its tasks an owner."""

    def __init__(
        self,
        *,
        directory: Callable[[], Directory],
        trace: Trace,
        token: Callable[[int], str],
        limits: Limits | None = None,
    ) -> None:
        self._directory = directory
        self._trace = trace
        self._token = token
        self._limits = limits or Limits()
        self._ports: Ports | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._by_panel: dict[PanelId, _ActiveCall] = {}
        self._by_leg: dict[LegId, _ActiveCall] = {}
        self._panel_media: dict[LegId, _PanelMedia] = {}

    def start(self, tasks: asyncio.TaskGroup, ports: Ports) -> None:
        """Begin to take presses; `tasks` owns every call's task from now on."""
        self._tasks = tasks
        self._ports = ports

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
        media: MediaLeg,
        picture: NegotiatedVideo | None,
    ) -> EndReason | None:
        """Take a press, with the panel's leg and its media; a reason back means: refused."""
        if panel.doorbell_of(button) is None:
            return EndReason.NO_SUCH_BUTTON
        self._panel_media[leg_id] = _PanelMedia(media, picture)
        active = self._by_panel.get(panel.panel_id)
        if active is not None:
            self._by_leg[leg_id] = active
            self._put(active, ev.ButtonPressed(leg_id, button))
        else:
            self._start_call(panel, button, leg_id)
        return None

    def post(self, leg_id: LegId, event: ev.Event) -> None:
        """Bring an event of a leg to its call; a leg that is gone by now is silently passed over."""
        active = self._by_leg.get(leg_id)
        if active is not None:
            self._put(active, event)

    def device_online(self, target: AppTarget) -> None:
        """Ring an app that connected just now, in every call that rings its resident."""
        for active in self._by_panel.values():
            if target.resident_id in active.facts.doorbell.residents:
                self._put(active, ev.DeviceCameOnline(target))

    async def relay_test(self, door_id: DoorId) -> RelayResult:
        """Pulse a door's relay through its whole path, outside any call (an operator's command)."""
        door = self._directory().doors[door_id]
        return await self._pulse(door, CommandId(f"test-{self._token(16)}"), None)

    def end_all(self, reason: EndReason) -> None:
        """End every call at once, such as when the service stops."""
        for active in list(self._by_panel.values()):
            self._abort(active, reason)

    # -- one call's life ---------------------------------------------------------------------

    def _start_call(self, panel: Panel, button: str, leg_id: LegId) -> None:
        directory = self._directory()
        doorbell_id = panel.doorbell_of(button)
        assert doorbell_id is not None
        doorbell = directory.doorbells[doorbell_id]
        call_id = CallId(self._token(12))
        media = self._panel_media.pop(leg_id)
        bridge = Bridge(
            on_digit=lambda leg, digit, way: self._digit(active, leg, digit, way),
        )
        facts = CallFacts(
            call_id=call_id,
            property=directory.properties[panel.property_id],
            panel=panel,
            door=directory.doors[panel.door_id],
            doorbell=doorbell,
            bridge=bridge,
            law=media.leg.law,
            picture=media.picture,
        )
        plan = build_plan(
            doorbell,
            directory.residents,
            self._outside.presence.online,
            panel.profile.ring_limit_s,
        )
        call = Call(
            call_id=call_id,
            panel_leg=leg_id,
            button=button,
            doorbell=doorbell,
            door_id=panel.door_id,
            open_keys=facts.property.open_keys,
            plan=plan,
            limits=self._limits,
            new_id=lambda kind: f"{kind}-{self._token(12)}",
        )
        active = _ActiveCall(call, facts, leg_id)
        self._by_panel[panel.panel_id] = active
        self._by_leg[leg_id] = active
        self._attach_panel(active, media)
        self._step(active, Hop.PRESS, "the button was pressed", button=button)
        # The first commands go out before any task switch: they are what the visitor waits for.
        try:
            self._carry_out(active, call.start(asyncio.get_running_loop().time()))
        except Exception:
            log.exception("call.failed", **self._loggable(active))
            self._abort(active, EndReason.FAULT)
            return
        assert self._tasks is not None
        self._tasks.create_task(self._run(active), name=f"call {call_id}")

    async def _run(self, active: _ActiveCall) -> None:
        """Feed one call until it closes; whatever goes wrong in it, other calls live on."""
        loop = asyncio.get_running_loop()
        try:
            while not active.is_closed:
                event = await self._next_event(active)
                self._carry_out(active, active.call.handle(event, loop.time()))
        except Exception:
            log.exception("call.failed", **self._loggable(active))
            self._abort(active, EndReason.FAULT)
        finally:
            if not active.is_closed:  # cancelled from outside: the service stops
                self._abort(active, EndReason.SHUTTING_DOWN)
        if active.anew is not None:
            self._start_call(active.facts.panel, active.anew.button, active.anew.panel_leg)

    async def _next_event(self, active: _ActiveCall) -> ev.Event:
        try:
            return active.inbox.get_nowait()
        except asyncio.QueueEmpty:
            pass
        try:
            async with asyncio.timeout_at(active.call.deadline):
                return await active.inbox.get()
        except TimeoutError:
            return ev.TimePassed()

    def _put(self, active: _ActiveCall, event: ev.Event) -> None:
        try:
            active.inbox.put_nowait(event)
        except asyncio.QueueFull:
            log.exception("call.flooded", **self._loggable(active))
            self._abort(active, EndReason.FAULT)

    def _abort(self, active: _ActiveCall, reason: EndReason) -> None:
        """End a call from outside; what its machine cannot carry out any more is done by hand."""
        try:
            self._carry_out(active, active.call.end(reason))
        except Exception:
            log.exception("call.not_ended", **self._loggable(active))
            for leg_id, port in active.legs.items():
                port.end(leg_id, reason)
            self._outside.panels.end(active.panel_leg, reason)
        if not active.is_closed:
            self._close(active, reason)

    def _close(self, active: _ActiveCall, reason: EndReason) -> None:
        active.is_closed = True
        self._step(active, Hop.HANG_UP, reason.value)
        kept = active.anew.panel_leg if active.anew else None
        for leg_id in [leg for leg, owner in self._by_leg.items() if owner is active]:
            del self._by_leg[leg_id]
            if leg_id != kept:
                self._panel_media.pop(leg_id, None)
        del self._by_panel[active.facts.panel.panel_id]
        active.facts.bridge.close()

    # -- commands ----------------------------------------------------------------------------

    def _carry_out(self, active: _ActiveCall, commands: list[do.Command]) -> None:
        for command in commands:
            if active.is_closed:
                return
            self._do(active, command)

    def _do(self, active: _ActiveCall, command: do.Command) -> None:
        match command:
            case (
                do.ProgressPanel()
                | do.AnswerPanel()
                | do.EndPanel()
                | do.AdoptPanelLeg()
                | do.RefusePanelLeg()
                | do.ShowPanel()
            ):
                self._do_panel(active, command)
            case do.RingLeg() | do.QuietLeg() | do.CancelLeg() | do.EndLeg():
                self._do_leg(active, command)
            case (
                do.ConnectLeg()
                | do.DisconnectLeg()
                | do.StopRingback()
                | do.PlayPrompt()
                | do.PlayTone()
            ):
                self._do_sound(active, command)
            case do.OpenDoor() | do.TellDoor():
                self._do_door(active, command)
            case do.StartAnew():
                active.anew = command
            case do.CloseCall(reason):
                self._close(active, reason)
            case _:
                assert_never(command)

    def _do_panel(
        self,
        active: _ActiveCall,
        command: do.ProgressPanel
        | do.AnswerPanel
        | do.EndPanel
        | do.AdoptPanelLeg
        | do.RefusePanelLeg
        | do.ShowPanel,
    ) -> None:
        ports = self._outside
        match command:
            case do.ProgressPanel():
                ports.panels.progress(active.panel_leg)
                active.facts.bridge.start_ringback()
                self._step(active, Hop.PROGRESS, "the panel was told that it rings")
            case do.AnswerPanel():
                ports.panels.answer(active.panel_leg)
            case do.EndPanel(reason):
                ports.panels.end(active.panel_leg, reason)
            case do.AdoptPanelLeg(panel_leg, replaced_leg):
                ports.panels.end(replaced_leg, EndReason.ANSWERED_ELSEWHERE)
                active.panel_leg = panel_leg
                self._attach_panel(active, self._panel_media.pop(panel_leg))
                self._step(active, Hop.PRESS, "the same button again: joined the call that rings")
            case do.RefusePanelLeg(panel_leg, reason):
                ports.panels.end(panel_leg, reason)
                self._by_leg.pop(panel_leg, None)
                self._panel_media.pop(panel_leg, None)
                self._step(active, Hop.REFUSED, f"another press: {reason.value}")
            case do.ShowPanel(state, end_reason):
                panel_id = active.facts.panel.panel_id
                ports.screens.show(panel_id, active.facts.call_id, state, end_reason)
                if state is PanelState.TALKING:
                    self._step(active, Hop.CONNECTED, "sound both ways")

    def _do_leg(
        self,
        active: _ActiveCall,
        command: do.RingLeg | do.QuietLeg | do.CancelLeg | do.EndLeg,
    ) -> None:
        match command:
            case do.RingLeg(leg_id, target):
                is_app = isinstance(target, AppTarget)
                port = self._outside.apps if is_app else self._outside.phones
                active.legs[leg_id] = port
                self._by_leg[leg_id] = active
                hop = Hop.PHONE_RING if isinstance(target, PhoneTarget) else Hop.APP_RING
                kind = "app" if is_app else "phone"
                port.ring(active.facts, leg_id, target)
                self._step(active, hop, f"ringing the {kind}", leg=leg_id)
            case do.QuietLeg(leg_id):
                active.legs[leg_id].quiet(leg_id)
            case do.CancelLeg(leg_id, reason):
                active.legs[leg_id].cancel(leg_id, reason)
                active.facts.bridge.detach(leg_id)
            case do.EndLeg(leg_id, reason):
                active.legs[leg_id].end(leg_id, reason)
                active.facts.bridge.detach(leg_id)

    def _do_sound(
        self,
        active: _ActiveCall,
        command: do.ConnectLeg | do.DisconnectLeg | do.StopRingback | do.PlayPrompt | do.PlayTone,
    ) -> None:
        bridge = active.facts.bridge
        match command:
            case do.ConnectLeg(leg_id):
                bridge.connect(leg_id)
                bridge.stop_ringback()
                active.legs[leg_id].connect(leg_id)
            case do.DisconnectLeg(leg_id):
                bridge.disconnect(leg_id)
                bridge.start_ringback()
            case do.StopRingback():
                bridge.stop_ringback()
            case do.PlayPrompt(leg_id, prompt):
                language = active.facts.property.language
                if prompt is do.Prompt.WHICH_DOOR:
                    pcm = prompts.which_door(active.facts.door.name, language)
                else:
                    pcm = prompts.load(prompts.Words.PRESS_ANY_KEY, language)
                length_s = bridge.play(leg_id, pcm)
                self._step(active, Hop.PROMPT, f"{prompt.value}, {length_s:.1f} s", leg=leg_id)
            case do.PlayTone(tone_leg, tone):
                bridge.play(tone_leg, _TONES[tone]())
                whom = "the panel" if tone_leg is None else "the resident"
                self._step(active, Hop.TONE, f"{tone.value} to {whom}")

    def _do_door(self, active: _ActiveCall, command: do.OpenDoor | do.TellDoor) -> None:
        match command:
            case do.OpenDoor(_, command_id, by_leg):
                assert self._tasks is not None
                self._step(active, Hop.OPEN_COMMAND, "to the door", leg=by_leg)
                self._tasks.create_task(
                    self._open(active, command_id), name=f"door of call {active.facts.call_id}"
                )
            case do.TellDoor(leg_id, state, cause):
                pulse_ms = active.facts.door.pulse_ms
                active.legs[leg_id].tell_door(leg_id, state, cause, pulse_ms)

    async def _open(self, active: _ActiveCall, command_id: CommandId) -> None:
        result = await self._pulse(active.facts.door, command_id, active.facts.call_id)
        words = _RESULT_WORDS[result.outcome]
        self._step(
            active,
            Hop.RELAY,
            f"{words}{': ' if result.cause else ''}{result.cause}",
            coil_ma=result.coil_ma,
            on_ms=result.on_ms,
        )
        if not active.is_closed:
            self._put(active, _door_event(command_id, result))

    async def _pulse(
        self, door: Door, command_id: CommandId, call_id: CallId | None
    ) -> RelayResult:
        driver = self._outside.relays.get(type(door.relay))
        if driver is None:
            return RelayResult(RelayOutcome.FAILED, "this door's kind of relay is not set up")
        return await driver.pulse(door.relay, door.pulse_ms, command_id, call_id)

    # -- small things ------------------------------------------------------------------------

    @property
    def _outside(self) -> Ports:
        assert self._ports is not None, "start() comes first"
        return self._ports

    def _attach_panel(self, active: _ActiveCall, media: _PanelMedia) -> None:
        sprop = media.picture.sprop if media.picture else None
        active.facts.bridge.attach_panel(media.leg, sprop=sprop)

    def _digit(self, active: _ActiveCall, leg_id: LegId, digit: str, way: DigitWay) -> None:
        self._step(active, Hop.KEY, f"{digit} by {way.value}", leg=leg_id)
        self._put(active, ev.DigitPressed(leg_id, digit))

    def _step(self, active: _ActiveCall, hop: Hop, text: str, **facts: Fact) -> None:
        self._trace.step(active.facts.call_id, hop, text, **facts)

    def _loggable(self, active: _ActiveCall) -> dict[str, str]:
        """Say which call it is only where the property's kind allows that to be written."""
        if active.facts.property.kind is PropertyKind.COMMERCIAL:
            return {"call_id": active.facts.call_id, "panel_id": active.facts.panel.panel_id}
        return {}


def _door_event(command_id: CommandId, result: RelayResult) -> ev.Event:
    match result.outcome:
        case RelayOutcome.OPENED:
            return ev.DoorOpened(command_id, result.on_ms)
        case RelayOutcome.SENT:
            return ev.DoorSent(command_id)
        case RelayOutcome.UNKNOWN:
            return ev.DoorUnknown(command_id)
        case RelayOutcome.FAILED:
            return ev.DoorFailed(command_id, result.cause)
    assert_never(result.outcome)


def residents_of(directory: Directory, panel: Panel) -> frozenset[ResidentId]:
    """List everybody whom a panel's buttons can ring."""
    bells = (directory.doorbells[b.doorbell_id] for b in panel.buttons)
    return frozenset(resident for bell in bells for resident in bell.residents)
