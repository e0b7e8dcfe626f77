"""Five hundred clients that dribble a byte a second, with the limits of the running service."""

import asyncio

import pytest

from intercom.adapters.sip.stream import StreamLimits
from tests.adapters.stream_rig import Client, client_of, listening_router, request

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

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
