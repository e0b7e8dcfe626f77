"""Words played to somebody who has nobody else in the call: the visitor at its end, or a caller."""

import asyncio
from collections.abc import Callable

from intercom.media.bridge import Bridge
from intercom.media.dtmf import DigitWay
from intercom.media.plain import PlainLeg
from intercom.routing.ids import LegId

TAIL_S = 0.2
"""What a jitter buffer still holds when we have said all."""


class Announcement:
    """Plays one clip to a leg, and then says so; what the leg sends is heard by nobody."""

    def __init__(self, leg: PlainLeg, pcm: bytes, *, limit_s: float) -> None:
        self._leg = leg
        self._pcm = pcm
        self._limit_s = limit_s
        self._bridge: Bridge | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self, on_end: Callable[[], None], *, after_s: float = 0.0) -> None:
        """Begin; `on_end` is called once, after the clip or the limit, unless it is stopped."""
        self._timer = asyncio.get_running_loop().call_later(after_s, self._play, on_end)

    def stop(self) -> None:
        """Fall silent; `on_end` is not called any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._bridge is not None:
            self._bridge.close()
            self._bridge = None

    def _play(self, on_end: Callable[[], None]) -> None:
        self._leg.renew_source()  # else SRTP's and the panel's numbering would jump
        self._bridge = Bridge(on_digit=_pass_over)
        self._bridge.attach_panel(self._leg)
        length_s = self._bridge.play(None, self._pcm)
        wait_s = min(length_s + TAIL_S, self._limit_s)
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._end, on_end)

    def _end(self, on_end: Callable[[], None]) -> None:
        self.stop()
        on_end()


def _pass_over(_leg_id: LegId, _digit: str, _way: DigitWay) -> None:
    """Let no digit count: nobody is in the call."""
