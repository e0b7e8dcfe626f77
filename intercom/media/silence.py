"""A leg that falls silent in mid-talk: its peer is gone though no BYE came, and the call must end."""

import asyncio
from collections.abc import Callable

from intercom.media.member import Member
from intercom.media.sequencer import CallAt
from intercom.routing.ids import LegId

SILENCE_LIMIT_S = 30.0
"""Longer than any network's hiccup, far shorter than the longest call."""
CHECK_S = 1.0


class SilenceWatch:
    """Watch the legs that talk. RTP of any payload type is a sign of life, and RTCP too.

    So a peer with voice-activity detection stays; so does one on hold, whose time begins again after it.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        call_at: CallAt,
        on_silence: Callable[[LegId], None],
        limit_s: float = SILENCE_LIMIT_S,
    ) -> None:
        self._clock, self._call_at = clock, call_at
        self._on_silence = on_silence
        self._limit_s = limit_s
        self._alive_at: dict[Member, float] = {}
        """When each was surely alive: its last packet may be later."""
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, *members: Member) -> None:
        """Watch these and no others, each from now on or as before."""
        now = self._clock()
        self._alive_at = {member: self._alive_at.get(member, now) for member in members}
        if not members:
            self._cancel()
        elif self._timer is None:
            self._schedule()

    def _schedule(self) -> None:
        self._timer = self._call_at(self._clock() + min(CHECK_S, self._limit_s), self._check)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self._timer = None
        now = self._clock()
        for member, alive_at in list(self._alive_at.items()):
            if not member.leg.expects_sound:
                self._alive_at[member] = now
            elif now - max(alive_at, member.heard_at or alive_at) >= self._limit_s:
                self._alive_at.clear()
                self._on_silence(member.leg.leg_id)
                return
        self._schedule()
