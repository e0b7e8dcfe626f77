"""The call's state table, read off the machine itself by trying every event in every state.

| column | meaning |
| --- | --- |
| Event | with the parts that its leg may play, such as `ringing app` or `cancelled leg` |
| Next | the state afterwards |
| Commands | those that always come; in brackets those that depend on what else rings |
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from intercom.routing.call import Call
from intercom.routing.call_base import CallState
from intercom.routing.commands import ReadyAnswer
from intercom.routing.events import (
    AnswerChosen,
    BeepHeard,
    ButtonPressed,
    DeviceCameOnline,
    DigitPressed,
    DoorFailed,
    DoorOpened,
    DoorSent,
    DoorUnknown,
    Event,
    LegAnswered,
    LegDeclined,
    LegEnded,
    LegFailed,
    LegFailure,
    LegRinging,
    OpenRequested,
    PanelLeft,
    ResidentsChanged,
    TimePassed,
)
from intercom.routing.ids import CommandId, LegId, ResidentId
from intercom.routing.legs import Leg
from intercom.routing.plan import OnlineDevice

_LegEvent = LegRinging | LegAnswered | LegDeclined | LegEnded | BeepHeard | OpenRequested

OTHER_KEY = "1"
STALE = CommandId("stale")
STRANGER = LegId("stranger")

_LEG_EVENTS: tuple[type[_LegEvent], ...] = (
    LegRinging,
    LegAnswered,
    LegDeclined,
    LegEnded,
    BeepHeard,
    OpenRequested,
)
_APP_FAILURES = (LegFailure.UNREACHABLE,)
_PHONE_FAILURES = (
    LegFailure.BUSY,
    LegFailure.NO_ROUTE,
    LegFailure.LIMITED,
    LegFailure.DECLINED,
)


class PossibleEvent(NamedTuple):
    name: str
    part: str
    """What its leg is to the call; empty where it has none."""
    event: Event

    @property
    def label(self) -> str:
        """Name the event and its leg's part."""
        return f"{self.name} ({self.part})" if self.part else self.name


@dataclass(frozen=True, slots=True)
class Setting:
    """What can happen to a call besides what its own legs do."""

    button: str
    open_key: str
    latecomers: tuple[OnlineDevice, ...] = ()
    """Devices that may come online while it rings."""
    stayers: tuple[frozenset[ResidentId], ...] = ()
    """Whoever may be left of the doorbell's persons."""


class Root(NamedTuple):
    """A call that has just begun, to try events on."""

    call: Call
    now: float
    setting: Setting


def events_of(call: Call, setting: Setting, new_panel_leg: LegId) -> Iterator[PossibleEvent]:
    """List everything that may come in now, with the wrong, the late and the foreign."""
    yield PossibleEvent("TimePassed", "", TimePassed())
    yield from _panel_events(call, setting, new_panel_leg)
    yield from _door_events(call.openings.outstanding)
    for device in setting.latecomers:
        yield PossibleEvent("DeviceCameOnline", "", DeviceCameOnline(device))
    for residents in setting.stayers:
        yield PossibleEvent("ResidentsChanged", "", ResidentsChanged(residents))
    yield from _events_of_leg("panel's leg", call.panel_leg, (), setting.open_key)
    yield from _events_of_leg("unknown leg", STRANGER, (), setting.open_key)
    for leg in _legs_that_differ(call.legs):
        failures = _APP_FAILURES if leg.is_app else _PHONE_FAILURES
        yield from _events_of_leg(_part_of(leg), leg.leg_id, failures, setting.open_key)


def state_table(roots: Iterable[Root], key: Callable[[Call, float], object], depth: int) -> str:
    """Write the table in Markdown, from started calls; `key` tells apart what acts differently."""
    done_in: dict[_Row, list[set[str]]] = {}
    for root in roots:
        for row, names in _moves(root, key, depth):
            done = done_in.setdefault(row, [])
            if names not in done:
                done.append(names)
    sections = (_section(state, done_in) for state in CallState)
    return "\n\n".join(section for section in sections if section) + "\n"


def _panel_events(call: Call, setting: Setting, new_panel_leg: LegId) -> Iterator[PossibleEvent]:
    same, other = setting.button, "other"
    yield PossibleEvent("PanelLeft", "", PanelLeft(call.panel_leg))
    yield PossibleEvent("PanelLeft", "replaced leg", PanelLeft(STRANGER))
    yield PossibleEvent("ButtonPressed", "same button", ButtonPressed(new_panel_leg, same))
    yield PossibleEvent("ButtonPressed", "same press twice", ButtonPressed(call.panel_leg, same))
    yield PossibleEvent("ButtonPressed", "other button", ButtonPressed(new_panel_leg, other))


