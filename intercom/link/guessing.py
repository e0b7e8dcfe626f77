"""Limits on guessing passwords: a lock per user name and a budget per source; both bounded."""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GuessLimits:
    failures: int = 10
    """Wrong passwords until a user name is locked."""
    lock_s: float = 600.0
    """How long it stays locked; failures are forgotten after as long."""
    source_failures: int = 30
    """Wrong passwords in a row from one source, whatever the names."""
    source_refill_s: float = 6.0
    """Each so many seconds give a source one more."""
    max_entries: int = 10_000


class NameLocks:
    """Counts failures by user name, for names that exist and names that do not alike.

    An attempt counts as a failure from its start, so that guesses sent at once count too.
    """

    def __init__(self, limits: GuessLimits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()
        """By name: how many, and when the last one was; oldest first."""

    def locked_for_s(self, name: str) -> float:
        """Seconds until the name may be tried again; 0 when it may now."""
        count, last_at = self._failures.get(name, (0, 0.0))
        if count < self._limits.failures:
            return 0.0
        return max(0.0, last_at + self._limits.lock_s - self._clock())

    def begin(self, name: str) -> None:
        """Count an attempt."""
        now = self._clock()
        count, last_at = self._failures.pop(name, (0, now))
        if now - last_at >= self._limits.lock_s:
            count = 0
        self._failures[name] = (count + 1, now)
        if len(self._failures) > self._limits.max_entries:
            self._failures.popitem(last=False)

    def succeed(self, name: str) -> None:
        """Forget the failures of a name that logged in."""
        self._failures.pop(name, None)

    def locked_count(self) -> int:
        """Count the names that are locked now."""
        return sum(self.locked_for_s(name) > 0 for name in self._failures)

    def clear(self) -> None:
        """Forget every failure."""
        self._failures.clear()


class SourceBudgets:
    """A token bucket for each source address; only failures take from it."""

    def __init__(self, limits: GuessLimits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """By source: failures not yet forgiven, and when that was reckoned; oldest first."""

    def wait_s(self, source: str) -> float:
        """Seconds until this source may try again; 0 when it may now."""
        excess = self._reckon(source) - (self._limits.source_failures - 1)
        return max(0.0, excess * self._limits.source_refill_s)

    def begin(self, source: str) -> None:
        """Count an attempt."""
        self._store(source, self._reckon(source) + 1)

    def succeed(self, source: str) -> None:
        """Give back what a successful attempt took."""
        self._store(source, max(0.0, self._reckon(source) - 1))

    def _reckon(self, source: str) -> float:
        spent, at = self._spent.get(source_key(source), (0.0, 0.0))
        return max(0.0, spent - (self._clock() - at) / self._limits.source_refill_s)

    def _store(self, source: str, spent: float) -> None:
        key = source_key(source)
        self._spent.pop(key, None)
        self._spent[key] = (spent, self._clock())
        if len(self._spent) > self._limits.max_entries:
            self._spent.popitem(last=False)


def source_of(remote: str | None, forwarded: str | None) -> str:
    """Tell who sent an HTTP request, given X-Forwarded-For, which only a proxy here is believed."""
    source = remote or ""
    if forwarded and (source == "::1" or source.removeprefix("::ffff:").startswith("127.")):
        return forwarded.rpartition(",")[2].strip()
    return source


def source_key(address: str) -> str:
    """Take an IPv6 source by its /64: one household has all of it."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    if parsed.ipv4_mapped is not None:  # RFC 4291 §2.5.5.2: one /64 holds all of them
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
