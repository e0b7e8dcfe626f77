"""One panel's connection: the hello, the heartbeats, its clock, and what is sent to it."""

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime

import structlog
from aiohttp import WSCloseCode, WSMsgType, web
from nacl.signing import SigningKey

from intercom.errors import RemoteProtocolError
from intercom.link.messages import (
    COMMAND_VERSION,
    HAS_SCREEN,
    Heartbeat,
    Hello,
    Message,
    RelayCommand,
    RelayOpen,
    Welcome,
    decode,
    encode,
)
from intercom.link.signing import sign
from intercom.routing.ids import CallId, CommandId, PanelId

HEARTBEAT_S = 1.0
MISSED_HEARTBEATS = 3
SILENCE_S = HEARTBEAT_S * MISSED_HEARTBEATS
"""A panel that says nothing for so long is offline."""
HELLO_S = 5.0
SEND_S = 2.0
"""A panel that takes nothing for so long is cut off."""
CLOSE_S = 1.0
OUTBOX_MESSAGES = 64
CLOCK_SAMPLES = 60

log = structlog.get_logger()


class PanelClock:
    """Estimates a panel's monotonic clock from its heartbeats.

    The heartbeat with the least delay wins. What delay is left makes the estimate late, never
    early, so a command can only expire sooner than it was meant to.
    """

    def __init__(self) -> None:
        self._offsets_ms: deque[int] = deque(maxlen=CLOCK_SAMPLES)

    @property
    def is_known(self) -> bool:
        return bool(self._offsets_ms)

    def learn(self, mono_ms: int, now: float) -> None:
        """Take in a heartbeat that arrived at `now`."""
        self._offsets_ms.append(int(now * 1000) - mono_ms)

    def read_ms(self, now: float) -> int:
        """Say what the panel's clock shows at `now`."""
        return max(0, int(now * 1000) - min(self._offsets_ms))


class PanelConnection:
    """A panel that has logged in; ready for commands from its first heartbeat on."""

    def __init__(self, panel_id: PanelId, socket: web.WebSocketResponse) -> None:
        self.panel_id = panel_id
        self.clock = PanelClock()
        self.hello = Hello("", 0, (), "")
        """What it said of itself; nothing yet."""
        self._socket = socket
        self._chal = secrets.token_hex(16)
        self._ctr = 0
        self._outbox: asyncio.Queue[Message | None] = asyncio.Queue(OUTBOX_MESSAGES)
        self._is_closing = False

    @property
    def firmware(self) -> str:
        return self.hello.fw

    @property
    def boot_id(self) -> str:
        return self.hello.boot_id

    @property
    def is_ready(self) -> bool:
        return self.clock.is_known and not self._is_closing and not self._socket.closed

    async def run(
        self,
        *,
        on_ready: Callable[[], None],
        on_message: Callable[[Message], None],
        keep_screen: Callable[[Hello], Coroutine[None, None, None]],
    ) -> None:
        """Serve the panel until it leaves, falls silent, breaks the protocol or is closed."""
        async with asyncio.TaskGroup() as tasks:
            workers = [tasks.create_task(self._write())]
            try:
                await self._greet()
                if HAS_SCREEN in self.hello.caps:
                    workers.append(tasks.create_task(keep_screen(self.hello)))
                while (message := await self._receive(SILENCE_S)) is not None:
                    if isinstance(message, Heartbeat):
                        self._answer_heartbeat(message, on_ready)
                    else:
                        on_message(message)
            except TimeoutError:
                log.debug("panel_link.fell_silent", panel_id=self.panel_id)
            except RemoteProtocolError as error:
                log.warning("panel_link.protocol_broken", cause=str(error))
            finally:
                self._is_closing = True
                for worker in workers:
                    worker.cancel()
        await self._shut(WSCloseCode.GOING_AWAY)

    def send(self, message: Message) -> bool:
        """Send as soon as possible; False when the panel does not take what it is sent."""
        try:
            self._outbox.put_nowait(message)
        except asyncio.QueueFull:
            return False
        return True

    def close(self) -> None:
        """Close behind what is still to be sent; `run` returns soon after."""
        self._is_closing = True
        # A full outbox means a stuck writer, which closes by itself after SEND_S.
        with contextlib.suppress(asyncio.QueueFull):
            self._outbox.put_nowait(None)

    def command(
        self, command_id: CommandId, call_id: CallId | None, *, relay: int, pulse_ms: int, exp: int
    ) -> RelayCommand:
        """Make a command of this session, with the next counter."""
        self._ctr += 1
        return RelayCommand(
            v=COMMAND_VERSION,
            panel=self.panel_id,
            relay=relay,
            ms=pulse_ms,
            cmd_id=command_id,
            ctr=self._ctr,
            chal=self._chal,
            exp=exp,
            call_id=call_id,
        )

    def send_command(self, command: RelayCommand, key: SigningKey) -> bool:
        """Sign and send a command."""
        return self.send(RelayOpen(command, sign(command, key)))

    async def _greet(self) -> None:
        hello = await self._receive(HELLO_S)
        if not isinstance(hello, Hello):
            raise RemoteProtocolError("the first message is not a hello")
        self.hello = hello
        self._ctr = hello.ctr
        time = datetime.now(UTC).isoformat(timespec="seconds")
        self.send(Welcome(self._chal, time, hello.cfg_rev))

    def _answer_heartbeat(self, heartbeat: Heartbeat, on_ready: Callable[[], None]) -> None:
        is_first = not self.clock.is_known
        self.clock.learn(heartbeat.mono_ms, asyncio.get_running_loop().time())
        self.send(heartbeat)
        if is_first:
            on_ready()

    async def _receive(self, limit_s: float) -> Message | None:
        async with asyncio.timeout(limit_s):
            frame = await self._socket.receive()
        match frame.type:
            case WSMsgType.TEXT:
                return decode(frame.data)
            case WSMsgType.BINARY:
                raise RemoteProtocolError("a binary frame")
            case _:
                return None

    async def _write(self) -> None:
        try:
            while (message := await self._outbox.get()) is not None:
                async with asyncio.timeout(SEND_S):
                    await self._socket.send_str(encode(message))
        except (ConnectionError, TimeoutError):
            log.debug("panel_link.send_failed", panel_id=self.panel_id)
        await self._shut(WSCloseCode.OK)

    async def _shut(self, code: WSCloseCode) -> None:
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._socket.close(code=code)
        except (ConnectionError, TimeoutError):
            log.debug("panel_link.close_failed", panel_id=self.panel_id)
