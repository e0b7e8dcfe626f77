"""The far ends of `bench/packet.py`: bare sockets that know their leg of the router."""

import secrets
import socket
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import replace

from aiortc.rtcdtlstransport import SRTP_PROFILES
from pylibsrtp import Policy
from typing_extensions import override

from intercom.media import rtp
from intercom.media.dtls import DtlsIdentity, SrtpKeys
from intercom.media.leg import MediaLeg
from intercom.media.mux import MuxPort
from intercom.media.plain import PlainLeg
from intercom.media.port import PortPool
from intercom.media.srtp import SrtpSender, SrtpSession
from intercom.media.webrtc import WebRtcLeg
from intercom.routing.ids import LegId
from intercom.sip.crypto import Crypto, SrtpKey, Suite
from intercom.sip.offer_answer import Codec, Negotiated, NegotiatedAudio, NegotiatedVideo

HOST = "127.0.0.1"
SUITE = Suite.AES_CM_128_HMAC_SHA1_80
FAR_KEY = SrtpKey(SUITE, bytes(range(SUITE.key_bytes)))
H264 = 96
PROFILE = Policy.SRTP_PROFILE_AES128_CM_SHA1_80


def open_socket() -> socket.socket:
    """Bind a far end's socket."""
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind((HOST, 0))
    one.setblocking(False)
    return one


class Far(ABC):
    """One far end, which says what it is told and takes what comes."""

    leg: MediaLeg
    router: tuple[str, int]
    codec: Codec
    sender: SrtpSender | None = None

    def __init__(self) -> None:
        self.socket = open_socket()
        self.ssrc = secrets.randbits(32)

    def say(self, number: int, payload: bytes, *, payload_type: int | None = None) -> None:
        """Send packet `number` of its sound."""
        kind = self.codec.value if payload_type is None else payload_type
        packet = rtp.build_header(kind, number & 0xFFFF, 160 * number, self.ssrc) + payload
        wire = packet if self.sender is None else self.sender.protect(packet)
        self.socket.sendto(wire or b"", self.router)

    def drain(self) -> int:
        """Take what came, and count it."""
        heard = 0
        with suppress(BlockingIOError):
            while self.socket.recv(2048):
                heard += 1
        return heard

    @abstractmethod
    def close(self) -> None:
        """Free the sockets."""


class Phone(Far):
    """A panel or a phone, with RTP or SRTP by keys from SDP."""

    def __init__(
        self,
        name: str,
        codec: Codec,
        pool: PortPool,
        *,
        is_encrypted: bool = False,
        has_picture: bool = False,
    ) -> None:
        super().__init__()
        self.rtcp = open_socket()
        self.codec = codec
        self.leg = leg = PlainLeg.open(LegId(name), pool, with_video=has_picture)
        near, far = self.socket.getsockname(), self.rtcp.getsockname()
        audio = NegotiatedAudio(near, far, codec, codec.value, 101, 8000, 101, 20, True, True)
        if is_encrypted:
            leg.draw_keys()
            audio = replace(audio, crypto=Crypto(1, FAR_KEY))
            self.sender = SrtpSender(PROFILE, FAR_KEY.key)
        picture = NegotiatedVideo(near, far, H264, "42e01f", 1, None, True, True)
        leg.start(Negotiated(audio, picture if has_picture else None), signalling_host=HOST)
        self.router = (HOST, leg.audio_port)
        self.router_picture = (HOST, leg.video_port or 0)

    def show(self, number: int) -> None:
        """Send packet `number` of its picture: four make one, and every fiftieth one is a key frame."""
        is_key = number // 4 % 50 == 0
        head = rtp.build_header(
            H264, number & 0xFFFF, number // 4 * 3600, 7, marker=number % 4 == 3
        )
        slices = (b"\x65" if is_key else b"\x41") + bytes(1100)
        self.socket.sendto(head + slices, self.router_picture)

    @override
    def close(self) -> None:
        """Free the sockets."""
        self.leg.close()
        self.socket.close()
        self.rtcp.close()


class App(Far):
    """A browser whose handshake is over: both sides are given their keys."""

    def __init__(
        self,
        name: str,
        codec: Codec,
        mux: MuxPort,
        identity: DtlsIdentity,
        *,
        has_picture: bool = False,
    ) -> None:
        super().__init__()
        picture = NegotiatedVideo((HOST, 9), (HOST, 9), H264, "42e01f", 1, None, True, True)
        self.codec = codec
        profile = next(p for p in SRTP_PROFILES if p.libsrtp_profile == PROFILE)
        size = profile.key_length + profile.salt_length
        inbound, outbound = secrets.token_bytes(size), secrets.token_bytes(size)
        self.leg = leg = WebRtcLeg.open(
            LegId(name), mux, identity, codec, picture if has_picture else None
        )
        leg._srtp = SrtpSession(SrtpKeys(profile, inbound, outbound))  # noqa: SLF001 - no handshake
        leg._ice.selected = self.socket.getsockname()  # noqa: SLF001 - no check
        leg.is_ready = True
        mux.claim(self.socket.getsockname(), leg, 0.0)
        self.sender = SrtpSender(PROFILE, inbound)
        self.router = (HOST, mux.port)

    @override
    def close(self) -> None:
        """Free the socket and the place in the port's tables."""
        self.leg.close()
        self.socket.close()
