"""A resident's app as far as a load generator needs one: ICE check, DTLS by OpenSSL, and SRTP made ahead.

The handshake is done here, before the load; what the app will say is encrypted ahead, and bench/media_load.c
sends it. What it hears stays encrypted: the header is in clear (RFC 3711 §3.1), and that is all that is read.
"""

import re
import socket
from contextlib import suppress
from typing import Any

from aioice import stun
from aiortc.rtcdtlstransport import SRTP_PROFILES, RTCCertificate
from OpenSSL import SSL

from intercom.media.srtp import SrtpSender

HOST = "127.0.0.1"
WAIT_S = 3.0
CERTIFICATE = RTCCertificate.generateCertificate()
FINGERPRINT = next(f.value for f in CERTIFICATE.getFingerprints() if f.algorithm == "sha-256")
CONTEXT = CERTIFICATE._create_ssl_context(SRTP_PROFILES)  # noqa: SLF001 - pinned
UFRAG, PWD = "benchU", "benchPassword0123456789ab"
RTCP_EVERY_S = 1.0


class App:
    """One app, with a socket for each port that it sends to: one with BUNDLE."""

    def __init__(self) -> None:
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((HOST, 0))
        self.udp.settimeout(WAIT_S)
        self.far = (HOST, 0)
        self.check: bytes | None = None
        """An ICE check that can be sent again and again, where the far side speaks ICE."""
        self.profile = ""
        self._ssl = SSL.Connection(CONTEXT)
        self._ssl.set_connect_state()
        self._sender: SrtpSender | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Give where it is."""
        name: tuple[str, int] = self.udp.getsockname()
        return name

    def close(self) -> None:
        """Free the socket."""
        self.udp.close()

    def meet(self, offer: str) -> None:
        """Read from an offer where the far side is, and send it an ICE check if it wants one."""
        found = re.search(r"ice-ufrag:(\S+)", offer)
        password = re.search(r"ice-pwd:(\S+)", offer)
        if found is None or password is None:
            return
        attributes = {
            "USERNAME": f"{found[1]}:{UFRAG}",
            "ICE-CONTROLLING": 1,
            "PRIORITY": 1,
            "USE-CANDIDATE": None,
        }
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes=attributes)
        request.add_message_integrity(password[1].encode())
        self.check = bytes(request)
        self.udp.sendto(self.check, self.far)
        stun.parse_message(self.udp.recv(2048))

    def shake_hands(self) -> None:
        """Become the far side's DTLS client and take the keys."""
        while True:
            try:
                self._ssl.do_handshake()
            except SSL.WantReadError:
                self._flush()
                self._ssl.bio_write(self._next_dtls())
            else:
                break
        self._flush()
        self._take_keys()

    def say(self, script: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        """Encrypt packets."""
        assert self._sender is not None
        protect = self._sender.protect
        return [(at_ns, bytes(protect(packet) or b"")) for at_ns, packet in script]

    def report(self, seconds: float, report: bytes) -> list[tuple[int, bytes]]:
        """Encrypt the same report again and again."""
        assert self._sender is not None
        return [
            (round(n * RTCP_EVERY_S * 1e9), bytes(self._sender.protect_rtcp(report) or b""))
            for n in range(round(seconds / RTCP_EVERY_S))
        ]

    def _next_dtls(self) -> bytes:
        while True:
            packet = self.udp.recv(4096)
            if packet and 20 <= packet[0] < 64:
                return packet

    def _flush(self) -> None:
        with suppress(SSL.WantReadError):
            self.udp.sendto(self._ssl.bio_read(8192), self.far)

    def _take_keys(self) -> None:
        selected: Any = self._ssl.get_selected_srtp_profile()
        profile = next(each for each in SRTP_PROFILES if each.openssl_profile == selected)
        self.profile = selected.decode()
        size = 2 * (profile.key_length + profile.salt_length)
        material = self._ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", size)
        self._sender = SrtpSender(profile.libsrtp_profile, profile.get_key_and_salt(material, 0))


def plain_sdp(
    audio: tuple[str, int],
    audio_rtcp: tuple[str, int],
    video: tuple[str, int] | None = None,
    *,
    is_opus: bool = False,
    setup: str = "",
) -> str:
    """Write what a panel or a phone offers; with `setup` what an app without ICE answers."""
    payload_type, rtpmap = (111, "opus/48000/2") if is_opus else (8, "PCMA/8000")
    kind = "UDP/TLS/RTP/SAVPF" if setup else "RTP/AVP"
    keys = (
        [f"a=fingerprint:sha-256 {FINGERPRINT}", f"a=setup:{setup}", "a=rtcp-mux"] if setup else []
    )
    lines = ["v=0", f"o=- 1 1 IN IP4 {HOST}", "s=-", f"c=IN IP4 {HOST}", "t=0 0"]
    lines += [f"m=audio {audio[1]} {kind} {payload_type} 101", f"a=rtpmap:{payload_type} {rtpmap}"]
    lines += ["a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15", "a=ptime:20", *keys]
    lines += [] if setup else [f"a=rtcp:{audio_rtcp[1]}"]
    if video is not None:
        lines += [f"m=video {video[1]} {kind} 96", "a=rtpmap:96 H264/90000", *keys]
        lines += ["a=fmtp:96 profile-level-id=42e01f;packetization-mode=1"]
        lines += ["a=recvonly" if setup else "a=sendonly"]
    return "\r\n".join(lines) + "\r\n"


def answer_sdp(offer: str) -> str:
    """Answer the router's offer as a browser does, with BUNDLE."""
    transport = [
        "c=IN IP4 0.0.0.0",
        f"a=ice-ufrag:{UFRAG}",
        f"a=ice-pwd:{PWD}",
        f"a=fingerprint:sha-256 {FINGERPRINT}",
        "a=setup:active",
        "a=rtcp-mux",
    ]
    lines = ["v=0", f"o=- 1 1 IN IP4 {HOST}", "s=-", "t=0 0", "a=group:BUNDLE 0 1"]
    lines += ["m=audio 9 UDP/TLS/RTP/SAVPF 8", "a=mid:0", *transport]
    if "m=video" in offer:
        found = re.search(r"m=video \d+ \S+ (\d+)", offer)
        assert found is not None
        lines += [f"m=video 9 UDP/TLS/RTP/SAVPF {found[1]}", "a=mid:1", "a=recvonly", *transport]
        lines += [f"a=rtpmap:{found[1]} H264/90000"]
    return "\r\n".join(lines) + "\r\n"


def port_of(sdp: str, kind: str) -> int:
    """Read an m-line's port."""
    found = re.search(rf"m={kind} (\d+)", sdp)
    assert found is not None, sdp
    return int(found[1])


def rtcp_port_of(sdp: str) -> int:
    """Read where the sound's RTCP goes."""
    found = re.search(r"a=rtcp:(\d+)", sdp)
    return int(found[1]) if found else port_of(sdp, "audio") + 1
