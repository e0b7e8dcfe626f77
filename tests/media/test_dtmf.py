"""One press is one digit: RFC 4733 events, SIP INFO, and both."""

import random

import pytest

from intercom.media import dtmf
from intercom.media.dtmf import DigitMerger, DigitWay, EventReceiver, build_event, parse_event

SSRC = 0x51


def receive(receiver, timestamp, payload, ssrc=SSRC):
    event = parse_event(payload)
    assert event is not None
    return receiver.receive(ssrc, timestamp & 0xFFFFFFFF, event)


def digits_of(packets, clock_hz=8000):
    """Feed (timestamp, payload) pairs; give the digits that fired."""
    receiver = EventReceiver(clock_hz)
    return [digit for digit in (receive(receiver, *packet) for packet in packets) if digit]


def press(digit, timestamp, **shape):
    return [(timestamp, packet.payload) for packet in dtmf.press(digit, **shape)]


def on_a_bad_wire(packets, rng, *, loss, reordering=True):
    """Lose packets, repeat some, and let some arrive up to three places late."""
    arrivals = []
    for place, packet in enumerate(packets):
        for _ in range(2 if rng.random() < 0.05 else 1):
            if rng.random() >= loss:
                late = rng.uniform(0, 3) if reordering and rng.random() < 0.2 else 0
                arrivals.append((place + late, packet))
    return [packet for _, packet in sorted(arrivals, key=lambda arrival: arrival[0])]


def test_the_payload_is_that_of_rfc_4733():
    payload = build_event("5", 400, is_end=True, volume=10)

    assert payload == bytes([5, 0x8A, 0x01, 0x90])
    assert parse_event(payload) == dtmf.TelephoneEvent(5, True, 10, 400)
    assert parse_event(b"\x05\x8a\x01") is None


@pytest.mark.parametrize(("digit", "event"), [("0", 0), ("9", 9), ("*", 10), ("#", 11), ("D", 15)])
def test_every_key_has_its_event_number(digit, event):
    assert build_event(digit, 160)[0] == event
    assert digits_of([(0, build_event(digit, 160))]) == [digit]


def test_flash_and_other_events_are_no_digits():
    assert digits_of([(0, bytes([16, 10, 0, 160])), (9, bytes([255, 10, 0, 160]))]) == []


def test_a_press_with_three_ends_is_one_digit_and_fires_on_its_first_packet():
    receiver = EventReceiver()
    packets = press("5", 1000)

    fired = [receive(receiver, *packet) for packet in packets]

    assert fired[0] == "5"
    assert fired[1:] == [None] * (len(packets) - 1)


def test_any_single_packet_of_a_press_is_enough():
    for packet in press("5", 1000):
        assert digits_of([packet]) == ["5"]


@pytest.mark.parametrize("clock_hz", [8000, 16000, 48000])
@pytest.mark.parametrize("loss", [0.0, 0.05, 0.1, 0.2, 0.3])
def test_one_press_is_one_digit_with_loss_copies_and_disorder(clock_hz, loss):
    rng = random.Random(clock_hz + int(loss * 100))
    extra = missed = 0
    for _ in range(500):
        start = rng.choice([rng.getrandbits(32), 0xFFFFFFFF - rng.randrange(2000)])  # often wraps
        packets = press("5", start, press_ms=rng.choice([40, 80, 160, 300]), clock_hz=clock_hz)
        arrived = on_a_bad_wire(packets, rng, loss=loss)
        digits = digits_of(arrived, clock_hz)
        extra += max(0, len(digits) - 1)
        missed += not digits

    assert extra == 0
    assert missed <= (0 if loss <= 0.05 else 500 * loss**5 + 2)


def test_at_five_percent_loss_at_most_one_press_in_a_thousand_is_missed_or_doubled():
    rng = random.Random(5)
    wrong = 0
    for _ in range(400):
        timestamp = rng.getrandbits(32)
        packets = []
        keys = [rng.choice("0123456789*#") for _ in range(10)]
        for key in keys:
            length_ms, pause_ms = rng.choice([50, 80, 120, 250]), rng.choice([50, 80, 200, 700])
            packets += press(key, timestamp, press_ms=length_ms)
            timestamp += (length_ms + pause_ms) * 8
        arrived = on_a_bad_wire(packets, rng, loss=0.05, reordering=False)
        heard = digits_of(arrived)
        wrong += abs(len(heard) - len(keys)) + (sorted(heard) != sorted(keys))

    assert wrong <= 4


def test_the_same_key_pressed_twice_is_two_digits():
    assert digits_of(press("5", 1000) + press("5", 1000 + 8 * 260)) == ["5", "5"]


def test_the_fastest_dialler_of_q24_is_heard_press_by_press():
    packets = []
    for n in range(5):
        packets += press("5", n * 8 * 80, press_ms=40)

    assert digits_of(packets) == ["5"] * 5


def test_the_same_key_twice_is_two_digits_even_when_all_ends_of_the_first_are_lost():
    first, second = press("5", 0, ends=0), press("5", 8 * 260)

    assert digits_of(first + second) == ["5", "5"]


