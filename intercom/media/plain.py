"""A leg of RTP or SRTP, a panel's or a phone's: own ports for each medium, one believed source each."""

from collections.abc import Sequence
from typing import Self

from typing_extensions import override

from intercom.media.latch import Network
from intercom.media.leg import Media, OutStream, SendSound
from intercom.media.path import PathFigures
from intercom.media.plain_stream import PlainStream, SourceCheckedLeg
from intercom.media.port import PortPool, RtpPort
from intercom.media.sdes import fresh_keys
from intercom.routing.ids import LegId
from intercom.sip.crypto import LocalKeys
from intercom.sip.offer_answer import Codec, Negotiated


class PlainLeg(SourceCheckedLeg):
    """Sound, and a picture if wanted, over plain RTP or, where keys were agreed on, SRTP (RFC 4568)."""

    def __init__(
        self,
        leg_id: LegId,
        audio: tuple[RtpPort, RtpPort],
        video: tuple[RtpPort, RtpPort] | None,
    ) -> None:
        super().__init__(leg_id)
        self.keys = LocalKeys()
        """Ours, for `LocalMedia.keys`; none until `draw_keys`."""
        self._audio = PlainStream(self, Media.AUDIO, audio)
        self._video = PlainStream(self, Media.VIDEO, video) if video else None
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
        payload_types = {audio.expected}
        payload_types.update(audio.event_clocks)
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
    def codec(self) -> Codec:
        return self._negotiated.audio.codec if self._negotiated else Codec.PCMA

    @property
    @override
    def ptime_ms(self) -> int | None:
        audio = self._negotiated.audio if self._negotiated else None
        return audio.ptime_ms if audio and audio.is_ptime_asked else None

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
    def event_clocks(self) -> dict[int, int]:
        return self._negotiated.audio.event_clocks if self._negotiated else {}

    @property
    @override
    def dtmf_send_payload_type(self) -> int | None:
        audio = self._negotiated.audio if self._negotiated else None
        is_in_step = audio is not None and audio.dtmf_clock_hz == audio.codec.clock_hz
        return audio.dtmf_send_payload_type if audio and is_in_step else None

    @property
    @override
    def takes_sound(self) -> bool:
        latch = self._audio.latch
        return self._audio.can_send and latch is not None and latch.target is not None

    @override
    def expects(self, media: Media) -> bool:
        stream = self._stream(media)
        return stream is not None and stream.can_receive

    @override
    def path_figures(self) -> PathFigures:
        latch = self._audio.latch
        return PathFigures(
            wrong_source=self.wrong_source_packets,
            not_authentic=self.auth_failed,
            send_errors=self._audio.rtp.send_errors,
            has_target=not self._audio.can_send or (latch is not None and latch.target is not None),
            names_private=latch is not None and latch.names_private,
        )

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

    @property
    @override
    def picture_feedback(self) -> frozenset[str]:
        video = self._negotiated.video if self._negotiated else None
        return video.feedback if video else frozenset()

    @override
    def in_payload_type(self, media: Media) -> int | None:
        stream = self._stream(media)
        return stream.payload_type if stream else None

    @override
    def out(self, media: Media) -> OutStream | None:
        stream = self._audio if media is Media.AUDIO else self._video
        return stream.out if stream else None

    @override
    def send_rtp(self, media: Media, packet: bytes | bytearray | memoryview) -> None:
        stream = self._audio if media is Media.AUDIO else self._video
        if stream is not None:
            stream.send_rtp(packet)

    @override
    def sound_sender(self) -> SendSound:
        return self._audio.send_rtp

    @override
    def settle(self, now: float) -> None:
        self._audio.settle(now)
        if self._video is not None:
            self._video.settle(now)

    @override
    def send_rtcp(self, media: Media, packet: bytes) -> None:
        stream = self._stream(media)
        if stream is not None:
            stream.send_rtcp(packet)

    @override
    def close(self) -> None:
        self.is_ready = False
        self.on_rtp = self.on_rtcp = self.on_sound = self.on_ready = None
        self.on_key_frame_wanted = None
        self._audio.close()
        if self._video is not None:
            self._video.close()

    def _stream(self, media: Media) -> PlainStream | None:
        return self._audio if media is Media.AUDIO else self._video
