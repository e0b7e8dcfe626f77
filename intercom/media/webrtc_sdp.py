"""The offer to an app and what we need of its answer (RFC 9429, RFC 8839, RFC 8843, RFC 8842).

We offer, so that the ring itself carries the description and one answer completes it. The offer
holds everything that the call will ever need: sound both ways from the start (the bridge gates it),
so nothing is renegotiated when the resident answers.

H.264 is always offered with packetization-mode=1: single NAL units, all that a mode 0 panel sends,
are valid in mode 1 (RFC 6184 §6.3), and aiortc knows no other. The panel's own profile comes first,
then 42e01f for apps that compare profiles (Firefox, Safari) although their decoders read the
profile from the stream.
"""

import re
from dataclasses import dataclass

from intercom.errors import RemoteProtocolError
from intercom.media.dtls import Fingerprint
from intercom.media.ice import IceCredentials
from intercom.sip import sdp
from intercom.sip.codec import G711, Codec, codecs_of

AUDIO_MID = "0"
VIDEO_MID = "1"
VIDEO_PAYLOAD_TYPES = (102, 104)
COMMON_PROFILE = "42e01f"  # constrained baseline, level 3.1: RFC 7742 §6.2 makes all have it
H264_PARAMETERS = "packetization-mode=1;level-asymmetry-allowed=1"
PICTURE_FEEDBACK = ("nack", "nack pli", "ccm fir", "goog-remb")
"""RFC 4585 §4.2 and RFC 5104 §7.1; REMB, by which browsers say how much fits through. No RTX: sending the
same packet again is enough where nothing estimates the way by what we send."""
OPUS = "minptime=10;useinbandfec=1"  # RFC 7587 §7.1
STREAM = "panel"
HOST_PREFERENCE = 126  # RFC 8445 §5.1.2.2

_PROFILE = re.compile(r"[0-9a-f]{6}")
_ICE_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")  # RFC 8839 §5.4
_ICE_PWD = re.compile(r"[A-Za-z0-9+/]{22,256}")
_FINGERPRINT = re.compile(r"([\w-]+) +((?:[0-9A-Fa-f]{2}:)+[0-9A-Fa-f]{2})", re.ASCII)
_GROUP = re.compile(r"BUNDLE((?: +\S+)*)")


@dataclass(frozen=True, slots=True)
class Offer:
    """What goes into an offer."""

    session_id: int
    advertised: tuple[str, ...]
    port: int
    ice: IceCredentials
    fingerprint: Fingerprint
    codecs: tuple[Codec, ...]
    """In order of preference."""
    audio_ssrc: int
    video_ssrc: int | None
    """None: no picture."""
    profile_level_id: str = COMMON_PROFILE


@dataclass(frozen=True, slots=True)
class Answer:
    """What an app made of it."""

    ice: IceCredentials
    fingerprints: tuple[Fingerprint, ...]
    codec: Codec
    audio_payload_type: int
    """For packets toward the app, like the next."""
    video_payload_type: int | None
    """None: the app takes no picture."""


def write_offer(offer: Offer) -> str:
    """Write an offer."""
    has_video = offer.video_ssrc is not None
    host = offer.advertised[0]
    lines = [
        "v=0",
        f"o=- {offer.session_id} 1 IN {_family(host)} {host}",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        f"a=group:BUNDLE {AUDIO_MID} {VIDEO_MID}" if has_video else f"a=group:BUNDLE {AUDIO_MID}",
        f"a=msid-semantic: WMS {STREAM}",
        *_audio_lines(offer),
    ]
    if offer.video_ssrc is not None:
        lines += _video_lines(offer, offer.video_ssrc)
    return "\r\n".join(lines) + "\r\n"


def _audio_lines(offer: Offer) -> list[str]:
    formats = " ".join(str(codec.value) for codec in offer.codecs)
    return [
        f"m=audio {offer.port} UDP/TLS/RTP/SAVPF {formats}",
        *_transport_lines(offer, AUDIO_MID),
        "a=sendrecv",
        *(f"a=rtpmap:{codec.value} {codec.rtpmap}" for codec in offer.codecs),
        *([f"a=fmtp:{Codec.OPUS.value} {OPUS}"] if Codec.OPUS in offer.codecs else []),
        "a=ptime:20",
        *_source_lines(offer.audio_ssrc, "sound"),
    ]


def _video_lines(offer: Offer, ssrc: int) -> list[str]:
    own = offer.profile_level_id.lower()
    profiles = dict.fromkeys([own if _PROFILE.fullmatch(own) else COMMON_PROFILE, COMMON_PROFILE])
    formats = dict(zip(VIDEO_PAYLOAD_TYPES, profiles, strict=False))
    lines = [
        f"m=video {offer.port} UDP/TLS/RTP/SAVPF {' '.join(map(str, formats))}",
        *_transport_lines(offer, VIDEO_MID),
        "a=sendonly",
    ]
    for payload_type, profile in formats.items():
        lines += [
            f"a=rtpmap:{payload_type} H264/90000",
            f"a=fmtp:{payload_type} profile-level-id={profile};{H264_PARAMETERS}",
            *(f"a=rtcp-fb:{payload_type} {kind}" for kind in PICTURE_FEEDBACK),
        ]
    return lines + _source_lines(ssrc, "picture")


