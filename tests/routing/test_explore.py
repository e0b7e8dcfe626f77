"""Every order of events, many deep: nothing forbidden ever happens."""

import sys
from dataclasses import replace
from random import Random
from typing import NamedTuple

import pytest

from intercom.routing.ids import ResidentId
from intercom.routing.limits import Limits
from intercom.routing.plan import Plan
from intercom.routing.table import Setting
from tests.routing import scenes
from tests.routing.explorer import explore, wander
from tests.routing.scenes import SETTING

LATE_APPS = (scenes.ANNA_APP, scenes.ANNA_TABLET, scenes.STRANGER_APP)
WITH_LATECOMERS = replace(SETTING, latecomers=LATE_APPS)
WITH_LEAVERS = replace(SETTING, stayers=(frozenset({scenes.BO}), frozenset()))
ONE_WITHOUT = frozenset({scenes.ANNA})
KEY_FIRST = Limits(is_talk_before_key=False)


class Case(NamedTuple):
    name: str
    depth: int
    plan: Plan
    setting: Setting = SETTING
    limits: Limits = Limits()
    without_right: frozenset[ResidentId] = frozenset()


CASES = (
    Case("an app and a phone each", 8, scenes.APPS_THEN_PHONES),
    Case("two apps of one person", 5, scenes.TWO_APPS_OF_ONE),
    Case("a SIP phone", 5, scenes.WITH_DESK_PHONE),
    Case("talk after a key", 5, scenes.APPS_THEN_PHONES, limits=KEY_FIRST),
    Case("apps come online", 5, scenes.PHONES_ONLY, setting=WITH_LATECOMERS),
    Case("a person without a right", 5, scenes.WITH_DESK_PHONE, without_right=ONE_WITHOUT),
    Case("persons who leave", 5, scenes.APPS_THEN_PHONES, setting=WITH_LEAVERS),
    Case("one after the other", 6, scenes.IN_TURN, setting=WITH_LATECOMERS),
    Case("app and phone together", 6, scenes.TOGETHER),
)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_order_of_events_leads_to_anything_forbidden(case: Case, capsys):
    explored = explore(
        case.plan,
        case.depth,
        setting=case.setting,
        limits=case.limits,
        without_right=case.without_right,
    )

    with capsys.disabled():
        sys.stdout.write(
            f"\n  call, {case.name}: every order of {case.depth} events,"
            f" {explored.states:,} states, {explored.transitions:,} transitions "
        )
    assert explored.transitions > 10_000


@pytest.mark.timeout(30)
@pytest.mark.parametrize("plan", [case.plan for case in CASES[:3]], ids=lambda plan: "")
def test_no_walk_of_any_length_and_timing_leads_to_anything_forbidden(plan: Plan):
    chance = Random(14)

    lengths = [wander(plan, chance, setting=WITH_LATECOMERS) for _ in range(300)]

    assert max(lengths) > 20