def test_a_long_press_goes_on_in_segments_of_0xffff():
    start = 0xFFFF0000
    packets = [(start, build_event("5", duration)) for duration in (160, 32000, 0xFFFF)]
    packets += [(start + 0xFFFF, build_event("5", duration)) for duration in (160, 0xFFFF)]
    packets += [(start + 2 * 0xFFFF, build_event("5", 800, is_end=True))] * 3

    assert digits_of(packets) == ["5"]


def test_a_segment_whose_predecessors_last_packets_were_lost_is_the_same_press():
    packets = [(0, build_event("5", 160)), (0xFFFF, build_event("5", 160))]

    assert digits_of(packets, 48000) == ["5"]


def test_ends_with_a_fresh_timestamp_are_the_same_press():
    body = press("5", 1000, ends=0)
    end = build_event("5", 1280, is_end=True)

    together = body + [(1000 + 1280, end)] * 3
    each_its_own = body + [(1000 + 1280 + n * 160, end) for n in range(3)]

    assert digits_of(together) == ["5"]
    assert digits_of(each_its_own) == ["5"]
    assert digits_of([body[0], *each_its_own[-3:]]) == ["5"]  # and the packets between lost


def test_a_sender_that_counts_the_timestamp_on_is_heard_once_a_press():
    packets = [(n * 160, build_event("5", (n + 1) * 160)) for n in range(8)]

    assert digits_of(packets) == ["5"]
    assert digits_of([packets[0], packets[7]]) == ["5"]
    assert digits_of([packets[1], packets[0], packets[2]]) == ["5"]


def test_copies_that_come_long_after_are_no_new_press():
    first, others = press("5", 1000), press("1", 9000) + press("2", 20000) + press("3", 30000)

    assert digits_of(first + others + first) == ["5", "1", "2", "3"]


def test_a_press_whose_packets_all_come_after_the_next_press_began_is_not_lost():
    first, second = press("1", 1000), press("5", 3000)

    assert digits_of([second[0], *first, *second[1:]]) == ["5", "1"]


def test_another_ssrc_is_another_press():
    receiver = EventReceiver()

    assert receive(receiver, 1000, build_event("5", 160), ssrc=1) == "5"
    assert receive(receiver, 1000, build_event("5", 160), ssrc=2) == "5"


def test_random_payloads_never_raise():
    rng = random.Random(6)
    receiver = EventReceiver()

    for _ in range(20_000):
        event = parse_event(rng.randbytes(rng.randrange(7)))
        if event is not None:
            receiver.receive(rng.getrandbits(32), rng.getrandbits(32), event)


@pytest.mark.parametrize(
    ("content_type", "body", "digit"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", "5"),
        ("application/dtmf-relay", b"Signal= 5\nDuration= 160", "5"),
        ("Application/DTMF-Relay; charset=utf-8", b"\r\nduration = 160\r\nsignal = #\r\n", "#"),
        ("application/dtmf-relay", b"Signal=10\r\n", "*"),
        ("application/dtmf-relay", b"Signal=a\r\n", "A"),
        ("application/dtmf", b"5", "5"),
        ("application/dtmf", b" 5\r\n", "5"),
        ("application/dtmf", b"11", "#"),
        ("application/dtmf", b"", None),
        ("application/dtmf", b"55", None),
        ("application/dtmf-relay", b"Duration=160", None),
        ("application/dtmf-relay", b"Signal=flash", None),
        ("application/dtmf-relay", b"Signal=\xff\xfe", None),
        ("application/sdp", b"Signal=5", None),
        ("", b"5", None),
    ],
)
def test_info_is_read_leniently(content_type, body, digit):
    assert dtmf.parse_info(content_type, body) == digit


EVENT, INFO = DigitWay.EVENT, DigitWay.INFO


def accepted(*arrivals):
    merger = DigitMerger()
    return [merger.accept(way, digit, at) for way, digit, at in arrivals]


def test_a_press_that_comes_by_event_and_by_info_counts_once():
    assert accepted((EVENT, "5", 0.0), (INFO, "5", 0.4)) == [True, False]
    assert accepted((INFO, "5", 0.0), (EVENT, "5", 0.1)) == [True, False]


def test_two_presses_by_the_same_way_count_twice():
    assert accepted((EVENT, "5", 0.0), (EVENT, "5", 0.2)) == [True, True]
    assert accepted((INFO, "5", 0.0), (INFO, "5", 0.2)) == [True, True]


def test_two_presses_by_both_ways_count_twice_in_any_order():
    assert accepted((EVENT, "5", 0), (INFO, "5", 0.1), (EVENT, "5", 0.5), (INFO, "5", 0.6)) == [
        True,
        False,
        True,
        False,
    ]
    assert accepted((EVENT, "5", 0), (EVENT, "5", 0.5), (INFO, "5", 0.7), (INFO, "5", 0.9)) == [
        True,
        True,
        False,
        False,
    ]


def test_after_the_window_another_way_is_another_press():
    assert accepted((EVENT, "5", 0.0), (INFO, "5", 1.1)) == [True, True]


def test_another_key_is_another_press():
    assert accepted((EVENT, "5", 0.0), (INFO, "8", 0.1)) == [True, True]
