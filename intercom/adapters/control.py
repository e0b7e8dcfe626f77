"""The operator's unix socket: what `intercom trace`, `relay-test`, `reload` and `status` talk to.

    GET  /status        what runs
    GET  /trace         the calls of the last 15 minutes with their steps
    GET  /trace/stream  every further step, one JSON object a line
    POST /relay-test    {"door": "main"}: pulse once, answer what was measured
    POST /reload        {"file": "…"} or {}: load the building again
    POST /unlock        let everybody try again whom the defences shut out

Only the service's own user may connect: the socket's mode is 0600.
"""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from intercom.errors import ConfigError, IntercomError
from intercom.ports import RelayResult
from intercom.trace import Step, Trace, TracedCall

RELAY_TEST_LIMIT_S = 15.0
MAX_BODY_BYTES = 16_384
_STREAM_QUEUE = 1000
_HEARTBEAT_S = 5.0
"""An empty line so often, so that a reader who has gone is noticed."""


class Change(Protocol):
    """What loading again has changed."""

    def summary(self) -> str:
        """Say it for a person."""


@dataclass(frozen=True, slots=True)
class ControlHandlers:
    trace: Trace
    relay_test: Callable[[str], Awaitable[RelayResult]]
    """Pulse a door's relay; ConfigError for a door that is not there."""
    reload: Callable[[Path | None], Change]
    """Load the building again, from another file where one is given; ConfigError if it is wrong."""
    status: Callable[[], Mapping[str, object]]
    unlock: Callable[[], int] = lambda: 0
    """Lift every lock-out; tell how many there were."""


@contextlib.asynccontextmanager
async def control_server(path: Path, handlers: ControlHandlers) -> AsyncIterator[None]:
    """Serve the socket while the context lasts; ConfigError when another service has it."""
    listening = _bind(path)
    try:
        control = _Control(handlers)
        runner = web.AppRunner(control.app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.SockSite(runner, listening).start()
            yield
        finally:
            control.stop_streams()
            await runner.cleanup()
    finally:
        _release(listening, path)


class _Control:
    def __init__(self, handlers: ControlHandlers) -> None:
        self._handlers = handlers
        self._streams: set[asyncio.Queue[Step | None]] = set()
        self.app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_in_words])
        self.app.router.add_get("/status", self._status)
        self.app.router.add_get("/trace", self._trace)
        self.app.router.add_get("/trace/stream", self._stream)
        self.app.router.add_post("/relay-test", self._relay_test)
        self.app.router.add_post("/reload", self._reload)
        self.app.router.add_post("/unlock", self._unlock)

    def stop_streams(self) -> None:
        """End every open stream, so that stopping does not wait for its reader."""
        for steps in self._streams:
            _offer(steps, None)

    async def _status(self, _: web.Request) -> web.Response:
        return web.json_response(dict(self._handlers.status()))

    async def _trace(self, _: web.Request) -> web.Response:
        calls = self._handlers.trace.calls()
        return web.json_response({"calls": [call_as_json(call) for call in calls]})

    async def _relay_test(self, request: web.Request) -> web.Response:
        door = await _field(request, "door")
        if door is None:
            msg = 'Say which door: {"door": "main"}.'
            raise ConfigError(msg)
        async with asyncio.timeout(RELAY_TEST_LIMIT_S):
            result = await self._handlers.relay_test(door)
        return web.json_response(
            {
                "door": door,
                "outcome": result.outcome.value,
                "cause": result.cause,
                "on_ms": result.on_ms,
                "coil_ma": result.coil_ma,
            }
        )

    async def _reload(self, request: web.Request) -> web.Response:
        file = await _field(request, "file")
        change = self._handlers.reload(Path(file) if file else None)
        return web.json_response({"summary": change.summary()})

    async def _unlock(self, _: web.Request) -> web.Response:
        return web.json_response({"unlocked": self._handlers.unlock()})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        steps: asyncio.Queue[Step | None] = asyncio.Queue(_STREAM_QUEUE)
        unsubscribe = self._handlers.trace.subscribe(lambda step: _offer(steps, step))
        self._streams.add(steps)
        try:
            await response.prepare(request)
            while (line := await _next_line(steps)) is not None:
                await response.write(line)
        except ConnectionResetError:
            pass  # the reader has gone
        finally:
            self._streams.discard(steps)
            unsubscribe()
        return response


def _offer(steps: asyncio.Queue[Step | None], step: Step | None) -> None:
    if steps.full():
        steps.get_nowait()  # a reader that is too slow misses the oldest
    steps.put_nowait(step)


async def _next_line(steps: asyncio.Queue[Step | None]) -> bytes | None:
    """Wait for a step or for the heartbeat's time; None: the service stops."""
    try:
        async with asyncio.timeout(_HEARTBEAT_S):
            step = await steps.get()
    except TimeoutError:
        return b"\n"
    return None if step is None else json.dumps(step_as_json(step)).encode() + b"\n"


def call_as_json(call: TracedCall) -> dict[str, object]:
    """Write a call for the wire."""
    return {
        "call": call.call_id,
        "dropped": call.dropped,
        "steps": [step_as_json(step) for step in call.steps],
    }


def step_as_json(step: Step) -> dict[str, object]:
    """Write a step for the wire."""
    return {
        "call": step.call_id,
        "at_ms": step.since_start_ms,
        "hop": step.hop.value,
        "text": step.text,
        "facts": dict(step.facts),
    }


@web.middleware
async def _in_words(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer our own errors with their words."""
    try:
        return await handler(request)
    except IntercomError as error:
        return web.json_response({"error": str(error)}, status=422)
    except TimeoutError:
        return web.json_response({"error": "That took too long."}, status=504)


async def _field(request: web.Request, name: str) -> str | None:
    """Read one text of the JSON body."""
    try:
        body: Any = await request.json() if request.can_read_body else {}
    except ValueError:
        body = None
    if not isinstance(body, dict) or not isinstance(body.get(name), str | None):
        msg = f'The body must be JSON such as {{"{name}": "…"}}.'
        raise ConfigError(msg)
    value: str | None = body.get(name)
    return value


def _bind(path: Path) -> socket.socket:
    """Bind with mode 0600 from the first moment; take over what a killed service left behind."""
    listening: socket.socket | None = None
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_stale(path)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listening.bind(str(path))
        finally:
            os.umask(before)
    except OSError as error:
        if listening is not None:
            listening.close()
        msg = (
            f"The control socket {path} cannot be made ({error.strerror}):"
            " set INTERCOM_CONTROL_SOCKET to a path in a directory that the service may write to."
        )
        raise ConfigError(msg) from error
    listening.setblocking(False)
    return listening


def _release(listening: socket.socket, path: Path) -> None:
    listening.close()
    path.unlink(missing_ok=True)


def _remove_stale(path: Path) -> None:
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
    msg = (
        f"Another service listens on {path}: stop it,"
        " or set INTERCOM_STATE_DIR to a directory of this one's own."
    )
    raise ConfigError(msg)
