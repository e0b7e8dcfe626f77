"""The four transaction machines of RFC 3261 §17, the INVITE ones as RFC 6026 corrected them.

Each puts its datagrams into `outbox`, sets `deadline_at`, and takes itself out of `table` at its end.
Over a stream nothing is sent again (no timers A, E, G), and nothing of the peer is waited for that
only a lossy transport would bring (D, I, J and K are zero). Timers B, F, H, L and M stay.
"""

from abc import abstractmethod
from collections.abc import Callable
from enum import Enum
from typing import Protocol

from typing_extensions import override

from intercom.sip.address import Address, Datagram
from intercom.sip.draft import RequestDraft
from intercom.sip.message import Response
from intercom.sip.timer import Timed

T1_S = 0.5  # RFC 3261 §17.1.1.1: estimate of the round trip
T2_S = 4.0  # RFC 3261 §17.1.2.2: longest retransmit interval
T4_S = 5.0  # RFC 3261 §17.1.2.2: longest time that a message stays in the network
TIMER_B_S = 64 * T1_S  # also F, H, J, L (RFC 6026), M (RFC 6026)
TIMER_D_S = 32.0  # RFC 3261 §17.1.1.2: at least 32 s

ClientKey = tuple[str, str]
"""Branch and method (RFC 3261 §17.1.3)."""
ServerKey = tuple[str, ...]
"""Branch, sent-by and method (RFC 3261 §17.2.3), or more for RFC 2543 peers."""


class State(Enum):
    TRYING = "trying"
    """Calling, for an INVITE client."""
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    """After a 2xx to an INVITE (RFC 6026)."""
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class ClientUser(Protocol):
    """Whoever sent a request."""

    def handle_response(self, response: Response, now: float) -> None:
        """Take a response that is not a retransmission, or one more 2xx to an INVITE."""

    def handle_failure(self, status: int, now: float) -> None:
        """Take 408 for silence, 503 for a transport that failed."""

    def handle_end(self, transaction: "ClientTransaction") -> None:
        """Take word that nothing more will come of this transaction."""


class _Nobody:
    """The user of a transaction that is over: neither keeps the other."""

    def handle_response(self, response: Response, now: float) -> None:
        pass

    def handle_failure(self, status: int, now: float) -> None:
        pass

    def handle_end(self, transaction: "ClientTransaction") -> None:
        pass


NOBODY = _Nobody()


class ClientTransaction(Timed):
    """What both client machines share."""

    __slots__ = ("_data", "_outbox", "_table", "_user", "destination", "draft", "key", "state")

    def __init__(
        self,
        draft: RequestDraft,
        data: bytes,
        destination: Address,
        user: ClientUser,
        *,
        outbox: list[Datagram],
        table: "dict[ClientKey, ClientTransaction]",
    ) -> None:
        super().__init__()
        self.draft = draft
        self.destination = destination
        self.key = (draft.branch, draft.method)
        self.state = State.TRYING
        self._data = data
        self._user = user
        self._outbox = outbox
        self._table = table
        table[self.key] = self

    @abstractmethod
    def start(self, now: float) -> None:
        """Send the request."""

    @abstractmethod
    def receive_response(self, response: Response, now: float) -> None:
        """Take a response that matched."""

    def fail(self, now: float) -> None:
        """Take word that the transport could not deliver (RFC 3261 §17.1.4)."""
        if self.state is State.TRYING or self.state is State.PROCEEDING:
            self._fail(503, now)

    @property
    def is_reliable(self) -> bool:
        """Tell whether the transport delivers by itself."""
        return self.destination.transport.is_stream

    def _complete(self, until: float) -> None:
        """Have the final; absorb its retransmissions where there may be any."""
        if self.is_reliable:
            self.terminate()
        else:
            self.state = State.COMPLETED
            self.deadline_at = until

    def _fail(self, status: int, now: float) -> None:
        self.terminate()
        self._user.handle_failure(status, now)
        self._let_go()

    def _expire(self) -> None:
        """End, for nothing is left to be absorbed."""
        self.terminate()
        self._let_go()

    def _let_go(self) -> None:
        user, self._user = self._user, NOBODY
        user.handle_end(self)

    def terminate(self) -> None:
        """End without a word to the user."""
        self.state = State.TERMINATED
        self.deadline_at = None
        self._table.pop(self.key, None)

    def _tell_final(self, response: Response, now: float) -> None:
        self._user.handle_response(response, now)
        if self.state is State.TERMINATED:
            self._let_go()

    def _send(self, data: bytes) -> None:
        self._outbox.append(Datagram(data, self.destination))


