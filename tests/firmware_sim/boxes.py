"""Simulator processes under test, and a caller with sound that stands for the router's trunk."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp

from firmware_sim.process import SAMPLE_HZ
from firmware_sim.sip_socket import SipSocket, open_sip_socket, token
from firmware_sim.voice import FRAME_MS, KEYS, Voice, endless, tone
from intercom.media import g711, rtp
from intercom.sip.address import Address
from intercom.sip.endpoint import Credentials, Endpoint, EndpointConfig
from intercom.sip.events import DialogId, InviteReceived, RegistrationSucceeded, SipEvent
from intercom.sip.offer_answer import Codec, LocalMedia, make_answer, make_offer, read_answer

READY_S = 10.0
END_S = 8.0
EVENT_S = 5.0
STATE_S = 8.0
EVENT_PAYLOAD_TYPE = 101
CALLER_ID = "+4723506953"
TRUNK = Credentials("intercom", "trunk-secret")

Event = TypeVar("Event", bound=SipEvent)


@dataclass(slots=True)
class Box:
    """A simulator process that is up."""

    ports: dict[str, int]
    http: aiohttp.ClientSession

    async def get(self, path: str) -> Any:
        async with self.http.get(self._url(path)) as response:
            is_json = response.content_type == "application/json"
            return await response.json() if is_json else await response.read()

    async def post(self, path: str, **body: object) -> int:
        async with self.http.post(self._url(path), json=body) as response:
            return response.status

    async def reaches(self, path: str, **wanted: object) -> dict[str, Any]:
        """Wait until a JSON object at a path has these values; `call__phase` is one within `call`."""
        async with asyncio.timeout(STATE_S):
            while True:
                state = await self.get(path)
                if all(_at(state, name) == value for name, value in wanted.items()):
                    return dict(state)
                await asyncio.sleep(0.02)

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.ports['http_port']}{path}"


@contextlib.asynccontextmanager
async def box(module: str, *arguments: str) -> AsyncIterator[Box]:
    """Run `python -m firmware_sim.MODULE` while the context lasts; it must end by itself on SIGTERM."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"firmware_sim.{module}", *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(READY_S):
            ready = json.loads(await process.stdout.readline())
        async with aiohttp.ClientSession() as http:
            yield Box({name: port for name, port in ready.items() if name != "ready"}, http)
        process.terminate()
        async with asyncio.timeout(END_S):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class Ear(asyncio.DatagramProtocol):
    """The caller's RTP socket: keeps what it hears, and each telephone-event once."""

    def __init__(self) -> None:
        self.pcm = bytearray()
        self.digits: list[str] = []
        self.transport: asyncio.DatagramTransport
        self._seen: set[tuple[int, int]] = set()

    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        header = rtp.parse(data)
        if header is None:
            return
        payload = data[header.payload_start : header.payload_end]
        if header.payload_type in (Codec.PCMA.value, Codec.PCMU.value):
            self.pcm += g711.decode(payload, Codec(header.payload_type))
        elif (header.ssrc, header.timestamp) not in self._seen:
            self._seen.add((header.ssrc, header.timestamp))
            self.digits.append(KEYS[payload[0]])


