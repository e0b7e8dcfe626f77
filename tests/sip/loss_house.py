"""A house on a bad network: a panel, a router of real machines, two trunks with the resident's phone.

The router is what the SIP adapters are without sockets: `sip.Endpoint` on one side, `routing.Call` on
the other, and the same translation between them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from intercom.media.dtmf import (
    DigitMerger,
    DigitWay,
    EventReceiver,
    parse_event,
    parse_info,
    press,
)
from intercom.routing import commands as do
from intercom.routing import events as ev
from intercom.routing.call import Call
from intercom.routing.call_base import CallState
from intercom.routing.directory import Doorbell
from intercom.routing.ids import CallId, DoorbellId, DoorId, LegId, PropertyId, ResidentId
from intercom.routing.limits import Limits
from intercom.routing.plan import PhoneTarget, Plan, Stage
from intercom.sip.digest import Credentials
from intercom.sip.events import (
    DialogEnded,
    DialogId,
    InfoReceived,
    InviteAnswered,
    InviteCancelled,
    InviteConfirmed,
    InviteFailed,
    InviteProgressed,
    InviteReceived,
    ReinviteAnswered,
    ReinviteFailed,
    ReinviteReceived,
    SipEvent,
)
from tests.loopback import Node
from tests.sip.loss_net import LossyNet
from tests.sip.wire import OFFER

PANEL, ROUTER, TRUNKS = "192.0.2.10", "192.0.2.1", ("192.0.2.21", "192.0.2.22")
PASSWORDS = {"panel": "panel's own", "router": "trunk's own"}
SILENCE_S = 4.0
ANNA = ResidentId("anna")
PLAN = Plan((Stage((PhoneTarget(ANNA, "+4790000001"),), 60.0),))
DOORBELL = Doorbell(DoorbellId("anna"), PropertyId("house"), "Anna", (ANNA,))
_BUSY = {486: ev.LegFailure.BUSY, 603: ev.LegFailure.DECLINED, 480: ev.LegFailure.NO_ANSWER}


@dataclass
class PhoneLeg:
    """The router's side of a phone that rings or talks."""

    leg_id: LegId
    later: list[Node]
    host: str = ""
    """The trunk that it rings by."""
    dialog: DialogId | None = None
    has_rung: bool = False
    is_answered: bool = False
    rtp: EventReceiver = field(default_factory=EventReceiver)
    merger: DigitMerger = field(default_factory=DigitMerger)


