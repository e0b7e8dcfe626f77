"""The ringing: who rings, who wins, who goes on, and what the panel may do meanwhile."""

import pytest

from intercom.routing.call_base import CallState
from intercom.routing.commands import (
    AdoptPanelLeg,
    AnswerPanel,
    CancelLeg,
    CloseCall,
    ConnectLeg,
    EndLeg,
    EndPanel,
    EndReason,
    PanelState,
    PlayPrompt,
    ProgressPanel,
    Prompt,
    RefusePanelLeg,
    RingLeg,
    ShowPanel,
    StartAnew,
)
from intercom.routing.events import (
    ButtonPressed,
    DeviceCameOnline,
    LegAnswered,
    LegDeclined,
    LegEnded,
    LegFailed,
    LegFailure,
    LegRinging,
    PanelLeft,
)
from intercom.routing.ids import LegId
from intercom.routing.limits import Limits
from intercom.routing.plan import Plan, Stage
from tests.routing.scenes import (
    ANNA_APP,
    ANNA_PHONE,
    ANNA_SOFTPHONE,
    ANNA_TABLET,
    APPS_THEN_PHONES,
    BO_APP,
    BO_PHONE,
    PANEL_LEG,
    PHONES_ONLY,
    SETTING,
    STRANGER_APP,
    TWO_APPS_OF_ONE,
    WITH_DESK_PHONE,
    Play,
    leg,
)

NEW_PANEL_LEG = LegId("panel-2")
APPS_ONLY = Plan((Stage((ANNA_APP, BO_APP), 40.0),))


def closing(reason: EndReason) -> list[object]:
    """List what the end of every call consists of, after its legs."""
    return [EndPanel(reason), ShowPanel(PanelState.ENDED, reason), CloseCall(reason)]


def test_a_press_rings_the_whole_first_stage_at_once():
    play = Play()

    assert play.done == [
        ShowPanel(PanelState.CALLING),
        ProgressPanel(),
        RingLeg(leg(1), ANNA_APP),
        RingLeg(leg(2), BO_APP),
    ]


def test_the_phone_rings_at_once_when_no_device_is_online():
    play = Play(PHONES_ONLY)

    assert play.done[-1] == RingLeg(leg(1), ANNA_PHONE)


def test_first_answer_wins_and_the_other_legs_are_cancelled():
    play = Play()

    commands = play.at(3.0, LegAnswered(leg(1)))

    assert commands == [
        CancelLeg(leg(2), EndReason.ANSWERED_ELSEWHERE),
        AnswerPanel(),
        ConnectLeg(leg(1)),
        ShowPanel(PanelState.TALKING),
    ]
    assert play.call.connected_leg == leg(1)


def test_a_sip_phone_that_answers_wins_like_an_app_and_hears_which_door_it_is():
    play = Play(WITH_DESK_PHONE)

    commands = play.at(3.0, LegAnswered(leg(1)))

    assert commands == [
        CancelLeg(leg(2), EndReason.ANSWERED_ELSEWHERE),
        AnswerPanel(),
        PlayPrompt(leg(1), Prompt.WHICH_DOOR),
        ConnectLeg(leg(1)),
        ShowPanel(PanelState.TALKING),
    ]


def test_the_apps_ring_on_while_the_phone_rings():
    play = Play()

    assert play.wait_until(10.0) == [RingLeg(leg(3), ANNA_PHONE)]
    assert [each.leg_id for each in play.call.legs.live()] == [leg(1), leg(2), leg(3)]


def test_the_next_phone_rings_only_after_the_one_before_was_cancelled():
    play = Play()
    play.wait_until(10.0)

    assert play.wait_until(30.0) == [
        CancelLeg(leg(3), EndReason.STAGE_OVER),
        RingLeg(leg(4), BO_PHONE),
    ]


def test_nobody_answered_when_the_whole_plan_has_passed():
    play = Play(PHONES_ONLY)

    play.wait_until(20.0)

    assert play.wait_until(40.0) == [
        CancelLeg(leg(2), EndReason.NOBODY_ANSWERED),
        *closing(EndReason.NOBODY_ANSWERED),
    ]


def test_the_phone_rings_as_soon_as_every_app_has_failed():
    play = Play()

    first = play.at(1.0, LegFailed(leg(1), LegFailure.UNREACHABLE))
    second = play.at(2.0, LegFailed(leg(2), LegFailure.UNREACHABLE))

    assert first == []
    assert second == [RingLeg(leg(3), ANNA_PHONE)]


@pytest.mark.parametrize(
    "failure", [each for each in LegFailure if each is not LegFailure.CANCELLED]
)
def test_a_phone_that_fails_gives_way_to_the_next_number_at_once(failure: LegFailure):
    play = Play()
    play.wait_until(10.0)

    assert play.at(11.0, LegFailed(leg(3), failure)) == [RingLeg(leg(4), BO_PHONE)]


