"""The outside world of the calls, as `intercom.ports` describes it; it records what it is told."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from typing_extensions import override

from intercom.diary import Diaries
from intercom.ports import (
    AppChannel,
    CallFacts,
    EventSink,
    PanelLegs,
    PanelMedia,
    PanelScreens,
    Ports,
    Presence,
    RelayDriver,
    RelayOutcome,
    RelayResult,
    ResidentLegs,
)
from intercom.routing import events as ev
from intercom.routing.commands import EndReason
from intercom.routing.directory import (
    Button,
    CommercialProperty,
    Directory,
    Door,
    Doorbell,
    Panel,
    PanelLinkRelay,
    PanelProfile,
    Property,
    PropertyKind,
    Resident,
    Trunk,
)
from intercom.routing.ids import (
    DeviceId,
    DoorbellId,
    DoorId,
    LegId,
    LogId,
    PanelId,
    PropertyId,
    ResidentId,
    TrunkId,
)
from intercom.routing.plan import AppTarget
from intercom.sip.offer_answer import Codec
from tests.media.peers import RecordingLeg

HOUSE, MAIN, PANEL = PropertyId("house"), DoorId("main"), PanelId("panel-a")
ANNA, BO = ResidentId("anna"), ResidentId("bo")
ANNA_APP = AppTarget(ANNA, DeviceId("anna-1"))
BO_APP = AppTarget(BO, DeviceId("bo-1"))
ANNA_NUMBER, CALLER_ID = "+4790000001", "+4723506953"
FAULT_TEXT = f"a fault that names {ANNA_NUMBER}"


class FakePanelLegs(PanelLegs):
    def __init__(self):
        self.told = []
        """(what, leg, reason) in order; an end of a leg that is over is not told again."""
        self.ended = {}
        self.fault_on = frozenset()
        """Names of the methods that raise."""

    def progress(self, leg_id):
        self._tell("progress", leg_id)

    def answer(self, leg_id):
        self._tell("answer", leg_id)

    def end(self, leg_id, reason):
        if leg_id not in self.ended:
            self._tell("end", leg_id, reason)
            self.ended[leg_id] = reason

    def _tell(self, what, leg_id, reason=None):
        if what in self.fault_on:
            raise RuntimeError(FAULT_TEXT)
        self.told.append((what, leg_id, reason))


class FakeResidentLegs(ResidentLegs):
    """Apps or phones; a test lets them answer by `Switchboard.post`."""

    def __init__(self):
        self.ringing = {}
        """Target of each leg that was rung and has not been ended."""
        self.told = []
        self.ended = {}
        self.facts: CallFacts | None = None
        self.fault_on = frozenset()
        self.on_ring: Callable[[LegId], None] = lambda _: None

    @property
    def leg(self):
        """The leg that was rung last."""
        return [leg for what, leg, *_ in self.told if what == "ring"][-1]

    def leg_of(self, target):
        return next(leg for leg, its in self.ringing.items() if its == target)

    def ring(self, call, leg_id, target):
        self.facts = call
        self._tell("ring", leg_id, target)
        self.ringing[leg_id] = target
        self.on_ring(leg_id)

    def quiet(self, leg_id):
        self._tell("quiet", leg_id)

    def connect(self, leg_id):
        self._tell("connect", leg_id)

    def cancel(self, leg_id, reason):
        self._end("cancel", leg_id, reason)

    def end(self, leg_id, reason):
        self._end("end", leg_id, reason)

    def tell_door(self, leg_id, state, cause, pulse_ms):
        self._tell("tell_door", leg_id, state)

    def tell_ready(self, leg_id, answer):
        self._tell("tell_ready", leg_id, answer)

    def tell_path(self, leg_id, media, *, is_lost, is_own):
        self._tell("tell_path", leg_id, (media, is_lost, is_own))

    def _end(self, what, leg_id, reason):
        if leg_id in self.ringing:
            self._tell(what, leg_id, reason)
            del self.ringing[leg_id]
            self.ended[leg_id] = reason

    def _tell(self, what, leg_id, fact=None):
        if what in self.fault_on:
            raise RuntimeError(FAULT_TEXT)
        self.told.append((what, leg_id, fact))


class FakePresence(Presence):
    def __init__(self, *targets):
        self.targets = list(targets)

    def online(self, resident_id):
        return tuple(each for each in self.targets if each.resident_id == resident_id)


class FakeScreens(PanelScreens):
    def __init__(self):
        self.shown = []
        self.messages = []

    def show(self, panel_id, call_id, state, reason):
        self.shown.append((panel_id, state, reason))

    def show_message(self, panel_id, call_id, answer):
        self.messages.append((panel_id, call_id, answer))


class FakeRelay(RelayDriver):
    """A door that does as `result` says; it never says anything where that is None."""

    def __init__(self):
        self.pulses = []
        self.result: RelayResult | Exception | None = RelayResult(RelayOutcome.OPENED, on_ms=3000)

    @override
    async def pulse(self, relay, pulse_ms, command_id, call_id):
        self.pulses.append((relay, pulse_ms, command_id))
        if self.result is None:
            await asyncio.Event().wait()
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


class FakeChannel(AppChannel):
    """The apps' WebSockets; a device that is not in `online` is gone."""

    def __init__(self, *devices):
        self.online = set(devices)
        self.sent = []

    def send(self, device_id, message):
        if device_id not in self.online:
            return False
        self.sent.append((device_id, dict(message)))
        return True

    def send_if_idle(self, device_id, message):
        return self.send(device_id, message)

    def of(self, kind, device_id=None):
        """List what was sent of a kind, and to whom."""
        return [
            message
            for device, message in self.sent
            if message["type"] == kind and device_id in (None, device)
        ]


