"""One app's WebSocket: a bounded queue out, checked frames in, a heartbeat between."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping
from enum import IntEnum

from aiohttp import WSMsgType, web

from intercom.routing.ids import DeviceId
from intercom.web.frames import MAX_FRAME_BYTES, FrameError, parse

HEARTBEAT_S = 6.0  # a ping each 6 s, its pong within 3 s: a dead app is known after 10 s
WHOLE_FRAME_S = 9.5
"""A whole frame, at least a pong, comes within this time: who dribbles bytes is asked no ping."""
CLOSE_TIMEOUT_S = 2.0
SEND_TIMEOUT_S = 5.0
SLOWEST_BYTES_A_SECOND = 20_000
"""A picture may take its time on a slow network; an app that is slower than this is dropped."""
MAX_QUEUED = 64
FRAMES_A_SECOND = 10.0
FRAMES_AT_ONCE = 40.0
MAX_MALFORMED = 20


class Close(IntEnum):
    """Why we close a connection: RFC 6455 §7.4.1, and from 4000 our own."""

    NORMAL = 1000
    GOING_AWAY = 1001
    TOO_MANY_FRAMES = 1008
    LOGGED_OUT = 4401
    REPLACED = 4409
    TOO_SLOW = 4429


class Connection:
    """One app's WebSocket; `run` lasts as long as it does."""

    def __init__(self, *, on_frame: Callable[["Connection", dict[str, str]], None]) -> None:
        self.response = web.WebSocketResponse(
            heartbeat=HEARTBEAT_S,
            timeout=CLOSE_TIMEOUT_S,
            receive_timeout=WHOLE_FRAME_S,
            max_msg_size=MAX_FRAME_BYTES,
            compress=False,
        )
        self.device_id: DeviceId | None = None
        """The log-in that this connection speaks for, once it does."""
        self._on_frame = on_frame
        self._queue: deque[str] = deque()
        self._wake_up = asyncio.Event()
        self._closing: Close | None = None
        self._budget = FRAMES_AT_ONCE
        self._budget_at = 0.0
        self._malformed = 0
        self._is_sending = False
        self._transport: asyncio.Transport | None = None

    async def open(self, request: web.Request) -> None:
        """Shake hands."""
        self._transport = request.transport
        await self.response.prepare(request)

    def send(self, message: Mapping[str, object]) -> bool:
        """Queue a frame; False when the queue is full or the connection is closing."""
        if self._closing is not None or len(self._queue) >= MAX_QUEUED:
            return False
        self._queue.append(json.dumps(message, ensure_ascii=False, separators=(",", ":")))
        self._wake_up.set()
        return True

    @property
    def is_idle(self) -> bool:
        """Whether everything that was queued is on its way."""
        return not self._queue and not self._is_sending

    def close(self, reason: Close) -> None:
        """Send nothing more and close; the first reason stands."""
        if self._closing is None:
            self._closing = reason
            self._queue.clear()
            self._wake_up.set()

    async def run(self) -> None:
        """Read and write until either side ends it."""
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(self._write())
            try:
                await self._read()
            except TimeoutError:
                self._give_up()
            self.close(Close.NORMAL)
            if self.response.closed:
                writer.cancel()

    async def _read(self) -> None:
        async for message in self.response:
            if message.type is not WSMsgType.TEXT:
                self._complain(FrameError("malformed", "Frames are text"))
            elif self._is_within_budget():
                self._take(message.data)
            else:
                self.close(Close.TOO_MANY_FRAMES)

    async def _write(self) -> None:
        try:
            while self._closing is None or self._queue:
                await self._wake_up.wait()
                self._wake_up.clear()
                while self._queue:
                    text = self._queue.popleft()
                    self._is_sending = True
                    async with asyncio.timeout(SEND_TIMEOUT_S + len(text) / SLOWEST_BYTES_A_SECOND):
                        await self.response.send_str(text)
                    self._is_sending = False
        except (ConnectionError, TimeoutError):
            self.close(Close.TOO_SLOW)
        await self.response.close(code=int(self._closing or Close.NORMAL))

    def _give_up(self) -> None:
        self.close(Close.TOO_SLOW)
        if self._transport is not None:
            self._transport.abort()  # it would not read a farewell in time either

    def _take(self, text: str) -> None:
        try:
            frame = parse(text)
        except FrameError as error:
            self._complain(error)
            return
        if frame["type"] == "ping":
            self.send({"type": "pong"})
        else:
            self._on_frame(self, frame)

    def _complain(self, error: FrameError) -> None:
        self._malformed += 1
        self.send({"type": "error", "code": error.code, "text": error.text})
        if self._malformed > MAX_MALFORMED:
            self.close(Close.TOO_MANY_FRAMES)

    def _is_within_budget(self) -> bool:
        now = asyncio.get_running_loop().time()
        earned = (now - self._budget_at) * FRAMES_A_SECOND
        self._budget = min(FRAMES_AT_ONCE, self._budget + earned) - 1
        self._budget_at = now
        return self._budget >= 0
