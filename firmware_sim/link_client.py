"""The firmware's end of the panel link: dials the router, obeys its commands, reports the relays."""

import asyncio
import random
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
from nacl.signing import VerifyKey

from firmware_sim.journal import CoilPhase, Transition
from firmware_sim.memory import PanelMemory
from firmware_sim.process import now_ms
from firmware_sim.screen_memory import ScreenMemory
from intercom.errors import RemoteProtocolError
from intercom.link.fields import MAX_MESSAGE_BYTES
from intercom.link.messages import (
    HAS_SCREEN,
    CallAnswer,
    CallState,
    Heartbeat,
    Hello,
    Message,
    Phase,
    RelayOpen,
    RelayState,
    ScreenPart,
    ScreenPut,
    Welcome,
    decode,
    encode,
)
from intercom.link.relay_gate import Acknowledge, Energise, Intent, Persist, RelayGate

FIRMWARE = "sim-1"
HEARTBEAT_S = 1.0
SILENCE_S = 3.0
"""The router answers each heartbeat: after three without an answer it is lost."""
DIAL_S = 3.0
SEND_S = 2.0
FIRST_BACK_OFF_S = 0.25
LONGEST_BACK_OFF_S = 5.0
SLOW_S = 1.0
OUTBOX_MESSAGES = 256
KEPT_REPORTS = 16


@dataclass(frozen=True, slots=True)
class LinkAccount:
    """Where the router is, who we are, and whose commands we obey."""

    url: str
    panel_id: str
    password: str
    router_key: VerifyKey


@dataclass(slots=True)
class LinkFaults:
    """What goes wrong on request."""

    relay_silent: bool = False
    """Door commands are swallowed: no pulse, no answer."""
    mute: bool = False
    """Nothing that the panel says gets through."""
    slow: bool = False
    """Every message is taken in SLOW_S late."""