class Router:
    """Joins the panel's leg, one call and its phone legs."""

    def __init__(self, net: LossyNet, trunks: list[Node], **settings: object) -> None:
        self.net = net
        self.node = net.add(
            ROUTER, password_of=PASSWORDS.get, is_trusted=lambda address, user: False, **settings
        )
        self.node.on_event = self._receive
        self.is_reliable = bool(settings.get("reliable_provisionals"))
        self.trunks = trunks
        self.calls: list[Call] = []
        self.openings: list[do.OpenDoor] = []
        self.phones: dict[DialogId, PhoneLeg] = {}
        self.panels: dict[DialogId, LegId] = {}
        self.answered_panels: set[LegId] = set()
        self.faults: list[str] = []
        self._ids = count(1)

    @property
    def call(self) -> Call | None:
        """The call that lives."""
        return next((each for each in self.calls if each.state is not CallState.CLOSED), None)

    # From the wire

    def _receive(self, event: SipEvent) -> None:
        self.net.note("router", type(event).__name__)
        match event:
            case InviteReceived():
                self._press(event)
            case ReinviteReceived(dialog=dialog):
                self.node.endpoint.respond(dialog, self.net.now, 200, body=OFFER)
            case InviteCancelled(dialog=dialog) if dialog in self.panels:
                self._post(ev.PanelLeft(self.panels.pop(dialog)))
            case DialogEnded(dialog=dialog) if dialog in self.panels:
                self._post(ev.PanelLeft(self.panels.pop(dialog)))
            case InviteConfirmed() | ReinviteAnswered() | ReinviteFailed():
                pass
            case _:
                leg = self.phones.get(event.dialog)  # type: ignore[union-attr]  # all others have one
                if leg is not None:
                    self._receive_of_phone(leg, event)

    def _press(self, event: InviteReceived) -> None:
        if event.username != "panel":
            self.node.endpoint.respond(event.dialog, self.net.now, 403)
            return
        if self.call is not None:
            self.faults.append("a second call for one press")
        leg_id = LegId(f"panel-{next(self._ids)}")
        self.panels[event.dialog] = leg_id
        call = Call(
            CallId("call"),
            panel_leg=leg_id,
            button="anna",
            doorbell=DOORBELL,
            door_id=DoorId("main"),
            open_keys=frozenset({"5"}),
            has_right=lambda _: True,
            plan=PLAN,
            limits=Limits(),
            new_id=lambda word: f"{word}-{next(self._ids)}",
        )
        self.calls.append(call)
        self._carry_out(call, call.start(self.net.now))

    def _receive_of_phone(self, leg: PhoneLeg, event: SipEvent) -> None:
        match event:
            case InviteProgressed():
                leg.has_rung = True
                self._post(ev.LegRinging(leg.leg_id))
            case InviteAnswered():
                leg.is_answered = True
                self._post(ev.LegAnswered(leg.leg_id))
            case InviteFailed(dialog=dialog, status=status):
                del self.phones[dialog]
                if status in {408, 503} and leg.later and not leg.has_rung:
                    self._invite(leg)
                else:
                    failure = _BUSY.get(status, ev.LegFailure.UNREACHABLE)
                    self._post(ev.LegFailed(leg.leg_id, failure))
            case DialogEnded(dialog=dialog):
                del self.phones[dialog]
                self._post(ev.LegEnded(leg.leg_id))
            case InfoReceived(content_type=content_type, body=body) if leg.is_answered:
                digit = parse_info(content_type, body)
                if digit is not None and leg.merger.accept(DigitWay.INFO, digit, self.net.now):
                    self._post(ev.DigitPressed(leg.leg_id, digit))
            case _:
                pass

    def receive_rtp_event(self, dialog: DialogId, timestamp: int, payload: bytes) -> None:
        """Take a telephone-event packet of the phone of a dialog of ours."""
        leg = self.phones.get(dialog)
        event = parse_event(payload)
        if leg is None or event is None or not leg.is_answered:
            return
        digit = leg.rtp.receive(7, timestamp, event)
        if digit is not None and leg.merger.accept(DigitWay.EVENT, digit, self.net.now):
            self._post(ev.DigitPressed(leg.leg_id, digit))

    # To and from the call

    def _post(self, event: ev.Event) -> None:
        call = self.call
        if call is not None:
            self._carry_out(call, call.handle(event, self.net.now))

    def _carry_out(self, call: Call, commands: list[do.Command]) -> None:
        for command in commands:
            self.net.note("call", type(command).__name__)
            self._do(call, command)
        deadline = call.deadline
        if deadline is not None:
            self.net.at(deadline, lambda: self._wake(call))

    def _wake(self, call: Call) -> None:
        if call.deadline is not None and call.deadline <= self.net.now:
            self._carry_out(call, call.handle(ev.TimePassed(), self.net.now))

    def _do(self, call: Call, command: do.Command) -> None:
        match command:
            case do.ProgressPanel():
                self._answer_panel(call.panel_leg, 183)
            case do.AnswerPanel():
                self._answer_panel(call.panel_leg, 200)
            case do.EndPanel():
                self._end_panel(call.panel_leg)
            case do.RingLeg(leg_id=leg_id):
                self._invite(PhoneLeg(leg_id, list(self.trunks)))
            case do.CancelLeg(leg_id=leg_id) | do.EndLeg(leg_id=leg_id):
                self._end_phone(leg_id)
            case do.OpenDoor(command_id=command_id):
                self.openings.append(command)
                self.net.after(0.2, lambda: self._post(ev.DoorOpened(command_id, 3000)))
            case _:
                pass

    def _answer_panel(self, leg_id: LegId, status: int) -> None:
        for dialog, known in self.panels.items():
            if known == leg_id and leg_id not in self.answered_panels:
                if status == 200:
                    self.answered_panels.add(leg_id)
                self.node.endpoint.respond(dialog, self.net.now, status, body=OFFER)

    def _end_panel(self, leg_id: LegId) -> None:
        for dialog in [each for each, known in self.panels.items() if known == leg_id]:
            del self.panels[dialog]
            if leg_id in self.answered_panels:
                self.node.endpoint.hang_up(dialog, self.net.now)
            else:
                self.node.endpoint.respond(dialog, self.net.now, 480)

    def _invite(self, leg: PhoneLeg) -> None:
        if any(not known.is_answered for known in self.phones.values()):
            self.faults.append("a second phone was rung while one rings")
        trunk = leg.later.pop(0)
        leg.host = trunk.address.host
        leg.dialog = self.node.endpoint.invite(
            self.net.now,
            target=f"sip:+4790000001@{trunk.address.host}",
            destination=trunk.address,
            from_uri=f"sip:+4723000000@{ROUTER}",
            body=OFFER,
            credentials=Credentials("router", PASSWORDS["router"]),
            silence_s=SILENCE_S,
            is_reliable=self.is_reliable,
        )
        self.phones[leg.dialog] = leg

    def _end_phone(self, leg_id: LegId) -> None:
        for dialog in [each for each, leg in self.phones.items() if leg.leg_id == leg_id]:
            del self.phones[dialog]
            self.node.endpoint.hang_up(dialog, self.net.now)


