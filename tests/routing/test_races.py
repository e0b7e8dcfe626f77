"""The races that every intercom meets, each by its name."""

from intercom.routing.call_base import CallState
from intercom.routing.commands import (
    AnswerPanel,
    CancelLeg,
    CloseCall,
    EndLeg,
    EndPanel,
    EndReason,
    OpenDoor,
    PanelState,
    PlayTone,
    ShowPanel,
    StartAnew,
    TellDoor,
    Tone,
)
from intercom.routing.events import (
    ButtonPressed,
    DeviceCameOnline,
    DigitPressed,
    DoorOpened,
    LegAnswered,
    LegDeclined,
    LegEnded,
    LegFailed,
    LegFailure,
    OpenRequested,
    PanelLeft,
    TimePassed,
)
from intercom.routing.ids import LegId
from tests.routing.scenes import (
    ANNA_APP,
    DOOR,
    PANEL_LEG,
    PHONES_ONLY,
    SETTING,
    Play,
    command,
    leg,
)

ANNAS_APP, BOS_APP, ANNAS_PHONE, BOS_PHONE = leg(1), leg(2), leg(3), leg(4)


def test_two_answers_in_one_tick():
    play = Play()

    commands = play.at(5.0, LegAnswered(ANNAS_APP), LegAnswered(BOS_APP))

    assert play.call.connected_leg == ANNAS_APP
    assert CancelLeg(BOS_APP, EndReason.ANSWERED_ELSEWHERE) in commands
    assert commands[-1] == EndLeg(BOS_APP, EndReason.ANSWERED_ELSEWHERE)


def test_an_answer_that_crosses_its_cancelling_is_hung_up_once():
    play = Play()
    play.at(12.0, LegAnswered(ANNAS_APP))

    late = play.at(12.1, LegAnswered(ANNAS_PHONE))
    again = play.at(12.2, LegAnswered(ANNAS_PHONE))

    assert late == [EndLeg(ANNAS_PHONE, EndReason.ANSWERED_ELSEWHERE)]
    assert again == []
    assert play.call.connected_leg == ANNAS_APP


def test_the_losers_late_487_is_no_news():
    play = Play()
    play.at(12.0, LegAnswered(ANNAS_APP))

    assert play.at(12.3, LegFailed(ANNAS_PHONE, LegFailure.CANCELLED)) == []
    assert play.call.state is CallState.TALKING


def test_panel_gone_while_ringing():
    play = Play()
    play.wait_until(10.0)

    reason = EndReason.VISITOR_LEFT
    assert play.at(11.0, PanelLeft(PANEL_LEG)) == [
        CancelLeg(ANNAS_APP, reason),
        CancelLeg(BOS_APP, reason),
        CancelLeg(ANNAS_PHONE, reason),
        EndPanel(reason),
        ShowPanel(PanelState.ENDED, reason),
        CloseCall(reason),
    ]


def test_200_of_an_app_after_the_fallback_began():
    play = Play()
    play.wait_until(10.0)

    commands = play.at(10.1, LegAnswered(BOS_APP))

    assert CancelLeg(ANNAS_PHONE, EndReason.ANSWERED_ELSEWHERE) in commands
    assert play.call.connected_leg == BOS_APP


def test_200_of_a_phone_after_the_next_phones_turn_began():
    play = Play()
    play.wait_until(30.0)

    commands = play.at(30.1, LegAnswered(ANNAS_PHONE))

    assert commands == [EndLeg(ANNAS_PHONE, EndReason.STAGE_OVER)]
    assert play.call.state is CallState.RINGING, "Bo's phone rings on"


def test_phone_answered_by_voicemail_while_an_app_answers():
    play = Play()
    play.wait_until(10.0)

    play.at(12.0, LegAnswered(ANNAS_PHONE), LegAnswered(ANNAS_APP))

    assert play.call.connected_leg == ANNAS_APP
    assert EndLeg(ANNAS_PHONE, EndReason.ANSWERED_ELSEWHERE) in play.done


def test_an_app_answers_just_before_the_voicemail_does():
    play = Play()
    play.wait_until(10.0)

    commands = play.at(12.0, LegAnswered(ANNAS_APP), LegAnswered(ANNAS_PHONE))

    assert play.call.connected_leg == ANNAS_APP
    assert commands[-1] == EndLeg(ANNAS_PHONE, EndReason.ANSWERED_ELSEWHERE)


def test_hang_up_before_the_digit_opens_nothing():
    play = Play(PHONES_ONLY)
    play.at(5.0, LegAnswered(leg(1)), DigitPressed(leg(1), "1"))

    commands = play.at(9.0, LegEnded(leg(1)), DigitPressed(leg(1), "5"))

    assert commands[-1] == CloseCall(EndReason.RESIDENT_HUNG_UP)
    assert not [each for each in commands if isinstance(each, OpenDoor)]


