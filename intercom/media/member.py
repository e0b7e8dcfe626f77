"""One leg as the bridge sees it: its outgoing sound, what it is played, its digits, its figures."""

import secrets
from dataclasses import dataclass, field

from intercom.media import g711, rtcp
from intercom.media.dtmf import DigitMerger, EventPacket, EventReceiver
from intercom.media.leg import Media, MediaLeg, OutStream
from intercom.media.rtp import RtpSender
from intercom.media.sequencer import FRAME_BYTES, Track

_NTP_UNITS = 1 << 32


@dataclass(frozen=True, slots=True)
class LegStatistics:
    packets_in: int = 0
    bytes_in: int = 0
    """RTP headers and payload, of sound and picture; without telephone-events."""
    packets_out: int = 0
    bytes_out: int = 0
    events_in: int = 0
    """Telephone-event packets: consumed from a phone, dropped from anybody else."""
    last_rtp_at: float | None = None
    """Monotonic seconds; of anything that counted above."""


@dataclass(slots=True, eq=False)
class Member:
    """A panel's, app's or phone's leg in a bridge."""

    leg: MediaLeg
    source: int
    """Names this leg's sound to the senders; never used twice in a bridge."""
    hears_visitor: bool = False
    is_phone: bool = False
    packets_in: int = 0
    bytes_in: int = 0
    packets_out: int = 0
    bytes_out: int = 0
    events_in: int = 0
    last_rtp_at: float | None = None
    heard_at: float | None = None
    """The last packet of any kind: RTP of any payload type, or RTCP."""
    reception: dict[Media, rtcp.Reception] = field(
        default_factory=lambda: {media: rtcp.Reception() for media in Media}
    )
    merger: DigitMerger = field(default_factory=DigitMerger)
    track: Track = field(init=False)
    sender: RtpSender | None = None
    _stream: OutStream | None = None
    _events: EventReceiver | None = None

    def __post_init__(self) -> None:
        self.track = Track(self._send_generated, self._send_key)

    @property
    def statistics(self) -> LegStatistics:
        return LegStatistics(
            self.packets_in,
            self.bytes_in,
            self.packets_out,
            self.bytes_out,
            self.events_in,
            self.last_rtp_at,
        )

    @property
    def events(self) -> EventReceiver:
        if self._events is None:
            self._events = EventReceiver(self.leg.dtmf_clock_hz)
        return self._events

    def count_in(self, size: int, now: float) -> None:
        self.packets_in += 1
        self.bytes_in += size
        self.last_rtp_at = now

    def count_out(self, size: int) -> None:
        self.packets_out += 1
        self.bytes_out += size

    def send_live(self, packet: memoryview, origin: "Member", now: float) -> None:
        """Send on another leg's sound, unless something is played to this one."""
        if self.track.is_playing or not self.leg.is_ready:
            return
        sender = self.audio_sender()
        if sender is None:
            return
        mine, its = self.leg.law, origin.leg.law
        table = None if mine is its else g711.conversion_table(its, mine)
        out = sender.rewrite(packet, origin.source, now, table=table)
        if out is not None:
            self.leg.send_rtp(Media.AUDIO, out)
            self.packets_out += 1
            self.bytes_out += len(out)

    def skip(self, packet: memoryview, origin: "Member") -> None:
        """Let a packet that is not sent on leave no gap."""
        if self.sender is not None:
            self.sender.skip(packet, origin.source)

    def cut(self) -> None:
        """Begin the next live sound as a new talkspurt."""
        if self.sender is not None:
            self.sender.cut()

    def audio_sender(self) -> RtpSender | None:
        """Give the outgoing stream as it is negotiated now; None without one."""
        stream = self.leg.out(Media.AUDIO)
        if stream is not self._stream:
            self._retarget(stream)
        return self.sender if stream is not None else None

    def report(
        self, media: Media, sender: RtpSender | None, cname: str, now: float
    ) -> bytes | None:
        """Build the RTCP that is due toward this leg; None where it has no such media."""
        stream = self.leg.out(media)
        if stream is None:
            return None
        block = self.reception[media].block(now)
        blocks = (block,) if block is not None else ()
        timestamp = sender.timestamp_at(now) if sender is not None else None
        if sender is None or timestamp is None:
            report = rtcp.build_receiver_report(rtcp.ReceiverReport(stream.ssrc, blocks))
        else:
            report = rtcp.build_sender_report(
                rtcp.SenderReport(
                    stream.ssrc,
                    # Only differences between our own streams matter (RFC 3550 §6.4.1).
                    int(now * _NTP_UNITS) & 0xFFFFFFFFFFFFFFFF,
                    timestamp,
                    sender.packets_sent,
                    sender.payload_bytes_sent,
                    blocks,
                )
            )
        return report + rtcp.build_cname(stream.ssrc, cname)

    def _retarget(self, stream: OutStream | None) -> None:
        self._stream = stream
        if stream is None:
            return
        if self.sender is None:
            self.sender = RtpSender(
                payload_type=stream.payload_type,
                ssrc=stream.ssrc,
                clock_hz=stream.clock_hz,
                sequence_number=secrets.randbits(15),  # RFC 3550 §5.1; room before the first wrap
                timestamp=secrets.randbits(32),
            )
        else:
            self.sender.retarget(
                payload_type=stream.payload_type, ssrc=stream.ssrc, clock_hz=stream.clock_hz
            )

    def _send_key(self, packet: EventPacket, now: float) -> None:
        sender = self.audio_sender() if self.leg.is_ready else None
        payload_type = self.leg.dtmf_send_payload_type
        if sender is None or payload_type is None:
            return
        out = sender.event(packet.payload, payload_type, now, is_first=packet.marker)
        self.leg.send_rtp(Media.AUDIO, out)
        self.count_out(len(out))

    def _send_generated(self, frame: bytes, now: float) -> None:
        sender = self.audio_sender() if self.leg.is_ready else None
        if sender is None:
            return
        out = sender.packet(frame, now, FRAME_BYTES)
        self.leg.send_rtp(Media.AUDIO, out)
        self.count_out(len(out))
