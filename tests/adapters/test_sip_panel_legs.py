"""Panels that call by SIP, over UDP on loopback: presses, refusals in words, and the end of it."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest

from intercom.adapters.sip.panel_legs import _REFUSALS, SipPanelLegs
from intercom.adapters.sip.transport import SipTransport
from intercom.errors import MediaError
from intercom.media.port import PortPool
from intercom.routing import events as ev
from intercom.routing.commands import EndReason
from intercom.routing.directory import Directory, EarlyMedia, PanelProfile
from intercom.sip.address import Address
from intercom.sip.digest import Credentials
from intercom.sip.events import (
    DialogEnded,
    InviteAnswered,
    InviteFailed,
    InviteProgressed,
    ReinviteAnswered,
    ReinviteFailed,
)
from intercom.sip.offer_answer import Codec, LocalMedia, make_offer, read_answer
from tests.adapters.sip_rig import (
    HOST,
    Stranger,
    free_port,
    open_files,
    router_of,
    stranger,
    until,
)
from tests.fakes import PANEL, Posted, make_house

ANSWERS = PanelProfile(early=EarlyMedia.ANSWER)


@dataclass
class Router:
    transport: SipTransport
    legs: SipPanelLegs
    posted: Posted
    presses: list = field(default_factory=list)
    refusal: EndReason | None = None

    is_opening: bool = True
    """Whether the press goes on as far as the panel's media, as a call does."""

    def press(self, panel, button, leg_id, media):
        self.presses.append((panel.panel_id, button, leg_id, media))
        if self.refusal is None and self.is_opening:
            try:
                media.open()
            except MediaError:
                self.legs.end(leg_id, EndReason.FAULT)
        return self.refusal

    @property
    def leg(self):
        return self.presses[-1][2]


@contextlib.asynccontextmanager
async def panel_and_router(
    house: Directory | None = None, pool: PortPool | None = None
) -> AsyncIterator[tuple[Stranger, Router]]:
    house = house or make_house()
    posted = Posted()
    async with router_of(house) as transport, stranger() as panel:
        router = Router(transport, None, posted)  # type: ignore[arg-type]  # the next line
        router.legs = SipPanelLegs(
            transport,
            pool or PortPool(HOST),
            directory=lambda: house,
            token=transport.endpoint._core.token,
            media_host=HOST,
            on_press=router.press,
            post=posted,
        )
        transport.on_invite = router.legs.invite_received
        yield panel, router
        for leg_id in list(router.legs._legs):
            router.legs.end(leg_id, EndReason.SHUTTING_DOWN)
        assert transport._handlers == {}


async def pressed(panel: Stranger, router: Router, **how) -> str:
    dialog = panel.call(router.transport, **how)
    await until(lambda: router.presses)
    return dialog


async def test_an_invite_of_a_known_panel_becomes_a_press():
    async with panel_and_router() as (panel, router):
        await pressed(panel, router)

        assert router.presses[0][:2] == (PANEL, "anna")
        assert router.presses[0][3].codec is Codec.PCMA


async def test_progress_gives_183_with_our_description():
    async with panel_and_router() as (panel, router):
        await pressed(panel, router)
        router.legs.progress(router.leg)
        progress = await panel.hear(InviteProgressed)

        assert progress.status == 183
        assert read_answer(panel.offer, progress.body).audio.codec is Codec.PCMA


async def test_a_panel_that_gives_no_picture_before_200_is_answered_at_once_and_ended_by_bye():
    async with panel_and_router(make_house(profile=ANSWERS)) as (panel, router):
        await pressed(panel, router)
        router.legs.progress(router.leg)
        router.legs.answer(router.leg)
        await panel.hear(InviteAnswered)
        router.legs.end(router.leg, EndReason.NOBODY_ANSWERED)
        await panel.hear(DialogEnded)

        assert panel.all(InviteProgressed) == []
        assert any(b'text="Nobody answers"' in each for each in panel.datagrams)


async def test_who_is_in_no_building_is_refused_with_403():
    async with panel_and_router() as (panel, router):
        panel.call(router.transport, user="x")
        failed = await panel.hear(InviteFailed)

        assert (failed.status, failed.reason) == (403, "Not a panel of this building")
        assert router.presses == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"v=0\r\nm=audio 40000 RTP/AVP 18\r\nc=IN IP4 127.0.0.1\r\n", 488),
        (b"no description", 400),
    ],
)
async def test_an_offer_without_a_codec_in_common_is_refused_and_holds_no_port(body, status):
    async with panel_and_router() as (panel, router):
        before = open_files()
        panel.call(router.transport, body=body)
        failed = await panel.hear(InviteFailed)

        assert failed.status == status
        assert open_files() == before


async def test_without_a_free_port_the_press_is_refused_with_503():
    even = free_port() & ~1
    async with panel_and_router(pool=PortPool(HOST, even, even + 1)) as (panel, router):
        await pressed(panel, router)
        panel.call(router.transport)
        failed = await panel.hear(InviteFailed)

        assert (failed.status, failed.reason) == (503, "No media port free")


