"""Ready answers reach the visitor from live apps of the call alone, and never answer or open."""

import pytest

from intercom.routing.call_base import CallState
from intercom.routing.commands import (
    DoorState,
    EndReason,
    OpenDoor,
    PlayTone,
    ReadyAnswer,
    TellDoor,
    TellVisitor,
    Tone,
)
from intercom.routing.door import NO_RIGHT
from intercom.routing.events import (
    AnswerChosen,
    DigitPressed,
    DoorOpened,
    LegAnswered,
    LegDeclined,
    OpenRequested,
    PanelLeft,
    ResidentsChanged,
)
from intercom.routing.legs import LegState
from intercom.routing.plan import Plan
from tests.routing.scenes import (
    ANNA,
    BO,
    PANEL_LEG,
    TWO_APPS_OF_ONE,
    WITH_DESK_PHONE,
    Play,
    command,
    leg,
)

ANNAS_APP, BOS_APP, ANNAS_PHONE, STRANGER = leg(1), leg(2), leg(3), leg(99)


def chosen(leg_id, answer=ReadyAnswer.LEAVE_IT):
    return AnswerChosen(leg_id, answer)


# -- what is refused -------------------------------------------------------------------------


def test_a_ready_answer_of_a_cancelled_leg_is_not_told():
    play = Play()
    play.at(1.0, LegAnswered(ANNAS_APP))

    assert play.call.legs.get(BOS_APP).state is LegState.CANCELLED
    assert play.at(2.0, chosen(BOS_APP)) == []


def test_a_ready_answer_of_somebody_who_declined_is_not_told():
    play = Play()
    play.at(1.0, LegDeclined(BOS_APP))

    assert play.at(2.0, chosen(BOS_APP)) == []


@pytest.mark.parametrize("leg_id", [STRANGER, PANEL_LEG])
def test_a_ready_answer_of_no_leg_of_the_call_is_not_told(leg_id):
    assert Play().at(1.0, chosen(leg_id)) == []


def test_a_phone_gives_no_ready_answers():
    play = Play()
    play.at(11.0, LegAnswered(ANNAS_PHONE))

    assert play.at(12.0, chosen(ANNAS_PHONE)) == []


def test_nothing_is_told_after_the_end():
    play = Play()
    play.at(1.0, PanelLeft(PANEL_LEG))

    assert play.at(2.0, chosen(ANNAS_APP)) == []


def test_who_has_no_right_is_told_so_and_the_door_stays_shut_while_the_call_rings_on():
    play = Play(without_right=frozenset({ANNA}))

    assert play.at(1.0, OpenRequested(ANNAS_APP)) == [
        TellDoor(ANNAS_APP, DoorState.REFUSED, NO_RIGHT)
    ]
    assert play.call.state is CallState.RINGING
    assert play.at(2.0, OpenRequested(BOS_APP))[0] == OpenDoor("main", command(1), BOS_APP)


def test_the_key_of_who_has_no_right_accepts_the_call_and_sounds_refused():
    play = Play(without_right=frozenset({ANNA}))
    play.at(11.0, LegAnswered(ANNAS_PHONE))

    commands = play.at(12.0, DigitPressed(ANNAS_PHONE, "5"))

    assert not any(isinstance(each, OpenDoor) for each in commands)
    assert play.call.state is CallState.TALKING
    assert commands[-1] == PlayTone(ANNAS_PHONE, Tone.REFUSED)


def test_who_has_left_the_doorbell_is_out_of_the_call_and_opens_nothing():
    play = Play()
    play.at(1.0, LegAnswered(ANNAS_APP))

    play.at(2.0, ResidentsChanged(frozenset({BO})))

    assert play.call.state is CallState.CLOSED
    assert play.call.legs.get(ANNAS_APP).state is LegState.ENDED


def test_when_somebody_leaves_while_it_rings_the_others_ring_on_and_their_phones_do_not():
    play = Play()

    commands = play.at(1.0, ResidentsChanged(frozenset({BO})))
    later = play.wait_until(30.0)

    assert [type(each).__name__ for each in commands] == ["CancelLeg"]
    assert commands[0].leg_id == ANNAS_APP
    assert commands[0].reason is EndReason.LEFT_DOORBELL
    assert {each.target.resident_id for each in later if hasattr(each, "target")} == {BO}


def test_new_persons_of_the_doorbell_change_nothing_in_a_call():
    assert Play().at(1.0, ResidentsChanged(frozenset({ANNA, BO, "cay"}))) == []


# -- what is told ----------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ReadyAnswer)
def test_a_ringing_app_tells_the_visitor_and_rings_on(answer):
    play = Play()

    assert play.at(1.0, chosen(ANNAS_APP, answer)) == [TellVisitor(ANNAS_APP, answer)]
    assert play.call.state is CallState.RINGING
    assert play.call.legs.get(ANNAS_APP).state is LegState.RINGING


def test_an_app_that_was_quieted_by_its_own_phone_tells_the_visitor():
    play = Play()
    play.at(11.0, LegAnswered(ANNAS_PHONE))

    assert play.call.legs.get(ANNAS_APP).state is LegState.QUIET
    assert play.at(12.0, chosen(ANNAS_APP)) == [TellVisitor(ANNAS_APP, ReadyAnswer.LEAVE_IT)]


@pytest.mark.parametrize("plan", [TWO_APPS_OF_ONE, WITH_DESK_PHONE])
def test_a_connected_app_tells_the_visitor_in_the_talk_and_after_an_opening(plan: Plan):
    play, bos_app = Play(plan), leg(3 if plan is TWO_APPS_OF_ONE else 2)
    play.at(1.0, LegAnswered(bos_app))

    assert play.at(2.0, chosen(bos_app)) == [TellVisitor(bos_app, ReadyAnswer.LEAVE_IT)]
    play.at(3.0, OpenRequested(bos_app), DoorOpened(command(1), 3000))
    assert play.at(4.0, chosen(bos_app)) == [TellVisitor(bos_app, ReadyAnswer.LEAVE_IT)]


def test_a_visitor_who_was_told_something_was_not_out_of_reach():
    play = Play()
    play.at(1.0, chosen(ANNAS_APP))

    commands = play.wait_until(100.0)

    assert commands[-1].reason is EndReason.NOBODY_ANSWERED
