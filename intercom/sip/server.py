"""Requests from the peer, inspected already: to their dialog, to a new call, or to the registrar."""

from collections import Counter

from intercom.errors import RemoteProtocolError
from intercom.sip.address import Address
from intercom.sip.admission import Admission
from intercom.sip.core import ABILITIES, Core, refusal_of_method
from intercom.sip.digest import DigestServer, Verdict
from intercom.sip.events import BindingChanged, DialogId, InviteReceived
from intercom.sip.message import ReplyTemplate, Request
from intercom.sip.proof import Proofs
from intercom.sip.registrar import RegisterResult, Registrar
from intercom.sip.timer import Alarm
from intercom.sip.transaction import State
from intercom.sip.uas import ServerUsage
from intercom.sip.uri import parse_uri
from intercom.sip.user_locks import UserLocks


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
        core.guard.has_proof = Proofs(core, self._digest.is_nonce_fresh).holds
        self.locks = UserLocks()
        self._unproven: dict[DialogId, str] = {}
        """Host by call in set-up whose sender is known by its address alone, which may be forged."""
        self.admission = Admission(core.token, self._count_setups, max_calls=config.max_dialogs)
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
                self._core.reply(request, source, 200, [*ABILITIES, self._core.user_agent])
            case "BYE" | "INFO" | "PRACK" | "UPDATE" | "NOTIFY":
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
        request_user = parse_uri(request.uri).user
        is_callback = self._core.config.is_callback(source, request_user)
        is_known, username = (
            (True, None) if is_callback else self._authenticate(request, source, from_user, now)
        )
        if not is_known:
            return
        host = source.host if username is None else ""
        if not self._is_room(host, now):
            self._core.counters.refused_overload += 1
            retry_after = ("Retry-After", str(self.admission.retry_after_s()))
            self._core.reply(request, source, 503, [retry_after])
            return
        usage = ServerUsage(self._core, request, source, request_user, now)
        if host:
            self._unproven[usage.id] = host
        self._core.events.append(
            InviteReceived(
                dialog=usage.id,
                request=request,
                source=source,
                username=username,
                from_user=from_user,
                request_user=request_user,
                body=request.body,
                is_callback=is_callback,
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
        self._answer_register(request, source, result, now)
        if result.is_changed:
            self._tell(aor_user, username, now)
        self._watch(aor_user)

    def _answer_register(
        self, request: Request, source: Address, result: RegisterResult, now: float
    ) -> None:
        """Answer, in a transaction unless so many are kept that calls might lack room: its user may be mad."""
        core = self._core
        if core.layer.size >= core.config.max_transactions // 2:
            core.reply(request, source, result.status, result.fields)
            return
        template = ReplyTemplate(request, source)
        transaction = core.layer.accept(request, template.destination)
        data = template.build(result.status, core.token(16), fields=result.fields)
        core.layer.respond(transaction, result.status, data, now)

    def unbind(self, aor_user: str, now: float) -> None:
        """Forget where an address-of-record is reached: its user is no more, or must log in anew."""
        if self.registrar.forget(aor_user):
            self._tell(aor_user, None, now)
            self._watch(aor_user)

    def drop_flow(self, address: Address, now: float) -> None:
        """Take word that a connection is gone: nobody is reached over it any more."""
        for aor_user in self.registrar.drop_flow(address):
            self._tell(aor_user, None, now)
            self._watch(aor_user)

    def _authenticate(
        self, request: Request, source: Address, user: str, now: float
    ) -> tuple[bool, str | None]:
        """Tell whether the sender is known, and as whom; otherwise challenge, keeping nothing."""
        if self._core.config.is_trusted(source, user):
            return True, None
        values = request.headers.get("authorization", [])
        verdict, username = self._digest.check(
            values, request.method, request.uri, now, host=source.host, body=request.body
        )
        if verdict is Verdict.ACCEPTED or verdict is Verdict.WRONG:
            is_right = verdict is Verdict.ACCEPTED
            if self._weigh(username, source, now, is_right=is_right):
                return True, username
        challenges = self._digest.challenges(now, source.host, is_stale=verdict is Verdict.STALE)
        fields = [("WWW-Authenticate", challenge) for challenge in challenges]
        self._core.counters.challenged += 1
        self._core.reply(request, source, 401, fields)
        return False, None

    def _weigh(self, username: str, source: Address, now: float, *, is_right: bool) -> bool:
        """Tell whether credentials count, and keep the book on guessing.

        What is right but locked is booked as wrong: else a lock would tell which guess was right.
        """
        core, locks = self._core, self.locks
        is_user = core.config.password_of(username) is not None
        may_try = locks.may_try(username, source, now, is_user=is_user)
        if is_right and may_try:
            locks.succeed(username, source, now)
            core.guard.believe(source, now)
            return True
        if may_try:
            core.counters.wrong_credentials += 1
        else:
            core.counters.refused_user_lock += 1
        core.counters.locked_users += locks.fail(username, source, now, is_user=is_user)
        core.guard.note_failure(source, now)
        return False

    def _is_room(self, host: str, now: float) -> bool:
        core = self._core
        return core.layer.size < core.config.max_transactions and self.admission.admits(
            len(core.usages), now, host
        )

    def _count_setups(self) -> Counter[str]:
        """Count the calls of others that are not answered yet, by host where it alone is known."""
        usages = self._core.usages
        setups = {
            dialog
            for dialog, usage in usages.items()
            if isinstance(usage, ServerUsage) and not usage.is_confirmed
        }
        self._unproven = {
            dialog: host for dialog, host in self._unproven.items() if dialog in setups
        }
        return Counter(self._unproven.get(dialog, "") for dialog in setups)

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
