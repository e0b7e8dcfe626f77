"""Houses and calls for the tests: Anna with two apps and a phone, Bo with an app and a phone."""

from itertools import count

from intercom.routing.call import Call
from intercom.routing.call_base import CallState
from intercom.routing.commands import Command
from intercom.routing.directory import Doorbell
from intercom.routing.events import Event, TimePassed
from intercom.routing.ids import (
    CallId,
    CommandId,
    DeviceId,
    DoorbellId,
    DoorId,
    LegId,
    PropertyId,
    ResidentId,
)
from intercom.routing.legs import Legs
from intercom.routing.limits import Limits
from intercom.routing.plan import (
    AppTarget,
    PhoneTarget,
    Plan,
    RegisteredPhoneTarget,
    SipPhoneTarget,
    Stage,
)
from intercom.routing.table import Setting

ANNA, BO = ResidentId("anna"), ResidentId("bo")
ANNA_APP = AppTarget(ANNA, DeviceId("anna-1"))
ANNA_TABLET = AppTarget(ANNA, DeviceId("anna-2"))
BO_APP = AppTarget(BO, DeviceId("bo-1"))
STRANGER_APP = AppTarget(ResidentId("stranger"), DeviceId("stranger-1"))
ANNA_DESK = SipPhoneTarget(ANNA, DeviceId("anna-desk"), "sip:desk@192.0.2.7")
ANNA_SOFTPHONE = RegisteredPhoneTarget(ANNA, "anna-soft", "sip:anna@192.0.2.8")
ANNA_PHONE = PhoneTarget(ANNA, "+4790000001")
BO_PHONE = PhoneTarget(BO, "+4790000002")

DOORBELL = Doorbell(DoorbellId("flat-1"), PropertyId("house"), "Anna and Bo", (ANNA, BO))
DOOR = DoorId("main")
PANEL_LEG = LegId("panel-1")
SETTING = Setting(button="flat-1", open_key="5")

APPS_THEN_PHONES = Plan(
    (Stage((ANNA_APP, BO_APP), 10.0), Stage((ANNA_PHONE,), 20.0), Stage((BO_PHONE,), 20.0))
)
TWO_APPS_OF_ONE = Plan((Stage((ANNA_APP, ANNA_TABLET, BO_APP), 10.0), Stage((ANNA_PHONE,), 20.0)))
WITH_DESK_PHONE = Plan((Stage((ANNA_DESK, BO_APP), 10.0), Stage((ANNA_PHONE,), 20.0)))
IN_TURN = Plan(
    (
        Stage((ANNA_APP,), 10.0, is_kept=True, turn_of=frozenset({ANNA})),
        Stage((ANNA_PHONE,), 15.0, is_kept=True),
        Stage((BO_PHONE,), 30.0, turn_of=frozenset({BO})),
    )
)
TOGETHER = Plan(
    (Stage((ANNA_APP, ANNA_PHONE), 30.0, is_kept=True), Stage((BO_APP, BO_PHONE), 30.0))
)
PHONES_ONLY = Plan((Stage((ANNA_PHONE,), 20.0), Stage((BO_PHONE,), 20.0)))


def make_call(
    plan: Plan = APPS_THEN_PHONES,
    limits: Limits | None = None,
    kind: type[Call] = Call,
    without_right: frozenset[ResidentId] = frozenset(),
) -> Call:
    """Make a call that has not begun; its legs are leg-1, leg-2 … in the order of ringing."""
    numbers = {"leg": count(1), "command": count(1)}
    return kind(
        CallId("call"),
        panel_leg=PANEL_LEG,
        button=SETTING.button,
        doorbell=DOORBELL,
        door_id=DOOR,
        open_keys=frozenset({SETTING.open_key}),
        plan=plan,
        limits=limits or Limits(),
        new_id=lambda word: f"{word}-{next(numbers[word])}",
        has_right=lambda resident_id: resident_id not in without_right,
    )


def call_key(call: Call, now: float) -> tuple[object, ...]:
    """Tell apart calls that may act differently; ids and absolute times do not matter.

    Identities stand for enum members and targets, which live as long as the tests: their own
    hashes would take most of an exploration's time.
    """
    if call.state is CallState.CLOSED:
        return (id(call.state), legs_key(call.legs))
    done = call.openings
    asker = None if done.by_leg is None else call.legs.get(done.by_leg)
    return (
        id(call.state),
        legs_key(call.legs),
        tuple(sorted((id(timer), round(at - now, 3)) for timer, at in call.timers.items())),
        (done.used, done.has_pulsed, done.outstanding is None),
        None if asker is None else (id(asker.target), id(asker.state)),
        len(call._stages),
        sum(len(stage.targets) for stage in call._stages),
        (call._is_phone_stage, round(call._stage_left_s, 3), call._spare_s, call._declined),
        (call._is_panel_answered, call._is_anybody_reached, call._is_limited, call._has_talked),
        call._residents,
    )


def legs_key(legs: Legs) -> tuple[tuple[int, int], ...]:
    """Describe the legs; of those that are over, one of each kind is as good as many."""
    return tuple(sorted({(id(leg.target), id(leg.state)) for leg in legs}))


class Play:
    """A call on a stage: `at(3.0, event)` lets the time up to 3 s pass first, then the event in.

    Legs have the ids leg-1, leg-2 … in the order in which they began to ring.
    """

    def __init__(
        self,
        plan: Plan = APPS_THEN_PHONES,
        limits: Limits | None = None,
        without_right: frozenset[ResidentId] = frozenset(),
    ) -> None:
        self.call = make_call(plan, limits, without_right=without_right)
        self.done: list[Command] = self.call.start(0.0)
        """Everything so far."""

    def at(self, now: float, *events: Event) -> list[Command]:
        """Return what comes of the events alone, which are told in one tick."""
        self.wait_until(now)
        commands = [each for event in events for each in self.call.handle(event, now)]
        self.done += commands
        return commands

    def wait_until(self, now: float) -> list[Command]:
        """Let every deadline up to and including `now` pass, and return what comes of it."""
        commands: list[Command] = []
        while self.call.deadline is not None and self.call.deadline <= now:
            commands += self.call.handle(TimePassed(), self.call.deadline)
        self.done += commands
        return commands


def leg(number: int) -> LegId:
    """Name the leg that rang as the number-th."""
    return LegId(f"leg-{number}")


def command(number: int) -> CommandId:
    """Name the call's number-th opening."""
    return CommandId(f"command-{number}")
