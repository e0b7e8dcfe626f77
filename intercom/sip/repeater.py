"""A UAS's response to an INVITE that is repeated until the peer says that it came.

A 2xx until its ACK (RFC 3261 §13.3.1.4), a reliable provisional until its PRACK (RFC 3262 §3); over
streams too, for a proxy may lose it behind them.
"""

from collections.abc import Callable

from intercom.sip.address import Address
from intercom.sip.core import Core
from intercom.sip.timer import Alarm
from intercom.sip.transaction import T1_S, T2_S, TIMER_B_S


class Repeater:
    """The repetition of one response; `on_give_up` is called after 64*T1."""

    def __init__(
        self,
        core: Core,
        data: bytes,
        destination: Address,
        *,
        number: int,
        on_give_up: Callable[[float], None],
        now: float,
        longest_s: float = T2_S,
    ) -> None:
        self.number = number
        """CSeq of the ACK or RSeq of the PRACK that ends it."""
        self._core = core
        self._data = data
        self._destination = destination
        self._on_give_up = on_give_up
        self._give_up_at = now + TIMER_B_S
        self._interval_s = T1_S
        self._longest_s = longest_s
        self._alarm: Alarm = core.timers.start(now + T1_S, self._repeat)

    def stop(self) -> None:
        """Stop: it came, or does not matter any more."""
        self._alarm.stop()

    def _repeat(self, now: float) -> None:
        if now >= self._give_up_at:
            self._on_give_up(now)
            return
        self._core.send(self._data, self._destination)
        self._interval_s = min(2 * self._interval_s, self._longest_s)
        next_at = min(now + self._interval_s, self._give_up_at)
        self._alarm = self._core.timers.start(next_at, self._repeat)
