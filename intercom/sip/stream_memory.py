"""Where large requests may go over TCP (RFC 3261 §18.1.1), and where that was tried in vain."""

from collections.abc import Callable

from intercom.sip.address import Address

FAILED_FOR_S = 600.0
MAX_FAILED = 1_000


class StreamMemory:
    """Remembers peers whose TCP failed; the oldest is forgotten when there are too many."""

    def __init__(self, has_stream: Callable[[Address], bool]) -> None:
        self._has_stream = has_stream
        self._failed_at: dict[Address, float] = {}

    def can_try(self, stream: Address, now: float) -> bool:
        """Tell whether a large request should go there over TCP."""
        if not self._has_stream(stream):
            return False
        failed_at = self._failed_at.get(stream)
        if failed_at is None:
            return True
        if now - failed_at < FAILED_FOR_S:
            return False
        del self._failed_at[stream]
        return True

    def note_failure(self, stream: Address, now: float) -> None:
        """Send large requests there by UDP for a while."""
        self._failed_at.pop(stream, None)
        self._failed_at[stream] = now
        if len(self._failed_at) > MAX_FAILED:
            del self._failed_at[next(iter(self._failed_at))]
