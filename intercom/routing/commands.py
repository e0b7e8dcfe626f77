"""What a call wants done, in the words of call control; imperative, carried out by the switchboard."""

from dataclasses import dataclass
from enum import Enum

from intercom.routing.ids import CommandId, DoorId, LegId
from intercom.routing.plan import Target


class EndReason(Enum):
    """Why a leg or the whole call ends; every face of the service has its words for each."""

    ANSWERED_ELSEWHERE = "answered elsewhere"
    OPENED_ELSEWHERE = "opened elsewhere"
    VISITOR_LEFT = "visitor left"
    OTHER_BUTTON = "other button"
    NOBODY_ANSWERED = "nobody answered"
    NOBODY_REACHABLE = "nobody reachable"
    """Nothing could be rung at all: no device online and no phone, or no trunk."""
    TOO_MANY_CALLS = "too many calls"
    """Nobody answered, and a limit against toll fraud had kept a phone from being called."""
    QUIET_HOURS = "quiet hours"
    """Nobody is rung at this hour (requirement A18)."""
    NO_SUCH_BUTTON = "no such button"
    RESIDENT_HUNG_UP = "resident hung up"
    NOT_ACCEPTED = "not accepted"
    """Somebody or something answered the phone and never pressed a key."""
    DOOR_OPENED = "door opened"
    """The call ended by itself after the opening."""
    TIME_LIMIT = "time limit"
    MEDIA_LOST = "media lost"
    """Nothing came from one end for 30 s of talk."""
    IN_USE = "in use"
    """A press during talk."""
    STAGE_OVER = "stage over"
    """The next phone's turn has come."""
    DECLINED = "declined"
    LEFT_DOORBELL = "left doorbell"
    """The person whom the leg rang does not belong to the doorbell any more."""
    FAULT = "fault"
    """An unexpected error of the service itself."""
    SHUTTING_DOWN = "shutting down"


class PanelState(Enum):
    """What the panel's screen and lamp say."""

    CALLING = "calling"
    TALKING = "talking"
    OPENED = "opened"
    SENT = "sent"
    REFUSED = "refused"
    NO_ANSWER_FROM_DOOR = "no answer from the door"
    ENDED = "ended"
    """With an EndReason."""


class ReadyAnswer(Enum):
    """What a resident says to the visitor without speaking (requirement B12)."""

    COMING = "coming"
    LEAVE_IT = "leave_it"
    WRONG_DOOR = "wrong_door"


class DoorState(Enum):
    """What an app is told about the door."""

    OPENING = "opening"
    OPENED = "opened"
    SENT = "sent"
    REFUSED = "refused"
    """Three openings are used up, or no right."""
    UNKNOWN = "unknown"
    FAILED = "failed"


class Tone(Enum):
    OPENED = "opened"
    REFUSED = "refused"
    ENDING_SOON = "ending soon"
    """Ten seconds before the hard limit."""


class Prompt(Enum):
    WHICH_DOOR = "which door"
    """Says the door's name to a phone that answered (requirement B5)."""
    PRESS_ANY_KEY = "press any key"


@dataclass(frozen=True, slots=True)
class ProgressPanel:
    """Give the panel early media (183 with SDP, or 200 by its profile) and start ringback."""


@dataclass(frozen=True, slots=True)
class StopRingback:
    """The ringing is over though nobody talks: somebody opened the door while it rang."""


@dataclass(frozen=True, slots=True)
class AnswerPanel:
    """Answer the panel's leg; nothing to do where its profile was answered at once.

    Does not touch ringback: ProgressPanel and DisconnectLeg start it, ConnectLeg and StopRingback
    end it.
    """


@dataclass(frozen=True, slots=True)
class EndPanel:
    """End the panel's leg: BYE, or a final response to its INVITE."""

    reason: EndReason


@dataclass(frozen=True, slots=True)
class AdoptPanelLeg:
    """The same button again: the new leg takes the old one's place, and the old one ends.

    ProgressPanel or AnswerPanel for the new leg follows.
    """

    panel_leg: LegId
    replaced_leg: LegId


@dataclass(frozen=True, slots=True)
class RefusePanelLeg:
    """Refuse a press in words, such as during talk."""

    panel_leg: LegId
    reason: EndReason


@dataclass(frozen=True, slots=True)
class StartAnew:
    """Another button: a new call is made of this leg once this one has ended."""

    panel_leg: LegId
    button: str


@dataclass(frozen=True, slots=True)
class RingLeg:
    leg_id: LegId
    target: Target


@dataclass(frozen=True, slots=True)
class QuietLeg:
    """Stop the sound of a ringing app, which may still answer.

    Its own person's phone was answered, or it opened the door itself.
    """

    leg_id: LegId


@dataclass(frozen=True, slots=True)
class CancelLeg:
    """Stop a leg that has not been answered."""

    leg_id: LegId
    reason: EndReason


@dataclass(frozen=True, slots=True)
class EndLeg:
    """Hang up a leg that has been answered; its gate shuts with it."""

    leg_id: LegId
    reason: EndReason


@dataclass(frozen=True, slots=True)
class ConnectLeg:
    """Open the gate: the visitor and this leg hear each other; ringback stops."""

    leg_id: LegId


@dataclass(frozen=True, slots=True)
class DisconnectLeg:
    """Shut the gate again: neither hears the other, and ringback resumes.

    The leg may have gone already: a phone that hung up before anybody pressed a key.
    """

    leg_id: LegId


@dataclass(frozen=True, slots=True)
class PlayPrompt:
    leg_id: LegId
    prompt: Prompt


@dataclass(frozen=True, slots=True)
class PlayTone:
    leg_id: LegId | None
    """None: to the panel."""
    tone: Tone


@dataclass(frozen=True, slots=True)
class ShowPanel:
    state: PanelState
    reason: EndReason | None = None


@dataclass(frozen=True, slots=True)
class TellDoor:
    """Tell an app what is known about the door."""

    leg_id: LegId
    state: DoorState
    cause: str = ""
    """Why, in words for a person, where known."""


@dataclass(frozen=True, slots=True)
class TellVisitor:
    """Show a ready answer on the panel, say it there, and tell the app that gave it so."""

    by_leg: LegId
    answer: ReadyAnswer


@dataclass(frozen=True, slots=True)
class OpenDoor:
    door_id: DoorId
    command_id: CommandId
    by_leg: LegId
    """The answered phone or the app that asked."""


@dataclass(frozen=True, slots=True)
class CloseCall:
    """The last command of a call: free everything."""

    reason: EndReason


PanelCommand = ProgressPanel | AnswerPanel | EndPanel | AdoptPanelLeg | RefusePanelLeg | ShowPanel
LegCommand = RingLeg | QuietLeg | CancelLeg | EndLeg
SoundCommand = ConnectLeg | DisconnectLeg | StopRingback | PlayPrompt | PlayTone | TellVisitor
DoorCommand = OpenDoor | TellDoor
Command = PanelCommand | LegCommand | SoundCommand | DoorCommand | StartAnew | CloseCall