class InviteClientTransaction(ClientTransaction):
    """RFC 3261 §17.1.1 with Accepted and timer M of RFC 6026 §7.2."""

    __slots__ = ("_ack", "_interval_s", "_timer_b_at")

    @override
    def start(self, now: float) -> None:
        self._ack = b""
        self._interval_s = T1_S
        self._timer_b_at = now + TIMER_B_S
        self.deadline_at = self._timer_b_at if self.is_reliable else now + T1_S
        self._send(self._data)

    @override
    def receive_response(self, response: Response, now: float) -> None:
        status = response.status
        match self.state:
            case State.TRYING | State.PROCEEDING if status < 200:
                self.state = State.PROCEEDING
                self.deadline_at = None
                self._user.handle_response(response, now)
            case State.TRYING | State.PROCEEDING if status < 300:
                self.state = State.ACCEPTED
                self.deadline_at = now + TIMER_B_S
                self._user.handle_response(response, now)
            case State.TRYING | State.PROCEEDING:
                self._ack = self.draft.failure_ack(response)
                self._send(self._ack)
                self._complete(now + TIMER_D_S)
                self._tell_final(response, now)
            case State.COMPLETED if status >= 300:
                self._send(self._ack)
            case State.ACCEPTED | State.COMPLETED if 200 <= status < 300:
                self._user.handle_response(response, now)  # after a refusal: another fork's
            case _:
                pass  # late provisionals, and finals of another class than the first: absorbed

    @override
    def handle_timer(self, now: float) -> None:
        if self.state is not State.TRYING:
            self._expire()  # timers D and M
        elif now >= self._timer_b_at:
            self._fail(408, now)
        else:
            self._send(self._data)
            self._interval_s *= 2
            self.deadline_at = min(now + self._interval_s, self._timer_b_at)


class NonInviteClientTransaction(ClientTransaction):
    """RFC 3261 §17.1.2."""

    __slots__ = ("_interval_s", "_timer_f_at")

    @override
    def start(self, now: float) -> None:
        self._interval_s = T1_S
        self._timer_f_at = now + TIMER_B_S
        self.deadline_at = self._timer_f_at if self.is_reliable else now + T1_S
        self._send(self._data)

    @override
    def receive_response(self, response: Response, now: float) -> None:
        match self.state:
            case State.TRYING | State.PROCEEDING if response.status < 200:
                self.state = State.PROCEEDING
            case State.TRYING | State.PROCEEDING:
                self._complete(now + T4_S)  # timer K
                self._tell_final(response, now)
            case _:
                pass  # a retransmitted final: timer K is there to absorb it

    @override
    def handle_timer(self, now: float) -> None:
        if self.state is State.COMPLETED:
            self._expire()
        elif now >= self._timer_f_at:
            self._fail(408, now)
        else:
            self._send(self._data)
            is_trying = self.state is State.TRYING
            self._interval_s = min(2 * self._interval_s, T2_S) if is_trying else T2_S
            self.deadline_at = min(now + self._interval_s, self._timer_f_at)


