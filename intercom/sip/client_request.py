"""A request of ours that answers challenges by itself (RFC 3261 §22)."""

from collections.abc import Callable

from intercom.sip.address import Address, Transport
from intercom.sip.core import Core
from intercom.sip.digest import DigestClient
from intercom.sip.draft import RequestDraft
from intercom.sip.message import Response
from intercom.sip.transaction import ClientTransaction

MAX_ATTEMPTS = 4
MAX_DATAGRAM_BYTES = 1_300  # RFC 3261 §18.1.1: without knowledge of the path's MTU
_HEADERS = {
    401: ("www-authenticate", "Authorization"),
    407: ("proxy-authenticate", "Proxy-Authorization"),
}
ResponseHandler = Callable[[Response, float], None]
FailureHandler = Callable[[int, float], None]


def ignore_response(_response: Response, _now: float) -> None:
    """Do nothing with a response."""


def ignore_failure(_status: int, _now: float) -> None:
    """Do nothing about a failure."""


def _no_cseq() -> int:
    return 0


class ClientRequest:
    """One request and its retries: each realm is answered once, again only when its nonce was stale."""

    def __init__(
        self,
        core: Core,
        draft: RequestDraft,
        destination: Address,
        *,
        digest: DigestClient | None = None,
        next_cseq: Callable[[], int],
        on_response: ResponseHandler = ignore_response,
        on_failure: FailureHandler = ignore_failure,
    ) -> None:
        self.draft = draft
        self.digest = digest
        """None: a challenge is the user's to see."""
        self._core = core
        self.destination = destination
        """Where it went: over TCP where it was too large for UDP."""
        self._asked_for = destination
        self._is_heard = False
        self._is_abandoned = False
        self._next_cseq = next_cseq
        self._on_response = on_response
        self._on_failure = on_failure
        self._answered: set[str] = set()
        self._attempts = 0
        self.transaction: ClientTransaction | None = None

    def send(self, now: float) -> None:
        """Send it, or send it again with what `draft` is now."""
        self._attempts += 1
        self._is_heard = False
        data = self.draft.to_bytes()
        if self.destination.transport is Transport.UDP and len(data) > MAX_DATAGRAM_BYTES:
            stream = self.destination._replace(transport=Transport.TCP)
            if self._core.streams.can_try(stream, now):
                self._go_over(stream)
                data = self.draft.to_bytes()
        layer = self._core.layer
        self.transaction = layer.send_request(self.draft, self.destination, self, now, data)

    def abandon(self) -> None:
        """Send it no more, whatever comes: neither with credentials nor by another transport."""
        self.digest = None
        self._is_abandoned = True

    def _go_over(self, destination: Address) -> None:
        """Change the way; the branch stays, so that who got it both ways sees one request."""
        self.destination = destination
        self.draft = self.draft._replace(sent_by=self._core.sent_by(destination))

    def handle_response(self, response: Response, now: float) -> None:
        """Answer a challenge, or hand the response on."""
        if response.cseq.number != self.draft.cseq:  # of a try before this one
            return
        self._is_heard = True
        if response.status in _HEADERS and self._can_answer(response):
            self._retry(now)
        else:
            self._on_response(response, now)

    def handle_failure(self, status: int, now: float) -> None:
        """Hand a failure on, unless TCP was tried for the size alone (RFC 3261 §18.1.1)."""
        if status == 503 and self.destination != self._asked_for and not self._is_heard:
            self._core.streams.note_failure(self.destination, now)
            if self._is_abandoned:
                self._on_failure(status, now)
                return
            self._go_over(self._asked_for)
            layer = self._core.layer
            self.transaction = layer.send_request(self.draft, self.destination, self, now)
            return
        self._on_failure(status, now)

    def handle_end(self, transaction: ClientTransaction) -> None:
        """Let those go whom there is nothing more to tell, unless it was tried once more."""
        if transaction is self.transaction:
            self._next_cseq = _no_cseq
            self._on_response, self._on_failure = ignore_response, ignore_failure

    def _can_answer(self, response: Response) -> bool:
        key, header = _HEADERS[response.status]
        if self.digest is None or self._attempts >= MAX_ATTEMPTS:
            return False
        learnt = self.digest.learn(header, response.headers.get(key, []))
        if learnt is None:
            return False
        realm, is_stale = learnt
        if header + realm in self._answered and not is_stale:
            return False
        self._answered.add(header + realm)
        return True

    def _retry(self, now: float) -> None:
        assert self.digest is not None
        if self.destination != self._asked_for:
            self._go_over(self._asked_for)  # `send` looks at the size again
        credentials = self.digest.authorize(self.draft.method, self.draft.uri, self.draft.body)
        self.draft = self.draft.retry(self._core.branch(), self._next_cseq(), credentials)
        self.send(now)
