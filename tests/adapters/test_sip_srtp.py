"""Panels with SRTP through the SIP adapter: what their profile allows, and where keys never show."""

from base64 import b64encode

import pytest
from structlog.testing import capture_logs

from intercom.routing.directory import Encryption, PanelProfile
from intercom.sip.events import (
    InviteAnswered,
    InviteFailed,
    InviteProgressed,
    ReinviteAnswered,
    ReinviteFailed,
)
from intercom.sip.offer_answer import LocalMedia, Srtp, make_offer, read_answer
from tests.adapters.sip_rig import HOST
from tests.adapters.test_sip_panel_legs import panel_and_router, pressed
from tests.fakes import make_house
from tests.sip.test_offer_answer_srtp import THEIRS

PORT = 40_000


def house_with(encryption):
    return make_house(profile=PanelProfile(srtp=encryption))


def offer(srtp, port=PORT):
    return make_offer(LocalMedia(HOST, port, port + 1, srtp=srtp, keys=THEIRS))


@pytest.mark.parametrize("encryption", [Encryption.OPTIONAL, Encryption.REQUIRED])
async def test_a_panel_that_offers_savp_gets_savp_and_its_leg_is_encrypted(encryption):
    async with panel_and_router(house_with(encryption)) as (panel, router):
        await pressed(panel, router, body=offer(Srtp.REQUIRED))
        router.legs.progress(router.leg)
        progress = await panel.hear(InviteProgressed)

        agreed = read_answer(offer(Srtp.REQUIRED), progress.body)
        media = router.legs._legs[router.leg].media
        assert b"RTP/SAVP" in progress.body
        assert agreed.audio.crypto.key in media.keys.audio
        assert media.is_encrypted


@pytest.mark.parametrize(
    ("encryption", "srtp"), [(Encryption.OFF, Srtp.REQUIRED), (Encryption.REQUIRED, Srtp.OFF)]
)
async def test_what_the_profile_forbids_is_488_and_the_log_says_why(encryption, srtp):
    async with panel_and_router(house_with(encryption)) as (panel, router):
        with capture_logs() as logs:
            panel.call(router.transport, body=offer(srtp))
            failed = await panel.hear(InviteFailed)

        assert failed.status == 488
        assert router.presses == []
        (line,) = [each for each in logs if each["event"] == "panel.offer_refused"]
        assert line["status"] == 488


async def test_a_new_key_by_re_invite_is_taken_and_clear_is_refused():
    async with panel_and_router(house_with(Encryption.OPTIONAL)) as (panel, router):
        dialog = await pressed(panel, router, body=offer(Srtp.REQUIRED))
        router.legs.answer(router.leg)
        await panel.hear(InviteAnswered)
        panel.sip.endpoint.reinvite(dialog, panel.sip.now, offer(Srtp.REQUIRED, PORT + 10))
        panel.sip.flush()
        answered = await panel.hear(ReinviteAnswered)
        assert b"RTP/SAVP" in answered.body

        panel.sip.endpoint.reinvite(dialog, panel.sip.now, offer(Srtp.OFF, PORT + 20))
        panel.sip.flush()
        assert (await panel.hear(ReinviteFailed)).status == 488
        assert router.legs._legs[router.leg].media.is_encrypted


async def test_no_key_is_logged_or_shown():
    async with panel_and_router(house_with(Encryption.REQUIRED)) as (panel, router):
        with capture_logs() as logs:
            await pressed(panel, router, body=offer(Srtp.REQUIRED))
            router.legs.answer(router.leg)
        media = router.legs._legs[router.leg].media

        shown = repr((logs, media.keys, media._negotiated, router.presses))
        for key in (*THEIRS.audio, *media.keys.audio):
            assert repr(key.key)[2:-1] not in shown
            assert b64encode(key.key).decode() not in shown
