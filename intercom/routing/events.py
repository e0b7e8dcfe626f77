"""What happens to a call, in the words of call control; past tense, no SIP codes, no SDP."""

from dataclasses import dataclass
from enum import Enum

from intercom.routing.commands import ReadyAnswer
from intercom.routing.ids import CommandId, LegId, ResidentId
from intercom.routing.plan import OnlineDevice


class LegFailure(Enum):
    """Why a leg that rang, or should have, will not be answered."""

    BUSY = "busy"
    DECLINED = "declined"
    """By a person or by the far end's phone (SIP 603)."""
    NO_ANSWER = "no answer"
    UNREACHABLE = "unreachable"
    """Nothing there: device offline, no response, trunk down."""
    NO_ROUTE = "no route"
    """No trunk may or can place this call."""
    REFUSED = "refused"
    """The carrier refused us: wrong password, caller ID not ours."""
    LIMITED = "too many calls"
    """A limit against toll fraud forbade to place this call."""
    CANCELLED = "cancelled"
    """The end of a cancelling that we asked for."""


@dataclass(frozen=True, slots=True)
class ButtonPressed:
    """A press on the panel that already has this call: again the same button, or another."""

    panel_leg: LegId
    """The new leg that the press brought along."""
    button: str


@dataclass(frozen=True, slots=True)
class LegRinging:
    leg_id: LegId


@dataclass(frozen=True, slots=True)
class LegAnswered:
    leg_id: LegId


@dataclass(frozen=True, slots=True)
class LegFailed:
    leg_id: LegId
    failure: LegFailure


@dataclass(frozen=True, slots=True)
class LegDeclined:
    """A person pressed Decline on a ringing app."""

    leg_id: LegId


@dataclass(frozen=True, slots=True)
class LegEnded:
    """The far end hung up a leg that had been answered, or the leg was lost."""

    leg_id: LegId


@dataclass(frozen=True, slots=True)
class BeepHeard:
    """The tone after which a voicemail records was heard on an answered phone."""

    leg_id: LegId


@dataclass(frozen=True, slots=True)
class DeviceCameOnline:
    """A resident's app connected, or a SIP phone registered, while the call rings."""

    target: OnlineDevice


@dataclass(frozen=True, slots=True)
class PanelLeft:
    """The visitor cancelled, the panel hung up, or it was lost."""

    panel_leg: LegId


@dataclass(frozen=True, slots=True)
class DigitPressed:
    """One press of one telephone key, however many copies of it came in."""

    leg_id: LegId
    digit: str


@dataclass(frozen=True, slots=True)
class OpenRequested:
    """An app's authenticated command to open the door of this call."""

    leg_id: LegId


@dataclass(frozen=True, slots=True)
class AnswerChosen:
    """A person let an app tell the visitor a ready answer; it does not answer the call."""

    leg_id: LegId
    answer: ReadyAnswer


@dataclass(frozen=True, slots=True)
class ResidentsChanged:
    """The doorbell, or the house, has other persons from now on."""

    residents: frozenset[ResidentId]
    """Whoever of the call's persons is missing here is out of it; nobody new comes in."""


@dataclass(frozen=True, slots=True)
class DoorOpened:
    """The relay was measured to have pulsed."""

    command_id: CommandId
    on_ms: int
    """Measured length of the pulse so far or in whole."""


@dataclass(frozen=True, slots=True)
class DoorSent:
    """The command was accepted by a door that gives no feedback."""

    command_id: CommandId


@dataclass(frozen=True, slots=True)
class DoorUnknown:
    """No acknowledgement in time: it may have opened or not."""

    command_id: CommandId


@dataclass(frozen=True, slots=True)
class DoorFailed:
    """It certainly did not open."""

    command_id: CommandId
    cause: str
    """In words for a person, such as "the panel is offline"."""


@dataclass(frozen=True, slots=True)
class TimePassed:
    """The call's deadline has come."""


Event = (
    ButtonPressed
    | LegRinging
    | LegAnswered
    | LegFailed
    | LegDeclined
    | LegEnded
    | BeepHeard
    | DeviceCameOnline
    | PanelLeft
    | DigitPressed
    | OpenRequested
    | AnswerChosen
    | ResidentsChanged
    | DoorOpened
    | DoorSent
    | DoorUnknown
    | DoorFailed
    | TimePassed
)
