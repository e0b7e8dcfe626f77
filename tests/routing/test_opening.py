"""The door: one press is one opening, told to everybody, at most three times (requirement B6)."""

import pytest

from intercom.routing.call_base import CallState
from intercom.routing.commands import (
    AdoptPanelLeg,
    AnswerPanel,
    CancelLeg,
    CloseCall,
    ConnectLeg,
    DisconnectLeg,
    DoorState,
    EndLeg,
    EndReason,
    OpenDoor,
    PanelState,
    PlayTone,
    QuietLeg,
    ShowPanel,
    StartAnew,
    StopRingback,
    TellDoor,
    Tone,
)
from intercom.routing.events import (
    ButtonPressed,
    DigitPressed,
    DoorFailed,
    DoorOpened,
    DoorSent,
    DoorUnknown,
    LegAnswered,
    LegDeclined,
    LegEnded,
    OpenRequested,
)
from intercom.routing.ids import CommandId, LegId
from tests.routing.scenes import DOOR, PANEL_LEG, PHONES_ONLY, SETTING, Play, command, leg

ANNAS_APP, BOS_APP, ANNAS_PHONE = leg(1), leg(2), leg(3)
NEW_PANEL_LEG = LegId("panel-2")
OFFLINE = "the panel is offline"


def app_talks() -> Play:
    play = Play()
    play.at(5.0, LegAnswered(ANNAS_APP))
    return play


def phone_talks() -> Play:
    """Let the phone be leg 1, answered and accepted."""
    play = Play(PHONES_ONLY)
    play.at(5.0, LegAnswered(leg(1)), DigitPressed(leg(1), "1"))
    return play


def opened_while_ringing() -> Play:
    play = Play()
    play.at(5.0, OpenRequested(ANNAS_APP))
    return play


def test_a_key_on_the_phone_in_the_call_opens():
    play = phone_talks()

    assert play.at(9.0, DigitPressed(leg(1), "5")) == [OpenDoor(DOOR, command(1), leg(1))]


def test_an_app_in_the_call_opens_and_is_told_so():
    play = app_talks()

    assert play.at(9.0, OpenRequested(ANNAS_APP)) == [
        OpenDoor(DOOR, command(1), ANNAS_APP),
        TellDoor(ANNAS_APP, DoorState.OPENING),
    ]


def test_both_hear_and_see_that_the_door_opened():
    play = app_talks()
    play.at(9.0, OpenRequested(ANNAS_APP))

    assert play.at(9.2, DoorOpened(command(1), 3000)) == [
        PlayTone(None, Tone.OPENED),
        PlayTone(ANNAS_APP, Tone.OPENED),
        ShowPanel(PanelState.OPENED),
        TellDoor(ANNAS_APP, DoorState.OPENED),
    ]


def test_a_phone_has_no_screen_and_hears_the_tone():
    play = phone_talks()
    play.at(9.0, DigitPressed(leg(1), "5"))

    assert play.at(9.2, DoorOpened(command(1), 3000)) == [
        PlayTone(None, Tone.OPENED),
        PlayTone(leg(1), Tone.OPENED),
        ShowPanel(PanelState.OPENED),
    ]


@pytest.mark.parametrize(
    ("result", "tone", "panel_state", "door_state", "cause"),
    [
        (DoorSent(command(1)), Tone.OPENED, PanelState.SENT, DoorState.SENT, ""),
        (
            DoorUnknown(command(1)),
            Tone.REFUSED,
            PanelState.NO_ANSWER_FROM_DOOR,
            DoorState.UNKNOWN,
            "no answer from the door",
        ),
        (
            DoorFailed(command(1), OFFLINE),
            Tone.REFUSED,
            PanelState.REFUSED,
            DoorState.FAILED,
            OFFLINE,
        ),
    ],
)
def test_both_hear_and_see_what_else_became_of_it(result, tone, panel_state, door_state, cause):
    play = app_talks()
    play.at(9.0, OpenRequested(ANNAS_APP))

    assert play.at(9.2, result) == [
        PlayTone(None, tone),
        PlayTone(ANNAS_APP, tone),
        ShowPanel(panel_state),
        TellDoor(ANNAS_APP, door_state, cause),
    ]


