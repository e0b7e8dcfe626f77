"""A phone that was answered is not yet a person (requirement B4)."""

from intercom.routing.call_base import CallState
from intercom.routing.commands import (
    AnswerPanel,
    CancelLeg,
    CloseCall,
    ConnectLeg,
    DisconnectLeg,
    EndLeg,
    EndReason,
    OpenDoor,
    PanelState,
    PlayPrompt,
    Prompt,
    QuietLeg,
    RefusePanelLeg,
    RingLeg,
    ShowPanel,
)
from intercom.routing.events import (
    BeepHeard,
    ButtonPressed,
    DeviceCameOnline,
    DigitPressed,
    LegAnswered,
    LegDeclined,
    LegEnded,
)
from intercom.routing.ids import LegId
from intercom.routing.limits import Limits
from tests.routing.scenes import (
    ANNA_TABLET,
    BO_PHONE,
    DOOR,
    PHONES_ONLY,
    TWO_APPS_OF_ONE,
    Play,
    command,
    leg,
)

PANEL_LEG_2 = LegId("panel-2")
ANNAS_APP, BOS_APP, ANNAS_PHONE, BOS_PHONE = leg(1), leg(2), leg(3), leg(4)


def answered(limits: Limits | None = None) -> Play:
    """Let Anna's phone ring at 10 s and be answered at 12 s; both apps ring on."""
    play = Play(limits=limits)
    play.at(12.0, LegAnswered(ANNAS_PHONE))
    return play


def test_an_answered_phone_talks_at_once_while_the_others_ring_on():
    play = Play()
    play.wait_until(10.0)

    commands = play.at(12.0, LegAnswered(ANNAS_PHONE))

    assert commands == [
        QuietLeg(ANNAS_APP),
        AnswerPanel(),
        PlayPrompt(ANNAS_PHONE, Prompt.WHICH_DOOR),
        ConnectLeg(ANNAS_PHONE),
        ShowPanel(PanelState.TALKING),
    ]
    assert play.call.state is CallState.UNACCEPTED


def test_any_key_accepts_and_all_others_stop():
    play = answered()

    assert play.at(15.0, DigitPressed(ANNAS_PHONE, "1")) == [
        CancelLeg(ANNAS_APP, EndReason.ANSWERED_ELSEWHERE),
        CancelLeg(BOS_APP, EndReason.ANSWERED_ELSEWHERE),
    ]
    assert play.call.state is CallState.TALKING


def test_an_open_key_both_accepts_and_opens():
    play = answered()

    assert play.at(15.0, DigitPressed(ANNAS_PHONE, "5")) == [
        CancelLeg(ANNAS_APP, EndReason.ANSWERED_ELSEWHERE),
        CancelLeg(BOS_APP, EndReason.ANSWERED_ELSEWHERE),
        OpenDoor(DOOR, command(1), ANNAS_PHONE),
    ]


def test_the_same_persons_quiet_app_takes_the_call_over():
    play = answered()

    assert play.at(15.0, LegAnswered(ANNAS_APP)) == [
        CancelLeg(BOS_APP, EndReason.ANSWERED_ELSEWHERE),
        DisconnectLeg(ANNAS_PHONE),
        EndLeg(ANNAS_PHONE, EndReason.ANSWERED_ELSEWHERE),
        ConnectLeg(ANNAS_APP),
        ShowPanel(PanelState.TALKING),
    ]


def test_another_persons_app_wins_over_a_phone_without_a_key():
    play = answered()

    play.at(15.0, LegAnswered(BOS_APP))

    assert play.call.connected_leg == BOS_APP
    assert EndLeg(ANNAS_PHONE, EndReason.ANSWERED_ELSEWHERE) in play.done


def test_a_phone_is_asked_for_a_key_at_35_s_and_hung_up_45_s_after_its_answer():
    play = answered()

    assert play.wait_until(46.9) == []
    assert play.wait_until(47.0) == [PlayPrompt(ANNAS_PHONE, Prompt.PRESS_ANY_KEY)]
    assert play.wait_until(57.0) == [
        DisconnectLeg(ANNAS_PHONE),
        EndLeg(ANNAS_PHONE, EndReason.NOT_ACCEPTED),
        ShowPanel(PanelState.CALLING),
        RingLeg(BOS_PHONE, BO_PHONE),
    ]


