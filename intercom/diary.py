"""What a call is remembered by: nothing in a residential property, lines of the event log in a commercial one.

Which of the two a call has follows from the type of its property (requirements A12, A13). A `Diary` has
no sink, no clock and no memory, so nothing that it is told can go anywhere; a `CommercialDiary` needs the
`CommercialProperty` whose log its lines name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from typing_extensions import override

from intercom.ports import EventSink, RelayOutcome
from intercom.routing import commands as do
from intercom.routing import events as ev
from intercom.routing.directory import CommercialProperty, Door, Doorbell, Property
from intercom.routing.ids import CallId, CommandId, LegId, LogId, ResidentId
from intercom.routing.log_line import LogLine, Means, What
from intercom.routing.plan import AppTarget, PhoneTarget, Target

_OUTCOMES: Final = {
    RelayOutcome.OPENED: What.OPENED,
    RelayOutcome.SENT: What.SENT,
    RelayOutcome.UNKNOWN: What.UNKNOWN,
    RelayOutcome.FAILED: What.FAILED,
}
_DOORS: Final[dict[type[ev.Event], What]] = {
    ev.DoorOpened: What.OPENED,
    ev.DoorSent: What.SENT,
    ev.DoorUnknown: What.UNKNOWN,
    ev.DoorFailed: What.FAILED,
}


class Diary:
    """A call's in a residential property: hears everything, and keeps and tells nothing."""

    __slots__ = ()

    def heard(self, event: ev.Event) -> None:
        """Take in what happened to the call."""

    def did(self, command: do.Command) -> None:
        """Take in what the call wants done."""


class Openings:
    """Of a residential property's doors without a call: hears everything, and keeps and tells nothing."""

    __slots__ = ()

    def opened(
        self, door: Door, outcome: RelayOutcome, who: ResidentId | None, means: Means
    ) -> None:
        """Take in what came of a wish to open, by the key in the app or the test of a relay."""

    def refused(self, door: Door, who: ResidentId, means: Means) -> None:
        """Take in a wish to open that there was no right for."""


class Diaries:
    """Opens a diary by the type of a property."""

    def __init__(
        self, sink: EventSink, *, now: Callable[[], datetime], token: Callable[[int], str]
    ) -> None:
        """Give what the lines of commercial properties need: where they go, the time, random hex."""
        self._sink = sink
        self._now = now
        self._token = token

    def of_call(self, prop: Property, call_id: CallId, doorbell: Doorbell, door: Door) -> Diary:
        """Open a call's."""
        match prop:
            case CommercialProperty(log=str() as log):
                return CommercialDiary(self._pen(log), call_id, doorbell, door)
            case _:
                return Diary()

    def of_openings(self, prop: Property) -> Openings:
        """Open that of a property's doors, for what is opened without a call."""
        match prop:
            case CommercialProperty(log=str() as log):
                return CommercialOpenings(self._pen(log))
            case _:
                return Openings()

    def _pen(self, log: str) -> "Pen":
        return Pen(LogId(log), self._sink, self._now, self._token)


@dataclass(frozen=True, slots=True)
class Pen:
    """Writes lines into one commercial property's log."""

    log: LogId
    sink: EventSink
    now: Callable[[], datetime]
    token: Callable[[int], str]

    def write(
        self,
        what: What,
        *,
        door: str = "",
        call: str = "",
        doorbell: str = "",
        person: ResidentId | None = None,
        means: Means | None = None,
    ) -> None:
        """Write one line, now."""
        at = self.now()
        line_id = uuid7(at, self.token(20))
        self.sink.write(LogLine(line_id, self.log, at, what, call, doorbell, door, person, means))


