"""The door camera: H.264 of a visitor at the door, with the time in the picture.

640 x 480, 15 pictures a second, Constrained Baseline, a key frame every 2 s and whenever one is
asked for. The time stands in the picture twice: in digits, and as `clock_code` for programs.
A thread of its own encodes, so that sound and door commands never wait for it.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from PIL import Image, ImageDraw, ImageFont

from firmware_sim.clock_code import bar_row
from firmware_sim.process import now_ms
from intercom.media import h264

WIDTH, HEIGHT = 640, 480
FRAMES_PER_S = 15
KEY_FRAME_EVERY_S = 2
STUBBORN_KEY_FRAME_EVERY_S = 4
BIT_RATE = 300_000
BAR_PIXELS = 16
PROFILE_LEVEL_ID = "42c01f"  # Constrained Baseline, level 3.1: RFC 6184 §8.1
STOP_S = 2.0
SCENE = Path(__file__).parent / "static" / "scene.jpg"

_OPTIONS = {
    "preset": "ultrafast",
    "tune": "zerolatency",
    "profile": "baseline",
    "level": "3.1",
    "forced-idr": "1",
    "threads": "1",
    "x264-params": "scenecut=0:rc-lookahead=0",
}
_LABEL_AT = (16, 16)
_LABEL_HEIGHT = 34
_GLYPH_AT_Y = 19
_GLYPH_HEIGHT = 28
_FONT_PIXELS = 24
_GREY_CHROMA = 128


@dataclass(frozen=True, slots=True)
class Picture:
    """One encoded picture."""

    nals: list[bytes]
    clock_ms: int
    """What the clock in it shows."""
    is_key: bool


class Camera:
    """Films while it is started; every picture goes to `on_picture`, in the camera's thread."""

    def __init__(self, on_picture: Callable[[Picture], None]) -> None:
        self.is_stubborn = False
        """From its next start on: a key frame each 4 s, whatever is asked for."""
        self._on_picture = on_picture
        self._scene = _Scene()
        self._is_key_wanted = threading.Event()
        self._is_stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin with a key frame; filming already, give one now."""
        self._is_key_wanted.set()
        if self._thread is None:
            self._is_stopped = threading.Event()
            film = (self._is_stopped,)
            self._thread = threading.Thread(target=self._film, args=film, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Film no more; returns at once, the thread ends with the picture at hand."""
        self._is_stopped.set()
        self._thread = None

    def request_key_frame(self) -> None:
        """Make the next picture a key frame."""
        if not self.is_stubborn:
            self._is_key_wanted.set()

    def _film(self, is_stopped: threading.Event) -> None:
        encoder = _open_encoder(
            STUBBORN_KEY_FRAME_EVERY_S if self.is_stubborn else KEY_FRAME_EVERY_S
        )
        began_at = time.monotonic()
        number = 0
        while not is_stopped.is_set():
            clock_ms = now_ms()
            frame = self._scene.frame(clock_ms)
            frame.pts = number
            if self._is_key_wanted.is_set():
                self._is_key_wanted.clear()
                frame.pict_type = PictureType.I
            for packet in encoder.encode(frame):
                nals = h264.split_annex_b(bytes(packet))
                self._on_picture(Picture(nals, clock_ms, packet.is_keyframe))
            # Where encoding fell behind, pictures are left out rather than sent in a burst.
            due = int((time.monotonic() - began_at) * FRAMES_PER_S) + 1
            number = max(number + 1, due)
            is_stopped.wait(max(0.0, began_at + number / FRAMES_PER_S - time.monotonic()))


def _open_encoder(key_frame_every_s: int) -> VideoCodecContext:
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height = WIDTH, HEIGHT
    encoder.pix_fmt = "yuv420p"
    encoder.framerate = Fraction(FRAMES_PER_S)
    encoder.time_base = Fraction(1, FRAMES_PER_S)
    encoder.bit_rate = BIT_RATE
    encoder.gop_size = FRAMES_PER_S * key_frame_every_s
    encoder.options = _OPTIONS
    return encoder


class _Scene:
    """The still scene as luma and chroma, and the digits that are laid into it."""

    def __init__(self) -> None:
        font = ImageFont.load_default(_FONT_PIXELS)
        self._glyphs = {character: _draw(character, font) for character in "0123456789."}
        self._glyph_width = max(width for width, _ in self._glyphs.values())
        picture = Image.open(SCENE).convert("RGB").resize((WIDTH, HEIGHT))
        self._luma, self._chroma = self._planes(picture)

    def frame(self, clock_ms: int) -> av.VideoFrame:
        """Draw the picture of this moment."""
        luma = bytearray(self._luma)
        left = _LABEL_AT[0] + 8
        for character in f"{clock_ms / 1000:.3f}":
            width, rows = self._glyphs[character]
            at = left + (self._glyph_width - width) // 2
            for row, pixels in enumerate(rows):
                start = (_GLYPH_AT_Y + row) * WIDTH + at
                luma[start : start + width] = pixels
            left += self._glyph_width
        luma[-WIDTH * BAR_PIXELS :] = bar_row(clock_ms) * BAR_PIXELS
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for plane, drawn in zip(frame.planes, (bytes(luma), *self._chroma), strict=True):
            plane.update(drawn)
        return frame

    def _planes(self, picture: Image.Image) -> tuple[bytes, tuple[bytes, bytes]]:
        label_width = 16 + self._glyph_width * len("1000000.000")
        label = (*_LABEL_AT, _LABEL_AT[0] + label_width, _LABEL_AT[1] + _LABEL_HEIGHT)
        ImageDraw.Draw(picture).rectangle(label, fill="black")
        drawn = av.VideoFrame.from_image(picture)  # type: ignore[no-untyped-call]  # PyAV's gap
        yuv = drawn.reformat(format="yuv420p")
        luma, blue, red = (bytes(plane) for plane in yuv.planes)
        grey = bytes([_GREY_CHROMA]) * (WIDTH * BAR_PIXELS // 4)
        return luma, (blue[: -len(grey)] + grey, red[: -len(grey)] + grey)


def _draw(
    character: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont
) -> tuple[int, list[bytes]]:
    """Draw a character white on black: its width and its rows of luma."""
    width = max(1, round(font.getlength(character)))
    image = Image.new("L", (width, _GLYPH_HEIGHT), 16)
    ImageDraw.Draw(image).text((0, 0), character, fill=235, font=font)
    pixels = image.tobytes()
    return width, [pixels[row * width : (row + 1) * width] for row in range(_GLYPH_HEIGHT)]
