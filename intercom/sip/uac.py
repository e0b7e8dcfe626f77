"""An outgoing call until its final answer (RFC 3261 §13.2, §9.1; RFC 3262 §4)."""

from typing_extensions import override

from intercom.sip.address import Address, Datagram
from intercom.sip.client_request import ClientRequest
from intercom.sip.core import Core
from intercom.sip.dialog import Dialog
from intercom.sip.digest import DigestClient
from intercom.sip.draft import RequestDraft
from intercom.sip.early_dialog import EarlyDialog, rseq_of
from intercom.sip.events import (
    DialogId,
    InviteAnswered,
    InviteFailed,
    InviteProgressed,
)
from intercom.sip.headers import reason_field
from intercom.sip.message import Request, Response
from intercom.sip.option_tags import words_of
from intercom.sip.timer import Alarm
from intercom.sip.transaction import NOBODY, TIMER_B_S, State
from intercom.sip.usage import InviteUsage

MAX_FORKS = 16
MAX_EXTENSION_RETRIES = 3
"""Of an INVITE: after 421 or 422, each of which teaches something else."""
_EXTENSION_FIELDS = {"Supported", "Session-Expires", "Min-SE"}
_DIALOG_GONE = 199  # RFC 6228
LINGER_S = 180.0
"""How long a 2xx may come after we gave up without a final: as long as a proxy rings (timer C, RFC 3261 §16.6)."""


