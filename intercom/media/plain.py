"""A leg of RTP or SRTP, a panel's or a phone's: own ports for each medium, one believed source each."""

import secrets
from collections.abc import Sequence
from typing import Self

from typing_extensions import override

from intercom.media import rtp
from intercom.media.latch import Latch, Network, is_sendable
from intercom.media.leg import Media, MediaLeg, OutStream
from intercom.media.port import Address, PortPool, RtpPort
from intercom.media.sdes import SdesStream, fresh_keys
from intercom.routing.ids import LegId
from intercom.sip.crypto import LocalKeys, SrtpKey
from intercom.sip.offer_answer import Law, Negotiated, NegotiatedAudio, NegotiatedVideo

_CLOCK_HZ = {Media.AUDIO: 8000, Media.VIDEO: 90_000}  # RFC 3551 §6, RFC 6184 §8.2.1


class _Stream:
    """One medium's pair of ports."""

    def __init__(self, leg: "PlainLeg", media: Media, ports: tuple[RtpPort, RtpPort]) -> None:
        self.media = media
        self.rtp, self.rtcp = ports
        self.out: OutStream | None = None
        self.latch: Latch | None = None
        self.payload_type: int | None = None
        self.can_send = False
        self.can_receive = False
        self._leg = leg
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
        if self.latch is None or self._has_moved(negotiated.remote):
            self._rtcp_source = None
            self.latch = Latch(
                negotiated.remote,
                payload_types=payload_types,
                signalling_host=signalling_host,
                media_networks=media_networks,
            )
        self.latch.payload_types = payload_types
        self.payload_type = negotiated.payload_type
        self.can_send, self.can_receive = negotiated.can_send, negotiated.can_receive
        self._signalled_rtcp = negotiated.remote_rtcp
        out = OutStream(negotiated.payload_type, self._ssrc, _CLOCK_HZ[self.media])
        if out != self.out:
            self.out = out
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

    def stop(self) -> None:
        """Neither send nor believe anybody."""
        self.latch = self.out = self.payload_type = None
        self.can_send = self.can_receive = False

    def send_rtp(self, packet: bytes | bytearray) -> None:
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
        latch = self.latch
        if latch is None or (
            source != latch.source and not self._accept(latch, packet, source, now)
        ):
            self._leg.wrong_source_packets += 1
        elif rtp.is_rtcp(packet):
            self._deliver_rtcp(packet, now)
        else:
            self._deliver_rtp(packet, now)

    def _accept(self, latch: Latch, packet: memoryview, source: Address, now: float) -> bool:
        """Ask the latch; where the signalled address takes a forger's place, its RTCP goes too."""
        before = latch.source
        is_accepted = latch.accept(packet, source, now)
        if is_accepted and before is not None:
            self._rtcp_source = None
        return is_accepted

    def _receive_srtp(self, packet: memoryview, source: Address, now: float) -> None:
        latch, receiver = self.latch, self._sdes.receiver
        if latch is None or receiver is None:
            self._leg.wrong_source_packets += 1
            return
        is_rtcp = rtp.is_rtcp(packet)
        plain = receiver.unprotect_rtcp(packet) if is_rtcp else receiver.unprotect(packet)
        if plain is None:
            self._leg.auth_failed += 1
            return
        if source != latch.source:
            latch.follow(source)
        if is_rtcp:
            self._deliver_rtcp(plain, now)
        else:
            self._deliver_rtp(plain, now)

    def _deliver_rtp(self, packet: memoryview, now: float) -> None:
        if len(packet) < rtp.HEADER_BYTES or not self.can_receive:
            self._leg.unwanted_packets += 1
        elif self._leg.on_rtp is not None:
            self._leg.on_rtp(self._leg, self.media, packet, now)

    def _receive_rtcp(self, packet: memoryview, source: Address, now: float) -> None:
        receiver = self._sdes.receiver
        if self.latch is None or (receiver is None and not self._is_rtcp_source(source)):
            self._leg.wrong_source_packets += 1
            return
        if not rtp.is_rtcp(packet):
            return
        plain = packet if receiver is None else receiver.unprotect_rtcp(packet)
        if plain is None:
            self._leg.auth_failed += 1
            return
        self._rtcp_source = source
        self._deliver_rtcp(plain, now)

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

    def _deliver_rtcp(self, packet: memoryview, now: float) -> None:
        if self._leg.on_rtcp is not None:
            self._leg.on_rtcp(self._leg, self.media, packet, now)

    def close(self) -> None:
        self.stop()
        self.rtp.close()
        self.rtcp.close()


