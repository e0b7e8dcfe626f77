"""What a press costs: INVITE → INVITE, INVITE → ring message, first packet of a digit → relay command.

    python bench/press.py [--presses 200] [--json FILE]

The router is a process of its own; this program is its panels, its carrier and its apps, on loopback,
and measures on its own sockets. Presses come one after another, then 10 and 50 a second, each
from as many panels.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import os
import re
import secrets
import socket
import statistics
import struct
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from argon2 import PasswordHasher

from intercom.demo.processes import HOST, free_port, free_range, start
from intercom.link.messages import Hello, RelayAck, RelayOpen, RelayState, decode, encode

PANELS = 50
NUMBER = "+4790000{:03d}"
CALLER_ID = "+4723506953"
PRESS_TIMEOUT_S = 5.0
AIMS_MS = {
    # (measure, mode): {percentile: aim}
    ("INVITE → INVITE", "one after another"): {50: 1.0, 99: 2.0},
    ("INVITE → INVITE", "50 a second"): {99: 4.0},
    ("INVITE → ring message", "one after another"): {99: 10.0},
    ("INVITE → ring message", "10 a second"): {99: 10.0},
    ("INVITE → ring message", "50 a second"): {99: 10.0},
    ("digit → relay command", "one after another"): {99: 5.0},
    ("digit → relay command", "10 a second"): {99: 5.0},
    ("digit → relay command", "50 a second"): {99: 5.0},
}

INVITE = """INVITE sip:{button}@{host}:{port} SIP/2.0
Via: SIP/2.0/UDP {host}:{own};branch=z9hG4bK{branch};rport
Max-Forwards: 70
From: <sip:{panel}@{host}>;tag={tag}
To: <sip:{button}@{host}>
Call-ID: {call}
CSeq: 1 INVITE
Contact: <sip:{panel}@{host}:{own}>
Content-Type: application/sdp
Content-Length: {length}

