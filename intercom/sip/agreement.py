"""The two sides of an offer/answer exchange (RFC 3264): what we bring, and what was agreed on."""

from dataclasses import dataclass, field
from enum import Enum

from intercom.sip.codec import Codec
from intercom.sip.crypto import Crypto, LocalKeys
from intercom.sip.sdp import Direction

DEFAULT_PTIME_MS = 20  # RFC 3551 §4.2


class Srtp(Enum):
    """Whether a peer's sound and picture are encrypted, by keys in SDP (RFC 4568)."""

    OFF = "off"
    """Never; what is offered encrypted only is refused."""
    OPTIONAL = "optional"
    """If the peer does: our offer is RTP/AVP with keys, which those who know none of it pass over."""
    REQUIRED = "required"
    """Always: our offer is RTP/SAVP, and what is offered in clear is refused."""

    def toward_trunk(self, *, is_signalling_secure: bool) -> "Srtp":
        """Give what holds toward a trunk: the keys are not said in clear unless that was ordered."""
        return Srtp.OFF if self is Srtp.OPTIONAL and not is_signalling_secure else self


@dataclass(frozen=True, slots=True)
class LocalMedia:
    """Our end: where we receive and what we can do."""

    host: str
    audio_port: int
    audio_rtcp_port: int
    video_port: int | None = None
    """None: no video; an offered one is refused."""
    video_rtcp_port: int | None = None
    codecs: tuple[Codec, ...] = (Codec.PCMA, Codec.PCMU)
    """In order of preference; an answer takes the first that was offered."""
    dtmf_payload_type: int = 101
    """Of our offers; an answer takes over the offer's."""
    opus_dtmf_payload_type: int = 110
    """As before, for events on Opus's clock, beside it."""
    session_id: int = 1
    session_version: int = 1
    """Must grow by one when a description of the same session changes (RFC 3264 §8); `Description` does."""
    audio_direction: Direction = Direction.SENDRECV
    video_direction: Direction = Direction.SENDRECV
    ptime_ms: int = DEFAULT_PTIME_MS
    video_payload_type: int = 96
    """Of our offers, as the next two."""
    profile_level_id: str = "42e01f"
    packetization_mode: int = 1
    sprop: str | None = None
    """Our sprop-parameter-sets (RFC 6184 §8.1), where known."""
    srtp: Srtp = Srtp.OFF
    keys: LocalKeys = field(default_factory=LocalKeys, repr=False)
    """One for each suite and m-line; needed unless `srtp` is OFF."""


@dataclass(frozen=True, slots=True)
class NegotiatedAudio:
    """Sound between the two ends."""

    remote: tuple[str, int]
    remote_rtcp: tuple[str, int]
    codec: Codec
    payload_type: int
    """The peer's number for the codec; we send with it."""
    dtmf_payload_type: int | None
    """What the peer sends telephone-events with: the number in our own description."""
    dtmf_clock_hz: int
    dtmf_send_payload_type: int | None
    """What we would send telephone-events with: the number in the peer's description."""
    ptime_ms: int
    """What the peer wants to receive, the usual where it did not say."""
    can_send: bool
    can_receive: bool
    crypto: Crypto | None = None
    """The peer's key, by which we decrypt; ours is the one of the same suite. None: plain RTP."""
    is_ptime_asked: bool = False
    """Whether the peer's description said `ptime` or `maxptime`."""
    expected_payload_type: int | None = None
    """The number in our own description, where it may be another (RFC 3264 §5.1)."""
    other_events: tuple[tuple[int, int], ...] = ()
    """Further telephone-events that the peer may send: (payload type, clock)."""

    @property
    def expected(self) -> int:
        """What the peer sends its sound with."""
        own = self.expected_payload_type
        return self.payload_type if own is None else own

    @property
    def event_clocks(self) -> dict[int, int]:
        """The clock of each kind of telephone-events that the peer may send, by payload type."""
        number = self.dtmf_payload_type
        usual = {} if number is None else {number: self.dtmf_clock_hz}
        return usual | dict(self.other_events)


@dataclass(frozen=True, slots=True)
class NegotiatedVideo:
    """Picture between the two ends."""

    remote: tuple[str, int]
    remote_rtcp: tuple[str, int]
    payload_type: int
    profile_level_id: str
    packetization_mode: int
    sprop: str | None
    """The peer's sprop-parameter-sets, if it said so."""
    can_send: bool
    can_receive: bool
    crypto: Crypto | None = None
    """As for the sound."""
    feedback: frozenset[str] = frozenset()
    """What both know of RTCP feedback, as in `a=rtcp-fb` without the number: "nack pli"."""


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What an offer and its answer agreed on."""

    audio: NegotiatedAudio
    video: NegotiatedVideo | None = None
