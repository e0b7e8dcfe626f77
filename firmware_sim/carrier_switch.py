"""The carrier's switch: joins a trunk's INVITE, back to back, with a subscriber's phone.

    router ── trunk side (digest as modern as may be) ── Switch ── subscriber side (MD5 alone) ── phone
      └──────────────────────────── RTP flows directly ──────────────────────────────────────────┘

SDP passes through as it is. Only the announcement and the answering machine have RTP of the
carrier's own; a phone that answers after an announcement answers with other SDP than the 183 had, as
with real carriers.
"""

import asyncio
from dataclasses import dataclass, field
from enum import Enum

from firmware_sim.carrier_sounds import Script, announcement, greeting
from firmware_sim.carrier_voice import open_voice
from firmware_sim.process import WavRecorder, now_ms
from firmware_sim.sip_socket import SipSocket
from intercom.errors import RemoteProtocolError
from intercom.sip.events import (
    DialogEnded,
    DialogId,
    InfoReceived,
    InviteAnswered,
    InviteCancelled,
    InviteFailed,
    InviteProgressed,
    InviteReceived,
    ReinviteReceived,
    SipEvent,
)

MACHINE_TALK_S = 60
UNREACHABLE_MACHINE_S = 1.0
"""After so long of ringing the machine takes a call whose phone is not registered."""
MAX_RECORDS = 200