{sdp}"""
SDP = """v=0
o=- 1 1 IN IP4 {host}
s=-
c=IN IP4 {host}
t=0 0
m=audio {port} RTP/AVP 8 0 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
"""


def wire(text: str) -> bytes:
    """Give a SIP message or SDP its line ends."""
    return text.replace("\n", "\r\n").encode()


def header(message: str, name: str) -> str:
    """Read one header of a message."""
    found = re.search(rf"^{name}: *(.*?)\r$", message, re.MULTILINE | re.IGNORECASE)
    return found.group(1) if found else ""


@dataclass
class Press:
    """One press and the moments of its hops, in ns."""

    panel: int
    invited: int = 0
    trunk: int = 0
    ring: int = 0
    digit: int = 0
    relay: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    invite: str = ""
    trunk_sdp: str = ""


class Wire:
    """A UDP socket that stamps what comes in."""

    def __init__(self, on_message: object) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.bind((HOST, 0))
        self.port = self.socket.getsockname()[1]
        self._on_message = on_message
        asyncio.get_running_loop().add_reader(self.socket, self._read)

    def send(self, text: str, port: int) -> None:
        """Send one SIP message."""
        self.socket.sendto(wire(text), (HOST, port))

    def close(self) -> None:
        """Stop reading and close."""
        asyncio.get_running_loop().remove_reader(self.socket)
        self.socket.close()

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                data, source = self.socket.recvfrom(65535)
                self._on_message(data.decode(), source, time.perf_counter_ns())  # type: ignore[operator]


class Neighbourhood:
    """All strangers of the bench: panels, their links, the carrier and the apps."""

    def __init__(self, sip_port: int, http_port: int) -> None:
        self.sip_port = sip_port
        self.http_port = http_port
        self.presses: dict[str, Press] = {}
        """By the panel's Call-ID."""
        self.by_panel: dict[int, Press] = {}
        self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rtp.bind((HOST, 0))
        self.panels = Wire(self._at_panel)
        self.trunk: Wire

    def open_trunk(self, port: int) -> None:
        """Listen as the carrier."""
        self.trunk = Wire(self._at_trunk)
        self.trunk.close()
        trunk = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        trunk.setblocking(False)
        trunk.bind((HOST, port))
        self.trunk.socket, self.trunk.port = trunk, port
        asyncio.get_running_loop().add_reader(trunk, self.trunk._read)

    def press(self, panel: int, *, by_app: bool) -> Press:
        """Send a panel's INVITE."""
        press = Press(panel)
        call = secrets.token_hex(8)
        own, host = self.panels.port, HOST
        sdp = SDP.format(host=host, port=self.rtp.getsockname()[1])
        press.invite = INVITE.format(
            button="app" if by_app else "phone",
            host=host,
            port=self.sip_port,
            own=own,
            branch=secrets.token_hex(8),
            panel=f"p{panel}",
            tag=secrets.token_hex(4),
            call=call,
            length=len(wire(sdp)),
            sdp=sdp,
        )
        self.presses[call] = press
        self.by_panel[panel] = press
        data = wire(press.invite)
        press.invited = time.perf_counter_ns()
        self.panels.socket.sendto(data, (host, self.sip_port))
        return press

    def _at_panel(self, message: str, source: object, at: int) -> None:
        press = self.presses.get(header(message, "Call-ID"))
        if press is None:
            return
        status = message[8:11] if message.startswith("SIP/2.0") else ""
        if message.startswith("BYE"):
            self.panels.send(self._reply(message, "200 OK"), self.sip_port)
            press.done.set()
        elif status == "200" and "INVITE" in header(message, "CSeq"):
            self.panels.send(self._ack(press.invite, message, is_2xx=True), self.sip_port)
        elif status >= "300":
            self.panels.send(self._ack(press.invite, message, is_2xx=False), self.sip_port)
            press.done.set()

    def _at_trunk(self, message: str, source: tuple[str, int], at: int) -> None:
        if message.startswith("INVITE"):
            panel = int(re.search(r"\+4790000(\d{3})", message).group(1))  # type: ignore[union-attr]
            press = self.by_panel[panel]
            press.trunk = at
            press.trunk_sdp = message
            sdp = SDP.format(host=HOST, port=self.rtp.getsockname()[1])
            answer = self._reply(
                message, "200 OK", f"Contact: <sip:{HOST}:{self.trunk.port}>\n", sdp
            )
            self.trunk.send(answer, source[1])
        elif message.startswith("ACK"):
            panel = int(re.search(r"tag=(\d+)$", header(message, "To")).group(1)) if False else -1
            del panel
            for press in self.by_panel.values():
                if header(press.trunk_sdp, "Call-ID") == header(message, "Call-ID"):
                    press.reached.set()
        elif message.startswith(("BYE", "CANCEL")):
            self.trunk.send(self._reply(message, "200 OK"), source[1])

    def press_five(self, press: Press) -> None:
        """Send a 5 by RFC 4733: three packets, 20 ms long enough for the first to count."""
        port = int(re.search(r"m=audio (\d+)", press.trunk_sdp).group(1))  # type: ignore[union-attr]
        ssrc = secrets.randbits(32)
        packet = struct.pack("!BBHII", 0x80, 0x80 | 101, 1, 160, ssrc) + struct.pack(
            "!BBH", 5, 10, 160
        )
        press.digit = time.perf_counter_ns()
        self.rtp.sendto(packet, (HOST, port))

    def _reply(self, request: str, status: str, extra: str = "", sdp: str = "") -> str:
        vias = re.findall(r"^Via: .*?\r$", request, re.MULTILINE)
        to = header(request, "To")
        to = to if "tag=" in to else f"{to};tag={secrets.token_hex(4)}"
        body = f"Content-Type: application/sdp\n{extra}" if sdp else extra
        via_lines = "".join(via.rstrip("\r") + "\n" for via in vias)
        return (
            f"SIP/2.0 {status}\n{via_lines}From: {header(request, 'From')}\nTo: {to}\n"
            f"Call-ID: {header(request, 'Call-ID')}\nCSeq: {header(request, 'CSeq')}\n{body}"
            f"Content-Length: {len(wire(sdp))}\n\n{sdp}"
        )

    def _ack(self, invite: str, response: str, *, is_2xx: bool) -> str:
        first = invite.split("\n", 1)[0].replace("INVITE", "ACK", 1)
        if is_2xx:
            contact = re.search(r"<(.*?)>", header(response, "Contact"))
            first = f"ACK {contact.group(1)} SIP/2.0" if contact else first
        via = next(line for line in invite.split("\n") if line.startswith("Via"))
        if is_2xx:
            via = re.sub(r"branch=[^;]+", f"branch=z9hG4bK{secrets.token_hex(8)}", via)
        return (
            f"{first}\n{via}\nMax-Forwards: 70\nFrom: {header(response, 'From')}\n"
            f"To: {header(response, 'To')}\nCall-ID: {header(response, 'Call-ID')}\n"
            f"CSeq: 1 ACK\nContent-Length: 0\n\n"
        )

    async def link(self, session: aiohttp.ClientSession, panel: int, ready: asyncio.Event) -> None:
        """Be one panel's link: acknowledge relay commands and stamp them."""
        credentials = base64.b64encode(f"p{panel}:secret".encode()).decode()
        url = f"http://{HOST}:{self.http_port}/panel-link"
        headers = {"Authorization": f"Basic {credentials}"}
        async with session.ws_connect(url, headers=headers, compress=0) as ws:
            await ws.send_str(
                encode(Hello(fw="bench", ctr=0, caps=(), boot_id=secrets.token_hex(8)))
            )
            async for message in ws:
                at = time.perf_counter_ns()
                told = decode(message.data)
                ready.set()
                if isinstance(told, RelayOpen):
                    await self._opened(ws, told, panel, at)

    async def _opened(
        self, ws: aiohttp.ClientWebSocketResponse, told: RelayOpen, panel: int, at: int
    ) -> None:
        press = self.by_panel[panel]
        press.relay = at
        cmd = told.cmd
        await ws.send_str(encode(RelayAck(cmd_id=cmd.cmd_id, accepted=True, cause="")))
        state = RelayState(
            relay=cmd.relay, cmd_id=cmd.cmd_id, phase="on", coil_ma=180, contact=True, on_ms=0
        )
        await ws.send_str(encode(state))
        press.reached.set()

    async def app(self, session: aiohttp.ClientSession, panel: int, ready: asyncio.Event) -> None:
        """Be one resident's app: stamp the ring message and decline."""
        base = f"http://{HOST}:{self.http_port}"
        login = {"username": f"a{panel}", "password": "secret"}
        async with session.post(f"{base}/api/login", json=login) as response:
            response.raise_for_status()
            cookie = "; ".join(f"{c.key}={c.value}" for c in response.cookies.values())
        headers = {"Cookie": cookie, "Origin": base}
        async with session.ws_connect(f"{base}/ws", headers=headers) as ws:
            async for message in ws:
                at = time.perf_counter_ns()
                told = message.json()
                ready.set()
                if told["type"] == "ring":
                    press = self.by_panel[panel]
                    press.ring = at
                    press.reached.set()
                    await ws.send_json({"type": "decline", "call": told["call"]})


