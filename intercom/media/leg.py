"""What the bridge needs of a media leg: a plain-RTP leg and a WebRTC leg look the same to it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from intercom.routing.ids import LegId
from intercom.sip.offer_answer import Law


class Media(Enum):
    AUDIO = "audio"
    VIDEO = "video"


@dataclass(frozen=True, slots=True)
class OutStream:
    """How packets toward this leg must look."""

    payload_type: int
    ssrc: int
    clock_hz: int


PacketHandler = Callable[["MediaLeg", Media, memoryview, float], None]
"""Called with (leg, media, packet, now): a whole plain RTP or RTCP packet, valid only in the call."""


class MediaLeg(ABC):
    """One leg's sound and picture. `on_rtp` and `on_rtcp` are set by the bridge."""

    def __init__(self, leg_id: LegId) -> None:
        self.leg_id = leg_id
        self.on_rtp: PacketHandler | None = None
        """Plain (decrypted, source-checked) RTP from this leg."""
        self.on_rtcp: PacketHandler | None = None
        self.on_ready: Callable[[MediaLeg], None] | None = None
        """Packets can be sent from now on (a WebRTC leg: DTLS is up). Called again never."""
        self.is_ready = False
        self.press_keys: Callable[[MediaLeg, str], float] | None = None
        """Set by the bridge on the panel's leg alone: presses keys toward it, for a door that its
        code opens; gives their length in seconds, 0 where that cannot be. Nothing else may call it."""

    @property
    @abstractmethod
    def law(self) -> Law:
        """The G.711 law in which this leg wants its sound."""

    @property
    @abstractmethod
    def dtmf_payload_type(self) -> int | None:
        """Payload type of the telephone-events that this leg sends, if negotiated."""

    @property
    def dtmf_clock_hz(self) -> int:
        """The clock of those events' timestamps (RFC 4733 §2.5.1.1)."""
        return 8000

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

    @abstractmethod
    def in_payload_type(self, media: Media) -> int | None:
        """Give the payload type that this leg sends its audio or H.264 with."""

    @abstractmethod
    def out(self, media: Media) -> OutStream | None:
        """How packets toward this leg look; None where the leg has no such media."""

    @abstractmethod
    def send_rtp(self, media: Media, packet: bytes | bytearray) -> None:
        """Send one plain RTP packet whose header already is as `out` says; never blocks or raises."""

    @abstractmethod
    def send_rtcp(self, media: Media, packet: bytes) -> None:
        """Send one plain RTCP packet; never blocks or raises."""

    @abstractmethod
    def close(self) -> None:
        """Free the sockets or table entries; idempotent."""
