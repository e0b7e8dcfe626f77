"""Guessing a panel's link password: ten failures of a panel's name at one source lock both for ten minutes.

A lock answers a right password as a wrong one. Nobody elsewhere is hindered, and where the panel was
connected from lately one try in `NEAR_INTERVAL_S` still counts, so that its neighbours cannot keep it out.
"""

from collections import OrderedDict
from collections.abc import Callable

from intercom.link.guessing import GuessLimits, NameLocks, source_key

NEAR_INTERVAL_S = 5.0
_NAME_CHARACTERS = 64


class LinkGuesses:
    """The failures of all panels, and of invented names apart from them."""

    def __init__(self, clock: Callable[[], float], limits: GuessLimits | None = None) -> None:
        self._limits = limits or GuessLimits()
        self._clock = clock
        self._locks = {flag: NameLocks(self._limits, clock) for flag in (True, False)}
        self._seen: OrderedDict[str, float] = OrderedDict()
        """Where panels were let in, and from when on they may try there although it is locked."""

    def may_try(self, panel: str, source: str, *, is_panel: bool) -> bool:
        """Tell whether a password counts now; ask before every check."""
        key = _key_of(panel, source)
        if self._locks[is_panel].locked_for_s(key) <= 0:
            return True
        now = self._clock()
        if now < self._seen.get(key, float("inf")):
            return False
        self._seen[key] = now + NEAR_INTERVAL_S
        return True

    def fail(self, panel: str, source: str, *, is_panel: bool) -> bool:
        """Count a wrong password; tell whether it is the one that locks."""
        locks, key = self._locks[is_panel], _key_of(panel, source)
        if locks.locked_for_s(key) > 0:
            return False  # else a panel that tries again and again would lock itself for ever
        locks.begin(key)
        return locks.locked_for_s(key) > 0

    def succeed(self, panel: str, source: str) -> None:
        """Remember where a panel was let in."""
        key = _key_of(panel, source)
        self._seen[key] = self._clock()
        self._seen.move_to_end(key)
        if len(self._seen) > self._limits.max_entries:
            self._seen.popitem(last=False)

    def locked_count(self) -> int:
        """Count what is locked now."""
        return sum(locks.locked_count() for locks in self._locks.values())

    def lift_all(self) -> int:
        """Forget every failure; tell how many locks there were."""
        count = self.locked_count()
        for locks in self._locks.values():
            locks.clear()
        return count


def _key_of(panel: str, source: str) -> str:
    return f"{source_key(source)} {panel[:_NAME_CHARACTERS]}"
