"""The simulated carrier, as a process, called on its trunk."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from intercom.media.tones import tone_share
from intercom.sip.endpoint import Credentials
from intercom.sip.events import (
    InfoReceived,
    InviteAnswered,
    InviteFailed,
    InviteProgressed,
    InviteReceived,
)
from tests.firmware_sim.boxes import CALLER_ID, TRUNK, Box, Caller, box, caller

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(30)]
NUMBER = "+4790000001"


@contextlib.asynccontextmanager
async def carrier_and_caller(*options: str) -> AsyncIterator[tuple[Box, Caller]]:
    async with (
        box(
            "carrier",
            *("--trunk-user", TRUNK.username, "--trunk-password", TRUNK.password),
            *("--subscriber", f"{NUMBER}:4790000001:secret"),
            *("--allowed-caller-id", CALLER_ID, *options),
        ) as carrier,
        caller() as trunk,
    ):
        yield carrier, trunk


@contextlib.asynccontextmanager
async def phone_of(carrier: Box, *options: str) -> AsyncIterator[Box]:
    registrar = f"127.0.0.1:{carrier.ports['subscriber_port']}"
    account = ("--registrar", registrar, "--user", "4790000001", "--password", "secret")
    async with box("phone", *account, *options) as phone:
        await carrier.reaches("/api/state", registered={NUMBER: True})
        yield phone


async def refusal(carrier: Box, trunk: Caller, number: str = NUMBER, **options: str) -> int:
    trunk.call(carrier.ports["sip_port"], number, **options)
    return (await trunk.event(InviteFailed)).status


async def test_unknown_number_is_404() -> None:
    async with carrier_and_caller() as (carrier, trunk):
        assert await refusal(carrier, trunk, "+4799999999") == 404


async def test_caller_id_that_is_not_allowed_is_403_and_recorded() -> None:
    async with carrier_and_caller() as (carrier, trunk):
        assert await refusal(carrier, trunk, caller_id="+4722222222") == 403
        calls = await carrier.get("/api/calls")

    assert calls[0]["from_user"] == "+4722222222"
    assert "+4722222222" in calls[0]["p_asserted_identity"]
    assert (calls[0]["result"], calls[0]["status"]) == ("refused", 403)


async def test_wrong_trunk_password_gets_no_call() -> None:
    async with carrier_and_caller() as (carrier, trunk):
        assert await refusal(carrier, trunk, password="wrong") in {401, 403, 407}
        assert await carrier.get("/api/calls") == []


async def test_phone_that_is_not_registered_is_480() -> None:
    async with carrier_and_caller() as (carrier, trunk):
        assert await refusal(carrier, trunk) == 480


@pytest.mark.parametrize(
    ("fault", "status"),
    [("busy", 486), ("reject_503", 503), ("forbid_caller_id", 403), ("decline", 603)],
)
async def test_fault_refuses_every_call(fault: str, status: int) -> None:
    async with carrier_and_caller() as (carrier, trunk):
        assert await carrier.post("/api/fault", name=fault, on=True) == 200

        assert await refusal(carrier, trunk) == status


async def test_dead_trunk_answers_nothing_until_it_is_mended() -> None:
    async with carrier_and_caller() as (carrier, trunk):
        await carrier.post("/api/fault", name="no_trunk", on=True)
        dialog = trunk.call(carrier.ports["sip_port"], NUMBER)
        with pytest.raises(TimeoutError):
            await trunk.event(InviteFailed, limit_s=1.0)
        trunk.cancel(dialog)

        await carrier.post("/api/fault", name="no_trunk", on=False)
        assert await refusal(carrier, trunk, "+4799999999") == 404


async def test_number_is_found_with_and_without_its_plus_and_the_call_is_recorded() -> None:
    async with (
        carrier_and_caller() as (carrier, trunk),
        phone_of(carrier, "--answer-after-s", "1") as phone,
    ):
        for calls, number in enumerate((NUMBER, NUMBER.removeprefix("+")), start=1):
            dialog = trunk.call(carrier.ports["sip_port"], number)
            await trunk.event(InviteAnswered)
            trunk.hang_up(dialog)
            # It has one line, and says busy to a call that comes before the BYE.
            await phone.reaches("/api/state", calls=calls, call__phase="ended")
        calls = await ended_calls(carrier, 2)

    assert [call["result"] for call in calls] == ["answered", "answered"]
    assert [call["ended_by"] for call in calls] == ["trunk", "trunk"]
    assert all(call["received_ms"] <= call["ringing_ms"] <= call["answered_ms"] for call in calls)


async def test_answering_machine_takes_the_call_greets_with_a_tone_5_and_beeps() -> None:
    async with (
        carrier_and_caller("--answering-machine-after-s", "1.5") as (carrier, trunk),
        phone_of(carrier) as phone,
    ):
        dialog = trunk.call(carrier.ports["sip_port"], NUMBER)
        answer = await trunk.event(InviteAnswered)
        trunk.talk(answer.body)
        await phone.reaches("/api/state", call__phase="ended")
        await asyncio.sleep(3.5)
        trunk.hang_up(dialog)
        calls = await carrier.get("/api/calls")
        recorded = await carrier.get("/api/heard.wav")

    sound = bytes(trunk.ear.pcm)
    assert calls[0]["result"] == "machine"
    assert trunk.ear.digits == []
    assert frames_with(sound, 770) == 15
    assert frames_with(sound, 1336) == 15
    assert frames_with(sound, 1000) == 20
    assert tone_share(recorded[44:], 440) > 0.95


async def test_answering_machine_takes_a_call_to_a_phone_that_is_off() -> None:
    async with carrier_and_caller("--answering-machine-after-s", "20") as (carrier, trunk):
        trunk.call(carrier.ports["sip_port"], NUMBER)

        assert (await trunk.event(InviteProgressed)).status == 180
        await trunk.event(InviteAnswered)


async def test_announcement_speaks_as_early_media_before_it_rings() -> None:
    async with (
        carrier_and_caller("--announcement") as (carrier, trunk),
        phone_of(carrier, "--answer-after-s", "1"),
    ):
        trunk.call(carrier.ports["sip_port"], NUMBER)
        early = await trunk.event(InviteProgressed)
        ringing = await trunk.event(InviteProgressed)
        announced = bytes(trunk.ear.pcm)
        answer = await trunk.event(InviteAnswered)

    assert (early.status, ringing.status) == (183, 180)
    assert b"m=audio" in early.body
    assert trunk.ear.digits == ["5"]
    assert frames_with(announced, 770) == 10
    assert answer.body != early.body


async def test_info_passes_through_both_ways() -> None:
    async with carrier_and_caller() as (carrier, trunk), caller() as phone:
        await phone.register(carrier.ports["subscriber_port"], Credentials("4790000001", "secret"))
        dialog = trunk.call(carrier.ports["sip_port"], NUMBER)
        ringing = await phone.event(InviteReceived)
        phone.answer(ringing)
        await trunk.event(InviteAnswered)
        for side, other, its_dialog in ((phone, trunk, ringing.dialog), (trunk, phone, dialog)):
            side.info(its_dialog, "application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n")
            info = await other.event(InfoReceived)
            assert info.content_type == "application/dtmf-relay"
            assert info.body.startswith(b"Signal=5")
        calls = await carrier.get("/api/calls")

    assert ringing.from_user == CALLER_ID
    assert len(calls[0]["infos"]) == 2


async def ended_calls(carrier: Box, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(5):
        while True:
            calls = await carrier.get("/api/calls")
            if sum(call["ended_ms"] is not None for call in calls) == count:
                return list(calls)
            await asyncio.sleep(0.02)


def frames_with(sound: bytes, hz: int) -> int:
    pieces = [sound[n : n + 320] for n in range(0, len(sound) - 319, 320)]
    return sum(tone_share(piece, hz, threshold=0.3) == 1.0 for piece in pieces)
