"""What becomes of one leg's sound on its way to another: nothing, another law, length or codec.

same codec               as it is, whatever is in it
PCMA to PCMU or back     by a table, byte for byte
another length wanted    joined or split, where the receiver's SDP asked for one that does not come
no codec in common       decoded and encoded, of which a process does so many at a time
"""

from dataclasses import dataclass

import structlog

from intercom.media import g711, rtp
from intercom.media.leg import MediaLeg
from intercom.media.repacketise import TICKS_A_MS, Piece, Repacketiser
from intercom.media.rtp import HEADER_BYTES, Buffer
from intercom.media.transcode import USUAL_FRAME_MS, transcoder
from intercom.sip.codec import G711, Codec

log = structlog.get_logger()

TRANSCODINGS = 24
"""Directions at once: each takes 4 to 9 ms a second, so that all of them leave most of a core free."""
NO_ROOM = "all transcodings are in use: give panels G.711 first, or raise INTERCOM_TRANSCODINGS"
_A_TALK = 2
_STEP_BYTES = 10 * TICKS_A_MS


@dataclass(slots=True)
class Transcodings:
    """How many a process does, and may do."""

    limit: int = TRANSCODINGS
    in_use: int = 0
    refused: int = 0

    @property
    def has_room(self) -> bool:
        """Whether one more talk, both its ways, can be transcoded."""
        return self.in_use + _A_TALK <= self.limit

    def take(self) -> bool:
        """Begin one, if there is room."""
        if self.in_use >= self.limit:
            self.refused += 1
            log.error("media.transcoding_refused", remedy=NO_ROOM)
            return False
        self.in_use += 1
        return True

    def give_back(self) -> None:
        """End one."""
        self.in_use -= 1


def codecs_beside(panel: Codec, *, may_transcode: bool) -> tuple[Codec, ...]:
    """List what an app or a phone is offered in a call with such a panel, the shared one first.

    G.711 is all that is offered beside G.711: whoever answers chooses, and any other choice would cost
    a transcoding that gains nothing. Beside the others it is what everybody can, as long as there is room.
    """
    if panel.is_g711:
        return panel, *(codec for codec in G711 if codec is not panel)
    return (panel, *G711) if may_transcode else (panel,)


def is_shared(one: Codec, other: Codec) -> bool:
    """Tell whether two legs need no transcoding."""
    return one is other or (one.is_g711 and other.is_g711)


class Conversion:
    """Packets of one leg made into those that another wants; both RTP, numbered anew."""

    def __init__(self, machine: Repacketiser | None, transcodings: Transcodings | None) -> None:
        """Use `machine`; without one nothing comes through. `transcodings` gets its place back."""
        self._machine = machine
        self._transcodings = transcodings
        self._ssrc: int | None = None

    def convert(self, packet: Buffer) -> list[bytearray]:
        """Give what is to be sent on now, in order; mostly one."""
        header = rtp.parse(packet)
        if header is None or self._machine is None:
            return []
        if header.ssrc != self._ssrc:
            self._ssrc = header.ssrc
            self._machine.begin_anew()
        payload = bytes(packet[header.payload_start : header.payload_end])
        piece = Piece(header.sequence_number, header.timestamp, payload, header.marker)
        pieces = self._machine.feed(piece)
        ssrc = header.ssrc + self._machine.restarts & 0xFFFFFFFF  # another one: other numbers
        return [
            rtp.build_header(0, each.sequence, each.timestamp, ssrc, marker=each.marker)
            + each.payload
            for each in pieces
        ]

    def skip(self, packet: Buffer) -> None:
        """Let a packet that is not sent on be none that is lost."""
        header = rtp.parse(packet)
        if header is not None and self._machine is not None and header.ssrc == self._ssrc:
            self._machine.skip(header.sequence_number)

    def close(self) -> None:
        """Give the place back."""
        if self._transcodings is not None:
            self._transcodings.give_back()
            self._transcodings = None


class Converter:
    """One listener's: chooses what the sound of whom it hears needs, and keeps it while that is so."""

    def __init__(self, mine: MediaLeg, transcodings: Transcodings) -> None:
        self._mine = mine
        self._transcodings = transcodings
        self._origin: MediaLeg | None = None
        self._codecs: tuple[Codec, Codec] | None = None
        self._frame_bytes: int | None = None
        """What this listener asked for; None: it takes all."""
        self._chosen: Conversion | bytes | None = None

    def choose(self, origin: MediaLeg, size: int) -> Conversion | bytes | None:
        """Give what a packet of `size` from `origin` needs: a conversion, a table, or None."""
        codecs = (origin.codec, self._mine.codec)
        if origin is not self._origin or codecs != self._codecs:
            self._begin(origin, codecs)
        wanted = self._frame_bytes
        if wanted is not None and size - HEADER_BYTES != wanted:
            self._recut(size - HEADER_BYTES, wanted)
        return self._chosen

    def is_busy(self, origin: MediaLeg) -> bool:
        """Tell whether packets of `origin` are changed, even those that look as they should."""
        is_its = origin is self._origin and (origin.codec, self._mine.codec) == self._codecs
        return is_its and isinstance(self._chosen, Conversion)

    def wanted_size(self) -> int | None:
        """Give the size of a packet that this listener asked for; None: it takes all."""
        wanted_ms, codec = self._mine.ptime_ms, self._mine.codec
        if wanted_ms is None or codec is Codec.OPUS:
            return None
        return HEADER_BYTES + wanted_ms * TICKS_A_MS

    def skip(self, origin: MediaLeg, packet: Buffer) -> bool:
        """Tell a conversion of a packet that is not sent on; False if there is none."""
        if origin is self._origin and isinstance(self._chosen, Conversion):
            self._chosen.skip(packet)
            return True
        return False

    def close(self) -> None:
        """Give back what was taken."""
        if isinstance(self._chosen, Conversion):
            self._chosen.close()
        self._origin = self._codecs = self._chosen = self._frame_bytes = None

    def _begin(self, origin: MediaLeg, codecs: tuple[Codec, Codec]) -> None:
        self.close()
        self._origin, self._codecs = origin, codecs
        its, mine = codecs
        wanted_ms = self._mine.ptime_ms
        if not is_shared(its, mine):
            self._chosen = self._transcoding(its, mine, wanted_ms or USUAL_FRAME_MS)
            return
        if its.is_g711:
            self._chosen = g711.conversion_table(its, mine)
        if wanted_ms is not None and its is not Codec.OPUS:
            self._frame_bytes = wanted_ms * TICKS_A_MS

    def _transcoding(self, its: Codec, mine: Codec, frame_ms: int) -> Conversion:
        if not self._transcodings.take():
            return Conversion(None, None)
        return Conversion(transcoder(its, mine, frame_ms), self._transcodings)

    def _recut(self, size: int, wanted: int) -> None:
        """Join or split from now on, unless the packet has an odd length of its own."""
        if isinstance(self._chosen, Conversion) or size <= 0 or size % _STEP_BYTES:
            return
        table = self._chosen
        sealed = bytes if table is None else lambda sound: sound.translate(table)
        machine = Repacketiser(wanted // TICKS_A_MS, sealed=sealed)
        self._chosen = Conversion(machine, None)
