"""SRTP and SRTCP (RFC 3711), in place and without an exception for each bad packet.

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

Packet = bytes | bytearray | memoryview


class _Place:
    """Where packets are encrypted or decrypted, one at a time."""

    def __init__(self) -> None:
        self.buffer = bytearray(MAX_PACKET_BYTES + MAX_TRAILER_BYTES)
        self.view = memoryview(self.buffer)
        self.pointer = ffi.from_buffer(self.buffer)
        self.length = ffi.new("int *")


_OUT, _IN = _Place(), _Place()
"""Of all keys of the process: what came in stays as it is while it goes out to others."""


class _OneWay:
    """One key, with what was sent or received by it. Each view returned is valid until the next call.

    That is a call by any key of the same direction.
    """

    def __init__(self, profile: int, key: bytes, ssrc_type: int, place: _Place) -> None:
        policy = Policy(key=key, ssrc_type=ssrc_type, srtp_profile=profile)
        policy.window_size = REPLAY_WINDOW_PACKETS
        self._session = Session(policy)
        self._srtp = self._session._srtp[0]  # noqa: SLF001 - pinned
        self._place = place

    def _run(self, function: Callable[[Any, Any, Any], int], packet: Packet) -> memoryview | None:
        size = len(packet)
        if size > MAX_PACKET_BYTES:
            return None
        place = self._place
        length = place.length
        place.buffer[:size] = packet
        length[0] = size
        if function(self._srtp, place.pointer, length):
            return None
        return place.view[: length[0]]


class SrtpSender(_OneWay):
    """Encrypts what we send by our key; `profile` is libsrtp's number."""

    def __init__(self, profile: int, key: bytes) -> None:
        super().__init__(profile, key, Policy.SSRC_ANY_OUTBOUND, _OUT)

    def protect(self, packet: Packet) -> memoryview | None:
        """Return the SRTP packet; None where libsrtp refuses (too long, sequence number reused)."""
        return self._run(lib.srtp_protect, packet)

    def protect_rtcp(self, packet: Packet) -> memoryview | None:
        """Return the SRTCP packet."""
        return self._run(lib.srtp_protect_rtcp, packet)


class SrtpReceiver(_OneWay):
    """Decrypts what the peer sends by its key; `profile` is libsrtp's number."""

    def __init__(self, profile: int, key: bytes) -> None:
        super().__init__(profile, key, Policy.SSRC_ANY_INBOUND, _IN)

    def unprotect(self, packet: memoryview) -> memoryview | None:
        """Return the RTP packet; None where it is forged, damaged or a replay."""
        return self._run(lib.srtp_unprotect, packet)

    def unprotect_rtcp(self, packet: memoryview) -> memoryview | None:
        """Return the RTCP packet; None where it is forged, damaged or a replay."""
        return self._run(lib.srtp_unprotect_rtcp, packet)


class SrtpSession:
    """Both directions of one peer. A packet that came in stays valid while one goes out."""

    def __init__(self, keys: SrtpKeys) -> None:
        profile = keys.profile.libsrtp_profile
        receiver, sender = SrtpReceiver(profile, keys.inbound), SrtpSender(profile, keys.outbound)
        self.unprotect, self.unprotect_rtcp = receiver.unprotect, receiver.unprotect_rtcp
        self.protect, self.protect_rtcp = sender.protect, sender.protect_rtcp
