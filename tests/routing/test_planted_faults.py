"""The exploration finds each of these faults, so it would find them if they came by accident."""

from dataclasses import replace

import pytest

from intercom.routing.call import Call
from intercom.routing.call_base import CallState
from intercom.routing.commands import ConnectLeg, EndReason, TellVisitor
from intercom.routing.events import DeviceCameOnline, LegAnswered, PanelLeft
from intercom.routing.legs import LegState
from intercom.routing.limits import Timer
from intercom.routing.plan import Plan, Stage
from tests.routing import scenes
from tests.routing.explorer import explore
from tests.routing.oracle import Objectionable
from tests.routing.scenes import PHONES_ONLY, SETTING, TWO_APPS_OF_ONE

ONE_APP = Plan((Stage((scenes.ANNA_APP,), 10.0),))
EVERYTHING = Plan(
    (
        Stage((scenes.ANNA_APP, scenes.ANNA_DESK, scenes.BO_APP), 10.0),
        Stage((scenes.ANNA_PHONE,), 20.0),
        Stage((scenes.BO_PHONE,), 20.0),
    )
)


class AnybodyMayOpen(Call):
    def _may_open(self, wish, leg):
        return leg is not None


class EveryKeyOpens(Call):
    def _may_open(self, wish, leg):
        return super()._may_open(replace(wish, digit="5") if hasattr(wish, "digit") else wish, leg)


class KeyBeforeTheAnswerCounts(Call):
    def _may_open(self, wish, leg):
        if leg is not None and not leg.is_app and leg.state is LegState.RINGING:
            leg = replace(leg, state=LegState.CONNECTED)
        return super()._may_open(wish, leg)


class CancelledAppMayOpen(Call):
    def _may_open(self, wish, leg):
        if leg is not None and leg.is_app and leg.state is LegState.CANCELLED:
            leg = replace(leg, state=LegState.RINGING)
        return super()._may_open(wish, leg)


class ALoserRingsOn(Call):
    def _drop_others(self, winner, reason):
        losers = [leg for leg in self.legs.live() if leg.leg_id != winner.leg_id]
        for leg in losers[1:]:
            self._drop(leg, reason)


class LateAnswerIsIgnored(Call):
    def _on_cancelled_leg(self, leg, event):
        if not isinstance(event, LegAnswered):
            super()._on_cancelled_leg(leg, event)


class RepeatedKeyOpensAgain(Call):
    def _open(self, leg, now):
        self.openings = replace(self.openings, outstanding=None)
        super()._open(leg, now)


class StaleResultIsBelieved(Call):
    def _on_door(self, result, now):
        if self.openings.outstanding is not None:
            result = replace(result, command_id=self.openings.outstanding)
        super()._on_door(result, now)


class OpeningsAreNotCounted(Call):
    def _on_door(self, result, now):
        super()._on_door(result, now)
        self.openings = replace(self.openings, used=0)


class DeclinedPersonsPhoneIsCalled(Call):
    def _on_decline(self, leg, now):
        stages = self._stages
        super()._on_decline(leg, now)
        if self.state is CallState.RINGING and not self._is_phone_stage:
            self._stages = stages


class AnswerOfAPhoneIsAcceptance(Call):
    def _try_phone(self, leg, now):
        self._accept(leg, now)


class PhoneStaysForEver(Call):
    def _try_phone(self, leg, now):
        super()._try_phone(leg, now)
        self.timers.clear(Timer.ACCEPT)


class NextPhoneRingsBesideTheFirst(Call):
    def _drop(self, leg, reason):
        if reason is not EndReason.STAGE_OVER:
            super()._drop(leg, reason)


class PanelsLeavingForgetsALeg(Call):
    def _on_panel(self, event):
        legs = self.legs.live()
        if isinstance(event, PanelLeft) and legs:
            self.legs.move(legs[-1], LegState.ENDED)
        super()._on_panel(event)


class ReplacedPanelLegEndsTheCall(Call):
    def _on_panel(self, event):
        if isinstance(event, PanelLeft):
            event = PanelLeft(self.panel_leg)
        super()._on_panel(event)


class QuietAppCannotTakeOver(Call):
    def _on_answer(self, leg, now):
        if leg.state is not LegState.QUIET:
            super()._on_answer(leg, now)


class VoicemailKeepsItsGate(Call):
    def _drop_others(self, winner, reason):
        phone = self.legs.answered()
        if phone is not None and phone.leg_id != winner.leg_id:
            self._do(ConnectLeg(winner.leg_id))
        super()._drop_others(winner, reason)


