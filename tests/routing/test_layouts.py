"""Persons one after the other, each person's own way of being rung, and quiet hours in a plan."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom.routing.directory import Doorbell, Resident, RingWay, SipPhone
from intercom.routing.hours import Hours, LocalTime, Quiet, QuietMode, quiet_mode
from intercom.routing.ids import DeviceId, ResidentId
from intercom.routing.plan import (
    MIN_STEP_S,
    PANEL_MARGIN_S,
    AppTarget,
    OnlineDevice,
    PhoneTarget,
    Plan,
    RegisteredPhoneTarget,
    SipPhoneTarget,
    Stage,
    build_plan,
    with_latecomer,
    without,
)
from tests.routing.scenes import ANNA, ANNA_APP, BO, BO_APP, DOORBELL

CAY = ResidentId("cay")
CAY_APP = AppTarget(CAY, DeviceId("cay-1"))
ANNAS, BOS = PhoneTarget(ANNA, "+4790000001"), PhoneTarget(BO, "+4790000002")
SOFTPHONE = RegisteredPhoneTarget(BO, "bo-soft", "sip:bo-soft@192.0.2.8")
PEOPLE = {
    ANNA: Resident(ANNA, "Anna", "hash", number=ANNAS.number),
    BO: Resident(BO, "Bo", "hash", number=BOS.number),
    CAY: Resident(CAY, "Cay", "hash"),
}
APPS = {ANNA: (ANNA_APP,), BO: (BO_APP,), CAY: (CAY_APP,)}
IN_TURN = replace(DOORBELL, residents=(ANNA, BO, CAY), step_s=25.0)
ALL_DAY, NIGHT = Hours(), Hours(start_minute=22 * 60, end_minute=7 * 60)


def plan_for(
    doorbell: Doorbell = DOORBELL,
    *,
    ways: dict[ResidentId, RingWay] | None = None,
    people: dict[ResidentId, Resident] | None = None,
    apps: dict[ResidentId, tuple[OnlineDevice, ...]] | None = None,
    ring_limit_s: float = 600.0,
    quiet: QuietMode | None = None,
) -> Plan:
    online = APPS if apps is None else apps
    residents = dict(PEOPLE if people is None else people)
    for resident_id, way in (ways or {}).items():
        residents[resident_id] = replace(residents[resident_id], ring_way=way)
    return build_plan(
        doorbell, residents, lambda person: online.get(person, ()), ring_limit_s, quiet
    )


def shape(plan: Plan) -> list[tuple[tuple[object, ...], float]]:
    return [(stage.targets, stage.ring_s) for stage in plan.stages]


# -- quiet hours -----------------------------------------------------------------------------


def test_in_quiet_hours_nobody_is_rung_and_the_plan_says_why():
    assert plan_for(quiet=QuietMode.SAY_SO) == Plan((), is_quiet=True)


def test_in_quiet_hours_for_the_apps_alone_only_phones_ring():
    desk = SipPhone(DeviceId("desk"), "sip:desk@192.0.2.7")
    people = PEOPLE | {ANNA: replace(PEOPLE[ANNA], sip_phones=(desk,))}

    plan = plan_for(people=people, apps={BO: (BO_APP, SOFTPHONE)}, quiet=QuietMode.PHONE_ONLY)

    rung = {target for stage in plan.stages for target in stage.targets}
    assert rung == {SipPhoneTarget(ANNA, desk.device_id, desk.uri), SOFTPHONE, ANNAS, BOS}
    assert not plan.welcomes(ANNA_APP)
    assert plan.welcomes(SOFTPHONE)
    assert not plan.is_quiet


def test_in_quiet_hours_a_person_without_a_phone_is_left_in_peace_and_the_plan_says_why():
    doorbell = replace(DOORBELL, residents=(CAY,))

    assert plan_for(doorbell, quiet=QuietMode.PHONE_ONLY).is_quiet


def test_who_wants_no_phone_calls_gets_none_in_quiet_hours_either():
    plan = plan_for(ways={ANNA: RingWay.APP_ONLY}, quiet=QuietMode.PHONE_ONLY)

    assert [stage.targets for stage in plan.stages] == [(BOS,)]


def test_where_quiet_hours_overlap_the_quietest_counts():
    phone_only = Quiet(ALL_DAY, QuietMode.PHONE_ONLY)
    say_so = Quiet(NIGHT, QuietMode.SAY_SO)

    assert quiet_mode((phone_only, say_so), LocalTime(2, 23 * 60)) is QuietMode.SAY_SO
    assert quiet_mode((phone_only, say_so), LocalTime(2, 12 * 60)) is QuietMode.PHONE_ONLY
    assert quiet_mode((say_so,), LocalTime(2, 12 * 60)) is None


# -- each person's own way -------------------------------------------------------------------


def test_together_rings_the_phone_beside_the_apps():
    plan = plan_for(ways={BO: RingWay.TOGETHER})

    assert shape(plan) == [((ANNA_APP, BO_APP, BOS), 30.0), ((ANNAS,), 30.0)]
    assert plan.stages[0].is_kept


def test_phone_then_app_rings_the_app_when_the_phones_turn_is_over():
    plan = plan_for(ways={ANNA: RingWay.PHONE_THEN_APP, BO: RingWay.PHONE_THEN_APP})

    assert shape(plan) == [((ANNAS,), 30.0), ((ANNA_APP, BOS), 30.0), ((BO_APP,), 20.0)]


def test_app_only_never_rings_a_phone():
    desk = SipPhone(DeviceId("desk"), "sip:desk@192.0.2.7")
    people = {each: replace(PEOPLE[each], sip_phones=(desk,)) for each in (ANNA, BO)}
    ways = dict.fromkeys((ANNA, BO), RingWay.APP_ONLY)

    plan = plan_for(people=people, ways=ways, apps=APPS | {BO: (BO_APP, SOFTPHONE)})

    assert shape(plan) == [((ANNA_APP, BO_APP), 50.0)]
    assert not plan.welcomes(SOFTPHONE)
    assert plan.welcomes(BO_APP)


def test_phone_only_never_rings_an_app_not_even_one_that_comes_online_late():
    plan = plan_for(ways={ANNA: RingWay.PHONE_ONLY})

    assert shape(plan) == [((BO_APP, ANNAS), 30.0), ((BOS,), 30.0)]
    assert not plan.welcomes(ANNA_APP)
    assert plan.welcomes(BO_APP)


def test_phone_then_app_rings_the_app_at_once_when_there_is_no_phone():
    plan = plan_for(replace(DOORBELL, residents=(CAY,)), ways={CAY: RingWay.PHONE_THEN_APP})

    assert shape(plan) == [((CAY_APP,), 50.0)]


def test_an_app_whose_phones_turn_was_cut_rings_from_the_start():
    ways = dict.fromkeys((ANNA, BO), RingWay.PHONE_THEN_APP)

    plan = plan_for(ways=ways, ring_limit_s=34.0)

    assert shape(plan) == [((BO_APP, ANNAS), 20.0), ((ANNA_APP,), 10.0)]


# -- one after the other ---------------------------------------------------------------------


def test_persons_ring_in_their_order_each_in_their_own_way():
    plan = plan_for(IN_TURN, ways={BO: RingWay.PHONE_ONLY})

    assert shape(plan) == [
        ((ANNA_APP,), 10.0),
        ((ANNAS,), 15.0),
        ((BOS,), 25.0),
        ((CAY_APP,), 50.0),
    ]


def test_who_cannot_be_reached_has_no_turn():
    plan = plan_for(IN_TURN, apps={CAY: (CAY_APP,)}, ways={ANNA: RingWay.APP_ONLY})

    assert shape(plan) == [((BOS,), 25.0), ((CAY_APP,), 50.0)]


def test_who_has_no_turn_of_their_own_left_rings_with_the_last_who_has():
    plan = plan_for(IN_TURN, ways=dict.fromkeys((ANNA, BO), RingWay.APP_ONLY), ring_limit_s=54.0)

    assert shape(plan) == [((ANNA_APP,), 20.0), ((BO_APP, CAY_APP), 30.0)]


def test_steps_are_shortened_to_20_s_before_anybody_shares_a_turn():
    plan = plan_for(IN_TURN, ways=dict.fromkeys((ANNA, BO), RingWay.APP_ONLY), ring_limit_s=67.0)

    assert shape(plan) == [((ANNA_APP,), 21.0), ((BO_APP,), 21.0), ((CAY_APP,), 21.0)]


def test_an_app_that_comes_online_before_its_turn_waits_for_it():
    plan = plan_for(IN_TURN, apps={ANNA: (ANNA_APP,), CAY: (CAY_APP,)})
    first, *later = plan.stages

    waiting = with_latecomer(later, BO_APP, 32)

    assert first.targets == (ANNA_APP,)
    assert waiting is not None
    (bos_turn,) = (stage for stage in waiting if BO_APP in stage.targets)
    assert bos_turn.targets == (BOS, BO_APP)
    assert with_latecomer(waiting, BO_APP, 32) == waiting
    assert with_latecomer(later, ANNA_APP, 32) is None


def test_a_full_stage_takes_no_more():
    stages = (Stage((BO_APP,), 20.0, turn_of=frozenset({BO})),)

    assert with_latecomer(stages, AppTarget(BO, DeviceId("bo-2")), 1) == stages


def test_leaving_a_person_out_keeps_the_others_turns():
    plan = plan_for(IN_TURN)

    left = without(plan.stages, ANNA)

    assert [stage.turn_of for stage in left if stage.turn_of] == [
        frozenset({BO}),
        frozenset({CAY}),
    ]


PERSON = st.builds(
    lambda way, has_number, apps: (way, has_number, apps),
    st.sampled_from(RingWay),
    st.booleans(),
    st.integers(0, 2),
)


@given(
    people=st.lists(PERSON, min_size=1, max_size=6),
    step_s=st.sampled_from([None, 20.0, 25.0, 30.0]),
    ring_limit_s=st.floats(0.5, 300.0),
)
def test_every_plan_fits_the_panel_and_rings_everybody_who_can_be(people, step_s, ring_limit_s):
    ids = [ResidentId(f"r{number}") for number in range(len(people))]
    residents, online = {}, {}
    for number, (each, (way, has_number, apps)) in enumerate(zip(ids, people, strict=True)):
        residents[each] = Resident(
            each, each, "hash", ring_way=way, number=f"+4790000{number:03}" if has_number else None
        )
        online[each] = tuple(AppTarget(each, DeviceId(f"{each}-{n}")) for n in range(apps))
    doorbell = replace(DOORBELL, residents=tuple(ids), step_s=step_s)

    plan = build_plan(doorbell, residents, lambda each: online[each], ring_limit_s)

    limit_s = max(ring_limit_s - PANEL_MARGIN_S, 0.0)
    assert plan.ring_s <= limit_s + 1e-6
    rung = [target for stage in plan.stages for target in stage.targets]
    assert len(rung) == len(set(rung)), "nobody's device rings twice"
    for stage in plan.stages:
        assert stage.targets
        assert stage.ring_s >= 0.0
        assert sum(isinstance(each, PhoneTarget) for each in stage.targets) <= 1
    for each in ids:
        way, apps = residents[each].ring_way, set(online[each])
        assert apps <= set(rung) if way is not RingWay.PHONE_ONLY else not apps & set(rung)
    _check_turns(plan, step_s, limit_s)


def _check_turns(plan: Plan, step_s: float | None, limit_s: float) -> None:
    """Between the beginnings of two turns lie 20 s at the least, and the step at the most."""
    if step_s is None:
        return
    begins, at = {}, 0.0
    for stage in plan.stages:
        for target in stage.targets:
            begins.setdefault(target.resident_id, at)
        at += stage.ring_s
    starts = sorted(set(begins.values()))
    if len(starts) > 1 and limit_s > 2 * MIN_STEP_S:
        assert starts[1] - starts[0] == pytest.approx(step_s, abs=10.0)
        assert starts[1] - starts[0] >= MIN_STEP_S - 1e-6