def building(trunk_port: int) -> str:
    """Write a building with as many panels as the fastest run needs, one of each kind of button."""
    password = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash("secret")
    parts = [
        '[property]\nname = "Bench"\nkind = "residential"\naddress = "Loopback 1"\nlanguage = "en"\n'
    ]
    for n in range(PANELS):
        parts.append(
            f'''
[[door]]
id = "d{n}"
name = "Main entrance"
relay = {{ driver = "panel-link", panel = "p{n}", relay = 1 }}
[[panel]]
id = "p{n}"
door = "d{n}"
password = "secret"
allowed_addresses = ["{HOST}"]
buttons = {{ phone = "b{n}", app = "c{n}" }}
[[doorbell]]
id = "b{n}"
name = "Phone {n}"
residents = ["r{n}"]
[[doorbell]]
id = "c{n}"
name = "App {n}"
residents = ["a{n}"]
[[resident]]
username = "r{n}"
name = "Phone {n}"
app = false
number = "{NUMBER.format(n)}"
[[resident]]
username = "a{n}"
name = "App {n}"
password_hash = "{password}"
'''
        )
    parts.append(
        f'\n[[trunk]]\nid = "t"\naddress = "{HOST}:{trunk_port}"\ncaller_ids = ["{CALLER_ID}"]\n'
    )
    return "".join(parts)


