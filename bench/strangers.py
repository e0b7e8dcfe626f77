"""Everybody around the router, in one light process: its panels, its carrier and its apps.

Messages are made of templates before the clock starts, moments are noted before anything is read of
what came in, and nobody sends more than the measured exchange needs.

    panel ──INVITE──▶ router ──INVITE──▶ carrier        the resident without app
    panel ──INVITE──▶ router ──"ring"──▶ app            the resident with app
    carrier ──RFC 4733──▶ router ──relay.open──▶ panel link
"""

import asyncio
import base64
import json
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp

HOST = "127.0.0.1"
PASSWORD = "bench password"
CALLER_ID = "+4723506953"
NUMBER = "+4790000{:03d}"
CONNECT_TIMEOUT_S = 10.0
HEARTBEAT_S = 1.0  # as the firmware does; all links together
KEY_AFTER_S = 0.02  # from the ACK of the phone's answer to the key
_BUFFER_BYTES = 1 << 22

_INVITE = (
    b"INVITE sip:%(button)b@127.0.0.1:%(sip)d SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 127.0.0.1:%(own)d;branch=z9hG4bK%(id)b;rport\r\n"
    b"Max-Forwards: 70\r\n"
    b'From: "Panel" <sip:%(panel)b@127.0.0.1>;tag=%(id)b\r\n'
    b"To: <sip:%(button)b@127.0.0.1>\r\n"
    b"Call-ID: %(id)b\r\n"
    b"CSeq: 1 INVITE\r\n"
    b"Contact: <sip:%(panel)b@127.0.0.1:%(own)d>\r\n"
    b"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO\r\n"
    b"User-Agent: Bench panel\r\n"
    b"Content-Type: application/sdp\r\n"
    b"Content-Length: %(length)d\r\n\r\n%(sdp)b"
)
_PANEL_SDP = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio %(port)d RTP/AVP 8 0 101\r\n"
    b"a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\n"
    b"m=video %(port)d RTP/AVP 96\r\n"
    b"a=rtpmap:96 H264/90000\r\na=fmtp:96 profile-level-id=42e01f;packetization-mode=1\r\n"
    b"a=sendonly\r\n"
)
_PHONE_SDP = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio %(port)d RTP/AVP 8 101\r\n"
    b"a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
)
_IN_DIALOG = (
    b"%(method)b %(uri)b SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%(own)d;branch=z9hG4bK%(branch)b\r\n"
    b"Max-Forwards: 70\r\nFrom: %(from)b\r\nTo: %(to)b\r\nCall-ID: %(call)b\r\n"
    b"CSeq: %(cseq)d %(method)b\r\nContent-Length: 0\r\n\r\n"
)
_FIVE = struct.pack("!BBHII", 0x80, 0x80 | 101, 1, 160, 0) + struct.pack("!BBH", 5, 10, 160)


@dataclass(slots=True, eq=False)
class Press:
    """One press and the moments of its hops, in ns; 0: it has not come to that."""

    panel: int
    by_app: bool
    invite: bytes = b""
    branch: bytes = b""
    invited_at: int = 0
    trunk_at: int = 0
    ring_at: int = 0
    key_at: int = 0
    relay_at: int = 0
    trunk_invite: bytes = b""
    bye: bytes = b""
    """What ends the panel's call once it was answered."""
    is_over: asyncio.Event = field(default_factory=asyncio.Event)


