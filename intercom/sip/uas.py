"""An incoming call until its final answer (RFC 3261 §13.3, RFC 3262 §3)."""

from collections.abc import Iterable
from typing import NamedTuple

from typing_extensions import override

from intercom.sip.address import Address
from intercom.sip.core import Core
from intercom.sip.dialog import Dialog
from intercom.sip.events import DialogId, InviteCancelled, OfferAnswered
from intercom.sip.incoming import Incoming
from intercom.sip.message import Request
from intercom.sip.option_tags import words_of
from intercom.sip.reliable import Provisional, ReliableProvisionals
from intercom.sip.session import Due
from intercom.sip.timer import Alarm
from intercom.sip.usage import InviteUsage

PROGRESS_INTERVAL_S = 60.0  # RFC 3261 §13.3.1.1: proxies give up after 3 minutes without one
RELIABLE_INTERVAL_S = 150.0  # RFC 3262 §3: enough where none is lost


class _Final(NamedTuple):
    """A 2xx that waits for a PRACK."""

    status: int
    reason: str | None
    fields: tuple[tuple[str, str], ...]
    body: bytes


class ServerUsage(InviteUsage):
    """The UAS's side of a call."""

    def __init__(
        self, core: Core, request: Request, source: Address, request_user: str, now: float
    ) -> None:
        super().__init__(core, DialogId(core.token(16)), request.sip_call_id, core.token(16))
        self.contact = core.contact(request_user, source, request.uri)
        self.dialog = Dialog.of_request(request, self.local_tag, source)
        if request.body:
            self.changes.session.receive_offer(request.body)
        self.changes.learn(request)
        self._invite = self.open_invite(self.dialog, request, source, now)
        self._invite.when_cancelled(self._cancel)
        self._invite.when_lost(self._lose)
        self._reliable = ReliableProvisionals(core, self._invite, self._give_up_prack)
        self._held: _Final | None = None
        self._progress: Alarm | None = None
        self._is_answered = False

    @property
    @override
    def is_confirmed(self) -> bool:
        return self._is_answered

    @property
    @override
    def is_settled(self) -> bool:
        return not self._reliable.holds_description

    @override
    def respond(
        self,
        status: int,
        now: float,
        *,
        reason: str | None,
        fields: Iterable[tuple[str, str]],
        body: bytes,
    ) -> None:
        """Answer the peer's newest request that waits: an offer that came later than the INVITE."""
        fields = tuple(fields)
        if self.changes.waiting is not None and status >= 200:
            self.changes.respond(status, now, reason=reason, fields=fields, body=body)
            self._release(now)
        elif not self._invite.is_open or self._is_answered or self._held is not None:
            return
        elif status < 200:
            self._send_progress(Provisional(status, reason, fields, body), now)
        elif status < 300:
            self._held = _Final(status, reason, fields, body)
            self._stop_progress()
            self._release(now)
        else:
            self._send_refusal(_Final(status, reason, fields, body), now)

    # Provisionals

    def _send_progress(self, provisional: Provisional, now: float) -> None:
        if provisional.status == 100:
            return
        self._stop_progress()
        if self._is_reliable(provisional):
            self._describe(provisional.body)
            self._reliable.send(provisional, now)
            wait_s = RELIABLE_INTERVAL_S
        else:
            status, reason, fields, body = provisional
            if not self._invite.request.body:  # RFC 3261 §13.2.1: no offer where it may be lost
                fields = tuple(each for each in fields if each[0] != "Content-Type")
                body = b""
            self.answer(self._invite, status, now, reason=reason, fields=fields, body=body)
            wait_s = PROGRESS_INTERVAL_S
        bare = Provisional(provisional.status, provisional.reason, (), b"")
        self._progress = self.core.timers.start(now + wait_s, lambda at: self._repeat(bare, at))

    def _is_reliable(self, provisional: Provisional) -> bool:
        """Tell whether the caller wants it so, or can do it and we want it for a description."""
        request = self._invite.request
        if "100rel" in words_of(request, "require"):
            return True
        is_able = "100rel" in words_of(request, "supported")
        return is_able and bool(provisional.body) and self.core.config.reliable_provisionals

    def _describe(self, body: bytes) -> None:
        """Take note of what a reliable provisional says: the answer, or an offer of ours."""
        session = self.changes.session
        if body and session.due is Due.OUR_ANSWER:
            session.answer(body)
        elif body and not session.is_agreed:
            session.offer(body)

    def _repeat(self, bare: Provisional, now: float) -> None:
        """Say again that it rings; what was acknowledged needs a number of its own."""
        if not self._invite.is_open:
            return
        if self._is_reliable(bare):
            if self._reliable.is_idle:
                self._send_progress(bare, now)
            return
        self._invite.transaction.receive_retransmission()
        self._progress = self.core.timers.start(
            now + PROGRESS_INTERVAL_S, lambda at: self._repeat(bare, at)
        )

    def _stop_progress(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    @override
    def receive_prack(self, prack: Incoming, now: float) -> None:
        found = self._reliable.acknowledge(prack.request, now)
        session, body = self.changes.session, prack.request.body
        if found is None:
            super().receive_prack(prack, now)
        elif found.body and session.due is Due.THEIR_ANSWER:
            self._take_early_answer(prack, now)
        elif body:
            self.changes.receive_offer(prack, now)
        else:
            self.answer(prack, 200, now)
        self._release(now)

    def _take_early_answer(self, prack: Incoming, now: float) -> None:
        """Take the answer to the offer in our reliable provisional; without it there is no call."""
        self.answer(prack, 200, now)
        body = prack.request.body
        if body:
            self.changes.session.receive_answer(body)
            self.early_answer = body
            self.core.events.append(OfferAnswered(self.id, body))
        elif self._invite.is_open:
            self._give_up_prack(now)

    def _give_up_prack(self, now: float) -> None:
        """Refuse the call: its caller never acknowledged what it asked to be sent reliably."""
        if self._invite.is_open:
            self._send_refusal(_Final(500, None, (), b""), now)
            self.core.events.append(InviteCancelled(self.id))

    # Finals

    def _release(self, now: float) -> None:
        """Send the 2xx, unless an SDP waits for its PRACK (RFC 3262 §3) or a PRACK for us."""
        final = self._held
        if final is None or self._reliable.holds_description or self.changes.waiting is not None:
            return
        self._held = None
        status, reason, fields, body = final
        session = self.changes.session
        if self.early_answer or (session.is_agreed and body != session.local):
            body = b""  # RFC 3261 §13.2.1: after the answer no other description
            fields = tuple(each for each in fields if each[0] != "Content-Type")
        self._reliable.stop()
        self.answer(self._invite, status, now, reason=reason, fields=fields, body=body)
        self._is_answered = True

    def _send_refusal(self, final: _Final, now: float) -> None:
        self._stop_progress()
        self._reliable.stop()
        self._held = None
        status, reason, fields, body = final
        self.answer(self._invite, status, now, reason=reason, fields=fields, body=body)
        self.forget()

    def _refuse(self, status: int, now: float) -> None:
        self.changes.refuse(now)
        if self._invite.is_open:
            self._send_refusal(_Final(status, None, (), b""), now)

    # The end

    @override
    def hang_up(self, now: float, reason: str) -> None:
        if self._is_answered:
            super().hang_up(now, reason)
        else:
            self._refuse(480, now)

    @override
    def receive_bye(self, dialog: Dialog, now: float) -> None:
        if self._is_answered:
            super().receive_bye(dialog, now)
        else:
            self._cancel(now)  # RFC 3261 §15: a caller may end an early dialog by BYE

    @override
    def forget(self) -> None:
        super().forget()
        self._reliable.close()

    def _cancel(self, now: float) -> None:
        """Take the caller's CANCEL, answered already."""
        if self._is_answered or self.is_over:
            return
        self._refuse(487, now)
        self.core.events.append(InviteCancelled(self.id))

    def _lose(self) -> None:
        """Take word that the caller's connection is gone, and nobody can be answered."""
        self._stop_progress()
        self._reliable.stop()
        is_news = not self.is_over
        self.forget()
        if is_news:
            self.core.events.append(InviteCancelled(self.id))
