"""Clients at a byte a second: each is closed in time, whichever part they dribble."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from intercom.web import connection, login, server
from tests.adapters.stream_rig import HOST, Authority
from tests.web.desk import ANNA, Desk, browser_like, log_in, open_desk

LIMIT_S = 0.3
"""What the limits are cut to, so that nobody waits for seconds."""
SOON_S = 2.0
STEP_S = 0.02
HEADERS = b"GET / HTTP/1.1\r\nHost: door\r\nX-Slow: " + b"x" * 4000
BODY = (
    b"POST /api/login HTTP/1.1\r\nHost: door\r\nContent-Type: application/json\r\n"
    b"Content-Length: 1000\r\n\r\n"
)

pytestmark = pytest.mark.usefixtures("short_limits")


@pytest.fixture
def limits_in_force():
    """Read the limits before they are cut."""
    return (
        server.HAND_SHAKE_S,
        server.HEADERS_S,
        login.BODY_TIMEOUT_S,
        server.REST_OF_BODY_S,
        connection.WHOLE_FRAME_S,
    )


@pytest.fixture
def short_limits(limits_in_force, monkeypatch):
    for module, names in (
        (server, ("HAND_SHAKE_S", "HEADERS_S", "REST_OF_BODY_S", "TAKE_S")),
        (login, ("BODY_TIMEOUT_S",)),
        (connection, ("WHOLE_FRAME_S",)),
    ):
        for name in names:
            monkeypatch.setattr(module, name, LIMIT_S)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with open_desk() as desk:
        yield desk


def port_of(desk: Desk) -> int:
    return int(desk.url.rsplit(":", 1)[1])


@asynccontextmanager
async def raw_client(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def closed_after_s(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    part: Callable[[int], bytes] = lambda _: b"x",
) -> float:
    """Dribble a part each step until the other side closes; say how long it took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(int(SOON_S / STEP_S)):
        writer.write(part(number))
        try:
            async with asyncio.timeout(STEP_S):
                while await reader.read(65_536):
                    pass
            break
        except TimeoutError:
            continue
        except ConnectionError:
            break
    return loop.time() - began


def one_byte_of(data: bytes) -> Callable[[int], bytes]:
    return lambda number: data[number : number + 1]


async def test_a_client_that_says_nothing_is_closed(desk):
    async with raw_client(port_of(desk)) as (reader, writer):
        assert LIMIT_S <= await closed_after_s(reader, writer, lambda _: b"") < SOON_S


async def test_a_client_that_dribbles_its_headers_is_closed(desk):
    async with raw_client(port_of(desk)) as (reader, writer):
        assert await closed_after_s(reader, writer, one_byte_of(HEADERS)) < SOON_S


async def test_a_client_that_dribbles_its_second_request_is_closed(desk):
    async with raw_client(port_of(desk)) as (reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: door\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")

        assert await closed_after_s(reader, writer, one_byte_of(HEADERS)) < SOON_S


@pytest.mark.parametrize("path", [b"/api/login", b"/api/logout", b"/api/me"])
async def test_a_client_that_dribbles_its_body_is_closed(desk, path):
    async with raw_client(port_of(desk)) as (reader, writer):
        writer.write(BODY.replace(b"/api/login", path))

        assert await closed_after_s(reader, writer) < SOON_S


async def test_a_client_that_dribbles_its_hand_shake_is_closed(tmp_path):
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("door", HOST))
    hello = b"\x16\x03\x01\x02\x00\x01" + bytes(500)
    async with (
        server.serving(web.Application(), HOST, 0, context) as port,
        raw_client(port) as (reader, writer),
    ):
        assert await closed_after_s(reader, writer, one_byte_of(hello)) < SOON_S


async def read_all(one: socket.socket, taken: list[int]) -> None:
    """Read until the other side has closed; count the bytes."""
    while True:
        await asyncio.sleep(STEP_S)
        with contextlib.suppress(BlockingIOError):
            while data := one.recv(65_536):
                taken.append(len(data))
            return


async def test_a_client_that_takes_nothing_is_cut_off(desk):
    font = next((server.STATIC / "vendor").glob("inter-latin-ext*.woff2"))
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect((HOST, port_of(desk)))
        slow.sendall(f"GET /static/vendor/{font.name} HTTP/1.1\r\nHost: door\r\n\r\n".encode())
        await asyncio.sleep(4 * LIMIT_S)
        slow.setblocking(False)
        taken = [0]
        with pytest.raises(ConnectionResetError):
            await read_all(slow, taken)

    assert sum(taken) < font.stat().st_size


async def test_an_app_that_dribbles_a_frame_is_closed(desk):
    async with browser_like() as client:
        await log_in(client, desk)
        cookies = "; ".join(f"{cookie.key}={cookie.value}" for cookie in client.cookie_jar)
    async with raw_client(port_of(desk)) as (reader, writer):
        writer.write(
            f"GET /ws HTTP/1.1\r\nHost: {HOST}:{port_of(desk)}\r\nOrigin: {desk.url}\r\n"
            f"Cookie: {cookies}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        assert b" 101 " in await reader.readline()
        await asyncio.sleep(STEP_S)
        assert desk.hub.online(ANNA)
        frame = b"\x81\xfe\x03\xe8" + bytes(1004)

        assert await closed_after_s(reader, writer, one_byte_of(frame)) < SOON_S
    assert desk.hub.online(ANNA) == ()


async def test_an_app_that_only_answers_pings_stays(desk, monkeypatch):
    monkeypatch.setattr(connection, "HEARTBEAT_S", LIMIT_S / 2)
    async with browser_like() as client:
        await log_in(client, desk)
        async with client.ws_connect(f"{desk.url}/ws", origin=desk.url) as socket:
            await socket.receive_json()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(4 * LIMIT_S):
                    await socket.receive()

            assert desk.hub.online(ANNA)


def test_no_two_limits_together_are_longer_than_ten_seconds(limits_in_force):
    hand_shake_s, headers_s, body_s, rest_s, frame_s = limits_in_force

    assert hand_shake_s + headers_s <= 10
    assert headers_s + body_s + rest_s <= 10
    assert frame_s < 10
    assert frame_s - connection.HEARTBEAT_S >= 2  # an honest app's pong has time to arrive
