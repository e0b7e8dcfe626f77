"""RTCP and its video feedback."""

import random

import pytest

from intercom.media import rtcp
from intercom.media.reception import Reception
from intercom.media.rtcp import (
    FullIntraRequest,
    Goodbye,
    PictureLossIndication,
    ReceiverReport,
    ReportBlock,
    SenderReport,
)

BLOCK = ReportBlock(9, 12, -3, 0x10005, 4, 5, 6)
SENDER = SenderReport(1, 0x1122334455667788, 3, 4, 5, (BLOCK,))


def test_a_compound_packet_is_read_as_it_was_built():
    compound = (
        rtcp.build_sender_report(SENDER)
        + rtcp.build_cname(1, "somebody")
        + rtcp.build_pli(1, 2)
        + rtcp.build_fir(1, 2, 7)
        + rtcp.build_goodbye(1)
    )

    assert rtcp.parse(compound) == [
        SENDER,
        PictureLossIndication(1, 2),
        FullIntraRequest(1, 2),
        Goodbye((1,)),
    ]
    assert rtcp.wants_key_frame(compound)


def test_a_receiver_report_asks_for_no_key_frame():
    report = rtcp.build_receiver_report(ReceiverReport(1, (BLOCK,)))

    assert rtcp.parse(memoryview(report)) == [ReceiverReport(1, (BLOCK,))]
    assert not rtcp.wants_key_frame(report)


def test_every_packet_is_a_whole_number_of_words():
    for length in range(8):
        assert len(rtcp.build_cname(1, "x" * length)) % 4 == 0


def test_a_truncated_compound_is_read_up_to_the_cut():
    compound = rtcp.build_pli(1, 2) + rtcp.build_sender_report(SENDER)

    for size in range(12, len(compound)):
        assert rtcp.parse(compound[:size]) == [PictureLossIndication(1, 2)]


def test_random_bytes_never_raise():
    rng = random.Random(4)
    base = rtcp.build_sender_report(SENDER) + rtcp.build_fir(1, 2, 7)

    for _ in range(20_000):
        data = bytearray(base)
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        rtcp.parse(data[: rng.randrange(len(data) + 1)])


def test_reception_counts_loss_across_the_wrap_of_the_numbers():
    reception = Reception()
    for n in (65533, 65534, 0, 1):  # 65535 is lost
        reception.count(7, n)

    block = reception.block(0.0)

    assert block is not None
    assert (block.ssrc, block.packets_lost, block.highest_sequence) == (7, 1, 0x10001)
    assert block.fraction_lost == 256 // 5


def test_a_report_names_the_last_sender_report_and_its_age():
    reception = Reception()
    reception.count(7, 1)
    reception.heard_report(SENDER, 10.0)

    block = reception.block(10.5)

    assert block is not None
    assert block.last_sender_report == 0x33445566
    assert block.delay_since_last == 32768


def test_nothing_received_is_nothing_to_report():
    assert Reception().block(1.0) is None


def heard(reception, deviations, *, clock_hz):
    """Let packets of 20 ms come, each so many seconds off its time."""
    step = clock_hz // 50
    for n, off in enumerate(deviations):
        reception.hear(7, n, (n * step - 5000) & 0xFFFFFFFF, 100 + n * 0.02 + off)


@pytest.mark.parametrize("clock_hz", [8000, 48_000, 90_000])
def test_jitter_is_the_mean_deviation_in_units_of_the_clock_across_the_wrap(clock_hz):
    reception = Reception(clock_hz)

    heard(reception, [0.005 * (n % 2) for n in range(400)], clock_hz=clock_hz)

    block = reception.block(110.0)
    assert block is not None
    assert block.packets_lost == 0
    assert block.jitter_ts == pytest.approx(0.005 * clock_hz, rel=0.1)


def test_a_steady_stream_has_no_jitter_and_a_new_start_of_its_clock_adds_none():
    reception = Reception()
    heard(reception, [0.0] * 100, clock_hz=8000)

    reception.hear(7, 100, 3_000_000_000, 102.0)
    reception.hear(7, 101, 3_000_000_160, 102.02)

    assert reception.jitter_ts <= 1


def test_a_source_that_said_goodbye_is_reported_no_more_until_it_speaks_again():
    reception = Reception()
    reception.hear(7, 1, 0, 1.0)

    reception.end()
    assert reception.block(1.0) is None
    reception.hear(7, 2, 160, 2.0)

    block = reception.block(2.0)
    assert block is not None
    assert (block.ssrc, block.packets_lost) == (7, 0)
