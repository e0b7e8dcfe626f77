"""Who may open: the authority check by itself, over every kind and state of leg."""

from itertools import product

import pytest

from intercom.routing.commands import DoorState, PanelState, Tone
from intercom.routing.door import Openings, may_open, words_for
from intercom.routing.events import (
    DigitPressed,
    DoorFailed,
    DoorOpened,
    DoorSent,
    DoorUnknown,
    OpenRequested,
)
from intercom.routing.ids import CommandId, LegId
from intercom.routing.legs import Leg, LegState
from intercom.routing.plan import Target
from tests.routing.scenes import ANNA, ANNA_APP, ANNA_DESK, ANNA_PHONE, BO, STRANGER_APP

LEG = LegId("leg-1")
COMMAND = CommandId("command-1")
KEY, COMMANDED = DigitPressed(LEG, "5"), OpenRequested(LEG)
TARGETS = (ANNA_APP, ANNA_DESK, ANNA_PHONE)
ALLOWED = {
    (KEY, ANNA_PHONE, LegState.UNACCEPTED),
    (KEY, ANNA_PHONE, LegState.CONNECTED),
    (KEY, ANNA_DESK, LegState.UNACCEPTED),
    (KEY, ANNA_DESK, LegState.CONNECTED),
    (COMMANDED, ANNA_APP, LegState.RINGING),
    (COMMANDED, ANNA_APP, LegState.QUIET),
    (COMMANDED, ANNA_APP, LegState.CONNECTED),
}


def is_allowed(
    wish: DigitPressed | OpenRequested, leg: Leg | None, open_keys: frozenset[str] = frozenset("5")
) -> bool:
    return may_open(wish, leg, open_keys=open_keys, residents={ANNA, BO})


@pytest.mark.parametrize(
    ("wish", "target", "state"), list(product((KEY, COMMANDED), TARGETS, LegState))
)
def test_keys_count_from_answered_phones_and_commands_from_live_apps_alone(
    wish: DigitPressed | OpenRequested, target: Target, state: LegState
):
    assert is_allowed(wish, Leg(LEG, target, state)) == ((wish, target, state) in ALLOWED)


@pytest.mark.parametrize("digit", list("012346789*#ABCD"))
def test_no_other_key_opens(digit: str):
    leg = Leg(LEG, ANNA_PHONE, LegState.CONNECTED)

    assert not is_allowed(DigitPressed(LEG, digit), leg)


def test_a_second_open_key_opens_where_the_property_has_turned_it_on():
    leg = Leg(LEG, ANNA_PHONE, LegState.CONNECTED)

    assert is_allowed(DigitPressed(LEG, "8"), leg, frozenset("58"))


def test_a_leg_that_is_not_of_this_call_never_opens():
    assert not is_allowed(KEY, None)
    assert not is_allowed(COMMANDED, None)
    assert not is_allowed(KEY, Leg(LegId("leg-2"), ANNA_PHONE, LegState.CONNECTED))


def test_an_app_of_somebody_who_does_not_live_there_never_opens():
    assert not is_allowed(COMMANDED, Leg(LEG, STRANGER_APP, LegState.RINGING))


@pytest.mark.parametrize(
    ("result", "used", "has_pulsed"),
    [
        (DoorOpened(COMMAND, 3000), 1, True),
        (DoorSent(COMMAND), 1, True),
        (DoorUnknown(COMMAND), 1, False),
        (DoorFailed(COMMAND, "the panel is offline"), 0, False),
    ],
)
def test_only_an_attempt_that_certainly_did_not_open_is_not_counted(
    result: DoorOpened | DoorSent | DoorUnknown | DoorFailed, used: int, has_pulsed: bool
):
    openings = Openings().ask(COMMAND, LEG).settle(result)

    assert (openings.used, openings.has_pulsed) == (used, has_pulsed)
    assert openings.outstanding is None


def test_every_result_has_its_own_words():
    opened = words_for(DoorOpened(COMMAND, 3000))
    sent = words_for(DoorSent(COMMAND))
    unknown = words_for(DoorUnknown(COMMAND))
    failed = words_for(DoorFailed(COMMAND, "the panel is offline"))

    assert (opened.tone, opened.panel_state) == (Tone.OPENED, PanelState.OPENED)
    assert (sent.tone, sent.panel_state) == (Tone.OPENED, PanelState.SENT)
    assert (unknown.tone, unknown.panel_state) == (Tone.REFUSED, PanelState.NO_ANSWER_FROM_DOOR)
    assert (failed.tone, failed.panel_state) == (Tone.REFUSED, PanelState.REFUSED)
    assert (failed.door_state, failed.cause) == (DoorState.FAILED, "the panel is offline")
