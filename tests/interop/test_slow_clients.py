"""Five hundred clients that dribble a byte a second, with the limits of the running service."""

import asyncio
import contextlib

import pytest

from intercom.adapters.sip.stream_limits import StreamLimits
from tests.adapters.stream_rig import HOST, Client, client_of, listening_router, request
from tests.web.desk import browser_like, open_desk

pytestmark = [pytest.mark.interop, pytest.mark.alone, pytest.mark.timeout(60)]

CLIENTS = 500
ANSWER_S = 0.1
CLOSED_S = 10.0


async def dribble(client: Client, closed: list[float]) -> None:
    """Send a byte a second until the router closes, and note after how long."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for byte in request("INVITE"):
        client.send(bytes([byte]))
        if await client.is_closed_within(1):
            closed.append(loop.time() - began)
            return


async def test_500_slow_clients_are_closed_and_nobody_else_waits() -> None:
    closed: list[float] = []
    slowest_s = 0.0
    loop = asyncio.get_running_loop()
    async with (
        listening_router(limits=StreamLimits(per_source=CLIENTS + 1)) as router,
        client_of(router.port) as panel,
        asyncio.TaskGroup() as tasks,
    ):

        async def slow_client(number: int) -> None:
            await asyncio.sleep(number / CLIENTS)  # their own work is done by the same loop
            async with client_of(router.port) as client:
                await dribble(client, closed)

        for each in range(CLIENTS):
            tasks.create_task(slow_client(each))
        number = 0
        while len(closed) < CLIENTS and number < 400:
            number += 1
            began = loop.time()
            panel.send(request(number=number))
            answer = await panel.message()
            slowest_s = max(slowest_s, loop.time() - began)
            assert answer.startswith("SIP/2.0 200")
            await asyncio.sleep(0.05)
        assert router.streams is not None
        assert router.streams.size == 1

    assert len(closed) == CLIENTS
    assert max(closed) <= CLOSED_S
    assert slowest_s < ANSWER_S


async def dribble_http(port: int, closed: list[float]) -> None:
    """Send a byte of a request's headers a second until the app's server closes."""
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection(HOST, port)
    began = loop.time()
    for byte in b"GET /healthz HTTP/1.1\r\nHost: door\r\n":
        writer.write(bytes([byte]))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                with contextlib.suppress(ConnectionError):
                    await reader.read()
                closed.append(loop.time() - began)
                break
    writer.transport.abort()


async def test_500_slow_clients_of_the_app_s_server_are_closed_and_nobody_else_waits() -> None:
    closed: list[float] = []
    slowest_s = 0.0
    loop = asyncio.get_running_loop()
    async with open_desk() as desk, browser_like() as browser, asyncio.TaskGroup() as tasks:
        for _ in range(CLIENTS):
            tasks.create_task(dribble_http(int(desk.url.rsplit(":", 1)[1]), closed))
        number = 0
        while len(closed) < CLIENTS and number < 400:
            number += 1
            began = loop.time()
            async with browser.get(f"{desk.url}/healthz") as answer:
                assert answer.status == 200
            if number > 20:  # their connections were all made by the same loop at first
                slowest_s = max(slowest_s, loop.time() - began)
            await asyncio.sleep(0.05)

    assert len(closed) == CLIENTS
    assert max(closed) <= CLOSED_S
    assert slowest_s < ANSWER_S
