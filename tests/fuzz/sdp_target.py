"""Everything that reads SDP as a fuzz target: a panel's offer, a carrier's answer, an app's answer."""

from contextlib import suppress

from intercom.errors import RemoteProtocolError
from intercom.media import webrtc_sdp
from intercom.sip import sdp
from intercom.sip.codec import G711, Codec
from intercom.sip.offer_answer import (
    LocalMedia,
    accept_offer,
    make_answer,
    make_offer,
    read_answer,
)
from tests.sip.wire import OFFER

LOCAL = LocalMedia("192.0.2.1", 6000, 6001, 6002, 6003)
OUR_OFFER = make_offer(LOCAL)
WIDE = LocalMedia("192.0.2.1", 6000, 6001, codecs=(Codec.OPUS, Codec.G722, *G711))
WIDE_OFFER = make_offer(WIDE)
WIDE_PANEL = OFFER.partition(b"m=audio")[0] + (
    b"m=audio 23518 RTP/AVP 96 9 8 101 99\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:9 G722/8000\r\n"
    b"a=fmtp:96 stereo=1;sprop-stereo=1;useinbandfec=1\r\na=rtpmap:101 telephone-event/48000\r\n"
    b"a=rtpmap:99 telephone-event/8000\r\na=ptime:30\r\na=maxptime:40\r\n"
)
PANEL = OFFER + (
    b"a=rtpmap:8 PCMA/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=rtcp:4001 IN IP4 192.0.2.9\r\n"
    b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n"
    b"m=video 4002 RTP/AVP 96 97\r\nb=AS:1024\r\na=rtpmap:96 H264/90000\r\n"
    b"a=fmtp:96 profile-level-id=42e01f;packetization-mode=1;sprop-parameter-sets=Z0IAH,aM4=\r\n"
    b"a=rtpmap:97 VP8/90000\r\na=sendonly\r\nm=application 0 TCP/MRCPv2 1\r\n"
)
APP = (
    b"v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
    b"m=audio 9 UDP/TLS/RTP/SAVPF 8\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=ice-ufrag:appU\r\n"
    b"a=ice-pwd:appPassword0123456789ab\r\na=setup:active\r\na=rtcp-mux\r\na=sendrecv\r\n"
    b"a=fingerprint:sha-256 " + b":".join([b"AB"] * 32) + b"\r\na=rtpmap:8 PCMA/8000\r\n"
    b"m=video 9 UDP/TLS/RTP/SAVPF 102\r\na=mid:1\r\na=rtpmap:102 H264/90000\r\na=recvonly\r\n"
)


class SdpTarget:
    """Every input is a body; no state is kept."""

    def seeds(self) -> list[bytes]:
        """List bodies of every kind."""
        wide = [WIDE_PANEL, WIDE_OFFER, make_answer(WIDE_PANEL, WIDE)[0]]
        return [OFFER, PANEL, OUR_OFFER, APP, make_answer(OFFER, LOCAL)[0], *wide]

    def feed(self, data: bytes) -> None:
        """Read it as each of the things it may be."""
        with suppress(RemoteProtocolError):
            sdp.parse(data)
        with suppress(RemoteProtocolError):
            body, _ = make_answer(data, LOCAL)
            sdp.parse(body)
        with suppress(RemoteProtocolError):
            sdp.parse(accept_offer(data, (Codec.PCMA, Codec.PCMU), has_video=True).answer(LOCAL))
        with suppress(RemoteProtocolError):
            read_answer(OUR_OFFER, data)
        with suppress(RemoteProtocolError):
            webrtc_sdp.read_answer(data.decode("utf-8", "replace"), has_video=True)
        self._feed_wide(data)

    def _feed_wide(self, data: bytes) -> None:
        """Read it as what G.722 and Opus may be in as well."""
        with suppress(RemoteProtocolError):
            body, negotiated = make_answer(data, WIDE)
            sdp.parse(body)
            assert read_answer(data, body).audio.codec is negotiated.audio.codec
        with suppress(RemoteProtocolError):
            audio = read_answer(WIDE_OFFER, data).audio
            assert 0 <= audio.expected < 128 > audio.payload_type
            assert all(clock_hz > 0 for clock_hz in audio.event_clocks.values())
        with suppress(RemoteProtocolError):
            webrtc_sdp.read_answer(
                data.decode("utf-8", "replace"), has_video=False, codecs=WIDE.codecs
            )
