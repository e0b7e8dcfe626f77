"""One leg as the bridge sees it: its outgoing sound, what it is played, its digits, its figures."""

import secrets
from dataclasses import dataclass, field

from intercom.media import rtp
from intercom.media.clips import FRAME_MS
from intercom.media.conversion import Conversion, Converter, Transcodings
from intercom.media.dtmf import DigitMerger, EventPacket, EventReceiver
from intercom.media.leg import Media, MediaLeg, OutStream
from intercom.media.reception import Reception
from intercom.media.rtp import RtpSender
from intercom.media.sequencer import Track
from intercom.media.tap import SoundTap

VIDEO_CLOCK_HZ = 90_000  # RFC 6184 §5.1
COMFORT_NOISE = frozenset({13, 19})  # RFC 3389 §5.1; 19 is what it was in drafts, and still is sent
UNHEARD_PACKETS = 100
"""2 s of our sound between two reports that tell of none."""


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
    pictures_out: int = 0
    """Packets of picture; those of sound the sender counts."""
    picture_bytes_out: int = 0
    events_in: int = 0
    last_rtp_at: float | None = None
    heard_at: float | None = None
    """The last packet of any kind: RTP of any payload type, or RTCP."""
    reception: dict[Media, Reception] = field(
        default_factory=lambda: {
            Media.AUDIO: Reception(),
            Media.VIDEO: Reception(VIDEO_CLOCK_HZ),
        }
    )
    reported_at: dict[Media, float] = field(default_factory=dict)
    """When the last RTCP of each medium came."""
    wrong_payloads: int = 0
    """RTP of a payload type that was not agreed on."""
    comfort_noise_at: float | None = None
    """When the last comfort noise came (RFC 3389), which announces a pause."""
    is_unheard: bool = False
    """By its last two reports nothing of our sound came to it in between."""
    tap: SoundTap | None = None
    """Hears this leg's sound before it is sent on."""
    transcodings: Transcodings = field(default_factory=Transcodings)
    """The process's, where it shares none of its codecs with whom it hears."""
    converter: Converter = field(init=False)
    """What the sound of others needs on its way to this one."""
    merger: DigitMerger = field(default_factory=DigitMerger)
    track: Track = field(init=False)
    sender: RtpSender | None = None
    _stream: OutStream | None = None
    _reported: tuple[int, int] | None = None
    """(highest number that it had of our sound, what we had sent) at its last report."""
    _events: dict[int, EventReceiver] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.track = Track(self._send_generated, self._send_key)
        self.converter = Converter(self.leg, self.transcodings)

    @property
    def statistics(self) -> LegStatistics:
        sender = self.sender
        sounds, sound_bytes = (
            (sender.packets_sent, sender.payload_bytes_sent) if sender is not None else (0, 0)
        )
        return LegStatistics(
            self.packets_in,
            self.bytes_in,
            self.pictures_out + sounds,
            self.picture_bytes_out + sound_bytes + rtp.HEADER_BYTES * sounds,
            self.events_in,
            self.last_rtp_at,
        )

    def events_on(self, payload_type: int) -> EventReceiver:
        """Give what makes keys of the telephone-events with this number."""
        clock_hz = self.leg.event_clocks.get(payload_type, self.leg.dtmf_clock_hz)
        if clock_hz not in self._events:
            self._events[clock_hz] = EventReceiver(clock_hz)
        return self._events[clock_hz]

    def count_in(self, size: int, now: float) -> None:
        self.packets_in += 1
        self.bytes_in += size
        self.last_rtp_at = now

    def count_unwanted(self, payload_type: int, now: float) -> None:
        """Note a packet that is neither its sound or picture nor a telephone-event."""
        if payload_type in COMFORT_NOISE:
            self.comfort_noise_at = now
        else:
            self.wrong_payloads += 1

    def heard_of_us(self, ssrc: int, highest_sequence: int) -> None:
        """Note what the leg reports to have received of our sound."""
        sender, stream = self.sender, self._stream
        if sender is None or stream is None or ssrc != stream.ssrc:
            return
        before, self._reported = self._reported, (highest_sequence, sender.packets_sent)
        if before is None or highest_sequence != before[0]:
            self.is_unheard = False
        elif sender.packets_sent - before[1] >= UNHEARD_PACKETS:
            self.is_unheard = True

    def count_picture_out(self, size: int) -> None:
        self.pictures_out += 1
        self.picture_bytes_out += size

    def send_live(self, packet: memoryview | bytes, origin: "Member", now: float) -> None:
        """Send on another leg's sound, unless something is played to this one."""
        if self.track.is_playing or not self.leg.is_ready:
            return
        sender = self.audio_sender()
        if sender is None:
            return
        needed = self.converter.choose(origin.leg, len(packet))
        if isinstance(needed, Conversion):
            for converted in needed.convert(packet):
                self._rewrite(converted, sender, origin, now, None)
        else:
            self._rewrite(packet, sender, origin, now, needed)

    def _rewrite(
        self,
        packet: rtp.Buffer,
        sender: RtpSender,
        origin: "Member",
        now: float,
        table: bytes | None,
    ) -> None:
        out = sender.rewrite(packet, origin.source, now, table=table)
        if out is not None:
            self.leg.send_rtp(Media.AUDIO, out)

    def skip(self, packet: memoryview, origin: "Member") -> None:
        """Let a packet that is not sent on leave no gap."""
        if self.converter.skip(origin.leg, packet):
            return
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

    def _send_generated(self, frame: bytes, now: float) -> None:
        sender = self.audio_sender() if self.leg.is_ready else None
        if sender is None:
            return
        out = sender.packet(frame, now, sender.clock_hz * FRAME_MS // 1000)
        self.leg.send_rtp(Media.AUDIO, out)
