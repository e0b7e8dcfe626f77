"""Offer/answer (RFC 3264): what two ends will send each other, in G.711 with telephone-events and H.264."""

from dataclasses import dataclass
from ipaddress import ip_address

from intercom.errors import RemoteProtocolError
from intercom.sip import sdp
from intercom.sip.agreement import (
    DEFAULT_PTIME_MS,
    LocalMedia,
    Negotiated,
    NegotiatedAudio,
    NegotiatedVideo,
)
from intercom.sip.codec import EventFormat, H264Format, Law, event_of, h264_of, law_of, laws_of
from intercom.sip.sdp import Direction, MediaDescription, SessionDescription

__all__ = [
    "AcceptedOffer",
    "Direction",
    "Law",
    "LocalMedia",
    "Negotiated",
    "NegotiatedAudio",
    "NegotiatedVideo",
    "accept_offer",
    "make_answer",
    "make_offer",
    "read_answer",
]

_PTIMES_MS = (10, 20, 30, 40, 60)
_PROTOCOLS = {"RTP/AVP", "RTP/AVPF"}
_FEEDBACK = ("nack pli", "ccm fir")  # RFC 4585 §6.3.1, RFC 5104 §4.3.1


def make_offer(local: LocalMedia) -> bytes:
    """Write our offer."""
    event = EventFormat(local.dtmf_payload_type, 8000)
    codecs = [(law.value, law) for law in local.laws]
    media = [
        _audio_line(
            local,
            "RTP/AVP",
            codecs,
            event=event,
            ptime_ms=local.ptime_ms,
            direction=local.audio_direction,
        )
    ]
    if local.video_port is not None:
        media.append(
            _video_line(
                local,
                "RTP/AVP",
                H264Format(
                    local.video_payload_type,
                    local.profile_level_id,
                    local.packetization_mode,
                    local.sprop,
                ),
                _FEEDBACK,
                local.video_direction,
            )
        )
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
        lines = [_refused(offered) for offered in self.offered.media]
        audio, video = self.negotiated.audio, self.negotiated.video
        lines[self.audio_line] = _audio_answer(self.offered.media[self.audio_line], audio, local)
        if video is not None and self.video_line is not None:
            offered = self.offered.media[self.video_line]
            lines[self.video_line] = _video_answer(offered, video, local)
        return sdp.serialise(local.host, local.session_id, local.session_version, lines)


def accept_offer(
    offer: bytes,
    laws: tuple[Law, ...],
    *,
    has_video: bool,
    audio_direction: Direction = Direction.SENDRECV,
    video_direction: Direction = Direction.SENDRECV,
) -> AcceptedOffer:
    """Agree to what both can; raise RemoteProtocolError with `status_hint` 488 without common audio."""
    description = sdp.parse(offer)
    audio: NegotiatedAudio | None = None
    video: NegotiatedVideo | None = None
    audio_line, video_line = 0, None
    for index, offered in enumerate(description.media):
        if offered.kind == "audio" and audio is None:
            audio, audio_line = _accept_audio(offered, laws, audio_direction), index
        elif offered.kind == "video" and video is None and has_video:
            video, video_line = _accept_video(offered, video_direction), index
    if audio is None:
        raise RemoteProtocolError("no common audio", status_hint=488)
    return AcceptedOffer(description, audio_line, video_line, Negotiated(audio, video))


def make_answer(offer: bytes, local: LocalMedia) -> tuple[bytes, Negotiated]:
    """Answer every m-line; raise RemoteProtocolError with `status_hint` 488 without common audio."""
    accepted = accept_offer(
        offer,
        local.laws,
        has_video=local.video_port is not None,
        audio_direction=local.audio_direction,
        video_direction=local.video_direction,
    )
    return accepted.answer(local), accepted.negotiated


