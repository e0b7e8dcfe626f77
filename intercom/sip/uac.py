"""An outgoing call until its final answer (RFC 3261 §13.2, §9.1)."""

from typing_extensions import override

from intercom.sip.address import Address, Datagram
from intercom.sip.client_request import ClientRequest
from intercom.sip.core import Core
from intercom.sip.dialog import Dialog
from intercom.sip.digest import DigestClient
from intercom.sip.draft import RequestDraft
from intercom.sip.events import (
    DialogId,
    InviteAnswered,
    InviteFailed,
    InviteProgressed,
)
from intercom.sip.headers import reason_field
from intercom.sip.message import Response
from intercom.sip.timer import Alarm
from intercom.sip.transaction import TIMER_B_S, State
from intercom.sip.usage import InviteUsage

MAX_FORKS = 16
LINGER_S = 180.0
"""How long a 2xx may come after we gave up: as long as a proxy rings (timer C, RFC 3261 §16.6)."""


class _Ignore:
    """The user of a CANCEL: only the INVITE's own final counts."""

    def handle_response(self, response: Response, now: float) -> None:
        pass

    def handle_failure(self, status: int, now: float) -> None:
        pass


_IGNORE = _Ignore()


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
    ) -> None:
        super().__init__(core, DialogId(core.token(16)), draft.sip_call_id, local_tag)
        self.digest = digest
        self._destination = destination
        self._cseq = draft.cseq
        self._request = ClientRequest(
            core,
            draft,
            destination,
            digest=digest,
            next_cseq=self._next_cseq,
            on_response=self._receive_final_or_progress,
            on_failure=self._fail,
        )
        self._acks: dict[str, Datagram] = {}
        """By the remote tag of each 2xx, to be sent again whenever that 2xx is."""
        self._is_cancelling = False
        self._is_cancel_sent = False
        self._cancel_reason = ""
        self._give_up: Alarm | None = None
        self._is_lingering = False

    def start(self, now: float, silence_s: float | None = None) -> None:
        """Send the INVITE; a peer that says nothing at all for `silence_s` has failed."""
        self._request.send(now)
        if silence_s is not None:
            self.core.timers.start(now + silence_s, self._check_silence)

    def _check_silence(self, now: float) -> None:
        """Fail; should the peer wake up after all, it is cancelled."""
        transaction = self._request.transaction
        if self.is_over or transaction is None or transaction.state is not State.TRYING:
            return
        if not self._is_cancelling:
            self.cancel(now)
            self._finish(408, "Request Timeout", is_local=True)

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
        self._request.digest = None  # a challenge that comes now is not answered
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
        self.core.layer.send_request(draft, self._destination, _IGNORE, now)
        self._give_up = self.core.timers.start(now + TIMER_B_S, self._give_up_final)

    def _give_up_final(self, now: float) -> None:
        if self._request.transaction is not None:
            self._request.transaction.terminate()
        self._finish(487, "Request Terminated", is_local=True)
        self._linger(now)

    # What comes back

    def _receive_final_or_progress(self, response: Response, now: float) -> None:
        if response.status < 200:
            if self._is_cancelling:
                self._send_cancel(now)
            elif response.status > 100:
                event = InviteProgressed(self.id, response.status, response.body)
                self.core.events.append(event)
        elif response.status < 300:
            self.receive_success(response, now)
        else:
            self._finish_by(response)

    def _finish_by(self, response: Response) -> None:
        if self._is_cancelling and response.status != 487:
            self._finish(487, "Request Terminated", is_local=True)
        else:
            self._finish(response.status, response.reason, is_local=False)
        self.forget()

    def _fail(self, status: int, now: float) -> None:
        if self._is_cancelling:
            self._finish(487, "Request Terminated", is_local=True)
        else:
            reason = "Request Timeout" if status == 408 else "Service Unavailable"
            self._finish(status, reason, is_local=True)
        self._linger(now)

    def receive_success(self, response: Response, now: float) -> None:
        """Take a 2xx: the first, the same again, another fork's, or one that is too late."""
        tag = response.to.tag
        known = self._acks.get(tag)
        if known is not None:
            self.core.send(known.data, known.destination)
            return
        if len(self._acks) >= MAX_FORKS:
            return
        dialog = Dialog.of_response(self._request.draft, response, self._destination)
        self._acknowledge(dialog, tag)
        if self.dialog is None and not self._is_cancelling and not self.is_over:
            self.dialog = dialog
            self.core.events.append(InviteAnswered(self.id, response.body))
            return
        self.request(dialog, "BYE", now)
        if self.dialog is None:
            self._finish(487, "Request Terminated", is_local=True)
            if not self._is_lingering:
                self.forget()

    def _acknowledge(self, dialog: Dialog, tag: str) -> None:
        """Send ACK with the INVITE's number and credentials (RFC 3261 §13.2.2.4)."""
        invite = self._request.draft
        ack = dialog.draft(
            "ACK",
            invite.cseq,
            branch=self.core.branch(),
            sent_by=self.core.sent_by,
            credentials=invite.credentials,
        )
        datagram = Datagram(ack.to_bytes(), dialog.next_hop())
        self._acks[tag] = datagram
        self.core.send(datagram.data, datagram.destination)

    # The end

    def _finish(self, status: int, reason: str, *, is_local: bool) -> None:
        if self._give_up is not None:
            self._give_up.stop()
        if not self.is_over:
            self.retire()
            self.core.events.append(InviteFailed(self.id, status, reason, is_local))

    def _linger(self, now: float) -> None:
        """Stay known to the peer's late 2xx, which is acknowledged and hung up."""
        self._is_lingering = True
        self.core.timers.start(now + LINGER_S, lambda _now: self.forget())
