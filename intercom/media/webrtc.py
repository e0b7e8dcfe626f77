"""A resident's app as a media leg: ICE-lite, DTLS-SRTP and BUNDLE on the shared UDP port.

    offer() ──▶ app ──▶ accept_answer()           signalling, one round trip
    app: STUN checks ──▶ IceLite ──▶ claim        may come before the answer
    app: ClientHello ──▶ DtlsServer ──▶ keys      may come before the answer, too
    answer and keys are here, fingerprint fits ──▶ on_ready ──▶ RTP both ways

All of it runs in the reader's call or in one timer: a leg has no task and no queue. aiortc's
RTCPeerConnection stands for the same in its tests but is not used here, because it has no ICE-lite,
no shared port, and needs 55 µs a packet (a coroutine, a Track and a Frame each) against 10.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from typing_extensions import override

from intercom.errors import RemoteProtocolError
from intercom.media.conversion import codecs_beside
from intercom.media.dtls import DtlsIdentity, DtlsServer, DtlsState
from intercom.media.ice import Address, IceCredentials, IceLite
from intercom.media.leg import Media, MediaLeg, OutStream
from intercom.media.mux import MuxClient, MuxPort
from intercom.media.path import PathFigures
from intercom.media.sent_packets import SentPackets
from intercom.media.srtp import SrtpSession
from intercom.media.webrtc_sdp import (
    COMMON_PROFILE,
    VIDEO_PAYLOAD_TYPES,
    Answer,
    Offer,
    read_answer,
    write_offer,
)
from intercom.routing.ids import LegId
from intercom.sip.codec import Codec
from intercom.sip.offer_answer import NegotiatedVideo

VIDEO_CLOCK_HZ = 90_000  # RFC 6184 §5.1
RTCP_HEADER_BYTES = 8
RTCP_TYPES = range(192, 224)  # RFC 5761 §4


@dataclass(frozen=True, slots=True)
class WebRtcLimits:
    """How long a leg waits."""

    setup_s: float = 15.0
    """From the answer until packets flow; apps give up in 15 to 30 s themselves."""
    consent_s: float = 15.0
    """Without a check. RFC 7675 §5.1 has 30; browsers check each 2.5 s, aioice each 5 s."""


DEFAULT_LIMITS = WebRtcLimits()


class WebRtcFailure(StrEnum):
    """Why a leg cannot be used any more."""

    NO_PATH = "no network path to the app"
    DTLS_FAILED = "encryption could not be set up with the app"
    WRONG_FINGERPRINT = "the app's certificate is not the one that it announced"
    CONNECTION_LOST = "connection lost"
    CLOSED_BY_APP = "closed by the app"


class WebRtcLeg(MediaLeg, MuxClient):
    """One app. Made by `open`; the owner closes it, also after `on_failed`."""

    def __init__(
        self,
        leg_id: LegId,
        mux: MuxPort,
        certificate: DtlsIdentity,
        codec: Codec,
        video: NegotiatedVideo | None,
        *,
        limits: WebRtcLimits,
        codecs: tuple[Codec, ...] = (),
    ) -> None:
        super().__init__(leg_id)
        self.on_failed: Callable[[WebRtcLeg, WebRtcFailure], None] | None = None
        """Called once at most, never after `close` and never from inside another call to the leg."""
        self._mux = mux
        self._loop = asyncio.get_running_loop()
        self._fingerprint = certificate.fingerprint
        self._ice = IceLite(IceCredentials(secrets.token_hex(8), secrets.token_hex(16)))
        self._dtls = DtlsServer(certificate)
        self._srtp: SrtpSession | None = None
        """Only while the leg is ready."""
        self._answer: Answer | None = None
        self._codec = codec
        self._codecs = codecs or codecs_beside(codec, may_transcode=True)
        self._video_profile = video.profile_level_id if video else None
        self._audio_out = OutStream(codec.value, secrets.randbits(32), codec.clock_hz)
        self._video_out = (
            OutStream(VIDEO_PAYLOAD_TYPES[0], secrets.randbits(32), VIDEO_CLOCK_HZ)
            if video
            else None
        )
        self._sent = SentPackets()
        self._timer: asyncio.TimerHandle | None = None
        self._setup_deadline: float | None = None
        self._limits = limits
        self._auth_failed = 0
        self._is_over = False

    @classmethod
    def open(
        cls,
        leg_id: LegId,
        mux: MuxPort,
        certificate: DtlsIdentity,
        codec: Codec,
        video: NegotiatedVideo | None,
        *,
        limits: WebRtcLimits = DEFAULT_LIMITS,
        codecs: tuple[Codec, ...] = (),
    ) -> Self:
        """Make a leg whose sound is `codec` at best and whose picture is the panel's `video`.

        It is offered `codecs`; all that a call with such a panel may have, if there are none.
        """
        leg = cls(leg_id, mux, certificate, codec, video, limits=limits, codecs=codecs)
        mux.add(leg._ice.local.ufrag, leg)
        return leg

    def offer(self) -> str:
        """Write the SDP offer; the same each time."""
        return write_offer(
            Offer(
                session_id=self._audio_out.ssrc,
                advertised=self._mux.advertised,
                port=self._mux.port,
                ice=self._ice.local,
                fingerprint=self._fingerprint,
                codecs=self._codecs,
                audio_ssrc=self._audio_out.ssrc,
                video_ssrc=self._video_out.ssrc if self._video_out else None,
                profile_level_id=self._video_profile or COMMON_PROFILE,
            )
        )

    def accept_answer(self, sdp: str) -> None:
        """Take the app's answer; raise RemoteProtocolError if it cannot be used or is a second one."""
        if self._answer is not None:
            raise RemoteProtocolError("the offer was answered already")
        answer = read_answer(sdp, has_video=self._video_out is not None, codecs=self._codecs)
        self._answer = answer
        self._codec = answer.codec
        self._audio_out = OutStream(
            answer.audio_payload_type, self._audio_out.ssrc, answer.codec.clock_hz
        )
        self._video_out = (
            OutStream(answer.video_payload_type, self._video_out.ssrc, VIDEO_CLOCK_HZ)
            if self._video_out and answer.video_payload_type is not None
            else None
        )
        self.revision += 1
        self._ice.remote_ufrag = answer.ice.ufrag
        self._setup_deadline = self._loop.time() + self._limits.setup_s
        self._arm(0.0)  # completes from the loop, in case that DTLS was first

    @property
    @override
    def codec(self) -> Codec:
        return self._codec

    @override
    def path_figures(self) -> PathFigures:
        has_target = not self.is_ready or self._ice.selected is not None
        return PathFigures(not_authentic=self._auth_failed, has_target=has_target)

    @property
    @override
    def dtmf_payload_type(self) -> None:
        """An app opens by command, never by tone."""
        return None

    @override
    def in_payload_type(self, media: Media) -> int | None:
        return self._codec.value if media is Media.AUDIO else None

    @override
    def out(self, media: Media) -> OutStream | None:
        """As the base says; before the answer it is what we offered first."""
        return self._audio_out if media is Media.AUDIO else self._video_out

    @override
    def send_rtp(self, media: Media, packet: bytes | bytearray | memoryview) -> None:
        if self._srtp is not None and self._ice.selected is not None:
            protected = self._srtp.protect(packet)
            if protected is not None:
                self._mux.send(protected, self._ice.selected)
                if media is Media.VIDEO:
                    self._sent.keep(packet[2] << 8 | packet[3], bytes(protected))

    @override
    def resend(self, number: int, now: float) -> bool:
        packet = self._sent.take(number, now)
        if packet is not None and self._ice.selected is not None:
            self._mux.send(packet, self._ice.selected)
        return self._sent.holds(number)

    @override
    def send_rtcp(self, media: Media, packet: bytes) -> None:
        if self._srtp is not None and self._ice.selected is not None:
            protected = self._srtp.protect_rtcp(packet)
            if protected is not None:
                self._mux.send(protected, self._ice.selected)

    @override
    def close(self) -> None:
        if self._dtls.state in (DtlsState.HANDSHAKE, DtlsState.CONNECTED):
            self._dtls.close()
            self._flush_dtls()
        self._finish()
        self.on_ready = self.on_failed = self.on_rtp = self.on_rtcp = self.on_sound = None

    @override
    def receive_check(self, packet: memoryview, source: Address, now: float) -> None:
        check = self._ice.receive(bytes(packet), source)
        if check.is_valid:
            if not self._mux.claim(source, self, now):
                return
            self._ice.confirm(check, source, now)
        if check.response is not None:
            self._mux.send(check.response, source)

    @override
    def receive_dtls(self, packet: memoryview, now: float) -> None:
        self._dtls.receive(bytes(packet))
        self._after_dtls()

    @override
    def receive_srtp(self, packet: memoryview, now: float) -> None:
        if self._srtp is None or len(packet) < RTCP_HEADER_BYTES:
            return
        if packet[1] in RTCP_TYPES:
            plain = self._srtp.unprotect_rtcp(packet)
            if plain is not None and self.on_rtcp is not None:
                self.on_rtcp(self, self._rtcp_media(plain), plain, now)
        else:
            plain = self._srtp.unprotect(packet)
            self._auth_failed += plain is None
            if plain is None or (self.on_sound is not None and self.on_sound(plain, now)):
                return
            if self.on_rtp is not None:
                self.on_rtp(self, Media.AUDIO, plain, now)

    def _rtcp_media(self, packet: memoryview) -> Media:
        """Tell what a report or a key frame request is about: our picture is named only by its own."""
        if self._video_out is None:
            return Media.AUDIO
        ssrc = self._video_out.ssrc.to_bytes(4)
        is_named = any(
            packet[n : n + 4] == ssrc for n in range(RTCP_HEADER_BYTES, len(packet) - 3, 4)
        )
        return Media.VIDEO if is_named else Media.AUDIO

    def _flush_dtls(self) -> None:
        datagrams = self._dtls.datagrams_to_send()
        if self._ice.selected is not None:
            for datagram in datagrams:
                self._mux.send(datagram, self._ice.selected)

    def _after_dtls(self) -> None:
        self._flush_dtls()
        if self._dtls.state is DtlsState.FAILED:
            self._fail(WebRtcFailure.DTLS_FAILED)
        elif self._dtls.state is DtlsState.CLOSED:
            self._fail(WebRtcFailure.CLOSED_BY_APP)
        elif self._dtls.state is DtlsState.CONNECTED and not self.is_ready:
            self._complete()
        elif self._dtls.state is DtlsState.HANDSHAKE:
            self._arm(self._dtls.timeout_s())

    def _complete(self) -> None:
        """Become ready once both the handshake and the answer are here, in either order."""
        if self._answer is None:
            return
        if not self._dtls.is_peer(self._answer.fingerprints):
            self._fail(WebRtcFailure.WRONG_FINGERPRINT)
            return
        keys = self._dtls.srtp_keys()
        if keys is None:
            self._fail(WebRtcFailure.DTLS_FAILED)
            return
        self._srtp = SrtpSession(keys)
        self._setup_deadline = None
        self.is_ready = True
        self._arm(self._limits.consent_s)
        if self.on_ready is not None:
            self.on_ready(self)

    def _arm(self, delay_s: float | None) -> None:
        """Wake up in `delay_s`, or at the deadline if that is sooner; replaces the last wake-up."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = [] if delay_s is None else [self._loop.time() + delay_s]
        if self._setup_deadline is not None:
            due.append(self._setup_deadline)
        if due and not self._is_over:
            self._timer = self._loop.call_at(min(due), self._wake)

    def _wake(self) -> None:
        now = self._loop.time()
        self._timer = None
        if self.is_ready:
            quiet_s = now - (self._ice.last_check_at or 0.0)
            if quiet_s >= self._limits.consent_s:
                self._fail(WebRtcFailure.CONNECTION_LOST)
            else:
                self._arm(self._limits.consent_s - quiet_s)
        elif self._setup_deadline is not None and now >= self._setup_deadline:
            is_reached = self._ice.selected is not None
            self._fail(WebRtcFailure.DTLS_FAILED if is_reached else WebRtcFailure.NO_PATH)
        else:
            self._retransmit()

    def _retransmit(self) -> None:
        if self._dtls.has_started and self._dtls.state is DtlsState.HANDSHAKE:
            self._dtls.handle_timeout()
            self._after_dtls()
        elif self._dtls.state is DtlsState.CONNECTED:
            self._complete()
        else:
            self._arm(None)

    def _fail(self, cause: WebRtcFailure) -> None:
        if not self._is_over:
            self._finish()
            if self.on_failed is not None:
                self.on_failed(self, cause)

    def _finish(self) -> None:
        self._is_over = True
        self.is_ready = False
        self._srtp = None
        self._sent.clear()
        self._mux.remove(self._ice.local.ufrag)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
