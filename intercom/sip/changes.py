"""What changes or refreshes the session of a dialog: re-INVITE, UPDATE, session timer.

RFC 3261 §14, RFC 3311, RFC 4028. One offer is open at a time, of either side.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from intercom.sip.client_request import ClientRequest
from intercom.sip.core import ALLOW, SUPPORTED
from intercom.sip.events import ReinviteAnswered, ReinviteFailed, ReinviteReceived
from intercom.sip.incoming import Incoming
from intercom.sip.message import Message, Response
from intercom.sip.option_tags import words_of
from intercom.sip.refresh_request import RefreshRequest
from intercom.sip.session import Due, Session
from intercom.sip.session_timer import SessionTimer
from intercom.sip.timer import Alarm

if TYPE_CHECKING:
    from intercom.sip.usage import InviteUsage

SDP = "application/sdp"
GONE = {408, 481}  # RFC 3261 §12.2.1.2: the dialog is over
_NOT_DONE = {405, 501}
ANSWER_LIMIT_S = 10.0
"""For our user's answer to an offer; no adapter needs a second, and a forgotten one must not hang."""
_MAX_RETRY_AFTER_S = 10  # RFC 3261 §14.2, RFC 3311 §5.2

Fields = tuple[tuple[str, str], ...]


class SessionChanges:
    """The changes of one dialog's session, ours and the peer's."""

    def __init__(self, usage: "InviteUsage") -> None:
        self._owner: InviteUsage | None = usage
        """None once it is forgotten."""
        self._core = usage.core
        self.session = Session()
        self.timer = SessionTimer(self._core, on_refresh=self._refresh, on_expire=self._expire)
        self.waiting: Incoming | None = None
        """The peer's re-INVITE, or its UPDATE or PRACK with an offer, for our user to answer."""
        self._limit: Alarm | None = None
        self._own: RefreshRequest | None = None
        self._next: tuple[str, bytes, str] | None = None
        """What our user wants meanwhile, while a refresh of our own is under way."""
        self._allows_update = False

    @property
    def _usage(self) -> "InviteUsage":
        assert self._owner is not None, "all that may call has been stopped"
        return self._owner

    def learn(self, message: Message) -> None:
        """Take note of what the peer allows."""
        if "allow" in message.headers:
            self._allows_update = "update" in words_of(message, "allow")

    def stop(self) -> None:
        """Send nothing more: the dialog is over."""
        self.timer.stop()
        self._next = None
        if self._own is not None:
            self._own.stop()

    def close(self) -> None:
        """Let the dialog go, so that neither keeps the other; what waits is answered no more."""
        self.stop()
        self.timer.close()
        self.waiting = self._own = self._owner = None
        if self._limit is not None:
            self._limit.stop()

    # Ours

    def start(self, method: str, now: float, content_type: str, body: bytes) -> None:
        """Offer anew by INVITE or UPDATE; fails at once while another offer is open."""
        is_early = not self._usage.is_confirmed
        if method == "UPDATE" and not self._allows_update:
            self._core.events.append(ReinviteFailed(self._usage.id, 405))
        elif self._own is not None and not self._own.is_wanted and self._next is None:
            self._next = (method, body, content_type)
        elif self._own is not None or self._is_theirs_open() or (is_early and not self._is_ready()):
            self._core.events.append(ReinviteFailed(self._usage.id, 491))
        else:
            self._send(method, body, content_type, now, is_wanted=True)

    def _is_ready(self) -> bool:
        """Tell whether an early dialog has an agreement that both sides know of (RFC 3311 §5.1)."""
        return self.session.is_agreed and self._usage.is_settled

    def _send(
        self, method: str, body: bytes, content_type: str, now: float, *, is_wanted: bool
    ) -> None:
        dialog = self._usage.current_dialog
        if dialog is None:
            return
        self._own = RefreshRequest(
            self._core,
            dialog,
            self.session,
            method,
            body=body,
            content_type=content_type,
            is_wanted=is_wanted,
            is_owner=self._usage.is_owner,
            send=self._transmit,
            on_end=self._end,
            is_blocked=lambda own: bool(own.body) and self._is_theirs_open(),
        )
        self._own.start(now)

    def _transmit(self, own: RefreshRequest, now: float) -> ClientRequest:
        fields = (
            ("Contact", self._usage.contact),
            ("Allow", ALLOW),
            ("Supported", "timer"),
            *self.timer.request_fields(),
        )
        return self._usage.request(
            own.dialog,
            own.method,
            now,
            fields=(*fields, ("Content-Type", own.content_type)) if own.body else fields,
            body=own.body,
            on_response=own.handle_response,
            on_failure=own.handle_failure,
        )

    def _end(self, own: RefreshRequest, status: int, response: Response | None, now: float) -> None:
        self._own = None
        if self._owner is None or self._owner.is_over:
            return
        if response is not None and status < 300:
            self._succeed(own, response, now)
        else:
            if own.body:
                own.session.roll_back()
            if response is not None and status == 422 and self.timer.learn_minimum(response):
                self._send(own.method, own.body, own.content_type, now, is_wanted=own.is_wanted)
                return
            self._fail(own, status, now)
        if self._next is not None and not self._usage.is_over:
            (method, body, content_type), self._next = self._next, None
            self.start(method, now, content_type, body)

    def _succeed(self, own: RefreshRequest, response: Response, now: float) -> None:
        self.learn(response)
        if self._usage.is_confirmed:
            self.timer.accept_response(response, now)
        is_changed = bool(own.body and response.body) and response.body != own.session.remote
        if own.body and response.body:
            own.session.receive_answer(response.body)
        elif own.body:
            own.session.roll_back()
        if own.is_wanted or is_changed:
            self._core.events.append(ReinviteAnswered(self._usage.id, response.body))

    def _fail(self, own: RefreshRequest, status: int, now: float) -> None:
        if own.is_wanted:
            self._core.events.append(ReinviteFailed(self._usage.id, status))
        if status in GONE and self._usage.is_confirmed:
            self._usage.fail_in_dialog(status, now)
        elif own.is_wanted:
            return
        elif own.method == "UPDATE" and status in _NOT_DONE and self.session.local:
            self._allows_update = False
            self._refresh(now)
        else:
            self.timer.retry(now)

    # The session timer

    def _refresh(self, now: float) -> None:
        """Refresh the session without changing it."""
        if self._usage.is_over:
            return
        if self._own is not None:
            self.timer.retry(now)  # what is under way refreshes it too, if it succeeds
        elif self._allows_update or not self.session.local:
            self._send("UPDATE", b"", "", now, is_wanted=False)
        else:
            self._send("INVITE", self.session.local, SDP, now, is_wanted=False)

    def _expire(self, now: float) -> None:
        if not self._usage.is_over:
            self._usage.end("the session was not refreshed")
            self._usage.send_bye(now)

    # The peer's

    def receive_reinvite(self, invite: Incoming, now: float) -> None:
        """Take a re-INVITE, whose 100 went out."""
        self.learn(invite.request)
        if self._is_ours_open():
            self._usage.answer(invite, 491, now)  # RFC 3261 §14.2: glare
        elif self._is_theirs_open() or not self._usage.is_confirmed:
            self.put_off(invite, now)
        else:
            self._take(invite, now)

    def receive_update(self, update: Incoming, now: float) -> None:
        """Take an UPDATE: one without an offer is a refresh, and answered at once."""
        request = update.request
        self.learn(request)
        if request.body:
            self.receive_offer(update, now)
        elif self.waiting is not None and self.waiting.request.method == "UPDATE":
            self.put_off(update, now)
        else:
            self._usage.answer(update, 200, now)

    def receive_offer(self, incoming: Incoming, now: float) -> None:
        """Take an offer in an UPDATE or PRACK (RFC 3311 §5.2)."""
        if incoming.request.content_type != SDP:
            self._usage.answer(incoming, 415, now, fields=[("Accept", SDP)])
        elif self._is_ours_open() or incoming.session.due is Due.THEIR_ANSWER:
            self._usage.answer(incoming, 491, now)
        elif self.waiting is not None or incoming.session.due is Due.OUR_ANSWER:
            self.put_off(incoming, now)
        else:
            self._take(incoming, now)

    def _take(self, incoming: Incoming, now: float) -> None:
        """Put an offer to our user, or answer what changes nothing."""
        body, session = incoming.request.body, incoming.session
        if body:
            is_repetition = session.is_repetition(body)
            session.receive_offer(body)
            if is_repetition:
                fields = [("Content-Type", SDP)]
                self._usage.answer(incoming, 200, now, fields=fields, body=session.local)
                return
        self.waiting = incoming
        self._limit = self._core.timers.start(now + ANSWER_LIMIT_S, self._give_up_answer)
        incoming.when_cancelled(self.refuse)
        self._core.events.append(ReinviteReceived(self._usage.id, body))

    def respond(
        self,
        status: int,
        now: float,
        *,
        reason: str | None = None,
        fields: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> None:
        """Answer what waits, if anything does; a provisional would say nothing."""
        incoming = self.waiting
        if incoming is None or status < 200:
            return
        self.waiting = None
        if self._limit is not None:
            self._limit.stop()
        if status >= 300 and incoming.request.body:
            incoming.session.roll_back()
        self._usage.answer(incoming, status, now, reason=reason, fields=fields, body=body)

    def _give_up_answer(self, now: float) -> None:
        """Answer for our user, by way of the usage: it may hold a 2xx that waited for this."""
        self._usage.respond(500, now, reason=None, fields=(), body=b"")

    def refuse(self, now: float) -> None:
        """Answer what waits with 487: it was cancelled, or the dialog ends (RFC 3261 §15.1.2)."""
        self.respond(487, now)

    def settle(self, incoming: Incoming, body: bytes, now: float) -> Fields:
        """Act on a 2xx of ours that is about to go out; return what it says of the session timer."""
        session, request = incoming.session, incoming.request
        if session.due is Due.OUR_ANSWER and request.body:
            session.answer(body)
        elif request.method == "INVITE" and body and not request.body:
            session.offer(body)
        if request.method == "PRACK":
            return ()
        incoming.dialog.refresh_target(request)
        supported = (("Supported", ", ".join(SUPPORTED)),)
        if request.method == "INVITE" or self._usage.is_confirmed:
            return (*supported, *self.timer.accept_request(request, now))
        return supported

    def put_off(self, incoming: Incoming, now: float) -> None:
        """Answer 500 with a time after which to try again."""
        wait_s = int(self._core.token(2), 16) % _MAX_RETRY_AFTER_S
        self._usage.answer(incoming, 500, now, fields=[("Retry-After", str(wait_s))])

    def _is_ours_open(self) -> bool:
        """Tell whether a re-INVITE or an offer of ours waits for its final."""
        own = self._own
        return own is not None and not own.is_waiting and (own.method == "INVITE" or bool(own.body))

    def _is_theirs_open(self) -> bool:
        """Tell whether an offer of the peer waits for our answer, or a 2xx of ours for its ACK."""
        is_due = self.session.due is Due.OUR_ANSWER
        return self.waiting is not None or is_due or self._usage.is_unacknowledged