def _transport_lines(offer: Offer, mid: str) -> list[str]:
    host = offer.advertised[0]
    candidates = [
        # The same component and base: only the local preference differs (RFC 8445 §5.1.2.1).
        f"a=candidate:{n} 1 udp {(HOST_PREFERENCE << 24) + ((65535 - n) << 8) + 255} "
        f"{address} {offer.port} typ host"
        for n, address in enumerate(offer.advertised, 1)
    ]
    return [
        f"c=IN {_family(host)} {host}",
        f"a=mid:{mid}",
        "a=rtcp-mux",
        f"a=ice-ufrag:{offer.ice.ufrag}",
        f"a=ice-pwd:{offer.ice.pwd}",
        f"a=fingerprint:{offer.fingerprint.algorithm} {offer.fingerprint.value}",
        "a=setup:actpass",
        *candidates,
        "a=end-of-candidates",
    ]


def _source_lines(ssrc: int, track: str) -> list[str]:
    return [f"a=msid:{STREAM} {track}", f"a=ssrc:{ssrc} cname:{STREAM}"]


def _family(host: str) -> str:
    return "IP6" if ":" in host else "IP4"


def read_answer(text: str, *, has_video: bool, codecs: tuple[Codec, ...] = G711) -> Answer:
    """Read an app's answer to our offer of `codecs`; raise RemoteProtocolError if it cannot be used."""
    description = sdp.parse(text.encode("utf-8", "replace"))
    shared = _session_part(text)
    if len(description.media) != 1 + has_video or description.media[0].kind != "audio":
        raise RemoteProtocolError("the answer's media are not those of the offer")
    audio = description.media[0]
    if audio.port == 0 or "rtcp-mux" not in dict(audio.attributes):
        raise RemoteProtocolError("the answer refuses sound or rtcp-mux", status_hint=488)
    if _value("setup", audio, shared) != "active":
        raise RemoteProtocolError("the answer does not take the active DTLS role")
    codec, payload_type = _codec(audio, codecs)
    video = description.media[1] if has_video else None
    return Answer(
        ice=_ice(audio, shared),
        fingerprints=_fingerprints(audio, shared),
        codec=codec,
        audio_payload_type=payload_type,
        video_payload_type=_video_payload_type(video, shared) if video else None,
    )


def _session_part(text: str) -> sdp.MediaDescription:
    """Read the attributes before the first m-line, which hold for all media."""
    shared = sdp.MediaDescription("", 0, "", [], "")
    for line in text.splitlines():
        if line.startswith("m="):
            break
        if line.startswith("a="):
            name, _, value = line[2:].partition(":")
            shared.attributes.append((name.lower(), value.strip()))
    return shared


def _value(name: str, media: sdp.MediaDescription, shared: sdp.MediaDescription) -> str:
    return media.value(name) or shared.value(name) or ""


def _codec(audio: sdp.MediaDescription, offered: tuple[Codec, ...]) -> tuple[Codec, int]:
    for payload_type, codec in codecs_of(audio):
        if codec in offered:
            return codec, payload_type
    raise RemoteProtocolError("the answer has no codec that we offered", status_hint=488)


def _video_payload_type(video: sdp.MediaDescription, shared: sdp.MediaDescription) -> int | None:
    groups = [match for value in shared.values("group") if (match := _GROUP.fullmatch(value))]
    is_bundled = any(video.value("mid") in match[1].split() for match in groups)
    if video.kind != "video" or video.port == 0 or not is_bundled:
        return None
    if not video.direction.can_receive:
        return None
    for payload_type in video.formats:
        if video.codec(payload_type) == ("H264", 90_000):
            return _payload_type(payload_type)
    return None


def _payload_type(text: str) -> int:
    if not sdp.is_number(text, 3) or int(text) > 127:
        raise RemoteProtocolError("not an RTP payload type")
    return int(text)


def _ice(audio: sdp.MediaDescription, shared: sdp.MediaDescription) -> IceCredentials:
    ufrag, pwd = _value("ice-ufrag", audio, shared), _value("ice-pwd", audio, shared)
    if not (_ICE_UFRAG.fullmatch(ufrag) and _ICE_PWD.fullmatch(pwd)):
        raise RemoteProtocolError("the answer has no ICE credentials")
    return IceCredentials(ufrag, pwd)


def _fingerprints(
    audio: sdp.MediaDescription, shared: sdp.MediaDescription
) -> tuple[Fingerprint, ...]:
    values = audio.values("fingerprint") or shared.values("fingerprint")
    matches = [match for value in values if (match := _FINGERPRINT.fullmatch(value))]
    if not matches:
        raise RemoteProtocolError("the answer has no certificate fingerprint")
    return tuple(Fingerprint(match[1].lower(), match[2].upper()) for match in matches)
