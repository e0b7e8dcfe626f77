"""The formats that we know how to speak of in SDP: G.711, G.722, Opus, telephone-events, H.264."""

from dataclasses import dataclass
from enum import Enum

from intercom.sip.sdp import MediaDescription, is_number

_DEFAULT_PROFILE_LEVEL_ID = "42000a"  # RFC 6184 §8.1: Baseline, level 1, when not said
_BASELINE = 66


class Codec(Enum):
    """How a leg's sound is coded; the value is the payload type of our own offers.

    It is a static one (RFC 3551 §6) but for Opus, whose number is free (RFC 7587 §7).
    """

    PCMA = 8
    PCMU = 0
    G722 = 9
    OPUS = 111

    @property
    def clock_hz(self) -> int:
        """The RTP clock: 8000 for G.722 too, by an old mistake that stands (RFC 3551 §4.5.2)."""
        return 48_000 if self is Codec.OPUS else 8000

    @property
    def sample_rate_hz(self) -> int:
        """How many samples a second its sound has."""
        return {Codec.G722: 16_000, Codec.OPUS: 48_000}.get(self, 8000)

    @property
    def rtpmap(self) -> str:
        """What stands in SDP: Opus always says two channels, whatever it carries (RFC 7587 §7)."""
        return "opus/48000/2" if self is Codec.OPUS else f"{self.name}/{self.clock_hz}"

    @property
    def is_g711(self) -> bool:
        """Whether it is one byte a sample by a table, turned into its sister by another one."""
        return self in G711


G711 = (Codec.PCMA, Codec.PCMU)
"""The two laws of G.711."""

_CODECS = {(codec.name, codec.clock_hz): codec for codec in Codec}
_CODECS["G722", 16_000] = Codec.G722  # the clock that it ought to have; some write it
_STATIC_CODECS = {str(codec.value): codec for codec in Codec if codec is not Codec.OPUS}


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


def codecs_of(media: MediaDescription) -> list[tuple[int, Codec]]:
    """List the formats of sound that we know, in the order given."""
    found: list[tuple[int, Codec]] = []
    for number in media.formats:
        if not _is_payload_type(number):
            continue
        mapped = media.codec(number)
        codec = _STATIC_CODECS.get(number) if mapped is None else _CODECS.get(mapped)
        if codec is not None and (codec is Codec.OPUS or media.is_mono(number)):
            found.append((int(number), codec))
    return found


def codec_of(media: MediaDescription, codecs: tuple[Codec, ...]) -> tuple[int, Codec] | None:
    """Find the first of our codecs that stands there."""
    offered = codecs_of(media)
    for codec in codecs:
        for number, candidate in offered:
            if candidate is codec:
                return number, codec
    return None


def event_of(media: MediaDescription, clock_hz: int = 8000) -> EventFormat | None:
    """Find the telephone-events: those on the clock of the sound first (RFC 4733 §2.1), then on 8000."""
    events = events_of(media)
    events.sort(key=lambda event: (event.clock_hz != clock_hz, event.clock_hz != 8000))
    return events[0] if events else None


def events_of(media: MediaDescription) -> list[EventFormat]:
    """List the telephone-events, in the order given."""
    events: list[EventFormat] = []
    for number in media.formats:
        codec = media.codec(number) if _is_payload_type(number) else None
        if codec is not None and codec[0] == "TELEPHONE-EVENT" and codec[1]:
            events.append(EventFormat(int(number), codec[1]))
    return events


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
