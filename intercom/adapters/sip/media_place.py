"""Where plain sound and picture are received: ports and address of the peer's IP family."""

from collections.abc import Callable
from typing import NamedTuple

from intercom.media.plain import PlainLeg
from intercom.media.port import PortPool
from intercom.sip.agreement import LocalMedia, Srtp
from intercom.sip.codec import Codec
from intercom.sip.sdp import Direction


class MediaPlace(NamedTuple):
    """The ports of one family, and what SDP says of them."""

    ports: PortPool
    host: str
    """The advertised IP address."""


class MediaPlaces:
    """One place, or one of each family."""

    def __init__(self, first: MediaPlace, other: MediaPlace | None = None) -> None:
        self._first = first
        self._other = other

    def toward(self, peer_host: str) -> MediaPlace:
        """Choose the family that the peer's signalling came by, or goes by."""
        is_ipv6 = ":" in peer_host
        if self._other is not None and (":" in self._first.host) != is_ipv6:
            return self._other
        return self._first


def local_media(
    host: str,
    media: PlainLeg,
    *,
    codecs: tuple[Codec, ...],
    srtp: Srtp,
    token: Callable[[int], str],
    video_direction: Direction = Direction.SENDRECV,
) -> LocalMedia:
    """Say of an opened leg where it receives and what it can do, under new keys if it has any."""
    return LocalMedia(
        host=host,
        audio_port=media.audio_port,
        audio_rtcp_port=media.audio_rtcp_port,
        video_port=media.video_port,
        video_rtcp_port=media.video_rtcp_port,
        video_direction=video_direction,
        codecs=codecs,
        session_id=int(token(8), 16),
        srtp=srtp,
        keys=media.keys if srtp is Srtp.OFF else media.draw_keys(),
    )