def read_answer(offer: bytes, answer: bytes) -> Negotiated:
    """Read the answer to our offer; raise RemoteProtocolError when it leaves no audio."""
    ours = sdp.parse(offer)
    theirs = sdp.parse(answer)
    pair = _pair(ours, theirs, "audio")
    audio = _accepted_audio(*pair) if pair else None
    if audio is None:
        raise RemoteProtocolError("the answer has no common audio", status_hint=488)
    pair = _pair(ours, theirs, "video")
    return Negotiated(audio, _accepted_video(*pair) if pair else None)


def _pair(
    ours: SessionDescription, theirs: SessionDescription, kind: str
) -> tuple[MediaDescription, MediaDescription] | None:
    """Find our m-line of a kind and its answer, which stands at the same place."""
    for mine, other in zip(ours.media, theirs.media, strict=False):
        if mine.kind == other.kind == kind and mine.port:
            return mine, other
    return None


def _accept_audio(
    offered: MediaDescription, laws: tuple[Law, ...], direction: Direction
) -> NegotiatedAudio | None:
    found = law_of(offered, laws)
    if found is None or not _is_usable(offered):
        return None
    event = event_of(offered)
    can_send, can_receive = _allowed(direction, offered)
    return NegotiatedAudio(
        remote=(offered.host, offered.port),
        remote_rtcp=_rtcp_of(offered),
        law=found[1],
        payload_type=found[0],
        dtmf_payload_type=event.payload_type if event else None,
        dtmf_clock_hz=event.clock_hz if event else 8000,
        dtmf_send_payload_type=event.payload_type if event else None,
        ptime_ms=_ptime_of(offered),
        can_send=can_send,
        can_receive=can_receive,
    )


def _audio_answer(
    offered: MediaDescription, audio: NegotiatedAudio, local: LocalMedia
) -> MediaDescription:
    number = audio.dtmf_payload_type
    return _audio_line(
        local,
        offered.protocol,
        [(audio.payload_type, audio.law)],
        event=None if number is None else EventFormat(number, audio.dtmf_clock_hz),
        ptime_ms=audio.ptime_ms,
        direction=Direction.of(can_send=audio.can_send, can_receive=audio.can_receive),
    )


def _accepted_audio(ours: MediaDescription, theirs: MediaDescription) -> NegotiatedAudio | None:
    laws = tuple(law for _, law in laws_of(ours))
    found = next(((number, law) for number, law in laws_of(theirs) if law in laws), None)
    if found is None or not _is_usable(theirs):
        return None
    event = event_of(theirs)
    our_event = event_of(ours) if event else None
    can_send, can_receive = _allowed(ours.direction, theirs)
    return NegotiatedAudio(
        remote=(theirs.host, theirs.port),
        remote_rtcp=_rtcp_of(theirs),
        law=found[1],
        payload_type=found[0],
        dtmf_payload_type=our_event.payload_type if our_event else None,
        dtmf_clock_hz=our_event.clock_hz if our_event else 8000,
        dtmf_send_payload_type=event.payload_type if event else None,
        ptime_ms=_ptime_of(theirs),
        can_send=can_send,
        can_receive=can_receive,
    )


def _accept_video(offered: MediaDescription, direction: Direction) -> NegotiatedVideo | None:
    codec = h264_of(offered)
    if codec is None or not _is_usable(offered):
        return None
    can_send, can_receive = _allowed(direction, offered)
    return _video(offered, codec, can_send=can_send, can_receive=can_receive)


def _video_answer(
    offered: MediaDescription, video: NegotiatedVideo, local: LocalMedia
) -> MediaDescription:
    wanted = [value.partition(" ") for value in offered.values("rtcp-fb")]
    numbers = {"*", str(video.payload_type)}
    feedback = [kind for number, _, kind in wanted if number in numbers and kind in _FEEDBACK]
    ours = H264Format(
        video.payload_type, video.profile_level_id, video.packetization_mode, local.sprop
    )
    direction = Direction.of(can_send=video.can_send, can_receive=video.can_receive)
    return _video_line(local, offered.protocol, ours, feedback, direction)


