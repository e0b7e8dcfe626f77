"""The formats that we know how to speak of in SDP: G.711, telephone-events, H.264."""

from dataclasses import dataclass
from enum import Enum

from intercom.sip.sdp import MediaDescription, is_number

_DEFAULT_PROFILE_LEVEL_ID = "42000a"  # RFC 6184 §8.1: Baseline, level 1, when not said
_BASELINE = 66


class Law(Enum):
    """A G.711 law; the value is its static RTP payload type (RFC 3551 §6)."""

    PCMA = 8
    PCMU = 0


_LAWS = {law.name: law for law in Law}
_STATIC_LAWS = {str(law.value): law for law in Law}


@dataclass(frozen=True, slots=True)
class EventFormat:
    """One telephone-event format (RFC 4733 §2.5.1)."""

    payload_type: int
    clock_hz: int


@dataclass(frozen=True, slots=True)
class H264Format:
    """One H.264 format (RFC 6184 §8.1)."""

    payload_type: int
    profile_level_id: str
    packetization_mode: int
    sprop: str | None

    @property
    def profile_idc(self) -> int:
        """The profile alone (RFC 6184 §8.1): 66 Baseline, 77 Main, 100 High."""
        return int(self.profile_level_id[:2], 16)


def laws_of(media: MediaDescription) -> list[tuple[int, Law]]:
    """List the G.711 formats, in the order given."""
    found: list[tuple[int, Law]] = []
    for number in media.formats:
        if not _is_payload_type(number):
            continue
        codec = media.codec(number)
        law = _STATIC_LAWS.get(number) if codec is None else _LAWS.get(codec[0])
        if law is not None and (codec is None or codec[1] == 8000) and media.is_mono(number):
            found.append((int(number), law))
    return found


def law_of(media: MediaDescription, laws: tuple[Law, ...]) -> tuple[int, Law] | None:
    """Find the first of our laws that stands there."""
    offered = laws_of(media)
    for law in laws:
        for number, candidate in offered:
            if candidate is law:
                return number, law
    return None


def event_of(media: MediaDescription) -> EventFormat | None:
    """Find the telephone-events: those on the clock of the sound first."""
    events: list[EventFormat] = []
    for number in media.formats:
        codec = media.codec(number) if _is_payload_type(number) else None
        if codec is not None and codec[0] == "TELEPHONE-EVENT" and codec[1]:
            events.append(EventFormat(int(number), codec[1]))
    events.sort(key=lambda event: event.clock_hz != 8000)
    return events[0] if events else None


def h264s_of(media: MediaDescription) -> list[H264Format]:
    """List the H.264 formats, the best for us first.

    Packetization-mode 1 needs no IP fragments; what is Baseline every app decodes. Else the order given.
    """
    found: list[H264Format] = []
    for number in media.formats:
        codec = media.codec(number) if _is_payload_type(number) else None
        if codec is None or codec[0] != "H264":
            continue
        parameters = media.parameters(number)
        mode = parameters.get("packetization-mode", "0")
        if mode in {"0", "1"}:
            profile = parameters.get("profile-level-id", "")
            found.append(
                H264Format(
                    int(number),
                    profile if _is_profile(profile) else _DEFAULT_PROFILE_LEVEL_ID,
                    int(mode),
                    parameters.get("sprop-parameter-sets"),
                )
            )
    found.sort(key=lambda codec: (-codec.packetization_mode, codec.profile_idc != _BASELINE))
    return found


def h264_of(media: MediaDescription) -> H264Format | None:
    """Find the best H.264 format."""
    found = h264s_of(media)
    return found[0] if found else None


def h264_answered(ours: MediaDescription, theirs: MediaDescription) -> H264Format | None:
    """Find the format of an answer that we had offered: same profile and mode (RFC 6184 §8.2.2).

    The level may differ, and so may the payload type.
    """
    offered = {(codec.profile_idc, codec.packetization_mode) for codec in h264s_of(ours)}
    for codec in h264s_of(theirs):
        if (codec.profile_idc, codec.packetization_mode) in offered:
            return codec
    return None


def _is_payload_type(text: str) -> bool:
    return is_number(text, 3) and int(text) < 128


def _is_profile(text: str) -> bool:
    return len(text) == 6 and all(digit in "0123456789abcdefABCDEF" for digit in text)
