"""Joining and splitting packets of sound."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom.media.repacketise import Piece, Repacketiser, Units

VOICE = bytes(range(256)) * 15  # 480 ms of G.711 or G.722


def pieces(step_ms, *, sequence=500, timestamp=90_000, clock_hz=8000):
    """Cut the voice into packets of so many ms."""
    size, ticks = step_ms * 8, step_ms * clock_hz // 1000
    return [
        Piece(
            (sequence + n) & 0xFFFF,
            (timestamp + n * ticks) & 0xFFFFFFFF,
            VOICE[n * size : (n + 1) * size],
            marker=n == 0,
        )
        for n in range(len(VOICE) // size)
    ]


def through(machine, packets):
    return [out for packet in packets for out in machine.feed(packet)]


def heard(out, first_ts):
    """Lay the packets where their timestamps say."""
    return {(piece.timestamp - first_ts) & 0xFFFFFFFF: piece.payload for piece in out}


@pytest.mark.parametrize("step_ms", [10, 20, 30, 40, 60])
@pytest.mark.parametrize("frame_ms", [10, 20, 30, 40])
def test_every_length_becomes_every_other_with_each_byte_at_its_time(step_ms, frame_ms):
    out = through(Repacketiser(frame_ms), pieces(step_ms))

    size = frame_ms * 8
    assert {len(piece.payload) for piece in out} == {size}
    assert [piece.timestamp for piece in out] == [90_000 + n * size for n in range(len(out))]
    assert [piece.sequence for piece in out] == list(range(len(out)))
    assert [piece.marker for piece in out] == [True] + [False] * (len(out) - 1)
    whole = len(VOICE) // size * size
    assert b"".join(piece.payload for piece in out) == VOICE[:whole]


def test_numbers_and_times_may_wrap():
    packets = pieces(10, sequence=0xFFFD, timestamp=0xFFFFFFFF - 400)

    out = through(Repacketiser(20), packets)

    assert b"".join(piece.payload for piece in out) == VOICE
    steps = {(later.timestamp - earlier.timestamp) & 0xFFFFFFFF for earlier, later in pairwise(out)}
    assert steps == {160}


def test_a_lost_packet_leaves_a_gap_in_time_and_what_was_begun_is_sent_short():
    packets = pieces(10)
    del packets[3]

    out = through(Repacketiser(20), packets)

    times = [(piece.timestamp - 90_000, len(piece.payload)) for piece in out[:4]]
    assert times == [(0, 160), (160, 80), (320, 160), (480, 160)]
    assert all(VOICE[at:].startswith(payload) for at, payload in heard(out, 90_000).items())
    assert not any(piece.marker for piece in out[1:])


def test_a_loss_of_whole_packets_shows_in_the_numbers():
    packets = pieces(10)
    del packets[4:10]

    out = through(Repacketiser(20), packets)

    assert [piece.sequence for piece in out[:4]] == [0, 1, 5, 6]
    assert [piece.timestamp - 90_000 for piece in out[:4]] == [0, 160, 800, 960]


def test_a_packet_that_overtook_another_waits_for_it():
    packets = pieces(10)
    packets[4], packets[5] = packets[5], packets[4]

    out = through(Repacketiser(20), packets)

    assert b"".join(piece.payload for piece in out) == VOICE
    assert [piece.sequence for piece in out] == list(range(len(out)))


def test_a_packet_that_comes_two_late_is_dropped():
    packets = pieces(10)
    late = packets.pop(4)
    packets.insert(7, late)

    out = through(Repacketiser(20), packets)

    assert b"".join(piece.payload for piece in out) == VOICE[:320] + VOICE[400:][: 21 * 160]


def test_copies_change_nothing():
    packets = [packet for packet in pieces(10) for _ in range(3)]

    assert through(Repacketiser(20), packets) == through(Repacketiser(20), pieces(10))


def test_a_pause_without_loss_is_a_new_talkspurt_with_the_next_number():
    before, after = pieces(10)[:4], pieces(10, sequence=504, timestamp=98_000)

    out = through(Repacketiser(20), before + after)

    assert [piece.sequence for piece in out[:4]] == [0, 1, 2, 3]
    assert (out[2].timestamp, out[2].marker) == (98_000, True)


def test_a_packet_without_sound_is_no_loss():
    machine = Repacketiser(20)
    packets = pieces(20)
    out = through(machine, packets[:2])

    machine.skip(502)
    later = [Piece(503, packets[2].timestamp, packets[2].payload)]
    out += through(machine, later)

    assert [piece.sequence for piece in out] == [0, 1, 2]


def test_a_stream_that_jumps_begins_anew():
    machine = Repacketiser(40)
    through(machine, pieces(10)[:3])

    out = through(machine, pieces(10, sequence=30_000, timestamp=5_000_000))

    assert machine.restarts == 1
    assert b"".join(piece.payload for piece in out) == VOICE
    assert (out[0].timestamp, out[0].marker) == (5_000_000, True)


def test_a_begun_frame_of_a_codec_is_filled_with_silence():
    machine = Repacketiser(20, is_padded=True)
    packets = pieces(10)
    del packets[3]

    out = through(machine, packets)

    assert {len(piece.payload) for piece in out} == {160}
    assert out[1].payload == VOICE[160:240] + bytes(80)
    assert out[2].payload == VOICE[320:480]


def test_what_cannot_be_decoded_is_as_good_as_lost():
    machine = Repacketiser(20, opened=lambda payload: b"" if payload == VOICE[160:320] else payload)

    out = through(machine, pieces(20)[:4])

    assert [(piece.sequence, piece.timestamp - 90_000) for piece in out] == [
        (0, 0),
        (2, 320),
        (3, 480),
    ]
    assert not out[1].marker


@pytest.mark.parametrize(
    ("units", "step"), [(Units(1, 48_000, 8000), 160), (Units(1, 8000, 48_000), 960)]
)
def test_clocks_may_differ(units, step):
    out = through(Repacketiser(20, units), pieces(10, clock_hz=units.in_clock_hz))

    assert b"".join(piece.payload for piece in out) == VOICE
    steps = {later.timestamp - earlier.timestamp for earlier, later in pairwise(out)}
    assert steps == {step}


@given(
    st.sampled_from([10, 20, 30, 40]),
    st.sampled_from([10, 20, 30, 40]),
    st.lists(st.integers(0, 11), max_size=60),
)
def test_whatever_is_lost_late_or_doubled_each_byte_is_at_its_own_time_or_missing(
    step_ms, frame_ms, order
):
    packets = pieces(step_ms)
    machine = Repacketiser(frame_ms)

    out = through(machine, [packets[n] for n in order if n < len(packets)])

    first = packets[order[0]].timestamp if out else 0
    for piece in out:
        at = piece.timestamp - 90_000
        assert VOICE[at : at + len(piece.payload)] == piece.payload
        assert piece.timestamp >= first
    numbers = [piece.sequence for piece in out]
    assert numbers == sorted(set(numbers))
