"""A session refresh request of ours: a re-INVITE (RFC 3261 §14.1) or an UPDATE (RFC 3311 §5.1)."""

from collections.abc import Callable

from intercom.sip.address import Datagram
from intercom.sip.client_request import ClientRequest
from intercom.sip.core import Core
from intercom.sip.dialog import Dialog
from intercom.sip.message import Response
from intercom.sip.session import Session
from intercom.sip.transaction import State

MAX_GLARES = 3
FINAL_WAIT_S = 64.0
"""For a final after a provisional, from the sending; nobody has to be asked, so no peer is so slow."""
_OWNER_WAIT_S = (2.1, 4.0)  # RFC 3261 §14.1: who made the Call-ID waits longer
_OTHER_WAIT_S = (0.01, 2.0)


class RefreshRequest:
    """One such request: its retries after glare, and a re-INVITE's ACKs."""

    def __init__(
        self,
        core: Core,
        dialog: Dialog,
        session: Session,
        method: str,
        *,
        body: bytes,
        content_type: str,
        is_wanted: bool,
        is_owner: bool,
        send: Callable[["RefreshRequest", float], ClientRequest],
        on_end: Callable[["RefreshRequest", int, Response | None, float], None],
        is_blocked: Callable[["RefreshRequest"], bool],
    ) -> None:
        self.dialog = dialog
        self.session = session
        self.method = method
        self.body = body
        """The offer; empty in an UPDATE that only refreshes."""
        self.content_type = content_type
        self.is_wanted = is_wanted
        """Our user asked for it, and hears of its end."""
        self.is_waiting = False
        """A glare is over and the next try has not gone out: the peer's request comes first."""
        self._core = core
        self._send = send
        self._on_end = on_end
        self._is_blocked = is_blocked
        self._is_owner = is_owner
        self._glares = 0
        self._ack: Datagram | None = None
        self._request: ClientRequest | None = None
        self._is_stopped = False
        self._is_refused = False

    def start(self, now: float) -> None:
        """Send it, unless the dialog has ended or something of the peer's is not done with."""
        if self._is_stopped:
            return
        self.is_waiting = self._is_blocked(self)
        if self.is_waiting:
            self._core.timers.start(now + self._wait_s(), self.start)
            return
        self._is_refused = False
        if self.body:
            self.session.offer(self.body)
        self._request = self._send(self, now)
        if self.method == "INVITE":
            self._core.timers.start(now + FINAL_WAIT_S, self._give_up)

    def stop(self) -> None:
        """Send it no more."""
        self._is_stopped = True

    def handle_response(self, response: Response, now: float) -> None:
        """Take a response."""
        if response.status < 200 or self._is_refused:  # a 2xx after a refusal would be a fork's
            return
        self._is_refused = response.status >= 300
        if response.status < 300:
            self._succeed(response, now)
        elif response.status == 491 and self._glares < MAX_GLARES:
            self._glares += 1
            self.is_waiting = True
            if self.body:
                self.session.roll_back()
            self._core.timers.start(now + self._wait_s(), self.start)
        else:
            self._on_end(self, response.status, response, now)

    def _give_up(self, now: float) -> None:
        """End a try that got a provisional and never its final: no timer of §17.1.1 ends that one."""
        transaction = self._request.transaction if self._request is not None else None
        if transaction is not None and transaction.state is State.PROCEEDING:
            transaction.terminate()
            self._on_end(self, 408, None, now)

    def handle_failure(self, status: int, now: float) -> None:
        """Take silence."""
        self._on_end(self, status, None, now)

    def _succeed(self, response: Response, now: float) -> None:
        """Send a re-INVITE's ACK, again for each retransmission of the 2xx."""
        if self._ack is not None:
            self._core.send(self._ack.data, self._ack.destination)
            return
        self.dialog.refresh_target(response)
        if self.method == "INVITE":
            self._acknowledge()
        self._on_end(self, response.status, response, now)

    def _acknowledge(self) -> None:
        assert self._request is not None
        invite = self._request.draft
        destination = self.dialog.next_hop()
        ack = self.dialog.draft(
            "ACK",
            invite.cseq,
            branch=self._core.branch(),
            sent_by=self._core.sent_by(destination),
            credentials=invite.credentials,
        )
        self._ack = Datagram(ack.to_bytes(), destination)
        self._core.send(self._ack.data, self._ack.destination)

    def _wait_s(self) -> float:
        """Choose a wait in steps of 10 ms."""
        shortest, longest = _OWNER_WAIT_S if self._is_owner else _OTHER_WAIT_S
        steps = round((longest - shortest) * 100) + 1
        return shortest + int(self._core.token(4), 16) % steps / 100