def test_apps_ring_on_until_the_end_of_the_plan_when_the_last_phone_has_failed():
    play = Play(TWO_APPS_OF_ONE)
    play.wait_until(10.0)

    failed = play.at(11.0, LegFailed(leg(4), LegFailure.BUSY))

    assert failed == []
    assert play.wait_until(29.9) == []
    assert play.wait_until(30.0)[-1] == CloseCall(EndReason.NOBODY_ANSWERED)


def test_nobody_is_reachable_when_there_is_nothing_to_ring():
    play = Play(Plan(()))

    assert play.done[2:] == closing(EndReason.NOBODY_REACHABLE)
    assert play.call.deadline is None


def test_nobody_is_reachable_when_no_trunk_takes_the_call():
    play = Play(PHONES_ONLY)

    play.at(0.1, LegFailed(leg(1), LegFailure.NO_ROUTE))
    commands = play.at(0.2, LegFailed(leg(2), LegFailure.REFUSED))

    assert commands == closing(EndReason.NOBODY_REACHABLE)


def test_nobody_answered_when_one_of_several_numbers_was_busy():
    play = Play(PHONES_ONLY)

    play.at(0.1, LegFailed(leg(1), LegFailure.BUSY))
    commands = play.at(0.2, LegFailed(leg(2), LegFailure.NO_ROUTE))

    assert commands == closing(EndReason.NOBODY_ANSWERED)


def test_an_app_that_comes_online_while_it_rings_rings_too():
    play = Play(PHONES_ONLY)

    assert play.at(3.0, DeviceCameOnline(ANNA_APP)) == [RingLeg(leg(2), ANNA_APP)]


def test_a_sip_phone_that_registers_while_it_rings_rings_too_once():
    play = Play(PHONES_ONLY)

    assert play.at(3.0, DeviceCameOnline(ANNA_SOFTPHONE)) == [RingLeg(leg(2), ANNA_SOFTPHONE)]
    assert play.at(3.1, DeviceCameOnline(ANNA_SOFTPHONE)) == []


def test_a_sip_phone_that_registers_beside_its_persons_answered_phone_just_rings():
    play = Play(PHONES_ONLY)
    play.at(1.0, LegAnswered(leg(1)))

    assert play.at(3.0, DeviceCameOnline(ANNA_SOFTPHONE)) == [RingLeg(leg(2), ANNA_SOFTPHONE)]


def test_an_app_that_comes_back_is_rung_again_but_never_twice_at_once():
    play = Play()
    play.at(1.0, LegFailed(leg(1), LegFailure.UNREACHABLE))

    again = play.at(2.0, DeviceCameOnline(ANNA_APP))
    twice = play.at(2.1, DeviceCameOnline(ANNA_APP))

    assert again == [RingLeg(leg(3), ANNA_APP)]
    assert twice == []


def test_an_app_whose_connection_flaps_is_not_rung_for_ever():
    play = Play(limits=Limits(max_legs=4))

    for number in (1, 3, 4, 5):
        play.at(1.0, LegFailed(leg(number), LegFailure.UNREACHABLE), DeviceCameOnline(ANNA_APP))

    assert len(play.call.legs) == 4


def test_an_app_of_somebody_else_does_not_ring():
    play = Play()

    assert play.at(1.0, DeviceCameOnline(STRANGER_APP)) == []


def test_an_app_that_comes_online_during_the_talk_does_not_ring():
    play = Play()
    play.at(1.0, LegAnswered(leg(2)))

    assert play.at(2.0, DeviceCameOnline(ANNA_TABLET)) == []


def test_decline_silences_all_devices_of_the_person_and_skips_the_phone():
    play = Play(TWO_APPS_OF_ONE)

    commands = play.at(2.0, LegDeclined(leg(1)))

    assert commands == [CancelLeg(leg(2), EndReason.DECLINED)]
    assert [each.leg_id for each in play.call.legs.live()] == [leg(3)], "Bo's app rings on"


def test_after_a_decline_the_others_ring_on_for_as_long_as_was_planned():
    play = Play(TWO_APPS_OF_ONE)
    play.at(2.0, LegDeclined(leg(1)))

    assert play.wait_until(29.9) == [], "Anna's phone is not called, but its time is Bo's"
    assert play.wait_until(30.0)[-1] == CloseCall(EndReason.NOBODY_ANSWERED)


def test_decline_cancels_the_persons_phone_and_the_next_one_rings():
    play = Play()
    play.wait_until(10.0)

    assert play.at(12.0, LegDeclined(leg(1))) == [
        CancelLeg(leg(3), EndReason.DECLINED),
        RingLeg(leg(4), BO_PHONE),
    ]


