"""Who may open the door of a call, and what its answer means."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from intercom.routing.commands import DoorState, PanelState, Tone
from intercom.routing.events import (
    DigitPressed,
    DoorFailed,
    DoorOpened,
    DoorSent,
    DoorUnknown,
    OpenRequested,
)
from intercom.routing.ids import CommandId, LegId, ResidentId
from intercom.routing.legs import ANSWERED, RINGING, Leg, LegState

DoorResult = DoorOpened | DoorSent | DoorUnknown | DoorFailed


def may_tell(leg: Leg | None) -> bool:
    """Say whether a ready answer reaches the visitor: from an app that rings, was quieted, or talks."""
    return leg is not None and leg.is_app and leg.is_live


def may_open(
    wish: DigitPressed | OpenRequested,
    leg: Leg | None,
    *,
    open_keys: Collection[str],
    residents: Collection[ResidentId],
) -> bool:
    """Say whether a key or a command opens the door; `leg` is the call's leg that it came from.

    - Only a leg of one of the doorbell's residents counts: never the panel's, never one unknown.
    - A key counts only from a phone (ordinary or SIP) that was answered, and only an open key.
    - A command counts only from an app that rings, was quieted, or is connected.
    - A leg that was cancelled or has ended never counts.
    """
    if leg is None or leg.leg_id != wish.leg_id or leg.resident_id not in residents:
        return False
    if isinstance(wish, DigitPressed):
        return not leg.is_app and leg.state in ANSWERED and wish.digit in open_keys
    return leg.is_app and (leg.state in RINGING or leg.state is LegState.CONNECTED)


@dataclass(frozen=True, slots=True)
class Openings:
    """The openings of one call: at most one is outstanding at a time."""

    used: int = 0
    """How often the door opened, or may have."""
    has_pulsed: bool = False
    """Whether it was measured, or accepted by a door without feedback, at least once."""
    outstanding: CommandId | None = None
    by_leg: LegId | None = None
    """Whoever asked for the latest opening."""

    def ask(self, command_id: CommandId, by_leg: LegId) -> "Openings":
        """Note a new opening."""
        return replace(self, outstanding=command_id, by_leg=by_leg)

    def settle(self, result: DoorResult) -> "Openings":
        """Note the outstanding opening's result."""
        has_pulsed = isinstance(result, DoorOpened | DoorSent)
        has_failed = isinstance(result, DoorFailed)
        return replace(
            self,
            used=self.used + (0 if has_failed else 1),
            has_pulsed=self.has_pulsed or has_pulsed,
            outstanding=None,
        )


@dataclass(frozen=True, slots=True)
class DoorWords:
    """How a result is told: to the ears, on the panel and in the app."""

    tone: Tone
    panel_state: PanelState
    door_state: DoorState
    cause: str = ""


NO_RIGHT = "you may not open this door now"
"""Told to the asker alone."""
USED_UP = DoorWords(
    Tone.REFUSED, PanelState.REFUSED, DoorState.REFUSED, "this call has opened the door too often"
)


def words_for(result: DoorResult) -> DoorWords:
    """Put a door's result into words."""
    match result:
        case DoorOpened():
            return DoorWords(Tone.OPENED, PanelState.OPENED, DoorState.OPENED)
        case DoorSent():
            return DoorWords(Tone.OPENED, PanelState.SENT, DoorState.SENT)
        case DoorUnknown():
            return DoorWords(
                Tone.REFUSED,
                PanelState.NO_ANSWER_FROM_DOOR,
                DoorState.UNKNOWN,
                "no answer from the door",
            )
        case DoorFailed(cause=cause):
            return DoorWords(Tone.REFUSED, PanelState.REFUSED, DoorState.FAILED, cause)