class Socket:
    """A UDP socket that notes when something comes in."""

    def __init__(self, port: int, receive: Callable[[bytes, int], None]) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self._socket.bind((HOST, port))
        self.port: int = self._socket.getsockname()[1]
        self._receive = receive
        asyncio.get_running_loop().add_reader(self._socket, self._readable)

    def send(self, data: bytes, port: int) -> None:
        """Send a datagram on loopback."""
        self._socket.sendto(data, (HOST, port))

    def close(self) -> None:
        """Stop reading and close."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _readable(self) -> None:
        data = self._socket.recv(65_535)
        self._receive(data, time.perf_counter_ns())


class Strangers:
    """All panels, the carrier and the phones behind it, and what has come of the presses."""

    def __init__(self, sip_port: int, trunk_port: int) -> None:
        self._sip_port = sip_port
        self._by_call: dict[bytes, Press] = {}
        """By the Call-ID of the panel's dialog, later also by that of the trunk's."""
        self._by_panel: dict[int, Press] = {}
        self._sequence = 0
        self._panels = Socket(0, self._at_panel)
        self._carrier = Socket(trunk_port, self._at_carrier)
        # What the router sends as sound is never read: the kernel drops it.
        self._sound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sound.bind((HOST, 0))
        sound_port = self._sound.getsockname()[1]
        self._panel_sdp = _PANEL_SDP % {b"port": sound_port}
        phone_sdp = _PHONE_SDP % {b"port": sound_port}
        self._answer = (
            b";tag=carrier\r\nContact: <sip:127.0.0.1:%d>\r\nContent-Type: application/sdp\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (self._carrier.port, len(phone_sdp), phone_sdp)
        )

    def close(self) -> None:
        """Close all sockets."""
        self._panels.close()
        self._carrier.close()
        self._sound.close()

    def press(self, panel: int, *, by_app: bool) -> Press:
        """Send a panel's INVITE to the doorbell of a resident with or without app."""
        press = Press(panel, by_app)
        self._sequence += 1
        press.branch = b"bench%08x" % self._sequence
        press.invite = _INVITE % {
            b"button": b"app" if by_app else b"phone",
            b"sip": self._sip_port,
            b"own": self._panels.port,
            b"id": press.branch,
            b"panel": b"p%d" % panel,
            b"length": len(self._panel_sdp),
            b"sdp": self._panel_sdp,
        }
        self._by_call[press.branch] = self._by_panel[panel] = press
        press.invited_at = time.perf_counter_ns()
        self._panels.send(press.invite, self._sip_port)
        return press

    async def own_hop_ns(self) -> int:
        """Send the carrier an INVITE directly: what of a measured time is this program's own."""
        press = Press(0, by_app=False)
        self._by_panel[0] = press
        data = b"ECHO sip:%b@" % NUMBER.format(0).encode() + bytes(800)
        press.invited_at = time.perf_counter_ns()
        self._panels.send(data, self._carrier.port)
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await press.is_over.wait()
        return press.trunk_at - press.invited_at

    # -- the panels --------------------------------------------------------------------------

    def _at_panel(self, message: bytes, _at: int) -> None:
        press = self._by_call.get(_field(message, b"Call-ID"))
        if press is None or not message.startswith(b"SIP/2.0 ") or message[8:9] == b"1":
            return
        if b"\r\nCSeq: 2 BYE" in message:
            press.is_over.set()
            return
        is_success = message[8:9] == b"2"
        uri = press.invite.split(b" ", 2)[1]
        values = {
            b"uri": _field(message, b"Contact").strip(b"<>") if is_success else uri,
            b"own": self._panels.port,
            b"from": _field(message, b"From"),
            b"to": _field(message, b"To"),
            b"call": press.branch,
        }
        branch = press.branch + (b"ack" if is_success else b"")
        ack = {b"method": b"ACK", b"cseq": 1, b"branch": branch}
        self._panels.send(_IN_DIALOG % {**values, **ack}, self._sip_port)
        if is_success:
            bye = {b"method": b"BYE", b"cseq": 2, b"branch": press.branch + b"bye"}
            press.bye = _IN_DIALOG % {**values, **bye}
        else:
            press.is_over.set()

    def hang_up(self, panel: int) -> None:
        """Let the visitor go in: the panel ends its call."""
        self._panels.send(self._by_panel[panel].bye, self._sip_port)

    # -- the carrier -------------------------------------------------------------------------

    def _at_carrier(self, message: bytes, at: int) -> None:
        if message.startswith((b"INVITE", b"ECHO")):
            number = message[: message.index(b"@")]
            press = self._by_panel[int(number[-3:])]
            press.trunk_at = at
            if message.startswith(b"ECHO"):
                press.is_over.set()
            elif not press.trunk_invite:
                self._answered(press, message)
        elif message.startswith(b"ACK"):
            press = self._by_call[_field(message, b"Call-ID")]
            if not press.key_at:
                asyncio.get_running_loop().call_later(KEY_AFTER_S, self._press_five, press)
        elif message.startswith((b"BYE", b"CANCEL")):
            self._carrier.send(_reply(message), self._sip_port)

    def _answered(self, press: Press, invite: bytes) -> None:
        press.trunk_invite = invite
        self._by_call[_field(invite, b"Call-ID")] = press
        self._carrier.send(_echoed(invite, b"200 OK") + self._answer, self._sip_port)

    def _press_five(self, press: Press) -> None:
        """Send the first packet of a 5: its marker is set, its end has not come."""
        start = press.trunk_invite.index(b"m=audio ") + 8
        port = int(press.trunk_invite[start : press.trunk_invite.index(b" ", start)])
        if not press.key_at:
            press.key_at = time.perf_counter_ns()
            self._sound.sendto(_FIVE, (HOST, port))

    def opened(self, panel: int, at: int) -> None:
        """Note that a panel link got its relay command."""
        self._by_panel[panel].relay_at = at

    def rang(self, panel: int, at: int) -> None:
        """Note that an app got its ring message."""
        self._by_panel[panel].ring_at = at


