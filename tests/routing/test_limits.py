"""The hard limits: no call and no talk lasts for ever."""

from intercom.routing.commands import CloseCall, EndLeg, EndReason, PlayTone, Tone
from intercom.routing.events import DigitPressed, LegAnswered, LegFailed, LegFailure
from intercom.routing.limits import Limits, Timer, Timers
from intercom.routing.plan import Plan, Stage
from tests.routing.scenes import ANNA_APP, Play, leg


def test_a_talk_ends_after_120_s_and_both_are_warned_10_s_before():
    play = Play()
    play.at(5.0, LegAnswered(leg(1)))

    assert play.wait_until(114.9) == []
    assert play.wait_until(115.0) == [
        PlayTone(None, Tone.ENDING_SOON),
        PlayTone(leg(1), Tone.ENDING_SOON),
    ]
    assert play.wait_until(125.0)[0] == EndLeg(leg(1), EndReason.TIME_LIMIT)
    assert play.wait_until(200.0) == []
    assert play.done[-1] == CloseCall(EndReason.TIME_LIMIT)


def test_a_phones_talk_is_counted_from_its_answer_not_from_its_key():
    play = Play()
    play.at(15.0, LegAnswered(leg(3)))
    play.at(50.0, DigitPressed(leg(3), "1"))

    assert play.wait_until(134.9)[0] == PlayTone(None, Tone.ENDING_SOON)
    assert play.wait_until(135.0)[-1] == CloseCall(EndReason.TIME_LIMIT)


def test_no_call_is_longer_than_180_s():
    play = Play(Plan((Stage((ANNA_APP,), 170.0),)))
    play.at(165.0, LegAnswered(leg(1)))

    assert play.wait_until(170.0) == [
        PlayTone(None, Tone.ENDING_SOON),
        PlayTone(leg(1), Tone.ENDING_SOON),
    ]
    assert play.wait_until(180.0)[-1] == CloseCall(EndReason.TIME_LIMIT)


def test_a_plan_longer_than_the_longest_call_ends_like_nobody_at_home():
    play = Play(Plan((Stage((ANNA_APP,), 500.0),)))

    assert play.wait_until(180.0)[-1] == CloseCall(EndReason.NOBODY_ANSWERED)


def test_the_limits_are_settings():
    play = Play(limits=Limits(talk_s=30.0, talk_warning_s=5.0))
    play.at(5.0, LegAnswered(leg(1)))

    assert play.wait_until(30.0)[0] == PlayTone(None, Tone.ENDING_SOON)
    assert play.wait_until(35.0)[-1] == CloseCall(EndReason.TIME_LIMIT)


def test_a_call_has_a_deadline_until_its_end():
    play = Play()
    deadlines = [play.call.deadline]

    play.at(1.0, LegFailed(leg(1), LegFailure.UNREACHABLE))
    deadlines.append(play.call.deadline)
    play.wait_until(500.0)

    assert deadlines == [10.0, 10.0]
    assert play.call.deadline is None


def test_a_copy_lives_its_own_life():
    play = Play()
    twin = play.call.copy()

    play.at(5.0, LegAnswered(leg(1)))

    assert twin.connected_leg is None
    assert twin.deadline == 10.0


def test_timers_ring_out_in_the_order_in_which_they_are_due():
    timers = Timers()
    timers.set(Timer.CALL, 3.0)
    timers.set(Timer.STAGE, 1.0)
    timers.set(Timer.DOOR, 2.0)
    timers.clear(Timer.DOOR)

    assert [timers.take_due(5.0), timers.take_due(5.0), timers.take_due(5.0)] == [
        Timer.STAGE,
        Timer.CALL,
        None,
    ]
