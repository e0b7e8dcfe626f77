"""The SIP line of the simulated phone: pyVoIP 1.6.8, an independent stack that others wrote.

pyVoIP is under GPLv3. It is imported in this file alone, which only the phone's own process loads;
the service never does.

SIP, SDP, sockets and threads are pyVoIP's. Two things are not, because its own would spoil what the
simulator measures: its sender drifts (20 ms and the time of its own work a packet) and cannot send a
telephone-event, and its sound passes through 8 bits. So the sender and the decoder are here.

Every listener method is called in one of pyVoIP's threads.
"""

import queue
import secrets
import socket
import threading
import time
from typing import Protocol

from pyVoIP.VoIP import CallState, PhoneStatus, VoIPCall, VoIPPhone  # isort: split

from pyVoIP import RTP, SIP  # only after VoIP: pyVoIP's modules import each other in a circle
from typing_extensions import override

from firmware_sim.process import now_ms
from firmware_sim.voice import FRAME_MS, KEYS, Playout, Voice, endless, hum
from intercom.errors import MediaError
from intercom.media import g711, rtp
from intercom.sip.offer_answer import Codec

FRAME_S = FRAME_MS / 1000
REGISTER_ANSWER_S = 2
"""pyVoIP would wait 30 s, and would hold up the end of the process as long."""
REGISTRATION_S = 3600
LONGEST_CALL_S = 3600
PORT_TRIES = 100
CODECS = {RTP.PayloadType.PCMU: Codec.PCMU, RTP.PayloadType.PCMA: Codec.PCMA}


class LineListener(Protocol):
    """What a line tells; every method is called in a thread of pyVoIP."""

    def ringing(self, call: "LineCall") -> None: ...
    def answerable(self, call: "LineCall") -> None: ...
    def ended(self, call: "LineCall", how: str) -> None: ...
    def heard(self, call: "LineCall", pcm: bytes, at_ms: int) -> None: ...
    def heard_digit(self, call: "LineCall", digit: str) -> None: ...
    def pressed(self, call: "LineCall", digit: str, at_ms: int) -> None: ...


class Line(VoIPPhone):
    """One registered line; `start` and `stop` block, up to some seconds."""

    def __init__(
        self,
        registrar: tuple[str, int],
        username: str,
        password: str,
        *,
        host: str,
        tone_hz: int,
        listener: LineListener,
    ) -> None:
        super().__init__(
            *registrar,
            username,
            password,
            myIP=host,
            callCallback=self._wait_for_the_end,
            sipPort=free_port(host),
        )
        self.listener = listener
        self.tone_hz = tone_hz
        self.sip.register_timeout = REGISTER_ANSWER_S
        self.sip.default_expires = REGISTRATION_S

    @property
    def is_registered(self) -> bool:
        return bool(self.get_status() is PhoneStatus.REGISTERED)

    @property
    def has_failed(self) -> bool:
        return bool(self.get_status() is PhoneStatus.FAILED)

    @override
    def callback(self, request: SIP.SIPMessage) -> None:
        """Also notice CANCEL, which pyVoIP answers with 200 and otherwise ignores: no 487 follows."""
        super().callback(request)
        if request.type == SIP.SIPMessageType.MESSAGE and request.method == "CANCEL":
            call = self.calls.get(request.headers["Call-ID"])
            if isinstance(call, LineCall) and call.state is CallState.RINGING:
                self.listener.ended(call, "cancelled")

    @override
    def _create_Call(self, request: SIP.SIPMessage, sess_id: int) -> None:
        call = LineCall(self, request, sess_id)
        self.calls[call.call_id] = call
        self.listener.ringing(call)

    @override
    def request_port(self, blocking: bool = True) -> int:
        """Give a port that is free on this host; pyVoIP's own choice is blind to other processes."""
        return free_port(self.myIP)

    @override
    def release_ports(self, call: VoIPCall | None = None) -> None:
        """Do nothing: no port is taken from pyVoIP's own list."""

    def _wait_for_the_end(self, call: VoIPCall) -> None:
        """Run in the call's thread, 1 s after the INVITE: pyVoIP drops a call whose thread ended."""
        if isinstance(call, LineCall):
            self.listener.answerable(call)
            call.is_over.wait(LONGEST_CALL_S)


