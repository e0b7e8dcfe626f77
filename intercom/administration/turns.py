"""Long work in slices, so that calls have their turn between them."""

import asyncio
import time

SLICE_S = 0.001
"""Far below the 5 ms that nothing may block the loop for."""


class Turns:
    """Gives others their turn once a slice is over."""

    def __init__(self, slice_s: float = SLICE_S) -> None:
        self._slice_s = slice_s
        self._until = 0.0

    def begin(self) -> None:
        """Begin a slice: others have just had their turn."""
        self._until = time.perf_counter() + self._slice_s

    async def rest(self) -> None:
        """Let others work, if the slice is over."""
        if time.perf_counter() > self._until:
            await asyncio.sleep(0)
            self.begin()