def test_a_device_of_a_person_who_declined_is_not_rung_when_it_comes_online():
    play = Play()
    play.at(1.0, LegDeclined(leg(1)))

    assert play.at(2.0, DeviceCameOnline(ANNA_TABLET)) == []


def test_a_declined_sip_phone_speaks_for_the_person():
    play = Play(WITH_DESK_PHONE)

    play.at(1.0, LegFailed(leg(1), LegFailure.DECLINED))

    assert play.wait_until(30.0)[-1] == CloseCall(EndReason.NOBODY_ANSWERED)
    assert RingLeg(leg(3), ANNA_PHONE) not in play.done


def test_a_carriers_decline_silences_nobodys_app():
    play = Play()
    play.wait_until(10.0)

    assert play.at(11.0, LegFailed(leg(3), LegFailure.DECLINED)) == [RingLeg(leg(4), BO_PHONE)]
    assert leg(1) in [each.leg_id for each in play.call.legs.live()]


def test_declined_by_all_sounds_like_nobody_at_home():
    play = Play()

    play.at(1.0, LegDeclined(leg(1)))
    commands = play.at(2.0, LegDeclined(leg(2)))

    assert commands == closing(EndReason.NOBODY_ANSWERED)


def test_the_same_button_joins_the_call_that_rings():
    play = Play()

    commands = play.at(4.0, ButtonPressed(NEW_PANEL_LEG, SETTING.button))

    assert commands == [AdoptPanelLeg(NEW_PANEL_LEG, PANEL_LEG), ProgressPanel()]
    assert play.call.panel_leg == NEW_PANEL_LEG


def test_the_leaving_of_a_replaced_panel_leg_is_ignored():
    play = Play()
    play.at(4.0, ButtonPressed(NEW_PANEL_LEG, SETTING.button))

    assert play.at(4.1, PanelLeft(PANEL_LEG)) == []
    assert play.at(5.0, PanelLeft(NEW_PANEL_LEG))[-1] == CloseCall(EndReason.VISITOR_LEFT)


def test_another_button_ends_everything_and_rings_anew():
    play = Play(APPS_ONLY)

    commands = play.at(4.0, ButtonPressed(NEW_PANEL_LEG, "flat-2"))

    reason = EndReason.OTHER_BUTTON
    assert commands == [
        CancelLeg(leg(1), reason),
        CancelLeg(leg(2), reason),
        EndPanel(reason),
        ShowPanel(PanelState.ENDED, reason),
        StartAnew(NEW_PANEL_LEG, "flat-2"),
        CloseCall(reason),
    ]


@pytest.mark.parametrize("button", [SETTING.button, "flat-2"])
def test_a_press_during_talk_is_refused(button: str):
    play = Play()
    play.at(3.0, LegAnswered(leg(1)))

    commands = play.at(4.0, ButtonPressed(NEW_PANEL_LEG, button))

    assert commands == [RefusePanelLeg(NEW_PANEL_LEG, EndReason.IN_USE)]
    assert play.call.state is CallState.TALKING


def test_the_call_ends_when_the_resident_hangs_up():
    play = Play()
    play.at(3.0, LegAnswered(leg(1)))

    assert play.at(9.0, LegEnded(leg(1))) == closing(EndReason.RESIDENT_HUNG_UP)


def test_the_resident_is_hung_up_when_the_visitor_leaves():
    play = Play()
    play.at(3.0, LegAnswered(leg(1)))

    assert play.at(9.0, PanelLeft(PANEL_LEG)) == [
        EndLeg(leg(1), EndReason.VISITOR_LEFT),
        *closing(EndReason.VISITOR_LEFT),
    ]


def test_the_service_can_end_a_call_from_outside_once():
    play = Play(APPS_ONLY)

    first = play.call.end(EndReason.SHUTTING_DOWN)

    assert first[-1] == CloseCall(EndReason.SHUTTING_DOWN)
    assert CancelLeg(leg(1), EndReason.SHUTTING_DOWN) in first
    assert play.call.end(EndReason.FAULT) == []


def test_a_ringing_leg_is_no_news():
    assert Play().at(1.0, LegRinging(leg(1))) == []


def test_a_limit_that_stopped_every_phone_is_what_the_visitor_is_told():
    play = Play(PHONES_ONLY)

    play.at(0.1, LegFailed(leg(1), LegFailure.LIMITED))
    commands = play.at(0.2, LegFailed(leg(2), LegFailure.UNREACHABLE))

    assert commands == closing(EndReason.TOO_MANY_CALLS)


def test_a_limit_is_told_too_when_the_apps_rang_and_nobody_answered():
    play = Play(APPS_THEN_PHONES)

    play.at(11.0, LegFailed(leg(3), LegFailure.LIMITED), LegFailed(leg(4), LegFailure.LIMITED))
    commands = play.wait_until(60.0)

    assert EndPanel(EndReason.TOO_MANY_CALLS) in commands
