"""PCM in any codec, frame by frame: G.711 by a table, G.722 and Opus by libavcodec."""

from fractions import Fraction
from functools import cache

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from numpy.typing import NDArray

from intercom.media import g711
from intercom.media.decode import resampler
from intercom.sip.codec import Codec

OPUS_FRAMES_MS = (10, 20, 40, 60)  # RFC 6716 §2.1.4, what is usual of it
_OPUS_BITS_A_SECOND = {
    8000: 16_000,
    16_000: 24_000,
}  # RFC 7587 §3.1.1: speech, narrow and wide band
_OPUS_OPTIONS = {
    "application": "voip",
    "compression_level": "5",  # its complexity: 10 takes twice the time
    "fec": "1",
    "packet_loss": "5",
}


class Encoder:
    """Encode one stream; keeps what the codec remembers from one frame to the next."""

    def __init__(self, codec: Codec, rate_hz: int = 8000, frame_ms: int = 20) -> None:
        """Take samples at 8000 or 16,000 Hz; `frame_ms` is what `encode` gets each time."""
        wanted_hz = rate_hz if codec is Codec.OPUS else codec.sample_rate_hz
        self._resampler = resampler(rate_hz, wanted_hz)
        self._table = _table(codec) if codec.is_g711 else None
        self._rate_hz = wanted_hz
        self._context = None if codec.is_g711 else _context(codec, wanted_hz, frame_ms)
        self._samples = 0

    def encode(self, pcm: bytes) -> bytes:
        """Encode one frame of 16-bit little-endian PCM; nothing where that fails."""
        samples = np.frombuffer(pcm, np.int16)
        if self._resampler is not None:
            samples = self._resampler.feed(samples)
        if self._context is None:
            assert self._table is not None
            return self._table.take(samples.view(np.uint16)).tobytes()
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = self._rate_hz
        frame.pts = self._samples
        self._samples += len(samples)
        try:
            return b"".join(bytes(packet) for packet in self._context.encode(frame))
        except av.FFmpegError:
            return b""


@cache
def _table(codec: Codec) -> NDArray[np.uint8]:
    return np.frombuffer(g711.encoding_table(codec), np.uint8)


def _context(codec: Codec, rate_hz: int, frame_ms: int) -> AudioCodecContext:
    context = av.CodecContext.create("libopus" if codec is Codec.OPUS else "g722", "w")
    assert isinstance(context, AudioCodecContext)
    context.format = av.AudioFormat("s16")
    context.layout = av.AudioLayout("mono")
    context.sample_rate = rate_hz
    context.time_base = Fraction(1, rate_hz)
    if codec is Codec.OPUS:
        context.bit_rate = _OPUS_BITS_A_SECOND[rate_hz]
        context.options = {**_OPUS_OPTIONS, "frame_duration": str(frame_ms)}
    else:
        context.options = {"frame_size": str(rate_hz * frame_ms // 1000)}
    return context
