"""Our SIP endpoint calls sipp's phones, as the router's trunk leg does."""

import asyncio
from pathlib import Path

import pytest

from intercom.sip.events import InfoReceived, InviteAnswered, InviteFailed, InviteProgressed
from tests.firmware_sim.boxes import box, caller
from tests.interop.strangers import Sipp

pytestmark = [pytest.mark.interop, pytest.mark.timeout(40)]


@pytest.mark.parametrize(
    ("scenario", "has_event", "has_info"),
    [
        ("phone_presses_5_by_event", True, False),
        ("phone_presses_5_by_info", False, True),
        ("phone_presses_5_by_both", True, True),
    ],
)
async def test_sipp_phone_answers_and_presses_5(
    scenario: str, has_event: bool, has_info: bool, tmp_path: Path
) -> None:
    async with Sipp(scenario, folder=tmp_path) as phone, caller() as trunk:
        dialog = trunk.call(phone.port, "+4790000001")
        await trunk.event(InviteAnswered)
        if has_info:
            info = await trunk.event(InfoReceived)
            assert info.content_type == "application/dtmf-relay"
            assert b"Signal=5" in info.body
        else:
            await asyncio.sleep(2.0)
        trunk.hang_up(dialog)

        assert await phone.ended() == 0, phone.errors()

    assert trunk.ear.digits == (["5"] if has_event else [])


async def test_busy_sipp_phone_refuses(tmp_path: Path) -> None:
    async with Sipp("phone_is_busy", folder=tmp_path) as phone, caller() as trunk:
        trunk.call(phone.port, "+4790000001")

        assert (await trunk.event(InviteFailed)).status == 486
        assert await phone.ended() == 0, phone.errors()


async def test_ringing_sipp_phone_is_cancelled(tmp_path: Path) -> None:
    async with Sipp("phone_never_answers", folder=tmp_path) as phone, caller() as trunk:
        dialog = trunk.call(phone.port, "+4790000001")
        await trunk.event(InviteProgressed)
        trunk.cancel(dialog)

        assert (await trunk.event(InviteFailed)).status == 487
        assert await phone.ended() == 0, phone.errors()


async def test_sipp_calls_a_phone_through_the_carrier(tmp_path: Path) -> None:
    async with (
        box(
            "carrier",
            *("--trunk-user", "intercom", "--trunk-password", "trunk-secret"),
            *("--subscriber", "+4790000001:4790000001:secret", "--legacy-digest"),
        ) as carrier,
        box(
            "phone",
            *("--registrar", f"127.0.0.1:{carrier.ports['subscriber_port']}"),
            *("--user", "4790000001", "--password", "secret", "--answer-after-s", "1"),
        ) as phone,
    ):
        await phone.reaches("/api/state", registered=True)
        async with Sipp(
            "caller_with_digest",
            folder=tmp_path,
            remote=("127.0.0.1", carrier.ports["sip_port"]),
            service="+4790000001",
            caller="+4723506953",
            username="intercom",
            password="trunk-secret",
        ) as stranger:
            assert await stranger.ended() == 0, stranger.errors()
        state = await phone.reaches("/api/state", call__phase="ended")

    assert state["call"]["caller_id"] == "+4723506953"
    assert state["call"]["first_sound_ms"] is not None
