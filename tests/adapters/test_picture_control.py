"""Key frames asked for by SIP INFO: of panels that know no feedback by RTCP, and of nobody else."""

import pytest

from intercom.sip.events import DialogEnded, InfoReceived, InviteAnswered
from intercom.sip.offer_answer import LocalMedia, make_offer
from tests.adapters.sip_rig import HOST, until
from tests.adapters.test_sip_panel_legs import panel_and_router, pressed

WITH_PICTURE = LocalMedia(HOST, 40000, 40001, video_port=40002, video_rtcp_port=40003)
KNOWS_RTCP = make_offer(WITH_PICTURE)
KNOWS_NONE = b"\r\n".join(
    line for line in KNOWS_RTCP.split(b"\r\n") if not line.startswith(b"a=rtcp-fb")
)


async def answered(panel, router, offer):
    dialog = await pressed(panel, router, body=offer)
    router.legs.answer(router.leg)
    await panel.hear(InviteAnswered)
    await until(router.legs._legs[router.leg].confirmed.is_set)
    return dialog


def ask(router):
    router.legs._legs[router.leg].media.on_key_frame_wanted()


async def test_a_panel_without_feedback_by_rtcp_is_asked_by_info():
    async with panel_and_router() as (panel, router):
        await answered(panel, router, KNOWS_NONE)

        ask(router)
        asked = await panel.hear(InfoReceived)

        assert asked.content_type == "application/media_control+xml"
        assert b"<picture_fast_update/>" in asked.body


async def test_a_panel_that_agreed_to_pli_is_not_asked_by_info():
    async with panel_and_router() as (panel, router):
        await answered(panel, router, KNOWS_RTCP)

        ask(router)
        router.legs._legs[router.leg].picture._transport.endpoint.send_info(
            router.legs._legs[router.leg].dialog, router.transport.now, "text/plain", b"x"
        )
        router.transport.drain()

        assert (await panel.hear(InfoReceived)).content_type == "text/plain"


async def test_before_the_answer_nothing_is_asked():
    async with panel_and_router() as (panel, router):
        await pressed(panel, router, body=KNOWS_NONE)
        router.legs.progress(router.leg)

        ask(router)
        router.legs.answer(router.leg)
        await panel.hear(InviteAnswered)

        assert panel.all(InfoReceived) == []


@pytest.mark.parametrize("status", [408, 415, 501])
async def test_a_panel_that_refuses_or_says_nothing_keeps_its_call_and_is_asked_no_more(status):
    async with panel_and_router() as (panel, router):
        await answered(panel, router, KNOWS_NONE)
        leg = router.legs._legs[router.leg]

        ask(router)
        await panel.hear(InfoReceived)
        leg.picture.answered(status)
        ask(router)
        ask(router)

        assert len(panel.all(InfoReceived)) == 1
        assert panel.all(DialogEnded) == []
