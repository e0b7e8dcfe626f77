"""The headless app against the real web side, with a stock peer as the door."""

import asyncio
import io
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import av
import pytest
from aiortc import MediaStreamTrack

from firmware_sim import app_media
from firmware_sim.app_client import AppClient
from firmware_sim.app_media import ToneTrack
from intercom.media.tones import tone_share
from tests.web.desk import ANNA, PASSWORD, Desk, open_desk
from tests.web.door_peer import DoorPeer

VISITOR_HZ = 440
RESIDENT_HZ = 1000
pytestmark = pytest.mark.timeout(20)  # two peers and an encoder on a busy machine


@asynccontextmanager
async def open_app(desk: Desk) -> AsyncIterator[AppClient]:
    async with asyncio.TaskGroup() as tasks:
        app = AppClient(
            tasks, server=desk.url, username=ANNA, password=PASSWORD, tone_hz=RESIDENT_HZ
        )
        serving = tasks.create_task(app.serve())
        await until(lambda: app.state()["connected"])
        yield app
        serving.cancel()


async def until(is_so: Callable[[], object], within_s: float = 10.0) -> None:
    async with asyncio.timeout(within_s):
        while not is_so():  # noqa: ASYNC110 - it looks into another peer
            await asyncio.sleep(0.01)


def ring(desk: Desk, offer: str = "") -> None:
    desk.hub.send(
        desk.device,
        {
            "type": "ring",
            "call": "token",
            "door": {"name": "Main entrance"},
            "place": "Storgata 14",
            "doorbell": "Lund",
            "offer": offer,
            "codec": "PCMA",
            "has_picture": True,
            "ring_s": 60,
        },
    )


def tell(desk: Desk, **frame: object) -> None:
    desk.hub.send(desk.device, {"call": "token", **frame})


def sent(desk: Desk, frame_type: str) -> list[dict[str, str]]:
    return [frame for frame in desk.frames if frame["type"] == frame_type]


def call_of(app: AppClient) -> dict[str, object]:
    call = app.state()["call"]
    return call if isinstance(call, dict) else {}


async def listen(track: MediaStreamTrack, seconds: float) -> bytes:
    """Take what the resident says at the door, as PCM."""
    pcm = b""
    try:
        async with asyncio.timeout(seconds):
            while True:
                frame = await track.recv()
                pcm += bytes(frame.planes[0])[: frame.samples * 2]
    except TimeoutError:
        return pcm


async def test_the_picture_and_the_visitor_arrive_while_it_rings_and_nothing_is_said_before_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("aioice.ice.get_host_addresses", app_media._loopback)
    picture = av.VideoFrame(320, 240, "yuv420p")
    async with open_desk() as desk, open_app(desk) as app:
        door = DoorPeer(picture, ToneTrack(VISITOR_HZ))
        ring(desk, await door.offer())
        await until(lambda: sent(desk, "answer_sdp"))
        await door.accept(sent(desk, "answer_sdp")[0]["sdp"])
        await until(lambda: call_of(app)["first_frame_ms"] and call_of(app)["first_sound_ms"])
        resident = door.connection.getReceivers()[0].track
        before = await listen(resident, 1.0)

        assert app.accept()
        tell(desk, type="talking")
        after = await listen(resident, 2.0)

        assert tone_share(before, RESIDENT_HZ) == 0
        assert tone_share(after[8000:], RESIDENT_HZ) > 0.9
        with wave.open(io.BytesIO(app.heard_sound.wav())) as file:
            heard = file.readframes(file.getnframes())
        assert tone_share(heard[8000:], VISITOR_HZ) > 0.9
        call = call_of(app)
        assert call["phase"] == "talking"
        assert call["ring_ms"] <= call["first_frame_ms"] <= call["accepted_ms"]
        await door.close()


async def test_each_state_of_the_door_is_noted_with_its_moment() -> None:
    async with open_desk() as desk, open_app(desk) as app:
        ring(desk)
        await until(lambda: call_of(app))

        assert app.open("again")
        assert app.open("again")
        for state in ("opening", "opened"):
            tell(desk, type="door", state=state, for_ms=3000, cause="")
        await until(lambda: call_of(app)["opened_ms"])

        await until(lambda: len(sent(desk, "open")) == 2)
        assert [frame["id"] for frame in sent(desk, "open")] == ["again", "again"]
        assert call_of(app)["open_asked_ms"] <= call_of(app)["opening_ms"]


async def test_a_call_ends_with_the_reason_that_the_service_gave_and_the_next_one_is_taken() -> (
    None
):
    async with open_desk() as desk, open_app(desk) as app:
        ring(desk)
        await until(lambda: call_of(app))
        tell(desk, type="ended", reason="answered elsewhere", text="")
        await until(lambda: call_of(app)["phase"] == "ended")
        assert call_of(app)["ended_reason"] == "answered elsewhere"
        assert not app.accept()

        ring(desk)
        await until(lambda: call_of(app)["phase"] == "ringing")

        assert app.state()["calls"] == 2


async def test_it_comes_back_by_itself_when_the_connection_is_lost() -> None:
    async with open_desk() as desk, open_app(desk) as app:
        connected_ms = app.state()["connected_ms"]

        desk.hub.send(desk.device, {"type": "pong"})
        for _ in range(100):  # more than its queue takes at once
            desk.hub.send(desk.device, {"type": "pong"}) if desk.hub.online(ANNA) else None
        await until(lambda: app.state()["connected_ms"] != connected_ms)

        assert len(desk.hub.online(ANNA)) == 1


async def test_a_wrong_password_is_said_in_its_state() -> None:
    async with open_desk() as desk, asyncio.TaskGroup() as tasks:
        app = AppClient(tasks, server=desk.url, username=ANNA, password="no", tone_hz=RESIDENT_HZ)
        serving = tasks.create_task(app.serve())
        await until(lambda: app.state()["problem"])

        assert "401" in str(app.state()["problem"])
        assert app.state()["connected"] is False
        serving.cancel()


async def test_a_ready_answer_goes_to_the_call_and_what_became_of_it_is_kept():
    async with open_desk() as desk, open_app(desk) as app:
        assert not app.ready_answer("coming")
        ring(desk)
        await until(lambda: call_of(app))
        assert app.ready_answer("leave_it")
        await until(lambda: sent(desk, "ready_answer"))
        tell(desk, type="ready_answer", answer="leave_it", state="told")
        await until(lambda: call_of(app)["ready_answers"])

        assert sent(desk, "ready_answer") == [
            {"type": "ready_answer", "call": "token", "answer": "leave_it"}
        ]
        assert call_of(app)["ready_answers"] == [{"answer": "leave_it", "state": "told"}]
        assert call_of(app)["phase"] == "ringing"


async def test_a_key_is_turned_without_a_call_and_a_wish_can_be_sent_again():
    async with open_desk() as desk, open_app(desk) as app:
        keys = []
        desk.hub.on_key = lambda _resident, _device, frame: keys.append(frame)
        assert app.turn_key("main", "wish-1")
        assert app.turn_key("main", "wish-1")
        await until(lambda: len(keys) == 2)
        result = {"type": "key_result", "id": "wish-1", "state": "opened", "cause": ""}
        desk.hub.send(desk.device, result)
        await until(lambda: app.state()["keys"])

    assert keys == [{"type": "key", "door": "main", "id": "wish-1"}] * 2
    assert app.state()["keys"] == {"wish-1": result}
