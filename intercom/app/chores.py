"""What the service does beside its calls: sounds made ahead, garbage and old traces cleared away."""

import asyncio
import gc
import sys
from collections.abc import Callable

from intercom.adapters.sip.farewell import FAREWELLS
from intercom.call_sounds import READY_ANSWERS
from intercom.media import prompts, tone_pair, tones
from intercom.media.clips import encoded_clip, encoded_ringback
from intercom.routing.directory import Directory
from intercom.sip.capture import Capture
from intercom.sip.codec import G711
from intercom.trace import Trace

FORGET_TRACES_S = 60.0
COLLECT_GARBAGE_S = 0.05
"""Often, so that each one is short: with 300 calls a second 1 ms."""
MOST_YOUNG_OBJECTS = 8_000
"""New objects at which Python collects by itself, in the middle of whatever makes them: 2 ms."""
FULL_EVERY_S = 60.0
FULL_LATEST_S = 900.0
QUIET_BLOCKS = 50_000
"""Of memory, more than at the start: with so few a full collection takes a few ms."""
_NEVER = 1_000_000_000
_SAID = frozenset(
    {
        prompts.Words.NO_CALLBACK,
        prompts.Words.PRESS_ANY_KEY,
        *FAREWELLS.values(),
        *READY_ANSWERS.values(),
    }
)
"""What is said besides the names of the doors."""


def prepare_sounds(directory: Directory) -> None:
    """Make every sound of a building once, so that no call waits for it (14 ms of the loop each).

    And the tables by which tones are found in what is heard.
    """
    tone_pair.prepare()
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
    gc.set_threshold(MOST_YOUNG_OBJECTS, _NEVER, _NEVER)


class FullCollections:
    """Tells when to look for garbage everywhere, not only among what is new.

    A call that ends lets all its objects go by itself: none of them refer to each other in a circle, so
    nothing of it is left for the collector. A full collection goes through every call and trace that
    there is, 0.1 s and more where hundreds of calls a second are made, and finds next to nothing. So it
    waits for a quiet moment, a quarter of an hour at most.
    """

    def __init__(self, now: float, blocks: int) -> None:
        """Begin with the service; `blocks` are the pieces of memory that it has now."""
        self._last_at = now
        self._quiet_blocks = blocks + QUIET_BLOCKS

    def is_due(self, now: float, blocks: Callable[[], int]) -> bool:
        """Tell whether to make one now; `blocks` is asked when needed."""
        waited_s = now - self._last_at
        is_due = waited_s >= FULL_EVERY_S and (
            waited_s >= FULL_LATEST_S or blocks() <= self._quiet_blocks
        )
        if is_due:
            self._last_at = now
        return is_due


async def collect_garbage() -> None:
    """Look for garbage now and then, so that Python does not do it in the middle of a press.

    Only among what is new: that is looked through once, and left alone where it survives. It is done by
    time and not by Python's count of new objects. That one counts old ones that go against new ones that
    come; while calls begin and end it stays low, until those of half a minute are looked through at once.
    """
    clock = asyncio.get_running_loop().time
    full = FullCollections(clock(), sys.getallocatedblocks())
    while True:
        await asyncio.sleep(COLLECT_GARBAGE_S)
        gc.collect(2 if full.is_due(clock(), sys.getallocatedblocks) else 0)


async def forget_old_traces(trace: Trace, capture: Capture) -> None:
    """Drop steps and messages that are older than 15 minutes, also when nothing rings."""
    while True:
        await asyncio.sleep(FORGET_TRACES_S)
        now = asyncio.get_running_loop().time()
        trace.forget_old(now)
        capture.forget_old(now)
