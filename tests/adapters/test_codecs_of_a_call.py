"""One codec for all legs of a call: the panel's is offered first, what needs a transcoding by its room."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from intercom.adapters.app_legs import AppLegs
from intercom.media.mux import MuxPort
from intercom.routing import events as ev
from intercom.routing.commands import EndReason
from intercom.routing.events import LegFailure
from intercom.sip import sdp
from intercom.sip.codec import G711, Codec, codecs_of
from intercom.sip.events import DialogEnded, InviteProgressed, InviteReceived
from intercom.sip.offer_answer import LocalMedia, make_answer, make_offer, read_answer
from intercom.trace import Trace
from tests.adapters.sip_rig import HOST, facts_of, token, until
from tests.adapters.test_app_legs import DEVICE, IDENTITY
from tests.adapters.test_panel_profiles import house_with, panel_and_router, pressed
from tests.adapters.test_sip_phone_legs import LEG, carrier_and_router
from tests.fakes import ANNA_APP, FakeChannel, Posted, make_house

BUSY = 0


def local(*codecs):
    return LocalMedia(HOST, 40_000, 40_001, codecs=codecs)


def sounds_of(body):
    return [codec for _, codec in codecs_of(sdp.parse(body).media[0])]


def router_in_a_call_of(router, codec, *, limit=24):
    router.call = replace(router.call, codec=codec)
    router.call.bridge.transcodings.limit = limit


@pytest.mark.parametrize(
    ("panel", "limit", "offered"),
    [
        (Codec.PCMU, 24, [Codec.PCMU, Codec.PCMA]),
        (Codec.PCMA, BUSY, [Codec.PCMA, Codec.PCMU]),
        (Codec.OPUS, 24, [Codec.OPUS, *G711]),
        (Codec.OPUS, BUSY, [Codec.OPUS]),
        (Codec.G722, 24, [Codec.G722, *G711]),
        (Codec.G722, BUSY, [Codec.G722]),
    ],
)
async def test_a_phone_is_offered_the_panels_codec_first_and_others_while_there_is_room(
    panel, limit, offered
):
    async with carrier_and_router() as (carrier, router):
        router_in_a_call_of(router, panel, limit=limit)

        router.ring()
        invite = await carrier.hear(InviteReceived)

        assert sounds_of(invite.body) == offered


@pytest.mark.parametrize(("limit", "is_taken"), [(24, True), (BUSY, False)])
async def test_a_phone_that_answers_when_the_room_is_gone_fails_and_the_operator_is_told(
    limit, is_taken
):
    async with carrier_and_router() as (carrier, router):
        router_in_a_call_of(router, Codec.OPUS)
        router.ring()
        invite = await carrier.hear(InviteReceived)
        router.call.bridge.transcodings.limit = limit
        body, _ = make_answer(invite.body, local(Codec.PCMA))

        with capture_logs() as logs:
            carrier.sip.endpoint.respond(invite.dialog, carrier.sip.now, 200, body=body)
            carrier.sip.flush()
            await until(lambda: router.posted.of(ev.LegAnswered) or router.failures)

        assert bool(router.posted.of(ev.LegAnswered)) is is_taken
        if not is_taken:
            assert router.failures == [LegFailure.REFUSED]
            assert "media.transcoding_refused" in [entry["event"] for entry in logs]
            await carrier.hear(DialogEnded)


async def test_a_phone_that_shares_the_codec_needs_no_room():
    async with carrier_and_router() as (carrier, router):
        router_in_a_call_of(router, Codec.OPUS, limit=BUSY)
        router.ring()
        invite = await carrier.hear(InviteReceived)
        body, _ = make_answer(invite.body, local(Codec.OPUS))

        carrier.sip.endpoint.respond(invite.dialog, carrier.sip.now, 200, body=body)
        carrier.sip.flush()
        await until(lambda: router.posted.of(ev.LegAnswered))

        assert router.legs._legs[LEG].media.codec is Codec.OPUS


@pytest.mark.parametrize(
    ("panel", "limit", "formats"),
    [(Codec.PCMA, BUSY, "8 0"), (Codec.OPUS, 24, "111 8 0"), (Codec.G722, BUSY, "9")],
)
async def test_an_app_is_offered_the_panels_codec_first(panel, limit, formats):
    call = replace(facts_of(make_house()), codec=panel)
    call.bridge.transcodings.limit = limit
    channel = FakeChannel(DEVICE)
    async with MuxPort.open(HOST, 0, [HOST]) as mux:
        legs = AppLegs(channel, mux, IDENTITY, token=token, trace=Trace(lambda: 0.0), post=Posted())
        legs.ring(call, LEG, ANNA_APP)

        (ring,) = channel.of("ring", DEVICE)
        call.bridge.close()
        legs.end(LEG, EndReason.FAULT)

    assert f"UDP/TLS/RTP/SAVPF {formats}\r\n" in ring["offer"]
    assert ring["codec"] == panel.name


@pytest.mark.parametrize(
    ("listed", "panels", "agreed"),
    [
        (None, (Codec.OPUS, Codec.G722, Codec.PCMU), Codec.PCMU),
        (None, (Codec.OPUS, Codec.G722), Codec.G722),
        (None, (Codec.OPUS,), Codec.OPUS),
        (("OPUS", "PCMA"), (Codec.PCMA, Codec.OPUS), Codec.OPUS),
        (("G722", "PCMA"), (Codec.PCMA, Codec.OPUS, Codec.G722), Codec.G722),
    ],
)
async def test_a_panel_gets_g711_unless_it_has_none_or_its_profile_says_otherwise(
    listed, panels, agreed
):
    house = make_house() if listed is None else house_with(codecs=listed)
    async with panel_and_router(house) as (panel, router):
        panel.offer = make_offer(local(*panels))
        await pressed(panel, router)
        router.legs.progress(router.leg)
        progress = await panel.hear(InviteProgressed)

        assert router.presses[0][3].codec is agreed
        assert read_answer(panel.offer, progress.body).audio.codec is agreed
