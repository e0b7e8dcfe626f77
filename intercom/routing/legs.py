"""The residents' legs of one call, and what is known of each."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from intercom.routing.commands import EndReason
from intercom.routing.ids import LegId, ResidentId
from intercom.routing.plan import AppTarget, PhoneTarget, Target


class LegState(Enum):
    RINGING = "ringing"
    QUIET = "quiet"
    """An app that shows the call without sound and may still answer."""
    UNACCEPTED = "unaccepted"
    """An ordinary phone that was answered, perhaps by a voicemail: no key was pressed yet."""
    CONNECTED = "connected"
    CANCELLED = "cancelled"
    """Cancelled by us, and the far end has not confirmed it: an answer may still cross."""
    ENDED = "ended"


RINGING = frozenset({LegState.RINGING, LegState.QUIET})
ANSWERED = frozenset({LegState.UNACCEPTED, LegState.CONNECTED})
LIVE = RINGING | ANSWERED


@dataclass(frozen=True, slots=True)
class Leg:
    leg_id: LegId
    target: Target
    state: LegState = LegState.RINGING
    reason: EndReason | None = None
    """Why it was cancelled."""

    @property
    def resident_id(self) -> ResidentId:
        """The person whom it rings."""
        return self.target.resident_id

    @property
    def is_app(self) -> bool:
        """Whether it has a screen and opens by command; all others are phones and have keys."""
        return isinstance(self.target, AppTarget)

    @property
    def is_trunk_phone(self) -> bool:
        """Whether it is an ordinary phone, of which only one may ring at a time."""
        return isinstance(self.target, PhoneTarget)

    @property
    def is_live(self) -> bool:
        """Whether it rings or talks."""
        return self.state in LIVE


class Legs:
    """All legs that a call ever rang, in the order in which they were rung."""

    def __init__(self, legs: dict[LegId, Leg] | None = None) -> None:
        self._legs = {} if legs is None else legs

    def __iter__(self) -> Iterator[Leg]:
        return iter(tuple(self._legs.values()))

    def __len__(self) -> int:
        return len(self._legs)

    def copy(self) -> "Legs":
        """Make an independent copy; the legs themselves are values."""
        return Legs(self._legs.copy())

    def get(self, leg_id: LegId) -> Leg | None:
        """Find a leg of this call."""
        return self._legs.get(leg_id)

    def add(self, leg: Leg) -> None:
        """Remember a new leg."""
        self._legs[leg.leg_id] = leg

    def move(self, leg: Leg, state: LegState, reason: EndReason | None = None) -> None:
        """Change a leg's state."""
        self._legs[leg.leg_id] = replace(leg, state=state, reason=reason)

    def live(self) -> list[Leg]:
        """List the legs that ring or talk."""
        return [leg for leg in self._legs.values() if leg.state in LIVE]

    def of_resident(self, resident_id: ResidentId) -> list[Leg]:
        """List one person's legs that ring or talk."""
        return [leg for leg in self.live() if leg.resident_id == resident_id]

    def answered(self) -> Leg | None:
        """Find the leg that is in the call, accepted or not; there is at most one."""
        return next((leg for leg in self._legs.values() if leg.state in ANSWERED), None)
