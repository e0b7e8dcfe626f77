"""Why nothing is heard: what the figures of a leg say, each cause by numbers alone."""

import pytest

from intercom.media.path import (
    PathCause,
    PathFigures,
    PathSnapshot,
    is_digital_silence,
    judge,
    judge_sending,
)
from intercom.sip.codec import Codec

NOTHING = PathSnapshot(PathFigures())


@pytest.mark.parametrize(
    ("after", "cause"),
    [
        (NOTHING, PathCause.NOTHING),
        (PathSnapshot(PathFigures(names_private=True)), PathCause.PRIVATE_ADDRESS),
        (PathSnapshot(PathFigures(wrong_source=5)), PathCause.WRONG_SOURCE),
        (PathSnapshot(PathFigures(wrong_source=150, names_private=True)), PathCause.WRONG_SOURCE),
        (PathSnapshot(PathFigures(), wrong_payloads=5, reported_at=9.0), PathCause.WRONG_CODEC),
        (PathSnapshot(PathFigures(not_authentic=5)), PathCause.NOT_AUTHENTIC),
        (PathSnapshot(PathFigures(), reported_at=9.0), PathCause.QUIET),
        (PathSnapshot(PathFigures(wrong_source=4), wrong_payloads=4), PathCause.NOTHING),
    ],
)
def test_what_comes_instead_names_the_cause(after, cause):
    assert judge(NOTHING, after) is cause


def test_only_what_came_since_the_last_good_packet_counts():
    before = PathSnapshot(PathFigures(wrong_source=900, not_authentic=900), 900, 50.0)

    assert judge(before, before) is PathCause.NOTHING


@pytest.mark.parametrize(
    ("figures", "is_unheard", "cause"),
    [
        (PathFigures(), False, None),
        (PathFigures(send_errors=4), False, None),
        (PathFigures(send_errors=5), False, PathCause.SEND_FAILS),
        (PathFigures(has_target=False), False, PathCause.NO_ADDRESS),
        (PathFigures(), True, PathCause.UNHEARD),
    ],
)
def test_what_keeps_our_sound_from_a_leg_is_named(figures, is_unheard, cause):
    assert judge_sending(PathFigures(), figures, is_unheard=is_unheard) is cause


@pytest.mark.parametrize(
    ("codec", "payload", "is_silent"),
    [
        (Codec.PCMA, b"\xd5" * 160, True),
        (Codec.PCMA, b"\x55\xd5" * 80, True),
        (Codec.PCMA, b"\xd5" * 159 + b"\xd4", False),
        (Codec.PCMU, b"\xff" * 160, True),
        (Codec.PCMU, b"\xd5" * 160, False),
        (Codec.OPUS, b"\x08\xff\xfe", True),
        (Codec.OPUS, bytes(40), False),
        (Codec.G722, bytes(160), False),
    ],
)
def test_only_sound_that_is_exactly_nothing_is_digital_silence(codec, payload, is_silent):
    assert is_digital_silence(codec, payload) is is_silent


def test_every_cause_says_what_it_is_in_words_that_a_trace_keeps_whole():
    for cause in PathCause:
        assert 20 < len(cause.value) < 150
