"""A registration that we keep with somebody else's registrar (RFC 3261 §10.2)."""

from intercom.errors import RemoteProtocolError
from intercom.sip.address import Address
from intercom.sip.client_request import ClientRequest
from intercom.sip.core import Core
from intercom.sip.digest import DigestClient
from intercom.sip.draft import RequestDraft
from intercom.sip.events import RegistrationFailed, RegistrationId, RegistrationSucceeded
from intercom.sip.framing import PING
from intercom.sip.headers import parse_name_address
from intercom.sip.keep_alive import PING_INTERVAL_S
from intercom.sip.message import Response
from intercom.sip.timer import Alarm
from intercom.sip.uri import parse_uri

RETRY_FIRST_S = 2.0
RETRY_LONGEST_S = 60.0
MIN_FLOW_S = 10.0
"""A connection that was lost sooner after its REGISTER is not renewed at once."""
RETRY_REFUSED_S = 300.0
"""Rare enough not to lock the account."""
MAX_EXPIRES_S = 86_400


class Registration:
    """One registration: refreshed at 80 % of its time, tried again after silence and 5xx.

    While it holds, CRLF keeps its way open; where the connection is lost, it is made anew at once.
    Of several registrars the next is tried whenever one fails, and stays until it fails too.
    """

    def __init__(
        self,
        core: Core,
        registration_id: RegistrationId,
        *,
        registrars: tuple[Address, ...],
        aor: str,
        digest: DigestClient | None,
        expires_s: int,
    ) -> None:
        uri = parse_uri(aor)
        self.id = registration_id
        self._core = core
        self._registrars = registrars
        self._current = 0
        self._failed_in_a_row = 0
        self._digest = digest
        self._expires_s = expires_s
        self._user = uri.user
        self._contact = ""
        self._aor = f"<{aor}>"
        self._uri = f"{uri.scheme}:{aor.rpartition('@')[2]}"
        self._tag = core.token(16)
        self._sip_call_id = core.token(32)
        self._cseq = 0
        self._retry_s = RETRY_FIRST_S
        self._alarm: Alarm | None = None
        self._ping: Alarm | None = None
        """Set as long as the registration holds."""
        self._sent_at = 0.0
        self._is_withdrawn = False
        self._newest = 0

    def send(self, now: float) -> None:
        """Register, or refresh."""
        self._sent_at = now
        self._contact = self._core.contact(self._user, self.registrar)
        credentials = self._digest.authorize("REGISTER", self._uri) if self._digest else ()
        expires_s = 0 if self._is_withdrawn else self._expires_s
        draft = RequestDraft(
            method="REGISTER",
            uri=self._uri,
            sent_by=self._core.sent_by(self.registrar),
            branch=self._core.branch(),
            from_=f"{self._aor};tag={self._tag}",
            to=self._aor,
            sip_call_id=self._sip_call_id,
            cseq=self._next_cseq(),
            credentials=credentials,
            fields=(
                ("Contact", f"{self._contact};expires={expires_s}"),
                ("Expires", str(expires_s)),
                self._core.user_agent,
            ),
        )
        self._newest += 1
        number = self._newest
        ClientRequest(
            self._core,
            draft,
            self.registrar,
            digest=self._digest,
            next_cseq=self._next_cseq,
            on_response=lambda response, at: self._receive(response, at, number),
            on_failure=lambda status, at: self._fail(status, at, number),
        ).send(now)

    @property
    def registrar(self) -> Address:
        """Where it is registered, or tried now."""
        return self._registrars[self._current]

    def lose_flow(self, address: Address, now: float) -> None:
        """Register anew if that was our connection, unless a REGISTER has failed by it already."""
        if address != self.registrar or self._ping is None:
            return
        self._stop_pings()
        self._newest += 1  # whatever comes of a refresh that is under way
        if now - self._sent_at >= MIN_FLOW_S:
            self._stop()
            self.send(now)
        else:
            self._retry(now)

    def withdraw(self, now: float) -> None:
        """Register with an expiry of 0."""
        self._is_withdrawn = True
        self._stop()
        self._stop_pings()
        self.send(now)

    def _next_cseq(self) -> int:
        self._cseq += 1
        return self._cseq

    def _receive(self, response: Response, now: float, number: int) -> None:
        if number != self._newest:
            return
        if self._is_withdrawn:
            self._core.events.append(RegistrationSucceeded(self.id, 0))
        elif response.status < 300:
            self._succeed(response, now)
        elif response.status == 423 and self._lengthen(response):
            self.send(now)
        else:
            self._stop_pings()
            self._core.events.append(RegistrationFailed(self.id, response.status, response.reason))
            if response.status >= 500:
                self._try_next(now)
            else:
                self._set(now + RETRY_REFUSED_S)

    def _succeed(self, response: Response, now: float) -> None:
        self._failed_in_a_row = 0
        if self._ping is None:
            self._ping = self._core.timers.start(now + PING_INTERVAL_S, self._send_ping)
        expires_s = self._granted_s(response)
        self._set(now + max(0.8 * expires_s, 1.0))
        self._core.events.append(RegistrationSucceeded(self.id, expires_s))

    def _granted_s(self, response: Response) -> int:
        """Read how long we are registered: our own contact's expiry first (RFC 3261 §10.2.4)."""
        values = [response.first("expires")]
        ours = self._contact[1:-1]
        try:
            contacts = [parse_name_address(value) for value in response.listed("contact")]
        except RemoteProtocolError:
            contacts = []
        values = [c.params.get("expires") for c in contacts if c.uri == ours] + values
        for value in values:
            if value and value.isascii() and value.isdigit() and int(value[:9]) > 0:
                return min(int(value[:9]), MAX_EXPIRES_S)
        return self._expires_s

    def _lengthen(self, response: Response) -> bool:
        """Take over the registrar's Min-Expires if it is longer than what we asked for."""
        try:
            wanted = response.number("min-expires") or 0
        except RemoteProtocolError:
            return False
        if not self._expires_s < wanted <= MAX_EXPIRES_S:
            return False
        self._expires_s = wanted
        return True

    def _fail(self, status: int, now: float, number: int) -> None:
        if number != self._newest:
            return
        if self._is_withdrawn:
            self._core.events.append(RegistrationSucceeded(self.id, 0))
            return
        self._stop_pings()
        reason = "Request Timeout" if status == 408 else "Service Unavailable"
        self._core.events.append(RegistrationFailed(self.id, status, reason))
        self._try_next(now)

    def _try_next(self, now: float) -> None:
        """Turn to the next registrar: at once, unless all of them have failed now."""
        self._current = (self._current + 1) % len(self._registrars)
        self._failed_in_a_row += 1
        if self._failed_in_a_row % len(self._registrars):
            self._stop()
            self.send(now)
        else:
            self._retry(now)

    def _send_ping(self, now: float) -> None:
        self._retry_s = RETRY_FIRST_S  # it has held for a while
        self._core.send(PING, self.registrar)
        self._ping = self._core.timers.start(now + PING_INTERVAL_S, self._send_ping)

    def _stop_pings(self) -> None:
        if self._ping is not None:
            self._ping.stop()
            self._ping = None

    def _retry(self, now: float) -> None:
        self._set(now + self._retry_s)
        self._retry_s = min(2 * self._retry_s, RETRY_LONGEST_S)

    def _set(self, at: float) -> None:
        self._stop()
        self._alarm = self._core.timers.start(at, self.send)

    def _stop(self) -> None:
        if self._alarm is not None:
            self._alarm.stop()
            self._alarm = None
