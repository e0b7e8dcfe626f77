"""What a call does with its door, and with ready answers: asked, opened, refused, told."""

from intercom.routing.call_base import CallBase, CallState
from intercom.routing.commands import (
    DoorState,
    EndReason,
    OpenDoor,
    PlayTone,
    ShowPanel,
    StopRingback,
    TellDoor,
    TellVisitor,
    Tone,
)
from intercom.routing.door import (
    NO_RIGHT,
    USED_UP,
    DoorResult,
    DoorWords,
    may_open,
    may_tell,
    words_for,
)
from intercom.routing.events import AnswerChosen, DigitPressed, OpenRequested
from intercom.routing.ids import CommandId, LegId
from intercom.routing.legs import Leg, LegState
from intercom.routing.limits import Timer


class CallDoor(CallBase):
    """A call's openings."""

    def _may_open(self, wish: DigitPressed | OpenRequested, leg: Leg | None) -> bool:
        return may_open(wish, leg, open_keys=self._open_keys, residents=self._residents)

    def _on_ready_answer(self, chosen: AnswerChosen) -> None:
        leg = self.legs.get(chosen.leg_id)
        if may_tell(leg):
            self._is_anybody_reached = True
            self._do(TellVisitor(chosen.leg_id, chosen.answer))

    def _open(self, leg: Leg, now: float) -> None:
        if not self._has_right(leg.resident_id):
            self._do(TellDoor(leg.leg_id, DoorState.REFUSED, NO_RIGHT))
            if not leg.is_app:
                self._do(PlayTone(leg.leg_id, Tone.REFUSED))
            return
        if self.openings.outstanding is not None:
            return  # The same opening, asked for again.
        if self.openings.used >= self._limits.max_openings:
            self._tell_door(USED_UP, leg.leg_id)
            if (
                not leg.is_app
            ):  # a phone hears the tone; a commercial property's log has a line of it
                self._do(TellDoor(leg.leg_id, USED_UP.door_state, USED_UP.cause))
            return
        command_id = CommandId(self._new_id("command"))
        self.openings = self.openings.ask(command_id, leg.leg_id)
        self._do(OpenDoor(self._door_id, command_id, leg.leg_id))
        if self.state in {CallState.RINGING, CallState.UNACCEPTED}:
            self._stop_ringing(leg)
        self.timers.clear(Timer.CLOSE)
        self.timers.set(Timer.DOOR, now + self._limits.door_answer_s)
        if leg.is_app:
            self._do(TellDoor(leg.leg_id, DoorState.OPENING))

    def _stop_ringing(self, opener: Leg) -> None:
        """Whoever opened while it rang keeps the picture, microphone shut, and may still answer."""
        self._is_anybody_reached = True
        self._drop_others(opener, EndReason.OPENED_ELSEWHERE)
        if opener.state is LegState.RINGING:
            self._quiet(opener)
        self._enter(CallState.OPENED)
        self._do(StopRingback())

    def _on_door(self, result: DoorResult, now: float) -> None:
        if result.command_id != self.openings.outstanding:
            return  # An earlier opening's result, or one that came after its time.
        self.openings = self.openings.settle(result)
        self.timers.clear(Timer.DOOR)
        self._answer_panel()
        self._tell_door(words_for(result), self.openings.by_leg)
        is_retry = self.state is CallState.OPENED and bool(self.legs.live())
        if self.openings.has_pulsed or self.state is CallState.OPENED:
            is_short = self.openings.has_pulsed or not is_retry
            wait_s = self._limits.close_after_pulse_s if is_short else self._limits.retry_s
            self.timers.set(Timer.CLOSE, now + wait_s)

    def _tell_door(self, words: DoorWords, by_leg: LegId | None) -> None:
        self._play_to_both(words.tone)
        self._do(ShowPanel(words.panel_state))
        asker = None if by_leg is None else self.legs.get(by_leg)
        if asker is not None and asker.is_app and asker.is_live:
            self._do(TellDoor(asker.leg_id, words.door_state, words.cause))
