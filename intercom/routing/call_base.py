"""What a call has in every state: its legs, its timers, its commands and its end."""

from collections.abc import Callable
from enum import Enum
from typing import Self

from intercom.routing.commands import (
    AnswerPanel,
    CancelLeg,
    CloseCall,
    Command,
    DisconnectLeg,
    EndLeg,
    EndPanel,
    EndReason,
    PanelState,
    PlayTone,
    QuietLeg,
    RingLeg,
    ShowPanel,
    Tone,
)
from intercom.routing.directory import Doorbell
from intercom.routing.door import Openings
from intercom.routing.ids import CallId, DoorId, LegId, ResidentId
from intercom.routing.legs import ANSWERED, Leg, Legs, LegState
from intercom.routing.limits import Limits, Timer, Timers
from intercom.routing.plan import Plan, Target


class CallState(Enum):
    READY = "ready"
    """Not begun."""
    RINGING = "ringing"
    UNACCEPTED = "unaccepted"
    """A phone was answered, but nobody has pressed a key on it; the others ring on."""
    TALKING = "talking"
    OPENED = "opened"
    """The door was asked to open and nobody talks: nothing rings any more."""
    CLOSED = "closed"


TIMERS_OF = {
    CallState.RINGING: frozenset({Timer.CALL, Timer.STAGE}),
    CallState.UNACCEPTED: frozenset(
        {Timer.CALL, Timer.ASK_FOR_KEY, Timer.ACCEPT, Timer.TALK_WARNING, Timer.TALK}
    ),
    CallState.TALKING: frozenset(
        {Timer.CALL, Timer.TALK_WARNING, Timer.TALK, Timer.DOOR, Timer.CLOSE}
    ),
    CallState.OPENED: frozenset({Timer.CALL, Timer.DOOR, Timer.CLOSE}),
    CallState.CLOSED: frozenset[Timer](),
}
"""The timers that run on when a state is entered; all others stop."""


class CallBase:
    """The parts of a call and the moves that several states share."""

    def __init__(
        self,
        call_id: CallId,
        *,
        panel_leg: LegId,
        button: str,
        doorbell: Doorbell,
        door_id: DoorId,
        open_keys: frozenset[str],
        plan: Plan,
        limits: Limits,
        new_id: Callable[[str], str],
        has_right: Callable[[ResidentId], bool],
    ) -> None:
        """Prepare a call.

        `new_id("leg")` and `new_id("command")` must never repeat themselves. `has_right` tells
        whether a person may open the call's door at this very moment.
        """
        self.call_id = call_id
        self.panel_leg = panel_leg
        """The leg that the visitor stands at now."""
        self.state = CallState.READY
        self.legs = Legs()
        self.timers = Timers()
        self.openings = Openings()
        self._button = button
        self._residents = frozenset(doorbell.residents)
        self._door_id = door_id
        self._open_keys = open_keys
        self._stages = tuple(stage for stage in plan.stages if stage.targets)
        """Those that have not begun."""
        self._is_phone_stage = False
        """Whether the stage that runs is a phone's turn."""
        self._stage_left_s = 0.0
        """What an answered phone left of its stage: the plan stands still until it is accepted."""
        self._spare_s = 0.0
        """The time of phones that are skipped after a decline: the others ring on for it."""
        self._plan = plan
        self._limits = limits
        self._new_id = new_id
        self._has_right = has_right
        self._declined: frozenset[ResidentId] = frozenset()
        self._is_panel_answered = False
        self._is_anybody_reached = False
        self._is_limited = False
        """A phone was not called, because too many had been; the visitor is told so."""
        self._has_talked = False
        self._out: list[Command] = []

    def copy(self) -> Self:
        """Make an independent copy that goes on drawing ids from the same source."""
        twin = type(self).__new__(type(self))
        parts = {"legs": self.legs.copy(), "timers": self.timers.copy(), "_out": []}
        twin.__dict__.update(self.__dict__ | parts)
        return twin

    @property
    def deadline(self) -> float | None:
        """When TimePassed is due, in monotonic seconds; always set while the call lives."""
        return self.timers.earliest()

    @property
    def connected_leg(self) -> LegId | None:
        """The leg that hears the visitor and is heard."""
        leg = self.legs.answered()
        return leg.leg_id if leg is not None and self._is_gate_open(leg) else None

    def end(self, reason: EndReason) -> list[Command]:
        """End the call from outside: a fault of the service, or its shutting down."""
        if self.state is not CallState.CLOSED:
            self._end(reason)
        return self._take_commands()

    def _ring(self, target: Target) -> Leg:
        leg = Leg(LegId(self._new_id("leg")), target)
        self.legs.add(leg)
        self._do(RingLeg(leg.leg_id, target))
        return leg

    def _quiet(self, leg: Leg) -> None:
        self.legs.move(leg, LegState.QUIET)
        self._do(QuietLeg(leg.leg_id))

    def _drop_others(self, winner: Leg, reason: EndReason) -> None:
        for leg in self.legs.live():
            if leg.leg_id != winner.leg_id:
                self._drop(leg, reason)

    def _drop(self, leg: Leg, reason: EndReason) -> None:
        """Stop one leg while the call goes on."""
        self._is_anybody_reached = True
        self._shut_gate(leg)
        self._stop(leg, reason)

    def _stop(self, leg: Leg, reason: EndReason) -> None:
        if leg.state in ANSWERED:
            self._do(EndLeg(leg.leg_id, reason))
            self.legs.move(leg, LegState.ENDED, reason)
        else:
            self._do(CancelLeg(leg.leg_id, reason))
            self.legs.move(leg, LegState.CANCELLED, reason)

    def _shut_gate(self, leg: Leg) -> None:
        """Part an unaccepted phone from the visitor; an accepted leg takes the call with it."""
        if leg.state is LegState.UNACCEPTED and self._is_gate_open(leg):
            self._do(DisconnectLeg(leg.leg_id))

    def _is_gate_open(self, leg: Leg) -> bool:
        is_open = leg.state is LegState.UNACCEPTED and self._limits.is_talk_before_key
        return is_open or leg.state is LegState.CONNECTED

    def _answer_panel(self) -> None:
        if not self._is_panel_answered:
            self._is_panel_answered = True
            self._do(AnswerPanel())

    def _play_to_both(self, tone: Tone) -> None:
        self._do(PlayTone(None, tone))
        if (leg_id := self.connected_leg) is not None:
            self._do(PlayTone(leg_id, tone))

    def _end(self, reason: EndReason, *last: Command) -> None:
        """End everything, once; nothing is done for this call afterwards."""
        for leg in self.legs.live():
            self._stop(leg, reason)
        self._enter(CallState.CLOSED)
        self._do(EndPanel(reason), ShowPanel(PanelState.ENDED, reason), *last, CloseCall(reason))

    def _reason_of_nobody(self) -> EndReason:
        """Say why nobody is there: a limit before all else, for the visitor can wait it out."""
        if self._plan.is_quiet:
            return EndReason.QUIET_HOURS
        if self._is_limited:
            return EndReason.TOO_MANY_CALLS
        is_reached = self._is_anybody_reached or self.legs.live()
        return EndReason.NOBODY_ANSWERED if is_reached else EndReason.NOBODY_REACHABLE

    def _enter(self, state: CallState) -> None:
        self.state = state
        self.timers.keep(TIMERS_OF[state])

    def _do(self, *commands: Command) -> None:
        self._out.extend(commands)

    def _take_commands(self) -> list[Command]:
        commands, self._out = self._out, []
        return commands
