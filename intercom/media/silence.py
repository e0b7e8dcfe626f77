"""A leg that falls silent in mid-talk: its peer is gone though no BYE came, and the call must end."""

from intercom.media.member import Member
from intercom.routing.ids import LegId

SILENCE_LIMIT_S = 30.0
"""Longer than any network's hiccup, far shorter than the longest call."""


class SilenceWatch:
    """Watch the legs that talk. RTP of any payload type is a sign of life, and RTCP too.

    So a peer with voice-activity detection stays; so does one on hold, whose time begins again after it.
    """

    def __init__(self, limit_s: float = SILENCE_LIMIT_S) -> None:
        self._limit_s = limit_s
        self._alive_at: dict[Member, float] = {}
        """When each was surely alive: its last packet may be later."""

    def watch(self, now: float, *members: Member) -> None:
        """Watch these and no others, each from now on or as before."""
        self._alive_at = {member: self._alive_at.get(member, now) for member in members}

    def check(self, now: float) -> LegId | None:
        """Give a leg that is gone, once; then nobody is watched any more."""
        for member, alive_at in list(self._alive_at.items()):
            if not member.leg.expects_sound:
                self._alive_at[member] = now
            elif now - max(alive_at, member.heard_at or alive_at) >= self._limit_s:
                self._alive_at.clear()
                return member.leg.leg_id
        return None
