"""The SIP endpoint: five verbs in and out, and what its user may want. No socket, clock or chance.

A handle whose dialog has ended meanwhile is ignored by every method: such races are natural.
"""

from collections.abc import Callable, Sequence

from intercom.errors import LocalProtocolError, RemoteProtocolError
from intercom.sip.address import Address, Datagram, Transport
from intercom.sip.core import Core, EndpointConfig
from intercom.sip.digest import Credentials, DigestClient
from intercom.sip.events import DialogId, ProbeId, RegistrationId, SipEvent
from intercom.sip.inspection import (
    TOO_LARGE,
    beginning_of,
    check_length,
    check_response,
    inspect,
)
from intercom.sip.invitation import write_invitation
from intercom.sip.keep_alive import take_keep_alive
from intercom.sip.message import Request, Response, check_fields, parse
from intercom.sip.probe import send_options
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
        self.counters = self._core.counters

    # The five verbs

    def receive_datagram(self, data: bytes, source: Address, now: float) -> None:
        """Take a datagram; never raises."""
        core = self._core
        core.counters.received += 1
        if not core.guard.admits(data, source, now):
            return
        try:
            if data[:1] < b" " and take_keep_alive(self._core, data, source):
                return
            message = parse(data)
            check_length(message)
            if isinstance(message, Request):
                self._receive_request(message, source, now)
            else:
                self._receive_response(message, now)
        except RemoteProtocolError as error:
            self._refuse_unread(data, source, error)

    def next_event(self) -> SipEvent | None:
        """Return the oldest event that was not returned yet."""
        return self._core.events.popleft() if self._core.events else None

    def datagrams_to_send(self) -> list[Datagram]:
        """Return what has to go out, in order."""
        outbox = self._core.layer.outbox
        if not outbox:
            return []
        sent = outbox[:]
        outbox.clear()
        return sent

    def get_timer(self) -> float | None:
        """Tell when `handle_timer` is due; None when nothing waits."""
        return self._core.timers.next_at()

    def handle_timer(self, now: float) -> None:
        """Do everything that is due."""
        self._core.timers.run(now)

    def transport_failed(self, destination: Address, now: float) -> None:
        """Take word that nothing can be sent to an address: its requests fail with 503."""
        if destination.transport.is_stream:
            self.connection_closed(destination, now)
        else:
            self._core.layer.fail(destination, now)

    def connection_closed(self, address: Address, now: float) -> None:
        """Take word that a stream connection is gone, whoever opened and whoever closed it.

        Requests that wait fail with 503, unanswered calls that came over it are InviteCancelled,
        contacts that registered over it are bound no more, and a registration of ours that it
        carried is made anew. Dialogs stay: their peer may come back, and what we have to say
        meanwhile goes where its Contact says.
        """
        self._core.layer.fail(address, now)
        self._core.lose_dialogs(address)
        self._server.drop_flow(address, now)
        for registration in list(self._registrations.values()):
            registration.lose_flow(address, now)

    def addresses_in_use(self, now: float) -> set[Address]:
        """List the stream addresses that somebody is registered or calling by, here or there."""
        used = self._server.registrar.flows(now) | self._core.layer.destinations()
        used.update(each.registrar for each in self._registrations.values())
        for usage in self._core.usages_by_tag.values():
            if usage.dialog is not None:
                used.add(usage.dialog.peer)
        return used

    # For who looks on

    def sip_call_id_of(self, dialog: DialogId) -> str:
        """Give a dialog's Call-ID; empty when the dialog has ended."""
        usage = self._core.usages.get(dialog)
        return usage.sip_call_id if usage is not None else ""

    def local_for(self, peer: Address) -> Address:
        """Choose our address of a peer's transport and family."""
        return self._core.local_for(peer)

    def knows(self, source: Address) -> bool:
        """Tell whether somebody is no stranger: named by the building, or logged in."""
        return self._core.guard.knows(source)

    # Under attack

    def is_locked(self, source: Address, now: float) -> bool:
        """Tell whether a source is shut out: its connections are then to be closed or refused."""
        return self._core.guard.is_locked(source, now)

    def note_lag(self, lag_s: float, now: float) -> None:
        """Take in how late the loop is; a lagging one takes no new calls and fewer strangers."""
        admission = self._server.admission
        admission.note_lag(lag_s, now)
        self._core.guard.set_busy(is_busy=admission.is_lagging)

    def unlock(self, now: float) -> int:
        """Lift every lock on sources and users; tell how many sources were shut out."""
        self._server.locks.lift_all()
        return self._core.guard.lift_all(now)

    def locked_sources(self, now: float) -> int:
        """Count the sources that are shut out now."""
        return self._core.guard.locked_count(now)

    def table_sizes(self) -> dict[str, int]:
        """Tell how much is kept, by table."""
        core = self._core
        return {
            "transactions": core.layer.size,
            "dialogs": len(core.usages_by_tag),
            "dialogs_over": sum(usage.is_over for usage in core.usages_by_tag.values()),
            "bindings": self._server.registrar.size,
            "user_locks": self._server.locks.size(),
            **{f"guard_{name}": size for name, size in core.guard.sizes().items()},
        }

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
        is_reliable: bool = False,
        is_flow: bool = False,
    ) -> DialogId:
        """Call `target`; ends in InviteAnswered or InviteFailed: 408 after `silence_s` of silence.

        Challenges are answered once with `credentials`. ACKs go out by themselves, and PRACKs where
        `is_reliable` offers them (RFC 3262), or the peer asks for them by 421. Of several 2xx the
        first wins; the others are acknowledged and hung up. A 3xx is never followed. There must be
        a `body`: an offer in the peer's 2xx could not be answered. `is_flow`: `destination` is where
        a registered phone came from, and is right whatever its Contact says.
        """
        core = self._core
        draft, local_tag, contact = write_invitation(
            core,
            target=target,
            destination=destination,
            from_uri=from_uri,
            from_display=from_display,
            to_uri=to_uri,
            body=body,
            content_type=content_type,
            headers=headers,
        )
        digest = DigestClient(credentials, core.token) if credentials else None
        usage = ClientUsage(
            core, draft, destination, local_tag, digest, is_reliable=is_reliable, is_flow=is_flow
        )
        usage.contact = contact
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

    def send_info(
        self,
        dialog: DialogId,
        now: float,
        content_type: str,
        body: bytes,
        *,
        is_vital: bool = True,
    ) -> None:
        """Send an INFO in a confirmed dialog; ends in InfoAnswered.

        Silence ends the dialog (RFC 3261 §12.2.1.2), unless the INFO is not vital: some peers drop
        those that they do not know.
        """
        usage = self._core.usages.get(dialog)
        if usage is not None and usage.is_confirmed:
            usage.send_info(now, content_type, body, is_vital=is_vital)

    def reinvite(
        self, dialog: DialogId, now: float, body: bytes, content_type: str = "application/sdp"
    ) -> None:
        """Offer anew in a confirmed dialog; ends in ReinviteAnswered or ReinviteFailed.

        After glare (491) it is sent again by itself.
        """
        usage = self._core.usages.get(dialog)
        if usage is not None and usage.is_confirmed:
            usage.changes.start("INVITE", now, content_type, body)

    def update(
        self, dialog: DialogId, now: float, body: bytes, content_type: str = "application/sdp"
    ) -> None:
        """Offer anew by UPDATE, in an early dialog too; ends in ReinviteAnswered or ReinviteFailed.

        Fails with 405 where the peer does not do it, and with 491 while another offer is open.
        """
        usage = self._core.usages.get(dialog)
        if usage is not None:
            usage.changes.start("UPDATE", now, content_type, body)

    def register(
        self,
        now: float,
        *,
        registrar: Address | Sequence[Address],
        aor: str,
        credentials: Credentials | None,
        expires_s: int,
    ) -> RegistrationId:
        """Register our Contact for `aor` ("sip:user@host") and keep it so until `unregister`.

        `registrar` is where REGISTER goes: an outbound proxy as well, and of several the next one
        in turn whenever one fails.
        """
        core = self._core
        registration = Registration(
            core,
            RegistrationId(core.token(16)),
            registrars=(registrar,) if isinstance(registrar, Address) else tuple(registrar),
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

    def options(
        self,
        now: float,
        *,
        target: str,
        destination: Address,
        from_uri: str = "",
        credentials: Credentials | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> ProbeId:
        """Ask whether somebody is there; ends in OptionsAnswered or OptionsFailed."""
        check_fields([*headers, ("To", target), ("From", from_uri)])
        if not target.isprintable() or " " in target:
            raise LocalProtocolError("bad target")
        return send_options(
            self._core,
            now,
            target=target,
            destination=destination,
            from_uri=from_uri,
            digest=DigestClient(credentials, self._core.token) if credentials else None,
            fields=tuple(headers),
        )

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
        """Answer the newest that waits, of INVITE and ReinviteReceived: 18x, 2xx or a refusal.

        An 18x is always the INVITE's. Where it goes out reliably, a 2xx is held until the PRACK for
        the SDP came (RFC 3262 §3). An INVITE without an offer gets ours in the 2xx, or in a reliable
        18x; one that may be lost says nothing.
        """
        usage = self._core.usages.get(dialog)
        if usage is not None:
            fields = (*headers, ("Content-Type", content_type)) if body else tuple(headers)
            check_fields([*fields, ("Reason", reason or "")])
            usage.respond(status, now, reason=reason, fields=fields, body=body)

    # Registrar

    def bindings(self, aor_user: str, now: float) -> list[Binding]:
        """List the contacts of an address-of-record of ours, by its user part; the newest last."""
        return self._server.registrar.bindings(aor_user, now)

    def unbind(self, aor_user: str, now: float) -> None:
        """Forget the contacts of an address-of-record; ends in BindingChanged if there were any."""
        self._server.unbind(aor_user, now)

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

    def _refuse_unread(self, data: bytes, source: Address, error: RemoteProtocolError) -> None:
        """Answer what is too large to be read, if its beginning can be; drop anything else."""
        counters = self._core.counters
        request = beginning_of(data) if error.status_hint in TOO_LARGE else None
        if request is None:
            counters.dropped_malformed += 1
            return
        counters.refused_too_large += 1
        self._core.reply(request, source, error.status_hint)

    def _receive_request(self, request: Request, source: Address, now: float) -> None:
        if request.method == "ACK":
            self._server.receive_ack(request, now)
            return
        known = self._core.layer.find(request)
        if known is not None:
            known.receive_retransmission()
            return
        refusal = inspect(request, is_stream=source.transport.is_stream)
        if refusal is not None:
            self._core.counters.refused_too_large += refusal.status in TOO_LARGE
            self._core.reply(request, source, refusal.status, refusal.fields)
            return
        if self._core.layer.is_looped(request):
            self._core.reply(request, source, 482)
            return
        self._server.receive_request(request, source, now)
