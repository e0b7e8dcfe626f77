"""The recordings that come with the service."""

import pytest

from intercom.media import prompts, tones
from intercom.media.prompts import Words


@pytest.mark.parametrize("language", prompts.LANGUAGES)
@pytest.mark.parametrize("words", Words)
def test_every_prompt_is_there_at_speaking_level(words, language):
    pcm = prompts.load(words, language)

    assert 0.3 < len(pcm) / 16000 < 4.0
    assert 32767 * 10 ** (-18 / 20) < tones.rms(pcm) < 32767 * 10 ** (-14 / 20)


def test_a_known_door_is_named_and_an_unknown_one_is_the_entrance():
    ring_from = prompts.load("ring_from", "nb")

    known = prompts.which_door(" Hovedinngang ", "nb")
    unknown = prompts.which_door("Oppgang C", "nb")

    assert known.startswith(ring_from)
    assert known.endswith(prompts.load("main_entrance", "nb"))
    assert unknown.endswith(prompts.load("entrance", "nb"))


def test_a_language_without_recordings_is_spoken_in_english():
    assert prompts.load(Words.IN_USE, "fi") == prompts.load(Words.IN_USE, "en")
    assert prompts.load(Words.IN_USE, "nn-NO") == prompts.load(Words.IN_USE, "nb")
