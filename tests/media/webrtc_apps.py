"""What the WebRTC tests share: a door's side with fixed packets, and an app made of bare sockets.

`BareApp` speaks STUN by aioice's codec, DTLS by OpenSSL as the client and SRTP by pylibsrtp, so that
a test can do what no browser does: be slow, lie, replay, or send from somewhere else.
"""

import asyncio
import re
import socket
import struct
from collections.abc import Sized
from contextlib import suppress
from typing import Self

from aioice import stun
from aiortc.rtcdtlstransport import SRTP_PROFILES, RTCCertificate
from OpenSSL import SSL
from pylibsrtp import Policy, Session

from intercom.media.dtls import DtlsIdentity
from intercom.media.leg import Media, MediaLeg
from intercom.media.mux import MuxPort
from intercom.media.webrtc import DEFAULT_LIMITS, WebRtcFailure, WebRtcLeg, WebRtcLimits
from intercom.routing.ids import LegId
from intercom.sip.offer_answer import Codec, NegotiatedVideo

WAIT_S = 3.0
CERTIFICATE = RTCCertificate.generateCertificate()
IDENTITY = DtlsIdentity.generate()
FINGERPRINT = next(f.value for f in CERTIFICATE.getFingerprints() if f.algorithm == "sha-256")
REMOTE_UFRAG, REMOTE_PWD = "appU", "appPassword0123456789ab"


def panel_video(profile_level_id: str = "42e01f") -> NegotiatedVideo:
    """Return a panel's picture as negotiated with it."""
    return NegotiatedVideo(
        remote=("127.0.0.1", 1),
        remote_rtcp=("127.0.0.1", 2),
        payload_type=96,
        profile_level_id=profile_level_id,
        packetization_mode=0,
        sprop=None,
        can_send=True,
        can_receive=False,
    )


def rtp(payload_type: int, number: int, timestamp: int, ssrc: int, payload: bytes) -> bytes:
    """Build an RTP packet; a marker is 0x80 in `payload_type`."""
    header = (0x80, payload_type, number & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc)
    return struct.pack("!BBHII", *header) + payload


class Door:
    """One leg on a port of its own, and all that it said."""

    def __init__(
        self,
        *,
        codec: Codec = Codec.PCMA,
        video: NegotiatedVideo | None = None,
        limits: WebRtcLimits = DEFAULT_LIMITS,
    ) -> None:
        self.mux = MuxPort.open("127.0.0.1", 0, ["127.0.0.1"])
        self.leg = WebRtcLeg.open(LegId("app"), self.mux, IDENTITY, codec, video, limits=limits)
        self.ready = asyncio.Event()
        self.failed: asyncio.Future[WebRtcFailure] = asyncio.get_running_loop().create_future()
        self.failures: list[WebRtcFailure] = []
        self.arrived = asyncio.Event()
        self.heard: list[bytes] = []
        self.reports: list[tuple[Media, bytes]] = []
        self.leg.on_ready = lambda _leg: self.ready.set()
        self.leg.on_failed = self._on_failed
        self.leg.on_rtp = self._on_rtp
        self.leg.on_rtcp = self._on_rtcp

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.leg.close()
        self.mux.close()

    def _on_failed(self, _leg: WebRtcLeg, cause: WebRtcFailure) -> None:
        self.failures.append(cause)
        if not self.failed.done():
            self.failed.set_result(cause)

    def _on_rtp(self, _leg: MediaLeg, _media: Media, packet: memoryview, _now: float) -> None:
        self.heard.append(bytes(packet))
        self.arrived.set()

    def _on_rtcp(self, _leg: MediaLeg, media: Media, packet: memoryview, _now: float) -> None:
        self.reports.append((media, bytes(packet)))
        self.arrived.set()

    async def is_ready(self) -> None:
        """Wait until packets can be sent."""
        async with asyncio.timeout(WAIT_S):
            await self.ready.wait()

    async def has_heard(self, count: int) -> list[bytes]:
        """Wait for so many RTP packets and return all."""
        await self._has(self.heard, count)
        return self.heard

    async def has_reports(self, count: int) -> list[tuple[Media, bytes]]:
        """Wait for so many RTCP packets and return all."""
        await self._has(self.reports, count)
        return self.reports

    async def _has(self, packets: Sized, count: int) -> None:
        async with asyncio.timeout(WAIT_S):
            while len(packets) < count:
                self.arrived.clear()
                await self.arrived.wait()

    async def failure(self) -> WebRtcFailure:
        """Wait for the leg's end."""
        async with asyncio.timeout(WAIT_S):
            return await self.failed

    async def has_read(self) -> None:
        """Return once all that was sent to the port before was read (loopback is instant)."""
        for _ in range(4):
            await asyncio.sleep(0)


