"""Who is heard: each source may send so much, and who guesses passwords is shut out for a while.

It is asked for every message before anything is parsed, so what it does must cost little:

    shut out? ──yes──> dropped
        │ no
    tokens of its source, and for a stranger of all strangers together? ──yes──> heard
        │ no: a flood, under this source's name at least
    does it prove that it belongs to us (`Proof`)? ──yes──> heard, within a budget of its own
        │ no
    was the very same datagram dropped just before? ──yes──> heard, within a budget of its own
        │ no
    dropped

UDP's source addresses can be forged, so the guard believes none of them. A flood in somebody's name takes that
source's tokens, and then the two ways beyond them are left, which a forger does not find: the proof is in answers
that went to the real address, and an honest sender repeats itself (RFC 3261 §17.1), whereas a flood is made of
ever new requests. Wrong credentials count only with a nonce that was sent to that very address. The user
name plays no part: who is heard in a flood would tell which users there are.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from intercom.sip.address import Address
from intercom.sip.counters import Counters
from intercom.sip.source import SourceKeys

V = TypeVar("V")
TOKEN_SHIFT = 11
"""A message costs one token, and one more for each 2,048 bytes: 60 kB can take 8 ms to refuse."""
LISTED_AGAIN_S = 1.0
"""A stranger in a flood may have been listed since; asked no more often than this."""
Proof = Callable[[bytes, Address, float], bool]
"""(data, source, now): does a message carry something that only somebody at `source` can know?"""


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """How much is heard; rates are tokens a second: one for each message, more for a large one."""

    stranger_rate: float = 1_000.0
    """Of one source that never proved itself: a NAT with 50 panels after a power cut sends 300."""
    known_rate: float = 5_000.0
    """Of one source that did: a carrier's."""
    strangers_rate: float = 4_000.0
    """Of all strangers together; each costs some 60 µs to refuse."""
    repeated_rate: float = 1_000.0
    busy_share: float = 0.25
    """What remains of the strangers' rates while the loop lags."""
    fast_failures: int = 16
    fast_s: float = 2.0
    slow_failures: int = 60
    slow_s: float = 600.0
    locked_s: float = 300.0
    believed_s: float = 86_400.0
    """For how long a source counts as known after it proved itself."""
    max_sources: int = 8_192
    max_failing: int = 2_048
    max_locked: int = 4_096
    max_believed: int = 10_000


class Bucket:
    """Tokens that come back with time; it holds at most one second's."""

    __slots__ = ("_at", "_tokens", "rate")

    def __init__(self, rate: float, now: float) -> None:
        self.rate = rate
        self._tokens = rate
        self._at = now

    def take(self, now: float, cost: float = 1.0) -> bool:
        """Take tokens; False when there are not so many."""
        tokens = self._tokens + (now - self._at) * self.rate
        self._at = now
        if tokens > self.rate:  # noqa: PLR1730 - min() takes three times as long
            tokens = self.rate
        if tokens < cost:
            self._tokens = tokens
            return False
        self._tokens = tokens - cost
        return True


class _Source:
    __slots__ = ("asked_at", "is_known", "proven", "tokens")

    def __init__(self, rate: float, now: float, *, is_known: bool) -> None:
        self.is_known = is_known
        self.asked_at = now
        self.tokens = Bucket(rate, now)
        self.proven = Bucket(rate, now)


