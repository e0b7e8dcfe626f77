"""RTP headers, and one outgoing stream that never breaks."""

import random
from itertools import pairwise

import pytest

from intercom.media import rtp
from intercom.media.rtp import RtpSender

PANEL, PHONE = 1, 2


def packet(
    sequence, timestamp=None, *, ssrc=7, payload=b"\xd5" * 160, marker=False, payload_type=8
):
    timestamp = sequence * 160 if timestamp is None else timestamp
    return rtp.build_header(payload_type, sequence, timestamp, ssrc, marker=marker) + payload


def sender(sequence_number=100, timestamp=5000, *, is_video=False):
    return RtpSender(
        payload_type=0,
        ssrc=0xABCD,
        clock_hz=90_000 if is_video else 8000,
        sequence_number=sequence_number,
        timestamp=timestamp,
        is_video=is_video,
    )


def header(data):
    parsed = rtp.parse(data)
    assert parsed is not None
    return parsed


def test_a_header_is_read_as_it_was_built():
    built = rtp.build_header(101, 65535, 0xFFFFFFFF, 1, marker=True) + b"payload"

    assert header(built) == rtp.RtpHeader(101, True, 65535, 0xFFFFFFFF, 1, 12, 19)


def test_csrc_extension_and_padding_are_not_payload():
    plain = rtp.build_header(8, 1, 160, 7)
    plain[0] |= 0x20 | 0x10 | 2  # padding, extension, two CSRCs
    data = bytes(plain) + bytes(8) + b"\xbe\xde\x00\x01" + bytes(4) + b"sound" + b"\0\0\3"

    parsed = header(data)

    assert data[parsed.payload_start : parsed.payload_end] == b"sound"
    assert bytes(sender().rewrite(data, PANEL, 0.0))[12:] == b"sound"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(11),
        bytes(12),  # version 0
        b"\x8f" + bytes(11),  # 15 CSRCs that are not there
        b"\x90" + bytes(11),  # an extension that is not there
        b"\x90" + bytes(11) + b"\0\0\xff\xff",  # a longer extension than the packet
        b"\xa0" + bytes(11) + b"\xff",  # more padding than packet
        b"\xa0" + bytes(11) + b"\x00",  # no padding where it is announced
    ],
)
def test_what_is_no_rtp_is_refused_without_an_exception(data):
    assert rtp.parse(data) is None


def test_random_bytes_never_raise():
    rng = random.Random(2)

    for _ in range(20_000):
        data = bytearray(rng.randbytes(rng.randrange(40)))
        if data:
            data[0] = 0x80 | data[0] & 0x3F
        rtp.parse(data)
        if len(data) >= 12:
            sender().rewrite(data, PANEL, 0.0)


def test_rtcp_is_told_from_rtp_on_one_port():
    assert rtp.is_rtcp(b"\x80\xc8\x00\x01" + bytes(4))
    assert not rtp.is_rtcp(packet(1, marker=True))


def test_serial_difference_holds_across_the_wrap():
    assert rtp.serial_difference(5, 0xFFFFFFFB) == 10
    assert rtp.serial_difference(0xFFFE, 2, bits=16) == -4


def test_a_stream_starts_at_its_own_numbers_with_a_marker():
    out = header(sender(100, 5000).rewrite(packet(40000, 77), PANEL, 0.0))

    assert (out.sequence_number, out.timestamp, out.ssrc) == (100, 5000, 0xABCD)
    assert (out.payload_type, out.marker) == (0, True)


def test_the_payload_passes_bit_exact_and_the_source_is_left_alone():
    source = packet(1, payload=bytes(range(160)))
    before = bytes(source)

    out = sender().rewrite(memoryview(source), PANEL, 0.0)

    assert bytes(out[12:]) == bytes(range(160))
    assert bytes(source) == before


def test_loss_and_order_stay_visible_to_the_receiver():
    stream = sender(65534, 0xFFFFFF00)  # wraps at once

    numbers = [
        header(stream.rewrite(packet(n), PANEL, n * 0.02)).sequence_number
        for n in (9, 10, 13, 12, 14)
    ]

    assert numbers == [65534, 65535, 2, 1, 3]


def test_a_copy_of_the_last_packet_is_not_sent_twice():
    stream = sender()
    stream.rewrite(packet(1), PANEL, 0.0)

    assert stream.rewrite(packet(1), PANEL, 0.0) is None


def test_a_change_of_source_goes_on_by_one_and_by_the_time_that_passed():
    stream = sender(100, 5000)
    stream.rewrite(packet(1, 0), PANEL, 10.0)

    out = header(stream.rewrite(packet(900, 123456, ssrc=8), PHONE, 10.5))

    assert out.sequence_number == 101
    assert out.timestamp == 5000 + 4000
    assert out.marker