class Fault(Enum):
    """What can be wrong with the carrier; the number is the status that all calls are refused with."""

    BUSY = 486
    REJECT_503 = 503
    FORBID_CALLER_ID = 403
    DECLINE = 603
    NOT_REGISTERED = 480
    NO_RINGING = "no_ringing"
    """100 and then nothing."""
    NO_TRUNK = "no_trunk"
    """The trunk's SIP vanishes, in and out."""
    LOSE_ACK = "lose_ack"


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A phone number and the account that its phone registers with."""

    number: str
    username: str
    password: str


@dataclass(frozen=True, slots=True)
class Service:
    """What the carrier offers."""

    subscribers: tuple[Subscriber, ...]
    allowed_caller_ids: tuple[str, ...] = ()
    """E.164; empty: any."""
    machine_after_s: float | None = None
    has_announcement: bool = False


@dataclass(slots=True)
class CallRecord:
    """What /api/calls says about a call; stamps are CLOCK_MONOTONIC in ms."""

    from_user: str
    to: str
    p_asserted_identity: str
    result: str = "routing"
    """routing, ringing, answered, machine, cancelled, or refused"""
    status: int | None = None
    """The final that the trunk got."""
    ended_by: str | None = None
    """trunk, phone, or machine"""
    infos: list[str] = field(default_factory=list)
    """Bodies of the INFO requests that were passed on."""
    received_ms: int = field(default_factory=now_ms)
    ringing_ms: int | None = None
    answered_ms: int | None = None
    ended_ms: int | None = None


class _Call:
    """A trunk's dialog and the phone's."""

    def __init__(self, event: InviteReceived, subscriber: Subscriber, record: CallRecord) -> None:
        self.trunk = event.dialog
        self.offer = event.body
        self.subscriber = subscriber
        self.record = record
        self.phone: DialogId | None = None
        self.is_settled = asyncio.Event()
        """Answered, refused or over."""
        self.is_over = asyncio.Event()


class Switch:
    """Routes the calls; `trunk` and `subscribers` are set before the first event."""

    def __init__(self, service: Service, host: str, tasks: asyncio.TaskGroup) -> None:
        self.trunk: SipSocket
        self.subscribers: SipSocket
        self.records: list[CallRecord] = []
        self.heard_by_machine = WavRecorder()
        self._service = service
        self._host = host
        self._tasks = tasks
        self._announcement = announcement()
        self._greeting = greeting()
        self.faults: set[Fault] = set()
        self._by_trunk: dict[DialogId, _Call] = {}
        self._by_phone: dict[DialogId, _Call] = {}

    def set_fault(self, fault: Fault, *, is_on: bool) -> None:
        """Break or mend something, for all calls from now on."""
        (self.faults.add if is_on else self.faults.discard)(fault)
        self.trunk.is_lost = self._is_lost

    def is_registered(self, subscriber: Subscriber) -> bool:
        return bool(self.subscribers.endpoint.bindings(subscriber.username, self.subscribers.now))

    def on_trunk(self, event: SipEvent) -> None:
        """Take what the trunk side tells."""
        match event:
            case InviteReceived():
                self._admit(event)
            case InviteCancelled(dialog=dialog):
                if (call := self._by_trunk.get(dialog)) is not None:
                    self._finish(call, "trunk", result="cancelled", status=487)
            case DialogEnded(dialog=dialog):
                if (call := self._by_trunk.get(dialog)) is not None:
                    self._finish(call, "trunk")
            case InfoReceived():
                self._pass_info(event, self._by_trunk.get(event.dialog), to_phone=True)
            case ReinviteReceived(dialog=dialog):
                self.trunk.endpoint.respond(dialog, self.trunk.now, 488)
            case _:
                pass  # confirmations need nothing; the trunk side never calls

    def on_subscriber(self, event: SipEvent) -> None:
        """Take what the phones' side tells."""
        match event:
            case InviteReceived(dialog=dialog):
                self.subscribers.endpoint.respond(dialog, self.subscribers.now, 403)
            case ReinviteReceived(dialog=dialog):
                self.subscribers.endpoint.respond(dialog, self.subscribers.now, 488)
            case InviteProgressed() | InviteAnswered() | InviteFailed() | DialogEnded():
                if (call := self._by_phone.get(event.dialog)) is not None:
                    self._on_phone(call, event)
            case InfoReceived():
                self._pass_info(event, self._by_phone.get(event.dialog), to_phone=False)
            case _:
                pass  # registrations are looked up when a call comes

    def _admit(self, event: InviteReceived) -> None:
        """Check the call and serve it, or refuse it."""
        asserted = event.request.first("p-asserted-identity") or ""
        record = CallRecord(event.from_user, event.request_user, asserted)
        self.records = [*self.records[-MAX_RECORDS + 1 :], record]
        subscriber = self._subscriber(event.request_user)
        status = self._refusal(event.from_user, subscriber)
        if status is not None or subscriber is None:
            record.result, record.status, record.ended_ms = "refused", status, now_ms()
            self.trunk.endpoint.respond(event.dialog, self.trunk.now, status or 404)
            return
        call = _Call(event, subscriber, record)
        self._by_trunk[call.trunk] = call
        self._tasks.create_task(self._serve(call))

    def _refusal(self, from_user: str, subscriber: Subscriber | None) -> int | None:
        for fault in self.faults:
            if isinstance(fault.value, int):
                return fault.value
        allowed = {_digits(number) for number in self._service.allowed_caller_ids}
        if allowed and _digits(from_user) not in allowed:
            return 403
        if subscriber is None:
            return 404
        if self._service.machine_after_s is None and not self.is_registered(subscriber):
            return 480
        return None

    def _subscriber(self, number: str) -> Subscriber | None:
        wanted = _digits(number)
        return next((s for s in self._service.subscribers if _digits(s.number) == wanted), None)

    async def _serve(self, call: _Call) -> None:
        """Take a call through announcement, ringing and machine; ends when it is settled."""
        if Fault.NO_RINGING in self.faults:
            return
        if self._service.has_announcement:
            await self._announce(call)
        if call.is_over.is_set():
            return
        rings_s = self._service.machine_after_s
        if not self._ring(call) and rings_s is not None:
            rings_s = min(rings_s, UNREACHABLE_MACHINE_S)
        try:
            async with asyncio.timeout(rings_s):
                await call.is_settled.wait()
        except TimeoutError:
            await self._take_by_machine(call)

    async def _announce(self, call: _Call) -> None:
        """Say something before it rings: 183 with SDP."""
        script = self._announcement
        await self._say(call, 183, script, script.length_s, WavRecorder())

    def _ring(self, call: _Call) -> bool:
        """Invite the phone; false when it is not registered."""
        now = self.subscribers.now
        bindings = self.subscribers.endpoint.bindings(call.subscriber.username, now)
        if not bindings:
            self._respond(call, 180, b"")
            return False
        newest = bindings[-1]
        identity = call.record.p_asserted_identity
        call.phone = self.subscribers.endpoint.invite(
            now,
            target=newest.contact_uri,
            destination=newest.source,
            from_uri=f"sip:{call.record.from_user}@{self._host}",
            to_uri=f"sip:{call.subscriber.number}@{self._host}",
            body=call.offer,
            headers=[("P-Asserted-Identity", identity)] if identity else [],
        )
        self._by_phone[call.phone] = call
        self.subscribers.flush()
        return True

    async def _take_by_machine(self, call: _Call) -> None:
        """Take the call from the phone, greet, beep, listen for a minute, hang up."""
        self._drop_phone(call)
        self.heard_by_machine.clear()
        await self._say(call, 200, self._greeting, MACHINE_TALK_S, self.heard_by_machine)
        self._finish(call, "machine")

    async def _say(
        self, call: _Call, status: int, script: Script, length_s: float, ear: WavRecorder
    ) -> None:
        """Answer with SDP of our own and play into the call, so long or until its end."""
        try:
            async with (
                open_voice(self._host, call.offer, ear) as voice,
                asyncio.TaskGroup() as tasks,
            ):
                if status == 200:
                    call.record.result, call.record.answered_ms = "machine", now_ms()
                self._respond(call, status, voice.answer)
                playing = tasks.create_task(voice.play(script))
                await _wait(call.is_over, length_s)
                playing.cancel()
        except RemoteProtocolError as error:
            self._refuse(call, error.status_hint)

    def _on_phone(
        self, call: _Call, event: InviteProgressed | InviteAnswered | InviteFailed | DialogEnded
    ) -> None:
        match event:
            case InviteProgressed(status=status, body=body):
                call.record.result = "ringing"
                call.record.ringing_ms = call.record.ringing_ms or now_ms()
                self._respond(call, status, body)
            case InviteAnswered(body=body):
                call.record.result, call.record.answered_ms = "answered", now_ms()
                self._respond(call, 200, body)
            case InviteFailed(status=status):
                self._refuse(call, status)
            case DialogEnded():
                self._finish(call, "phone")

    def _pass_info(self, event: InfoReceived, call: _Call | None, *, to_phone: bool) -> None:
        if call is None or call.phone is None:
            return
        call.record.infos.append(event.body.decode(errors="replace"))
        side, dialog = (self.subscribers, call.phone) if to_phone else (self.trunk, call.trunk)
        side.endpoint.send_info(dialog, side.now, event.content_type, event.body)
        side.flush()

    def _respond(self, call: _Call, status: int, body: bytes) -> None:
        if status >= 200:
            call.record.status = status
            call.is_settled.set()
        self.trunk.endpoint.respond(call.trunk, self.trunk.now, status, body=body)
        self.trunk.flush()

    def _refuse(self, call: _Call, status: int) -> None:
        self._respond(call, status, b"")
        self._finish(call, "phone", result="refused", status=status)

    def _finish(
        self, call: _Call, ended_by: str, *, result: str | None = None, status: int | None = None
    ) -> None:
        """End both sides, once; a dialog that is over already does not mind."""
        if call.is_over.is_set():
            return
        call.record.ended_by, call.record.ended_ms = ended_by, now_ms()
        call.record.result = result or call.record.result
        call.record.status = status or call.record.status
        call.is_over.set()
        call.is_settled.set()
        del self._by_trunk[call.trunk]
        if ended_by != "trunk" and result is None:
            self.trunk.endpoint.hang_up(call.trunk, self.trunk.now)
            self.trunk.flush()
        self._drop_phone(call, is_over=ended_by == "phone")

    def _drop_phone(self, call: _Call, *, is_over: bool = False) -> None:
        if call.phone is None:
            return
        del self._by_phone[call.phone]
        if not is_over:
            self.subscribers.endpoint.hang_up(call.phone, self.subscribers.now)
            self.subscribers.flush()
        call.phone = None

    def _is_lost(self, data: bytes) -> bool:
        if Fault.NO_TRUNK in self.faults:
            return True
        return Fault.LOSE_ACK in self.faults and data.startswith(b"ACK ")


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, so long at most."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


def _digits(number: str) -> str:
    """Reduce a number to what two ways of writing it share."""
    return number.removeprefix("+").removeprefix("00")
