"""Which new calls are taken: none while the loop lags or too many are being set up.

Only a new INVITE whose sender is known already is ever refused here, so strangers cannot make the service say 503 to
panels; and what is up stays up. Both measures have a hysteresis: full at one mark, open again at a lower one.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

RETRY_AFTER_S = 5
"""The shortest; up to five more are added by chance, so that panels do not return as one."""


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    busy_lag_s: float = 0.1
    """A loop that lags so much `busy_for_s` long takes no new calls."""
    calm_lag_s: float = 0.03
    busy_for_s: float = 0.5
    calm_for_s: float = 0.5
    max_setups: int = 500
    """Calls of others that ring here at the same time."""
    max_setups_of_host: int = 100
    """Of these, of one host that is known by its address alone: who forges it fills no more."""
    reopen_share: float = 0.9
    """What a full measure must fall to before calls are taken again."""
    recount_s: float = 0.25


class Admission:
    """The state of overload of one endpoint."""

    def __init__(
        self,
        token: Callable[[int], str],
        count_setups: Callable[[], Counter[str]],
        *,
        max_calls: int,
        limits: AdmissionLimits | None = None,
    ) -> None:
        """Build it; `count_setups` may be slow, it is asked at most each `recount_s`."""
        self.limits = limits or AdmissionLimits()
        self.lag_s = 0.0
        """The last one that was told."""
        self.is_lagging = False
        self._token = token
        self._count_setups = count_setups
        self._max_calls = max_calls
        self._turning_at: float | None = None
        """Since when the lag speaks against `is_lagging`, told more than once."""
        self._is_crowded = False
        self._setups: Counter[str] = Counter()
        self._counted_at = float("-inf")

    def note_lag(self, lag_s: float, now: float) -> None:
        """Take in how late the loop's last timer was."""
        limits = self.limits
        self.lag_s = lag_s
        is_against = lag_s < limits.calm_lag_s if self.is_lagging else lag_s > limits.busy_lag_s
        if not is_against:
            self._turning_at = None
            return
        if self._turning_at is None:
            self._turning_at = now  # one long pause, as at the start, is no overload
        for_s = limits.calm_for_s if self.is_lagging else limits.busy_for_s
        if now - self._turning_at >= for_s:
            self.is_lagging = not self.is_lagging
            self._turning_at = None

    def admits(self, calls: int, now: float, host: str = "") -> bool:
        """Tell whether one more call is taken; `calls` are all that there are.

        `host` is given where the caller is known by its address alone.
        """
        if now - self._counted_at >= self.limits.recount_s:
            self._counted_at = now
            self._setups = self._count_setups()
        share = self.limits.reopen_share if self._is_crowded else 1.0
        setups = self._setups.total()
        self._is_crowded = (
            calls >= self._max_calls * share or setups >= self.limits.max_setups * share
        )
        is_host_full = host != "" and self._setups[host] >= self.limits.max_setups_of_host
        if self._is_crowded or self.is_lagging or is_host_full:
            return False
        self._setups[host] += 1
        return True

    def retry_after_s(self) -> int:
        """Choose for how long a refused caller should wait: 5 to 10 s."""
        return RETRY_AFTER_S + int(self._token(4), 16) % 6
