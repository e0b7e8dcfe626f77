"""A panel process under test, and the two ends of a router that it talks to."""

import asyncio
import base64
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web
from nacl.signing import SigningKey, VerifyKey

from firmware_sim import journal
from firmware_sim.journal import CoilPhase, Transition
from firmware_sim.process import control_server
from firmware_sim.sip_socket import SipSocket, open_sip_socket, token
from intercom.link.messages import (
    CallState,
    Heartbeat,
    Hello,
    Message,
    RelayAck,
    RelayCommand,
    RelayOpen,
    RelayState,
    Welcome,
    decode,
    encode,
)
from intercom.link.signing import sign
from intercom.sip.endpoint import Endpoint, EndpointConfig
from intercom.sip.events import InviteReceived, SipEvent

PANEL_ID = "main"
PASSWORD = "correct horse"
ROUTER_KEY = SigningKey(bytes(range(32)))
READY_S = 20.0
WAIT_S = 10.0
PAUSE_S = 0.01


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it is true."""
    for _ in range(int(WAIT_S / PAUSE_S)):
        if condition():
            return
        await asyncio.sleep(PAUSE_S)
    raise TimeoutError("it did not come true")


@dataclass
class LinkServer:
    """The router's end of the panel link, which says whatever the test wants."""

    url: str = ""
    chal: str = "first session"
    received: list[Message] = field(default_factory=list)
    panel_ms: int = 0
    socket: web.WebSocketResponse | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.socket = web.WebSocketResponse(compress=False)
        await self.socket.prepare(request)
        async for frame in self.socket:
            message = decode(frame.data)
            self.received.append(message)
            if isinstance(message, Hello):
                await self.say(Welcome(self.chal, "2026-01-02T03:04:05+00:00", 0))
            elif isinstance(message, Heartbeat):
                self.panel_ms = message.mono_ms
                await self.say(message)
        return self.socket

    def command(self, cmd_id: str = "c-1", **changed: object) -> RelayOpen:
        """Sign a good command, or one that is changed before it is signed."""
        fields: dict[str, object] = {
            "v": 1,
            "panel": PANEL_ID,
            "relay": 1,
            "ms": 300,
            "cmd_id": cmd_id,
            "ctr": self.hello().ctr + 1,
            "chal": self.chal,
            "exp": self.panel_ms + 4000,
            "call_id": None,
        }
        command = RelayCommand(**{**fields, **changed})
        return RelayOpen(command, sign(command, ROUTER_KEY))

    async def say(self, message: Message) -> None:
        assert self.socket is not None
        await self.socket.send_str(encode(message))

    async def order(self, message: RelayOpen) -> RelayAck:
        """Send a command and wait for its acknowledgement."""
        before = len(self.acks())
        await self.say(message)
        await until(lambda: len(self.acks()) > before)
        return self.acks()[-1]

    async def show(self, state: str, text: str, reason: str | None = None) -> None:
        await self.say(CallState("call-1", state, reason, text))

    def hello(self) -> Hello:
        return [message for message in self.received if isinstance(message, Hello)][-1]

    def acks(self) -> list[RelayAck]:
        return [message for message in self.received if isinstance(message, RelayAck)]

    def states(self) -> list[RelayState]:
        return [message for message in self.received if isinstance(message, RelayState)]

    async def until_welcome(self, count: int = 1) -> None:
        """Wait for the first heartbeat of the so-manieth session."""
        await until(lambda: sum(isinstance(m, Hello) for m in self.received) >= count)
        await until(lambda: isinstance(self.received[-1], Heartbeat))


@contextlib.asynccontextmanager
async def link_server() -> AsyncIterator[LinkServer]:
    server = LinkServer()
    app = web.Application()
    app.router.add_get("/panel-link", server.handle)
    async with control_server(app) as port:
        server.url = f"ws://127.0.0.1:{port}/panel-link"
        yield server
        if server.socket is not None:
            await server.socket.close()


@dataclass
class SipServer:
    """The router's SIP end: a registrar, and calls that the test answers."""

    sip: SipSocket
    events: list[SipEvent]

    @property
    def invites(self) -> list[InviteReceived]:
        return [event for event in self.events if isinstance(event, InviteReceived)]

    async def until_event(self, kind: type[SipEvent], count: int = 1) -> SipEvent:
        await until(lambda: sum(isinstance(event, kind) for event in self.events) >= count)
        return [event for event in self.events if isinstance(event, kind)][-1]

    def respond(self, invite: InviteReceived, status: int, body: bytes = b"") -> None:
        self.sip.endpoint.respond(invite.dialog, self.sip.now, status, body=body)
        self.sip.flush()

    def hang_up(self, invite: InviteReceived) -> None:
        self.sip.endpoint.hang_up(invite.dialog, self.sip.now)
        self.sip.flush()


@contextlib.asynccontextmanager
async def sip_server() -> AsyncIterator[SipServer]:
    events: list[SipEvent] = []

    def build(local) -> Endpoint:
        config = EndpointConfig(
            local=local,
            password_of={PANEL_ID: PASSWORD}.get,
            is_trusted=lambda address, user: False,
        )
        return Endpoint(config, token=token)

    async with open_sip_socket("127.0.0.1", 0, build, events.append) as sip:
        yield SipServer(sip, events)


@dataclass
class PanelProcess:
    process: asyncio.subprocess.Process
    ports: dict[str, int]
    state_dir: Path
    http: aiohttp.ClientSession

    async def get(self, path: str):
        async with self.http.get(self._url(path)) as response:
            assert response.status == 200
            is_json = response.content_type == "application/json"
            return await response.json() if is_json else await response.read()

    async def post(self, path: str, **body: object) -> int:
        async with self.http.post(self._url(path), json=body) as response:
            return response.status

    async def fault(self, name: str, *, is_on: bool = True) -> None:
        assert await self.post("/api/fault", name=name, on=is_on) == 200

    async def until_state(self, condition: Callable[[dict], bool]) -> dict:
        for _ in range(int(WAIT_S / PAUSE_S)):
            state = await self.get("/api/state")
            if condition(state):
                return state
            await asyncio.sleep(PAUSE_S)
        raise TimeoutError(json.dumps(state, indent=1))

    def journal(self, *phases: CoilPhase) -> list[Transition]:
        return [t for t in journal.read(self.state_dir) if t.phase in (phases or CoilPhase)]

    async def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        os.kill(self.process.pid, how)
        if how is signal.SIGKILL:
            await self.process.wait()

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.ports['http_port']}{path}"


@contextlib.asynccontextmanager
async def panel_process(
    state_dir: Path,
    *,
    link: LinkServer | None = None,
    sip_port: int = 9,
    router_key: VerifyKey = ROUTER_KEY.verify_key,
    password: str = PASSWORD,
) -> AsyncIterator[PanelProcess]:
    """Run a panel while the context lasts; it must end by itself on SIGTERM, unless it was killed."""
    options = ["--sip-server", f"127.0.0.1:{sip_port}", "--panel-id", PANEL_ID]
    options += ["--state-dir", str(state_dir), "--button", "hansen=Hansen", "--button", "berg=Berg"]
    if link is not None:
        key = base64.b64encode(bytes(router_key)).decode()
        options += ["--link", link.url, "--server-key", key]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "firmware_sim.panel",
        *options,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PANEL_PASSWORD": password},
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(READY_S):
            ports = json.loads(await process.stdout.readline())
        async with aiohttp.ClientSession() as http:
            yield PanelProcess(process, ports, state_dir, http)
        if process.returncode is None:
            process.terminate()
            async with asyncio.timeout(WAIT_S):
                assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
