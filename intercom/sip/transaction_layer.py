"""The transaction layer: the tables of all transactions, and the matching of messages to them."""

from intercom.sip.address import Address, Datagram
from intercom.sip.draft import BRANCH_COOKIE, RequestDraft
from intercom.sip.headers import parse_via, split_list
from intercom.sip.message import Request, Response
from intercom.sip.timer import TimerQueue
from intercom.sip.transaction import (
    ClientKey,
    ClientTransaction,
    ClientUser,
    InviteClientTransaction,
    InviteServerTransaction,
    NonInviteClientTransaction,
    NonInviteServerTransaction,
    ServerKey,
    ServerTransaction,
)

_METHODS = ("INVITE", "BYE", "INFO", "REGISTER", "OPTIONS", "CANCEL", "PRACK", "UPDATE")


class TransactionLayer:
    """All transactions of one endpoint; what they send gathers in `outbox`."""

    def __init__(self, timers: TimerQueue) -> None:
        self.outbox: list[Datagram] = []
        self._timers = timers
        self._clients: dict[ClientKey, ClientTransaction] = {}
        self._servers: dict[ServerKey, ServerTransaction] = {}

    @property
    def size(self) -> int:
        """Count the transactions that are kept."""
        return len(self._clients) + len(self._servers)

    def send_request(
        self,
        draft: RequestDraft,
        destination: Address,
        user: ClientUser,
        now: float,
        data: bytes = b"",
    ) -> ClientTransaction:
        """Start a client transaction; `data` is the draft written out, where that was done."""
        data = data or draft.to_bytes()
        kind = InviteClientTransaction if draft.method == "INVITE" else NonInviteClientTransaction
        transaction = kind(draft, data, destination, user, outbox=self.outbox, table=self._clients)
        transaction.start(now)
        self._timers.watch(transaction)
        return transaction

    def receive_response(self, response: Response, now: float) -> bool:
        """Hand a response to its transaction (RFC 3261 §17.1.3); False when there is none."""
        transaction = self._clients.get((response.via.branch, response.cseq.method))
        if transaction is None:
            return False
        transaction.receive_response(response, now)
        self._timers.watch(transaction)
        return True

    def find(self, request: Request) -> ServerTransaction | None:
        """Find the transaction that a request is a retransmission of."""
        return self._servers.get(_key(request, request.method))

    def find_invite(self, request: Request) -> InviteServerTransaction | None:
        """Find the INVITE transaction that an ACK or CANCEL belongs to."""
        found = self._servers.get(_key(request, "INVITE"))
        return found if isinstance(found, InviteServerTransaction) else None

    def knows(self, branch: str, sent_by: str) -> bool:
        """Tell whether a transaction has this branch: ours, or one of the peer with that sent-by."""
        return any(
            (branch, method) in self._clients or (branch, sent_by, method) in self._servers
            for method in _METHODS
        )

    def is_merged(self, request: Request) -> bool:
        """Tell whether an INVITE came already by another way (RFC 3261 §8.2.2.2)."""
        return _twin_key(request) in self._servers

    def accept_invite(self, request: Request, destination: Address) -> InviteServerTransaction:
        """Open the server transaction of a new INVITE."""
        key = _key(request, "INVITE")
        transaction = InviteServerTransaction(key, destination, self.outbox, self._servers)
        transaction.twin_key = _twin_key(request)
        self._servers[transaction.twin_key] = transaction
        return transaction

    def accept(self, request: Request, destination: Address) -> NonInviteServerTransaction:
        """Open the server transaction of any other new request."""
        key = _key(request, request.method)
        return NonInviteServerTransaction(key, destination, self.outbox, self._servers)

    def respond(self, transaction: ServerTransaction, status: int, data: bytes, now: float) -> None:
        """Send a response in a transaction."""
        transaction.respond(status, data, now)
        self._timers.watch(transaction)

    def receive_ack(self, transaction: InviteServerTransaction, now: float) -> None:
        """Take the ACK for a final of 300 or more."""
        transaction.receive_ack(now)
        self._timers.watch(transaction)

    def fail(self, destination: Address, now: float) -> None:
        """Fail the client transactions toward an address that cannot be reached.

        Where it is a stream's, the server transactions have lost their way back too and are
        dropped; over UDP the next retransmission may find it again. Deviates from RFC 3261
        §18.2.2: no connection is opened for a response, since the ones who come to us from behind
        a NAT could not be reached so.
        """
        for client in [each for each in self._clients.values() if each.destination == destination]:
            client.fail(now)
        if not destination.transport.is_stream:
            return
        for server in [each for each in self._servers.values() if each.destination == destination]:
            server.lose()

    def destinations(self) -> set[Address]:
        """List where answers to our requests are awaited from."""
        return {client.destination for client in self._clients.values()}

    def is_looped(self, request: Request) -> bool:
        """Tell whether a request is one of ours that waits, back again by way of a proxy."""
        method = request.method
        if (request.via.branch, method) in self._clients:
            return True
        lines = request.headers["via"]
        if len(lines) == 1 and "," not in lines[0]:
            return False
        vias = (parse_via(value) for line in lines for value in split_list(line))
        return any((via.branch, method) in self._clients for via in vias)


def _key(request: Request, method: str) -> ServerKey:
    """Build the matching key of RFC 3261 §17.2.3; RFC 2543 peers have no branch worth the name."""
    matching = request.matching
    if matching is None:
        matching = request.matching = _matching(request)
    before, after = matching
    return (*before, method, *after)


def _matching(request: Request) -> tuple[tuple[str, ...], tuple[str, ...]]:
    via = request.via
    branch = via.branch
    if len(branch) > len(BRANCH_COOKIE) and branch.startswith(BRANCH_COOKIE):
        return (branch, via.sent_by), ()
    sender = request.from_.tag or request.required("from")
    return (branch, via.sent_by), (request.sip_call_id, sender, str(request.cseq.number))


def _twin_key(request: Request) -> ServerKey:
    tag = request.from_.tag
    return "merged", request.sip_call_id, tag, str(request.cseq.number), request.method
