"""WAV files as people have them: PCM of 8, 16 and 24 bits, A-law and µ-law, at 8 to 48 kHz."""

import struct
from dataclasses import dataclass
from typing import NoReturn

from intercom.errors import ConfigError

MAX_FILE_BYTES = 5_000_000
MAX_LENGTH_S = 20.0
RATES_HZ = range(8000, 48_001)
MAX_CHANNELS = 2

_PCM, _A_LAW, _MU_LAW = 1, 6, 7  # WAVE format tags (RFC 2361 appendix A)
_EXTENSIBLE = 0xFFFE
"""The real tag is then the beginning of a GUID, at byte 24."""
_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")
_TAG = struct.Struct("<H")
_NAMES = {(_PCM, 8): "PCM, 8 bits", (_PCM, 16): "PCM, 16 bits", (_PCM, 24): "PCM, 24 bits"}
_NAMES |= {(_A_LAW, 8): "A-law", (_MU_LAW, 8): "µ-law"}


@dataclass(frozen=True, slots=True)
class WavFile:
    """A WAV file's sound as it stands there."""

    data: bytes
    """Whole frames, channel by channel."""
    rate_hz: int
    channels: int
    bits: int
    law: str = ""
    """"A" or "µ" where it is G.711, else empty: then PCM, unsigned where it has 8 bits."""

    @property
    def frame_bytes(self) -> int:
        """Give the size of one moment, all channels together."""
        return self.channels * self.bits // 8

    @property
    def length_s(self) -> float:
        return len(self.data) / self.frame_bytes / self.rate_hz

    @property
    def words(self) -> str:
        """Say its format for a person."""
        tag = {"A": _A_LAW, "µ": _MU_LAW}.get(self.law, _PCM)
        channels = "mono" if self.channels == 1 else "stereo"
        return f"{self.length_s:.1f} s, {self.rate_hz} Hz, {_NAMES[tag, self.bits]}, {channels}"


def read_wav(content: bytes) -> WavFile:
    """Read a file's content; ConfigError says what is wrong with it and what to do."""
    if len(content) > MAX_FILE_BYTES:
        _refuse(f"is longer than {MAX_FILE_BYTES // 1_000_000} MB")
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        _refuse("is no WAV file (it does not begin with RIFF … WAVE)")
    chunks = _chunks(content)
    if b"fmt " not in chunks or len(chunks[b"fmt "]) < _FORMAT.size:
        _refuse("says nothing of its format (no fmt chunk)")
    tag, channels, rate_hz, _, _, bits = _FORMAT.unpack_from(chunks[b"fmt "])
    if tag == _EXTENSIBLE and len(chunks[b"fmt "]) >= 26:
        tag = _TAG.unpack_from(chunks[b"fmt "], 24)[0]
    _check(tag, channels, rate_hz, bits)
    data = chunks.get(b"data", b"")
    frame_bytes = channels * bits // 8
    law = {_A_LAW: "A", _MU_LAW: "µ"}.get(tag, "")
    wav = WavFile(data[: len(data) - len(data) % frame_bytes], rate_hz, channels, bits, law)
    if not wav.data:
        raise ConfigError("holds no sound: record it again")
    if wav.length_s > MAX_LENGTH_S:
        fault = f"lasts {wav.length_s:.0f} s: cut it to {MAX_LENGTH_S:.0f} s"
        raise ConfigError(fault)
    return wav


def _chunks(content: bytes) -> dict[bytes, bytes]:
    """Give the first chunk of each name; a length beyond the end, as streams write it, is cut."""
    chunks: dict[bytes, bytes] = {}
    at = 12
    while at + _CHUNK.size <= len(content):
        name, size = _CHUNK.unpack_from(content, at)
        begin = at + _CHUNK.size
        chunks.setdefault(name, content[begin : begin + size])
        at = begin + size + size % 2  # padded to an even length
    return chunks


def _check(tag: int, channels: int, rate_hz: int, bits: int) -> None:
    if (tag, bits) not in _NAMES:
        known = ", ".join(_NAMES.values())
        kind = "PCM" if tag == _PCM else f"format no. {tag}"
        _refuse(f"is {kind} of {bits} bits; {known} can be read")
    if not 1 <= channels <= MAX_CHANNELS:
        _refuse(f"has {channels} channels")
    if rate_hz not in RATES_HZ:
        limits = f"{RATES_HZ[0] // 1000} to {RATES_HZ[-1] // 1000} kHz"
        msg = f"has {rate_hz} Hz: save it with {limits}"
        raise ConfigError(msg)


def _refuse(fault: str) -> NoReturn:
    msg = f"{fault}: save it as WAV, PCM, 16 bits, mono"
    raise ConfigError(msg)


def write_wav(pcm: bytes, rate_hz: int) -> bytes:
    """Give the content of a file of 16-bit PCM, mono."""
    fmt = _FORMAT.pack(_PCM, 1, rate_hz, 2 * rate_hz, 2, 16)
    body = _CHUNK.pack(b"fmt ", len(fmt)) + fmt + _CHUNK.pack(b"data", len(pcm)) + pcm
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body
