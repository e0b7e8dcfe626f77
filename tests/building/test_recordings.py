"""A property's own recordings in its building file: used, doubted, and never in the way of a door."""

from pathlib import Path

import pytest

from intercom.building import diff, load_building
from intercom.errors import ConfigError
from intercom.media.recording import to_pcm
from intercom.media.wav import write_wav
from tests.building.test_load import CALLER_ID, PROPERTY, SMALL
from tests.media.test_recording import sine

WAV = write_wav(to_pcm(sine(800, 44100)), 44100)
WITH_OWN = SMALL.replace(
    PROPERTY, PROPERTY + '[property.prompts]\nnobody_answers = "said/nobody.wav"\n'
).replace('name = "Main entrance"', 'name = "Stair C"\nrecording = "said/stair-c.wav"')


@pytest.fixture
def load(tmp_path):
    (tmp_path / "said").mkdir()

    def loaded(text=WITH_OWN, **files):
        for name, content in files.items():
            (tmp_path / "said" / f"{name.replace('_', '-')}.wav").write_bytes(content)
        file = tmp_path / "building.toml"
        file.write_text(text)
        file.chmod(0o640)
        return load_building(file, environment={}, caller_id=CALLER_ID)

    return loaded


def only(directory):
    (house,) = directory.properties.values()
    (door,) = directory.doors.values()
    return house, door


def test_a_recording_beside_the_building_file_is_used_for_words_and_for_a_door(load):
    building = load(nobody=WAV, stair_c=WAV)

    house, door = only(building.directory)
    assert set(house.recordings) == {"nobody_answers"}
    assert len(house.recordings["nobody_answers"]) == pytest.approx(16000, abs=400)
    assert door.recording == house.recordings["nobody_answers"]
    assert building.warnings == ()


def test_one_that_cannot_be_used_is_doubted_with_line_and_remedy_and_our_words_are_said(
    load, tmp_path
):
    building = load(nobody=b"ID3 no WAV at all")

    house, door = only(building.directory)
    assert house.recordings == {}
    assert door.recording == b""
    first, second = (words.replace(f"{tmp_path}/", "") for words in building.warnings)
    assert first.startswith("building.toml:6: property → prompts → nobody_answers: said/nobody.wav")
    assert "save it as WAV, PCM, 16 bits, mono; until then our own words are said" in first
    assert "stair-c.wav cannot be read (No such file or directory): put the WAV file" in second


def test_one_that_may_not_be_read_says_whose_it_must_be(load, monkeypatch):
    monkeypatch.setattr(Path, "open", _denying(Path.open))

    building = load(nobody=WAV, stair_c=WAV)

    assert "may not be read by this user: chown or chgrp it" in building.warnings[0]


def _denying(opening):
    def opened(self, *arguments, **options):
        if self.suffix == ".wav" and "r" in str(arguments):
            raise PermissionError(13, "Permission denied")
        return opening(self, *arguments, **options)

    return opened


def test_words_that_are_cut_off_by_the_end_of_the_call_are_doubted(load):
    long = write_wav(to_pcm(sine(800, 8000, 6.0)), 8000)

    building = load(nobody=long, stair_c=long)

    (doubt,) = building.warnings
    assert "lasts 6.0 s and is cut off after" in doubt


def test_words_that_nobody_says_are_a_fault_with_the_nearest_that_are(load):
    wrong = SMALL.replace(PROPERTY, PROPERTY + '[property.prompts]\nnobody_answer = "x.wav"\n')

    with pytest.raises(ConfigError) as raised:
        load(wrong)

    assert 'is not known here; did you mean "nobody_answers"?' in str(raised.value)


def test_prompts_stand_in_the_property(load):
    with pytest.raises(ConfigError) as raised:
        load(SMALL + '[prompts]\ngarage = "x.wav"\n')

    assert "it belongs into a property" in str(raised.value)


@pytest.mark.parametrize("language", ["nb", "nn", "en", "sv"])
def test_the_four_languages_can_be_chosen(load, language):
    text = SMALL.replace(PROPERTY, f'{PROPERTY}language = "{language}"\n')

    assert only(load(text).directory)[0].language == language


def test_no_is_bokmaal(load):
    assert (
        only(load(SMALL.replace(PROPERTY, f'{PROPERTY}language = "no"\n')).directory)[0].language
        == "nb"
    )


def test_another_language_is_a_fault_that_names_those_there_are(load, tmp_path):
    with pytest.raises(ConfigError) as raised:
        load(SMALL.replace(PROPERTY, f'{PROPERTY}language = "fi"\n'))

    assert str(raised.value).replace(f"{tmp_path}/", "") == (
        'building.toml:5: property → language: "fi" is wrong: give the language of the spoken'
        ' prompts: "nb" (bokmål), "nn" (nynorsk), "en" or "sv"'
    )


def test_loading_again_tells_that_recordings_changed_and_nothing_of_what_they_hold(load):
    before = load(nobody=WAV, stair_c=WAV).directory
    other = write_wav(to_pcm(sine(600, 8000)), 8000)

    change = diff(before, load(nobody=other, stair_c=other).directory)

    assert list(change.lines()) == [
        'changed property "property": recordings',
        'changed door "main": recording',
    ]
    assert diff(before, load(nobody=WAV, stair_c=WAV).directory).summary() == "nothing differs"
