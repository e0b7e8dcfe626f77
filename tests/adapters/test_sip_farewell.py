"""What a visitor at a SIP panel hears before the end, as sound on a real socket (B10)."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from intercom.adapters.sip.announcement import TAIL_S
from intercom.adapters.sip.farewell import FAREWELLS, LIMIT_S
from intercom.adapters.sip.panel_legs import SipPanelLegs
from intercom.media import prompts
from intercom.media.port import PortPool
from intercom.ports import PanelMedia
from intercom.routing.commands import EndReason
from intercom.routing.directory import EarlyMedia, PanelProfile
from intercom.routing.ids import LegId
from intercom.routing.plan import PANEL_MARGIN_S
from intercom.sip.events import DialogEnded, InviteFailed
from tests.adapters.sip_rig import HOST, Stranger, router_of, stranger, until
from tests.adapters.test_sip_inbound import Ear, ear, offer_at
from tests.fakes import Posted, make_house


@pytest.mark.parametrize("language", prompts.LANGUAGES)
@pytest.mark.parametrize("words", sorted(set(FAREWELLS.values())))
def test_the_plan_leaves_time_for_all_the_words_before_the_panel_gives_up(words, language):
    assert len(prompts.load(words, language)) / 16_000 + TAIL_S < PANEL_MARGIN_S


@dataclass
class House:
    panel: Stranger
    hears: Ear
    legs: SipPanelLegs
    transport: object
    pressed: list[tuple[LegId, PanelMedia]] = field(default_factory=list)

    async def press(self) -> LegId:
        """Ring, up to the sound that the panel gets before any answer."""
        count = len(self.pressed)
        self.panel.call(self.transport, body=offer_at(self.hears.port))
        await until(lambda: len(self.pressed) > count)
        leg_id, media = self.pressed[-1]
        media.open()
        self.legs.progress(leg_id)
        return leg_id


@contextlib.asynccontextmanager
async def house_of(early: EarlyMedia) -> AsyncIterator[House]:
    directory = make_house(profile=PanelProfile(early=early))
    async with router_of(directory) as transport, stranger() as panel, ear() as hears:
        house = House(panel, hears, None, transport)  # type: ignore[arg-type]  # set below
        house.legs = SipPanelLegs(
            transport,
            PortPool(HOST),
            directory=lambda: directory,
            token=transport.endpoint._core.token,
            media_host=HOST,
            on_press=lambda _p, _b, leg, media: house.pressed.append((leg, media)),
            post=Posted(),
        )
        transport.on_invite = house.legs.invite_received
        yield house
        for leg_id in list(house.legs._legs):
            house.legs.end(leg_id, EndReason.SHUTTING_DOWN)
        house.legs.end_farewells()


@pytest.mark.timeout(8)
@pytest.mark.parametrize("early", [EarlyMedia.PROGRESS, EarlyMedia.ANSWER])
async def test_the_visitor_hears_that_nobody_can_be_reached_and_then_it_ends(early):
    async with house_of(early) as house:
        leg_id = await house.press()
        house.legs.end(leg_id, EndReason.NOBODY_REACHABLE)
        end = DialogEnded if early is EarlyMedia.ANSWER else InviteFailed
        with contextlib.suppress(TimeoutError):
            await house.panel.hear(end)
        if not house.panel.all(end):
            await house.panel.hear(end)

        assert house.hears.speech_s > 1.0
        assert house.legs._legs == {}
        if early is EarlyMedia.PROGRESS:
            failed = house.panel.all(InviteFailed)[0]
            assert (failed.status, failed.reason) == (480, "Nobody can be reached")


async def test_a_reached_limit_is_said_within_4_s():
    async with house_of(EarlyMedia.PROGRESS) as house:
        leg_id = await house.press()
        house.legs.end(leg_id, EndReason.TOO_MANY_CALLS)
        for _ in range(3):
            with contextlib.suppress(TimeoutError):
                await house.panel.hear(InviteFailed)

        assert house.hears.speech_s > 2.0
        assert house.hears.speech_s < LIMIT_S
        assert house.panel.all(InviteFailed)[0].reason == "Too many calls right now"


async def test_a_new_press_cuts_the_words_off():
    async with house_of(EarlyMedia.PROGRESS) as house:
        first = await house.press()
        house.legs.end(first, EndReason.NOBODY_REACHABLE)
        second = await house.press()
        await house.panel.hear(InviteFailed)

        assert list(house.legs._legs) == [second]


async def test_a_visitor_who_leaves_hears_nothing_more_and_all_is_freed():
    async with house_of(EarlyMedia.PROGRESS) as house:
        leg_id = await house.press()
        house.legs.end(leg_id, EndReason.NOBODY_ANSWERED)
        dialog = next(iter(house.panel.sip.endpoint._core.usages))
        house.panel.hang_up(dialog)
        await until(lambda: not house.legs._legs)


async def test_an_end_that_the_visitor_knows_is_not_delayed():
    async with house_of(EarlyMedia.PROGRESS) as house:
        leg_id = await house.press()
        house.legs.end(leg_id, EndReason.DOOR_OPENED)

        assert house.legs._legs == {}
