"""What every simulator process has in common: its life, its ready line, its control port, its ear.

A simulator is started as `python -m firmware_sim.NAME`, prints one JSON line when it is up, obeys an
HTTP API on 127.0.0.1, and ends cleanly on SIGTERM.
"""

import asyncio
import contextlib
import io
import json
import signal
import sys
import time
import wave
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from aiohttp import web

HOST = "127.0.0.1"
SAMPLE_HZ = 8000
BYTES_PER_SAMPLE = 2
LONGEST_RECORDING_S = 600
LARGEST_GAP_MS = 60
"""Later than this after the previous sound, the pause is recorded as silence."""
SHUTDOWN_S = 1.0
"""How long an open HTTP connection may hold up the end of a process."""

JsonObject = dict[str, object]


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a simulator until it returns, or is told to end by SIGTERM or Ctrl-C."""

    async def until_told() -> None:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(main())
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(until_told())


def ready(**ports: object) -> None:
    """Say on stdout, as one JSON line, that the process is up and where it listens."""
    sys.stdout.write(json.dumps({"ready": True, **ports}) + "\n")
    sys.stdout.flush()


def now_ms() -> int:
    """Read CLOCK_MONOTONIC in whole milliseconds: one clock for every process of a machine."""
    return time.monotonic_ns() // 1_000_000


@contextlib.asynccontextmanager
async def control_server(app: web.Application, port: int = 0) -> AsyncIterator[int]:
    """Serve an application on 127.0.0.1 while the context lasts; gives the port it got."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, port)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def json_body(request: web.Request) -> JsonObject:
    """Read a JSON object from a request; an empty body is an empty object."""
    text = await request.text()
    if not text.strip():
        return {}
    try:
        body = json.loads(text)
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"Not JSON: {error}") from error
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="The body must be a JSON object.")
    return body


@dataclass(frozen=True, slots=True)
class Mark:
    """A named moment in a recording."""

    name: str
    offset_ms: int
    """From the recording's start."""


class WavRecorder:
    """Records 16-bit mono sound at 8 kHz in memory, with named marks."""

    def __init__(self) -> None:
        self.marks: list[Mark] = []
        self._pcm = bytearray()
        self._started_ms: int | None = None

    @property
    def length_ms(self) -> int:
        return len(self._pcm) * 1000 // (SAMPLE_HZ * BYTES_PER_SAMPLE)

    def write(self, pcm: bytes, at_ms: int | None = None) -> None:
        """Append sound; with `at_ms` (of `now_ms`), a pause before it is recorded as silence."""
        if at_ms is not None:
            self._pad_until(at_ms)
        room = LONGEST_RECORDING_S * SAMPLE_HZ * BYTES_PER_SAMPLE - len(self._pcm)
        self._pcm += pcm[: max(room, 0)]

    def mark(self, name: str) -> None:
        """Name this moment of the recording."""
        self.marks.append(Mark(name, self.length_ms))

    def clear(self) -> None:
        """Forget everything, as for a new call."""
        self.marks.clear()
        self._pcm.clear()
        self._started_ms = None

    def pcm(self) -> bytes:
        """Give the sound recorded so far."""
        return bytes(self._pcm)

    def wav(self) -> bytes:
        """Give the recording as a WAV file."""
        out = io.BytesIO()
        with wave.open(out, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(BYTES_PER_SAMPLE)
            file.setframerate(SAMPLE_HZ)
            file.writeframes(bytes(self._pcm))
        return out.getvalue()

    def response(self) -> web.Response:
        """Answer a GET with the recording.

        X-Marks holds the marks as JSON, X-Started-Ms the `now_ms` of the first sound.
        """
        headers = {
            "X-Marks": json.dumps({mark.name: mark.offset_ms for mark in self.marks}),
            "X-Started-Ms": "" if self._started_ms is None else str(self._started_ms),
        }
        return web.Response(body=self.wav(), content_type="audio/wav", headers=headers)

    def _pad_until(self, at_ms: int) -> None:
        if self._started_ms is None:
            self._started_ms = at_ms
        gap_ms = at_ms - self._started_ms - self.length_ms
        gap_ms = min(gap_ms, LONGEST_RECORDING_S * 1000 - self.length_ms)
        if gap_ms > LARGEST_GAP_MS:
            self._pcm += bytes(gap_ms * SAMPLE_HZ * BYTES_PER_SAMPLE // 1000)
