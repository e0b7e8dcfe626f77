"""A re-INVITE of ours (RFC 3261 §14.1)."""

from collections.abc import Callable

from intercom.sip.address import Datagram
from intercom.sip.client_request import ClientRequest
from intercom.sip.core import Core
from intercom.sip.dialog import Dialog
from intercom.sip.message import Response

MAX_GLARES = 3
_OWNER_WAIT_S = (2.1, 4.0)  # RFC 3261 §14.1: who made the Call-ID waits longer
_OTHER_WAIT_S = (0.01, 2.0)


class Reinvite:
    """One re-INVITE: its retries after glare, and its ACKs."""

    def __init__(
        self,
        core: Core,
        dialog: Dialog,
        *,
        send: Callable[["Reinvite", float], ClientRequest],
        on_end: Callable[[int, bytes, float], None],
        is_blocked: Callable[[], bool],
        is_owner: bool,
    ) -> None:
        self.is_waiting = False
        """A glare is over and the next try has not gone out: the peer's re-INVITE comes first."""
        self._core = core
        self._dialog = dialog
        self._send = send
        self._on_end = on_end
        self._is_blocked = is_blocked
        self._is_owner = is_owner
        self._glares = 0
        self._ack: Datagram | None = None
        self._request: ClientRequest | None = None
        self._is_stopped = False

    def start(self, now: float) -> None:
        """Send it, unless the dialog has ended or the peer's re-INVITE is not done with."""
        if self._is_stopped:
            return
        if self._is_blocked():
            self._core.timers.start(now + self._wait_s(), self.start)
            return
        self.is_waiting = False
        self._request = self._send(self, now)

    def stop(self) -> None:
        """Send it no more."""
        self._is_stopped = True

    def handle_response(self, response: Response, now: float) -> None:
        """Take a response."""
        if response.status < 200:
            return
        if response.status < 300:
            self._acknowledge(response, now)
        elif response.status == 491 and self._glares < MAX_GLARES:
            self._glares += 1
            self.is_waiting = True
            self._core.timers.start(now + self._wait_s(), self.start)
        else:
            self._on_end(response.status, b"", now)

    def handle_failure(self, status: int, now: float) -> None:
        """Take silence."""
        self._on_end(status, b"", now)

    def _acknowledge(self, response: Response, now: float) -> None:
        """Send ACK, again for each retransmission of the 2xx."""
        if self._ack is not None:
            self._core.send(self._ack.data, self._ack.destination)
            return
        assert self._request is not None
        self._dialog.refresh_target(response)
        invite = self._request.draft
        ack = self._dialog.draft(
            "ACK",
            invite.cseq,
            branch=self._core.branch(),
            sent_by=self._core.sent_by,
            credentials=invite.credentials,
        )
        self._ack = Datagram(ack.to_bytes(), self._dialog.next_hop())
        self._core.send(self._ack.data, self._ack.destination)
        self._on_end(response.status, response.body, now)

    def _wait_s(self) -> float:
        """Choose a wait in steps of 10 ms."""
        shortest, longest = _OWNER_WAIT_S if self._is_owner else _OTHER_WAIT_S
        steps = round((longest - shortest) * 100) + 1
        return shortest + int(self._core.token(4), 16) % steps / 100
