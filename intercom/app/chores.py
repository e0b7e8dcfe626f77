"""What the service does beside its calls: sounds made ahead, garbage and old traces cleared away."""

import asyncio
import gc
import itertools

from intercom.adapters.sip.farewell import FAREWELLS
from intercom.media import prompts, tones
from intercom.media.sequencer import encoded_clip, encoded_ringback
from intercom.sip.capture import Capture
from intercom.sip.offer_answer import Law
from intercom.trace import Trace

FORGET_TRACES_S = 60.0
COLLECT_GARBAGE_S = 0.2
"""Often, so that each one is short: once a second took up to 7 ms of the loop, this 2 ms."""
FULL_COLLECTIONS = 300
"""Each so many collections one is a full one; it takes a few ms."""
YOUNG_OBJECTS = 50_000
"""New objects at which Python collects by itself; 50 presses a second make 12,000."""
_SAID_BY_THE_ROUTER = frozenset({prompts.Words.NO_CALLBACK, *FAREWELLS.values()})
"""Said outside a call's bridge, to a visitor or a caller, while others talk."""


def prepare_sounds() -> None:
    """Make every sound once, so that no call waits for it."""
    for law in Law:
        encoded_ringback(law)
    for make in (tones.opened, tones.refused, tones.ending_soon):
        make()
    for words in prompts.Words:
        for language in prompts.LANGUAGES:
            pcm = prompts.load(words, language)
            if words in _SAID_BY_THE_ROUTER:
                for law in Law:
                    encoded_clip(pcm, law)  # 14 ms of the loop the first time


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
