"""The clock in the camera's picture, as a program reads it."""

import threading

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.camera import HEIGHT, WIDTH, Camera, Picture
from firmware_sim.clock_code import BLACK_Y, SQUARES, bar_row, read_clock, squares_of
from intercom.media.h264 import NalType


def grey_picture(clock_ms: int, width: int = 640, height: int = 480) -> bytes:
    bar = height // 30
    return bytes([99]) * (width * (height - bar)) + bar_row(clock_ms, width // SQUARES) * bar


@given(st.integers(0, 2**40))
def test_every_time_reads_back_modulo_32_bits(clock_ms):
    assert read_clock(grey_picture(clock_ms, 80, 60), 80, 60) == clock_ms % 2**32


def test_the_bar_begins_with_white_black_white_black():
    assert squares_of(0)[:4] == (1, 0, 1, 0)
    assert len(squares_of(0)) == SQUARES


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_grey_rgb_and_rgba_read_the_same(channels):
    pixels = b"".join(bytes([level]) * channels for level in grey_picture(123_456, 80, 60))

    assert read_clock(pixels, 80, 60) == 123_456


def test_a_picture_without_a_bar_or_with_a_damaged_one_reads_as_none():
    damaged = bytearray(grey_picture(123_456))
    for row in range(464, 480):
        at = row * 640 + 20 * 16
        damaged[at : at + 16] = bytes([255 - damaged[at]]) * 16

    assert read_clock(bytes([BLACK_Y]) * (640 * 480), 640, 480) is None
    assert read_clock(bytes(damaged), 640, 480) is None


def film(count: int, at_picture=lambda camera, number: None) -> list[Picture]:
    pictures: list[Picture] = []
    is_done = threading.Event()

    def take(picture: Picture) -> None:
        pictures.append(picture)
        at_picture(camera, len(pictures))
        if len(pictures) >= count:
            is_done.set()

    camera = Camera(take)
    camera.start()
    try:
        assert is_done.wait(4)
    finally:
        camera.stop()
    return pictures


def test_the_clock_reads_off_every_decoded_picture():
    decoder = av.CodecContext.create("h264", "r")

    for picture in film(6):
        stream = b"".join(b"\0\0\0\1" + nal for nal in picture.nals)
        [frame] = decoder.decode(av.Packet(stream))
        grey = frame.reformat(format="gray")
        assert read_clock(bytes(grey.planes[0]), WIDTH, HEIGHT) == picture.clock_ms


def test_a_key_frame_comes_first_and_whenever_one_is_asked_for():
    pictures = film(8, lambda camera, number: camera.request_key_frame() if number == 4 else None)

    assert [picture.is_key for picture in pictures[:6]] == [True] + [False] * 3 + [True, False]
    kinds = [nal[0] & 0x1F for nal in pictures[4].nals]
    assert {NalType.SPS, NalType.PPS, NalType.IDR} <= set(kinds)
    assert pictures[0].nals[0][1:4].hex() == "42c01f"
