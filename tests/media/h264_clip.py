"""A moving grey picture in H.264 for tests: encoded by libx264, cut into RTP payloads (RFC 6184)."""

import re
from fractions import Fraction

import av

FRAMES_A_SECOND = 15
TICKS_A_FRAME = 90_000 // FRAMES_A_SECOND
MAX_PAYLOAD_BYTES = 1200
X264_PROFILES = {"42": "baseline", "4d": "main", "64": "high"}


def encode(
    profile_level_id: str, frames: int, *, key_frame_every: int = FRAMES_A_SECOND
) -> list[list[bytes]]:
    """Encode 640x480 with a key frame each second, or so many frames; return each one's RTP payloads."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 640, 480, "yuv420p"
    encoder.framerate = Fraction(FRAMES_A_SECOND, 1)
    encoder.time_base = Fraction(1, FRAMES_A_SECOND)
    encoder.bit_rate = 500_000
    encoder.options = {
        "profile": X264_PROFILES[profile_level_id[:2]],
        "level": "3.1",
        "tune": "zerolatency",
        "preset": "ultrafast",
        "g": str(key_frame_every),
    }
    clip = []
    for number in range(frames):
        picture = av.VideoFrame(640, 480, "yuv420p")
        for plane, level in zip(picture.planes, (number * 3 % 256, 128, 128), strict=True):
            plane.update(bytes([level]) * plane.buffer_size)
        picture.pts = number
        clip += [_payloads(bytes(packet)) for packet in encoder.encode(picture)]
    return clip


def _payloads(frame: bytes) -> list[bytes]:
    units = [unit for unit in re.split(rb"\x00?\x00\x00\x01", frame) if unit]
    return [payload for unit in units for payload in _fragments(unit)]


def _fragments(unit: bytes) -> list[bytes]:
    """Return a single NAL unit packet, or FU-A packets (RFC 6184 §5.8)."""
    if len(unit) <= MAX_PAYLOAD_BYTES:
        return [unit]
    starts = range(1, len(unit), MAX_PAYLOAD_BYTES)
    indicator, kind = unit[0] & 0xE0 | 28, unit[0] & 0x1F
    return [
        bytes([indicator, kind | (start == 1) << 7 | (start == starts[-1]) << 6])
        + unit[start : start + MAX_PAYLOAD_BYTES]
        for start in starts
    ]
