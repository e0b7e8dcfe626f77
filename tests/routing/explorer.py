"""Try every order of events on a call, with the oracle looking on."""

from dataclasses import dataclass
from random import Random

from intercom.routing.call import Call
from intercom.routing.events import TimePassed
from intercom.routing.ids import LegId, ResidentId
from intercom.routing.limits import Limits
from intercom.routing.plan import Plan
from intercom.routing.table import Setting, events_of
from tests.routing.oracle import Objectionable, Oracle
from tests.routing.scenes import SETTING, call_key, make_call

START_AT = 1000.0


@dataclass(slots=True)
class Explored:
    states: int = 0
    transitions: int = 0


Path = tuple["Path", str] | None
"""The events that led to a state, the last one outermost."""


def explore(
    plan: Plan,
    depth: int,
    *,
    setting: Setting = SETTING,
    limits: Limits | None = None,
    kind: type[Call] = Call,
    without_right: frozenset[ResidentId] = frozenset(),
) -> Explored:
    """Follow every order of `depth` events; states that act alike are followed once.

    An order is cut short only where it leads to a state that an order no longer than it has led
    to. Raises Objectionable with the events that led there.
    """
    call = make_call(plan, limits, kind, without_right)
    oracle = Oracle(
        is_talk_before_key=limits is None or limits.is_talk_before_key, without_right=without_right
    )
    oracle.begin(call.start(START_AT), call.deadline, START_AT)
    front: list[tuple[Call, Oracle, float, Path]] = [(call, oracle, START_AT, None)]
    seen = {(call_key(call, START_AT), oracle.key(START_AT))}
    explored = Explored()
    for step in range(depth):
        behind, front = front, []
        is_last = step == depth - 1
        new_panel_leg = LegId(f"panel-{step + 2}")
        for call, oracle, now, path in behind:
            for possible in events_of(call, setting, new_panel_leg):
                event, label = possible.event, possible.label
                explored.transitions += 1
                after, onlooker = call.copy(), oracle.copy()
                is_time = isinstance(event, TimePassed) and call.deadline is not None
                at = call.deadline if is_time else now
                try:
                    onlooker.judge(event, after.handle(event, at), after.deadline, at)
                except Objectionable as objection:
                    way = _events_on((path, label))
                    raise Objectionable(*objection.args, way) from None
                if is_last:
                    continue
                key = (call_key(after, at), onlooker.key(at))
                if key not in seen:
                    seen.add(key)
                    front.append((after, onlooker, at, (path, label)))
    explored.states = len(seen)
    return explored


def wander(plan: Plan, chance: Random, *, setting: Setting = SETTING) -> int:
    """Follow one order of events to the end of the call, with time passing in between.

    Returns how many events that took. Raises Objectionable with the events that led there.
    """
    call, oracle, now = make_call(plan), Oracle(), START_AT
    oracle.begin(call.start(now), call.deadline, now)
    path: Path = None
    events = 0
    while call.deadline is not None:
        events += 1
        assert events < 2000, "a call that never ends"
        possible = chance.choice(list(events_of(call, setting, LegId(f"panel-{events + 1}"))))
        event, label = possible.event, possible.label
        if chance.random() < 0.05:
            event, label = TimePassed(), "TimePassed"
        is_time = isinstance(event, TimePassed)
        now = call.deadline if is_time else chance.uniform(now, min(now + 5.0, call.deadline))
        path = (path, f"{label} at {now - START_AT:.3f}")
        try:
            oracle.judge(event, call.handle(event, now), call.deadline, now)
        except Objectionable as objection:
            raise Objectionable(*objection.args, _events_on(path)) from None
    return events


def _events_on(path: Path) -> str:
    events: list[str] = []
    while path is not None:
        path, label = path
        events.append(label)
    return " > ".join(reversed(events))