class TalkWithoutALimit(Call):
    def _connect(self, leg, now):
        super()._connect(leg, now)
        self.timers.clear(Timer.TALK)


class DoorsAnswerIsAwaitedForEver(Call):
    def _open(self, leg, now):
        super()._open(leg, now)
        self.timers.clear(Timer.DOOR)


class RightIsNotAskedFor(Call):
    def _open(self, leg, now):
        self._has_right = lambda _: True
        super()._open(leg, now)


class WhoLeftOpensOn(Call):
    def _on_residents(self, residents, now):
        pass


class WhoLeftIsRung(Call):
    def _on_residents(self, residents, now):
        stages = self._stages
        super()._on_residents(residents, now)
        self._stages = stages


class ReadyAnswerAnswersTheCall(Call):
    def _on_ready_answer(self, chosen):
        super()._on_ready_answer(chosen)
        leg = self.legs.get(chosen.leg_id)
        if leg is not None and leg.state is LegState.RINGING:
            self._accept(leg, 0.0)


class ReadyAnswerOfACancelledLegIsTold(Call):
    def _on_ready_answer(self, chosen):
        leg = self.legs.get(chosen.leg_id)
        if leg is not None and leg.is_app:
            self._do(TellVisitor(chosen.leg_id, chosen.answer))


class ClosedCallRingsALatecomer(Call):
    def handle(self, event, now):
        commands = super().handle(event, now)
        if self.state is CallState.CLOSED and isinstance(event, DeviceCameOnline):
            self._ring(event.target)
            commands += self._take_commands()
        return commands


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("kind", "plan", "words"),
    [
        (AnybodyMayOpen, TWO_APPS_OF_ONE, "the door opens though nobody may"),
        (EveryKeyOpens, EVERYTHING, "the door opens though nobody may"),
        (KeyBeforeTheAnswerCounts, EVERYTHING, "the door opens though nobody may"),
        (CancelledAppMayOpen, TWO_APPS_OF_ONE, "the door opens though nobody may"),
        (ALoserRingsOn, TWO_APPS_OF_ONE, "others ring on"),
        (LateAnswerIsIgnored, TWO_APPS_OF_ONE, "a late answer is not hung up"),
        (RepeatedKeyOpensAgain, EVERYTHING, "two openings at once"),
        (StaleResultIsBelieved, EVERYTHING, "a stale result"),
        (OpeningsAreNotCounted, ONE_APP, "too many openings"),
        (DeclinedPersonsPhoneIsCalled, TWO_APPS_OF_ONE, "a person who declined is rung"),
        (AnswerOfAPhoneIsAcceptance, EVERYTHING, "answered elsewhere, but nobody did"),
        (PhoneStaysForEver, EVERYTHING, "a phone without a key stays too long"),
        (NextPhoneRingsBesideTheFirst, PHONES_ONLY, "two phones ring"),
        (PanelsLeavingForgetsALeg, EVERYTHING, "a leg rings or talks after the end"),
        (ReplacedPanelLegEndsTheCall, EVERYTHING, "a panel leg that was replaced"),
        (QuietAppCannotTakeOver, TWO_APPS_OF_ONE, "whoever answered first is not connected"),
        (VoicemailKeepsItsGate, EVERYTHING, "two legs are connected"),
        (TalkWithoutALimit, EVERYTHING, "too long a talk"),
        (DoorsAnswerIsAwaitedForEver, EVERYTHING, "the visitor does not hear of the door"),
        (ClosedCallRingsALatecomer, EVERYTHING, "a closed call does something"),
        (RightIsNotAskedFor, EVERYTHING, "the door opens though nobody may"),
        (WhoLeftOpensOn, EVERYTHING, "a person who has left lives on"),
        (WhoLeftIsRung, EVERYTHING, "a person who has left is rung"),
        (ReadyAnswerAnswersTheCall, ONE_APP, "before the answer"),
        (ReadyAnswerOfACancelledLegIsTold, TWO_APPS_OF_ONE, "a ready answer"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_the_exploration_finds_a_planted_fault(kind: type[Call], plan: Plan, words: str):
    stayers = (frozenset({scenes.BO}), frozenset({scenes.ANNA}))
    setting = replace(SETTING, latecomers=(scenes.ANNA_TABLET,), stayers=stayers)
    without_right = frozenset({scenes.ANNA} if kind is RightIsNotAskedFor else ())

    with pytest.raises(Objectionable, match=words):
        explore(plan, 8, setting=setting, kind=kind, without_right=without_right)
