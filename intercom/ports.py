"""What the switchboard needs of the outside world; the adapters and the tests' fakes implement it.

Every method returns at once; what becomes of it comes back as an event of `routing.events`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from intercom.media.bridge import Bridge
from intercom.media.conversion import codecs_beside, is_shared
from intercom.media.leg import Media, MediaLeg
from intercom.routing.commands import DoorState, EndReason, PanelState, ReadyAnswer
from intercom.routing.directory import Door, Doorbell, Panel, PictureSource, Property, Relay
from intercom.routing.ids import CallId, CommandId, DeviceId, LegId, PanelId, ResidentId
from intercom.routing.log_line import LogLine
from intercom.routing.plan import OnlineDevice, Target
from intercom.sip.offer_answer import Codec, NegotiatedVideo


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMedia:
    """The sound and picture of a call, as its legs join them."""

    bridge: Bridge
    codec: Codec
    """The panel's: what every other leg is offered first, so that nothing is converted."""
    picture: NegotiatedVideo | None
    """The panel's H.264 as negotiated; None: it has no camera, or shows it otherwise."""

    def codecs_to_offer(self) -> tuple[Codec, ...]:
        """List what another leg is offered now; without what would need one transcoding too many."""
        return codecs_beside(self.codec, may_transcode=self.bridge.transcodings.has_room)

    def can_be_joined_by(self, codec: Codec) -> bool:
        """Tell whether a leg that answered with this codec can be heard, and hear."""
        return is_shared(codec, self.codec) or self.bridge.transcodings.has_room


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneCall(CallMedia):
    """What a phone's leg needs to know of whatever it is called for: a visitor, or a check call."""

    caller_name: str
    """Who calls, for phones that are not reached over a trunk."""
    counted_for: PanelId
    """Whose call it is to the guard against toll fraud."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts(CallMedia):
    """What every leg of a visitor's call may want to know."""

    call_id: CallId
    property: Property
    panel: Panel
    door: Door
    doorbell: Doorbell

    def for_phone(self) -> PhoneCall:
        """Give what a phone's leg needs of it."""
        return PhoneCall(
            bridge=self.bridge,
            codec=self.codec,
            picture=self.picture,
            caller_name=self.door.name,
            counted_for=self.panel.panel_id,
        )

    def snapshots(self) -> PictureSource | None:
        """Tell where pictures are got that the panel does not give by SIP."""
        return self.panel.picture if self.picture is None else None


@dataclass(frozen=True, slots=True)
class PanelMedia:
    """What a press brings along: what was agreed with the panel, and its leg to be opened."""

    codec: Codec
    picture: NegotiatedVideo | None
    open: Callable[[], MediaLeg]
    """Called once, after the residents are rung; may raise MediaError."""


class PanelLegs(Protocol):
    """The panels' own legs."""

    def progress(self, leg_id: LegId) -> None:
        """Give early media by 183 or, where the panel's profile says so, by 200."""

    def answer(self, leg_id: LegId) -> None:
        """Answer with 200, unless that was done."""

    def end(self, leg_id: LegId, reason: EndReason) -> None:
        """Refuse, cancel or hang up, whichever fits; nothing for a leg that is over."""


class ResidentLegs(Protocol):
    """One kind of resident's legs: apps, or phones over SIP."""

    def ring(self, call: CallFacts, leg_id: LegId, target: Target) -> None:
        """Start ringing; ends in LegAnswered, LegDeclined or LegFailed."""

    def quiet(self, leg_id: LegId) -> None:
        """Go on showing the call, without sound."""

    def connect(self, leg_id: LegId) -> None:
        """Tell the leg that it is in the call now."""

    def cancel(self, leg_id: LegId, reason: EndReason) -> None:
        """Stop ringing; nothing for a leg that is over."""

    def end(self, leg_id: LegId, reason: EndReason) -> None:
        """Hang up, or stop ringing; nothing for a leg that is over."""

    def tell_door(self, leg_id: LegId, state: DoorState, cause: str, pulse_ms: int) -> None:
        """Say what is known about the door."""

    def tell_path(self, leg_id: LegId, media: Media, *, is_lost: bool, is_own: bool) -> None:
        """Say that the panel's sound or picture, or the leg's own sound, stopped coming or came back."""


class AppCalls(ResidentLegs, Protocol):
    """The apps' legs, which say more than a phone's."""

    def tell_ready(self, leg_id: LegId, answer: ReadyAnswer) -> None:
        """Say that the visitor was told a ready answer; nothing for a leg that is over."""


class Presence(Protocol):
    """Which devices are online now."""

    def online(self, resident_id: ResidentId) -> tuple[OnlineDevice, ...]:
        """List a resident's apps that have a live connection, and SIP phones that are registered."""


class AppChannel(Protocol):
    """Messages to the apps, whatever carries them."""

    def send(self, device_id: DeviceId, message: Mapping[str, object]) -> bool:
        """Send one message; False when the device is gone."""

    def send_if_idle(self, device_id: DeviceId, message: Mapping[str, object]) -> bool:
        """Send a message that may be left out, unless an earlier one still waits; False: left out."""


class Pictures(Protocol):
    """Pictures of panels that give none by SIP."""

    def follow(
        self, call_id: CallId, source: PictureSource, leg_id: LegId, show: Callable[[str], None]
    ) -> None:
        """Give a leg the call's pictures, JPEG in base64, until `leave`."""

    def leave(self, call_id: CallId, leg_id: LegId) -> None:
        """Give it no more; nothing for a leg that follows none."""


class PanelScreens(Protocol):
    """Screens and lamps of panels that have a panel link; others are silently passed over."""

    def show(
        self, panel_id: PanelId, call_id: CallId, state: PanelState, reason: EndReason | None
    ) -> None:
        """Show a state of the call."""

    def show_message(self, panel_id: PanelId, call_id: CallId, answer: ReadyAnswer) -> None:
        """Show a resident's ready answer, besides the call's state, until the call's end."""


class RelayOutcome(Enum):
    OPENED = "opened"
    """Measured."""
    SENT = "sent"
    """Accepted, without feedback."""
    UNKNOWN = "unknown"
    """No answer in time; it may have pulsed."""
    FAILED = "failed"
    """It certainly did not pulse."""


@dataclass(frozen=True, slots=True)
class RelayResult:
    outcome: RelayOutcome
    cause: str = ""
    """In words for a person, when not opened."""
    on_ms: int = 0
    """Measured length of the pulse, when opened."""
    coil_ma: int | None = None
    """Measured coil current, where the panel measures it."""


class RelayDriver(Protocol):
    """One way to pulse a relay."""

    async def pulse(
        self, relay: Relay, pulse_ms: int, command_id: CommandId, call_id: CallId | None
    ) -> RelayResult:
        """Pulse once and say what was measured; never raises for a relay's or network's fault."""


class EventSink(Protocol):
    """Where the event logs of commercial properties are kept; nothing of another one has a line."""

    def write(self, line: LogLine) -> None:
        """Keep a line; returns at once and never raises, whatever becomes of the database."""


@dataclass(slots=True)
class Ports:
    """The outside world of the calls; filled in by the composition root."""

    panels: PanelLegs
    apps: AppCalls
    phones: ResidentLegs
    presence: Presence
    screens: PanelScreens
    relays: Mapping[type[Relay], RelayDriver]
