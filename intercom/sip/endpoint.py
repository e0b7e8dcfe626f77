"""The SIP endpoint: five verbs in and out, and what its user may want. No socket, clock or chance.

A handle whose dialog has ended meanwhile is ignored by every method: such races are natural.
"""

from collections.abc import Callable, Sequence

from intercom.errors import LocalProtocolError, RemoteProtocolError
from intercom.sip.address import Address, Datagram, Transport
from intercom.sip.core import ALLOW, Core, EndpointConfig
from intercom.sip.digest import Credentials, DigestClient
from intercom.sip.draft import RequestDraft
from intercom.sip.events import DialogId, RegistrationId, SipEvent
from intercom.sip.headers import quoted
from intercom.sip.inspection import check_response, inspect
from intercom.sip.message import Request, Response, check_fields, parse
from intercom.sip.registrar import Binding
from intercom.sip.registration import Registration
from intercom.sip.server import Server
from intercom.sip.uac import ClientUsage

__all__ = ["Address", "Credentials", "Datagram", "Endpoint", "EndpointConfig", "Transport"]


class Endpoint:
    """One SIP endpoint: UAC, UAS and registrar on one transport address."""

    def __init__(self, config: EndpointConfig, *, token: Callable[[int], str]) -> None:
        self._core = Core(config, token)
        self._server = Server(self._core)
        self._registrations: dict[RegistrationId, Registration] = {}
        self.dropped = 0
        """Datagrams that were not worth an answer."""

    # The five verbs

    def receive_datagram(self, data: bytes, source: Address, now: float) -> None:
        """Take a datagram; never raises."""
        if not data.strip(b"\r\n\0"):
            return  # keep-alive (RFC 5626 §3.5.1)
        try:
            message = parse(data)
            if isinstance(message, Request):
                self._receive_request(message, source, now)
            else:
                self._receive_response(message, now)
        except RemoteProtocolError:
            self.dropped += 1

    def next_event(self) -> SipEvent | None:
        """Return the oldest event that was not returned yet."""
        return self._core.events.popleft() if self._core.events else None

    def datagrams_to_send(self) -> list[Datagram]:
        """Return what has to go out, in order."""
        sent = self._core.layer.outbox[:]
        self._core.layer.outbox.clear()
        return sent

    def get_timer(self) -> float | None:
        """Tell when `handle_timer` is due; None when nothing waits."""
        return self._core.timers.next_at()

    def handle_timer(self, now: float) -> None:
        """Do everything that is due."""
        self._core.timers.run(now)

    def transport_failed(self, destination: Address, now: float) -> None:
        """Take word that nothing can be sent to an address: its requests fail with 503."""
        self._core.layer.fail(destination, now)

    # UAC

    def invite(
        self,
        now: float,
        *,
        target: str,
        destination: Address,
        from_uri: str,
        from_display: str = "",
        to_uri: str | None = None,
        body: bytes,
        content_type: str = "application/sdp",
        credentials: Credentials | None = None,
        headers: Sequence[tuple[str, str]] = (),
        silence_s: float | None = None,
    ) -> DialogId:
        """Call `target`; ends in InviteAnswered or InviteFailed: 408 after `silence_s` of silence.

        Challenges are answered once with `credentials`. ACKs go out by themselves. Of several
        2xx the first wins; the others are acknowledged and hung up.
        """
        core = self._core
        own = (("Contact", core.contact(_user_of(from_uri))), ("Allow", ALLOW), core.user_agent)
        fields = (*own, *headers, ("Content-Type", content_type))
        local_tag = core.token(16)
        display = f"{quoted(from_display)} " if from_display else ""
        draft = RequestDraft(
            method="INVITE",
            uri=target,
            sent_by=core.sent_by,
            branch=core.branch(),
            from_=f"{display}<{from_uri}>;tag={local_tag}",
            to=f"<{to_uri or target}>",
            sip_call_id=core.token(32),
            cseq=1,
            fields=fields if body else fields[:-1],
            body=body,
        )
        check_fields([*fields, ("From", draft.from_), ("To", draft.to), ("To", target)])
        if not target.isprintable() or " " in target:
            raise LocalProtocolError("bad target")
        digest = DigestClient(credentials, core.token) if credentials else None
        usage = ClientUsage(core, draft, destination, local_tag, digest)
        usage.contact = fields[0][1]
        usage.start(now, silence_s)
        return usage.id

    def cancel(self, dialog: DialogId, now: float, reason: str = "") -> None:
        """Cancel a call of ours; ends in exactly one InviteFailed.

        CANCEL waits for a provisional. A 2xx that crosses it is acknowledged and hung up. Once
        answered, this is `hang_up`.
        """
        usage = self._core.usages.get(dialog)
        if isinstance(usage, ClientUsage):
            usage.cancel(now, reason)

    def hang_up(self, dialog: DialogId, now: float, reason: str = "") -> None:
        """End a dialog in any state: BYE, CANCEL, or 480 to an unanswered call; no event follows.

        Only an unanswered call of ours still ends in InviteFailed, as `cancel`.
        """
        usage = self._core.usages.get(dialog)
        if usage is not None:
            usage.hang_up(now, reason)

    def send_info(self, dialog: DialogId, now: float, content_type: str, body: bytes) -> None:
        """Send an INFO in a confirmed dialog."""
        usage = self._core.usages.get(dialog)
        if usage is not None and usage.is_confirmed:
            usage.send_info(now, content_type, body)

    def reinvite(
        self, dialog: DialogId, now: float, body: bytes, content_type: str = "application/sdp"
    ) -> None:
        """Offer anew in a confirmed dialog; ends in ReinviteAnswered or ReinviteFailed.

        After glare (491) it is sent again by itself.
        """
        usage = self._core.usages.get(dialog)
        if usage is not None and usage.is_confirmed:
            usage.reinvite(now, content_type, body)

    def register(
        self,
        now: float,
        *,
        registrar: Address,
        aor: str,
        credentials: Credentials | None,
        expires_s: int,
    ) -> RegistrationId:
        """Register our Contact for `aor` ("sip:user@host") and keep it so until `unregister`."""
        core = self._core
        registration = Registration(
            core,
            RegistrationId(core.token(16)),
            registrar=registrar,
            aor=aor,
            digest=DigestClient(credentials, core.token) if credentials else None,
            expires_s=expires_s,
        )
        self._registrations[registration.id] = registration
        registration.send(now)
        return registration.id

    def unregister(self, registration: RegistrationId, now: float) -> None:
        """Withdraw a registration; ends in RegistrationSucceeded with 0, in any case."""
        found = self._registrations.pop(registration, None)
        if found is not None:
            found.withdraw(now)

    # UAS

    def respond(
        self,
        dialog: DialogId,
        now: float,
        status: int,
        *,
        reason: str | None = None,
        body: bytes = b"",
        content_type: str = "application/sdp",
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Answer the INVITE or re-INVITE that waits: 18x, 2xx or a refusal. 100 went out before."""
        usage = self._core.usages.get(dialog)
        if usage is not None:
            fields = (*headers, ("Content-Type", content_type)) if body else tuple(headers)
            check_fields([*fields, ("Reason", reason or "")])
            usage.respond(status, now, reason=reason, fields=fields, body=body)

    # Registrar

    def bindings(self, aor_user: str, now: float) -> list[Binding]:
        """List the contacts of an address-of-record of ours, by its user part; the newest last."""
        return self._server.registrar.bindings(aor_user, now)

    # What comes in

    def _receive_response(self, response: Response, now: float) -> None:
        core = self._core
        check_response(response)
        if core.layer.receive_response(response, now):
            return
        if response.cseq.method == "INVITE" and 200 <= response.status < 300:
            usage = core.usages_by_tag.get((response.sip_call_id, response.from_.tag))
            if isinstance(usage, ClientUsage):
                usage.receive_success(response, now)

    def _receive_request(self, request: Request, source: Address, now: float) -> None:
        if request.method == "ACK":
            self._server.receive_ack(request, now)
            return
        known = self._core.layer.find(request)
        if known is not None:
            known.receive_retransmission()
            return
        refusal = inspect(request)
        if refusal is not None:
            self._core.reply(request, source, refusal.status, refusal.fields)
            return
        self._server.receive_request(request, source, now)


def _user_of(uri: str) -> str:
    return uri.partition(":")[2].rpartition("@")[0]
