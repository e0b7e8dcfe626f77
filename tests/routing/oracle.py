"""An onlooker that knows a call only by its events and commands, and objects to what must not be.

It shares no code with the machine: who may open, who rings and who talks is worked out here a
second time, from the requirements.
"""

from enum import Enum

from intercom.routing import commands as do
from intercom.routing import events as ev
from intercom.routing.commands import Command, EndReason, PanelState
from intercom.routing.ids import CommandId, LegId
from intercom.routing.plan import AppTarget, PhoneTarget, Target
from tests.routing.scenes import ANNA, BO, DOOR, PANEL_LEG, SETTING

TALK_S, CALL_S, ACCEPT_S, CLOSE_S = 120.0, 180.0, 45.0, 10.0
DOOR_S = 10.0 - 1e-6  # The difference of two times is rounded.
MAX_OPENINGS = 3
DOOR_RESULTS = {
    ev.DoorOpened: (do.Tone.OPENED, PanelState.OPENED),
    ev.DoorSent: (do.Tone.OPENED, PanelState.SENT),
    ev.DoorUnknown: (do.Tone.REFUSED, PanelState.NO_ANSWER_FROM_DOOR),
    ev.DoorFailed: (do.Tone.REFUSED, PanelState.REFUSED),
}
LEG_OVER = (ev.LegFailed, ev.LegEnded, ev.LegDeclined)


class Objectionable(Exception):  # noqa: N818 - it is what the onlooker says
    """Something that must never happen did happen."""


class Was(Enum):
    UNKNOWN = "unknown"
    RINGING = "ringing"
    QUIET = "quiet"
    ANSWERED = "answered"
    """An ordinary phone without a key so far."""
    ACCEPTED = "accepted"
    CANCELLED = "cancelled"
    OVER = "over"


RINGS = {Was.RINGING, Was.QUIET}
TALKS = {Was.ANSWERED, Was.ACCEPTED}
LIVES = RINGS | TALKS


def insist(fact: bool, words: str) -> None:
    """Object unless the fact holds."""
    if not fact:
        raise Objectionable(words)


