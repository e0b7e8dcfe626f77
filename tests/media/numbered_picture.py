"""A camera whose pictures carry a number in their pixels, and a device that reads it off what it decodes.

The device is no part of the service: PyAV decodes, and aiortc's code puts the packets together.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random

import av
import numpy as np
from aiortc.codecs.h264 import H264PayloadDescriptor
from av.video.frame import PictureType

from intercom.media import h264, rtp
from intercom.media.rtcp_feedback import build_nack, build_pli

FRAMES_A_SECOND = 15
FRAME_S = 1 / FRAMES_A_SECOND
TICKS_A_FRAME = h264.CLOCK_HZ // FRAMES_A_SECOND
WIDTH, HEIGHT = 192, 144
BLOCK = 16
BITS = 2 * WIDTH // BLOCK
VISITOR_BITS = 8
WAIT_S = 0.1
"""A device waits so long for what is missing before it asks for it, again and again."""
TRIES = 3
KEY_FRAME = {h264.NalType.SPS, h264.NalType.PPS, h264.NalType.IDR}


class NumberedCamera:
    """Encodes pictures as a panel does; a key frame when it was asked for one."""

    def __init__(
        self, visitor: int, *, ssrc: int, payload_type: int = 96, sequence: int = 65_500
    ) -> None:
        self.visitor, self.ssrc = visitor, ssrc
        self.number = 0
        self.is_key_wanted = True
        self.keys_sent = 0
        self._payload_type, self._sequence = payload_type, sequence
        self._noise = Random(visitor)
        encoder = self._encoder = av.CodecContext.create("libx264", "w")
        encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        encoder.framerate, encoder.time_base = (
            Fraction(FRAMES_A_SECOND, 1),
            Fraction(1, FRAMES_A_SECOND),
        )
        encoder.bit_rate = 400_000
        encoder.thread_count = 1  # one slice a picture
        encoder.options = {
            "profile": "baseline",
            "tune": "zerolatency",
            "preset": "ultrafast",
            "g": "10000",
            "forced-idr": "1",
        }

    def take(self) -> list[bytes]:
        """Give the RTP packets of the next picture."""
        self.number += 1
        frame = self._frame()
        frame.pict_type = PictureType.I if self.is_key_wanted else PictureType.NONE
        self.keys_sent += self.is_key_wanted
        self.is_key_wanted = False
        stream = b"".join(bytes(packet) for packet in self._encoder.encode(frame))
        payloads = h264.packetise(h264.split_annex_b(stream))
        return [
            self._packet(payload, is_last=index == len(payloads) - 1)
            for index, payload in enumerate(payloads)
        ]

    def _packet(self, payload: bytes, *, is_last: bool) -> bytes:
        self._sequence += 1
        timestamp = 0xFFFF_F000 + self.number * TICKS_A_FRAME
        header = rtp.build_header(
            self._payload_type, self._sequence, timestamp, self.ssrc, marker=is_last
        )
        return bytes(header + payload)

    def _frame(self) -> av.VideoFrame:
        luma = np.full((HEIGHT, WIDTH), 128, np.uint8)
        luma[2 * BLOCK :] = np.frombuffer(
            self._noise.randbytes((HEIGHT - 2 * BLOCK) * WIDTH), np.uint8
        ).reshape(-1, WIDTH) // 8 + np.uint8(60)  # as large as a door's picture is
        code = self.visitor | self.number << VISITOR_BITS
        for bit in range(BITS):
            row, column = divmod(bit * BLOCK, WIDTH)
            luma[
                row * BLOCK : (row + 1) * BLOCK,
                column : column + BLOCK,
            ] = 235 if code >> bit & 1 else 16
        grey = np.full((HEIGHT // 2, WIDTH), 128, np.uint8)
        frame = av.VideoFrame.from_ndarray(np.vstack((luma, grey)), format="yuv420p")
        frame.pts = self.number
        return frame


def read(frame: av.VideoFrame) -> tuple[int, int]:
    """Read the visitor and the number off a decoded picture."""
    luma = frame.to_ndarray(format="gray")
    code = 0
    for bit in range(BITS):
        row, column = divmod(bit * BLOCK, WIDTH)
        block = luma[row * BLOCK : (row + 1) * BLOCK, column : column + BLOCK]
        code |= int(block.mean() > 125) << bit
    return code & (1 << VISITOR_BITS) - 1, code >> VISITOR_BITS


@dataclass
class Device:
    """Shows a picture as a browser does: in order, and nothing that refers to what it has not got.

    What is missing is asked for by NACK, and then a key frame by PLI; `ask` sends RTCP.
    """

    ask: Callable[[bytes], None]
    seen: list[tuple[float, int, int]] = field(default_factory=list)
    """When, whose and which picture was shown."""
    asked_for_key_frames: int = 0
    damaged: int = 0
    _packets: dict[int, bytes] = field(default_factory=dict)
    _next: int | None = None
    _missing_since: float | None = None
    _times_asked: int = 0
    _asked_key_at: float = float("-inf")
    _frame: list[bytes] = field(default_factory=list)
    _needs_key: bool = True

    def __post_init__(self) -> None:
        self._decoder = av.CodecContext.create("h264", "r")
        self._decoder.thread_count = 1

    def receive(self, packet: bytes, now: float) -> None:
        """Take a packet; copies do not matter."""
        header = rtp.parse(packet)
        assert header is not None
        number = header.sequence_number
        if self._next is None and _begins_key_frame(packet[header.payload_start :]):
            self._next = number
            self._packets = {n: one for n, one in self._packets.items() if _is_ahead(n, number)}
        if self._next is None or _is_ahead(number, self._next):
            self._packets.setdefault(number, bytes(packet))
        self.look(now)

    def look(self, now: float) -> None:
        """Take what comes next; where it does not come, ask, and at last do without."""
        while self._packets and self._next is not None:
            packet = self._packets.pop(self._next, None)
            if packet is not None:
                self._next = (self._next + 1) & 0xFFFF
                self._missing_since, self._times_asked = None, 0
                self._take(packet, now)
                continue
            if self._missing_since is None:
                self._missing_since = now
            waited_s = now - self._missing_since
            if waited_s >= TRIES * WAIT_S:
                self._give_up(now)
                continue
            if waited_s >= (self._times_asked + 1) * WAIT_S:
                self._times_asked += 1
                self.ask(build_nack(99, self._ssrc(), self._lost()))
            break
        if self._needs_key and self.seen and now - self._asked_key_at >= 0.5:
            self._want_key_frame(now)

    def _ssrc(self) -> int:
        return int.from_bytes(next(iter(self._packets.values()))[8:12])

    def _lost(self) -> tuple[int, ...]:
        assert self._next is not None
        found = []
        number = self._next
        while number not in self._packets and len(found) < 100:
            found.append(number)
            number = (number + 1) & 0xFFFF
        return tuple(found)

    def _give_up(self, now: float) -> None:
        """Go on behind the gap; what follows refers to what is not there."""
        assert self._next is not None
        self._next = min(self._packets, key=lambda n: (n - self._next) & 0xFFFF)
        self._missing_since, self._times_asked = None, 0
        self._frame = []
        self._needs_key = True
        self._want_key_frame(now)

    def _want_key_frame(self, now: float) -> None:
        self._asked_key_at = now
        self.asked_for_key_frames += 1
        ssrc = self._ssrc() if self._packets else 0
        self.ask(build_pli(99, ssrc))

    def _take(self, packet: bytes, now: float) -> None:
        header = rtp.parse(packet)
        assert header is not None
        _, data = H264PayloadDescriptor.parse(packet[header.payload_start : header.payload_end])
        self._frame.append(data)
        if not header.marker:
            return
        frame, self._frame = b"".join(self._frame), []
        if self._needs_key and not _is_key_frame(frame):
            return
        self._needs_key = False
        try:
            pictures = self._decoder.decode(av.Packet(frame))
        except av.error.InvalidDataError:
            self.damaged += 1
            return
        for picture in pictures:
            shown = read(picture)
            if not self.seen or self.seen[-1][1:] != shown:  # FFmpeg's gives one again after a gap
                self.seen.append((now, *shown))


def _is_ahead(number: int, reference: int) -> bool:
    return (number - reference) & 0xFFFF < 0x8000


def _begins_key_frame(payload: bytes) -> bool:
    return next(h264.nal_starts(payload), (0, b""))[0] == h264.NalType.SPS


def _is_key_frame(frame: bytes) -> bool:
    return {nal[0] & 0x1F for nal in h264.split_annex_b(frame)} >= KEY_FRAME