class ServerTransaction(Timed):
    """What both server machines share."""

    __slots__ = ("_outbox", "_response", "_table", "destination", "key", "state", "twin_key")

    def __init__(
        self,
        key: ServerKey,
        destination: Address,
        outbox: list[Datagram],
        table: "dict[ServerKey, ServerTransaction]",
    ) -> None:
        super().__init__()
        self.key = key
        self.state = State.TRYING
        self.destination = destination
        self._outbox = outbox
        self._table = table
        self._response = b""
        self.twin_key: ServerKey | None = None
        """A second key in the table, by which a merged request is found (RFC 3261 §8.2.2.2)."""
        table[key] = self

    @abstractmethod
    def respond(self, status: int, data: bytes, now: float) -> None:
        """Send a response; one after the final is our own bug and is dropped."""

    @abstractmethod
    def receive_retransmission(self) -> None:
        """Answer the same request again."""

    def lose(self) -> None:
        """Take word that the connection which the request came over is gone."""
        self.terminate()

    def terminate(self) -> None:
        """End."""
        self.state = State.TERMINATED
        self.deadline_at = None
        self._table.pop(self.key, None)
        if self.twin_key is not None:
            self._table.pop(self.twin_key, None)

    @property
    def is_open(self) -> bool:
        """No final was sent."""
        return self.state is State.TRYING or self.state is State.PROCEEDING

    def _send(self) -> None:
        if self._response:
            self._outbox.append(Datagram(self._response, self.destination))


class InviteServerTransaction(ServerTransaction):
    """RFC 3261 §17.2.1 with Accepted and timer L of RFC 6026 §7.1."""

    __slots__ = ("_interval_s", "_timer_h_at", "on_cancel", "on_lost", "tag")

    def __init__(
        self,
        key: ServerKey,
        destination: Address,
        outbox: list[Datagram],
        table: "dict[ServerKey, ServerTransaction]",
    ) -> None:
        super().__init__(key, destination, outbox, table)
        self.tag = ""
        """Our To tag, which the answer to a CANCEL repeats (RFC 3261 §9.2)."""
        self.on_cancel: Callable[[float], None] | None = None
        self.on_lost: Callable[[], None] | None = None
        """Called when no final can reach the peer any more."""

    @override
    def respond(self, status: int, data: bytes, now: float) -> None:
        if not self.is_open:
            return
        self._response = data
        self._send()
        if status < 200:
            self.state = State.PROCEEDING
        elif status < 300:
            self.state = State.ACCEPTED
            self.deadline_at = now + TIMER_B_S
        else:
            self.state = State.COMPLETED
            self._interval_s = T1_S
            self._timer_h_at = now + TIMER_B_S
            is_reliable = self.destination.transport.is_stream
            self.deadline_at = self._timer_h_at if is_reliable else now + T1_S

    @override
    def receive_retransmission(self) -> None:
        if self.state is State.PROCEEDING or self.state is State.COMPLETED:
            self._send()  # in Accepted the 2xx is the user's to repeat

    def receive_ack(self, now: float) -> None:
        """Take the ACK for a final of 300 or more."""
        if self.state is not State.COMPLETED:
            return
        if self.destination.transport.is_stream:
            self.terminate()
        else:
            self.state = State.CONFIRMED
            self.deadline_at = now + T4_S  # timer I

    @override
    def lose(self) -> None:
        on_lost = self.on_lost if self.is_open else None
        self.terminate()
        if on_lost is not None:
            on_lost()

    @override
    def terminate(self) -> None:
        super().terminate()
        self.on_cancel = self.on_lost = None

    @override
    def handle_timer(self, now: float) -> None:
        if self.state is not State.COMPLETED or now >= self._timer_h_at:
            self.terminate()  # timers H, I and L
            return
        self._send()
        self._interval_s = min(2 * self._interval_s, T2_S)
        self.deadline_at = min(now + self._interval_s, self._timer_h_at)


class NonInviteServerTransaction(ServerTransaction):
    """RFC 3261 §17.2.2."""

    __slots__ = ()

    @override
    def respond(self, status: int, data: bytes, now: float) -> None:
        if not self.is_open:
            return
        self._response = data
        self._send()
        if status < 200:
            self.state = State.PROCEEDING
        elif self.destination.transport.is_stream:
            self.terminate()
        else:
            self.state = State.COMPLETED
            self.deadline_at = now + TIMER_B_S  # timer J

    @override
    def receive_retransmission(self) -> None:
        self._send()

    @override
    def handle_timer(self, now: float) -> None:
        self.terminate()