class Oracle:
    """Judge one call; `copy` it where the call is copied."""

    def __init__(
        self, *, is_talk_before_key: bool = True, without_right: frozenset[str] = frozenset()
    ) -> None:
        self.is_talk_before_key = is_talk_before_key
        self.without_right = without_right
        self.people = frozenset({ANNA, BO})
        """Whoever still belongs to the doorbell."""
        self.legs: dict[LegId, Was] = {}
        self.targets: dict[LegId, Target] = {}
        """Shared by all copies, since ids are never used twice."""
        self.panel = PANEL_LEG
        self.connected: LegId | None = None
        self.connected_at = self.answered_at = self.started_at = self.asked_at = 0.0
        self.pulsed_at: float | None = None
        self.outstanding: CommandId | None = None
        self.used = 0
        self.is_opened_unheard = False
        """Somebody asked to open while nobody talked; nothing rings any more."""
        self.declined: frozenset[str] = frozenset()
        self.is_closed = False

    def copy(self) -> "Oracle":
        """Make an independent copy."""
        twin = Oracle.__new__(Oracle)
        twin.__dict__.update(self.__dict__)
        twin.legs = self.legs.copy()
        return twin

    def key(self, now: float) -> tuple[object, ...]:
        """Describe what the next judgement depends on."""
        connected = self.connected
        legs = tuple(sorted({(id(self.targets[leg]), id(was)) for leg, was in self.legs.items()}))
        if self.is_closed:
            return (legs,)
        return (
            legs,
            None if connected is None else id(self.targets[connected]),
            None if connected is None else round(now - self.connected_at, 3),
            None if self.pulsed_at is None else round(now - self.pulsed_at, 3),
            None if self.outstanding is None else round(now - self.asked_at, 3),
            self.used,
            self.is_opened_unheard,
            self.declined,
            self.people,
        )

    def begin(self, commands: list[Command], deadline: float | None, now: float) -> None:
        """Judge the start."""
        self.started_at = now
        self.judge(None, commands, deadline, now)

    def judge(
        self, event: ev.Event | None, commands: list[Command], deadline: float | None, now: float
    ) -> None:
        """Take one event and what the call made of it; raise Objectionable."""
        if self.is_closed:
            insist(not commands, "a closed call does something")
            insist(deadline is None, "a closed call waits for something")
            return
        before = _Before(self, event)
        self._take(event, now)
        for command in commands:
            insist(not self.is_closed, "something comes after CloseCall")
            self._check(command, before, now)
        self._check_ringing(commands, before)
        self._check_wish(commands, before)
        self._check_ready_answer(event, commands, before)
        self._check_answer(event, commands, before)
        self._check_panel(event, commands, before)
        self._check_door(event, commands, before, now)
        self._check_time(event, deadline, now)
        self._check_end(commands)

    # What the events alone say.

    def _take(self, event: ev.Event | None, now: float) -> None:
        leg = getattr(event, "leg_id", None)
        was = self.legs.get(leg, Was.UNKNOWN)
        if isinstance(event, ev.ResidentsChanged):
            self.people &= event.residents
        if isinstance(event, ev.LegAnswered) and was in RINGS:
            is_phone = isinstance(self.targets[leg], PhoneTarget)
            self.legs[leg] = Was.ANSWERED if is_phone else Was.ACCEPTED
            self.answered_at = now
        elif isinstance(event, ev.DigitPressed) and was is Was.ANSWERED:
            self.legs[leg] = Was.ACCEPTED
        elif isinstance(event, LEG_OVER) and was is not Was.UNKNOWN:
            self.legs[leg] = Was.OVER
            if was in LIVES and _is_decline(event, self.targets[leg]):
                self.declined |= {self.targets[leg].resident_id}

    def may_open(self, event: ev.Event | None) -> bool:
        """Work out who may open, from what was seen so far."""
        leg = getattr(event, "leg_id", None)
        was, target = self.legs.get(leg, Was.UNKNOWN), self.targets.get(leg)
        if target is None or target.resident_id not in self.people - self.without_right:
            return False
        if isinstance(event, ev.DigitPressed):
            is_key = event.digit == SETTING.open_key
            return is_key and was in TALKS and not isinstance(target, AppTarget)
        is_asked = isinstance(event, ev.OpenRequested)
        return is_asked and isinstance(target, AppTarget) and was in {*RINGS, Was.ACCEPTED}

    # Each command by itself.

    def _check(self, command: Command, before: "_Before", now: float) -> None:
        match command:
            case do.RingLeg() | do.QuietLeg() | do.CancelLeg() | do.EndLeg():
                self._check_leg_command(command, before)
            case do.ConnectLeg(leg) | do.DisconnectLeg(leg):
                self._check_gate(command, leg, now)
            case do.PlayPrompt(leg):
                insist(self.legs[leg] in TALKS, "a prompt for a phone that is not answered")
            case do.PlayTone(leg) if leg is not None:
                insist(leg == self.connected, "a tone for a leg that is not in the call")
            case do.TellDoor() | do.TellVisitor():
                self._check_telling(command, before)
            case do.OpenDoor():
                self._check_opening(command, before, now)
            case do.CloseCall():
                self.is_closed = True

    def _check_leg_command(
        self, command: do.RingLeg | do.QuietLeg | do.CancelLeg | do.EndLeg, before: "_Before"
    ) -> None:
        leg = command.leg_id
        was = self.legs.get(leg, Was.UNKNOWN)
        match command:
            case do.RingLeg(_, target):
                insist(was is Was.UNKNOWN, "a leg id is used twice")
                insist(target.resident_id not in self.declined, "a person who declined is rung")
                insist(target.resident_id in self.people, "a person who has left is rung")
                insist(Was.ACCEPTED not in self.legs.values(), "it rings on during the talk")
                self.legs[leg] = Was.RINGING
                self.targets[leg] = target
            case do.QuietLeg():
                insist(was is Was.RINGING, "a leg that does not ring is quieted")
                self.legs[leg] = Was.QUIET
            case do.CancelLeg(_, reason):
                insist(was in RINGS, "a leg is cancelled that does not ring")
                self._check_reason(reason, before)
                self.legs[leg] = Was.CANCELLED
            case do.EndLeg():
                is_late = before.leg == leg and before.is_late_answer
                insist(was in TALKS or is_late, "a leg is hung up that was not answered")
                self.legs[leg] = Was.OVER
                self.connected = None if self.connected == leg else self.connected

    def _check_telling(self, command: do.TellDoor | do.TellVisitor, before: "_Before") -> None:
        match command:
            case do.TellDoor(leg):
                is_app = isinstance(self.targets[leg], AppTarget)
                is_refused = self.legs[leg] is Was.ACCEPTED and leg == before.leg
                insist(is_app or is_refused, "the door's news for a phone that did not ask")
                insist(self.legs[leg] in LIVES, "the door's news for no live leg")
            case do.TellVisitor(leg, answer):
                insist(before.event == ev.AnswerChosen(leg, answer), "words that nobody chose")
                is_app = isinstance(self.targets.get(leg), AppTarget)
                insist(is_app and before.was in LIVES, "a ready answer from no live app")

    def _check_reason(self, reason: EndReason, before: "_Before") -> None:
        if reason is EndReason.ANSWERED_ELSEWHERE:
            insist(Was.ACCEPTED in self.legs.values(), "answered elsewhere, but nobody did")
        if reason is EndReason.OPENED_ELSEWHERE:
            insist(before.may_open, "opened elsewhere, but nobody did")

    def _check_gate(
        self, command: do.ConnectLeg | do.DisconnectLeg, leg: LegId, now: float
    ) -> None:
        if isinstance(command, do.DisconnectLeg):
            insist(self.connected == leg, "a gate is shut that was not open")
            self.connected = None
            return
        insist(self.connected is None, "two legs are connected")
        was = self.legs[leg]
        is_phone_early = was is Was.ANSWERED and self.is_talk_before_key
        insist(was is Was.ACCEPTED or is_phone_early, "the microphone is open before the answer")
        self.connected, self.connected_at = leg, now
        self.is_opened_unheard = False

    def _check_opening(self, command: do.OpenDoor, before: "_Before", now: float) -> None:
        insist(before.may_open, "the door opens though nobody may")
        insist(command.by_leg == before.leg, "the door opens in somebody else's name")
        insist(command.door_id == DOOR, "another door opens")
        insist(self.outstanding is None, "two openings at once")
        insist(self.used < MAX_OPENINGS, "too many openings")
        self.outstanding, self.asked_at = command.command_id, now
        self.is_opened_unheard = self.connected != command.by_leg

    # What must have come of the event.

    def _check_ringing(self, commands: list[Command], before: "_Before") -> None:
        live = [leg for leg, was in self.legs.items() if was in LIVES]
        phones = [leg for leg in live if isinstance(self.targets[leg], PhoneTarget)]
        insist(len(phones) <= 1, "two phones ring for one call")
        accepted = [leg for leg in live if self.legs[leg] is Was.ACCEPTED]
        insist(not accepted or live == accepted, "others ring on though somebody answered")
        silenced = [leg for leg in live if self.targets[leg].resident_id in self.declined]
        insist(not silenced, "a device of a person who declined lives on")
        strangers = [leg for leg in live if self.targets[leg].resident_id not in self.people]
        insist(not strangers, "a device of a person who has left lives on")
        if any(isinstance(each, do.OpenDoor) for each in commands):
            insist(live == [before.leg], "others ring on though the door opens")

    def _check_wish(self, commands: list[Command], before: "_Before") -> None:
        if not before.may_open or before.was_outstanding is not None:
            return
        if self.used < MAX_OPENINGS:
            opened = any(isinstance(each, do.OpenDoor) for each in commands)
            insist(opened, "somebody may open, but the door does not")
        else:
            insist(do.PlayTone(None, do.Tone.REFUSED) in commands, "refused without a word")

    def _check_ready_answer(
        self, event: ev.Event | None, commands: list[Command], before: "_Before"
    ) -> None:
        if not isinstance(event, ev.AnswerChosen):
            return
        is_app = isinstance(self.targets.get(event.leg_id), AppTarget)
        is_told = is_app and before.was in LIVES
        told = [do.TellVisitor(event.leg_id, event.answer)] if is_told else []
        insist(commands == told, "a ready answer does anything else, or nothing")

    def _check_answer(
        self, event: ev.Event | None, commands: list[Command], before: "_Before"
    ) -> None:
        if not isinstance(event, ev.LegAnswered):
            return
        leg = event.leg_id
        if before.is_late_answer:
            ended = [each.leg_id for each in commands if isinstance(each, do.EndLeg)]
            insist(ended == [leg] and len(commands) == 1, "a late answer is not hung up at once")
        elif before.was not in RINGS:
            insist(not commands, "an answer of no ringing leg does something")
        elif self.legs[leg] is Was.ACCEPTED or self.is_talk_before_key:
            insist(self.connected == leg, "whoever answered first is not connected")

    def _check_panel(
        self, event: ev.Event | None, commands: list[Command], before: "_Before"
    ) -> None:
        match event:
            case ev.PanelLeft(panel_leg) if panel_leg == self.panel:
                insist(do.CloseCall(EndReason.VISITOR_LEFT) in commands, "the visitor has left")
            case ev.PanelLeft():
                insist(not commands, "a panel leg that was replaced ends the call")
            case ev.ButtonPressed(panel_leg) if panel_leg == self.panel:
                insist(not commands, "one press counts twice")
            case ev.ButtonPressed(panel_leg) if before.was_connected:
                refusal = do.RefusePanelLeg(panel_leg, EndReason.IN_USE)
                insist(commands == [refusal], "a press during talk is not just refused")
            case ev.ButtonPressed(panel_leg, SETTING.button) if before.can_join:
                insist(commands[0] == do.AdoptPanelLeg(panel_leg, self.panel), "it does not join")
                insist(len(commands) == 2, "the same button does more than join")
                self.panel = panel_leg
            case ev.ButtonPressed(panel_leg, button):
                insist(commands[-2] == do.StartAnew(panel_leg, button), "no new call")
                insist(self.is_closed, "another button, and the old call lives on")

    def _check_door(
        self, event: ev.Event | None, commands: list[Command], before: "_Before", now: float
    ) -> None:
        kind = type(event)
        if kind is ev.TimePassed and before.was_outstanding and now - self.asked_at >= DOOR_S:
            kind = None if self.is_closed else ev.DoorUnknown
        elif kind in DOOR_RESULTS and event.command_id != before.was_outstanding:
            insist(not commands, "a stale result of the door is believed")
            return
        if kind not in DOOR_RESULTS:
            return
        tone, state = DOOR_RESULTS[kind]
        insist(do.PlayTone(None, tone) in commands, "the visitor does not hear of the door")
        insist(do.ShowPanel(state) in commands, "the visitor does not see what the door did")
        if before.was_connected:
            insist(do.PlayTone(before.was_connected, tone) in commands, "no tone in the talk")
        self.outstanding = None
        self.used += kind is not ev.DoorFailed
        if kind in {ev.DoorOpened, ev.DoorSent} or self.pulsed_at is not None:
            self.pulsed_at = now

    def _check_time(self, event: ev.Event | None, deadline: float | None, now: float) -> None:
        insist((deadline is None) == self.is_closed, "no deadline though the call lives")
        if deadline is None or not isinstance(event, ev.TimePassed):
            return
        insist(deadline > now, "time stands still")
        insist(now - self.started_at < CALL_S, "the call is too long")
        insist(self.connected is None or now - self.connected_at < TALK_S, "too long a talk")
        if Was.ANSWERED in self.legs.values():
            insist(now - self.answered_at < ACCEPT_S, "a phone without a key stays too long")
        if self.pulsed_at is not None and self.outstanding is None:
            insist(now - self.pulsed_at < CLOSE_S, "the call outlives the last pulse")

    def _check_end(self, commands: list[Command]) -> None:
        if self.connected is not None and self.legs[self.connected] not in TALKS:
            insist(self.is_closed or self.outstanding is not None, "the talk has nobody in it")
            self.connected = None
        ends = [each for each in commands if isinstance(each, do.EndPanel)]
        shown = [c for c in commands if isinstance(c, do.ShowPanel) and c.state is PanelState.ENDED]
        count = int(self.is_closed)
        insist(len(ends) == count and len(shown) == count, "the panel is not ended exactly once")
        if self.is_closed:
            live = [leg for leg, was in self.legs.items() if was in LIVES]
            insist(not live, "a leg rings or talks after the end")


class _Before:
    """What was known before the event."""

    __slots__ = (
        "can_join",
        "event",
        "is_late_answer",
        "leg",
        "may_open",
        "was",
        "was_connected",
        "was_outstanding",
    )

    def __init__(self, oracle: Oracle, event: ev.Event | None) -> None:
        self.event = event
        self.leg = getattr(event, "leg_id", None)
        self.was = oracle.legs.get(self.leg, Was.UNKNOWN)
        self.may_open = oracle.may_open(event)
        self.is_late_answer = isinstance(event, ev.LegAnswered) and self.was is Was.CANCELLED
        self.was_connected = oracle.connected
        self.was_outstanding = oracle.outstanding
        lives = any(was in LIVES for was in oracle.legs.values())
        is_over = oracle.is_opened_unheard and oracle.outstanding is None
        self.can_join = lives and not is_over


def _is_decline(event: ev.Event, target: Target) -> bool:
    """Tell a person's decline, which is for all devices, from a carrier's 603 for one number."""
    if isinstance(target, PhoneTarget):
        return False
    is_failure = isinstance(event, ev.LegFailed) and event.failure is ev.LegFailure.DECLINED
    return is_failure or isinstance(event, ev.LegDeclined)
