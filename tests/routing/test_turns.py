"""What a call makes of persons one after the other, of kept stages, and of quiet hours."""

from intercom.routing.commands import (
    CloseCall,
    EndPanel,
    EndReason,
    PanelState,
    ProgressPanel,
    RingLeg,
    ShowPanel,
)
from intercom.routing.events import DeviceCameOnline, LegDeclined, LegFailed, LegFailure
from intercom.routing.ids import DeviceId
from intercom.routing.plan import AppTarget, Plan, Stage
from tests.routing.scenes import (
    ANNA,
    ANNA_APP,
    ANNA_PHONE,
    BO,
    BO_APP,
    BO_PHONE,
    IN_TURN,
    TOGETHER,
    Play,
    leg,
)


def rung(commands):
    return [each.target for each in commands if isinstance(each, RingLeg)]


def test_in_quiet_hours_nobody_rings_and_the_visitor_is_told_why():
    play = Play(Plan((), is_quiet=True))

    assert play.done == [
        ShowPanel(PanelState.CALLING),
        ProgressPanel(),
        EndPanel(EndReason.QUIET_HOURS),
        ShowPanel(PanelState.ENDED, EndReason.QUIET_HOURS),
        CloseCall(EndReason.QUIET_HOURS),
    ]


def test_an_app_that_may_not_ring_does_not_ring_when_it_comes_online():
    play = Play(Plan((Stage((BO_PHONE,), 30.0),), without_apps=frozenset({ANNA})))

    assert play.at(1.0, DeviceCameOnline(ANNA_APP)) == []
    assert rung(play.at(2.0, DeviceCameOnline(BO_APP))) == [BO_APP]


def test_the_phone_of_one_turn_ends_when_the_next_ones_begins_and_the_apps_ring_on():
    play = Play(IN_TURN)

    assert rung(play.done) == [ANNA_APP]
    assert rung(play.wait_until(10.0)) == [ANNA_PHONE]
    assert rung(play.wait_until(25.0)) == [BO_PHONE]
    assert [each.target for each in play.call.legs.live()] == [ANNA_APP, BO_PHONE]


def test_an_app_that_comes_online_before_its_turn_rings_when_that_comes():
    play = Play(IN_TURN)

    assert play.at(5.0, DeviceCameOnline(BO_APP), DeviceCameOnline(BO_APP)) == []
    play.wait_until(24.0)
    assert rung(play.wait_until(25.0)) == [BO_PHONE, BO_APP]


def test_an_app_of_whose_turn_it_is_rings_when_it_comes_online():
    tablet = AppTarget(ANNA, DeviceId("anna-2"))

    assert rung(Play(IN_TURN).at(5.0, DeviceCameOnline(tablet))) == [tablet]


def test_who_declined_does_not_ring_in_a_turn_that_comes_later():
    play = Play(IN_TURN)
    play.at(5.0, DeviceCameOnline(BO_APP))

    commands = play.at(6.0, LegDeclined(leg(1)))

    assert rung(commands) == [BO_PHONE, BO_APP]
    assert play.call.legs.of_resident(ANNA) == []


def test_an_app_keeps_its_turns_time_though_its_phone_is_busy():
    play = Play(IN_TURN)
    play.wait_until(10.0)

    assert rung(play.at(11.0, LegFailed(leg(2), LegFailure.BUSY))) == []
    assert rung(play.wait_until(25.0)) == [BO_PHONE]


def test_beside_a_busy_phone_the_app_rings_for_the_whole_stage():
    play = Play(TOGETHER)

    assert rung(play.done) == [ANNA_APP, ANNA_PHONE]
    assert rung(play.at(1.0, LegFailed(leg(2), LegFailure.BUSY))) == []
    assert rung(play.wait_until(30.0)) == [BO_APP, BO_PHONE]


def test_a_phone_rings_on_while_its_own_app_rings_after_it():
    plan = Plan(
        (Stage((BO_PHONE,), 30.0), Stage((BO_APP,), 20.0, turn_of=frozenset({BO}))),
    )
    play = Play(plan)

    assert rung(play.wait_until(30.0)) == [BO_APP]
    assert [each.target for each in play.call.legs.live()] == [BO_PHONE, BO_APP]