class Panel:
    """The doorbell."""

    def __init__(self, net: LossyNet, **settings: object) -> None:
        self.net = net
        self.node = net.add(PANEL, **settings)
        self.is_reliable = bool(settings.get("reliable_provisionals"))
        self.dialog = DialogId("")
        self.node.on_event = self._receive

    def press(self, router: Router) -> None:
        """Ring Anna's bell."""
        self.dialog = self.node.endpoint.invite(
            self.net.now,
            target=f"sip:anna@{ROUTER}",
            destination=router.node.address,
            from_uri=f"sip:panel@{ROUTER}",
            body=OFFER,
            credentials=Credentials("panel", PASSWORDS["panel"]),
            is_reliable=self.is_reliable,
        )

    def leave(self) -> None:
        """CANCEL or BYE, whichever fits."""
        self.net.note("panel", "leaves")
        self.node.endpoint.hang_up(self.dialog, self.net.now)

    def _receive(self, event: SipEvent) -> None:
        self.net.note("panel", type(event).__name__)
        if isinstance(event, ReinviteReceived):
            self.node.endpoint.respond(event.dialog, self.net.now, 200, body=OFFER)


@dataclass
class Habits:
    """What the resident's phone does."""

    refusal: int = 0
    """A final to answer with at once; 0: it rings."""
    progress: int = 180
    """183 comes with SDP."""
    answer_after_s: float = 3.0
    on_confirmed: Callable[["Phone", DialogId], None] = lambda phone, dialog: None


class Phone:
    """A carrier and the resident's phone behind it, as one UAS."""

    def __init__(self, net: LossyNet, host: str, habits: Habits, **settings: object) -> None:
        self.net = net
        self.habits = habits
        self.is_challenging = False
        self.node = net.add(
            host,
            password_of=PASSWORDS.get,
            is_trusted=lambda address, user: not self.is_challenging,
            **settings,
        )
        self.node.on_event = self._receive
        self.rings_since: dict[DialogId, float] = {}
        self.rings: list[tuple[float, float]] = []
        """From when to when it rang."""
        self.talks: set[DialogId] = set()

    def answer(self, dialog: DialogId) -> None:
        """Pick up, unless the caller has given up."""
        if dialog in self.rings_since:
            self._fall_silent(dialog)
            self.talks.add(dialog)
            self.node.endpoint.respond(dialog, self.net.now, 200, body=OFFER)

    def hang_up(self) -> None:
        """End whatever there is."""
        self.net.note("phone", "hangs up")
        for dialog in [*self.rings_since, *self.talks]:
            self._fall_silent(dialog)
            self.node.endpoint.hang_up(dialog, self.net.now)
        self.talks.clear()

    def press_by_info(self, dialog: DialogId, digit: str = "5") -> None:
        """Press a key as a SIP phone does."""
        body = f"Signal={digit}\r\nDuration=160\r\n".encode()
        self.node.endpoint.send_info(dialog, self.net.now, "application/dtmf-relay", body)

    def press_by_rtp(self, router: Router) -> None:
        """Press 5 in the media stream: ten packets over the same bad link."""
        legs = [
            dialog for dialog, leg in router.phones.items() if leg.host == self.node.address.host
        ]
        for packet in press("5"):
            for dialog in legs:
                self._send_rtp(router, dialog, packet.at_ms / 1000, packet.payload)

    def _send_rtp(self, router: Router, dialog: DialogId, at_s: float, payload: bytes) -> None:
        timestamp = int(self.net.now * 8000)
        arrive = lambda: router.receive_rtp_event(dialog, timestamp, payload)  # noqa: E731 - it is carried
        self.net.after(at_s, lambda: self.net.carry(arrive))

    def _receive(self, event: SipEvent) -> None:
        self.net.note(f"phone {self.node.address.host}", type(event).__name__)
        endpoint, now = self.node.endpoint, self.net.now
        match event:
            case InviteReceived(dialog=dialog) if self.habits.refusal:
                endpoint.respond(dialog, now, self.habits.refusal)
            case InviteReceived(dialog=dialog):
                self.rings_since[dialog] = now
                body = OFFER if self.habits.progress == 183 else b""
                endpoint.respond(dialog, now, self.habits.progress, body=body)
                self.net.after(self.habits.answer_after_s, lambda: self.answer(dialog))
            case InviteCancelled(dialog=dialog):
                self._fall_silent(dialog)
            case InviteConfirmed(dialog=dialog):
                self.habits.on_confirmed(self, dialog)
            case DialogEnded(dialog=dialog):
                self.talks.discard(dialog)
            case ReinviteReceived(dialog=dialog):
                endpoint.respond(dialog, now, 200, body=OFFER)
            case _:
                pass

    def _fall_silent(self, dialog: DialogId) -> None:
        since = self.rings_since.pop(dialog, None)
        if since is not None:
            self.rings.append((since, self.net.now))