def test_a_late_packet_of_before_the_change_never_repeats_a_number():
    stream = sender(100)
    stream.rewrite(packet(50), PANEL, 0.0)
    stream.rewrite(packet(7, ssrc=8), PHONE, 0.02)
    stream.rewrite(packet(8, ssrc=8), PHONE, 0.04)

    assert stream.rewrite(packet(6, ssrc=8), PHONE, 0.05) is None


def test_generated_sound_shares_the_numbers_with_live_sound():
    stream = sender(100, 5000)
    live = [stream.rewrite(packet(n), PANEL, n * 0.02) for n in (0, 1, 2)]
    made = [stream.packet(b"x" * 160, 0.06 + n * 0.02, 160) for n in range(3)]
    again = [stream.rewrite(packet(n), PANEL, n * 0.02) for n in (6, 7)]

    headers = [header(out) for out in live + made + again]

    assert [out.sequence_number for out in headers] == list(range(100, 108))
    assert [out.timestamp for out in headers] == [5000 + 160 * n for n in range(8)]
    assert [out.marker for out in headers] == [True, False, False, True, False, False, True, False]


def test_a_jump_of_the_sources_clock_or_numbers_is_a_new_start_not_a_gap():
    stream = sender(100, 5000)
    stream.rewrite(packet(10, 1600), PANEL, 0.0)

    clock = header(stream.rewrite(packet(11, 0x90000000), PANEL, 0.02))
    numbers = header(stream.rewrite(packet(40000, 0x90000000 + 160), PANEL, 0.04))

    assert (clock.sequence_number, clock.timestamp) == (101, 5160)
    assert (numbers.sequence_number, numbers.timestamp) == (102, 5320)


def test_silence_suppression_keeps_its_pause():
    stream = sender(100, 5000)
    stream.rewrite(packet(1, 0), PANEL, 0.0)

    out = header(stream.rewrite(packet(2, 80_000, marker=True), PANEL, 10.0))

    assert (out.sequence_number, out.timestamp, out.marker) == (101, 85_000, True)


def test_a_skipped_packet_leaves_no_gap_and_its_late_neighbour_no_copy():
    stream = sender(100)
    stream.rewrite(packet(1), PANEL, 0.0)
    stream.skip(packet(3, payload_type=101), PANEL)  # out of order: the gap stays
    stream.rewrite(packet(4), PANEL, 0.06)
    stream.skip(packet(5, payload_type=101), PANEL)

    out = header(stream.rewrite(packet(6), PANEL, 0.1))

    assert out.sequence_number == 104
    assert stream.rewrite(packet(3), PANEL, 0.1) is None


def test_in_video_the_marker_is_the_sources_alone():
    out = header(sender(is_video=True).rewrite(packet(1), PANEL, 0.0))

    assert not out.marker


def test_a_payload_put_before_a_packet_has_its_time_and_the_number_before():
    stream = sender(100, 5000, is_video=True)
    stream.rewrite(packet(1, 0), PANEL, 0.0)

    outs = stream.rewrite_after([b"sps", b"pps"], packet(2, 3000), PANEL, 1 / 30)
    after = header(stream.rewrite(packet(3, 3000), PANEL, 1 / 30))

    assert [bytes(out[12:15]) for out in outs[:2]] == [b"sps", b"pps"]
    assert [header(out).sequence_number for out in outs] == [101, 102, 103]
    assert {header(out).timestamp for out in outs} == {8000}
    assert after.sequence_number == 104


def test_a_random_mix_of_sources_never_repeats_a_number_nor_goes_back_in_time():
    rng = random.Random(3)
    stream = sender(65000, 0xFFFFF000)
    seen: list[rtp.RtpHeader] = []
    next_of = {PANEL: 1000, PHONE: 65500}
    now = 0.0
    for _ in range(5000):
        now += 0.02
        source = rng.choice([PANEL, PANEL, PHONE])
        if rng.random() < 0.05:
            seen.append(header(stream.packet(b"x", now, 160)))
            continue
        next_of[source] += rng.choice([1, 1, 1, 2, 3])
        number = next_of[source] & 0xFFFF
        out = stream.rewrite(packet(number, int(now * 8000) & 0xFFFFFFFF, ssrc=source), source, now)
        if out is not None:
            seen.append(header(out))

    steps = [
        rtp.serial_difference(b.sequence_number, a.sequence_number, 16) for a, b in pairwise(seen)
    ]
    times = [rtp.serial_difference(b.timestamp, a.timestamp) for a, b in pairwise(seen)]

    assert min(steps) >= 1
    assert max(steps) <= 3
    assert min(times) >= 1