class SourceGuard:
    """The tables of sources; all are bounded, and none but `_sources` can be filled by forgers."""

    def __init__(
        self,
        counters: Counters,
        *,
        is_listed: Callable[[str], bool],
        limits: GuardLimits | None = None,
    ) -> None:
        """Build it; `is_listed` says of a host whether the operator's own settings name it."""
        self.limits = limits or GuardLimits()
        self.has_proof: Proof = lambda _data, _source, _now: False
        self._counters = counters
        self._is_listed = is_listed
        self._keys = SourceKeys()
        self._sources: OrderedDict[str, _Source] = OrderedDict()
        self._strangers = Bucket(self.limits.strangers_rate, 0.0)
        self._repeats = Bucket(self.limits.repeated_rate, 0.0)
        self._dropped = _Dropped()
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._locked: OrderedDict[str, float] = OrderedDict()
        """Until when."""
        self._believed: OrderedDict[str, float] = OrderedDict()
        """Since when."""

    def admits(self, data: bytes, source: Address, now: float) -> bool:
        """Tell whether a message is heard, and count it."""
        host = source.host
        key = self._keys.key_of(host) if ":" in host else host
        if self._locked and key in self._locked and self._is_shut_out(key, now):
            self._counters.dropped_locked += 1
            return False
        known = self._sources.get(key)
        if known is None:
            known = self._enter(key, host, now)
        else:
            self._sources.move_to_end(key)
        cost = 1 + (len(data) >> TOKEN_SHIFT)
        if known.tokens.take(now, cost) and (known.is_known or self._strangers.take(now, cost)):
            return True
        return self._admits_beyond(known, data, source, now)

    def is_locked(self, source: Address, now: float) -> bool:
        """Tell whether a source is shut out now: then its connection is not worth accepting."""
        return self._is_shut_out(self._keys.key_of(source.host), now)

    def knows(self, source: Address) -> bool:
        """Tell whether a source is named by the building, or proved itself, when it was heard first."""
        host = source.host
        record = self._sources.get(self._keys.key_of(host) if ":" in host else host)
        return record is not None and record.is_known

    def locked_count(self, now: float) -> int:
        """Count the sources that are shut out now."""
        return sum(until_at > now for until_at in self._locked.values())

    def sizes(self) -> dict[str, int]:
        """Tell how many entries each table has."""
        return {
            "sources": len(self._sources),
            "failing": len(self._failures),
            "locked": len(self._locked),
            "believed": len(self._believed),
        }

    def lift_all(self, now: float) -> int:
        """Let everybody in again; tell how many were shut out."""
        count = self.locked_count(now)
        self._locked.clear()
        self._failures.clear()
        return count

    def believe(self, source: Address, now: float) -> None:
        """Take note that somebody at a source proved who he is."""
        key = self._keys.key_of(source.host)
        if key not in self._believed and (record := self._sources.get(key)) is not None:
            self._promote(record, now)
        _store(self._believed, key, now, self.limits.max_believed)

    def note_failure(self, source: Address, now: float) -> None:
        """Count wrong credentials that came with a nonce which was sent to this very source."""
        key = self._keys.key_of(source.host)
        times = self._failures.get(key)
        if times is None:
            times = deque(maxlen=self.limits.slow_failures)
        times.append(now)
        _store(self._failures, key, times, self.limits.max_failing)
        if self._is_guessing(times, now) and not self._is_known(key, source.host, now):
            del self._failures[key]
            _store(self._locked, key, now + self.limits.locked_s, self.limits.max_locked)
            self._counters.locked_sources += 1

    def set_busy(self, *, is_busy: bool) -> None:
        """Hear fewer strangers while the service lags behind."""
        share = self.limits.busy_share if is_busy else 1.0
        self._strangers.rate = self.limits.strangers_rate * share
        self._repeats.rate = self.limits.repeated_rate * share

    def _admits_beyond(self, known: _Source, data: bytes, source: Address, now: float) -> bool:
        if not known.is_known and now - known.asked_at >= LISTED_AGAIN_S:
            known.asked_at = now
            if self._is_known(self._keys.key_of(source.host), source.host, now):
                self._promote(known, now)
        cost = 1 + (len(data) >> TOKEN_SHIFT)
        if self.has_proof(data, source, now) and known.proven.take(now, cost):
            self._counters.proven += 1
            return True
        if self._dropped.is_repeated(data, source, now) and self._repeats.take(now, cost):
            self._counters.repeated += 1
            return True
        self._counters.dropped_rate += 1
        return False

    def _enter(self, key: str, host: str, now: float) -> _Source:
        limits = self.limits
        is_known = self._is_known(key, host, now)
        rate = limits.known_rate if is_known else limits.stranger_rate
        record = _Source(rate, now, is_known=is_known)
        _store(self._sources, key, record, limits.max_sources)
        return record

    def _promote(self, record: _Source, now: float) -> None:
        record.is_known = True
        record.tokens = Bucket(self.limits.known_rate, now)
        record.proven = Bucket(self.limits.known_rate, now)

    def _is_known(self, key: str, host: str, now: float) -> bool:
        since_at = self._believed.get(key)
        if since_at is not None and now - since_at < self.limits.believed_s:
            return True
        return self._is_listed(host)

    def _is_guessing(self, times: deque[float], now: float) -> bool:
        limits = self.limits
        fast = limits.fast_failures
        is_fast = len(times) >= fast and now - times[-fast] <= limits.fast_s
        return is_fast or (len(times) == limits.slow_failures and now - times[0] <= limits.slow_s)

    def _is_shut_out(self, key: str, now: float) -> bool:
        until_at = self._locked.get(key)
        if until_at is None:
            return False
        if until_at > now:
            return True
        del self._locked[key]
        return False


class _Dropped:
    """Remembers roughly which datagrams were dropped in the last seconds, in constant memory."""

    CELLS = 1 << 20
    GENERATION_S = 8.0  # RFC 3261 §17.1: sent again after 0.5, 1.5, 3.5 and 7.5 s
    MOST_COPIES = 3
    """More of the same is no honest sender's impatience."""

    def __init__(self) -> None:
        self._young = bytearray(self.CELLS)
        self._old = bytearray(self.CELLS)
        self._turned_at = 0.0

    def is_repeated(self, data: bytes, source: Address, now: float) -> bool:
        """Tell whether the same bytes came from the same source and port before; remember them.

        Now and then it is wrong about bytes that share a cell.
        """
        age_s = now - self._turned_at
        if age_s >= self.GENERATION_S:
            self._turned_at = now
            is_gap = age_s >= 2 * self.GENERATION_S
            self._old = bytearray(self.CELLS) if is_gap else self._young
            self._young = bytearray(self.CELLS)
        cell = hash((source.host, source.port, data)) & (self.CELLS - 1)
        copies = max(self._young[cell], self._old[cell])
        self._young[cell] = min(copies + 1, self.MOST_COPIES + 1)
        return 1 <= copies <= self.MOST_COPIES


def _store(table: OrderedDict[str, V], key: str, value: V, limit: int) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > limit:
        table.popitem(last=False)
