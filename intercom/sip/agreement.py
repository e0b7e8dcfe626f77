"""The two sides of an offer/answer exchange (RFC 3264): what we bring, and what was agreed on."""

from dataclasses import dataclass

from intercom.sip.codec import Law
from intercom.sip.sdp import Direction

DEFAULT_PTIME_MS = 20  # RFC 3551 §4.2


@dataclass(frozen=True, slots=True)
class LocalMedia:
    """Our end: where we receive and what we can do."""

    host: str
    audio_port: int
    audio_rtcp_port: int
    video_port: int | None = None
    """None: no video; an offered one is refused."""
    video_rtcp_port: int | None = None
    laws: tuple[Law, ...] = (Law.PCMA, Law.PCMU)
    """In order of preference; an answer takes the first that was offered."""
    dtmf_payload_type: int = 101
    """Of our offers; an answer takes over the offer's."""
    session_id: int = 1
    session_version: int = 1
    """Must grow when a description of the same session changes (RFC 3264 §8)."""
    audio_direction: Direction = Direction.SENDRECV
    video_direction: Direction = Direction.SENDRECV
    ptime_ms: int = DEFAULT_PTIME_MS
    video_payload_type: int = 96
    """Of our offers, as the next two."""
    profile_level_id: str = "42e01f"
    packetization_mode: int = 1
    sprop: str | None = None
    """Our sprop-parameter-sets (RFC 6184 §8.1), where known."""


@dataclass(frozen=True, slots=True)
class NegotiatedAudio:
    """Sound between the two ends."""

    remote: tuple[str, int]
    remote_rtcp: tuple[str, int]
    law: Law
    payload_type: int
    """The peer's number for the law; we send with it and expect it."""
    dtmf_payload_type: int | None
    """What the peer sends telephone-events with: the number in our own description."""
    dtmf_clock_hz: int
    dtmf_send_payload_type: int | None
    """What we would send telephone-events with: the number in the peer's description."""
    ptime_ms: int
    """What the peer wants to receive."""
    can_send: bool
    can_receive: bool


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


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What an offer and its answer agreed on."""

    audio: NegotiatedAudio
    video: NegotiatedVideo | None = None
