"""What both roles do in a dialog: requests both ways, and the answers to INVITEs."""

from collections.abc import Iterable

from intercom.sip.address import Address, Transport
from intercom.sip.changes import GONE, SessionChanges
from intercom.sip.client_request import (
    ClientRequest,
    FailureHandler,
    ResponseHandler,
    ignore_failure,
    ignore_response,
)
from intercom.sip.core import ABILITIES, Core, refusal_of_method
from intercom.sip.dialog import Dialog
from intercom.sip.digest import DigestClient
from intercom.sip.events import (
    DialogEnded,
    DialogId,
    InfoAnswered,
    InfoReceived,
    InviteConfirmed,
    OfferAnswered,
)
from intercom.sip.guard import Bucket
from intercom.sip.headers import reason_field
from intercom.sip.incoming import Incoming
from intercom.sip.message import ReplyTemplate, Request, Response
from intercom.sip.repeater import Repeater
from intercom.sip.session import Due

REQUESTS_A_SECOND = 30.0
"""Of the peer in one dialog: ten keys, and twice as much besides. Each takes a transaction for 32 s, of a table
that all share: a panel gone mad must not fill it."""
RETRY_AFTER_S = 1


class InviteUsage:
    """One INVITE and the dialog that it leads to: an INVITE usage (RFC 5057 §2)."""

    is_owner = False
    """We made the Call-ID."""

    def __init__(self, core: Core, dialog_id: DialogId, sip_call_id: str, local_tag: str) -> None:
        self.id = dialog_id
        self.core = core
        self.sip_call_id = sip_call_id
        self.local_tag = local_tag
        self.dialog: Dialog | None = None
        """A UAS has it from the start, a UAC from the 2xx."""
        self.digest: DigestClient | None = None
        self.contact = ""
        self.is_over = False
        """Our user needs to hear no more of it."""
        self.changes = SessionChanges(self)
        self._repeater: Repeater | None = None
        self._is_acknowledged = self.is_owner
        """The ACK for the first 2xx came; a UAC sends that itself."""
        self._is_bye_wanted = False
        self._tokens: Bucket | None = None
        """Of the peer's requests."""
        self.early_answer = b""
        """The peer's answer to an offer of ours in a reliable provisional."""
        core.usages[dialog_id] = self
        core.usages_by_tag[sip_call_id, local_tag] = self

    @property
    def is_confirmed(self) -> bool:
        """Tell whether the dialog has had its 2xx."""
        return self.dialog is not None

    @property
    def current_dialog(self) -> Dialog | None:
        """Where requests of ours go; a UAC may have several early ones."""
        return self.dialog

    @property
    def is_settled(self) -> bool:
        """Tell whether the peer has acknowledged all descriptions of ours in provisionals."""
        return True

    @property
    def is_unacknowledged(self) -> bool:
        """Tell whether a 2xx of ours waits for its ACK."""
        return self._repeater is not None

    # What our user wants

    def respond(
        self,
        status: int,
        now: float,
        *,
        reason: str | None,
        fields: Iterable[tuple[str, str]],
        body: bytes,
    ) -> None:
        """Answer what waits for our user's word."""
        self.changes.respond(status, now, reason=reason, fields=fields, body=body)

    def send_info(
        self, now: float, content_type: str, body: bytes, *, is_vital: bool = True
    ) -> None:
        """Send an INFO (RFC 2976); ends in InfoAnswered. Silence ends the dialog if it is vital."""
        if self.dialog is None or self.is_over:
            return

        def take_answer(response: Response, now: float) -> None:
            if response.status >= 200:
                self._say_info(response.status, content_type)
                self._check_gone(response, now)

        def fail(status: int, now: float) -> None:
            self._say_info(status, content_type)
            if is_vital:
                self.fail_in_dialog(status, now)

        self.request(
            self.dialog,
            "INFO",
            now,
            fields=(("Content-Type", content_type),) if body else (),
            body=body,
            on_response=take_answer,
            on_failure=fail,
        )

    def _say_info(self, status: int, content_type: str) -> None:
        if not self.is_over:
            self.core.events.append(InfoAnswered(self.id, status, content_type))

    def hang_up(self, now: float, reason: str) -> None:
        """Say BYE; a UAS must wait for its ACK first (RFC 3261 §15)."""
        self.retire()
        self.changes.refuse(now)
        if self._repeater is not None and not self._is_acknowledged:
            self._is_bye_wanted = True
        else:
            self.send_bye(now, reason)

    # From us

    def send_bye(self, now: float, reason: str = "") -> None:
        """Say BYE; whatever comes of it, the dialog is over."""
        self._stop_repeating()
        if self.dialog is None:
            self.forget()
            return
        self.request(
            self.dialog,
            "BYE",
            now,
            fields=reason_field(reason),
            on_response=lambda _response, _now: self.forget(),
            on_failure=lambda _status, _now: self.forget(),
        )

    def request(
        self,
        dialog: Dialog,
        method: str,
        now: float,
        *,
        fields: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
        on_response: ResponseHandler = ignore_response,
        on_failure: FailureHandler = ignore_failure,
    ) -> ClientRequest:
        """Send a request within a dialog."""
        destination = dialog.next_hop()
        draft = dialog.draft(
            method,
            dialog.next_cseq(),
            branch=self.core.branch(),
            sent_by=self.core.sent_by(destination),
            fields=(self.core.user_agent, *fields),
            body=body,
        )
        request = ClientRequest(
            self.core,
            draft,
            destination,
            digest=self.digest,
            next_cseq=dialog.next_cseq,
            on_response=on_response,
            on_failure=on_failure,
        )
        request.send(now)
        return request

    def _check_gone(self, response: Response, now: float) -> None:
        if response.status in GONE:
            self.fail_in_dialog(response.status, now)

    def fail_in_dialog(self, status: int, now: float) -> None:
        """End the dialog, for a request in it got 408, 481 or no answer (RFC 3261 §12.2.1.2)."""
        if self.is_over:
            return
        self.end("the peer knows the dialog no more" if status == 481 else "the peer is silent")
        if status == 481:
            self._stop_repeating()
            self.forget()
        else:
            self.send_bye(now)

    # From the peer

    def find(self, tag: str) -> Dialog | None:
        """Find the dialog with a peer."""
        dialog = self.dialog
        return dialog if dialog is not None and tag == dialog.remote_tag else None

    def receive_request(self, request: Request, source: Address, now: float) -> None:
        """Take a request that carries our tag; ACK and CANCEL have ways of their own."""
        dialog = self.find(request.from_.tag)
        if dialog is None or (self.is_over and request.method != "BYE"):
            self.core.reply(request, source, 481)
        elif dialog.peer.transport is Transport.TLS and source.transport is not Transport.TLS:
            self.core.reply(request, source, 403)  # whoever read the tags somewhere else
        elif request.method != "BYE" and not self._has_tokens(now):
            retry_after = ("Retry-After", str(RETRY_AFTER_S))
            self.core.reply(request, source, 503, [retry_after])
        elif not dialog.accept_cseq(request.cseq.number, source):
            self.core.reply(request, source, 500)  # RFC 3261 §12.2.2: out of order
        elif request.method == "INVITE":
            self.changes.receive_reinvite(self.open_invite(dialog, request, source, now), now)
        else:
            self._receive_other(dialog, request, source, now)

    def _has_tokens(self, now: float) -> bool:
        if self._tokens is None:
            self._tokens = Bucket(REQUESTS_A_SECOND, now)
        return self._tokens.take(now)

    def _receive_other(self, dialog: Dialog, request: Request, source: Address, now: float) -> None:
        incoming = self._open(dialog, request, source)
        match request.method:
            case "BYE":
                self._reply(incoming, 200, now)
                self.receive_bye(dialog, now)
            case "INFO":
                self._reply(incoming, 200, now)
                self.core.events.append(InfoReceived(self.id, request.content_type, request.body))
            case "OPTIONS":
                self._reply(incoming, 200, now, ABILITIES)
            case "PRACK":
                self.receive_prack(incoming, now)
            case "UPDATE":
                self.changes.receive_update(incoming, now)
            case method:
                status, fields = refusal_of_method(method)
                self._reply(incoming, status, now, fields)

    def receive_prack(self, prack: Incoming, now: float) -> None:
        """Take a PRACK: here, one for nothing that we sent."""
        self._reply(prack, 481, now)

    def _open(self, dialog: Dialog, request: Request, source: Address) -> Incoming:
        """Open a transaction, so that the same request again has no second effect."""
        template = ReplyTemplate(request, source)
        transaction = self.core.layer.accept(request, template.destination)
        session = self.changes.session
        return Incoming(
            request, transaction, template, dialog, session, self.local_tag, self.contact
        )

    def _reply(
        self,
        incoming: Incoming,
        status: int,
        now: float,
        fields: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Answer a request that neither makes nor refreshes a dialog."""
        data = incoming.template.build(status, self.local_tag, fields=fields)
        self.core.layer.respond(incoming.transaction, status, data, now)

    def receive_bye(self, _dialog: Dialog, now: float) -> None:
        """Take the peer's BYE, answered already."""
        self.changes.refuse(now)
        self._stop_repeating()
        if not self.is_over:
            self.end("the peer hung up")
        self.forget()

    def receive_ack(self, request: Request, now: float) -> None:
        """Take an ACK for a 2xx: by its CSeq, whatever its Request-URI says."""
        dialog, repeater = self.dialog, self._repeater
        if dialog is None or repeater is None or request.from_.tag != dialog.remote_tag:
            return
        if request.cseq.number != repeater.number:
            return
        self._stop_repeating()
        is_first = not self._is_acknowledged
        self._is_acknowledged = True
        has_answered = self._take_answer(request.body)
        if self._is_bye_wanted:
            self.send_bye(now)
        elif self.is_over:
            return
        elif not is_first:
            if has_answered:
                self.core.events.append(OfferAnswered(self.id, request.body))
        elif has_answered is False:
            self.end("the ACK held no answer")
            self.send_bye(now)
        else:
            answer = request.body or self.early_answer
            self.core.events.append(InviteConfirmed(self.id, answer))

    def _take_answer(self, body: bytes) -> bool | None:
        """Take the answer in an ACK; False when it lacks, None when our 2xx held no offer.

        After a re-INVITE without an offer some peers leave it out: then all stays as it was.
        """
        session = self.changes.session
        if session.due is not Due.THEIR_ANSWER:
            return None
        if body:
            session.receive_answer(body)
        else:
            session.roll_back()
        return bool(body)

    # Answers

    def open_invite(
        self, dialog: Dialog, request: Request, source: Address, now: float
    ) -> Incoming:
        """Open the transaction of an INVITE and send 100."""
        template = ReplyTemplate(request, source)
        layer = self.core.layer
        transaction = layer.accept_invite(request, template.destination)
        transaction.tag = self.local_tag
        layer.respond(transaction, 100, template.build(100, ""), now)
        session = self.changes.session
        return Incoming(
            request, transaction, template, dialog, session, self.local_tag, self.contact
        )

    def answer(
        self,
        incoming: Incoming,
        status: int,
        now: float,
        *,
        reason: str | None = None,
        fields: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> None:
        """Send a response; a 2xx to an INVITE is repeated until its ACK."""
        if not incoming.is_open:
            return
        is_success = 200 <= status < 300
        own = self.changes.settle(incoming, body, now) if is_success else ()
        data = incoming.build(self.core, status, reason=reason, fields=(*own, *fields), body=body)
        self.core.layer.respond(incoming.transaction, status, data, now)
        if is_success and incoming.request.method == "INVITE":
            self._repeater = Repeater(
                self.core,
                data,
                incoming.template.destination,
                number=incoming.cseq,
                on_give_up=self._give_up_ack,
                now=now,
            )

    def _give_up_ack(self, now: float) -> None:
        if not self.is_over:
            self.end("the ACK never came")
        self.send_bye(now)

    # The end

    def end(self, reason: str) -> None:
        """Tell our user that the dialog is over."""
        self.retire()
        self.core.events.append(DialogEnded(self.id, reason))

    def retire(self) -> None:
        """Take it out of our user's reach."""
        self.is_over = True
        self.changes.stop()
        self.core.usages.pop(self.id, None)

    def forget(self) -> None:
        """Drop out of all tables."""
        self.retire()
        self.changes.close()
        self.core.usages_by_tag.pop((self.sip_call_id, self.local_tag), None)

    def _stop_repeating(self) -> None:
        if self._repeater is not None:
            self._repeater.stop()
            self._repeater = None
