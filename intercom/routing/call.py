"""One call, from the press to the end: who rings, who wins, who may open. Pure; `now` comes in.

The states; ARCHITECTURE.md has the table of what every event does in each:

    READY ──start──> RINGING ──────app or SIP phone answers─────────> TALKING
                      │   ^ └──phone answers──> UNACCEPTED ──any key────^  ^
                      │   └──no key, hung up, beep──┘  └─app answers────┘  │
                      └──somebody opens──> OPENED ──and answers after all──┘

Any of them leads to CLOSED: visitor left, other button, hung up, time over, nobody there.
"""

from intercom.routing.call_base import CallState
from intercom.routing.call_door import CallDoor
from intercom.routing.commands import (
    AdoptPanelLeg,
    AnswerPanel,
    Command,
    ConnectLeg,
    EndLeg,
    EndReason,
    PanelState,
    PlayPrompt,
    ProgressPanel,
    Prompt,
    RefusePanelLeg,
    ShowPanel,
    StartAnew,
    Tone,
)
from intercom.routing.events import (
    AnswerChosen,
    BeepHeard,
    ButtonPressed,
    DeviceCameOnline,
    DigitPressed,
    DoorFailed,
    DoorOpened,
    DoorSent,
    DoorUnknown,
    Event,
    LegAnswered,
    LegDeclined,
    LegEnded,
    LegFailed,
    LegFailure,
    LegRinging,
    OpenRequested,
    PanelLeft,
    ResidentsChanged,
    TimePassed,
)
from intercom.routing.ids import CommandId, LegId, ResidentId
from intercom.routing.legs import RINGING, Leg, LegState
from intercom.routing.limits import Timer
from intercom.routing.plan import OnlineDevice, PhoneTarget, length_s, with_latecomer, without

LegEvent = LegRinging | LegAnswered | LegDeclined | LegFailed | LegEnded | BeepHeard

NEVER_REACHED = frozenset(
    {LegFailure.UNREACHABLE, LegFailure.NO_ROUTE, LegFailure.REFUSED, LegFailure.LIMITED}
)


