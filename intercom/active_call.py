"""One call that lives: its inbox and task, and its commands carried out one after another."""

import asyncio
from collections.abc import Callable
from typing import Protocol, assert_never

import structlog

from intercom.call_sounds import sound_of
from intercom.diary import Diary
from intercom.errors import MediaError
from intercom.media.leg import Media
from intercom.media.silence import SILENCE_LIMIT_S
from intercom.ports import CallFacts, PanelMedia, Ports, RelayOutcome, RelayResult, ResidentLegs
from intercom.pulse import event_of, pulse, words_for
from intercom.routing import commands as do
from intercom.routing import events as ev
from intercom.routing.call import Call
from intercom.routing.commands import EndReason, PanelState
from intercom.routing.ids import CommandId, LegId
from intercom.routing.plan import AppTarget, PhoneTarget
from intercom.trace import Fact, Hop, Trace

log = structlog.get_logger()

INBOX_EVENTS = 256
"""More events than that waiting in one call is a flood; the call is ended as a fault."""


class Owner(Protocol):
    """Whoever brings a call its events."""

    def claim(self, leg_id: LegId, call: "ActiveCall") -> None:
        """Bring this leg's events to the call from now on."""

    def release(self, leg_id: LegId) -> None:
        """Bring them no more."""

    def closed(self, call: "ActiveCall") -> None:
        """Forget the call; `call.anew` may hold a press to begin with."""