class BareApp:
    """One app."""

    def __init__(self, offer: str) -> None:
        self.offer = offer
        self.router = ("127.0.0.1", int(re.search(r"m=audio (\d+)", offer)[1]))
        self.ufrag = re.search(r"ice-ufrag:(\S+)", offer)[1]
        self.pwd = re.search(r"ice-pwd:(\S+)", offer)[1]
        self.udp = self.new_socket()
        self._ssl = SSL.Connection(CERTIFICATE._create_ssl_context(SRTP_PROFILES))
        self._ssl.set_connect_state()
        self._inbound: Session | None = None
        self._outbound: Session | None = None

    @staticmethod
    def new_socket() -> socket.socket:
        """Open another way to the router."""
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.setblocking(False)
        udp.bind(("127.0.0.1", 0))
        return udp

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.udp.close()

    def answer(
        self, *, fingerprint: str = FINGERPRINT, audio: str = "8 0", video: str | None = None
    ) -> str:
        """Write an SDP answer; `video` are its payload types."""
        transport = [
            "c=IN IP4 0.0.0.0",
            f"a=ice-ufrag:{REMOTE_UFRAG}",
            f"a=ice-pwd:{REMOTE_PWD}",
            f"a=fingerprint:sha-256 {fingerprint}",
            "a=setup:active",
            "a=rtcp-mux",
        ]
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1"]
        lines += [f"m=audio 9 UDP/TLS/RTP/SAVPF {audio}", "a=mid:0", *transport]
        if video is not None:
            lines += [f"m=video 9 UDP/TLS/RTP/SAVPF {video}", "a=mid:1", "a=recvonly", *transport]
            lines += [f"a=rtpmap:{number} H264/90000" for number in video.split()]
        return "\r\n".join(lines) + "\r\n"

    def request(self, *, pwd: str | None = None, nominate: bool = True) -> stun.Message:
        """Build a check as a controlling agent sends it."""
        attributes = {
            "USERNAME": f"{self.ufrag}:{REMOTE_UFRAG}",
            "ICE-CONTROLLING": 1,
            "PRIORITY": 1,
        }
        if nominate:
            attributes["USE-CANDIDATE"] = None
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes=attributes)
        request.add_message_integrity((pwd or self.pwd).encode())
        return request

    async def check(
        self,
        *,
        pwd: str | None = None,
        nominate: bool = True,
        udp: socket.socket | None = None,
    ) -> stun.Message:
        """Send a check and return the response."""
        udp = udp or self.udp
        request = self.request(pwd=pwd, nominate=nominate)
        udp.sendto(bytes(request), self.router)
        response = stun.parse_message(await self.receive(udp))
        assert response.transaction_id == request.transaction_id
        return response

    async def receive(self, udp: socket.socket | None = None, timeout_s: float = WAIT_S) -> bytes:
        """Return the next datagram."""
        async with asyncio.timeout(timeout_s):
            return await asyncio.get_running_loop().sock_recv(udp or self.udp, 2048)

    def client_hello(self) -> bytes:
        """Return the handshake's first datagram."""
        with suppress(SSL.WantReadError):
            self._ssl.do_handshake()
        return self._ssl.bio_read(4096)

    async def handshake(self) -> None:
        """Become the DTLS client of the router, with OpenSSL's retransmissions."""
        while True:
            try:
                self._ssl.do_handshake()
            except SSL.WantReadError:
                self._flush()
                await self._next_flight()
            else:
                break
        self._flush()
        self._take_keys()

    async def connect(self) -> None:
        """Check, then hand-shake."""
        await self.check()
        await self.handshake()

    def end(self) -> None:
        """Say close_notify."""
        with suppress(SSL.WantReadError):
            self._ssl.shutdown()
        self._flush()

    def protect(self, packet: bytes) -> bytes:
        """Return the SRTP packet."""
        return self._outbound.protect(packet)

    def protect_rtcp(self, packet: bytes) -> bytes:
        """Return the SRTCP packet."""
        return self._outbound.protect_rtcp(packet)

    def unprotect(self, packet: bytes) -> bytes:
        """Return the RTP packet."""
        return self._inbound.unprotect(packet)

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """Return the RTCP packet."""
        return self._inbound.unprotect_rtcp(packet)

    def send(self, packet: bytes, udp: socket.socket | None = None) -> None:
        """Send a datagram as it is."""
        (udp or self.udp).sendto(packet, self.router)

    def _flush(self) -> None:
        with suppress(SSL.WantReadError):
            self.send(self._ssl.bio_read(4096))

    async def _next_flight(self) -> None:
        try:
            self._ssl.bio_write(await self.receive(timeout_s=self._ssl.DTLSv1_get_timeout() or 1.0))
        except TimeoutError:
            self._ssl.DTLSv1_handle_timeout()
            self._flush()

    def _take_keys(self) -> None:
        selected = self._ssl.get_selected_srtp_profile()
        profile = next(p for p in SRTP_PROFILES if p.openssl_profile == selected)
        size = 2 * (profile.key_length + profile.salt_length)
        material = self._ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", size)
        self._outbound, self._inbound = (
            Session(
                Policy(
                    key=profile.get_key_and_salt(material, side),
                    ssrc_type=ssrc_type,
                    srtp_profile=profile.libsrtp_profile,
                )
            )
            for side, ssrc_type in enumerate((Policy.SSRC_ANY_OUTBOUND, Policy.SSRC_ANY_INBOUND))
        )
