"""Locks on guessing a user's password, which no stranger can turn against the user.

Failures are counted for a user at one source, and for a user at all sources together. A lock answers a right password
as a wrong one. From where the user was logged in lately it can still log in: from the very same port
at once, from another one (a NAT's other inmates have the same address) once in `NEAR_INTERVAL_S`.

Invented names have tables of their own, so that a flood of them pushes no real user's failures out.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

from intercom.sip.address import Address
from intercom.sip.source import SourceKeys

NEAR_INTERVAL_S = 5.0
_NAME_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class UserLockLimits:
    failures: int = 10
    """Of one user at one source."""
    total_failures: int = 100
    """Of one user at all sources; then only known sources may try."""
    lock_s: float = 600.0
    """How long a lock lasts; failures are forgotten after as long, too."""
    believed_s: float = 86_400.0
    """For how long a source where the user logged in is told from strangers'."""
    max_entries: int = 10_000
    """Of each table."""


class _Seen(NamedTuple):
    """Where a user logged in."""

    port: int
    at: float


class _Tally:
    """Counts failures by key; at the limit a key is locked, and counts on from zero afterwards."""

    def __init__(self, failures: int, limits: UserLockLimits) -> None:
        self._failures = failures
        self._limits = limits
        self._table: OrderedDict[str, tuple[int, float]] = OrderedDict()
        """How many, and when the first one was or, of a locked one, when it was locked."""

    def __len__(self) -> int:
        return len(self._table)

    def is_locked(self, key: str, now: float) -> bool:
        count, since_at = self._table.get(key, (0, 0.0))
        return count >= self._failures and now - since_at < self._limits.lock_s

    def fail(self, key: str, now: float) -> bool:
        """Count one; tell whether it is the one that locks."""
        count, since_at = self._table.get(key, (0, now))
        if now - since_at >= self._limits.lock_s:
            count, since_at = 0, now
        elif count >= self._failures:
            return False
        is_last = count + 1 == self._failures
        self._table[key] = (count + 1, now if is_last else since_at)
        self._table.move_to_end(key)
        if len(self._table) > self._limits.max_entries:
            self._table.popitem(last=False)
        return is_last

    def clear(self) -> None:
        self._table.clear()


class UserLocks:
    """All failures and locks of one registrar's users."""

    def __init__(self, limits: UserLockLimits | None = None) -> None:
        self.limits = limits or UserLockLimits()
        self._keys = SourceKeys()
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._tries: OrderedDict[str, float] = OrderedDict()
        """When a locked user was last let try from near where it was seen."""
        self._pairs = {flag: _Tally(self.limits.failures, self.limits) for flag in (True, False)}
        self._users = {
            flag: _Tally(self.limits.total_failures, self.limits) for flag in (True, False)
        }

    def may_try(self, user: str, source: Address, now: float, *, is_user: bool) -> bool:
        """Tell whether credentials of a user are worth anything now; ask before every check.

        `is_user`: there is such a user.
        """
        name, pair = self._names(user, source)
        is_pair_locked = self._pairs[is_user].is_locked(pair, now)
        if not is_pair_locked and not self._users[is_user].is_locked(name, now):
            return True
        seen = self._seen.get(pair)
        if seen is None or now - seen.at >= self.limits.believed_s:
            return False
        return not is_pair_locked or seen.port == source.port or self._has_turn(pair, now)

    def fail(self, user: str, source: Address, now: float, *, is_user: bool) -> bool:
        """Count wrong credentials; tell whether they are the ones that lock."""
        name, pair = self._names(user, source)
        is_pair_locked = self._pairs[is_user].fail(pair, now)
        return self._users[is_user].fail(name, now) or is_pair_locked

    def succeed(self, user: str, source: Address, now: float) -> None:
        """Remember where a user logged in; failures there still count, they may be a neighbour's."""
        _, pair = self._names(user, source)
        self._seen[pair] = _Seen(source.port, now)
        self._seen.move_to_end(pair)
        if len(self._seen) > self.limits.max_entries:
            self._seen.popitem(last=False)

    def lift_all(self) -> None:
        """Forget every failure."""
        for tally in (*self._pairs.values(), *self._users.values()):
            tally.clear()
        self._tries.clear()

    def size(self) -> int:
        """Count the entries of all tables."""
        tallies = (*self._pairs.values(), *self._users.values())
        return sum(map(len, tallies)) + len(self._seen) + len(self._tries)

    def _has_turn(self, pair: str, now: float) -> bool:
        if now - self._tries.get(pair, -NEAR_INTERVAL_S) < NEAR_INTERVAL_S:
            return False
        self._tries[pair] = now
        self._tries.move_to_end(pair)
        if len(self._tries) > self.limits.max_entries:
            self._tries.popitem(last=False)
        return True

    def _names(self, user: str, source: Address) -> tuple[str, str]:
        name = user[:_NAME_CHARACTERS]
        return name, f"{self._keys.key_of(source.host)} {name}"