class Connections:
    """The WebSockets of all panel links and apps."""

    def __init__(
        self, session: aiohttp.ClientSession, http_port: int, strangers: Strangers
    ) -> None:
        self._session = session
        self._base = f"http://{HOST}:{http_port}"
        self._strangers = strangers
        self._links: list[aiohttp.ClientWebSocketResponse] = []

    async def link(self, panel: int, ready: asyncio.Event) -> None:
        """Be one panel's link: take every relay command and report current at once."""
        login = base64.b64encode(f"p{panel}:{PASSWORD}".encode()).decode()
        headers = {"Authorization": f"Basic {login}"}
        hello = {"type": "hello", "fw": "bench", "ctr": 0, "caps": [], "boot_id": f"boot{panel}"}
        async with self._session.ws_connect(f"{self._base}/panel-link", headers=headers) as link:
            await link.send_str(json.dumps(hello))
            await link.send_str(_heartbeat())
            self._links.append(link)
            async for frame in link:
                at = time.perf_counter_ns()
                if '"relay.open"' in frame.data:
                    self._strangers.opened(panel, at)
                    await _obey(link, json.loads(frame.data)["cmd"])
                    self._strangers.hang_up(panel)
                elif '"hb"' in frame.data:
                    ready.set()

    async def beat(self) -> None:
        """Send the links' heartbeats, spread over the second."""
        while True:
            for link in self._links:
                await link.send_str(_heartbeat())
                await asyncio.sleep(HEARTBEAT_S / len(self._links))

    async def app(self, panel: int, ready: asyncio.Event) -> None:
        """Be one resident's app: note the ring message and decline."""
        login = {"username": f"a{panel}", "password": PASSWORD}
        async with self._session.post(f"{self._base}/api/login", json=login) as response:
            response.raise_for_status()
            cookie = "; ".join(f"{c.key}={c.value}" for c in response.cookies.values())
        headers = {"Cookie": cookie, "Origin": self._base}
        async with self._session.ws_connect(f"{self._base}/ws", headers=headers) as app:
            async for frame in app:
                at = time.perf_counter_ns()
                message = json.loads(frame.data)
                if message["type"] == "ring":
                    self._strangers.rang(panel, at)
                    await app.send_json({"type": "decline", "call": message["call"]})
                ready.set()


def _heartbeat() -> str:
    return f'{{"type":"hb","mono_ms":{time.monotonic_ns() // 1_000_000}}}'


async def _obey(link: aiohttp.ClientWebSocketResponse, command: dict[str, object]) -> None:
    cmd_id = command["cmd_id"]
    await link.send_json({"type": "relay.ack", "cmd_id": cmd_id, "accepted": True, "cause": ""})
    state = {"relay": command["relay"], "cmd_id": cmd_id, "phase": "on", "on_ms": 0}
    await link.send_json({"type": "relay.state", **state, "coil_ma": 180, "contact": True})


def _field(message: bytes, name: bytes) -> bytes:
    start = message.index(b"\r\n" + name + b": ") + len(name) + 4
    return message[start : message.index(b"\r\n", start)]


def _echoed(request: bytes, status: bytes) -> bytes:
    """Begin a response; it ends in the To header, so that a tag can follow."""
    lines = request[: request.index(b"\r\n\r\n")].split(b"\r\n")
    kept = [line for line in lines if line.startswith((b"Via:", b"From:", b"Call-ID:", b"CSeq:"))]
    return b"\r\n".join([b"SIP/2.0 " + status, *kept, b"To: " + _field(request, b"To")])


def _reply(request: bytes) -> bytes:
    return _echoed(request, b"200 OK") + b"\r\nContent-Length: 0\r\n\r\n"