class ActiveCall:
    """One call; `begin` it, then let a task `run` it."""

    def __init__(
        self,
        call: Call,
        facts: CallFacts,
        *,
        ports: Ports,
        trace: Trace,
        diary: Diary,
        tasks: asyncio.TaskGroup,
        owner: Owner,
    ) -> None:
        self.facts = facts
        self.panel_leg = call.panel_leg
        self.anew: tuple[do.StartAnew, PanelMedia] | None = None
        """A press of another button, which the owner makes the next call of."""
        self.is_closed = False
        self._call = call
        self._ports = ports
        self._trace = trace
        self._diary = diary
        self._tasks = tasks
        self._owner = owner
        self._inbox: asyncio.Queue[ev.Event] = asyncio.Queue(INBOX_EVENTS)
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0
        """The call's deadline, or an earlier one that has moved since."""
        self._legs: dict[LegId, ResidentLegs] = {}
        self._offered: dict[LegId, PanelMedia] = {}
        """Media of further presses, until the call has decided about them."""
        self._is_screen_on = False
        watch = facts.bridge.supervision
        watch.on_silence = self._fell_silent
        watch.on_path, watch.on_path_words = self._path_changed, self._path_explained

    def begin(self, media: PanelMedia, button: str) -> None:
        """Carry out the first commands, before any task switch: the visitor waits for them.

        The residents are rung first of all: a carrier takes its time, the ringing tone has some.
        """
        self._step(Hop.PRESS, "the button was pressed", button=button)
        try:
            commands = self._call.start(asyncio.get_running_loop().time())
            self._carry_out([each for each in commands if isinstance(each, do.RingLeg)])
            self._attach_panel(media)
            self._carry_out([each for each in commands if not isinstance(each, do.RingLeg)])
        except MediaError:  # whoever opens ports has logged it
            self.abort(EndReason.FAULT)
        except Exception:
            log.exception("call.failed", **self._loggable())
            self.abort(EndReason.FAULT)

    async def run(self) -> None:
        """Feed the call until it closes; whatever goes wrong in it, other calls live on."""
        loop = asyncio.get_running_loop()
        try:
            while not self.is_closed:
                self._set_alarm()
                event = await self._inbox.get()
                self._note(event)
                self._diary.heard(event)
                self._carry_out(self._call.handle(event, loop.time()))
        except Exception:
            log.exception("call.failed", **self._loggable())
            self.abort(EndReason.FAULT)
        finally:
            self.abort(EndReason.SHUTTING_DOWN)  # cancelled from outside: the service stops
            if self._alarm is not None:
                self._alarm.cancel()

    def put(self, event: ev.Event) -> None:
        """Queue an event."""
        try:
            self._inbox.put_nowait(event)
        except asyncio.QueueFull:
            log.error("call.flooded", **self._loggable())  # noqa: TRY400 - no exception to show
            self.abort(EndReason.FAULT)

    def press_again(self, leg_id: LegId, button: str, media: PanelMedia) -> None:
        """Take a further press on the call's own panel."""
        self._offered[leg_id] = media
        self.put(ev.ButtonPressed(leg_id, button))

    def digit(self, leg_id: LegId, digit: str, way: str) -> None:
        """Take one press of a phone's key."""
        self._step(Hop.KEY, f"{digit} by {way}", leg=leg_id)
        self.put(ev.DigitPressed(leg_id, digit))

    def abort(self, reason: EndReason) -> None:
        """End the call from outside; what its machine cannot carry out any more is done by hand."""
        if self.is_closed:
            return
        try:
            self._carry_out(self._call.end(reason))
        except Exception:
            log.exception("call.not_ended", **self._loggable())
        if not self.is_closed:
            self._close(reason)

    def _fell_silent(self, leg_id: LegId) -> None:
        whom = "the panel" if leg_id == self.panel_leg else "the resident"
        self._step(Hop.FAILED, f"nothing came from {whom} for {SILENCE_LIMIT_S:.0f} s", leg=leg_id)
        self.abort(EndReason.MEDIA_LOST)

    def _path_changed(self, leg_id: LegId, media: Media, is_lost: bool) -> None:
        """Tell every app what does not come from the panel, and each what does not come from itself."""
        is_own = leg_id != self.panel_leg
        for each in [leg_id] if is_own else list(self._legs):
            self._legs[each].tell_path(each, media, is_lost=is_lost, is_own=is_own)

    def _path_explained(self, leg_id: LegId, words: str) -> None:
        whom = "the panel" if leg_id == self.panel_leg else "the resident"
        self._step(Hop.PATH, f"{whom}: {words}", leg=leg_id)

    def unheard(self) -> list[ev.Event]:
        """Take the events that came too late for this call."""
        events = []
        while not self._inbox.empty():
            events.append(self._inbox.get_nowait())
        return events

    def _set_alarm(self) -> None:
        """See to it that the deadline wakes the call; most move later, and need no new timer."""
        due_at = self._call.deadline
        if due_at is None or (self._alarm is not None and self._alarm_at <= due_at):
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = due_at
        self._alarm = asyncio.get_running_loop().call_at(due_at, self._time_passed)

    def _time_passed(self) -> None:
        self._alarm = None
        self.put(ev.TimePassed())

    def _close(self, reason: EndReason) -> None:
        self.is_closed = True
        self._step(Hop.HANG_UP, reason.value)
        self._sweep(reason)
        self.facts.bridge.close()
        self._owner.closed(self)
        if not self._inbox.full():
            self._inbox.put_nowait(ev.TimePassed())  # so that `run` returns now

    def _sweep(self, reason: EndReason) -> None:
        """End what is left: presses that were not decided about, and all that a fault spared.

        The machine takes a leg for ended that a fault in between kept from being told.
        """
        for leg_id, port in self._legs.items():
            self._surely(port.end, leg_id, reason)
        for leg_id in (self.panel_leg, *self._offered):
            self._surely(self._ports.panels.end, leg_id, reason)
        if self._is_screen_on:
            show = self._ports.screens.show
            panel_id = self.facts.panel.panel_id
            self._surely(show, panel_id, self.facts.call_id, PanelState.ENDED, reason)

    def _surely(self, act: Callable[..., None], *facts: object) -> None:
        """Do one thing of the clean-up; whatever goes wrong, the next one follows."""
        try:
            act(*facts)
        except Exception:
            log.exception("call.not_ended", **self._loggable())

    # -- commands ----------------------------------------------------------------------------

    def _carry_out(self, commands: list[do.Command]) -> None:
        for command in commands:
            if self.is_closed:
                return
            self._diary.did(command)
            self._do(command)

    def _do(self, command: do.Command) -> None:
        if isinstance(command, do.PanelCommand):
            self._do_panel(command)
        elif isinstance(command, do.LegCommand):
            self._do_leg(command)
        elif isinstance(command, do.SoundCommand):
            self._do_sound(command)
        elif isinstance(command, do.DoorCommand):
            self._do_door(command)
        elif isinstance(command, do.StartAnew):
            self.anew = (command, self._offered.pop(command.panel_leg))
        elif isinstance(command, do.CloseCall):
            self._close(command.reason)
        else:
            assert_never(command)

    def _do_panel(self, command: do.PanelCommand) -> None:
        ports = self._ports
        match command:
            case do.ProgressPanel():
                ports.panels.progress(self.panel_leg)
                self.facts.bridge.start_ringback()
                self._step(Hop.PROGRESS, "the panel was told that it rings")
            case do.AnswerPanel():
                ports.panels.answer(self.panel_leg)
            case do.EndPanel(reason):
                ports.panels.end(self.panel_leg, reason)
            case do.AdoptPanelLeg(panel_leg, replaced_leg):
                ports.panels.end(replaced_leg, EndReason.ANSWERED_ELSEWHERE)
                self.panel_leg = panel_leg
                self._attach_panel(self._offered.pop(panel_leg))
                self._step(Hop.PRESS, "the same button again: joined the call that rings")
            case do.RefusePanelLeg(panel_leg, reason):
                ports.panels.end(panel_leg, reason)
                self._owner.release(panel_leg)
                self._offered.pop(panel_leg, None)
                self._step(Hop.REFUSED, f"another press: {reason.value}")
            case do.ShowPanel(state, end_reason):
                panel_id = self.facts.panel.panel_id
                self._is_screen_on = state is not PanelState.ENDED
                ports.screens.show(panel_id, self.facts.call_id, state, end_reason)
                if state is PanelState.TALKING:
                    self._step(Hop.CONNECTED, "sound both ways")

    def _do_leg(self, command: do.LegCommand) -> None:
        match command:
            case do.RingLeg(leg_id, target):
                is_app = isinstance(target, AppTarget)
                port = self._ports.apps if is_app else self._ports.phones
                self._legs[leg_id] = port
                self._owner.claim(leg_id, self)
                hop = Hop.PHONE_RING if isinstance(target, PhoneTarget) else Hop.APP_RING
                kind = "app" if is_app else "phone"
                port.ring(self.facts, leg_id, target)
                self._step(hop, f"ringing the {kind}", leg=leg_id)
            case do.QuietLeg(leg_id):
                self._legs[leg_id].quiet(leg_id)
            case do.CancelLeg(leg_id, reason):
                self._step(Hop.CANCELLED, reason.value, leg=leg_id)
                self._legs[leg_id].cancel(leg_id, reason)
                self.facts.bridge.detach(leg_id)
            case do.EndLeg(leg_id, reason):
                self._step(Hop.HANG_UP, reason.value, leg=leg_id)
                self._legs[leg_id].end(leg_id, reason)
                self.facts.bridge.detach(leg_id)

    def _do_sound(self, command: do.SoundCommand) -> None:
        bridge = self.facts.bridge
        match command:
            case do.ConnectLeg(leg_id):
                bridge.connect(leg_id)
                self._legs[leg_id].connect(leg_id)
            case do.DisconnectLeg(leg_id):
                bridge.disconnect(leg_id)
                bridge.start_ringback()
            case do.StopRingback():
                bridge.stop_ringback()
            case do.PlayPrompt(leg_id, prompt):
                length_s = bridge.play(leg_id, sound_of(command, self.facts))
                self._step(Hop.PROMPT, f"{prompt.value}, {length_s:.1f} s", leg=leg_id)
            case do.PlayTone(tone_leg, tone):
                bridge.play(tone_leg, sound_of(command, self.facts))
                whom = "the panel" if tone_leg is None else "the resident"
                self._step(Hop.TONE, f"{tone.value} to {whom}")

            case do.TellVisitor(by_leg, answer):
                facts, ports = self.facts, self._ports
                ports.screens.show_message(facts.panel.panel_id, facts.call_id, answer)
                bridge.play(None, sound_of(command, facts))
                ports.apps.tell_ready(by_leg, answer)
                self._step(Hop.PROMPT, f"{answer.value} to the visitor", leg=by_leg)

    def _do_door(self, command: do.DoorCommand) -> None:
        match command:
            case do.OpenDoor(_, command_id, by_leg):
                self._step(Hop.OPEN_COMMAND, "to the door", leg=by_leg)
                name = f"door of call {self.facts.call_id}"
                self._tasks.create_task(self._open(command_id), name=name)
            case do.TellDoor(leg_id, state, cause):
                pulse_ms = self.facts.door.pulse_ms
                self._legs[leg_id].tell_door(leg_id, state, cause, pulse_ms)

    async def _open(self, command_id: CommandId) -> None:
        result = RelayResult(RelayOutcome.UNKNOWN, "a fault of the service")
        try:
            result = await pulse(self._ports, self.facts.door, command_id, self.facts.call_id)
        except Exception:
            log.exception("relay.driver_failed", **self._loggable())
        finally:  # also when the service stops, and the call is over
            self._diary.heard(event_of(command_id, result))
        measured = {"coil_ma": result.coil_ma, "on_ms": result.on_ms}
        self._step(Hop.RELAY, words_for(result), **measured)
        if not self.is_closed:
            self.put(event_of(command_id, result))

    def _note(self, event: ev.Event) -> None:
        """Trace what the legs did by themselves."""
        match event:
            case ev.LegRinging(leg_id):
                self._step(Hop.PHONE_PROGRESS, "the far end says that it rings", leg=leg_id)
            case ev.LegAnswered(leg_id):
                is_app = self._legs.get(leg_id) is self._ports.apps
                hop = Hop.ANSWER if is_app else Hop.PHONE_ANSWER
                self._step(hop, "answered", leg=leg_id)
            case ev.LegDeclined(leg_id):
                self._step(Hop.DECLINED, "by a person", leg=leg_id)
            case ev.BeepHeard(leg_id):
                self._step(Hop.TONE, "a beep from the resident's phone", leg=leg_id)
            case ev.LegFailed(leg_id, failure) if failure is not ev.LegFailure.CANCELLED:
                self._step(Hop.FAILED, failure.value, leg=leg_id)
            case _:  # traced where it is made, or by what comes of it
                pass

    # -- small things ------------------------------------------------------------------------

    def _attach_panel(self, media: PanelMedia) -> None:
        sprop = media.picture.sprop if media.picture else None
        self.facts.bridge.attach_panel(media.open(), sprop=sprop)

    def _step(self, hop: Hop, text: str, **facts: Fact) -> None:
        self._trace.step(self.facts.call_id, hop, text, **facts)

    def _loggable(self) -> dict[str, str]:
        """Say which call it is only where the property's type allows that to be written."""
        facts = self.facts
        return facts.property.loggable(call_id=facts.call_id, panel_id=facts.panel.panel_id)
