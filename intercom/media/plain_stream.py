"""One medium of a plain leg: its two ports, the source it believes, and SRTP where keys were agreed on."""

import secrets
from collections.abc import Sequence

from intercom.media import rtp
from intercom.media.latch import Latch, Network, is_sendable
from intercom.media.leg import Media, MediaLeg, OutStream
from intercom.media.port import Address, RtpPort
from intercom.media.sdes import SdesStream
from intercom.routing.ids import LegId
from intercom.sip.crypto import SrtpKey
from intercom.sip.offer_answer import NegotiatedAudio, NegotiatedVideo

VIDEO_CLOCK_HZ = 90_000  # RFC 6184 §8.2.1


class SourceCheckedLeg(MediaLeg):
    """A leg that counts what its streams do not believe."""

    def __init__(self, leg_id: LegId) -> None:
        super().__init__(leg_id)
        self.wrong_source_packets = 0
        """RTP and RTCP from anybody but the believed source: dropped unread."""
        self.unwanted_packets = 0
        """Too short to be RTP, or sent while on hold."""
        self.auth_failed = 0
        """SRTP and SRTCP that is forged, damaged or a replay: dropped, and nothing believed of it."""


class PlainStream:
    """One medium of a leg: its pair of ports, whom it believes and where it sends."""

    def __init__(self, leg: SourceCheckedLeg, media: Media, ports: tuple[RtpPort, RtpPort]) -> None:
        self.media = media
        self.rtp, self.rtcp = ports
        self.out: OutStream | None = None
        self.latch: Latch | None = None
        self.payload_type: int | None = None
        self.can_send = False
        self.can_receive = False
        self._leg: SourceCheckedLeg | None = leg
        """None once closed, so that neither keeps the other."""
        self._ssrc = secrets.randbits(32)
        self._sdes = SdesStream()
        self._signalled_rtcp: Address | None = None
        self._rtcp_source: Address | None = None
        self.rtp.listen(self._receive_rtp)
        self.rtcp.listen(self._receive_rtcp)

    def set_remote(
        self,
        negotiated: NegotiatedAudio | NegotiatedVideo,
        payload_types: frozenset[int],
        signalling_host: str,
        media_networks: Sequence[Network],
        keys: tuple[SrtpKey, ...],
    ) -> None:
        """Take over what was negotiated; a changed address makes the source open again."""
        self._sdes.agree(negotiated.crypto, keys)
        if negotiated.crypto is not None:
            self.rtp.unite(None)
        if self.latch is None or self._has_moved(negotiated.remote):
            self.rtp.unite(None)
            self._rtcp_source = None
            self.latch = Latch(
                negotiated.remote,
                payload_types=payload_types,
                signalling_host=signalling_host,
                media_networks=media_networks,
            )
        self.latch.payload_types = payload_types
        self.payload_type = negotiated.payload_type
        clock_hz = VIDEO_CLOCK_HZ
        if isinstance(negotiated, NegotiatedAudio):
            clock_hz = negotiated.codec.clock_hz
            self.payload_type = negotiated.expected
        self.can_send, self.can_receive = negotiated.can_send, negotiated.can_receive
        self._signalled_rtcp = negotiated.remote_rtcp
        out = OutStream(negotiated.payload_type, self._ssrc, clock_hz)
        if out != self.out:
            self.out = out
        self._changed()
        self.rtp.listen(self._receive_srtp if self._sdes.receiver else self._receive_rtp)

    def _has_moved(self, remote: Address) -> bool:
        """Tell whether the peer named another address; 0.0.0.0 names none, it is a hold (RFC 2543)."""
        assert self.latch is not None
        return remote != self.latch.signalled and is_sendable(remote[0])

    def renew_source(self) -> None:
        """Send under another SSRC from now on."""
        self._ssrc = secrets.randbits(32)
        if self.out is not None:
            self.out = OutStream(self.out.payload_type, self._ssrc, self.out.clock_hz)
            self._changed()

    def stop(self) -> None:
        """Neither send nor believe anybody."""
        self._changed()
        self.rtp.unite(None)
        self.latch = self.out = self.payload_type = None
        self.can_send = self.can_receive = False

    def _changed(self) -> None:
        if self._leg is not None:
            self._leg.revision += 1

    def settle(self, now: float) -> None:
        """Let the system itself drop whatever no longer can be believed.

        Not with keys: there whoever authenticates is followed, wherever that comes from.
        """
        latch = self.latch
        if latch is not None and self._sdes.receiver is None and latch.is_decided(now):
            self.rtp.unite(latch.source, now)

    def send_rtp(self, packet: bytes | bytearray | memoryview) -> None:
        target = self.latch.target if self.latch is not None and self.can_send else None
        if target is None:
            return
        sender = self._sdes.sender
        protected = packet if sender is None else sender.protect(packet)
        if protected is not None:
            self.rtp.send(protected, target)

    def send_rtcp(self, packet: bytes) -> None:
        target = self._rtcp_target()
        if target is None:
            return
        sender = self._sdes.sender
        protected = packet if sender is None else sender.protect_rtcp(packet)
        if protected is not None:
            self.rtcp.send(protected, target)

    def _rtcp_target(self) -> Address | None:
        if self.latch is None or self._rtcp_source is not None:
            return self._rtcp_source
        source = self.latch.source
        if source is not None and source != self.latch.signalled:
            return (source[0], source[1] + 1) if source[1] < 0xFFFF else None
        signalled = self._signalled_rtcp
        return signalled if signalled and signalled[1] and is_sendable(signalled[0]) else None

    def _receive_rtp(self, packet: memoryview, source: Address, now: float) -> None:
        latch, leg = self.latch, self._leg
        if leg is None:
            return
        if latch is None or (
            source != latch.source and not self._accept(latch, packet, source, now)
        ):
            leg.wrong_source_packets += 1
        elif self._is_taken(leg, packet, now):
            return
        elif rtp.is_rtcp(packet):
            self._deliver_rtcp(leg, packet, now)
        else:
            self._deliver_rtp(leg, packet, now)

    def _is_taken(self, leg: MediaLeg, packet: memoryview, now: float) -> bool:
        """Offer an ordinary packet of sound to the short way."""
        on_sound = leg.on_sound
        return (
            on_sound is not None
            and self.can_receive
            and self.media is Media.AUDIO
            and on_sound(packet, now)
        )

    def _accept(self, latch: Latch, packet: memoryview, source: Address, now: float) -> bool:
        """Ask the latch; where the signalled address takes a forger's place, its RTCP goes too."""
        before = latch.source
        is_accepted = latch.accept(packet, source, now)
        if is_accepted and before is not None:
            self._rtcp_source = None
        return is_accepted

    def _receive_srtp(self, packet: memoryview, source: Address, now: float) -> None:
        latch, receiver, leg = self.latch, self._sdes.receiver, self._leg
        if leg is None:
            return
        if latch is None or receiver is None:
            leg.wrong_source_packets += 1
            return
        is_rtcp = rtp.is_rtcp(packet)
        plain = receiver.unprotect_rtcp(packet) if is_rtcp else receiver.unprotect(packet)
        if plain is None:
            leg.auth_failed += 1
            return
        if source != latch.source:
            latch.follow(source)
        if is_rtcp:
            self._deliver_rtcp(leg, plain, now)
        elif not self._is_taken(leg, plain, now):
            self._deliver_rtp(leg, plain, now)

    def _deliver_rtp(self, leg: SourceCheckedLeg, packet: memoryview, now: float) -> None:
        if len(packet) < rtp.HEADER_BYTES or not self.can_receive:
            leg.unwanted_packets += 1
        elif leg.on_rtp is not None:
            leg.on_rtp(leg, self.media, packet, now)

    def _receive_rtcp(self, packet: memoryview, source: Address, now: float) -> None:
        receiver, leg = self._sdes.receiver, self._leg
        if leg is None:
            return
        if self.latch is None or (receiver is None and not self._is_rtcp_source(source)):
            leg.wrong_source_packets += 1
            return
        if not rtp.is_rtcp(packet):
            return
        plain = packet if receiver is None else receiver.unprotect_rtcp(packet)
        if plain is None:
            leg.auth_failed += 1
            return
        self._rtcp_source = source
        self._deliver_rtcp(leg, plain, now)

    def _is_rtcp_source(self, source: Address) -> bool:
        """Believe the signalled address and RTP's neighbour; behind NAT the first port, then no other."""
        latch = self.latch
        assert latch is not None
        if source in {self._signalled_rtcp, self._rtcp_source}:
            return True
        believed = latch.source
        if believed is None or source[0] != believed[0]:
            return False
        is_translated = believed != latch.signalled
        return source[1] == believed[1] + 1 or (is_translated and self._rtcp_source is None)

    def _deliver_rtcp(self, leg: MediaLeg, packet: memoryview, now: float) -> None:
        if leg.on_rtcp is not None:
            leg.on_rtcp(leg, self.media, packet, now)

    def close(self) -> None:
        self.stop()
        self._leg = None
        self.rtp.close()
        self.rtcp.close()