def test_opening_while_it_rings_ends_all_ringing_everywhere():
    play = Play()
    play.wait_until(10.0)

    assert play.at(12.0, OpenRequested(ANNAS_APP)) == [
        OpenDoor(DOOR, command(1), ANNAS_APP),
        CancelLeg(BOS_APP, EndReason.OPENED_ELSEWHERE),
        CancelLeg(ANNAS_PHONE, EndReason.OPENED_ELSEWHERE),
        QuietLeg(ANNAS_APP),
        StopRingback(),
        TellDoor(ANNAS_APP, DoorState.OPENING),
    ]


def test_opening_ends_an_answered_phone_that_nobody_has_accepted():
    play = Play()
    play.at(12.0, LegAnswered(ANNAS_PHONE))

    commands = play.at(15.0, OpenRequested(BOS_APP))

    assert commands[1:4] == [
        CancelLeg(ANNAS_APP, EndReason.OPENED_ELSEWHERE),
        DisconnectLeg(ANNAS_PHONE),
        EndLeg(ANNAS_PHONE, EndReason.OPENED_ELSEWHERE),
    ]


def test_the_visitor_hears_of_the_door_though_nobody_has_answered():
    play = opened_while_ringing()

    assert play.at(5.3, DoorOpened(command(1), 3000)) == [
        AnswerPanel(),
        PlayTone(None, Tone.OPENED),
        ShowPanel(PanelState.OPENED),
        TellDoor(ANNAS_APP, DoorState.OPENED),
    ]
    assert play.call.connected_leg is None, "the microphone stays shut"


def test_whoever_opened_may_still_answer():
    play = opened_while_ringing()
    play.at(5.3, DoorOpened(command(1), 3000))

    assert play.at(7.0, LegAnswered(ANNAS_APP)) == [
        ConnectLeg(ANNAS_APP),
        ShowPanel(PanelState.TALKING),
    ]


def test_the_call_ends_10_s_after_the_pulse():
    play = opened_while_ringing()
    play.at(5.3, DoorOpened(command(1), 3000))

    assert play.wait_until(15.2) == []
    assert play.wait_until(15.4)[-1] == CloseCall(EndReason.DOOR_OPENED)


def test_the_call_ends_10_s_after_the_last_pulse_in_the_talk_too():
    play = app_talks()
    play.at(9.0, OpenRequested(ANNAS_APP))
    play.at(9.2, DoorOpened(command(1), 3000))
    play.at(15.0, OpenRequested(ANNAS_APP))
    play.at(15.2, DoorOpened(command(2), 3000))

    assert play.wait_until(25.1) == []
    assert play.wait_until(25.3)[-1] == CloseCall(EndReason.DOOR_OPENED)


def test_a_door_that_failed_lets_the_talk_go_on():
    play = app_talks()
    play.at(9.0, OpenRequested(ANNAS_APP))
    play.at(9.2, DoorFailed(command(1), OFFLINE))

    assert play.wait_until(60.0) == []


def test_a_press_while_an_opening_is_under_way_is_the_same_opening():
    play = phone_talks()
    play.at(9.0, DigitPressed(leg(1), "5"))

    assert play.at(9.1, DigitPressed(leg(1), "5")) == []


@pytest.mark.parametrize(
    "result", [DoorOpened(command(1), 3000), DoorUnknown(command(1)), DoorFailed(command(1), "")]
)
def test_another_press_may_open_again_after_the_result(result):
    play = phone_talks()
    play.at(9.0, DigitPressed(leg(1), "5"))
    play.at(9.2, result)

    assert play.at(12.0, DigitPressed(leg(1), "5")) == [OpenDoor(DOOR, command(2), leg(1))]


def test_the_fourth_opening_is_refused_in_sound_and_words():
    play = app_talks()
    for number in (1, 2, 3):
        play.at(6.0 + number, OpenRequested(ANNAS_APP), DoorOpened(command(number), 3000))

    assert play.at(12.0, OpenRequested(ANNAS_APP)) == [
        PlayTone(None, Tone.REFUSED),
        PlayTone(ANNAS_APP, Tone.REFUSED),
        ShowPanel(PanelState.REFUSED),
        TellDoor(ANNAS_APP, DoorState.REFUSED, "this call has opened the door too often"),
    ]


