"""Offer/answer (RFC 3264): what two ends will send each other: sound, telephone-events and H.264."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import TypeVar

from intercom.errors import RemoteProtocolError
from intercom.sip import media_lines, sdp
from intercom.sip.agreement import (
    DEFAULT_PTIME_MS,
    LocalMedia,
    Negotiated,
    NegotiatedAudio,
    NegotiatedVideo,
    Srtp,
)
from intercom.sip.codec import (
    Codec,
    EventFormat,
    H264Format,
    codec_of,
    codecs_of,
    event_of,
    events_of,
    h264_answered,
    h264_of,
)
from intercom.sip.crypto import Crypto, choose, cryptos_of
from intercom.sip.sdp import Direction, MediaDescription, SessionDescription

__all__ = [
    "AcceptedOffer",
    "Codec",
    "Direction",
    "LocalMedia",
    "Negotiated",
    "NegotiatedAudio",
    "NegotiatedVideo",
    "Srtp",
    "accept_offer",
    "make_answer",
    "make_offer",
    "offered_lines",
    "read_answer",
]

_PTIMES_MS = (10, 20, 30, 40, 60)
_IN_CLEAR = {"RTP/AVP", "RTP/AVPF"}
_ENCRYPTED = {"RTP/SAVP", "RTP/SAVPF"}
_ip_address = lru_cache(maxsize=256)(ip_address)
"""Carriers and panels have few addresses, and each is looked at with every description."""
_N = TypeVar("_N", NegotiatedAudio, NegotiatedVideo)


class _UnusableError(Exception):
    """An m-line is refused; the text says why."""


def offered_lines(local: LocalMedia) -> list[MediaDescription]:
    """Write the m-lines of our offer."""
    media = [media_lines.offered_audio(local)]
    if local.video_port is not None:
        media.append(media_lines.offered_video(local))
    return media


def make_offer(local: LocalMedia, lines: list[MediaDescription] | None = None) -> bytes:
    """Write our offer; `lines` are its m-lines where they were written already."""
    media = offered_lines(local) if lines is None else lines
    return sdp.serialise(local.host, local.session_id, local.session_version, media)


@dataclass(frozen=True, slots=True)
class AcceptedOffer:
    """An offer with what we agree to; `answer` writes it down once our ports are known."""

    offered: SessionDescription
    audio_line: int
    """Index of the m-line that was taken."""
    video_line: int | None
    negotiated: Negotiated

    def answer(self, local: LocalMedia) -> bytes:
        """Answer every m-line; what was not taken is refused by port 0."""
        offered = self.offered.media
        lines = [media_lines.refused(each) for each in offered]
        audio, video = self.negotiated.audio, self.negotiated.video
        lines[self.audio_line] = media_lines.answered_audio(offered[self.audio_line], audio, local)
        if video is not None and self.video_line is not None:
            line = offered[self.video_line]
            lines[self.video_line] = media_lines.answered_video(line, video, local)
        time = self.offered.time
        return sdp.serialise(local.host, local.session_id, local.session_version, lines, time)


def accept_offer(
    offer: bytes,
    codecs: tuple[Codec, ...],
    *,
    has_video: bool,
    audio_direction: Direction = Direction.SENDRECV,
    video_direction: Direction = Direction.SENDRECV,
    srtp: Srtp = Srtp.OFF,
    ip_version: int | None = None,
) -> AcceptedOffer:
    """Agree to what both can; raise RemoteProtocolError with `status_hint` 488 without common audio.

    Of several m-lines of one kind an encrypted one is taken before one in clear, then the first.
    `ip_version` 4 or 6 refuses addresses of the other kind, which our ports cannot send to.
    """
    description = sdp.parse(offer)
    problems: list[str] = []

    def accept_audio(offered: MediaDescription) -> NegotiatedAudio:
        return _accept_audio(offered, codecs, audio_direction, _security(offered, srtp, ip_version))

    def accept_video(offered: MediaDescription) -> NegotiatedVideo:
        return _accept_video(offered, video_direction, _security(offered, srtp, ip_version))

    audio = _best_line(description, "audio", accept_audio, problems)
    if audio is None:
        message = "no common audio: " + "; ".join(problems or ["none is offered"])
        raise RemoteProtocolError(message, status_hint=488)
    video = _best_line(description, "video", accept_video, problems) if has_video else None
    video_line, video_agreed = video or (None, None)
    return AcceptedOffer(description, audio[0], video_line, Negotiated(audio[1], video_agreed))


def make_answer(offer: bytes, local: LocalMedia) -> tuple[bytes, Negotiated]:
    """Answer every m-line; raise RemoteProtocolError with `status_hint` 488 without common audio."""
    accepted = accept_offer(
        offer,
        local.codecs,
        has_video=local.video_port is not None,
        audio_direction=local.audio_direction,
        video_direction=local.video_direction,
        srtp=local.srtp,
        ip_version=_ip_version_of(local.host),
    )
    return accepted.answer(local), accepted.negotiated


def read_answer(
    offer: bytes, answer: bytes, lines: list[MediaDescription] | None = None
) -> Negotiated:
    """Read the answer to our offer; raise RemoteProtocolError when it leaves no audio.

    `lines` are the offer's m-lines where they are known, which saves reading what we wrote.
    Its m-lines are ours, in the same order (RFC 3264 §6). Deviates: what it leaves out at the end is
    refused, for so do phones without a picture that look for their sound alone.
    """
    ours = sdp.parse(offer).media if lines is None else lines
    theirs = sdp.parse(answer).media
    if [media.kind for media in ours[: len(theirs)]] != [media.kind for media in theirs]:
        raise RemoteProtocolError("the answer's m-lines are not the offer's", status_hint=488)
    audio: NegotiatedAudio | None = None
    video: NegotiatedVideo | None = None
    problems: list[str] = []
    for mine, other in zip(ours, theirs, strict=False):
        try:
            if mine.kind == "audio" and mine.port and audio is None:
                audio = _answered_audio(mine, other)
            elif mine.kind == "video" and mine.port and video is None:
                video = _answered_video(mine, other)
        except _UnusableError as error:
            problems.append(f"{mine.kind}: {error}")
    if audio is None:
        message = "the answer has no common audio: " + "; ".join(problems)
        raise RemoteProtocolError(message, status_hint=488)
    return Negotiated(audio, video)


def _best_line(
    description: SessionDescription,
    kind: str,
    accept: Callable[[MediaDescription], _N],
    problems: list[str],
) -> tuple[int, _N] | None:
    best: tuple[int, _N] | None = None
    for index, offered in enumerate(description.media):
        if offered.kind != kind:
            continue
        try:
            agreed = accept(offered)
        except _UnusableError as error:
            problems.append(f"m-line {index + 1}: {error}")
            continue
        if best is None or (best[1].crypto is None and agreed.crypto is not None):
            best = index, agreed
    return best


def _security(offered: MediaDescription, srtp: Srtp, ip_version: int | None) -> Crypto | None:
    """Choose the key of an offered m-line, None for one in clear."""
    _check_address(offered, ip_version)
    is_encrypted = offered.protocol in _ENCRYPTED
    if srtp is Srtp.OFF:
        if is_encrypted:
            raise _UnusableError("it is encrypted, which is switched off")
        return None
    crypto = choose(cryptos_of(offered))
    if crypto is None and (is_encrypted or srtp is Srtp.REQUIRED):
        raise _UnusableError("it has no a=crypto line that can be used")
    return crypto


def _answered_security(ours: MediaDescription, theirs: MediaDescription) -> Crypto | None:
    """Find the one key of an answered m-line, None for one in clear."""
    _check_address(theirs, _ip_version_of(ours.host))
    offered = {(crypto.tag, crypto.suite) for crypto in cryptos_of(ours)}
    is_encrypted = ours.protocol in _ENCRYPTED or theirs.protocol in _ENCRYPTED
    if not is_encrypted and not (offered and theirs.values("crypto")):
        return None
    answered = cryptos_of(theirs) if len(theirs.values("crypto")) == 1 else []
    if not answered or (answered[0].tag, answered[0].suite) not in offered:
        raise _UnusableError("it does not take exactly one of our a=crypto lines")
    return answered[0]


def _ip_version_of(host: str) -> int:
    return 6 if ":" in host else 4


def _check_address(theirs: MediaDescription, ip_version: int | None) -> None:
    """Raise where packets cannot go to; a host name is not looked up."""
    if not theirs.port:
        raise _UnusableError("it is refused or ended by port 0")
    if theirs.protocol not in _IN_CLEAR | _ENCRYPTED:
        message = f"its protocol is none of {', '.join(sorted(_IN_CLEAR | _ENCRYPTED))}"
        raise _UnusableError(message)
    try:
        address = _ip_address(theirs.host)
    except ValueError:
        raise _UnusableError(
            "its c-line has no IP address (host names are not looked up)"
        ) from None
    if address.is_multicast:
        raise _UnusableError("its c-line has a multicast address")
    if ip_version not in {None, address.version} and not address.is_unspecified:
        message = f"its c-line has no IPv{ip_version} address"
        raise _UnusableError(message)


def _accept_audio(
    offered: MediaDescription,
    codecs: tuple[Codec, ...],
    direction: Direction,
    crypto: Crypto | None,
) -> NegotiatedAudio:
    found = codec_of(offered, codecs)
    if found is None:
        message = f"it has none of {', '.join(codec.name for codec in codecs)}"
        raise _UnusableError(message)
    event = event_of(offered, found[1].clock_hz)
    can_send, can_receive = _allowed(direction, offered)
    return NegotiatedAudio(
        remote=(offered.host, offered.port),
        remote_rtcp=_rtcp_of(offered),
        codec=found[1],
        payload_type=found[0],
        dtmf_payload_type=event.payload_type if event else None,
        dtmf_clock_hz=event.clock_hz if event else 8000,
        dtmf_send_payload_type=event.payload_type if event else None,
        ptime_ms=_ptime_of(offered),
        can_send=can_send,
        can_receive=can_receive,
        crypto=crypto,
        is_ptime_asked=_asks_ptime(offered),
    )


def _answered_audio(ours: MediaDescription, theirs: MediaDescription) -> NegotiatedAudio:
    crypto = _answered_security(ours, theirs)
    offered = {codec: number for number, codec in reversed(codecs_of(ours))}
    found = next((each for each in codecs_of(theirs) if each[1] in offered), None)
    if found is None:
        raise _UnusableError("it has no codec that we offered")
    event = event_of(theirs, found[1].clock_hz)
    our_event = event_of(ours, event.clock_hz) if event else None
    can_send, can_receive = _allowed(ours.direction, theirs)
    return NegotiatedAudio(
        remote=(theirs.host, theirs.port),
        remote_rtcp=_rtcp_of(theirs),
        codec=found[1],
        payload_type=found[0],
        dtmf_payload_type=our_event.payload_type if our_event else None,
        dtmf_clock_hz=our_event.clock_hz if our_event else 8000,
        dtmf_send_payload_type=event.payload_type if event else None,
        ptime_ms=_ptime_of(theirs),
        can_send=can_send,
        can_receive=can_receive,
        crypto=crypto,
        is_ptime_asked=_asks_ptime(theirs),
        expected_payload_type=offered[found[1]],
        other_events=_other_events(ours, theirs, our_event),
    )


def _accept_video(
    offered: MediaDescription, direction: Direction, crypto: Crypto | None
) -> NegotiatedVideo:
    codec = h264_of(offered)
    if codec is None:
        raise _UnusableError("it has no H.264")
    return _video(offered, codec, _allowed(direction, offered), crypto)


def _answered_video(ours: MediaDescription, theirs: MediaDescription) -> NegotiatedVideo:
    crypto = _answered_security(ours, theirs)
    codec = h264_answered(ours, theirs)
    if codec is None:
        raise _UnusableError("it has no H.264 that we offered")
    return _video(theirs, codec, _allowed(ours.direction, theirs), crypto)


def _video(
    theirs: MediaDescription, codec: H264Format, ways: tuple[bool, bool], crypto: Crypto | None
) -> NegotiatedVideo:
    return NegotiatedVideo(
        remote=(theirs.host, theirs.port),
        remote_rtcp=_rtcp_of(theirs),
        payload_type=codec.payload_type,
        profile_level_id=codec.profile_level_id,
        packetization_mode=codec.packetization_mode,
        sprop=codec.sprop,
        can_send=ways[0],
        can_receive=ways[1],
        crypto=crypto,
        feedback=media_lines.feedback_of(theirs, codec.payload_type),
    )


def _allowed(direction: Direction, theirs: MediaDescription) -> tuple[bool, bool]:
    """Tell whether we may send and will receive; c=0.0.0.0 is the hold of RFC 2543."""
    is_deaf = theirs.host in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
    can_send = direction.can_send and theirs.direction.can_receive and not is_deaf
    return can_send, direction.can_receive and theirs.direction.can_send


def _ptime_of(media: MediaDescription) -> int:
    """Read `ptime`, where it is a usual one, within `maxptime` (RFC 8866 §6.4, §6.5)."""
    wanted = _milliseconds(media.value("ptime")) or DEFAULT_PTIME_MS
    longest = _milliseconds(media.value("maxptime")) or _PTIMES_MS[-1]
    ptime_ms = wanted if wanted in _PTIMES_MS else DEFAULT_PTIME_MS
    return max((each for each in _PTIMES_MS if each <= min(ptime_ms, longest)), default=ptime_ms)


def _other_events(
    ours: MediaDescription, theirs: MediaDescription, chosen: EventFormat | None
) -> tuple[tuple[int, int], ...]:
    """List the events that both say besides the chosen ones: either kind may come then."""
    clocks = {event.clock_hz for event in events_of(theirs)}
    return tuple(
        (event.payload_type, event.clock_hz)
        for event in events_of(ours)
        if event != chosen and event.clock_hz in clocks
    )


def _asks_ptime(media: MediaDescription) -> bool:
    return bool(_milliseconds(media.value("ptime")) or _milliseconds(media.value("maxptime")))


def _milliseconds(value: str | None) -> int:
    text = (value or "").partition(".")[0]
    return int(text) if sdp.is_number(text, 3) else 0


def _rtcp_of(media: MediaDescription) -> tuple[str, int]:
    """Find where RTCP goes: `a=rtcp` (RFC 3605) or the next port."""
    parts = (media.value("rtcp") or "").split()
    if not parts or not sdp.is_number(parts[0], 5) or not 0 < int(parts[0]) < 65_536:
        return media.host, min(media.port + 1, 65_535)
    host = media.host
    if len(parts) >= 4:
        try:
            host = str(ip_address(parts[3]))
        except ValueError:
            host = media.host
    return host, int(parts[0])
