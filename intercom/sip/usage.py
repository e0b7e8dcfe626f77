"""What both roles do in a dialog: requests both ways, and the answers to INVITEs."""

from collections.abc import Iterable
from typing import NamedTuple

from intercom.sip.address import Address
from intercom.sip.client_request import (
    ClientRequest,
    FailureHandler,
    ResponseHandler,
    ignore_failure,
    ignore_response,
)
from intercom.sip.core import ALLOW, Core, refusal_of_method
from intercom.sip.dialog import Dialog
from intercom.sip.digest import DigestClient
from intercom.sip.events import (
    DialogEnded,
    DialogId,
    InfoReceived,
    InviteConfirmed,
    ReinviteAnswered,
    ReinviteFailed,
    ReinviteReceived,
)
from intercom.sip.headers import reason_field
from intercom.sip.message import ReplyTemplate, Request, Response
from intercom.sip.reinvite import Reinvite
from intercom.sip.repeater import FinalRepeater
from intercom.sip.transaction import InviteServerTransaction

_GONE = {408, 481}  # RFC 3261 §12.2.1.2: the dialog is over


class IncomingInvite(NamedTuple):
    """An INVITE or re-INVITE of the peer."""

    transaction: InviteServerTransaction
    template: ReplyTemplate
    cseq: int
    fields: tuple[tuple[str, str], ...]
    """Record-Route and Contact, for what makes or refreshes the dialog."""


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
        self._reinvite: IncomingInvite | None = None
        self._own_reinvite: Reinvite | None = None
        self._repeater: FinalRepeater | None = None
        self._is_acknowledged = self.is_owner
        """The ACK for the first 2xx came; a UAC sends that itself."""
        self._is_bye_wanted = False
        core.usages[dialog_id] = self
        core.usages_by_tag[sip_call_id, local_tag] = self

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
        """Answer the re-INVITE that waits, if there is one."""
        invite = self._reinvite
        if invite is None:
            return
        if status >= 200:
            self._reinvite = None
        self.answer(invite, status, now, reason=reason, fields=fields, body=body)

    def send_info(self, now: float, content_type: str, body: bytes) -> None:
        """Send an INFO (RFC 2976)."""
        if self.dialog is None or self.is_over:
            return
        self.request(
            self.dialog,
            "INFO",
            now,
            fields=(("Content-Type", content_type),) if body else (),
            body=body,
            on_response=self._check_gone,
            on_failure=self._fail_in_dialog,
        )

    def reinvite(self, now: float, content_type: str, body: bytes) -> None:
        """Offer anew, unless an INVITE of either side waits for its final or its ACK."""
        if self.dialog is None or self._own_reinvite is not None or self._is_offered():
            self.core.events.append(ReinviteFailed(self.id, 491))
            return
        dialog = self.dialog
        fields = (("Contact", self.contact), ("Allow", ALLOW), ("Content-Type", content_type))
        self._own_reinvite = Reinvite(
            self.core,
            dialog,
            send=lambda own, at: self.request(
                dialog,
                "INVITE",
                at,
                fields=fields,
                body=body,
                on_response=own.handle_response,
                on_failure=own.handle_failure,
            ),
            on_end=self._end_reinvite,
            is_blocked=self._is_offered,
            is_owner=self.is_owner,
        )
        self._own_reinvite.start(now)

    def _end_reinvite(self, status: int, body: bytes, now: float) -> None:
        self._own_reinvite = None
        if self.is_over:
            return
        if status < 300:
            self.core.events.append(ReinviteAnswered(self.id, body))
            return
        self.core.events.append(ReinviteFailed(self.id, status))
        if status in _GONE:
            self._fail_in_dialog(status, now)

    def _is_offered(self) -> bool:
        """Tell whether an INVITE of the peer waits for its final, or our final for its ACK."""
        return self._reinvite is not None or self._repeater is not None

    def hang_up(self, now: float, reason: str) -> None:
        """Say BYE; a UAS must wait for its ACK first (RFC 3261 §15)."""
        self.retire()
        self._refuse_reinvite(now)
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
        draft = dialog.draft(
            method,
            dialog.next_cseq(),
            branch=self.core.branch(),
            sent_by=self.core.sent_by,
            fields=(self.core.user_agent, *fields),
            body=body,
        )
        request = ClientRequest(
            self.core,
            draft,
            dialog.next_hop(),
            digest=self.digest,
            next_cseq=dialog.next_cseq,
            on_response=on_response,
            on_failure=on_failure,
        )
        request.send(now)
        return request

    def _check_gone(self, response: Response, now: float) -> None:
        if response.status in _GONE:
            self._fail_in_dialog(response.status, now)

    def _fail_in_dialog(self, status: int, now: float) -> None:
        if self.is_over:
            return
        self.end("the peer knows the dialog no more" if status == 481 else "the peer is silent")
        if status == 481:
            self._stop_repeating()
            self.forget()
        else:
            self.send_bye(now)

    # From the peer

    def receive_request(self, request: Request, source: Address, now: float) -> None:
        """Take a request that carries our tag; ACK and CANCEL have ways of their own."""
        dialog = self.dialog
        is_known = dialog is not None and request.from_.tag == dialog.remote_tag
        if dialog is None or not is_known or (self.is_over and request.method != "BYE"):
            self.core.reply(request, source, 481)
        elif not dialog.accept_cseq(request.cseq.number):
            self.core.reply(request, source, 500)  # RFC 3261 §12.2.2: out of order
        elif request.method == "INVITE":
            self._receive_reinvite(dialog, request, source, now)
        else:
            self._receive_other(request, source, now)

    def _receive_other(self, request: Request, source: Address, now: float) -> None:
        match request.method:
            case "BYE":
                self._reply(request, source, 200, now)
                self.receive_bye(now)
            case "INFO":
                self._reply(request, source, 200, now)
                self.core.events.append(InfoReceived(self.id, request.content_type, request.body))
            case "OPTIONS":
                self._reply(request, source, 200, now, [("Allow", ALLOW)])
            case method:
                status, fields = refusal_of_method(method)
                self._reply(request, source, status, now, fields)

    def _reply(
        self,
        request: Request,
        source: Address,
        status: int,
        now: float,
        fields: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Answer in a transaction, so that the same request again has no second effect."""
        template = ReplyTemplate(request, source)
        transaction = self.core.layer.accept(request, template.destination)
        data = template.build(status, self.local_tag, fields=fields)
        self.core.layer.respond(transaction, status, data, now)

    def receive_bye(self, now: float) -> None:
        """Take the peer's BYE, answered already."""
        self._refuse_reinvite(now)
        self._stop_repeating()
        if not self.is_over:
            self.end("the peer hung up")
        self.forget()

    def receive_ack(self, request: Request, now: float) -> None:
        """Take an ACK for a 2xx: by its CSeq, whatever its Request-URI says."""
        dialog, repeater = self.dialog, self._repeater
        if dialog is None or repeater is None or request.from_.tag != dialog.remote_tag:
            return
        if request.cseq.number != repeater.cseq:
            return
        self._stop_repeating()
        is_first = not self._is_acknowledged
        self._is_acknowledged = True
        if self._is_bye_wanted:
            self.send_bye(now)
        elif is_first and not self.is_over:
            self.core.events.append(InviteConfirmed(self.id, request.body))

    def _receive_reinvite(
        self, dialog: Dialog, request: Request, source: Address, now: float
    ) -> None:
        invite = self.open_invite(request, source, now)
        if self._own_reinvite is not None and not self._own_reinvite.is_waiting:
            self.answer(invite, 491, now)  # RFC 3261 §14.2: glare
        elif self._is_offered() or not self.is_confirmed:
            wait_s = int(self.core.token(2), 16) % 10
            self.answer(invite, 500, now, fields=[("Retry-After", str(wait_s))])
        else:
            dialog.refresh_target(request)
            self._reinvite = invite
            invite.transaction.on_cancel = self._refuse_reinvite
            self.core.events.append(ReinviteReceived(self.id, request.body))

    @property
    def is_confirmed(self) -> bool:
        """Tell whether the dialog has had its 2xx."""
        return self.dialog is not None

    # Answers to INVITEs

    def open_invite(self, request: Request, source: Address, now: float) -> IncomingInvite:
        """Open the transaction of an INVITE and send 100."""
        template = ReplyTemplate(request, source)
        layer = self.core.layer
        transaction = layer.accept_invite(request, template.destination)
        transaction.tag = self.local_tag
        layer.respond(transaction, 100, template.build(100, ""), now)
        routes = [("Record-Route", route) for route in request.headers.get("record-route", ())]
        fields = (*routes, ("Contact", self.contact), ("Allow", ALLOW), self.core.user_agent)
        return IncomingInvite(transaction, template, request.cseq.number, fields)

    def answer(
        self,
        invite: IncomingInvite,
        status: int,
        now: float,
        *,
        reason: str | None = None,
        fields: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> None:
        """Send a response to an INVITE; a 2xx is repeated until its ACK."""
        if not invite.transaction.is_open:
            return
        own = invite.fields if status < 300 else (self.core.user_agent,)
        template = invite.template
        data = template.build(
            status, self.local_tag, reason=reason, fields=(*own, *fields), body=body
        )
        self.core.layer.respond(invite.transaction, status, data, now)
        if 200 <= status < 300:
            self._repeater = FinalRepeater(
                self.core,
                data,
                template.destination,
                cseq=invite.cseq,
                on_give_up=self._give_up_ack,
                now=now,
            )

    def _give_up_ack(self, now: float) -> None:
        if not self.is_over:
            self.end("the ACK never came")
        self.send_bye(now)

    def _refuse_reinvite(self, now: float) -> None:
        """Answer a waiting re-INVITE with 487: it was cancelled, or the dialog ends."""
        self.respond(487, now, reason=None, fields=(), body=b"")

    # The end

    def end(self, reason: str) -> None:
        """Tell our user that the dialog is over."""
        self.retire()
        self.core.events.append(DialogEnded(self.id, reason))

    def retire(self) -> None:
        """Take it out of our user's reach."""
        self.is_over = True
        if self._own_reinvite is not None:
            self._own_reinvite.stop()
        self.core.usages.pop(self.id, None)

    def forget(self) -> None:
        """Drop out of all tables."""
        self.retire()
        self.core.usages_by_tag.pop((self.sip_call_id, self.local_tag), None)

    def _stop_repeating(self) -> None:
        if self._repeater is not None:
            self._repeater.stop()
            self._repeater = None
