"""The sound and picture of one call of the panel: four UDP sockets and what goes through them.

microphone, 20 ms ─► Voice ─► RTP out      RTP in ─► G.711 ─► speaker
camera, 66 ms ─► H.264 payloads ─► RTP out     RTCP in: PLI, FIR ─► a key frame
"""

import asyncio
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass

from typing_extensions import override

from firmware_sim import camera
from firmware_sim.camera import Picture
from firmware_sim.process import now_ms
from firmware_sim.voice import Playout, Voice
from intercom.errors import MediaError
from intercom.media import g711, h264, rtcp, rtp
from intercom.sip.offer_answer import LocalMedia, Negotiated, NegotiatedAudio, NegotiatedVideo

PORT_TRIES = 100
TICKS_PER_MS = h264.CLOCK_HZ // 1000

OnHeard = Callable[[bytes, int], None]
"""Called with sound as PCM, and its time of arrival in ms."""


@dataclass(slots=True)
class MediaCounts:
    """What went through, for the tests."""

    audio_packets_in: int = 0
    audio_packets_out: int = 0
    video_packets_out: int = 0
    pictures_out: int = 0
    key_frames_asked: int = 0
    events_in: int = 0
    """Telephone-event packets, of which no panel should ever get one."""
    first_rtp_in_ms: int | None = None
    first_picture_out_ms: int | None = None


class CallMedia:
    """Made by `open_call_media`; sends nothing before `update`."""

    def __init__(
        self, local: LocalMedia, *, on_heard: OnHeard, on_key_frame_wanted: Callable[[], None]
    ) -> None:
        self.local = local
        self.counts = MediaCounts()
        self._playout = Playout()
        self._on_heard = on_heard
        self._on_key_frame_wanted = on_key_frame_wanted
        self._transports: dict[int, asyncio.DatagramTransport] = {}
        self._audio: NegotiatedAudio | None = None
        self._video: NegotiatedVideo | None = None
        self._voice: Voice | None = None
        self._video_ssrc = secrets.randbits(32)
        self._video_sequence = secrets.randbits(15)

    def update(self, negotiated: Negotiated) -> None:
        """Send and receive as was agreed on, by the first answer or by a later one."""
        self._audio, self._video = negotiated.audio, negotiated.video
        if self._voice is None or self._voice.codec is not negotiated.audio.codec:
            self._voice = Voice(
                negotiated.audio.codec,
                negotiated.audio.dtmf_send_payload_type,
                ssrc=secrets.randbits(32),
                sequence_number=secrets.randbits(15),
                timestamp=secrets.randbits(32),
            )

    def press_key(self, digit: str, *, is_in_band: bool) -> None:
        """Let the visitor play a key's tones, or a broken panel send its telephone-events."""
        if self._voice is not None:
            self._voice.press(digit, is_in_band=is_in_band)

    def send_sound(self, pcm: bytes) -> None:
        """Send 20 ms of the microphone."""
        audio = self._audio
        if audio is None or self._voice is None or not audio.can_send:
            return
        for packet in self._voice.next_packets(pcm):
            self._send(self.local.audio_port, packet, audio.remote)
            self.counts.audio_packets_out += 1

    def send_picture(self, picture: Picture) -> None:
        """Send one picture of the camera."""
        video = self._video
        if video is None or not video.can_send or self.local.video_port is None:
            return
        payloads = h264.packetise(picture.nals)
        timestamp = picture.clock_ms * TICKS_PER_MS
        for number, payload in enumerate(payloads, start=1):
            header = rtp.build_header(
                video.payload_type,
                self._video_sequence,
                timestamp,
                self._video_ssrc,
                marker=number == len(payloads),
            )
            self._send(self.local.video_port, header + payload, video.remote)
            self._video_sequence = (self._video_sequence + 1) & 0xFFFF
        self.counts.video_packets_out += len(payloads)
        self.counts.pictures_out += 1
        if self.counts.first_picture_out_ms is None:
            self.counts.first_picture_out_ms = now_ms()

    def close(self) -> None:
        """Free the sockets."""
        for transport in self._transports.values():
            transport.close()

    def attach(self, port: int, transport: asyncio.DatagramTransport) -> None:
        """Take over a socket."""
        self._transports[port] = transport

    def receive(self, port: int, packet: bytes) -> None:
        """Take in what came to one of our ports."""
        if rtp.is_rtcp(packet):
            self._receive_rtcp(packet)
        elif port == self.local.audio_port:
            self._receive_sound(packet)

    def _receive_rtcp(self, packet: bytes) -> None:
        wishes = (rtcp.PictureLossIndication, rtcp.FullIntraRequest)
        if any(isinstance(part, wishes) for part in rtcp.parse(packet)):
            self.counts.key_frames_asked += 1
            self._on_key_frame_wanted()

    def _receive_sound(self, packet: bytes) -> None:
        header = rtp.parse(packet)
        audio = self._audio
        if header is None or audio is None:
            return
        if header.payload_type == audio.payload_type:
            self.counts.audio_packets_in += 1
            at_ms = now_ms()
            if self.counts.first_rtp_in_ms is None:
                self.counts.first_rtp_in_ms = at_ms
            heard_ms = self._playout.at_ms(header.ssrc, header.timestamp, at_ms)
            payload = packet[header.payload_start : header.payload_end]
            self._on_heard(g711.decode(payload, audio.codec), heard_ms)
        elif header.payload_type in (audio.dtmf_payload_type, audio.dtmf_send_payload_type):
            self.counts.events_in += 1

    def _send(self, port: int, packet: bytes | bytearray, remote: tuple[str, int]) -> None:
        transport = self._transports.get(port)
        if transport is not None and not transport.is_closing():
            transport.sendto(packet, remote)


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self, media: CallMedia, port: int) -> None:
        self._media = media
        self._port = port

    @override
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._media.receive(self._port, data)

    @override
    def error_received(self, exc: Exception) -> None:
        """Ignore it: the peer's socket may open later or have closed already."""