class Call(CallDoor):
    """Feed it events; carry out the commands it returns; wake it at its deadline."""

    def start(self, now: float) -> list[Command]:
        """Ring the first stage."""
        if self.state is not CallState.READY:
            return []
        self._enter(CallState.RINGING)
        self.timers.set(Timer.CALL, now + self._limits.call_s)
        self._do(ShowPanel(PanelState.CALLING), ProgressPanel())
        self._go_on(now)
        return self._take_commands()

    def handle(self, event: Event, now: float) -> list[Command]:
        """Take one event in and return what is to be done, in this order."""
        match (self.state, event):
            case (CallState.READY | CallState.CLOSED, _):
                pass  # Not begun, or over: every leg has been ended, whatever still comes in late.
            case (_, ButtonPressed() | PanelLeft() as event):
                self._on_panel(event)
            case (_, TimePassed()):
                self._on_time(now)
            case (_, DigitPressed() | OpenRequested() | AnswerChosen() as event):
                self._on_wish(event, now)
            case (_, DoorOpened() | DoorSent() | DoorUnknown() | DoorFailed() as event):
                self._on_door(event, now)
            case (_, DeviceCameOnline() | ResidentsChanged() as event):
                self._on_people(event, now)
            case (_, event):
                self._on_leg(event, now)
        return self._take_commands()

    # What happens at the panel.

    def _on_panel(self, event: ButtonPressed | PanelLeft) -> None:
        match (self.state, event):
            case (_, PanelLeft(panel_leg=self.panel_leg)):
                self._end(EndReason.VISITOR_LEFT)
            case (_, ButtonPressed(panel_leg=self.panel_leg)):
                pass  # The press that made this call, told twice.
            case (_, ButtonPressed(panel_leg=leg)) if self.connected_leg is not None:
                self._do(RefusePanelLeg(leg, EndReason.IN_USE))
            case (_, ButtonPressed(panel_leg=leg, button=self._button)) if self._can_join():
                self._adopt(leg)
            case (_, ButtonPressed(panel_leg=leg, button=button)):
                is_opened = self.openings.has_pulsed and button == self._button
                reason = EndReason.DOOR_OPENED if is_opened else EndReason.OTHER_BUTTON
                self._end(reason, StartAnew(leg, button))
            case _:
                pass  # A panel leg that was replaced, or never was this call's, has gone.

    def _can_join(self) -> bool:
        """Tell whether the same button joins this call: it rings, or its door is about to open.

        Once that is over nothing rings any more: a visitor who missed the pulse rings anew.
        """
        is_over = self.state is CallState.OPENED and self.openings.outstanding is None
        return bool(self.legs.live()) and not is_over

    def _adopt(self, panel_leg: LegId) -> None:
        """Go on with another leg to the same panel, as far as the old one had come."""
        self._do(AdoptPanelLeg(panel_leg, self.panel_leg))
        self.panel_leg = panel_leg
        self._is_panel_answered |= self.state is CallState.OPENED  # Progress would ring back.
        self._do(AnswerPanel() if self._is_panel_answered else ProgressPanel())

    # What happens to a resident's leg.

    def _on_leg(self, event: LegEvent, now: float) -> None:
        leg = self.legs.get(event.leg_id)
        match (leg, event):
            case (Leg(state=LegState.CANCELLED), _):
                self._on_cancelled_leg(leg, event)
            case (Leg(state=state), LegAnswered()) if state in RINGING:
                self._on_answer(leg, now)
            case (Leg(is_live=True), LegDeclined() | LegFailed(failure=LegFailure.DECLINED)):
                self._on_decline(leg, now)
            case (Leg(is_live=True), LegFailed(failure=failure)):
                self._is_limited |= failure is LegFailure.LIMITED
                self._on_loss(leg, now, is_reached=failure not in NEVER_REACHED)
            case (Leg(is_live=True), LegEnded()):
                self._on_loss(leg, now, is_reached=True)
            case (Leg(state=LegState.UNACCEPTED), BeepHeard()):
                self._drop(leg, EndReason.NOT_ACCEPTED)
                self._settle(now)
            case _:
                pass  # LegRinging, a second answer, a leg that is over, or none of ours: no news.

    def _on_cancelled_leg(self, leg: Leg, event: LegEvent) -> None:
        match event:
            case LegAnswered():
                self._do(EndLeg(leg.leg_id, leg.reason or EndReason.ANSWERED_ELSEWHERE))
                self.legs.move(leg, LegState.ENDED)
            case LegFailed() | LegEnded() | LegDeclined():
                self.legs.move(leg, LegState.ENDED)
            case LegRinging() | BeepHeard():
                pass  # It crossed our cancelling, whose result is still to come.

    def _on_answer(self, leg: Leg, now: float) -> None:
        match self.state:
            case CallState.RINGING if leg.is_trunk_phone:
                self._try_phone(leg, now)
            case _:
                self._accept(leg, now)

    def _try_phone(self, leg: Leg, now: float) -> None:
        """Let an answered phone talk; until it presses a key, it may be a voicemail."""
        self._is_anybody_reached = True
        stage_until = self.timers.due_at(Timer.STAGE)
        self._stage_left_s = 0.0 if stage_until is None else max(stage_until - now, 0.0)
        self.legs.move(leg, LegState.UNACCEPTED)
        self._enter(CallState.UNACCEPTED)
        self.timers.set(Timer.ASK_FOR_KEY, now + self._limits.ask_for_key_s)
        self.timers.set(Timer.ACCEPT, now + self._limits.accept_s)
        for other in self.legs.of_resident(leg.resident_id):
            if other.is_app and other.state is LegState.RINGING:
                self._quiet(other)
        self._answer_panel()
        self._do(PlayPrompt(leg.leg_id, Prompt.WHICH_DOOR))
        if self._limits.is_talk_before_key:
            self._connect(leg, now)

    def _accept(self, leg: Leg, now: float) -> None:
        """Give the call to a leg that has a person at it: all others stop."""
        is_in_talk = self.connected_leg == leg.leg_id
        is_new = leg.state is not LegState.UNACCEPTED
        self._drop_others(leg, EndReason.ANSWERED_ELSEWHERE)
        self.legs.move(leg, LegState.CONNECTED)
        self._enter(CallState.TALKING)
        if not self.openings.has_pulsed:
            self.timers.clear(Timer.CLOSE)
        if is_in_talk:
            return
        self._answer_panel()
        if is_new and not leg.is_app:
            self._do(PlayPrompt(leg.leg_id, Prompt.WHICH_DOOR))
        self._connect(leg, now)

    def _connect(self, leg: Leg, now: float) -> None:
        talk_until = now + self._limits.talk_s
        if (call_until := self.timers.due_at(Timer.CALL)) is not None:
            talk_until = min(talk_until, call_until)
        self.timers.set(Timer.TALK, talk_until)
        self.timers.set(Timer.TALK_WARNING, max(now, talk_until - self._limits.talk_warning_s))
        self._has_talked = True
        self._do(ConnectLeg(leg.leg_id), ShowPanel(PanelState.TALKING))

    def _on_decline(self, leg: Leg, now: float) -> None:
        """Silence the person's devices and phone; a carrier's refusal speaks for one phone only."""
        if not leg.is_trunk_phone:
            self._declined |= {leg.resident_id}
            self._leave_out(leg.resident_id)
            for other in self.legs.of_resident(leg.resident_id):
                if other.leg_id != leg.leg_id:
                    self._drop(other, EndReason.DECLINED)
        self._on_loss(leg, now, is_reached=True)

    def _on_loss(self, leg: Leg, now: float, *, is_reached: bool) -> None:
        self._is_anybody_reached |= is_reached
        self._shut_gate(leg)
        self.legs.move(leg, LegState.ENDED)
        self._settle(now)

    def _leave_out(self, resident_id: ResidentId) -> None:
        planned_s = length_s(self._stages)
        self._stages = without(self._stages, resident_id)
        self._spare_s += planned_s - length_s(self._stages)

    def _on_people(self, event: DeviceCameOnline | ResidentsChanged, now: float) -> None:
        match event:
            case DeviceCameOnline(target=target):
                self._on_device(target)
            case ResidentsChanged(residents=residents):
                self._on_residents(residents, now)

    def _on_residents(self, residents: frozenset[ResidentId], now: float) -> None:
        """Part the call from whoever is no longer rung by this doorbell, talk or not."""
        gone = self._residents - residents
        self._residents -= gone
        for resident_id in sorted(gone):
            self._leave_out(resident_id)
            for leg in self.legs.of_resident(resident_id):
                self._drop(leg, EndReason.LEFT_DOORBELL)
        if gone:
            self._settle(now)

    def _on_device(self, target: OnlineDevice) -> None:
        is_late = self.state not in {CallState.RINGING, CallState.UNACCEPTED}
        is_known = any(leg.target == target for leg in self.legs.live())
        is_person = target.resident_id in self._residents - self._declined
        is_welcome = is_person and self._plan.welcomes(target)
        if is_late or is_known or not is_welcome or len(self.legs) >= self._limits.max_legs:
            return
        held_back = with_latecomer(self._stages, target, self._limits.max_legs)
        if held_back is not None:
            self._stages = held_back
            return
        leg = self._ring(target)
        phone = self.legs.answered()
        is_own = phone is not None and phone.resident_id == target.resident_id
        if is_own and leg.is_app:
            self._quiet(leg)

    # Keys, commands and the door.

    def _on_wish(self, wish: DigitPressed | OpenRequested | AnswerChosen, now: float) -> None:
        leg = self.legs.get(wish.leg_id)
        if isinstance(wish, AnswerChosen):
            self._on_ready_answer(wish)
            return
        is_opening = self._may_open(wish, leg)
        match (leg, wish):
            case (Leg(state=LegState.UNACCEPTED), DigitPressed()):
                self._accept(leg, now)
                if is_opening:
                    self._open(leg, now)
            case (Leg(), _) if is_opening:
                self._open(leg, now)
            case _:
                pass  # No open key, or no right: a press that nobody needs to hear about.

    # Time.

    def _on_time(self, now: float) -> None:
        while (timer := self.timers.take_due(now)) is not None:
            self._ring_out(timer, now)

    def _ring_out(self, timer: Timer, now: float) -> None:
        phone = self.legs.answered()
        match (timer, phone, self.openings.outstanding):
            case (Timer.STAGE, _, _):
                self._on_stage_over(now)
            case (Timer.ASK_FOR_KEY, Leg(leg_id=leg_id), _):
                self._do(PlayPrompt(leg_id, Prompt.PRESS_ANY_KEY))
            case (Timer.ACCEPT, Leg(), _):
                self._drop(phone, EndReason.NOT_ACCEPTED)
                self._settle(now)
            case (Timer.TALK_WARNING, _, _):
                self._play_to_both(Tone.ENDING_SOON)
            case (Timer.DOOR, _, str() as command_id):
                self._on_door(DoorUnknown(CommandId(command_id)), now)
            case _:
                self._end(self._reason_of_end(timer))

    def _on_stage_over(self, now: float) -> None:
        if self._stages:
            self._begin_stage(now)
        elif self._spare_s > 0.0:
            self.timers.set(Timer.STAGE, now + self._spare_s)
            self._spare_s = 0.0
        else:
            self._end(self._reason_of_end(Timer.STAGE))

    def _reason_of_end(self, timer: Timer | None) -> EndReason:
        """Say why nothing more will come: of talk, of the ringing, or after an opening."""
        match (self.state, timer):
            case (CallState.TALKING, Timer.TALK | Timer.CALL):
                return EndReason.TIME_LIMIT
            case (CallState.TALKING, None):
                return EndReason.RESIDENT_HUNG_UP
            case (CallState.TALKING | CallState.OPENED, _) if self.openings.has_pulsed:
                return EndReason.DOOR_OPENED
            case (CallState.OPENED, _) if self._has_talked:
                return EndReason.RESIDENT_HUNG_UP
            case _:
                return self._reason_of_nobody()

    # The plan.

    def _settle(self, now: float) -> None:
        """Go on after legs have gone."""
        match self.state:
            case CallState.RINGING:
                self._go_on(now)
            case CallState.UNACCEPTED if self.legs.answered() is None:
                self._enter(CallState.RINGING)
                self.timers.set(Timer.STAGE, now + self._stage_left_s)
                if self._limits.is_talk_before_key:
                    self._do(ShowPanel(PanelState.CALLING))
                self._go_on(now)
            case CallState.TALKING | CallState.OPENED if not self.legs.live():
                if self.openings.outstanding is None:
                    self._end(self._reason_of_end(None))
                else:  # The visitor is to hear of the door before the end.
                    self._enter(CallState.OPENED)
            case _:
                pass  # Whoever is in the call is still there; the others rang beside it.

    def _go_on(self, now: float) -> None:
        """Begin the next stage unless this one still rings; end when nobody is left to wait for."""
        while not self._is_stage_ringing() and self._stages:
            self._begin_stage(now)
        if not self.legs.live():
            self._end(self._reason_of_end(None))

    def _is_stage_ringing(self) -> bool:
        """Apps that ring beside a phone do not hold up the next phone."""
        return any(leg.is_trunk_phone or not self._is_phone_stage for leg in self.legs.live())

    def _begin_stage(self, now: float) -> None:
        stage, *later = self._stages
        self._stages = tuple(later)
        has_phone = any(isinstance(each, PhoneTarget) for each in stage.targets)
        self._is_phone_stage = has_phone and not stage.is_kept
        for leg in self.legs.live():
            if leg.is_trunk_phone and has_phone:
                self._drop(leg, EndReason.STAGE_OVER)
        for target in stage.targets:
            self._ring(target)
        self.timers.set(Timer.STAGE, now + stage.ring_s)