class LineCall(VoIPCall):
    """One incoming call."""

    def __init__(self, line: Line, request: SIP.SIPMessage, session_id: int) -> None:
        self.line = line
        self.is_over = threading.Event()
        """Set by `forget`: lets the call's thread go."""
        self._rtp: list[LineRtp] = []
        super().__init__(
            line, CallState.RINGING, request, session_id, line.myIP, sendmode="sendrecv"
        )

    @property
    def caller_id(self) -> str:
        return str(self.request.headers["From"]["number"] or "")

    @property
    def asserted_identity(self) -> str:
        return str(self.request.headers.get("P-Asserted-Identity", ""))

    def press(self, digit: str, *, is_in_band: bool = False) -> None:
        """Press a key: its telephone-events, or its two tones, replace the talk for 160 ms."""
        for client in self._rtp:
            client.press(digit, is_in_band=is_in_band)

    def pick_up(self) -> bool:
        """Answer; false when it no longer rings."""
        if self.state is not CallState.RINGING:
            return False
        self.answer()
        return True

    def end(self) -> None:
        """Refuse it with 486 while it rings; hang up when it was answered."""
        if self.state is CallState.RINGING:
            self.deny()
        elif self.state is CallState.ANSWERED:
            self.hangup()
        self.forget()

    def forget(self) -> None:
        """Let its thread go and pyVoIP's table."""
        self.is_over.set()
        self.line.calls.pop(self.call_id, None)

    @override
    def create_rtp_clients(
        self,
        codecs: dict[int, RTP.PayloadType],
        ip: str,
        port: int,
        request: SIP.SIPMessage,
        baseport: int,
    ) -> None:
        remote = str(request.body["c"][0]["address"])
        client = LineRtp(self, codecs, (ip, port), (remote, baseport))
        self._rtp.append(client)
        self.RTPClients.append(client)

    @override
    def gen_ms(self) -> dict[int, dict[int, RTP.PayloadType]]:
        """Start each RTP client once: pyVoIP's own would bind its port again on a re-INVITE."""
        for client in self._rtp:
            client.start_once()
        return {client.inPort: client.assoc for client in self._rtp}

    @override
    def bye(self) -> None:
        super().bye()
        self.line.listener.ended(self, "by the caller")


class LineRtp(RTP.RTPClient):
    """The call's sound: a steady tone as talk, digits, and what is heard."""

    def __init__(
        self,
        call: LineCall,
        codecs: dict[int, RTP.PayloadType],
        local: tuple[str, int],
        remote: tuple[str, int],
    ) -> None:
        super().__init__(codecs, *local, *remote, RTP.TransmitType.SENDRECV)
        self._call = call
        self._listener = call.line.listener
        self._event_payload_type = next(
            (number for number, kind in self.assoc.items() if kind is RTP.PayloadType.EVENT), None
        )
        self._presses: queue.SimpleQueue[tuple[str, bool]] = queue.SimpleQueue()
        self._last_event_ts: int | None = None
        self._playout = Playout()
        self._is_started = False

    def press(self, digit: str, *, is_in_band: bool) -> None:
        self._presses.put((digit, is_in_band))

    def start_once(self) -> None:
        if not self._is_started:
            self._is_started = True
            self.start()

    @override
    def stop(self) -> None:
        """Also bear a call that was refused: it has no socket yet."""
        if self._is_started:
            super().stop()

    @override
    def trans(self) -> None:
        """Send a packet every 20 ms by a steady clock; runs in a thread of pyVoIP's making."""
        voice = Voice(
            CODECS[self.preference],
            self._event_payload_type,
            ssrc=secrets.randbits(32),
            sequence_number=secrets.randbits(15),
            timestamp=secrets.randbits(32),
        )
        due_at = time.monotonic()
        for talk in endless(hum(self._call.line.tone_hz, 1000)):
            self._take_presses(voice)
            try:
                for packet in voice.next_packets(talk):
                    self.sout.sendto(packet, (self.outIP, self.outPort))
            except OSError:
                return  # the call has ended and pyVoIP has closed the socket
            due_at += FRAME_S
            time.sleep(max(0.0, due_at - time.monotonic()))

    @override
    def parse_packet(self, packet: bytes) -> None:
        header = rtp.parse(packet)
        if header is None:
            return
        payload_type = self.assoc.get(header.payload_type)
        payload = packet[header.payload_start : header.payload_end]
        if payload_type in CODECS:
            pcm = g711.decode(payload, CODECS[payload_type])
            at_ms = self._playout.at_ms(header.ssrc, header.timestamp, now_ms())
            self._listener.heard(self._call, pcm, at_ms)
        elif payload_type is RTP.PayloadType.EVENT and header.timestamp != self._last_event_ts:
            self._last_event_ts = header.timestamp
            self._listener.heard_digit(self._call, KEYS[payload[0] & 0x0F])

    def _take_presses(self, voice: Voice) -> None:
        while not self._presses.empty():
            digit, is_in_band = self._presses.get()
            voice.press(digit, is_in_band=is_in_band)
            self._listener.pressed(self._call, digit, now_ms())


def free_port(host: str) -> int:
    """Find an even UDP port that nobody on this host has bound just now."""
    for _ in range(PORT_TRIES):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
            port = int(probe.getsockname()[1])
        if port % 2 == 0:
            return port
    raise MediaError("no even UDP port is free")
