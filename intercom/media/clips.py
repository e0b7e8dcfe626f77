"""Prompts and tones as they go on the wire, in frames of 20 ms, made once for all who hear them."""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import overload

from typing_extensions import override

from intercom.media import g711, tones
from intercom.media.encode import Encoder
from intercom.sip.codec import Codec

FRAME_MS = 20
_PCM_BYTES = 2 * g711.SAMPLE_RATE_HZ * FRAME_MS // 1000


@cache
def encoded_ringback(codec: Codec) -> Sequence[bytes]:
    """Give one period of the ringing tone as it goes on the wire."""
    return _encoded(tones.ringback(), codec)


@lru_cache(maxsize=256)  # every prompt and tone in both laws; encoding one takes milliseconds
def encoded_clip(pcm: bytes, codec: Codec) -> Sequence[bytes]:
    """Give a clip as it goes on the wire, in whole frames."""
    return _encoded(pcm, codec)


def _encoded(pcm: bytes, codec: Codec) -> Sequence[bytes]:
    whole = pcm + bytes(-len(pcm) % _PCM_BYTES)
    if not codec.is_g711:
        return _FramesInTime(whole, codec)
    encoded, size = g711.encode(whole, codec), _PCM_BYTES // 2
    return tuple(encoded[at : at + size] for at in range(0, len(encoded), size))


class _FramesInTime(Sequence[bytes]):
    """Frames that are encoded when they are first asked for: a whole clip would hold the loop up.

    A second of Opus takes 4 ms, and the codec's memory goes from frame to frame: none can be left out.
    """

    def __init__(self, pcm: bytes, codec: Codec) -> None:
        self._pcm = pcm
        self._encoder: Encoder | None = Encoder(codec)
        self._frames: list[bytes] = []

    @override
    def __len__(self) -> int:
        return len(self._pcm) // _PCM_BYTES

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...
    @override
    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        wanted = range(len(self))[index]
        if isinstance(wanted, range):
            return [self[each] for each in wanted]
        while self._encoder is not None and len(self._frames) <= wanted:
            at = len(self._frames) * _PCM_BYTES
            self._frames.append(self._encoder.encode(self._pcm[at : at + _PCM_BYTES]))
            if len(self._frames) == len(self):
                self._encoder = None  # it holds 30 KB
        return self._frames[wanted]
