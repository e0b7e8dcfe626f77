"""SRTP and SRTCP (RFC 3711) for one peer, in place and without an exception for each bad packet.

pylibsrtp's own `Session.protect` refuses packets over 1356 bytes, while panels send H.264 in up to
1460, and allocates twice for each. So its sessions are made here, and libsrtp is called directly.
"""

from collections.abc import Callable
from typing import Any

from pylibsrtp import Policy, Session
from pylibsrtp._binding import ffi, lib

from intercom.media.dtls import SrtpKeys

MAX_PACKET_BYTES = 2048
MAX_TRAILER_BYTES = 148  # libsrtp's SRTP_MAX_SRTCP_TRAILER_LEN: index, tag, MKI
REPLAY_WINDOW_PACKETS = 1024  # a key frame is up to 200 packets in one burst


class SrtpSession:
    """Both directions' keys. Each view returned is valid until the next call."""

    def __init__(self, keys: SrtpKeys) -> None:
        profile = keys.profile.libsrtp_profile
        self._inbound = _session(keys.inbound, Policy.SSRC_ANY_INBOUND, profile)
        self._outbound = _session(keys.outbound, Policy.SSRC_ANY_OUTBOUND, profile)
        self._buffer = bytearray(MAX_PACKET_BYTES + MAX_TRAILER_BYTES)
        self._view = memoryview(self._buffer)
        self._data = ffi.from_buffer(self._buffer)
        self._length = ffi.new("int *")

    def protect(self, packet: bytes | bytearray | memoryview) -> memoryview | None:
        """Return the SRTP packet; None where libsrtp refuses (too long, sequence number reused)."""
        return self._run(lib.srtp_protect, self._outbound, packet)

    def protect_rtcp(self, packet: bytes | bytearray | memoryview) -> memoryview | None:
        """Return the SRTCP packet."""
        return self._run(lib.srtp_protect_rtcp, self._outbound, packet)

    def unprotect(self, packet: memoryview) -> memoryview | None:
        """Return the RTP packet; None where it is forged, damaged or a replay."""
        return self._run(lib.srtp_unprotect, self._inbound, packet)

    def unprotect_rtcp(self, packet: memoryview) -> memoryview | None:
        """Return the RTCP packet; None where it is forged, damaged or a replay."""
        return self._run(lib.srtp_unprotect_rtcp, self._inbound, packet)

    def _run(
        self,
        function: Callable[[Any, Any, Any], int],
        session: Session,
        packet: bytes | bytearray | memoryview,
    ) -> memoryview | None:
        size = len(packet)
        if size > MAX_PACKET_BYTES:
            return None
        self._buffer[:size] = packet
        self._length[0] = size
        if function(session._srtp[0], self._data, self._length):  # noqa: SLF001 - pinned
            return None
        return self._view[: self._length[0]]


def _session(key: bytes, ssrc_type: int, profile: int) -> Session:
    policy = Policy(key=key, ssrc_type=ssrc_type, srtp_profile=profile)
    policy.window_size = REPLAY_WINDOW_PACKETS
    return Session(policy)
