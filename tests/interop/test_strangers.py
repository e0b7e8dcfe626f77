"""The strangers do what their scenarios say, proven by letting them call each other."""

import asyncio
from pathlib import Path

import pytest

from intercom.media.tones import tone_share
from tests.interop.strangers import Baresip, Namespace, Sipp

pytestmark = [pytest.mark.interop, pytest.mark.timeout(40)]


async def test_baresip_calls_sipp_which_presses_5_by_info_and_event(tmp_path: Path) -> None:
    async with (
        Namespace() as namespace,
        Sipp("phone_presses_5_by_both", folder=tmp_path, host=namespace.host) as phone,
        Baresip(
            namespace,
            folder=tmp_path,
            server=phone.address,
            username="panel",
            password="secret",
            is_registering=False,
        ) as panel,
    ):
        await panel.dial(f"sip:100@{phone.host}:{phone.port}")
        await panel.event("CALL_ESTABLISHED")
        await panel.event("CALL_DTMF_START")
        await panel.hang_up()

        assert await phone.ended() == 0, phone.errors()

    assert "m=video" in phone.messages()
    assert "H264" in phone.messages()


async def test_a_panel_by_baresip_is_seen_and_heard_by_another_baresip(tmp_path: Path) -> None:
    async with (
        Namespace() as namespace,
        Baresip(
            namespace,
            folder=tmp_path,
            server=(namespace.guest, 5060),
            username="resident",
            password="secret",
            is_registering=False,
            is_answering=True,
        ) as resident,
        Baresip(
            namespace,
            folder=tmp_path,
            server=(namespace.guest, 5060),
            username="panel",
            password="secret",
            is_registering=False,
            tone_hz=1000,
        ) as panel,
    ):
        await panel.dial(f"sip:resident@{namespace.guest}:{resident.sip_port}")
        await panel.event("CALL_ESTABLISHED")
        await asyncio.sleep(2.0)
        await panel.hang_up()
        await resident.event("CALL_CLOSED")

        heard = resident.heard()

    assert len(heard) > 1.5 * 16_000
    assert tone_share(heard, 1000) > 0.95