async def open_call_media(
    host: str, *, on_heard: OnHeard, on_key_frame_wanted: Callable[[], None]
) -> CallMedia:
    """Bind an even port and the next one for sound, and again for the picture."""
    audio, video = _bind_pair(host), _bind_pair(host)
    audio_port, video_port = (pair[0].getsockname()[1] for pair in (audio, video))
    local = LocalMedia(
        host=host,
        audio_port=audio_port,
        audio_rtcp_port=audio_port + 1,
        video_port=video_port,
        video_rtcp_port=video_port + 1,
        session_id=secrets.randbits(31),
        profile_level_id=camera.PROFILE_LEVEL_ID,
    )
    media = CallMedia(local, on_heard=on_heard, on_key_frame_wanted=on_key_frame_wanted)
    loop = asyncio.get_running_loop()
    for sock in (*audio, *video):
        port = sock.getsockname()[1]
        receiver = _Receiver(media, port)
        transport, _ = await loop.create_datagram_endpoint(lambda r=receiver: r, sock=sock)  # type: ignore[misc]  # mypy does not infer a lambda's default
        media.attach(port, transport)
    return media


def _bind_pair(host: str) -> tuple[socket.socket, socket.socket]:
    for _ in range(PORT_TRIES):
        even = _bind(host, 0)
        if even is None:
            continue
        port = even.getsockname()[1]
        odd = _bind(host, port + 1) if port % 2 == 0 else None
        if odd is not None:
            return even, odd
        even.close()
    raise MediaError("no even UDP port with a free one behind it")


def _bind(host: str, port: int) -> socket.socket | None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)  # the standard library's signature
    try:
        sock.bind((host, port))
    except OSError:
        sock.close()
        return None
    return sock