class PlainLeg(MediaLeg):
    """Sound, and a picture if wanted, over plain RTP or, where keys were agreed on, SRTP (RFC 4568)."""

    def __init__(
        self,
        leg_id: LegId,
        audio: tuple[RtpPort, RtpPort],
        video: tuple[RtpPort, RtpPort] | None,
    ) -> None:
        super().__init__(leg_id)
        self.wrong_source_packets = 0
        """RTP and RTCP from anybody but the believed source: dropped unread."""
        self.unwanted_packets = 0
        """Too short to be RTP, or sent while on hold."""
        self.auth_failed = 0
        """SRTP and SRTCP that is forged, damaged or a replay: dropped, and nothing believed of it."""
        self.keys = LocalKeys()
        """Ours, for `LocalMedia.keys`; none until `draw_keys`."""
        self._audio = _Stream(self, Media.AUDIO, audio)
        self._video = _Stream(self, Media.VIDEO, video) if video else None
        self._negotiated: Negotiated | None = None
        self._signalling_host = ""
        self._media_networks: tuple[Network, ...] = ()

    @classmethod
    def open(cls, leg_id: LegId, pool: PortPool, with_video: bool) -> Self:
        """Bind the ports; raise MediaError when none is free."""
        audio = pool.open_pair()
        try:
            return cls(leg_id, audio, pool.open_pair() if with_video else None)
        except BaseException:
            for port in audio:
                port.close()
            raise

    def renew_source(self) -> None:
        """Let the sound come from another source: its numbers begin anew (RFC 3550 §5.1)."""
        self._audio.renew_source()

    @property
    def audio_port(self) -> int:
        return self._audio.rtp.port

    @property
    def audio_rtcp_port(self) -> int:
        return self._audio.rtcp.port

    @property
    def video_port(self) -> int | None:
        return self._video.rtp.port if self._video else None

    @property
    def video_rtcp_port(self) -> int | None:
        return self._video.rtcp.port if self._video else None

    def draw_keys(self) -> LocalKeys:
        """Draw new keys for a description that is written now, and remember them for `start`."""
        self.keys = fresh_keys()
        return self.keys

    def start(
        self,
        negotiated: Negotiated,
        *,
        signalling_host: str,
        media_networks: Sequence[Network] = (),
    ) -> None:
        """Send and receive as negotiated; `signalling_host` is where the peer's SIP came from."""
        self._signalling_host = signalling_host
        self._media_networks = tuple(media_networks)
        self.update(negotiated)
        if not self.is_ready:
            self.is_ready = True
            if self.on_ready is not None:
                self.on_ready(self)

    def update(self, negotiated: Negotiated) -> None:
        """Take over a new negotiation of the same, authenticated dialog."""
        self._negotiated = negotiated
        audio, video = negotiated.audio, negotiated.video
        payload_types = {audio.payload_type}
        if audio.dtmf_payload_type is not None:
            payload_types.add(audio.dtmf_payload_type)
        where = (self._signalling_host, self._media_networks)
        self._audio.set_remote(audio, frozenset(payload_types), *where, self.keys.audio)
        if self._video is None:
            return
        if video is None:
            self._video.stop()
        else:
            numbers = frozenset({video.payload_type})
            self._video.set_remote(video, numbers, *where, self.keys.video)

    @property
    @override
    def law(self) -> Law:
        return self._negotiated.audio.law if self._negotiated else Law.PCMA

    @property
    def is_encrypted(self) -> bool:
        """Whether the sound is."""
        return self._negotiated is not None and self._negotiated.audio.crypto is not None

    @property
    @override
    def expects_sound(self) -> bool:
        return self._audio.can_receive

    @property
    @override
    def dtmf_payload_type(self) -> int | None:
        return self._negotiated.audio.dtmf_payload_type if self._negotiated else None

    @property
    @override
    def dtmf_clock_hz(self) -> int:
        return self._negotiated.audio.dtmf_clock_hz if self._negotiated else 8000

    @property
    @override
    def dtmf_send_payload_type(self) -> int | None:
        audio = self._negotiated.audio if self._negotiated else None
        return audio.dtmf_send_payload_type if audio and audio.dtmf_clock_hz == 8000 else None

    @property
    @override
    def takes_sound(self) -> bool:
        latch = self._audio.latch
        return self._audio.can_send and latch is not None and latch.target is not None

    @property
    def has_heard_anything(self) -> bool:
        """Whether a packet of a believed source has come, of any medium."""
        streams = (self._audio, self._video)
        return any(
            each is not None and each.latch is not None and each.latch.source for each in streams
        )

    @property
    def sprop(self) -> str | None:
        """The peer's sprop-parameter-sets, if its SDP had them."""
        video = self._negotiated.video if self._negotiated else None
        return video.sprop if video else None

    @override
    def in_payload_type(self, media: Media) -> int | None:
        stream = self._stream(media)
        return stream.payload_type if stream else None

    @override
    def out(self, media: Media) -> OutStream | None:
        stream = self._audio if media is Media.AUDIO else self._video
        return stream.out if stream else None

    @override
    def send_rtp(self, media: Media, packet: bytes | bytearray) -> None:
        stream = self._audio if media is Media.AUDIO else self._video
        if stream is not None:
            stream.send_rtp(packet)

    @override
    def send_rtcp(self, media: Media, packet: bytes) -> None:
        stream = self._stream(media)
        if stream is not None:
            stream.send_rtcp(packet)

    @override
    def close(self) -> None:
        self.is_ready = False
        self.on_rtp = self.on_rtcp = self.on_ready = None
        self._audio.close()
        if self._video is not None:
            self._video.close()

    def _stream(self, media: Media) -> _Stream | None:
        return self._audio if media is Media.AUDIO else self._video
