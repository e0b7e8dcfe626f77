"""What panels do otherwise than each other: late and missing offers, hold, silence, proxies, claims."""

import asyncio
import contextlib
import socket
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from intercom.adapters.sip import panel_legs
from intercom.routing import events as ev
from intercom.routing.commands import EndReason
from intercom.routing.directory import EarlyMedia, Encryption, PanelProfile
from intercom.sip.address import Address
from intercom.sip.digest import Credentials
from intercom.sip.events import (
    InviteAnswered,
    InviteFailed,
    InviteProgressed,
    ReinviteAnswered,
)
from intercom.sip.offer_answer import Codec, Direction, LocalMedia, make_offer, read_answer
from tests.adapters.sip_rig import HOST, until
from tests.adapters.test_sip_panel_legs import panel_and_router, pressed
from tests.fakes import PANEL, make_house

SOUND = LocalMedia(HOST, 40_000, 40_001)
BOTH = LocalMedia(HOST, 40_000, 40_001, 40_002, 40_003)


def house_with(**profile):
    return make_house(profile=PanelProfile(**profile))


async def answered(panel, router, **how):
    dialog = await pressed(panel, router, **how)
    router.legs.answer(router.leg)
    await panel.hear(InviteAnswered)
    return dialog


async def reoffered(panel, dialog, offer):
    """Send a re-INVITE; give the answer."""
    count = len(panel.all(ReinviteAnswered))
    panel.sip.endpoint.reinvite(dialog, panel.sip.now, offer)
    panel.sip.flush()
    await until(lambda: len(panel.all(ReinviteAnswered)) > count)
    return panel.all(ReinviteAnswered)[-1].body


@pytest.mark.parametrize(
    ("codecs", "codec"),
    [(("PCMU", "PCMA"), Codec.PCMU), (("PCMU",), Codec.PCMU), (("PCMA",), Codec.PCMA)],
)
async def test_the_profile_says_which_law_is_preferred(codecs, codec):
    async with panel_and_router(house_with(codecs=codecs)) as (panel, router):
        await pressed(panel, router)
        router.legs.progress(router.leg)
        progress = await panel.hear(InviteProgressed)

        assert router.presses[0][3].codec is codec
        assert read_answer(panel.offer, progress.body).audio.codec is codec


async def test_a_panel_whose_picture_comes_by_http_gets_none_by_sip():
    async with panel_and_router(house_with(early=EarlyMedia.SNAPSHOT)) as (panel, router):
        panel.offer = make_offer(BOTH)
        await pressed(panel, router)
        router.legs.progress(router.leg)
        progress = await panel.hear(InviteProgressed)

        assert router.presses[0][3].picture is None
        assert read_answer(panel.offer, progress.body).video is None


async def test_a_picture_that_comes_late_is_refused_and_the_sound_goes_on():
    async with panel_and_router() as (panel, router):
        dialog = await answered(panel, router)
        offer = make_offer(replace(BOTH, session_version=2))
        answer = await reoffered(panel, dialog, offer)

        agreed = read_answer(offer, answer)
        assert agreed.video is None
        assert agreed.audio.can_send
        assert router.legs._legs[router.leg].media.takes_sound


async def test_hold_stops_the_sound_and_its_end_starts_it_again():
    async with panel_and_router() as (panel, router):
        dialog = await answered(panel, router)
        media = router.legs._legs[router.leg].media
        held = replace(SOUND, audio_direction=Direction.SENDONLY, session_version=2)
        answer = await reoffered(panel, dialog, make_offer(held))
        assert b"a=recvonly" in answer
        assert not media.takes_sound

        await reoffered(panel, dialog, make_offer(replace(SOUND, session_version=3)))
        assert media.takes_sound


async def test_a_panel_that_leaves_the_offer_to_us_is_answered_at_once_and_must_agree_by_its_ack():
    async with panel_and_router() as (panel, router):
        panel.call(router.transport, body=b"")
        await until(lambda: router.presses)
        router.legs.progress(router.leg)
        offer = (await panel.hear(InviteAnswered)).body
        await until(lambda: router.posted.events)  # its ACK is empty

        assert router.presses[0][3].codec is Codec.PCMA
        assert router.presses[0][3].picture is not None
        assert b"m=audio" in offer
        assert b"PCMU/8000" in offer
        assert b"H264/90000" in offer
        assert panel.all(InviteProgressed) == []
        assert router.posted.events == [(router.leg, ev.PanelLeft(router.leg))]


