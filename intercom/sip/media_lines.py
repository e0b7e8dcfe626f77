"""The m-lines that we write (RFC 8866 §5.14): with all we can in an offer, with what was chosen in an answer."""

from collections.abc import Sequence

from intercom.sip.agreement import LocalMedia, NegotiatedAudio, NegotiatedVideo, Srtp
from intercom.sip.codec import Codec, EventFormat, H264Format
from intercom.sip.crypto import Crypto, SrtpKey, crypto_line, crypto_lines, key_of
from intercom.sip.sdp import Direction, MediaDescription

OPUS = "useinbandfec=1"  # RFC 7587 §7.1: what repairs a loss is passed on; nothing says stereo
FEEDBACK = ("nack pli", "ccm fir", "ccm tmmbr")  # RFC 4585 §6.3.1, RFC 5104 §4.3.1 and §4.2.1
ANSWERED_FEEDBACK = (*FEEDBACK, "goog-remb")
"""What some cameras made for browsers know is taken, never offered."""


def offered_audio(local: LocalMedia) -> MediaDescription:
    """Write the sound of our offer."""
    return _audio_line(
        local,
        _protocol_of(local.srtp),
        [(codec.value, codec) for codec in local.codecs],
        events=_offered_events(local),
        ptime_ms=local.ptime_ms,
        direction=local.audio_direction,
        security=_offered_keys(local.srtp, local.keys.audio),
    )


def offered_video(local: LocalMedia) -> MediaDescription:
    """Write the picture of our offer."""
    codec = H264Format(
        local.video_payload_type, local.profile_level_id, local.packetization_mode, local.sprop
    )
    security = _offered_keys(local.srtp, local.keys.video)
    protocol = _protocol_of(local.srtp)
    return _video_line(local, protocol, codec, FEEDBACK, local.video_direction, security=security)


def answered_audio(
    offered: MediaDescription, audio: NegotiatedAudio, local: LocalMedia
) -> MediaDescription:
    """Answer the sound."""
    number = audio.dtmf_payload_type
    return _audio_line(
        local,
        offered.protocol,
        [(audio.payload_type, audio.codec)],
        events=[] if number is None else [EventFormat(number, audio.dtmf_clock_hz)],
        ptime_ms=audio.ptime_ms,
        direction=Direction.of(can_send=audio.can_send, can_receive=audio.can_receive),
        security=_answered_key(audio.crypto, local.keys.audio),
    )


def answered_video(
    offered: MediaDescription, video: NegotiatedVideo, local: LocalMedia
) -> MediaDescription:
    """Answer the picture."""
    feedback = [kind for kind in ANSWERED_FEEDBACK if kind in video.feedback]
    ours = H264Format(
        video.payload_type, video.profile_level_id, video.packetization_mode, local.sprop
    )
    direction = Direction.of(can_send=video.can_send, can_receive=video.can_receive)
    security = _answered_key(video.crypto, local.keys.video)
    return _video_line(local, offered.protocol, ours, feedback, direction, security=security)


def feedback_of(theirs: MediaDescription, payload_type: int) -> frozenset[str]:
    """Read which RTCP feedback the other end knows that we know too."""
    wanted = [value.partition(" ") for value in theirs.values("rtcp-fb")]
    numbers = {"*", str(payload_type)}
    kinds = {" ".join(kind.split()) for number, _, kind in wanted if number in numbers}
    return frozenset(kinds.intersection(ANSWERED_FEEDBACK))


def _offered_events(local: LocalMedia) -> list[EventFormat]:
    """List the clock of most codecs, and Opus's own beside it (RFC 4733 §2.1, RFC 7587 §4.1)."""
    events = [EventFormat(local.dtmf_payload_type, 8000)]
    if Codec.OPUS in local.codecs:
        events.append(EventFormat(local.opus_dtmf_payload_type, Codec.OPUS.clock_hz))
    return events


def refused(offered: MediaDescription) -> MediaDescription:
    """Refuse an m-line by port 0 with its formats (RFC 3264 §6)."""
    return MediaDescription(offered.kind, 0, offered.protocol, offered.formats or ["0"], "")


def _protocol_of(srtp: Srtp) -> str:
    return "RTP/SAVP" if srtp is Srtp.REQUIRED else "RTP/AVP"


def _offered_keys(srtp: Srtp, keys: tuple[SrtpKey, ...]) -> list[tuple[str, str]]:
    assert keys or srtp is not Srtp.REQUIRED, "an encrypted offer needs keys"
    return [] if srtp is Srtp.OFF else crypto_lines(keys)


def _answered_key(crypto: Crypto | None, keys: tuple[SrtpKey, ...]) -> list[tuple[str, str]]:
    """Repeat the tag and suite that were chosen, with our own key (RFC 4568 §5.1.2)."""
    if crypto is None:
        return []
    key = key_of(keys, crypto.suite)
    assert key is not None, "an encrypted answer needs a key"
    return [crypto_line(crypto.tag, key)]


def _rtcp_line(port: int, rtcp_port: int | None) -> list[tuple[str, str]]:
    return [] if rtcp_port in {None, port + 1} else [("rtcp", str(rtcp_port))]


def _audio_line(
    local: LocalMedia,
    protocol: str,
    codecs: list[tuple[int, Codec]],
    *,
    events: list[EventFormat],
    ptime_ms: int,
    direction: Direction,
    security: list[tuple[str, str]],
) -> MediaDescription:
    formats = [str(number) for number, _ in codecs]
    attributes = [("rtpmap", f"{number} {codec.rtpmap}") for number, codec in codecs]
    attributes += [("fmtp", f"{number} {OPUS}") for number, codec in codecs if codec is Codec.OPUS]
    for event in events:
        formats.append(str(event.payload_type))
        attributes.append(("rtpmap", f"{event.payload_type} telephone-event/{event.clock_hz}"))
        attributes.append(("fmtp", f"{event.payload_type} 0-15"))
    attributes.append(("ptime", str(ptime_ms)))
    attributes += _rtcp_line(local.audio_port, local.audio_rtcp_port)
    attributes += security
    return MediaDescription(
        "audio", local.audio_port, protocol, formats, local.host, attributes, direction
    )


def _video_line(
    local: LocalMedia,
    protocol: str,
    codec: H264Format,
    feedback: Sequence[str],
    direction: Direction,
    *,
    security: list[tuple[str, str]],
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
    attributes += security
    return MediaDescription(
        "video", local.video_port, protocol, [str(number)], local.host, attributes, direction
    )
