"""Every sound of a building is made when it is loaded: no call waits for one."""

from dataclasses import replace

from intercom.adapters.sip.farewell import FAREWELLS
from intercom.app.chores import prepare_sounds
from intercom.media import prompts
from intercom.media.clips import encoded_clip
from intercom.media.prompts import Words
from intercom.sip.codec import G711
from tests.fakes import HOUSE, MAIN, make_house

OWN = bytes(range(256)) * 40


def test_what_a_building_says_in_its_language_and_in_its_own_voice_is_encoded_before_any_call():
    directory = make_house()
    house = replace(directory.properties[HOUSE], language="sv", recordings={"nobody_answers": OWN})
    door = replace(directory.doors[MAIN], recording=OWN + OWN)
    directory = replace(directory, properties={HOUSE: house}, doors={MAIN: door})
    encoded_clip.cache_clear()

    prepare_sounds(directory)

    made = encoded_clip.cache_info().misses
    for codec in G711:
        for words in (*FAREWELLS.values(), Words.NO_CALLBACK, Words.PRESS_ANY_KEY):
            encoded_clip(prompts.say(words, house), codec)
        encoded_clip(prompts.which_door(door, house), codec)
    assert encoded_clip.cache_info().misses == made
    assert prompts.say(Words.NOBODY_ANSWERS, house) == OWN