def _door_events(outstanding: CommandId | None) -> Iterator[PossibleEvent]:
    yield PossibleEvent("DoorOpened", "stale", DoorOpened(STALE, 3000))
    if outstanding is not None:
        yield PossibleEvent("DoorOpened", "", DoorOpened(outstanding, 3000))
        yield PossibleEvent("DoorSent", "", DoorSent(outstanding))
        yield PossibleEvent("DoorUnknown", "", DoorUnknown(outstanding))
        yield PossibleEvent("DoorFailed", "", DoorFailed(outstanding, "the panel is offline"))


def _events_of_leg(
    part: str, leg_id: LegId, failures: Sequence[LegFailure], open_key: str
) -> Iterator[PossibleEvent]:
    for kind in _LEG_EVENTS:
        yield PossibleEvent(kind.__name__, part, kind(leg_id))
    yield PossibleEvent("AnswerChosen", part, AnswerChosen(leg_id, ReadyAnswer.COMING))
    yield PossibleEvent("DigitPressed, open key", part, DigitPressed(leg_id, open_key))
    yield PossibleEvent("DigitPressed, other key", part, DigitPressed(leg_id, OTHER_KEY))
    for failure in failures:
        name = "LegFailed, declined" if failure is LegFailure.DECLINED else "LegFailed"
        yield PossibleEvent(name, part, LegFailed(leg_id, failure))


def _legs_that_differ(legs: Iterable[Leg]) -> list[Leg]:
    """Take every leg that lives, and of those that are over one of each kind."""
    chosen: dict[object, Leg] = {}
    for leg in legs:
        mark = leg.leg_id if leg.is_live else (leg.is_app, leg.is_trunk_phone, leg.state)
        chosen[mark] = leg
    return list(chosen.values())


def _part_of(leg: Leg) -> str:
    if not leg.is_live:
        return f"{leg.state.value} leg"
    kind = "app" if leg.is_app else "phone" if leg.is_trunk_phone else "SIP phone"
    return f"{leg.state.value} {kind}"


def _moves(
    root: Root, key: Callable[[Call, float], object], depth: int
) -> Iterator[tuple["_Row", set[str]]]:
    """Try every order of `depth` events, following states that act alike only once."""
    seen = {key(root.call, root.now)}
    front = [(root.call, root.now)]
    for step in range(depth):
        behind, front = front, []
        for call, now in behind:
            for possible in events_of(call, root.setting, LegId(f"panel-{step + 2}")):
                after, at = call.copy(), now
                if isinstance(possible.event, TimePassed) and call.deadline is not None:
                    at = call.deadline
                commands = after.handle(possible.event, at)
                row = _Row(call.state, possible.name, possible.part, after.state)
                yield row, {type(command).__name__ for command in commands}
                mark = key(after, at)
                if mark not in seen:
                    seen.add(mark)
                    front.append((after, at))


class _Row(NamedTuple):
    state: CallState
    event: str
    part: str
    after: CallState

    @property
    def cause(self) -> tuple[str, str]:
        """What happens, without what comes of it."""
        return self.event, self.part


def _section(state: CallState, done_in: Mapping[_Row, list[set[str]]]) -> str:
    rows = {row: done for row, done in done_in.items() if row.state is state}
    loud = {row.cause for row, done in rows.items() if row.after is not state or done != [set()]}
    parts: dict[tuple[str, str, str], list[str]] = {}
    silent: dict[str, list[str]] = {}
    for row, done in sorted(rows.items(), key=lambda item: (*item[0].cause, item[0].after.value)):
        if row.cause in loud:
            parts.setdefault((row.event, row.after.value, _describe(done)), []).append(row.part)
        else:
            silent.setdefault(row.event, []).append(row.part)
    if not parts:
        return f"**{state.value}**\n\nNothing has an effect." if rows else ""
    lines = [f"**{state.value}**", "", "| Event | Next | Commands |", "| --- | --- | --- |"]
    for (event, after, commands), of in parts.items():
        lines.append(f"| {event}{_list(of)} | {after} | {commands} |")
    without = "; ".join(f"{event}{_list(of)}" for event, of in silent.items())
    return "\n".join([*lines, "", f"Without effect: {without}."])


def _list(parts: Sequence[str]) -> str:
    named = [part for part in parts if part]
    return f" ({', '.join(named)})" if named else ""


def _describe(done: list[set[str]]) -> str:
    always = set.intersection(*done)
    sometimes = set.union(*done) - always
    words = [*sorted(always), *(f"({name})" for name in sorted(sometimes))]
    return ", ".join(words) or "none"
