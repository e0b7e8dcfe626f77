"""A UAS's 2xx to an INVITE, repeated until its ACK comes (RFC 3261 §13.3.1.4)."""

from collections.abc import Callable

from intercom.sip.address import Address
from intercom.sip.core import Core
from intercom.sip.timer import Alarm
from intercom.sip.transaction import T1_S, T2_S, TIMER_B_S


class FinalRepeater:
    """The repetition of one 2xx; `on_give_up` is called after 64*T1 without an ACK."""

    def __init__(
        self,
        core: Core,
        data: bytes,
        destination: Address,
        *,
        cseq: int,
        on_give_up: Callable[[float], None],
        now: float,
    ) -> None:
        self.cseq = cseq
        self._core = core
        self._data = data
        self._destination = destination
        self._on_give_up = on_give_up
        self._give_up_at = now + TIMER_B_S
        self._interval_s = T1_S
        self._alarm: Alarm = core.timers.start(now + T1_S, self._repeat)

    def stop(self) -> None:
        """Stop: the ACK came, or the dialog is over."""
        self._alarm.stop()

    def _repeat(self, now: float) -> None:
        if now >= self._give_up_at:
            self._on_give_up(now)
            return
        self._core.send(self._data, self._destination)
        self._interval_s = min(2 * self._interval_s, T2_S)
        next_at = min(now + self._interval_s, self._give_up_at)
        self._alarm = self._core.timers.start(next_at, self._repeat)
