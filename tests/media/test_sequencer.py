"""Generated sound in real time."""

import pytest

from intercom.media.sequencer import Sequencer, Track
from tests.media.peers import ManualClock


def scene():
    clock = ManualClock()
    sent = []
    track = Track(lambda frame, now: sent.append((round(now - 100.0, 3), frame)))
    return clock, sent, track, Sequencer(clock, clock.call_at)


def frames(*letters):
    return tuple(frame(letter) for letter in letters)


def frame(letter):
    return letter.encode() * 160


def test_a_clip_is_sent_a_frame_each_20_ms_from_now_on_and_then_no_timer_runs():
    clock, sent, track, sequencer = scene()

    track.set_clip(frames("a", "b", "c"))
    sequencer.start(track)
    clock.advance(1.0)

    assert sent == [(0.0, frame("a")), (0.02, frame("b")), (0.04, frame("c"))]
    assert not clock.has_timer


def test_a_loop_goes_on_and_a_clip_takes_its_place_for_its_length():
    clock, sent, track, sequencer = scene()
    track.set_loop(frames("l", "m"))
    sequencer.start(track)
    clock.advance(0.05)

    track.set_clip(frames("c"))
    clock.advance(0.06)

    assert [frame[:1] for _, frame in sent] == [b"l", b"m", b"l", b"c", b"m", b"l"]


def test_a_new_clip_takes_the_place_of_the_one_that_plays():
    clock, sent, track, sequencer = scene()
    track.set_clip(frames("a", "b", "c"))
    sequencer.start(track)
    clock.advance(0.01)

    track.set_clip(frames("x"))
    sequencer.start(track)
    clock.advance(1.0)

    assert [frame[:1] for _, frame in sent] == [b"a", b"x"]


def test_two_receivers_share_one_timer():
    clock, sent, track, sequencer = scene()
    other = Track(lambda frame, now: sent.append((round(now - 100.0, 3), frame)))
    track.set_clip(frames("a", "b"))
    other.set_clip(frames("x", "y"))

    sequencer.start(track)
    clock.advance(0.01)
    sequencer.start(other)

    assert len([timer for timer in clock._timers if not timer.is_cancelled]) == 1
    clock.advance(1.0)
    assert [at for at, _ in sent] == [0.0, 0.02, 0.02, 0.04]


def test_a_short_delay_of_the_loop_is_made_up_and_a_long_one_is_lost():
    clock, sent, track, sequencer = scene()
    track.set_clip(frames(*"abcdefghijklmnopqrst"))
    sequencer.start(track)
    clock.advance(0.01)

    clock.now += 0.07  # the loop was busy
    clock.advance(0.0)
    made_up = len(sent)
    clock.now += 5.0
    clock.advance(0.0)

    assert made_up == 5
    assert len(sent) == made_up + 1


def test_a_forgotten_track_and_a_closed_sequencer_send_nothing():
    clock, sent, track, sequencer = scene()
    track.set_loop(frames("a"))
    sequencer.start(track)
    clock.advance(0.0)

    sequencer.forget(track)
    clock.advance(0.1)
    sequencer.start(track)
    sequencer.close()
    clock.advance(0.1)

    assert len(sent) == 1
    assert not clock.has_timer


def test_all_calls_of_a_service_share_one_timer_and_end_alone():
    clock = ManualClock()
    sequencer = Sequencer(clock, clock.call_at)
    sent = []
    tracks = [Track(lambda frame, _now: sent.append(frame[:1])) for _ in range(3)]
    for track, letter in zip(tracks, "abc", strict=True):
        track.set_loop(frames(letter))
        sequencer.start(track)
    clock.advance(0.0)

    sequencer.forget(tracks[1])
    clock.advance(0.02)

    assert sent == [b"a", b"b", b"c", b"a", b"c"]
    assert len([timer for timer in clock._timers if not timer.is_cancelled]) == 1


def test_a_track_that_fails_is_forgotten_and_the_others_play_on():
    clock = ManualClock()
    sequencer = Sequencer(clock, clock.call_at)
    sent = []

    def fail(_frame, _now):
        raise OSError("broken")

    broken, sound = Track(fail), Track(lambda frame, _now: sent.append(frame[:1]))
    for track in (broken, sound):
        track.set_loop(frames("a"))
        sequencer.start(track)

    with pytest.raises(OSError, match="broken"):
        clock.advance(0.0)
    clock.advance(0.05)

    assert len(sent) == 2