async def test_a_panels_cancel_is_told_and_frees_its_ports():
    async with panel_and_router() as (panel, router):
        before = open_files()
        dialog = await pressed(panel, router)
        panel.hang_up(dialog)
        await until(lambda: router.posted.events)

        assert router.posted.events == [(router.leg, ev.PanelLeft(router.leg))]
        assert open_files() == before
        assert router.legs._legs == {}


async def test_a_panels_bye_is_told_and_what_we_do_later_changes_nothing():
    async with panel_and_router() as (panel, router):
        dialog = await pressed(panel, router)
        router.legs.answer(router.leg)
        await panel.hear(InviteAnswered)
        panel.hang_up(dialog)
        await until(lambda: router.posted.events)
        for act in (router.legs.progress, router.legs.answer):
            act(router.leg)
        router.legs.end(router.leg, EndReason.FAULT)

        assert router.posted.events == [(router.leg, ev.PanelLeft(router.leg))]


@pytest.mark.parametrize("reason", EndReason)
async def test_an_unanswered_panel_is_refused_in_words_for_every_reason(reason):
    async with panel_and_router() as (panel, router):
        await pressed(panel, router)
        router.legs.end(router.leg, reason)
        router.legs.end_farewells()
        failed = await panel.hear(InviteFailed)

        assert (failed.status, failed.reason) == _REFUSALS.get(reason, (480, "Ended"))
        assert router.legs._legs == {}


async def test_a_press_that_the_switchboard_refuses_is_refused_and_forgotten():
    async with panel_and_router() as (panel, router):
        router.refusal = EndReason.NO_SUCH_BUTTON
        panel.call(router.transport, "nobody")
        failed = await panel.hear(InviteFailed)

        assert failed.status == 404
        assert router.legs._legs == {}


async def test_a_fault_of_the_press_refuses_that_press_and_the_next_one_works():
    async with panel_and_router() as (panel, router):
        router.legs._on_press = lambda *_: 1 / 0
        panel.call(router.transport)
        failed = await panel.hear(InviteFailed)
        router.legs._on_press = router.press
        await pressed(panel, router)

        assert failed.status >= 480
        assert router.presses


async def test_a_reinvite_moves_the_sound_and_a_bad_one_changes_nothing():
    async with panel_and_router() as (panel, router):
        dialog = await pressed(panel, router)
        router.legs.answer(router.leg)
        await panel.hear(InviteAnswered)
        moved = make_offer(LocalMedia(host=HOST, audio_port=41_000, audio_rtcp_port=41_001))
        panel.sip.endpoint.reinvite(dialog, panel.sip.now, moved)
        panel.sip.flush()
        await panel.hear(ReinviteAnswered)
        foreign = moved.replace(b"RTP/AVP", b"RTP/SAVP")
        panel.sip.endpoint.reinvite(dialog, panel.sip.now, foreign)
        panel.sip.flush()
        refused = await panel.hear(ReinviteFailed)

        leg = router.legs._legs[router.leg]
        assert leg.media._audio.latch.signalled == (HOST, 41_000)
        assert refused.status == 488


async def test_keys_that_a_panel_sends_are_nobodys():
    async with panel_and_router() as (panel, router):
        dialog = await pressed(panel, router)
        router.legs.answer(router.leg)
        await panel.hear(InviteAnswered)
        body = b"Signal=5\r\n"
        panel.sip.endpoint.send_info(dialog, panel.sip.now, "application/dtmf-relay", body)
        panel.sip.flush()
        await until(lambda: any(b"INFO" in each and b"200 OK" in each for each in panel.datagrams))

        assert router.posted.events == []


async def test_a_panel_speaks_for_itself_whatever_its_from_says():
    house = make_house(panels=(PANEL, "panel-b"))
    other = replace(house.panels["panel-b"], password="another one")
    house = replace(house, panels={**house.panels, "panel-b": other})
    async with panel_and_router(house) as (panel, router):
        host = f"{HOST}:{router.transport.port}"
        panel.sip.endpoint.invite(
            panel.sip.now,
            target=f"sip:anna@{host}",
            destination=Address(HOST, router.transport.port),
            from_uri=f"sip:panel-b@{host}",
            body=panel.offer,
            credentials=Credentials(PANEL, "panel's own"),
        )
        panel.sip.flush()
        await until(lambda: router.presses)

        assert router.presses[0][0] == PANEL


async def test_a_press_that_is_refused_opens_no_port():
    async with panel_and_router() as (panel, router):
        router.refusal = EndReason.NO_SUCH_BUTTON
        panel.call(router.transport)
        await panel.hear(InviteFailed)

        assert router.legs._legs == {}


async def test_the_media_of_a_panel_that_has_gone_meanwhile_is_closed_at_once():
    async with panel_and_router() as (panel, router):
        router.is_opening = False
        dialog = await pressed(panel, router)
        panel.sip.endpoint.cancel(dialog, panel.sip.now)
        panel.sip.flush()
        await until(lambda: router.posted.events)

        media = router.presses[0][3].open()

        assert media._audio.rtp._socket.fileno() == -1
        assert router.legs._legs == {}
