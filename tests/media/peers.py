"""A peer of plain RTP on 127.0.0.1, and clocks for tests without time."""

import asyncio
import socket
from collections.abc import Callable

from intercom.media import rtp
from intercom.media.leg import Media, MediaLeg, OutStream
from intercom.media.plain import PlainLeg
from intercom.media.port import PortPool
from intercom.routing.ids import LegId
from intercom.sip.offer_answer import Codec, Negotiated, NegotiatedAudio, NegotiatedVideo

HOST = "127.0.0.1"
DTMF = 101


class Peer:
    """The far end of a PlainLeg: four sockets, as a standard SIP panel or a phone has."""

    def __init__(self, leg_id, *, codec=Codec.PCMA, has_video=False, ssrc=77, dtmf_clock_hz=8000):
        self.codec, self.ssrc = codec, ssrc
        self.has_video = has_video
        self.sockets = [self._open() for _ in range(4 if has_video else 2)]
        self.leg = PlainLeg.open(LegId(leg_id), PortPool(HOST), with_video=has_video)
        self.dtmf_clock_hz = dtmf_clock_hz
        self.sequence = 1000
        self.leg.start(self.negotiated(), signalling_host=HOST)

    def negotiated(self, *, can_send=True):
        audio = NegotiatedAudio(
            self.address(0),
            self.address(1),
            self.codec,
            self.codec.value,
            DTMF,
            self.dtmf_clock_hz,
            DTMF,
            20,
            can_send,
            True,
        )
        video = None
        if self.has_video:
            video = NegotiatedVideo(
                self.address(2), self.address(3), 96, "42e01f", 1, None, True, True
            )
        return Negotiated(audio, video)

    def address(self, which):
        return self.sockets[which].getsockname()

    def say(self, payload, *, sequence=None, timestamp=None, payload_type=None, marker=False):
        """Send one packet of sound; sequence numbers and timestamps count by themselves."""
        sequence = self.sequence if sequence is None else sequence
        self.sequence = sequence + 1
        timestamp = sequence * 160 if timestamp is None else timestamp
        number = self.codec.value if payload_type is None else payload_type
        head = rtp.build_header(number, sequence, timestamp, self.ssrc, marker=marker)
        self.sockets[0].sendto(head + payload, (HOST, self.leg.audio_port))

    def show(self, packet):
        self.sockets[2].sendto(packet, (HOST, self.leg.video_port))

    def heard(self, which=0):
        """Give all packets that came, as (header, payload)."""
        packets = []
        while True:
            try:
                data = self.sockets[which].recv(2048)
            except BlockingIOError:
                return packets
            header = rtp.parse(data)
            packets.append((header, data[header.payload_start : header.payload_end]))

    def rtcp(self, which=1):
        packets = []
        while True:
            try:
                packets.append(self.sockets[which].recv(2048))
            except BlockingIOError:
                return packets

    def close(self):
        self.leg.close()
        for one in self.sockets:
            one.close()

    def _open(self):
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.setblocking(False)
        one.bind((HOST, 0))
        return one


async def delivered():
    """Let what was sent on the loopback reach the readers."""
    for _ in range(3):
        await asyncio.sleep(0.001)


class ManualClock:
    """A clock and `call_at` that a test turns by hand."""

    def __init__(self):
        self.now = 100.0
        self._timers: list[ManualTimer] = []

    def __call__(self):
        return self.now

    def call_at(self, at, callback):
        timer = ManualTimer(at, callback)
        self._timers.append(timer)
        return timer

    @property
    def has_timer(self):
        return any(not timer.is_cancelled for timer in self._timers)

    def advance(self, seconds):
        """Run every timer that falls due, in order."""
        end = self.now + seconds
        while True:
            due = [t for t in self._timers if not t.is_cancelled and t.at <= end + 1e-9]
            if not due:
                break
            timer = min(due, key=lambda one: one.at)
            self._timers.remove(timer)
            self.now = max(self.now, timer.at)
            timer.callback()
        self.now = end


class ManualTimer:
    def __init__(self, at: float, callback: Callable[[], None]):
        self.at, self.callback, self.is_cancelled = at, callback, False

    def cancel(self):
        self.is_cancelled = True


class RecordingLeg(MediaLeg):
    """A leg without sockets that keeps what it was given to send."""

    def __init__(self, leg_id, clock, *, codec=Codec.PCMA, is_ready=True):
        super().__init__(LegId(leg_id))
        self.sent: list[tuple[float, Media, bytes]] = []
        self.sent_rtcp: list[tuple[float, Media, bytes]] = []
        self.is_ready = is_ready
        self._codec, self._clock = codec, clock
        self._out = {Media.AUDIO: OutStream(8, 11, 8000), Media.VIDEO: OutStream(97, 12, 90_000)}

    codec = property(lambda self: self._codec)
    dtmf_payload_type = property(lambda self: DTMF)

    def in_payload_type(self, media):
        return self._codec.value if media is Media.AUDIO else 96

    def out(self, media):
        return self._out[media]

    def send_rtp(self, media, packet):
        self.sent.append((self._clock(), media, bytes(packet)))

    def send_rtcp(self, media, packet):
        self.sent_rtcp.append((self._clock(), media, packet))

    def become_ready(self):
        self.is_ready = True
        if self.on_ready is not None:
            self.on_ready(self)

    def close(self):
        self.is_ready = False