@dataclass(slots=True)
class Caller:
    """Calls a carrier's trunk, talks with a tone of 440 Hz, and hears; also a phone without pyVoIP."""

    sip: SipSocket
    ear: Ear
    events: asyncio.Queue[SipEvent]
    tasks: asyncio.TaskGroup
    offer: bytes = b""
    seen: list[SipEvent] = field(default_factory=list)
    talks: list[asyncio.Task[None]] = field(default_factory=list)

    def call(
        self,
        trunk_port: int,
        number: str,
        *,
        caller_id: str = CALLER_ID,
        password: str | None = None,
    ) -> DialogId:
        """Invite a number by the trunk."""
        host, port = self.ear.transport.get_extra_info("sockname")
        self.offer = make_offer(LocalMedia(host, port, port + 1, codecs=(Codec.PCMU, Codec.PCMA)))
        dialog = self.sip.endpoint.invite(
            self.sip.now,
            target=f"sip:{number}@127.0.0.1:{trunk_port}",
            destination=Address("127.0.0.1", trunk_port),
            from_uri=f"sip:{caller_id}@127.0.0.1",
            body=self.offer,
            credentials=Credentials(TRUNK.username, password or TRUNK.password),
            headers=[("P-Asserted-Identity", f"<sip:{caller_id}@127.0.0.1>")],
        )
        self.sip.flush()
        return dialog

    async def event(self, kind: type[Event], limit_s: float = EVENT_S) -> Event:
        """Wait for an event of a kind; others are kept in `seen`."""
        async with asyncio.timeout(limit_s):
            while True:
                event = await self.events.get()
                self.seen.append(event)
                if isinstance(event, kind):
                    return event

    def talk(self, answer: bytes) -> None:
        """Send 440 Hz to whoever answered, until the test ends."""
        remote = read_answer(self.offer, answer).audio.remote
        self.talks.append(self.tasks.create_task(self._talk(remote)))

    def hang_up(self, dialog: DialogId) -> None:
        self.sip.endpoint.hang_up(dialog, self.sip.now)
        self.sip.flush()

    def cancel(self, dialog: DialogId) -> None:
        self.sip.endpoint.cancel(dialog, self.sip.now)
        self.sip.flush()

    def info(self, dialog: DialogId, content_type: str, body: bytes) -> None:
        self.sip.endpoint.send_info(dialog, self.sip.now, content_type, body)
        self.sip.flush()

    async def register(self, registrar_port: int, credentials: Credentials) -> None:
        """Be a phone of a carrier's."""
        self.sip.endpoint.register(
            self.sip.now,
            registrar=Address("127.0.0.1", registrar_port),
            aor=f"sip:{credentials.username}@127.0.0.1",
            credentials=credentials,
            expires_s=60,
        )
        self.sip.flush()
        await self.event(RegistrationSucceeded)

    def answer(self, invite: InviteReceived) -> None:
        """Pick up, as a phone."""
        host, port = self.ear.transport.get_extra_info("sockname")
        body, _ = make_answer(invite.body, LocalMedia(host, port, port + 1))
        self.sip.endpoint.respond(invite.dialog, self.sip.now, 200, body=body)
        self.sip.flush()

    async def _talk(self, remote: tuple[str, int]) -> None:
        voice = Voice(Codec.PCMU, EVENT_PAYLOAD_TYPE, ssrc=4711)
        loop = asyncio.get_running_loop()
        due_at = loop.time()
        for piece in endless(tone((440,), 1000)):
            for packet in voice.next_packets(piece):
                self.ear.transport.sendto(packet, remote)
            due_at += FRAME_MS / 1000
            await asyncio.sleep(due_at - loop.time())


@contextlib.asynccontextmanager
async def caller() -> AsyncIterator[Caller]:
    """Open a caller on free ports."""

    def build(local: Address) -> Endpoint:
        config = EndpointConfig(local=local, is_trusted=lambda _source, _user: True)
        return Endpoint(config, token=token)

    events: asyncio.Queue[SipEvent] = asyncio.Queue()
    ear = Ear()
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: ear, local_addr=("127.0.0.1", 0))
    async with (
        open_sip_socket("127.0.0.1", 0, build, events.put_nowait) as sip,
        asyncio.TaskGroup() as tasks,
    ):
        each = Caller(sip, ear, events, tasks)
        try:
            yield each
        finally:
            for talk in each.talks:
                talk.cancel()
            ear.transport.close()


def seconds(pcm: bytes) -> float:
    """Give the length of a sound."""
    return len(pcm) / 2 / SAMPLE_HZ


def _at(state: Any, path: str) -> Any:
    for name in path.split("__"):
        state = state.get(name) if isinstance(state, dict) else None
    return state