class FakeSink(EventSink):
    """The event logs of commercial properties; `lines` in the order of their writing."""

    def __init__(self):
        self.lines = []

    def write(self, line):
        self.lines.append(line)

    def told(self):
        """List what happened, whose it was and by which means."""
        return [
            (line.what.value, line.person, line.means and line.means.value) for line in self.lines
        ]


@dataclass
class World:
    """All ports at once."""

    panels: FakePanelLegs = field(default_factory=FakePanelLegs)
    apps: FakeResidentLegs = field(default_factory=FakeResidentLegs)
    phones: FakeResidentLegs = field(default_factory=FakeResidentLegs)
    presence: FakePresence = field(default_factory=lambda: FakePresence(ANNA_APP, BO_APP))
    screens: FakeScreens = field(default_factory=FakeScreens)
    relay: FakeRelay = field(default_factory=FakeRelay)
    sink: FakeSink = field(default_factory=FakeSink)

    @property
    def diaries(self):
        return Diaries(
            self.sink,
            now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
            token=lambda length: "0" * length,
        )

    @property
    def ports(self):
        return Ports(
            panels=self.panels,
            apps=self.apps,
            phones=self.phones,
            presence=self.presence,
            screens=self.screens,
            relays={PanelLinkRelay: self.relay},
        )


LOG = LogId("log-of-the-house")
_TYPES = {
    PropertyKind.RESIDENTIAL: Property,
    PropertyKind.COMMERCIAL: partial(CommercialProperty, log=LOG),
}


def make_house(
    *,
    kind: PropertyKind = PropertyKind.RESIDENTIAL,
    profile: PanelProfile | None = None,
    buttons: tuple[str, ...] = ("anna", "bo"),
    trunks: tuple[Trunk, ...] | None = None,
    panels: tuple[PanelId, ...] = (PANEL,),
) -> Directory:
    """Make a house with Anna (an app and a phone), Bo (an app), one door and one panel or more."""
    doorbells = [Doorbell(DoorbellId(name), HOUSE, name, (ResidentId(name),)) for name in buttons]
    return Directory(
        properties={HOUSE: _TYPES[kind](HOUSE, "House", "Storgata 14", language="en")},
        doors={MAIN: Door(MAIN, HOUSE, "Main entrance", PanelLinkRelay(PANEL, 1))},
        panels={
            panel_id: Panel(
                panel_id,
                HOUSE,
                MAIN,
                tuple(Button(name, DoorbellId(name)) for name in buttons),
                password="panel's own",
                profile=profile or PanelProfile(),
            )
            for panel_id in panels
        },
        doorbells={each.doorbell_id: each for each in doorbells},
        residents={
            ANNA: Resident(ANNA, "Anna", password_hash="", number=ANNA_NUMBER),
            BO: Resident(BO, "Bo", password_hash=""),
        },
        trunks=trunks
        if trunks is not None
        else (Trunk(TrunkId("carrier"), "127.0.0.1:5060", caller_ids=frozenset({CALLER_ID})),),
    )


@dataclass
class Posted:
    """What an adapter posts to the switchboard."""

    events: list[tuple[LegId, ev.Event]] = field(default_factory=list)

    def __call__(self, leg_id: LegId, event: ev.Event) -> None:
        self.events.append((leg_id, event))

    def of(self, kind: type) -> list[ev.Event]:
        return [event for _, event in self.events if isinstance(event, kind)]


FAULT, SHUTTING_DOWN = EndReason.FAULT, EndReason.SHUTTING_DOWN


def panel_media(leg_id: LegId, clock: Callable[[], float]) -> PanelMedia:
    """Make what a press of a panel without a camera brings along."""
    return PanelMedia(Codec.PCMA, None, lambda: RecordingLeg(leg_id, clock))