async def test_keys_and_silence_of_a_panel_that_is_heard_in_time_warn_nobody(monkeypatch):
    monkeypatch.setattr(panel_legs, "SILENCE_BEFORE_ANSWER_S", 0.05)
    async with panel_and_router() as (panel, router):
        with capture_logs() as logs:
            await pressed(panel, router)
            router.legs.progress(router.leg)
            leg = router.legs._legs[router.leg]
            leg.media._audio.latch.follow((HOST, 40_000))
            await until(lambda: leg.silence.when() < router.transport.now - 0.02)

        assert [line["event"] for line in logs] == []


async def test_a_panel_that_stays_silent_on_183_is_told_of_once_and_not_answered(monkeypatch):
    monkeypatch.setattr(panel_legs, "SILENCE_BEFORE_ANSWER_S", 0.05)
    async with panel_and_router() as (panel, router):
        with capture_logs() as logs:
            for _ in range(2):
                router.presses.clear()
                await pressed(panel, router)
                router.legs.progress(router.leg)
                await until(lambda: logs)
                router.legs.end(router.leg, EndReason.VISITOR_LEFT)

        assert [line["event"] for line in logs] == ["panel.silent_before_answer"]
        assert 'early = "answer"' in logs[0]["remedy"]
        assert panel.all(InviteAnswered) == []


async def test_a_panel_that_gave_up_in_time_is_not_called_silent(monkeypatch):
    monkeypatch.setattr(panel_legs, "SILENCE_BEFORE_ANSWER_S", 0.1)
    async with panel_and_router() as (panel, router):
        with capture_logs() as logs:
            dialog = await pressed(panel, router)
            router.legs.progress(router.leg)
            leg = router.legs._legs[router.leg]
            panel.hang_up(dialog)
            await until(lambda: router.posted.events)

            assert leg.silence.cancelled()
        assert router.posted.events == [(router.leg, ev.PanelLeft(router.leg))]
        assert logs == []


@pytest.mark.parametrize("policy", [Encryption.OFF, Encryption.REQUIRED])
async def test_encryption_is_as_the_profile_says(policy):
    async with panel_and_router(house_with(srtp=policy)) as (panel, router):
        key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40
        body = (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio 40000 RTP/SAVP 8\r\na=rtpmap:8 PCMA/8000\r\n{key}\r\n"
        )
        panel.call(router.transport, body=body.encode())
        if policy is Encryption.OFF:
            assert (await panel.hear(InviteFailed)).status == 488
        else:
            await until(lambda: router.presses)
            assert router.legs._legs[router.leg].media.is_encrypted


async def test_a_panel_behind_a_proxy_is_known_by_its_digest_user_and_hung_up_through_the_proxy():
    async with panel_and_router() as (panel, router):
        host = f"{HOST}:{router.transport.port}"
        stop = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        stop.setblocking(False)
        stop.bind((HOST, 0))
        proxy = f"<sip:{HOST}:{stop.getsockname()[1]};lr>"
        loop = asyncio.get_running_loop()
        claims = [
            ("Record-Route", proxy),
            ("P-Asserted-Identity", "<sip:panel-b@example.net>"),
            ("Remote-Party-ID", "<sip:panel-b@example.net>;privacy=off"),
            ("Diversion", "<sip:panel-b@example.net>;reason=unconditional"),
            ("Privacy", "id"),
        ]
        panel.sip.endpoint.invite(
            panel.sip.now,
            target=f"sip:anna@{host}",
            destination=Address(HOST, router.transport.port),
            from_uri=f"sip:anonymous@{host}",
            body=panel.offer,
            credentials=Credentials(PANEL, "panel's own"),
            headers=claims,
        )
        panel.sip.flush()
        await until(lambda: router.presses)
        router.legs.answer(router.leg)
        await panel.hear(InviteAnswered)
        with contextlib.closing(stop):
            async with asyncio.timeout(2):
                ack = await loop.sock_recv(stop, 4096)
                await loop.sock_sendto(stop, ack, (HOST, router.transport.port))
                await until(router.legs._legs[router.leg].confirmed.is_set)
                router.legs.end(router.leg, EndReason.RESIDENT_HUNG_UP)
                bye = await loop.sock_recv(stop, 4096)

        assert router.presses[0][0] == PANEL
        assert ack.startswith(b"ACK ")
        assert bye.startswith(b"BYE ")
        assert f"Route: {proxy}".encode() in bye
