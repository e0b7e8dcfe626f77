"""The firmware's side of the relay board: starts it when it is not there, and talks to it."""

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from firmware_sim import journal
from firmware_sim.hardware import SOCKET_NAME
from firmware_sim.journal import CoilPhase, Transition

START_S = 10.0
"""How long the board may take to start, on a busy machine."""
RETRY_S = 0.1


class RelayBoard:
    """A connection to the board, renewed when the board had to be started anew."""

    def __init__(
        self, state_dir: Path, relays: int, on_change: Callable[[Transition], None]
    ) -> None:
        self.pid = 0
        """Of the board's process, for tests that cut its power."""
        self.coils: dict[int, Transition] = {}
        """What each coil did last."""
        self._state_dir = state_dir
        self._relays = relays
        self._on_change = on_change
        self._writer: asyncio.StreamWriter | None = None

    @contextlib.asynccontextmanager
    async def connected(self, tasks: asyncio.TaskGroup) -> AsyncIterator[None]:
        """Keep the board connected while the context lasts, and end it afterwards."""
        reader = await self._connect()
        running = tasks.create_task(self._run(reader))
        try:
            yield
        finally:
            running.cancel()
            self._send({"do": "end"})
            self._hang_up()

    def pulse(self, relay: int, ms: int, cmd_id: str) -> None:
        """Energise a coil; what it really did comes by `on_change`."""
        self._send({"do": "pulse", "relay": relay, "ms": ms, "cmd_id": cmd_id})

    def set_broken(self, *, is_broken: bool) -> None:
        """Fault: no coil draws current any more."""
        for relay in range(1, self._relays + 1):
            self._send({"do": "break", "relay": relay, "is_broken": is_broken})

    def _hang_up(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None

    async def _run(self, reader: asyncio.StreamReader) -> None:
        while True:
            with contextlib.suppress(ConnectionError):
                while line := await reader.readline():
                    self._note(journal.from_json(line.decode()))
            self.coils.clear()
            self._hang_up()
            reader = await self._connect()

    async def _connect(self) -> asyncio.StreamReader:
        async with asyncio.timeout(START_S):
            while True:
                await self._start()
                with contextlib.suppress(OSError, ValueError):
                    return await self._greet()
                await asyncio.sleep(RETRY_S)

    async def _start(self) -> None:
        command = (sys.executable, "-m", "firmware_sim.hardware", str(self._state_dir))
        starter = await asyncio.create_subprocess_exec(
            *command, "--relays", str(self._relays), stdin=DEVNULL, stdout=DEVNULL
        )
        await starter.wait()

    async def _greet(self) -> asyncio.StreamReader:
        reader, self._writer = await asyncio.open_unix_connection(self._state_dir / SOCKET_NAME)
        hello = json.loads(await reader.readline())
        self.pid = hello["board"]
        for coil in hello["coils"]:
            state = journal.from_json(json.dumps(coil))
            self.coils[state.relay] = state
        return reader

    def _note(self, transition: Transition) -> None:
        if transition.phase is not CoilPhase.POWER_CUT:
            self.coils[transition.relay] = transition
            self._on_change(transition)

    def _send(self, order: dict[str, object]) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(json.dumps(order).encode() + b"\n")