class LinkClient:
    """Keeps one session with the router, session after session."""

    def __init__(
        self,
        account: LinkAccount,
        *,
        relays: int,
        memory: PanelMemory,
        energise: Callable[[int, int, str], None],
        on_call_state: Callable[[CallState], None],
        on_change: Callable[[bool], None] = lambda _: None,
        on_answer: Callable[[CallAnswer], None] = lambda _: None,
        screen: ScreenMemory | None = None,
    ) -> None:
        self.faults = LinkFaults()
        self.is_online = False
        """The router has welcomed us and answers."""
        self._account = account
        self._relays = relays
        self._memory = memory
        self._energise = energise
        self._on_call_state = on_call_state
        self._on_change = on_change
        self._on_answer = on_answer
        self._screen = screen
        """None: a panel whose names are printed on it."""
        self._gate = RelayGate(
            panel_id=account.panel_id,
            router_key=account.router_key,
            relays=frozenset(range(1, relays + 1)),
            memory=memory.loaded,
        )
        self._boot_id = secrets.token_hex(8)
        self._booted_ms = now_ms()
        self._outbox: asyncio.Queue[Message] = asyncio.Queue(OUTBOX_MESSAGES)
        self._reports: OrderedDict[str, RelayState] = OrderedDict()
        """The last report about each of the last commands."""
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._may_dial = asyncio.Event()
        self._may_dial.set()

    @property
    def ctr(self) -> int:
        """The stored command counter."""
        return self._gate.ctr

    def mono_ms(self) -> int:
        """Read the panel's own clock, which starts at 0 at every boot."""
        return now_ms() - self._booted_ms

    async def run(self) -> None:
        """Dial, serve, and dial again with full jitter, for ever."""
        back_off_s = FIRST_BACK_OFF_S
        login = aiohttp.encode_basic_auth(self._account.panel_id, self._account.password, "utf-8")
        async with aiohttp.ClientSession(headers={"Authorization": login}) as http:
            while True:
                await self._may_dial.wait()
                if await self._session(http):
                    back_off_s = FIRST_BACK_OFF_S
                await asyncio.sleep(random.uniform(0, back_off_s))
                back_off_s = min(2 * back_off_s, LONGEST_BACK_OFF_S)

    def report(self, transition: Transition) -> None:
        """Tell the router what a coil was measured to do."""
        is_off = transition.phase is CoilPhase.OFF
        state = RelayState(
            relay=transition.relay,
            cmd_id=transition.cmd_id,
            phase=Phase.OFF if is_off else Phase.ON,
            coil_ma=transition.coil_ma,
            contact=None,
            on_ms=transition.on_ms,
        )
        self._reports[state.cmd_id] = state
        if len(self._reports) > KEPT_REPORTS:
            self._reports.popitem(last=False)
        self._send(state)

    async def set_link_down(self, *, is_down: bool) -> None:
        """Fault: cut the link, and do not dial while it lasts."""
        if not is_down:
            self._may_dial.set()
            return
        self._may_dial.clear()
        if self._socket is not None:
            await self._socket.close()

    async def _session(self, http: aiohttp.ClientSession) -> bool:
        """Serve one connection to its end; says whether the router welcomed us."""
        try:
            async with asyncio.timeout(DIAL_S):
                self._socket = await http.ws_connect(
                    self._account.url, compress=0, max_msg_size=MAX_MESSAGE_BYTES
                )
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False
        was_welcome = False
        try:
            await self._serve(self._socket)
        except* (RemoteProtocolError, aiohttp.ClientError, OSError, TimeoutError):
            pass  # whatever it was, the remedy is to dial again
        finally:
            was_welcome = self.is_online
            self._gate.end_session()
            if self._screen is not None:
                self._screen.end_session()
            self._set_online(is_online=False)
            await self._socket.close()
        return was_welcome

    async def _serve(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while not self._outbox.empty():  # what an earlier session did not take is stale
            self._outbox.get_nowait()
        self._send(self._hello())
        async with asyncio.TaskGroup() as tasks:
            workers = [tasks.create_task(self._write(socket)), tasks.create_task(self._beat())]
            try:
                while (message := await self._receive(socket)) is not None:
                    await self._obey(message)
            finally:
                for worker in workers:
                    worker.cancel()

    async def _receive(self, socket: aiohttp.ClientWebSocketResponse) -> Message | None:
        async with asyncio.timeout(SILENCE_S):
            frame = await socket.receive()
        if frame.type is not aiohttp.WSMsgType.TEXT:
            return None
        if self.faults.slow:
            await asyncio.sleep(SLOW_S)
        return decode(frame.data)

    async def _obey(self, message: Message) -> None:
        match message:
            case Welcome(chal):
                self._gate.start_session(chal)
                self._set_online(is_online=True)
                self._send(Heartbeat(self.mono_ms()))
            case RelayOpen() if not self.faults.relay_silent:
                for intent in self._gate.receive(message, self.mono_ms()):
                    self._carry_out(intent)
            case CallState():
                self._on_call_state(message)
            case CallAnswer():
                self._on_answer(message)
            case ScreenPut() if self._screen is not None:
                self._send(*self._screen.offer(message))
            case ScreenPart() if self._screen is not None:
                self._send(*self._screen.take(message))
            case _:  # a heartbeat's answer, or a message of a newer router
                pass

    def _carry_out(self, intent: Intent) -> None:
        match intent:
            case Persist(memory):
                self._memory.store(memory)
            case Energise(relay, ms, cmd_id):
                self._energise(relay, ms, cmd_id)
            case Acknowledge(ack, is_repeated):
                self._send(ack)
                report = self._reports.get(ack.cmd_id)
                if is_repeated and report is not None:
                    self._send(report)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            self._send(Heartbeat(self.mono_ms()))

    async def _write(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            message = await self._outbox.get()
            if self.faults.mute:
                continue
            async with asyncio.timeout(SEND_S):
                await socket.send_str(encode(message))

    def _send(self, *messages: Message) -> None:
        for message in messages:
            if not self._outbox.full():  # full: the session is stuck and about to end
                self._outbox.put_nowait(message)

    def _set_online(self, *, is_online: bool) -> None:
        if is_online != self.is_online:
            self.is_online = is_online
            self._on_change(is_online)

    def _hello(self) -> Hello:
        relays = [f"relay:{number}" for number in range(1, self._relays + 1)]
        if self._screen is None:
            return Hello(FIRMWARE, self._gate.ctr, (*relays, "coil_ma"), self._boot_id)
        caps = (*relays, "coil_ma", HAS_SCREEN)
        shown = self._screen
        return Hello(FIRMWARE, self._gate.ctr, caps, self._boot_id, shown.rev, shown.digest)
