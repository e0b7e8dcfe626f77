"""What the bridge needs of a media leg: a plain-RTP leg and a WebRTC leg look the same to it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial

from intercom.media.path import PathFigures
from intercom.routing.ids import LegId
from intercom.sip.offer_answer import Codec


class Media(Enum):
    AUDIO = "audio"
    VIDEO = "video"


@dataclass(frozen=True, slots=True)
class OutStream:
    """How packets toward this leg must look."""

    payload_type: int
    ssrc: int
    clock_hz: int


SendSound = Callable[[memoryview], None]
SoundHandler = Callable[[memoryview, float], bool]
"""Called with (packet, now): a whole plain RTP packet of the believed source. False: not taken."""
PacketHandler = Callable[["MediaLeg", Media, memoryview, float], None]
"""Called with (leg, media, packet, now): a whole plain RTP or RTCP packet, valid only in the call."""


class MediaLeg(ABC):
    """One leg's sound and picture. `on_rtp` and `on_rtcp` are set by the bridge."""

    def __init__(self, leg_id: LegId) -> None:
        self.leg_id = leg_id
        self.on_rtp: PacketHandler | None = None
        """Plain (decrypted, source-checked) RTP from this leg."""
        self.on_sound: SoundHandler | None = None
        """Asked before `on_rtp` with each packet of sound: what it takes does not go there."""
        self.on_rtcp: PacketHandler | None = None
        self.on_ready: Callable[[MediaLeg], None] | None = None
        """Packets can be sent from now on (a WebRTC leg: DTLS is up). Called again never."""
        self.is_ready = False
        self.revision = 0
        """Another with each change of `codec`, `in_payload_type` or `out`."""
        self.on_key_frame_wanted: Callable[[], None] | None = None
        """Set by the owner of a panel's leg that wants to be asked by SIP INFO as well (RFC 5168)."""
        self.press_keys: Callable[[MediaLeg, str], float] | None = None
        """Set by the bridge on the panel's leg alone: presses keys toward it, for a door that its
        code opens; gives their length in seconds, 0 where that cannot be. Nothing else may call it."""

    @property
    @abstractmethod
    def codec(self) -> Codec:
        """How this leg's sound is coded, both ways."""

    @property
    def ptime_ms(self) -> int | None:
        """How much sound a packet toward this leg should hold; None: its SDP did not say."""
        return None

    @property
    @abstractmethod
    def dtmf_payload_type(self) -> int | None:
        """Payload type of the telephone-events that this leg sends, if negotiated."""

    @property
    def dtmf_clock_hz(self) -> int:
        """The clock of those events' timestamps (RFC 4733 §2.5.1.1)."""
        return 8000

    @property
    def event_clocks(self) -> dict[int, int]:
        """The clock of each kind of telephone-events that this leg may send, by payload type."""
        number = self.dtmf_payload_type
        return {} if number is None else {number: self.dtmf_clock_hz}

    @property
    def dtmf_send_payload_type(self) -> int | None:
        """Payload type of the telephone-events that this leg takes, on the clock of its sound."""
        return None

    @property
    def takes_sound(self) -> bool:
        """Whether sound can be sent to this leg now: an address is known, and it does not hold."""
        return True

    @property
    def expects_sound(self) -> bool:
        """Whether sound is agreed to come from this leg: not on hold."""
        return True

    def expects(self, media: Media) -> bool:
        """Tell whether this medium is agreed to come from this leg: there is such a stream, not on hold."""
        return self.expects_sound if media is Media.AUDIO else self.out(media) is not None

    def path_figures(self) -> PathFigures:
        """Give what was dropped and could not be sent so far."""
        return PathFigures()

    @property
    def picture_feedback(self) -> frozenset[str]:
        """Which RTCP feedback about its picture was agreed on, as `a=rtcp-fb` says it."""
        return frozenset()

    @abstractmethod
    def in_payload_type(self, media: Media) -> int | None:
        """Give the payload type that this leg sends its audio or H.264 with."""

    @abstractmethod
    def out(self, media: Media) -> OutStream | None:
        """How packets toward this leg look; None where the leg has no such media."""

    @abstractmethod
    def send_rtp(self, media: Media, packet: bytes | bytearray | memoryview) -> None:
        """Send one plain RTP packet whose header already is as `out` says; never blocks or raises."""

    def sound_sender(self) -> SendSound:
        """Give the shortest way to `send_rtp` for sound; good until `revision` changes."""
        return partial(self.send_rtp, Media.AUDIO)

    def settle(self, now: float) -> None:
        """Take note of what has proven steady by `now`; called every few seconds of a call."""
        del now

    @abstractmethod
    def send_rtcp(self, media: Media, packet: bytes) -> None:
        """Send one plain RTCP packet; never blocks or raises."""

    def resend(self, number: int, now: float) -> bool:  # noqa: ARG002 - for those that keep packets
        """Send a packet of the picture again; False if it is not held (any more), or never was sent."""
        return False

    @abstractmethod
    def close(self) -> None:
        """Free the sockets or table entries; idempotent."""