def _accepted_video(ours: MediaDescription, theirs: MediaDescription) -> NegotiatedVideo | None:
    codec = h264_of(theirs)
    if codec is None or not _is_usable(theirs):
        return None
    can_send, can_receive = _allowed(ours.direction, theirs)
    return _video(theirs, codec, can_send=can_send, can_receive=can_receive)


def _video(
    theirs: MediaDescription, codec: H264Format, *, can_send: bool, can_receive: bool
) -> NegotiatedVideo:
    return NegotiatedVideo(
        remote=(theirs.host, theirs.port),
        remote_rtcp=_rtcp_of(theirs),
        payload_type=codec.payload_type,
        profile_level_id=codec.profile_level_id,
        packetization_mode=codec.packetization_mode,
        sprop=codec.sprop,
        can_send=can_send,
        can_receive=can_receive,
    )


def _is_usable(media: MediaDescription) -> bool:
    """Tell whether plain RTP can go there; a host name is not looked up."""
    if not media.port or media.protocol not in _PROTOCOLS:
        return False
    try:
        return not ip_address(media.host).is_multicast
    except ValueError:
        return False


def _allowed(direction: Direction, theirs: MediaDescription) -> tuple[bool, bool]:
    """Tell whether we may send and will receive; c=0.0.0.0 is the hold of RFC 2543."""
    is_deaf = theirs.host in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
    can_send = direction.can_send and theirs.direction.can_receive and not is_deaf
    return can_send, direction.can_receive and theirs.direction.can_send


def _ptime_of(media: MediaDescription) -> int:
    value = (media.value("ptime") or "").partition(".")[0]
    ptime_ms = int(value) if sdp.is_number(value, 3) else DEFAULT_PTIME_MS
    return ptime_ms if ptime_ms in _PTIMES_MS else DEFAULT_PTIME_MS


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


def _rtcp_line(port: int, rtcp_port: int | None) -> list[tuple[str, str]]:
    return [] if rtcp_port in {None, port + 1} else [("rtcp", str(rtcp_port))]


def _audio_line(
    local: LocalMedia,
    protocol: str,
    codecs: list[tuple[int, Law]],
    *,
    event: EventFormat | None,
    ptime_ms: int,
    direction: Direction,
) -> MediaDescription:
    formats = [str(number) for number, _ in codecs]
    attributes = [("rtpmap", f"{number} {law.name}/8000") for number, law in codecs]
    if event is not None:
        formats.append(str(event.payload_type))
        attributes.append(("rtpmap", f"{event.payload_type} telephone-event/{event.clock_hz}"))
        attributes.append(("fmtp", f"{event.payload_type} 0-15"))
    attributes.append(("ptime", str(ptime_ms)))
    attributes += _rtcp_line(local.audio_port, local.audio_rtcp_port)
    return MediaDescription(
        "audio", local.audio_port, protocol, formats, local.host, attributes, direction
    )


def _video_line(
    local: LocalMedia,
    protocol: str,
    codec: H264Format,
    feedback: tuple[str, ...] | list[str],
    direction: Direction,
) -> MediaDescription:
    assert local.video_port is not None
    number = codec.payload_type
    parameters = (
        f"{number} profile-level-id={codec.profile_level_id}"
        f";packetization-mode={codec.packetization_mode}"
    )
    if codec.sprop:
        parameters += f";sprop-parameter-sets={codec.sprop}"
    attributes = [("rtpmap", f"{number} H264/90000"), ("fmtp", parameters)]
    attributes += [("rtcp-fb", f"{number} {kind}") for kind in feedback]
    attributes += _rtcp_line(local.video_port, local.video_rtcp_port)
    return MediaDescription(
        "video", local.video_port, protocol, [str(number)], local.host, attributes, direction
    )


def _refused(offered: MediaDescription) -> MediaDescription:
    """Refuse an m-line by port 0 with its formats (RFC 3264 §6)."""
    return MediaDescription(offered.kind, 0, offered.protocol, offered.formats or ["0"], "")
