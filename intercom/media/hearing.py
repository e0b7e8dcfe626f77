"""A leg's packets as what a detector wants: samples at 8 kHz, floats on the 16-bit scale."""

from functools import cache

import numpy as np

from intercom.media import g711, rtp
from intercom.media.decode import Decoder
from intercom.media.inband_fit import Floats
from intercom.sip.codec import Codec

_NOTHING = np.zeros(0, np.float32)


@cache
def _table(codec: Codec) -> Floats:
    return np.array(g711.decoding_table(codec), np.float32)


class Hearing:
    """Decode one leg's stream; a codec that remembers is told every packet once."""

    def __init__(self) -> None:
        self._codec: Codec | None = None
        self._decoder: Decoder | None = None
        self._table = _NOTHING

    def samples(self, packet: rtp.Buffer, codec: Codec) -> Floats:
        """Give a packet's sound; nothing where it is no RTP or cannot be decoded."""
        if codec is not self._codec:
            self._codec = codec
            self._decoder = None if codec.is_g711 else Decoder(codec)
            self._table = _table(codec) if codec.is_g711 else _NOTHING
        if self._decoder is None and packet[0] == rtp.VERSION_BITS:
            return self._table.take(np.frombuffer(packet, np.uint8, -1, rtp.HEADER_BYTES))
        header = rtp.parse(packet)
        if header is None:
            return _NOTHING
        payload = packet[header.payload_start : header.payload_end]
        if self._decoder is None:
            return self._table.take(np.frombuffer(payload, np.uint8))
        return np.frombuffer(self._decoder.feed(payload), "<i2").astype(np.float32)


def silenced(packet: rtp.Buffer, codec: Codec) -> bytes | None:
    """Give the same packet with silence in it; None where the codec has no silence to put there."""
    header = rtp.parse(packet) if codec.is_g711 else None
    if header is None:
        return None
    size = header.payload_end - header.payload_start
    silence = bytes([g711.SILENCE[codec]]) * size
    return bytes(packet[: header.payload_start]) + silence + bytes(packet[header.payload_end :])
