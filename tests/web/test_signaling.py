"""The apps' WebSocket: who may connect, who is online, and what comes through."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest

from intercom.routing.ids import DeviceId
from intercom.web import connection
from intercom.web.connection import MAX_QUEUED, Close
from tests.web.desk import ANNA, Desk, browser_like, log_in, open_desk


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with open_desk() as desk:
        yield desk


@pytest.fixture
async def client(desk: Desk) -> AsyncIterator[aiohttp.ClientSession]:
    async with browser_like() as client:
        await log_in(client, desk)
        yield client


@asynccontextmanager
async def connected(
    client: aiohttp.ClientSession, desk: Desk, *, greeted: bool = True
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with client.ws_connect(f"{desk.url}/ws", origin=desk.url) as socket:
        if greeted:
            assert (await socket.receive_json())["type"] == "hello"
        yield socket


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(3):
        while not is_so():  # noqa: ASYNC110 - it looks into the hub
            await asyncio.sleep(0.01)


async def close_code(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    async for _ in socket:
        pass
    return socket.close_code


async def status_of(client: aiohttp.ClientSession, url: str, origin: str | None) -> int:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.ws_connect(url, origin=origin)
    return refused.value.status


@pytest.mark.parametrize(
    "origin", [None, "https://elsewhere.example", "null", "http://127.0.0.1:1", "http://["]
)
async def test_a_page_from_elsewhere_cannot_connect(desk, client, origin):
    assert await status_of(client, f"{desk.url}/ws", origin) == 403


async def test_nobody_connects_without_a_log_in(desk):
    async with browser_like() as stranger:
        assert await status_of(stranger, f"{desk.url}/ws", desk.url) == 401


async def test_a_plain_request_is_told_that_this_is_a_websocket(desk, client):
    response = await client.get(f"{desk.url}/ws", headers={"Origin": desk.url})

    assert response.status == 426


async def test_the_greeting_says_who_one_is_and_which_doors_may_ring(desk, client):
    async with connected(client, desk, greeted=False) as socket:
        greeting = await socket.receive_json()

    assert greeting == {
        "type": "hello",
        "resident": {"name": "Anna Lund"},
        "doors": [{"id": "main", "name": "Main entrance", "place": "Storgata 14", "key": False}],
    }


async def test_an_app_is_online_as_long_as_it_is_connected(desk, client):
    assert desk.hub.online(ANNA) == ()

    async with connected(client, desk):
        (target,) = desk.hub.online(ANNA)
        assert desk.online == [target]
        assert desk.offline == []
    await until(lambda: desk.offline)

    assert desk.offline == [target]
    assert desk.hub.online(ANNA) == ()
    assert desk.hub.send(target.device_id, {"type": "quiet"}) is False


async def test_a_frame_reaches_the_device_that_it_is_for(desk, client):
    async with browser_like() as other, connected(client, desk) as first:
        await log_in(other, desk)
        device = desk.device
        async with connected(other, desk) as second:
            assert len(desk.hub.online(ANNA)) == 2

            assert desk.hub.send(device, {"type": "quiet", "call": "æ"})
            assert desk.hub.send(desk.online[1].device_id, {"type": "talking"})

            assert await first.receive_json() == {"type": "quiet", "call": "æ"}
            assert await second.receive_json() == {"type": "talking"}


async def test_a_second_connection_of_one_log_in_takes_the_first_ones_place(desk, client):
    async with connected(client, desk) as first, connected(client, desk) as second:
        assert await close_code(first) == Close.REPLACED
        assert len(desk.hub.online(ANNA)) == 1
        assert len(desk.online) == 2
        assert len(desk.offline) == 1

        assert desk.hub.send(desk.device, {"type": "quiet"})
        assert (await second.receive_json())["type"] == "quiet"


async def test_well_formed_frames_come_through_with_their_own_fields_alone(desk, client):
    async with connected(client, desk) as socket:
        await socket.send_json({"type": "open", "call": "c", "id": "1", "resident": "per"})
        await until(lambda: desk.frames)

    assert desk.frames == [{"type": "open", "call": "c", "id": "1"}]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "malformed"),
        ("{", "malformed"),
        ("[]", "malformed"),
        (r'{"type": "accept", "call": "\ud800"}', "malformed"),
        ("1", "malformed"),
        ("[" * 20_000, "malformed"),
        ('{"type":"hello"}', "unknown_type"),
        ('{"type":["accept"]}', "unknown_type"),
        ('{"type":{}}', "unknown_type"),
        ("{}", "unknown_type"),
        ('{"type":"accept"}', "missing_field"),
        ('{"type":"accept","call":7}', "missing_field"),
        ('{"type":"accept","call":""}', "missing_field"),
        ('{"type":"key","door":"main"}', "missing_field"),
        ('{"type":"key","door":["main"],"id":"1"}', "missing_field"),
        ('{"type":"ready_answer","call":"c"}', "missing_field"),
        ('{"type":"ready_answer","call":"c","answer":"Your door is open"}', "unknown_choice"),
        ('{"type":"accept","call":"' + "x" * 129 + '"}', "too_large"),
        ('{"type":"answer_sdp","call":"c","sdp":"' + "x" * 16_385 + '"}', "too_large"),
    ],
)
async def test_a_malformed_frame_is_answered_with_an_error_and_the_connection_lives(
    desk, client, text, code
):
    async with connected(client, desk) as socket:
        await socket.send_str(text)
        answer = await socket.receive_json()
        assert (answer["type"], answer["code"]) == ("error", code)

        await socket.send_json({"type": "ping"})
        assert await socket.receive_json() == {"type": "pong"}
    assert desk.frames == []


async def test_a_binary_frame_is_malformed(desk, client):
    async with connected(client, desk) as socket:
        await socket.send_bytes(b'{"type":"ping"}')

        assert (await socket.receive_json())["code"] == "malformed"


async def test_a_frame_beyond_the_limit_closes_the_connection(desk, client):
    async with connected(client, desk) as socket:
        await socket.send_str("x" * 40_000)

        assert await close_code(socket) == 1009
    await until(lambda: desk.offline)


async def test_an_app_that_sends_without_end_is_closed(desk, client):
    async with connected(client, desk) as socket:
        for _ in range(200):
            if not socket.closed:
                await socket.send_json({"type": "accept", "call": "c"})

        assert await close_code(socket) == Close.TOO_MANY_FRAMES
    assert len(desk.frames) < 60


async def test_an_app_that_does_not_read_is_dropped_and_nothing_piles_up(desk, client):
    async with connected(client, desk):
        device = desk.device

        taken = [desk.hub.send(device, {"type": "quiet"}) for _ in range(MAX_QUEUED + 10)]

        assert taken.count(True) == MAX_QUEUED
        assert desk.hub.online(ANNA) == ()
        assert len(desk.offline) == 1


async def test_an_app_that_answers_no_ping_is_offline_in_time(desk, client, monkeypatch):
    assert connection.HEARTBEAT_S * 1.5 <= 20
    monkeypatch.setattr(connection, "HEARTBEAT_S", 0.2)

    async with client.ws_connect(f"{desk.url}/ws", origin=desk.url, autoping=False):
        await until(lambda: desk.online)
        await until(lambda: desk.offline)

    assert desk.hub.online(ANNA) == ()


@pytest.mark.parametrize("change", [{"password_hash": "another"}, {"has_app": False}])
async def test_a_changed_resident_is_disconnected_at_once(desk, client, change):
    async with connected(client, desk) as socket:
        desk.change_resident(ANNA, **change)

        assert desk.hub.online(ANNA) == ()
        assert await close_code(socket) == Close.LOGGED_OUT
    assert await status_of(client, f"{desk.url}/ws", desk.url) == 401


async def test_a_changed_building_greets_the_apps_that_stay_anew(desk, client):
    async with connected(client, desk) as socket:
        desk.change_resident(ANNA, name="Anna Berg")

        assert (await socket.receive_json())["resident"] == {"name": "Anna Berg"}


async def test_logging_out_closes_the_connection(desk, client):
    async with connected(client, desk) as socket:
        await client.post(f"{desk.url}/api/logout")

        assert await close_code(socket) == Close.LOGGED_OUT
    assert len(desk.offline) == 1


async def test_a_frame_that_crosses_the_log_out_counts_no_more(desk, client):
    async with connected(client, desk) as socket:
        await socket.send_json({"type": "open", "call": "c", "id": "1"})
        desk.change_resident(ANNA, password_hash="another")
        await close_code(socket)

    assert desk.frames == []


async def test_going_down_closes_all_and_takes_nobody_new(desk, client):
    async with connected(client, desk) as socket:
        desk.hub.close()

        assert await close_code(socket) == Close.GOING_AWAY
    assert await status_of(client, f"{desk.url}/ws", desk.url) == 503


async def test_an_unknown_device_is_told_nothing(desk):
    assert desk.hub.send(DeviceId("nobody"), {"type": "quiet"}) is False
