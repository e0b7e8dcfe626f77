"""The simulated phone, as a process, registered with the simulated carrier and called through it."""

import asyncio
import contextlib
import io
import wave
from collections.abc import AsyncIterator

import pytest

from intercom.media.tones import tone_share
from intercom.sip.events import DialogEnded, InviteAnswered, InviteFailed, InviteProgressed
from tests.firmware_sim.boxes import CALLER_ID, TRUNK, Box, Caller, box, caller, seconds

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(30)]
NUMBER = "+4790000001"


@contextlib.asynccontextmanager
async def phone_behind_carrier(*phone_options: str) -> AsyncIterator[tuple[Box, Box, Caller]]:
    async with (
        box(
            "carrier",
            *("--trunk-user", TRUNK.username, "--trunk-password", TRUNK.password),
            *("--subscriber", f"{NUMBER}:4790000001:secret"),
        ) as carrier,
        box(
            "phone",
            *("--registrar", f"127.0.0.1:{carrier.ports['subscriber_port']}"),
            *("--user", "4790000001", "--password", "secret", *phone_options),
        ) as phone,
        caller() as trunk,
    ):
        await phone.reaches("/api/state", registered=True)
        yield carrier, phone, trunk


async def test_phone_rings_answers_talks_hears_and_presses_5_by_telephone_events() -> None:
    async with phone_behind_carrier("--answer-after-s", "1.2", "--press", "5") as (
        carrier,
        phone,
        trunk,
    ):
        dialog = trunk.call(carrier.ports["sip_port"], NUMBER)
        await trunk.event(InviteProgressed)
        answer = await trunk.event(InviteAnswered)
        trunk.talk(answer.body)
        await phone.reaches("/api/state", call__pressed=["5"])
        await asyncio.sleep(2.0)
        trunk.hang_up(dialog)
        state = await phone.reaches("/api/state", call__phase="ended")
        heard = await phone.get("/api/heard.wav")

    call = state["call"]
    stamps = [
        call[f"{name}_ms"] for name in ("ringing", "answered", "first_sound", "pressed", "ended")
    ]
    assert stamps == sorted(stamps)
    assert call["caller_id"] == CALLER_ID
    assert CALLER_ID in call["asserted_identity"]
    assert call["how_ended"] == "by the caller"
    assert trunk.ear.digits == ["5"]
    assert seconds(trunk.ear.pcm) > 2.5
    assert tone_share(bytes(trunk.ear.pcm), 1000) > 0.95
    with wave.open(io.BytesIO(heard)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        pcm = file.readframes(file.getnframes())
    assert seconds(pcm) > 2.5
    assert tone_share(pcm, 440) > 0.95


async def test_phone_presses_and_hangs_up_on_request() -> None:
    async with phone_behind_carrier("--answer-after-s", "1") as (carrier, phone, trunk):
        assert await phone.post("/api/press", digit="5") == 409
        trunk.call(carrier.ports["sip_port"], NUMBER)
        await trunk.event(InviteAnswered)
        await phone.reaches("/api/state", call__phase="talking")
        assert await phone.post("/api/press", digit="7") == 200
        assert await phone.post("/api/press", digit="E") == 400
        await phone.reaches("/api/state", call__pressed=["7"])
        await asyncio.sleep(0.3)
        assert await phone.post("/api/hang_up") == 200
        await trunk.event(DialogEnded)
        state = await phone.get("/api/state")

    assert trunk.ear.digits == ["7"]
    assert state["call"]["how_ended"] == "by the phone"


async def test_phone_presses_as_two_tones_in_the_sound() -> None:
    async with phone_behind_carrier("--answer-after-s", "1") as (carrier, phone, trunk):
        trunk.call(carrier.ports["sip_port"], NUMBER)
        await trunk.event(InviteAnswered)
        await phone.reaches("/api/state", call__phase="talking")
        await phone.post("/api/press", digit="5", is_in_band=True)
        await asyncio.sleep(0.4)

    frames = [bytes(trunk.ear.pcm[n : n + 320]) for n in range(0, len(trunk.ear.pcm) - 320, 320)]
    with_770_hz = [frame for frame in frames if tone_share(frame, 770, threshold=0.3)]
    assert trunk.ear.digits == []
    assert len(with_770_hz) == 8
    assert all(tone_share(frame, 1336, threshold=0.3) for frame in with_770_hz)


async def test_busy_phone_refuses_with_486() -> None:
    async with phone_behind_carrier() as (carrier, phone, trunk):
        await phone.post("/api/behaviour", is_busy=True)
        trunk.call(carrier.ports["sip_port"], NUMBER)

        assert (await trunk.event(InviteFailed)).status == 486


async def test_phone_that_nobody_answers_notices_the_cancel() -> None:
    async with phone_behind_carrier() as (carrier, phone, trunk):
        dialog = trunk.call(carrier.ports["sip_port"], NUMBER)
        await phone.reaches("/api/state", call__phase="ringing")
        await trunk.event(InviteProgressed)
        trunk.cancel(dialog)
        state = await phone.reaches("/api/state", call__phase="ended")
        failed = await trunk.event(InviteFailed)

    assert state["call"]["how_ended"] == "cancelled"
    assert state["call"]["answered_ms"] is None
    assert failed.status == 487


async def test_phone_that_answers_after_the_cancel_is_hung_up_on() -> None:
    async with phone_behind_carrier("--answer-after-s", "2") as (carrier, phone, trunk):
        await phone.post("/api/behaviour", answers_after_cancel=True)
        dialog = trunk.call(carrier.ports["sip_port"], NUMBER)
        await trunk.event(InviteProgressed)
        trunk.cancel(dialog)
        await trunk.event(InviteFailed)
        state = await phone.reaches("/api/state", call__phase="ended")

    assert state["call"]["answered_ms"] is not None
    assert state["call"]["how_ended"] == "by the caller"


async def test_phone_is_called_again_after_a_call() -> None:
    async with phone_behind_carrier("--answer-after-s", "1") as (carrier, phone, trunk):
        for count in (1, 2):
            dialog = trunk.call(carrier.ports["sip_port"], NUMBER)
            await trunk.event(InviteAnswered)
            trunk.hang_up(dialog)
            await phone.reaches("/api/state", calls=count, call__phase="ended")


async def test_unknown_behaviour_is_refused() -> None:
    async with phone_behind_carrier() as (_, phone, _trunk):
        assert await phone.post("/api/behaviour", presses="5") == 400
        assert await phone.post("/api/behaviour", press="55") == 400
        assert await phone.post("/api/behaviour", press="4") == 200
