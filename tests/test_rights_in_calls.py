"""Rights, quiet hours and ready answers in calls that run: by what is in force at that very moment."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from intercom.local_time import local_time
from intercom.media import prompts
from intercom.media.prompts import Words
from intercom.routing import events as ev
from intercom.routing.commands import DoorState, EndReason, PanelState, ReadyAnswer
from intercom.routing.directory import DoorRight
from intercom.routing.hours import Hours, LocalTime, Quiet, QuietMode
from intercom.routing.ids import DeviceId, DoorbellId
from intercom.routing.plan import AppTarget, PhoneTarget
from tests.fakes import ANNA, ANNA_APP, ANNA_NUMBER, BO, HOUSE, MAIN, PANEL, make_house
from tests.test_switchboard import LEG, Rig, open_rig, settled

SUMMER_NIGHT = datetime(2026, 6, 30, 20, 30, tzinfo=UTC)
"""Tuesday 22:30 in Oslo."""
NIGHT = Hours(start_minute=22 * 60, end_minute=7 * 60)
DAY = Hours(start_minute=7 * 60, end_minute=22 * 60)


def with_rights(house, *rights, who=ANNA):
    residents = {**house.residents, who: replace(house.residents[who], rights=rights)}
    return replace(house, residents=residents)


def with_quiet(house, *, of_property=(), of_doorbell=()):
    anna = DoorbellId("anna")
    return replace(
        house,
        properties={HOUSE: replace(house.properties[HOUSE], quiet=of_property)},
        doorbells={**house.doorbells, anna: replace(house.doorbells[anna], quiet=of_doorbell)},
    )


def at(rig: Rig, now: datetime) -> None:
    rig.switchboard._now = lambda: now


async def opened_by_app(rig: Rig) -> bool:
    """Ask for the door by the app that rings; tell whether it pulsed."""
    pulses = len(rig.world.relay.pulses)
    rig.post(ev.OpenRequested(rig.world.apps.leg))
    await settled()
    return len(rig.world.relay.pulses) > pulses


# -- what is refused -------------------------------------------------------------------------


async def test_a_right_that_takes_away_opens_no_door_and_the_app_is_told():
    house = with_rights(make_house(), DoorRight(MAIN, may_open=False))
    async with open_rig(house) as rig:
        rig.press()

        assert not await opened_by_app(rig)
        assert ("tell_door", rig.world.apps.leg, DoorState.REFUSED) in rig.world.apps.told
        assert rig.world.screens.shown == [(PANEL, PanelState.CALLING, None)]


async def test_outside_the_hours_of_a_right_the_phones_5_opens_nothing():
    house = with_rights(make_house(), DoorRight(MAIN, hours=DAY))
    async with open_rig(house) as rig:
        rig.world.presence.targets.clear()
        at(rig, SUMMER_NIGHT)
        rig.press()
        phone = rig.world.phones.leg
        rig.post(ev.LegAnswered(phone))
        rig.post(ev.DigitPressed(phone, "5"))
        await settled()

        assert rig.world.relay.pulses == []


async def test_a_right_whose_hour_comes_in_mid_call_opens_from_then_on():
    house = with_rights(make_house(), DoorRight(MAIN, hours=NIGHT))
    async with open_rig(house) as rig:
        at(rig, datetime(2026, 6, 30, 19, 59, tzinfo=UTC))  # 21:59
        rig.press()
        assert not await opened_by_app(rig)

        at(rig, datetime(2026, 6, 30, 20, 0, tzinfo=UTC))
        assert await opened_by_app(rig)


async def test_a_right_that_is_taken_away_in_mid_call_counts_no_more():
    async with open_rig() as rig:
        await rig.talk_on_app()
        rig.house = with_rights(rig.house, DoorRight(MAIN, may_open=False))

        assert not await opened_by_app(rig)


@pytest.mark.parametrize("change", ["doorbell", "residents", "doors"])
async def test_who_has_moved_out_opens_nothing_even_before_the_call_hears_of_it(change):
    async with open_rig() as rig:
        await rig.talk_on_app()
        anna = DoorbellId("anna")
        others = {
            "doorbell": {"doorbells": {anna: replace(rig.house.doorbells[anna], residents=(BO,))}},
            "residents": {"residents": {BO: rig.house.residents[BO]}},
            "doors": {"doors": {}},
        }
        rig.house = replace(rig.house, **others[change])

        assert not await opened_by_app(rig)


async def test_who_has_moved_out_is_out_of_the_talk_as_soon_as_the_change_is_in_force():
    async with open_rig() as rig:
        leg = await rig.talk_on_app()
        rig.house = replace(rig.house, residents={BO: rig.house.residents[BO]})
        rig.switchboard.directory_changed()
        await settled()

        assert rig.world.apps.ended == {leg: EndReason.LEFT_DOORBELL}
        assert rig.switchboard.calls == 0


async def test_a_change_that_concerns_nobody_in_a_call_disturbs_no_call():
    async with open_rig() as rig:
        await rig.talk_on_app()
        rig.house = with_quiet(rig.house, of_property=(Quiet(Hours()),))
        rig.switchboard.directory_changed()
        await settled()

        assert rig.switchboard.calls == 1
        assert await opened_by_app(rig)


# -- quiet hours -----------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["of_property", "of_doorbell"])
async def test_in_quiet_hours_a_press_rings_nobody_and_the_panel_says_why(place):
    house = with_quiet(make_house(), **{place: (Quiet(NIGHT, QuietMode.SAY_SO),)})
    async with open_rig(house) as rig:
        at(rig, SUMMER_NIGHT)
        rig.press()

        assert rig.world.apps.told == rig.world.phones.told == []
        assert rig.world.panels.ended == {LEG: EndReason.QUIET_HOURS}
        assert rig.world.screens.shown[-1] == (PANEL, PanelState.ENDED, EndReason.QUIET_HOURS)


async def test_the_hours_are_the_propertys_own_through_summer_and_winter_time():
    house = with_quiet(make_house(), of_property=(Quiet(NIGHT),))
    async with open_rig(house) as rig:
        at(rig, datetime(2026, 12, 30, 20, 30, tzinfo=UTC))  # 21:30 in Oslo
        rig.press()

        assert rig.world.apps.leg


async def test_quiet_hours_for_the_apps_alone_ring_the_phone():
    house = with_quiet(make_house(), of_doorbell=(Quiet(NIGHT, QuietMode.PHONE_ONLY),))
    async with open_rig(house) as rig:
        at(rig, SUMMER_NIGHT)
        rig.press()
        rig.switchboard.device_online(AppTarget(ANNA, DeviceId("anna-2")))
        await settled()

        assert rig.world.apps.told == []
        assert list(rig.world.phones.ringing.values()) == [PhoneTarget(ANNA, ANNA_NUMBER)]


def test_an_unknown_time_zone_is_taken_for_utc_so_that_doors_still_ring():
    assert local_time(SUMMER_NIGHT, "Nowhere/At-All") == LocalTime(1, 20 * 60 + 30)
    assert local_time(SUMMER_NIGHT, "Europe/Oslo") == LocalTime(1, 22 * 60 + 30)
    assert local_time(SUMMER_NIGHT, "../../etc/passwd") == LocalTime(1, 20 * 60 + 30)


# -- ready answers ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ReadyAnswer.COMING, Words.COMING),
        (ReadyAnswer.LEAVE_IT, Words.LEAVE_IT),
        (ReadyAnswer.WRONG_DOOR, Words.WRONG_DOOR),
    ],
)
async def test_a_ready_answer_is_shown_and_said_to_the_visitor_and_the_app_is_told(
    answer, words, monkeypatch
):
    async with open_rig() as rig:
        rig.press()
        leg, played = rig.world.apps.leg, []
        bridge = rig.world.apps.facts.bridge
        monkeypatch.setattr(bridge, "play", lambda whom, pcm: played.append((whom, pcm)) or 1.0)
        rig.post(ev.AnswerChosen(leg, answer))
        await settled()

        assert [each[-1] for each in rig.world.screens.messages] == [answer]
        assert played == [(None, prompts.load(words, "en"))]
        assert ("tell_ready", leg, answer) in rig.world.apps.told
        assert rig.world.relay.pulses == []
        assert ANNA_APP in rig.world.apps.ringing.values()


async def test_a_ready_answer_of_a_leg_that_was_cancelled_reaches_nobody():
    async with open_rig() as rig:
        rig.world.presence.targets.append(tablet := AppTarget(ANNA, DeviceId("anna-2")))
        rig.press()
        tablet_leg = rig.world.apps.leg_of(tablet)
        rig.post(ev.LegAnswered(rig.world.apps.leg_of(ANNA_APP)))
        rig.post(ev.AnswerChosen(tablet_leg, ReadyAnswer.COMING))
        await settled()

        assert rig.world.screens.messages == []