class CommercialDiary(Diary):
    """A call's in a commercial property: who was called, answered and opened, when and by which means."""

    __slots__ = (
        "_asked",
        "_call_id",
        "_door",
        "_doorbell",
        "_is_settled",
        "_legs",
        "_pen",
        "_rung",
    )

    def __init__(self, pen: Pen, call_id: CallId, doorbell: Doorbell, door: Door) -> None:
        self._pen = pen
        self._call_id = call_id
        self._doorbell = doorbell
        self._door = door
        self._legs: dict[LegId, Target] = {}
        """Those that ring, or were picked up as a phone and not accepted by a key yet."""
        self._rung: dict[LegId, Target] = {}
        """All that ever rang."""
        self._asked: dict[CommandId, LegId] = {}
        """Openings whose result is still to come."""
        self._is_settled = False
        """Whether somebody answered, declined or opened."""

    @override
    def heard(self, event: ev.Event) -> None:
        match event:
            case ev.LegAnswered(leg_id) if not isinstance(self._legs.get(leg_id), PhoneTarget):
                self._write_of_leg(What.ANSWERED, leg_id)
            case ev.DigitPressed(leg_id):  # a phone that was picked up is a person's by now
                self._write_of_leg(What.ANSWERED, leg_id)
            case ev.LegDeclined(leg_id) | ev.LegFailed(leg_id, ev.LegFailure.DECLINED):
                self._write_of_leg(What.DECLINED, leg_id)
            case ev.LegFailed(leg_id, failure) if failure is not ev.LegFailure.CANCELLED:
                self._write_of_leg(What.UNREACHED, leg_id, settles=False)
            case ev.LegFailed(leg_id) | ev.LegEnded(leg_id):
                self._legs.pop(leg_id, None)
            case (
                ev.DoorOpened(command_id)
                | ev.DoorSent(command_id)
                | ev.DoorUnknown(command_id)
                | ev.DoorFailed(command_id)
            ) if (leg := self._asked.pop(command_id, None)) is not None:
                self._write(_DOORS[type(event)], self._rung.get(leg))
            case _:  # nothing that anybody did
                pass

    @override
    def did(self, command: do.Command) -> None:
        match command:
            case do.RingLeg(leg_id, target):
                self._legs[leg_id] = self._rung[leg_id] = target
                self._write(What.RANG, target)
            case do.CancelLeg(leg_id) | do.EndLeg(leg_id):
                self._legs.pop(leg_id, None)
            case do.OpenDoor(_, command_id, by_leg):
                self._asked[command_id] = by_leg
                self._is_settled = True
            case do.TellVisitor(leg_id):
                self._is_settled = True
                self._write(What.MESSAGE, self._rung.get(leg_id))
            case do.TellDoor(leg_id, do.DoorState.REFUSED):
                self._write(What.REFUSED, self._rung.get(leg_id))
            case do.CloseCall() if not self._is_settled:
                self._write(What.MISSED, None)
            case _:  # how it is done, or what `heard` has the result of
                pass

    def _write_of_leg(self, what: What, leg_id: LegId, *, settles: bool = True) -> None:
        """Write what became of a leg that rang, once."""
        target = self._legs.pop(leg_id, None)
        if target is not None:
            self._is_settled |= settles
            self._write(what, target)

    def _write(self, what: What, target: Target | None) -> None:
        self._pen.write(
            what,
            door=self._door.name,
            call=self._call_id,
            doorbell=self._doorbell.name,
            person=None if target is None else target.resident_id,
            means=None if target is None else _means_of(target),
        )


class CommercialOpenings(Openings):
    """Of a commercial property's doors: who opened without a call, when and by which means."""

    __slots__ = ("_pen",)

    def __init__(self, pen: Pen) -> None:
        self._pen = pen

    @override
    def opened(
        self, door: Door, outcome: RelayOutcome, who: ResidentId | None, means: Means
    ) -> None:
        self._pen.write(_OUTCOMES[outcome], door=door.name, person=who, means=means)

    @override
    def refused(self, door: Door, who: ResidentId, means: Means) -> None:
        self._pen.write(What.REFUSED, door=door.name, person=who, means=means)


class NoSink:
    """Where there is no database; no commercial property has a log then, and this is never called."""

    def write(self, line: LogLine) -> None:
        """Forget it."""


def uuid7(at: datetime, entropy: str) -> str:
    """Make a UUIDv7 (RFC 9562 §5.7) of an aware time and at least 19 random hex digits."""
    digits = f"{int(at.timestamp() * 1000):012x}7{entropy[:3]}"
    variant = f"{int(entropy[3], 16) & 3 | 8:x}"
    digits += variant + entropy[4:19]
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _means_of(target: Target) -> Means:
    match target:
        case AppTarget():
            return Means.APP
        case PhoneTarget():
            return Means.PHONE
        case _:
            return Means.SIP_PHONE
