"""The recordings that come with the service, and a property's own in their place."""

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from intercom.building.tables import PromptsTable, PropertyTable
from intercom.media import prompts, recording, tones, wav
from intercom.media.prompts import Words
from intercom.routing.directory import Door, PanelLinkRelay, Property
from intercom.routing.ids import DoorId, PanelId, PropertyId

ROOT = Path(__file__).parents[2]
MINE = b"\1\2" * 800
HOUSE = Property(PropertyId("house"), "House", "Storgata 14")


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_prompts", ROOT / "deploy/make_prompts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def speaking(language: str, **recordings: bytes) -> Property:
    return Property(
        HOUSE.property_id,
        HOUSE.name,
        HOUSE.address,
        language=language,
        recordings=recordings,
    )


def door(name: str, own: bytes = b"") -> Door:
    relay = PanelLinkRelay(PanelId("main"), 1)
    return Door(DoorId("main"), HOUSE.property_id, name, relay, recording=own)


@pytest.mark.parametrize("language", prompts.LANGUAGES)
@pytest.mark.parametrize("words", Words)
def test_every_prompt_is_there_at_the_one_level_and_begins_and_ends_softly(words, language):
    pcm = prompts.load(words, language)
    samples = np.frombuffer(pcm, "<i2") / 32768

    longest_s = 9.0 if words is Words.CONFIRM_NUMBER else 4.0  # nobody waits for it at a door
    assert 0.3 < len(pcm) / 16000 < longest_s
    assert recording.speech_dbm0(samples) == pytest.approx(recording.SPEECH_DBM0, abs=0.3)
    assert np.abs(samples).max() <= recording.PEAK
    assert np.abs(samples[[0, 1, -2, -1]]).max() < 0.002
    assert np.abs(samples[:800]).max() > 0.005  # sound within 100 ms
    assert np.abs(samples[-800:]).max() > 0.005


@pytest.mark.parametrize("language", prompts.LANGUAGES)
def test_the_files_say_what_stands_in_the_list_of_texts(language):
    make = script()
    manifest = json.loads(make.MANIFEST.read_text("utf-8"))

    for words, text in prompts.texts(language).items():
        name = f"{language}_{words.value}.wav"
        content = (make.FOLDER / name).read_bytes()
        assert manifest[name] == make.entry(text, language, content), name


def test_no_file_lies_there_that_nobody_says():
    make = script()
    wanted = {f"{language}_{words}.wav" for language in prompts.LANGUAGES for words in Words}

    assert {file.name for file in make.FOLDER.glob("*.wav")} == wanted
    assert set(json.loads(make.MANIFEST.read_text("utf-8"))) == wanted


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="no espeak-ng on this machine")
@pytest.mark.parametrize("language", prompts.LANGUAGES)
def test_the_same_texts_are_made_into_the_same_files(language):
    make = script()
    version = subprocess.run(["espeak-ng", "--version"], check=True, capture_output=True).stdout
    if b" 1.51 " not in version:
        pytest.skip("another espeak-ng has another voice")
    text = prompts.texts(language)[Words.NOT_OPENED]

    anew = np.frombuffer(wav.read_wav(make.make(text, language)).data, "<i2").astype(int)

    # The last bit may turn out otherwise on another processor.
    kept = np.frombuffer(prompts.load(Words.NOT_OPENED, language), "<i2").astype(int)
    assert len(anew) == len(kept)
    assert np.abs(anew - kept).max() <= 1


def test_every_language_has_other_words():
    for words in (Words.NOT_OPENED, Words.IN_USE, Words.PRESS_ANY_KEY):
        assert len({prompts.texts(language)[words] for language in prompts.LANGUAGES}) == 4
        assert len({prompts.load(words, language) for language in prompts.LANGUAGES}) == 4


def test_the_building_file_knows_the_same_languages_and_words():
    annotation = PropertyTable.model_fields["language"].annotation

    assert annotation.__args__ == prompts.LANGUAGES
    assert set(PromptsTable.model_fields) == set(Words)


def test_a_known_door_is_named_and_an_unknown_one_is_the_entrance():
    ring_from = prompts.load("ring_from", "nb")

    known = prompts.which_door(door(" Hovedinngang "), HOUSE)
    unknown = prompts.which_door(door("Oppgang C"), HOUSE)

    assert known.startswith(ring_from)
    assert known.endswith(prompts.load("main_entrance", "nb"))
    assert unknown.endswith(prompts.load("entrance", "nb"))


def test_a_door_is_known_by_its_name_in_any_language_and_named_in_the_propertys():
    for name in ("Main entrance", "Hovudinngang", "Huvudentré"):
        said = prompts.which_door(door(name), speaking("sv"))
        assert said.endswith(prompts.load("main_entrance", "sv"))


def test_a_propertys_own_recording_takes_the_place_of_our_words():
    house = speaking("nb", in_use=MINE, main_entrance=MINE)

    assert prompts.say(Words.IN_USE, house) == MINE
    assert prompts.say(Words.GARAGE, house) == prompts.load("garage", "nb")
    assert prompts.which_door(door("Main entrance"), house).endswith(MINE)


def test_a_doors_own_recording_names_it_whatever_it_is_called():
    said = prompts.which_door(door("Oppgang C", MINE), speaking("en"))

    assert said.startswith(prompts.load("ring_from", "en"))
    assert said.endswith(MINE)


def test_a_language_without_recordings_is_spoken_in_english():
    assert prompts.load(Words.IN_USE, "fi") == prompts.load(Words.IN_USE, "en")
    assert prompts.load(Words.IN_USE, "no") == prompts.load(Words.IN_USE, "nb")
    assert prompts.load(Words.IN_USE, "nn-NO") == prompts.load(Words.IN_USE, "nn")


@pytest.mark.parametrize(
    "sound",
    [tones.ringback, tones.opened, tones.refused, tones.ending_soon],
    ids=lambda s: s.__name__,
)
def test_every_state_that_is_a_sound_begins_and_ends_without_a_click(sound):
    samples = np.frombuffer(sound(), "<i2") / 32768

    assert np.abs(samples).max() > 0.1
    assert np.abs(samples[[0, -1]]).max() < 0.02
    assert np.abs(np.diff(samples)).max() < 0.35
