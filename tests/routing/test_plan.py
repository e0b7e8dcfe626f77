"""Who rings when, and how a plan is cut to what the panel can ring."""

from dataclasses import replace

import pytest

from intercom.routing.directory import Doorbell, Resident, SipPhone
from intercom.routing.ids import DeviceId, ResidentId
from intercom.routing.plan import (
    MIN_APP_STAGE_S,
    MIN_PHONE_STAGE_S,
    PANEL_MARGIN_S,
    AppTarget,
    OnlineDevice,
    PhoneTarget,
    Plan,
    RegisteredPhoneTarget,
    SipPhoneTarget,
    Stage,
    build_plan,
)
from tests.routing.scenes import ANNA, ANNA_APP, ANNA_TABLET, BO, BO_APP, DOORBELL

ANNAS_NUMBER, BOS_NUMBER = "+4790000001", "+4790000002"
RESIDENTS = {
    ANNA: Resident(ANNA, "Anna", "hash", number=ANNAS_NUMBER),
    BO: Resident(BO, "Bo", "hash", number=BOS_NUMBER),
}
LONG_S = 600.0
SOFTPHONE = RegisteredPhoneTarget(BO, "bo-soft", "sip:bo-soft@192.0.2.8")
APPS = {ANNA: (ANNA_APP, ANNA_TABLET), BO: (BO_APP,)}


def plan_for(
    doorbell: Doorbell = DOORBELL,
    residents: dict[ResidentId, Resident] | None = None,
    apps: dict[ResidentId, tuple[OnlineDevice, ...]] | None = None,
    ring_limit_s: float = LONG_S,
) -> Plan:
    online = APPS if apps is None else apps
    people = RESIDENTS if residents is None else residents
    return build_plan(doorbell, people, lambda person: online.get(person, ()), ring_limit_s)


def test_all_devices_ring_at_once_and_then_one_phone_after_the_other():
    plan = plan_for()

    assert plan.stages == (
        Stage((ANNA_APP, ANNA_TABLET, BO_APP), 20.0),
        Stage((PhoneTarget(ANNA, ANNAS_NUMBER),), 30.0),
        Stage((PhoneTarget(BO, BOS_NUMBER),), 30.0),
    )


def test_sip_phones_ring_together_with_the_apps():
    desk = SipPhone(DeviceId("desk"), "sip:desk@192.0.2.7")
    people = RESIDENTS | {BO: replace(RESIDENTS[BO], sip_phones=(desk,))}

    plan = plan_for(residents=people)

    assert plan.stages[0].targets[-1] == SipPhoneTarget(BO, desk.device_id, desk.uri)


def test_registered_sip_phones_ring_together_with_the_apps_and_are_somebody_online():
    people = {ANNA: RESIDENTS[ANNA], BO: replace(RESIDENTS[BO], has_app=False)}

    plan = plan_for(residents=people, apps={BO: (BO_APP, SOFTPHONE)})

    assert [stage.targets for stage in plan.stages] == [
        (SOFTPHONE,),
        (PhoneTarget(ANNA, ANNAS_NUMBER),),
        (PhoneTarget(BO, BOS_NUMBER),),
    ]
    assert plan.stages[0].ring_s == DOORBELL.app_stage_s


def test_the_first_phone_rings_at_once_when_no_device_is_online():
    plan = plan_for(apps={})

    assert [stage.targets for stage in plan.stages] == [
        (PhoneTarget(ANNA, ANNAS_NUMBER),),
        (PhoneTarget(BO, BOS_NUMBER),),
    ]


def test_devices_ring_as_long_as_a_phone_would_have_when_nobody_has_a_phone():
    people = {each: replace(person, number=None) for each, person in RESIDENTS.items()}

    plan = plan_for(residents=people)

    assert plan.stages == (Stage((ANNA_APP, ANNA_TABLET, BO_APP), 50.0),)


def test_a_doorbell_without_devices_and_phones_has_an_empty_plan():
    assert plan_for(residents={}, apps={}) == Plan(())


def test_two_persons_with_one_number_are_called_once():
    people = RESIDENTS | {BO: replace(RESIDENTS[BO], number=ANNAS_NUMBER)}

    plan = plan_for(residents=people)

    assert [stage.targets for stage in plan.stages[1:]] == [(PhoneTarget(ANNA, ANNAS_NUMBER),)]


def test_an_app_of_a_resident_without_app_does_not_ring():
    people = RESIDENTS | {ANNA: replace(RESIDENTS[ANNA], has_app=False)}

    plan = plan_for(residents=people)

    assert plan.stages[0].targets == (BO_APP,)


@pytest.mark.parametrize(
    ("ring_limit_s", "ring_times_s"),
    [
        (90.0, [20.0, 30.0, 30.0]),
        (79.0, [15.0, 30.0, 30.0]),
        (63.0, [10.0, 24.5, 24.5]),
        (44.0, [10.0, 15.0, 15.0]),
        (43.0, [10.0, 29.0]),
        (34.0, [10.0, 20.0]),
        (24.0, [5.0, 15.0]),
        (14.0, [0.0, 10.0]),
    ],
)
def test_a_plan_is_cut_to_the_panels_ring_limit_head_start_first(
    ring_limit_s: float, ring_times_s: list[float]
):
    plan = plan_for(ring_limit_s=ring_limit_s)

    assert [stage.ring_s for stage in plan.stages] == pytest.approx(ring_times_s)


@pytest.mark.parametrize("ring_limit_s", [0.5, 5.0, 17.0, 26.0, 33.3, 45.0, 60.0, 120.0])
@pytest.mark.parametrize("apps", [APPS, {}])
def test_every_plan_ends_4_s_before_the_panel_gives_up(
    ring_limit_s: float, apps: dict[ResidentId, tuple[AppTarget, ...]]
):
    plan = plan_for(apps=apps, ring_limit_s=ring_limit_s)

    assert plan.ring_s <= max(ring_limit_s - PANEL_MARGIN_S, 0.0) + 1e-9
    phone_times_s = [
        stage.ring_s for stage in plan.stages if isinstance(stage.targets[0], PhoneTarget)
    ]
    assert phone_times_s, "one phone at least is called"
    assert len(phone_times_s) == 1 or min(phone_times_s) >= MIN_PHONE_STAGE_S


def test_a_head_start_shorter_than_the_least_is_left_as_it_is():
    doorbell = replace(DOORBELL, app_stage_s=MIN_APP_STAGE_S / 2)

    plan = plan_for(doorbell, ring_limit_s=60.0)

    assert plan.stages[0].ring_s == MIN_APP_STAGE_S / 2