def test_an_attempt_that_certainly_did_not_open_is_not_counted():
    play = app_talks()
    for number in range(1, 6):
        play.at(6.0 + number, OpenRequested(ANNAS_APP), DoorFailed(command(number), OFFLINE))

    assert OpenDoor(DOOR, command(6), ANNAS_APP) in play.at(20.0, OpenRequested(ANNAS_APP))


def test_a_stale_result_is_not_believed():
    play = app_talks()
    play.at(9.0, OpenRequested(ANNAS_APP), DoorOpened(command(1), 3000))
    play.at(12.0, OpenRequested(ANNAS_APP))

    assert play.at(12.1, DoorOpened(command(1), 3000)) == []
    assert play.at(12.2, DoorOpened(CommandId("another call's"), 3000)) == []


def test_keys_of_legs_that_are_not_answered_phones_never_open():
    play = Play()
    play.wait_until(10.0)

    for each in (PANEL_LEG, ANNAS_APP, BOS_APP, ANNAS_PHONE, LegId("stranger")):
        assert play.at(11.0, DigitPressed(each, "5")) == []


def test_an_open_key_as_another_key_does_nothing_in_the_talk():
    assert phone_talks().at(9.0, DigitPressed(leg(1), "8")) == []


def test_an_app_that_lost_the_race_cannot_open_any_more():
    play = app_talks()

    assert play.at(6.0, OpenRequested(BOS_APP)) == []


def test_a_failed_opening_while_ringing_leaves_30_s_for_another():
    play = opened_while_ringing()
    play.at(5.5, DoorFailed(command(1), OFFLINE))

    again = play.at(30.0, OpenRequested(ANNAS_APP))
    play.at(30.5, DoorFailed(command(2), OFFLINE))

    assert again[0] == OpenDoor(DOOR, command(2), ANNAS_APP)
    assert play.wait_until(60.4) == []
    assert play.wait_until(60.5)[-1] == CloseCall(EndReason.NOBODY_ANSWERED)


def test_answering_after_a_failed_opening_is_a_talk_like_any_other():
    play = opened_while_ringing()
    play.at(5.5, DoorFailed(command(1), OFFLINE))

    play.at(8.0, LegAnswered(ANNAS_APP))

    assert play.wait_until(100.0) == []
    assert play.call.state is CallState.TALKING


def test_the_call_ends_when_the_opener_goes_after_the_pulse():
    play = opened_while_ringing()
    play.at(5.5, DoorOpened(command(1), 3000))

    assert play.at(7.0, LegDeclined(ANNAS_APP))[-1] == CloseCall(EndReason.DOOR_OPENED)


def test_the_call_ends_when_the_resident_hangs_up_after_the_opening():
    play = app_talks()
    play.at(9.0, OpenRequested(ANNAS_APP), DoorOpened(command(1), 3000))

    assert play.at(11.0, LegEnded(ANNAS_APP))[-1] == CloseCall(EndReason.RESIDENT_HUNG_UP)


def test_another_button_after_an_opening_without_talk_rings_anew():
    play = opened_while_ringing()
    play.at(5.5, DoorOpened(command(1), 3000))

    commands = play.at(8.0, ButtonPressed(NEW_PANEL_LEG, "flat-2"))

    assert commands[-2:] == [
        StartAnew(NEW_PANEL_LEG, "flat-2"),
        CloseCall(EndReason.OTHER_BUTTON),
    ]


def test_the_same_button_while_the_door_is_being_opened_joins_the_call():
    play = opened_while_ringing()

    commands = play.at(5.2, ButtonPressed(NEW_PANEL_LEG, SETTING.button))

    assert commands == [AdoptPanelLeg(NEW_PANEL_LEG, PANEL_LEG), AnswerPanel()]


def test_the_same_button_after_the_pulse_rings_anew_for_a_visitor_who_missed_it():
    play = opened_while_ringing()
    play.at(5.5, DoorOpened(command(1), 3000))

    commands = play.at(9.0, ButtonPressed(NEW_PANEL_LEG, SETTING.button))

    assert commands[-2:] == [
        StartAnew(NEW_PANEL_LEG, SETTING.button),
        CloseCall(EndReason.DOOR_OPENED),
    ]
