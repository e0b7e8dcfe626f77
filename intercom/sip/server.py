"""Requests from the peer, inspected already: to their dialog, to a new call, or to the registrar."""

from intercom.errors import RemoteProtocolError
from intercom.sip.address import Address
from intercom.sip.core import ALLOW, Core, refusal_of_method
from intercom.sip.digest import DigestServer, Verdict
from intercom.sip.events import BindingChanged, InviteReceived
from intercom.sip.message import ReplyTemplate, Request
from intercom.sip.registrar import Registrar
from intercom.sip.timer import Alarm
from intercom.sip.transaction import State
from intercom.sip.uas import ServerUsage
from intercom.sip.uri import parse_uri


class Server:
    """The UAS side of an endpoint."""

    def __init__(self, core: Core) -> None:
        config = core.config
        self._core = core
        self._digest = DigestServer(
            config.realm,
            config.password_of,
            core.token,
            is_md5_only=config.digest_md5_only,
            algorithms=config.digest_algorithms,
        )
        self.registrar = Registrar(
            max_contacts=config.max_contacts,
            min_expires_s=config.min_expires_s,
            default_expires_s=config.default_expires_s,
            max_expires_s=config.max_expires_s,
        )
        self._expiries: dict[str, Alarm] = {}
        """By address-of-record with bindings."""

    def receive_ack(self, request: Request, now: float) -> None:
        """Take an ACK: to its transaction after a refusal, to its dialog after a 2xx."""
        transaction = self._core.layer.find_invite(request)
        if transaction is not None and transaction.state is not State.ACCEPTED:
            self._core.layer.receive_ack(transaction, now)
            return
        usage = self._core.usages_by_tag.get((request.sip_call_id, request.to.tag))
        if usage is not None:
            usage.receive_ack(request, now)

    def receive_request(self, request: Request, source: Address, now: float) -> None:
        """Take a request that is no retransmission and no ACK."""
        if request.method == "CANCEL":
            self._receive_cancel(request, source, now)
        elif request.to.tag:
            usage = self._core.usages_by_tag.get((request.sip_call_id, request.to.tag))
            if usage is None:
                self._core.reply(request, source, 481)
            else:
                usage.receive_request(request, source, now)
        else:
            self._receive_new(request, source, now)

    def _receive_new(self, request: Request, source: Address, now: float) -> None:
        match request.method:
            case "INVITE":
                self._receive_invite(request, source, now)
            case "REGISTER":
                self._receive_register(request, source, now)
            case "OPTIONS":
                fields = [("Allow", ALLOW), ("Accept", "application/sdp"), self._core.user_agent]
                self._core.reply(request, source, 200, fields)
            case "BYE" | "INFO":
                self._core.reply(request, source, 481)
            case method:
                self._core.reply(request, source, *refusal_of_method(method))

    def _receive_cancel(self, request: Request, source: Address, now: float) -> None:
        invite = self._core.layer.find_invite(request)
        if invite is None:
            self._core.reply(request, source, 481)
            return
        template = ReplyTemplate(request, source)
        transaction = self._core.layer.accept(request, template.destination)
        self._core.layer.respond(transaction, 200, template.build(200, invite.tag), now)
        if invite.is_open and invite.on_cancel is not None:
            invite.on_cancel(now)

    def _receive_invite(self, request: Request, source: Address, now: float) -> None:
        if self._core.layer.is_merged(request):
            self._core.reply(request, source, 482)
            return
        from_user = _user_of(request.from_.uri)
        is_known, username = self._authenticate(request, source, from_user, now)
        if not is_known:
            return
        if self._core.is_full:
            self._core.reply(request, source, 503, [("Retry-After", "5")])
            return
        request_user = parse_uri(request.uri).user
        usage = ServerUsage(self._core, request, source, request_user, now)
        self._core.events.append(
            InviteReceived(
                dialog=usage.id,
                request=request,
                source=source,
                username=username,
                from_user=from_user,
                request_user=request_user,
                body=request.body,
            )
        )

    def _receive_register(self, request: Request, source: Address, now: float) -> None:
        aor_user = _user_of(request.to.uri)
        is_known, username = self._authenticate(request, source, aor_user, now)
        if not is_known:
            return
        if username is not None and username != aor_user:
            self._core.reply(request, source, 403)
            return
        try:
            result = self.registrar.register(aor_user, username, request, source, now)
        except RemoteProtocolError:
            self._core.reply(request, source, 400)
            return
        template = ReplyTemplate(request, source)
        transaction = self._core.layer.accept(request, template.destination)
        data = template.build(result.status, self._core.token(16), fields=result.fields)
        self._core.layer.respond(transaction, result.status, data, now)
        if result.is_changed:
            self._tell(aor_user, username, now)
        self._watch(aor_user)

    def _authenticate(
        self, request: Request, source: Address, user: str, now: float
    ) -> tuple[bool, str | None]:
        """Tell whether the sender is known, and as whom; otherwise challenge, keeping nothing."""
        if self._core.config.is_trusted(source, user):
            return True, None
        values = request.headers.get("authorization", [])
        verdict, username = self._digest.check(values, request.method, request.uri, now)
        if verdict is Verdict.ACCEPTED:
            return True, username
        challenges = self._digest.challenges(now, is_stale=verdict is Verdict.STALE)
        fields = [("WWW-Authenticate", challenge) for challenge in challenges]
        self._core.reply(request, source, 401, fields)
        return False, None

    def _watch(self, aor_user: str) -> None:
        """Set the alarm for the next binding that expires."""
        alarm = self._expiries.pop(aor_user, None)
        if alarm is not None:
            alarm.stop()
        at = self.registrar.next_expiry_at(aor_user)
        if at is not None:
            self._expiries[aor_user] = self._core.timers.start(
                at, lambda now: self._expire(aor_user, now)
            )

    def _expire(self, aor_user: str, now: float) -> None:
        if self.registrar.expire(aor_user, now):
            self._tell(aor_user, None, now)
        self._watch(aor_user)

    def _tell(self, aor_user: str, username: str | None, now: float) -> None:
        is_registered = bool(self.registrar.bindings(aor_user, now))
        self._core.events.append(BindingChanged(aor_user, username, is_registered))


def _user_of(uri: str) -> str:
    """Return the user of an address, or nothing for a URI that we cannot read."""
    try:
        return parse_uri(uri).user
    except RemoteProtocolError:
        return ""
