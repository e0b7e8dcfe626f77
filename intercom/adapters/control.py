"""The operator's unix socket: what `intercom trace`, `relay-test`, `reload` and `status` talk to.

    GET  /status        what runs
    GET  /trace         the calls of the last 15 minutes with their steps
    GET  /trace/stream  every further step, one JSON object a line
    GET  /sip-trace     the calls whose SIP messages are in memory
    GET  /sip-trace/call?id=…      one of them, or the last, with its messages, masked
    GET  /sip-trace/register       registrations and OPTIONS
    GET  /sip-trace/stream         every further message of a call, one JSON object a line
    POST /relay-test    {"door": "main"}: pulse once, answer what was measured
    POST /reload        {"file": "…"} or {}: load the building again
    POST /unlock        let everybody try again whom the defences shut out
    POST /check-number  {"number": "+47…", "property": "…" or null}: a check call, and what became of it

Only the service's own user may connect: the socket's mode is 0600.
"""

import asyncio
import contextlib
import json
import os
import socket
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypedDict

from aiohttp import web

from intercom.errors import ConfigError, IntercomError
from intercom.ports import RelayResult
from intercom.sip.capture import Captured
from intercom.trace import Step, Trace, TracedCall

RELAY_TEST_LIMIT_S = 15.0
MAX_BODY_BYTES = 16_384
_STREAM_QUEUE = 1000
MAX_SIP_STREAMS = 8
_HEARTBEAT_S = 5.0
"""An empty line so often, so that a reader who has gone is noticed."""


class Change(Protocol):
    """What loading again has changed."""

    def summary(self) -> str:
        """Say it for a person."""


class SipTraceReader(Protocol):
    """Where the SIP messages of the last 15 minutes are read, masked."""

    async def calls(self, *, shows_numbers: bool) -> dict[str, object]:
        """List the calls."""

    async def call(
        self, wanted: str, *, shows_numbers: bool, is_full: bool, is_all: bool = False
    ) -> dict[str, object]:
        """Give one call with its messages; ConfigError when there is none."""

    async def registrations(self, *, shows_numbers: bool, is_full: bool) -> dict[str, object]:
        """Give registrations and OPTIONS."""

    def subscribe(self, tap: Callable[[Captured], None]) -> Callable[[], None]:
        """Call `tap` with each further message until the returned function is called."""

    def follower(
        self, *, shows_numbers: bool, is_full: bool
    ) -> Callable[[Captured], dict[str, object] | None]:
        """Give what describes a followed message; None for what is no call's."""


@dataclass(frozen=True, slots=True)
class ControlHandlers:
    trace: Trace
    relay_test: Callable[[str], Awaitable[RelayResult]]
    """Pulse a door's relay; ConfigError for a door that is not there."""
    reload: Callable[[Path | None], Awaitable[Change]]
    """Load the building again, from another file where one is given; ConfigError if it is wrong."""
    status: Callable[[], Mapping[str, object]]
    unlock: Callable[[], int] = lambda: 0
    """Lift every lock-out; tell how many there were."""
    sip_trace: SipTraceReader | None = None
    check_number: Callable[[str, str | None], Awaitable[str]] | None = None
    """Ring a number in a property's language and say what became of it; ConfigError: it may not be."""


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
        self._sip_streams: set[_SipQueue] = set()
        self.app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_in_words])
        self.app.router.add_get("/status", self._status)
        self.app.router.add_get("/trace", self._trace)
        self.app.router.add_get("/trace/stream", self._stream)
        if handlers.sip_trace is not None:
            self._add_sip_trace(handlers.sip_trace)
        self.app.router.add_post("/relay-test", self._relay_test)
        self.app.router.add_post("/reload", self._reload)
        self.app.router.add_post("/unlock", self._unlock)
        if handlers.check_number is not None:
            self._add_check_number(handlers.check_number)

    def stop_streams(self) -> None:
        """End every open stream, so that stopping does not wait for its reader."""
        for steps in self._streams:
            _offer(steps, None)
        for messages in self._sip_streams:
            messages.stop()

    def _add_check_number(self, check: Callable[[str, str | None], Awaitable[str]]) -> None:
        async def check_number(request: web.Request) -> web.Response:
            number = await _field(request, "number")
            if number is None:
                msg = 'Say which number: {"number": "+4790012345"}.'
                raise ConfigError(msg)
            result = await check(number, await _field(request, "property"))
            return web.json_response({"result": result})

        self.app.router.add_post("/check-number", check_number)

    def _add_sip_trace(self, reader: SipTraceReader) -> None:
        async def calls(request: web.Request) -> web.Response:
            return web.json_response(await reader.calls(shows_numbers="numbers" in request.query))

        async def call(request: web.Request) -> web.Response:
            wanted = request.query.get("id", "")
            is_all = "all" in request.query
            return web.json_response(await reader.call(wanted, is_all=is_all, **_how(request)))

        async def register(request: web.Request) -> web.Response:
            return web.json_response(await reader.registrations(**_how(request)))

        async def stream(request: web.Request) -> web.StreamResponse:
            return await self._sip_stream(request, reader)

        self.app.router.add_get("/sip-trace", calls)
        self.app.router.add_get("/sip-trace/call", call)
        self.app.router.add_get("/sip-trace/register", register)
        self.app.router.add_get("/sip-trace/stream", stream)

    async def _sip_stream(self, request: web.Request, reader: SipTraceReader) -> web.StreamResponse:
        if len(self._sip_streams) >= MAX_SIP_STREAMS:
            raise ConfigError("Too many are watching SIP messages already: end one of them.")
        describe = reader.follower(**_how(request))
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        messages = _SipQueue()
        unsubscribe = reader.subscribe(messages.put)
        self._sip_streams.add(messages)
        try:
            await response.prepare(request)
            while not messages.is_stopped:
                message = await messages.next()
                if message is None:
                    await response.write(b"\n")
                elif (described := describe(message)) is not None:
                    line = described | {"dropped": messages.take_dropped()}
                    await response.write(json.dumps(line).encode() + b"\n")
        except ConnectionResetError:
            pass  # the reader has gone
        finally:
            self._sip_streams.discard(messages)
            unsubscribe()
        return response

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
        change = await self._handlers.reload(Path(file) if file else None)
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


class _SipQueue:
    """Messages for one who watches; what he is too slow for is counted, not kept."""

    def __init__(self) -> None:
        self.is_stopped = False
        self._messages: deque[Captured] = deque()
        self._dropped = 0
        self._has_work = asyncio.Event()

    def put(self, message: Captured) -> None:
        if len(self._messages) >= _STREAM_QUEUE:
            self._dropped += 1
            return
        self._messages.append(message)
        self._has_work.set()

    def stop(self) -> None:
        self.is_stopped = True
        self._has_work.set()

    def take_dropped(self) -> int:
        dropped, self._dropped = self._dropped, 0
        return dropped

    async def next(self) -> Captured | None:
        """Wait for a message; None after the heartbeat's time, and when the service stops."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_HEARTBEAT_S):
                await self._has_work.wait()
        message = self._messages.popleft() if self._messages else None
        if not self._messages and not self.is_stopped:
            self._has_work.clear()
        return message


class _How(TypedDict):
    shows_numbers: bool
    is_full: bool


def _how(request: web.Request) -> _How:
    return {"shows_numbers": "numbers" in request.query, "is_full": "full" in request.query}


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