@contextlib.asynccontextmanager
async def router(directory: Path) -> AsyncIterator[Neighbourhood]:
    """Start the router, connect every link and app."""
    sip, webrtc, trunk = (free_port(0, socket.SOCK_DGRAM) for _ in range(3))
    http = free_port(0, socket.SOCK_STREAM)
    rtp = free_range(30_000, 800)
    file = directory / "building.toml"
    file.write_text(building(trunk), "utf-8")
    environment = {
        "INTERCOM_CALLER_ID": CALLER_ID,
        "INTERCOM_STATE_DIR": str(directory / "state"),
        "INTERCOM_SIP_HOST": HOST,
        "INTERCOM_SIP_PORT": str(sip),
        "INTERCOM_HTTP_HOST": HOST,
        "INTERCOM_HTTP_PORT": str(http),
        "INTERCOM_MEDIA_HOST": HOST,
        "INTERCOM_RTP_PORT_FIRST": str(rtp),
        "INTERCOM_RTP_PORT_LAST": str(rtp + 799),
        "INTERCOM_WEBRTC_PORT": str(webrtc),
    }
    child = await start(
        "router", ("intercom", "serve", "--building", str(file)), directory, environment
    )
    try:
        around = Neighbourhood(sip, http)
        around.open_trunk(trunk)
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
            running = []
            for n in range(PANELS):
                for kind in (around.link, around.app):
                    ready = asyncio.Event()
                    running.append(tasks.create_task(kind(session, n, ready)))
                    async with asyncio.timeout(10):
                        await ready.wait()
            yield around
            for task in running:
                task.cancel()
        around.panels.close()
        around.trunk.close()
    finally:
        await child.stop()


async def one_by_phone(around: Neighbourhood, panel: int) -> Press:
    """Press, be answered by phone, press 5, hang up."""
    press = around.press(panel, by_app=False)
    async with asyncio.timeout(PRESS_TIMEOUT_S):
        await press.reached.wait()  # the ACK of the phone's answer
        press.reached.clear()
        await asyncio.sleep(0.01)
        around.press_five(press)
        await press.reached.wait()  # the relay command
        end_phone(around, press)
        await press.done.wait()
    return press


def end_phone(around: Neighbourhood, press: Press) -> None:
    """Hang the phone up: BYE from the carrier."""
    invite = press.trunk_sdp
    contact = re.search(r"<(.*?)>", header(invite, "Contact"))
    assert contact is not None
    answer = around._reply(invite, "200 OK")
    around.trunk.send(
        f"BYE {contact.group(1)} SIP/2.0\n"
        f"Via: SIP/2.0/UDP {HOST}:{around.trunk.port};branch=z9hG4bK{secrets.token_hex(8)}\n"
        f"Max-Forwards: 70\nFrom: {press_tag(around, press, answer)}\n"
        f"To: {header(invite, 'From')}\nCall-ID: {header(invite, 'Call-ID')}\n"
        "CSeq: 1 BYE\nContent-Length: 0\n\n",
        around.sip_port,
    )


def press_tag(around: Neighbourhood, press: Press, answer: str) -> str:
    """Give the To that the phone answered with."""
    raise NotImplementedError


def percentile(values: list[float], percent: int) -> float:
    """Give a percentile, by the nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(percent / 100 * len(ordered) + 0.5) - 1)]