class ClientUsage(InviteUsage):
    """The UAC's side of a call."""

    is_owner = True

    def __init__(
        self,
        core: Core,
        draft: RequestDraft,
        destination: Address,
        local_tag: str,
        digest: DigestClient | None,
        *,
        is_reliable: bool = False,
        is_flow: bool = False,
    ) -> None:
        super().__init__(core, DialogId(core.token(16)), draft.sip_call_id, local_tag)
        self.digest = digest
        self._is_reliable = is_reliable
        """We offer to acknowledge provisionals."""
        self._is_flow = is_flow
        self._cseq = draft.cseq
        self._request = ClientRequest(
            core,
            self._extended(draft),
            destination,
            digest=digest,
            next_cseq=self._next_cseq,
            on_response=self._receive_final_or_progress,
            on_failure=self._fail,
        )
        self._acks: dict[str, Datagram] = {}
        """By the remote tag of each 2xx, to be sent again whenever that 2xx is."""
        self._forks: dict[str, EarlyDialog] = {}
        """Early dialogs by the remote tag, the newest last: it is the one that our user hears."""
        self._extension_retries = 0
        self._is_cancelling = False
        self._is_cancel_sent = False
        self._cancel_reason = ""
        self._give_up: Alarm | None = None
        self._is_lingering = False

    def start(self, now: float, silence_s: float | None = None) -> None:
        """Send the INVITE; a peer that says nothing at all for `silence_s` has failed."""
        self._request.send(now)
        if silence_s is not None:
            self._watch_silence(now, silence_s)

    def _watch_silence(self, now: float, silence_s: float) -> None:
        cseq = self._request.draft.cseq
        self.core.timers.start(now + silence_s, lambda at: self._check_silence(at, silence_s, cseq))

    def _check_silence(self, now: float, silence_s: float, cseq: int) -> None:
        """Fail; should the peer wake up after all, it is cancelled."""
        transaction = self._request.transaction
        if self.is_over or transaction is None or transaction.state is not State.TRYING:
            return
        if self._request.draft.cseq != cseq:  # it asked for something and was asked again
            self._watch_silence(now, silence_s)
        elif not self._is_cancelling:
            self.cancel(now)
            self._finish(408, "Request Timeout", is_local=True)

    def _extended(self, draft: RequestDraft) -> RequestDraft:
        """Write which extensions we offer, in place of what was said of them before."""
        fields = [field for field in draft.fields if field[0] not in _EXTENSION_FIELDS]
        tags = "100rel, timer" if self._is_reliable else "timer"
        own = (("Supported", tags), *self.changes.timer.request_fields())
        return draft._replace(fields=(*own, *fields))

    def _next_cseq(self) -> int:
        self._cseq += 1
        return self._cseq

    # The end that our user wants

    def cancel(self, now: float, reason: str = "") -> None:
        """Cancel, or hang up if that comes too late."""
        if self.dialog is not None:
            self.hang_up(now, reason)
            return
        if self._is_cancelling:
            return
        self._is_cancelling = True
        self._cancel_reason = reason
        self._request.abandon()  # a challenge that comes now is not answered
        transaction = self._request.transaction
        if transaction is not None and transaction.state is State.PROCEEDING:
            self._send_cancel(now)

    @override
    def hang_up(self, now: float, reason: str) -> None:
        if self.dialog is None:
            self.cancel(now, reason)
        else:
            super().hang_up(now, reason)

    def _send_cancel(self, now: float) -> None:
        """Send CANCEL; RFC 3261 §9.1: never before a provisional, and without end only 64*T1."""
        if self._is_cancel_sent:
            return
        self._is_cancel_sent = True
        draft = self._request.draft.cancel(reason_field(self._cancel_reason))
        destination = self._request.destination  # only the INVITE's own final counts:
        self.core.layer.send_request(draft, destination, NOBODY, now)
        self._give_up = self.core.timers.start(now + TIMER_B_S, self._give_up_final)

    def _give_up_final(self, now: float) -> None:
        if self._request.transaction is not None:
            self._request.transaction.terminate()
        self._finish(487, "Request Terminated", is_local=True)
        self._linger(now, LINGER_S)

    # What comes back

    def _receive_final_or_progress(self, response: Response, now: float) -> None:
        if response.status < 200:
            self._receive_provisional(response, now)
        elif response.status < 300:
            self.receive_success(response, now)
        elif not self._retry(response, now):
            self._finish_by(response, now)

    def _receive_provisional(self, response: Response, now: float) -> None:
        """Take a provisional; one that is reliable gets its PRACK even when the call is given up."""
        fork = self._fork_of(response)
        is_news = fork is None or fork.accept(response)
        rseq = rseq_of(response)
        if fork is not None and is_news and rseq is not None:
            rack = f"{rseq} {self._request.draft.cseq} INVITE"
            self.request(fork.dialog, "PRACK", now, fields=(("RAck", rack),))
        if response.status == _DIALOG_GONE:
            self._drop_fork(response.to.tag)
        if self._is_cancelling:
            self._send_cancel(now)
        elif is_news and 100 < response.status != _DIALOG_GONE:
            self.changes.learn(response)
            self.core.events.append(InviteProgressed(self.id, response.status, response.body))

    def _retry(self, response: Response, now: float) -> bool:
        """Ask again as the peer wants it: with a longer interval (422), with 100rel (421)."""
        is_longer = response.status == 422 and self.changes.timer.learn_minimum(response)
        is_missed = response.status == 421 and not self._is_reliable
        if is_missed and "100rel" in words_of(response, "require"):
            self._is_reliable = True
        elif not is_longer:
            return False
        self._extension_retries += 1
        if self._is_cancelling or self._extension_retries > MAX_EXTENSION_RETRIES:
            return False
        draft = self._request.draft
        digest = self._request.digest
        credentials = digest.authorize("INVITE", draft.uri) if digest and draft.credentials else ()
        retry = draft.retry(self.core.branch(), self._next_cseq(), credentials)
        self._request.draft = self._extended(retry)
        self._forks.clear()
        self._request.send(now)
        return True

    # Early dialogs

    def _fork_of(self, response: Response) -> EarlyDialog | None:
        """Find or make the early dialog of a provisional (RFC 3261 §12.1)."""
        tag = response.to.tag
        if response.status == 100 or not tag:
            return None
        fork = self._forks.get(tag)
        if fork is None and len(self._forks) < MAX_FORKS:
            request = self._request
            dialog = self._dialog_of(response)
            fork = self._forks[tag] = EarlyDialog(dialog, request.draft.body)
            self.changes.session = fork.session
        return fork

    def _dialog_of(self, response: Response) -> Dialog:
        request = self._request
        return Dialog.of_response(
            request.draft, response, request.destination, is_flow=self._is_flow
        )

    def _drop_fork(self, tag: str) -> None:
        self._forks.pop(tag, None)
        if self._forks:
            self.changes.session = list(self._forks.values())[-1].session

    @property
    @override
    def current_dialog(self) -> Dialog | None:
        if self.dialog is None and self._forks:
            return list(self._forks.values())[-1].dialog
        return self.dialog

    @override
    def find(self, tag: str) -> Dialog | None:
        fork = self._forks.get(tag) if self.dialog is None else None
        return super().find(tag) if fork is None else fork.dialog

    @override
    def receive_request(self, request: Request, source: Address, now: float) -> None:
        """Take a request; of several early dialogs only the newest may change the session."""
        dialog = self.find(request.from_.tag)
        if request.method == "UPDATE" and dialog is not self.current_dialog:
            self.core.reply(request, source, 500, [("Retry-After", "5")])
        else:
            super().receive_request(request, source, now)

    @override
    def receive_bye(self, dialog: Dialog, now: float) -> None:
        """Take a BYE: in an early dialog it ends that one alone, and the INVITE goes on."""
        if self.dialog is None:
            self._drop_fork(dialog.remote_tag)
        else:
            super().receive_bye(dialog, now)

    # The final

    def _finish_by(self, response: Response, now: float) -> None:
        if self._is_cancelling and response.status != 487:
            self._finish(487, "Request Terminated", is_local=True)
        else:
            self._finish(response.status, response.reason, is_local=False)
        self._linger(now, TIMER_B_S)  # a proxy may send another fork's 2xx after its refusal

    def _fail(self, status: int, now: float) -> None:
        if self._is_cancelling:
            self._finish(487, "Request Terminated", is_local=True)
        else:
            reason = "Request Timeout" if status == 408 else "Service Unavailable"
            self._finish(status, reason, is_local=True)
        self._linger(now, LINGER_S)

    def receive_success(self, response: Response, now: float) -> None:
        """Take a 2xx: the first, the same again, another fork's, or one that is too late."""
        if response.cseq.number != self._request.draft.cseq:  # of a try before this one
            return
        tag = response.to.tag
        known = self._acks.get(tag)
        if known is not None:
            self.core.send(known.data, known.destination)
            return
        if len(self._acks) >= MAX_FORKS:
            return
        dialog = self._dialog_of(response)
        fork = self._forks.get(tag) or EarlyDialog(dialog, self._request.draft.body)
        fork.confirm(response, dialog)
        self._acknowledge(dialog, tag)
        if self.dialog is None and not self._is_cancelling and not self.is_over:
            self._start_dialog(fork, response, now)
            return
        self.request(dialog, "BYE", now)
        if self.dialog is None:
            self._finish(487, "Request Terminated", is_local=True)
            if not self._is_lingering:
                self.forget()

    def _start_dialog(self, fork: EarlyDialog, response: Response, now: float) -> None:
        """Go on with the fork that answered; what the others said early is forgotten."""
        self.dialog = fork.dialog
        self._forks.clear()
        self.changes.session = fork.session
        self.changes.learn(response)
        self.changes.timer.accept_response(response, now)
        self.core.events.append(InviteAnswered(self.id, fork.session.remote))

    def _acknowledge(self, dialog: Dialog, tag: str) -> None:
        """Send ACK with the INVITE's number and credentials (RFC 3261 §13.2.2.4)."""
        invite = self._request.draft
        destination = dialog.next_hop()
        ack = dialog.draft(
            "ACK",
            invite.cseq,
            branch=self.core.branch(),
            sent_by=self.core.sent_by(destination),
            credentials=invite.credentials,
        )
        datagram = Datagram(ack.to_bytes(), destination)
        self._acks[tag] = datagram
        self.core.send(datagram.data, datagram.destination)

    # The end

    def _finish(self, status: int, reason: str, *, is_local: bool) -> None:
        if self._give_up is not None:
            self._give_up.stop()
        if not self.is_over:
            self.retire()
            self.core.events.append(InviteFailed(self.id, status, reason, is_local))

    def _linger(self, now: float, duration_s: float) -> None:
        """Stay known to the peer's late 2xx, which is acknowledged and hung up."""
        self._is_lingering = True
        self.core.timers.start(now + duration_s, lambda _now: self.forget())
