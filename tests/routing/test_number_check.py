import pytest

from intercom.routing.events import DigitPressed, LegAnswered, LegEnded, LegFailed, LegFailure
from intercom.routing.ids import LegId
from intercom.routing.number_check import (
    ASK_AGAIN_S,
    KEY_S,
    RING_S,
    THANKS_S,
    Act,
    CheckResult,
    NumberCheck,
)

LEG = LegId("check-1")
ANSWERED = LegAnswered(LEG)


def key(digit):
    return DigitPressed(LEG, digit)


@pytest.fixture
def check():
    return NumberCheck.start(frozenset("58"), now=100.0)


def answered(check, now=105.0):
    assert check.handle(ANSWERED, now) is Act.ASK
    return check


def test_an_open_key_after_the_words_confirms_the_number(check):
    answered(check)

    assert check.handle(key("5"), 110.0) is Act.THANK
    assert check.result is CheckResult.CONFIRMED
    assert check.time_passed(110.0 + THANKS_S) is Act.HANG_UP
    assert check.is_over
    assert check.result is CheckResult.CONFIRMED


def test_whoever_hangs_up_after_the_key_has_confirmed_all_the_same(check):
    answered(check).handle(key("8"), 107.0)

    check.handle(LegEnded(LEG), 107.5)

    assert check.is_over
    assert check.result is CheckResult.CONFIRMED


def test_a_key_before_the_answer_confirms_nothing(check):
    assert check.handle(key("5"), 101.0) is None

    assert check.result is None


def test_another_key_confirms_nothing(check):
    answered(check)

    assert check.handle(key("1"), 106.0) is None
    assert check.result is None


def test_who_presses_nothing_is_asked_once_more_and_then_given_up(check):
    answered(check, 105.0)

    assert check.time_passed(105.0 + ASK_AGAIN_S - 0.1) is None
    assert check.time_passed(105.0 + ASK_AGAIN_S) is Act.ASK
    assert check.time_passed(105.0 + KEY_S - 0.1) is None
    assert check.time_passed(105.0 + KEY_S) is Act.HANG_UP
    assert check.result is CheckResult.NO_KEY


def test_a_number_that_nobody_answers_is_rung_for_forty_seconds(check):
    assert check.time_passed(100.0 + RING_S - 0.1) is None
    assert check.time_passed(100.0 + RING_S) is Act.HANG_UP
    assert check.result is CheckResult.NOT_ANSWERED


@pytest.mark.parametrize(
    ("failure", "result"),
    [
        (LegFailure.BUSY, CheckResult.BUSY),
        (LegFailure.DECLINED, CheckResult.BUSY),
        (LegFailure.NO_ANSWER, CheckResult.NOT_ANSWERED),
        (LegFailure.NO_ROUTE, CheckResult.UNREACHABLE),
        (LegFailure.REFUSED, CheckResult.UNREACHABLE),
        (LegFailure.LIMITED, CheckResult.LIMITED),
    ],
)
def test_a_call_that_fails_says_how(check, failure, result):
    check.handle(LegFailed(LEG, failure), 101.0)

    assert check.is_over
    assert check.result is result


def test_a_machine_that_hangs_up_has_pressed_no_key(check):
    answered(check).handle(LegEnded(LEG), 130.0)

    assert check.result is CheckResult.NO_KEY


def test_nothing_changes_what_is_over(check):
    check.handle(LegFailed(LEG, LegFailure.BUSY), 101.0)

    assert check.handle(ANSWERED, 102.0) is None
    assert check.handle(key("5"), 103.0) is None
    assert check.result is CheckResult.BUSY
