"""The way of one leg's sound to those who hear it, for ordinary packets, with everything looked up before.

Ordinary is nearly every packet: from the believed source, a bare header, the negotiated payload type,
the next of its stream, to listeners of the same codec who are not played anything. Its header is
rewritten where it lies, once for each listener, and sent from there: nothing is copied or built.
Whatever else comes goes the bridge's other way, which knows all cases; both keep the same numbers.
"""

import struct

from intercom.media.leg import Media, MediaLeg, SendSound
from intercom.media.member import Member
from intercom.media.rtp import HEADER_BYTES, VERSION_BITS, RtpSender
from intercom.media.tap import SoundTap

_HEADER = struct.Struct("!BBHII")
_unpack_header = _HEADER.unpack_from
_pack_header = _HEADER.pack_into

_LIKE_RTCP = (64, 95)  # RFC 5761 §4: with the marker these look like RTCP


class _Ear:
    """A listener, as it was when it was last looked at."""

    __slots__ = ("is_same_codec", "leg", "member", "revision", "send", "sender", "size")

    def __init__(self, member: Member, origin: MediaLeg) -> None:
        self.member, self.leg = member, member.leg
        self.look(origin)

    def look(self, origin: MediaLeg) -> None:
        """Look up what was negotiated."""
        self.revision = self.leg.revision
        self.is_same_codec = self.leg.codec is origin.codec and not self.member.converter.is_busy(
            origin
        )
        self.size = self.member.converter.wanted_size()  # of a packet; None: any
        self.sender: RtpSender | None = self.member.audio_sender()
        self.send: SendSound = self.leg.sound_sender()

    def is_stale(self, origin: MediaLeg) -> bool:
        """Tell whether to look again, after a packet that went the long way."""
        return (
            self.sender is None
            or self.revision != self.leg.revision
            or (not self.is_same_codec and self.leg.codec is origin.codec)
        )


class SoundPath:
    """From `origin` to `listeners`, which may be nobody: then a packet is only counted and tapped."""

    __slots__ = ("_ears", "_origin", "_payload_type", "_reception", "_revision")

    def __init__(self, origin: Member, listeners: tuple[Member, ...]) -> None:
        self._origin = origin
        self._reception = origin.reception[Media.AUDIO]
        self._ears = tuple(_Ear(listener, origin.leg) for listener in listeners)
        self._look()

    def carry(self, packet: memoryview, now: float) -> bool:
        """Send on a packet of the believed source; False where it is not ordinary, and nothing was done.

        Where the packet lies another may stand afterwards.
        """
        origin = self._origin
        if origin.leg.revision != self._revision:
            self._look()
        size = len(packet)
        if size < HEADER_BYTES or packet.readonly:
            return False
        header = _unpack_header(packet)
        first, second, sequence, timestamp, ssrc = header
        if first != VERSION_BITS or second & 0x7F != self._payload_type:
            return False
        origin.heard_at = origin.last_rtp_at = now
        origin.packets_in += 1
        origin.bytes_in += size
        self._reception.hear(ssrc, sequence, timestamp, now)
        if origin.tap is not None and not self._passes(origin.tap, packet, now):
            return True
        for ear in self._ears:
            sender = ear.sender
            if (
                sender is not None
                and ear.is_same_codec
                and (ear.size is None or ear.size == size)
                and ear.revision == ear.leg.revision
                and ear.leg.is_ready
                and not ear.member.track.is_playing
                and sender.renumber(packet, header, origin.source, now)
            ):
                ear.send(packet)
            else:
                _pack_header(packet, 0, *header)  # another's may stand there now
                ear.member.send_live(packet, origin, now)
                if ear.is_stale(origin.leg):
                    ear.look(origin.leg)
        return True

    def _passes(self, tap: SoundTap, packet: memoryview, now: float) -> bool:
        """Let the tap hear a packet; where it gives another, or none, see to that."""
        sound = tap.hear(packet, now)
        if sound is packet:
            return True
        for ear in self._ears:
            if sound is None:
                ear.member.skip(packet, self._origin)
            else:
                ear.member.send_live(sound, self._origin, now)
        return False

    def _look(self) -> None:
        leg = self._origin.leg
        self._revision = leg.revision
        number = leg.in_payload_type(Media.AUDIO)
        is_like_rtcp = number is not None and _LIKE_RTCP[0] <= number <= _LIKE_RTCP[1]
        self._payload_type = None if is_like_rtcp else number
        self._reception.clock_hz = leg.codec.clock_hz
        for ear in self._ears:
            ear.look(leg)