def test_a_voicemails_beep_ends_its_leg_at_once_and_the_plan_goes_on():
    play = answered()

    commands = play.at(20.0, BeepHeard(ANNAS_PHONE))

    assert EndLeg(ANNAS_PHONE, EndReason.NOT_ACCEPTED) in commands
    assert commands[-1] == RingLeg(BOS_PHONE, BO_PHONE)


def test_a_beep_on_an_accepted_phone_is_only_a_sound():
    play = answered()
    play.at(15.0, DigitPressed(ANNAS_PHONE, "1"))

    assert play.at(20.0, BeepHeard(ANNAS_PHONE)) == []


def test_the_plan_goes_on_when_a_phone_without_a_key_hangs_up():
    play = answered()

    assert play.at(20.0, LegEnded(ANNAS_PHONE)) == [
        DisconnectLeg(ANNAS_PHONE),
        ShowPanel(PanelState.CALLING),
        RingLeg(BOS_PHONE, BO_PHONE),
    ]


def test_apps_ring_on_for_what_the_last_phone_left_of_its_time():
    play = Play(TWO_APPS_OF_ONE)
    play.at(15.0, LegAnswered(leg(4)))

    play.at(40.0, LegEnded(leg(4)))

    assert play.call.deadline == 40.0 + 15.0, "the phone had rung for 5 s of its 20 s"
    assert play.wait_until(55.0)[-1] == CloseCall(EndReason.NOBODY_ANSWERED)


def test_nobody_answered_when_the_last_phone_was_not_accepted_and_nothing_rings():
    play = Play(PHONES_ONLY)
    play.wait_until(20.0)
    play.at(25.0, LegAnswered(leg(2)))

    assert play.wait_until(70.0)[-1] == CloseCall(EndReason.NOBODY_ANSWERED)


def test_the_other_phone_does_not_ring_while_one_is_answered():
    play = answered()

    play.wait_until(50.0)

    assert RingLeg(BOS_PHONE, BO_PHONE) not in play.done


def test_a_phone_that_was_accepted_stays():
    play = answered()
    play.at(15.0, DigitPressed(ANNAS_PHONE, "#"))

    assert play.wait_until(100.0) == []
    assert play.call.connected_leg == ANNAS_PHONE


def test_the_persons_decline_ends_their_answered_phone():
    play = answered()

    commands = play.at(15.0, LegDeclined(ANNAS_APP))

    assert EndLeg(ANNAS_PHONE, EndReason.DECLINED) in commands
    assert commands[-1] == RingLeg(BOS_PHONE, BO_PHONE)


def test_another_persons_decline_leaves_the_answered_phone_alone():
    play = answered()

    assert play.at(15.0, LegDeclined(BOS_APP)) == []
    assert play.call.connected_leg == ANNAS_PHONE


def test_a_device_of_the_same_person_that_comes_online_shows_the_call_quietly():
    play = answered()

    commands = play.at(15.0, DeviceCameOnline(ANNA_TABLET))

    assert commands == [RingLeg(leg(4), ANNA_TABLET), QuietLeg(leg(4))]


def test_a_press_is_refused_while_a_phone_talks():
    play = answered()

    assert play.at(15.0, ButtonPressed(PANEL_LEG_2, "flat-2")) == [
        RefusePanelLeg(PANEL_LEG_2, EndReason.IN_USE)
    ]


def test_with_talk_after_a_key_the_phone_is_asked_and_the_visitor_hears_it_ring_on():
    limits = Limits(is_talk_before_key=False)
    play = Play(limits=limits)
    play.wait_until(10.0)

    answer = play.at(12.0, LegAnswered(ANNAS_PHONE))
    key = play.at(14.0, DigitPressed(ANNAS_PHONE, "1"))

    assert answer == [
        QuietLeg(ANNAS_APP),
        AnswerPanel(),
        PlayPrompt(ANNAS_PHONE, Prompt.WHICH_DOOR),
    ]
    assert key[-2:] == [ConnectLeg(ANNAS_PHONE), ShowPanel(PanelState.TALKING)]


def test_with_talk_after_a_key_no_gate_is_shut_that_was_not_open():
    play = answered(Limits(is_talk_before_key=False))

    commands = play.wait_until(57.0)

    assert commands == [
        PlayPrompt(ANNAS_PHONE, Prompt.PRESS_ANY_KEY),
        EndLeg(ANNAS_PHONE, EndReason.NOT_ACCEPTED),
        RingLeg(BOS_PHONE, BO_PHONE),
    ]
