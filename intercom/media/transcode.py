"""Sound from one codec into another, only where two joined legs share none: decode, cut anew, encode.

A lost packet stays a gap, which the receiver conceals; one that cannot be decoded is such a loss. Each
direction remembers its own. Between G.722 and Opus the sound stays wide, else it is telephone's.
"""

from intercom.media.decode import Decoder
from intercom.media.encode import OPUS_FRAMES_MS, Encoder
from intercom.media.repacketise import Repacketiser, Units
from intercom.sip.codec import Codec

USUAL_FRAME_MS = 20


def transcoder(from_codec: Codec, to_codec: Codec, frame_ms: int = USUAL_FRAME_MS) -> Repacketiser:
    """Make one direction; `frame_ms` is what the receiver wants a packet to hold."""
    is_narrow = from_codec.is_g711 or to_codec.is_g711
    rate_hz = 8000 if is_narrow else 16_000
    if to_codec is Codec.OPUS:
        frame_ms = max(each for each in OPUS_FRAMES_MS if each <= max(frame_ms, OPUS_FRAMES_MS[0]))
    decoder = Decoder(from_codec, rate_hz)
    encoder = Encoder(to_codec, rate_hz, frame_ms)
    return Repacketiser(
        frame_ms,
        Units(2 * rate_hz // 8000, from_codec.clock_hz, to_codec.clock_hz),
        opened=decoder.feed,
        sealed=encoder.encode,
        is_padded=True,
    )
