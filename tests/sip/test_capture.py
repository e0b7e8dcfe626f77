"""The ring of SIP messages: bounded by time, number and bytes, and strangers do not push out calls."""

import timeit

from intercom.sip.address import Address
from intercom.sip.capture import Capture
from intercom.trace import KEEP_S

PANEL, STRANGER = Address("192.0.2.20", 5060), Address("203.0.113.9", 5060)


def datas(capture: Capture, now: float) -> list[bytes]:
    return [message.data for message in capture.messages(now)]


def test_messages_come_back_in_their_order_with_what_is_known_of_them():
    capture = Capture()
    capture.note(1.0, False, b"one", PANEL, True)
    capture.note(2.0, True, b"two", STRANGER, False)
    capture.note(3.0, True, b"three", PANEL, True)

    messages = list(capture.messages(3.0))

    assert [each.data for each in messages] == [b"one", b"two", b"three"]
    assert (messages[1].at, messages[1].is_out, messages[1].peer) == (2.0, True, STRANGER)


def test_after_fifteen_minutes_nothing_is_left_also_when_nothing_comes():
    capture = Capture()
    capture.note(0.0, False, b"old", PANEL, True)
    capture.note(0.0, False, b"scan", STRANGER, False)
    capture.link(0.0, "call-id", "leg", "panel main")
    capture.note(1.0, False, b"younger", PANEL, True)

    capture.forget_old(KEEP_S)
    assert datas(capture, KEEP_S) == [b"younger"]
    capture.forget_old(2 * KEEP_S)
    assert datas(capture, 2 * KEEP_S) == []
    assert capture.size_bytes == 0
    assert capture.link_of("call-id") is None


def test_it_never_takes_more_memory_than_it_may():
    capture = Capture(max_bytes=40_000, max_messages=1000)
    for count in range(500):
        capture.note(float(count), False, b"x" * 1000, PANEL, True)

    assert 0 < capture.size_bytes <= 40_000
    assert capture.pushed_out > 400
    assert datas(capture, 499.0)[-1] == b"x" * 1000


def test_it_never_holds_more_messages_than_it_may():
    capture = Capture(max_messages=100)
    for count in range(500):
        capture.note(0.0, False, str(count).encode(), PANEL, True)

    assert datas(capture, 0.0)[-1] == b"499"
    assert len(datas(capture, 0.0)) == 75  # the strangers have the rest


def test_a_flood_of_strangers_pushes_out_no_call():
    capture = Capture(max_bytes=40_000)
    capture.note(0.0, False, b"call", PANEL, True)
    for _ in range(500):
        capture.note(1.0, False, b"x" * 1000, STRANGER, False)

    assert datas(capture, 1.0)[0] == b"call"
    assert capture.pushed_out == 0


def test_who_watches_gets_each_message_until_he_leaves():
    capture, seen = Capture(), []
    leave = capture.subscribe(seen.append)
    capture.note(0.0, False, b"one", PANEL, True)
    leave()
    capture.note(0.0, False, b"two", PANEL, True)

    assert [each.data for each in seen] == [b"one"]


def test_a_message_costs_about_a_microsecond_when_the_ring_is_full():
    capture, data = Capture(), b"x" * 700
    for _ in range(20_000):
        capture.note(0.0, False, data, PANEL, True)

    times = timeit.repeat(
        lambda: capture.note(0.0, False, data, PANEL, True), number=5_000, repeat=5
    )

    assert min(times) / 5_000 < 3e-6  # 0.4 µs alone on the machine