def test_hang_up_after_the_digit_leaves_the_visitor_the_doors_answer():
    play = Play(PHONES_ONLY)
    play.at(5.0, LegAnswered(leg(1)))

    crossing = play.at(9.0, DigitPressed(leg(1), "5"), LegEnded(leg(1)))
    result = play.at(9.2, DoorOpened(command(1), 3000))

    assert crossing == [OpenDoor(DOOR, command(1), leg(1))]
    assert result == [PlayTone(None, Tone.OPENED), ShowPanel(PanelState.OPENED)]
    assert play.wait_until(19.2)[-1] == CloseCall(EndReason.DOOR_OPENED)


def test_a_new_press_does_not_wait_for_the_end_of_an_opening_whose_opener_has_gone():
    play = Play(PHONES_ONLY)
    play.at(5.0, LegAnswered(leg(1)))
    play.at(9.0, DigitPressed(leg(1), "5"), LegEnded(leg(1)))

    commands = play.at(9.1, ButtonPressed(LegId("panel-2"), SETTING.button))

    assert commands[-2] == StartAnew(LegId("panel-2"), SETTING.button)


def test_hang_up_without_a_key_and_then_the_key():
    play = Play()
    play.at(12.0, LegAnswered(ANNAS_PHONE))

    commands = play.at(13.0, LegEnded(ANNAS_PHONE), DigitPressed(ANNAS_PHONE, "5"))

    assert not [each for each in commands if isinstance(each, OpenDoor)]


def test_relay_ack_lost():
    play = Play()
    play.at(5.0, LegAnswered(ANNAS_APP))
    play.at(9.0, OpenRequested(ANNAS_APP))

    silence = play.wait_until(19.0)
    late = play.at(19.5, DoorOpened(command(1), 3000))
    again = play.at(21.0, OpenRequested(ANNAS_APP))

    assert silence[:3] == [
        PlayTone(None, Tone.REFUSED),
        PlayTone(ANNAS_APP, Tone.REFUSED),
        ShowPanel(PanelState.NO_ANSWER_FROM_DOOR),
    ]
    assert isinstance(silence[3], TellDoor)
    assert late == [], "it was told as unknown, and stays so"
    assert again[0] == OpenDoor(DOOR, command(2), ANNAS_APP)


def test_one_press_by_two_ways_that_were_not_merged_is_one_opening():
    play = Play(PHONES_ONLY)
    play.at(5.0, LegAnswered(leg(1)))

    commands = play.at(9.0, DigitPressed(leg(1), "5"), DigitPressed(leg(1), "5"))

    assert commands == [OpenDoor(DOOR, command(1), leg(1))]


def test_two_apps_open_in_one_tick():
    play = Play()

    commands = play.at(5.0, OpenRequested(ANNAS_APP), OpenRequested(BOS_APP))

    assert [each for each in commands if isinstance(each, OpenDoor)] == [
        OpenDoor(DOOR, command(1), ANNAS_APP)
    ]


def test_the_door_is_opened_while_another_answers():
    play = Play()

    play.at(5.0, OpenRequested(ANNAS_APP), LegAnswered(BOS_APP))

    assert play.done[-1] == EndLeg(BOS_APP, EndReason.OPENED_ELSEWHERE)
    assert play.call.state is CallState.OPENED


def test_decline_and_answer_of_one_person_in_one_tick():
    play = Play()

    play.at(5.0, LegDeclined(ANNAS_APP), LegAnswered(ANNAS_APP))

    assert play.call.state is CallState.RINGING
    assert AnswerPanel() not in play.done


def test_an_answer_in_the_tick_of_the_last_deadline_wins_if_it_comes_first():
    play = Play(PHONES_ONLY)
    play.wait_until(20.0)

    play.at(39.9)
    commands = play.call.handle(LegAnswered(leg(2)), 40.0)
    commands += play.call.handle(TimePassed(), 40.0)

    assert AnswerPanel() in commands
    assert play.call.state is CallState.UNACCEPTED


def test_the_deadline_told_too_early_does_nothing():
    play = Play()

    assert play.call.handle(TimePassed(), 9.999) == []


def test_nothing_happens_after_the_end():
    play = Play()
    play.at(5.0, PanelLeft(PANEL_LEG))

    late = play.at(
        5.1,
        LegAnswered(ANNAS_APP),
        OpenRequested(BOS_APP),
        DeviceCameOnline(ANNA_APP),
        ButtonPressed(LegId("panel-2"), "flat-2"),
        PanelLeft(PANEL_LEG),
        TimePassed(),
    )

    assert late == []
    assert play.call.deadline is None


def test_the_press_that_made_the_call_told_twice_is_one_press():
    play = Play()
    play.at(5.0, LegAnswered(ANNAS_APP))

    assert play.at(5.1, ButtonPressed(PANEL_LEG, SETTING.button)) == []
