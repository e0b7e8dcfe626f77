"""What the service does beside its calls: sounds made ahead, garbage and old traces cleared away."""

import asyncio
import gc
import itertools

from intercom.adapters.sip.farewell import FAREWELLS
from intercom.media import prompts, tones
from intercom.media.clips import encoded_clip, encoded_ringback
from intercom.routing.directory import Directory
from intercom.sip.capture import Capture
from intercom.sip.codec import G711
from intercom.trace import Trace

FORGET_TRACES_S = 60.0
COLLECT_GARBAGE_S = 0.2
"""Often, so that each one is short: once a second took up to 7 ms of the loop, this 2 ms."""
FULL_COLLECTIONS = 300
"""Each so many collections one is a full one; it takes a few ms."""
YOUNG_OBJECTS = 50_000
"""New objects at which Python collects by itself; 50 presses a second make 12,000."""
_SAID = frozenset({prompts.Words.NO_CALLBACK, prompts.Words.PRESS_ANY_KEY, *FAREWELLS.values()})
"""What is said besides the names of the doors."""


def prepare_sounds(directory: Directory) -> None:
    """Make every sound of a building once, so that no call waits for it (14 ms of the loop each)."""
    for codec in G711:
        encoded_ringback(codec)
    for make in (tones.opened, tones.refused, tones.ending_soon):
        make()
    said: set[bytes] = set()
    for prop in directory.properties.values():
        said.update(prompts.say(words, prop) for words in _SAID)
    for door in directory.doors.values():
        said.add(prompts.which_door(door, directory.properties[door.property_id]))
    for pcm in said:
        for codec in G711:
            encoded_clip(pcm, codec)


def keep_garbage_collection_short() -> None:
    """Set what lives as long as the service aside (60 ms each time) and leave the rest to the timer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


async def collect_garbage() -> None:
    """Look for garbage now and then, so that Python does not do it in the middle of a press."""
    for count in itertools.count(1):
        await asyncio.sleep(COLLECT_GARBAGE_S)
        gc.collect(2 if count % FULL_COLLECTIONS == 0 else 1)


async def forget_old_traces(trace: Trace, capture: Capture) -> None:
    """Drop steps and messages that are older than 15 minutes, also when nothing rings."""
    while True:
        await asyncio.sleep(FORGET_TRACES_S)
        now = asyncio.get_running_loop().time()
        trace.forget_old(now)
        capture.forget_old(now)
