"""Feedback about a picture: NACK, REMB and TMMBR as browsers and panels write them."""

import random

import pytest

from intercom.media import rtcp, rtcp_feedback
from intercom.media.rtcp_feedback import BitRateEstimate, BitRateRequest, Nack


@pytest.mark.parametrize(
    "lost",
    [
        (7,),
        (7, 8, 23),
        (7, 24),  # 17 apart: two entries
        (65535, 0, 3),
        tuple(range(100, 150)),
    ],
)
def test_a_nack_is_read_as_it_was_built(lost):
    packet = rtcp_feedback.build_nack(1, 2, lost)

    assert rtcp.parse(packet) == [Nack(1, 2, lost)]


def test_a_nack_has_the_bytes_of_rfc_4585():
    packet = rtcp_feedback.build_nack(0x11, 0x22, (0x1234, 0x1235, 0x1244))

    assert packet.hex() == "81cd0003" + "00000011" + "00000022" + "1234" + "8001"


def test_a_nack_of_more_than_anybody_keeps_is_read_in_part():
    packet = rtcp_feedback.build_nack(1, 2, tuple(range(2000)))

    [nack] = rtcp.parse(packet)

    assert nack.lost == tuple(range(128))


@pytest.mark.parametrize("rate", [0, 1, 250_000, 262_143, 262_144, 2_500_000, 10_000_000])
def test_an_estimate_is_read_as_it_was_built_and_never_higher(rate):
    [estimate] = rtcp.parse(rtcp_feedback.build_estimate(1, rate, (5, 6)))

    assert isinstance(estimate, BitRateEstimate)
    assert estimate.media_ssrcs == (5, 6)
    assert rate * 0.9999 - 1 < estimate.bits_per_s <= rate


def test_a_browsers_estimate_is_read():
    """Chromium's own bytes: 2 488 320 bit/s for one stream."""
    packet = bytes.fromhex(
        "8fce000500000001" + "00000000" + "52454d42" + "0112" + "5f00" + "00000002"
    )

    [estimate] = rtcp.parse(packet)

    assert estimate == BitRateEstimate(1, 0x25F00 << 4, (2,))


@pytest.mark.parametrize("rate", [1, 250_000, 2_500_000, 10_000_000])
def test_a_rate_request_is_read_as_it_was_built(rate):
    [request] = rtcp.parse(rtcp_feedback.build_rate_request(1, 2, rate))

    assert isinstance(request, BitRateRequest)
    assert (request.ssrc, request.media_ssrc) == (1, 2)
    assert rate * 0.9999 - 1 < request.bits_per_s <= rate


def test_random_feedback_never_raises():
    rng = random.Random(5)
    base = (
        rtcp_feedback.build_nack(1, 2, (1, 5, 40))
        + rtcp_feedback.build_estimate(1, 300_000, (2,))
        + rtcp_feedback.build_rate_request(1, 2, 300_000)
    )

    for _ in range(20_000):
        data = bytearray(base)
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        rtcp.parse(data[: rng.randrange(len(data) + 1)])
