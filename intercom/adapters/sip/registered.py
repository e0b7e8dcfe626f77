"""Residents' own SIP phones that register with us: who they are, and which of them are there now.

Phones may share an account: the two that registered last ring, each as a device of its own. More
are probably left over from before a restart. Where a phone is called is its binding's affair alone:
at the contact that it named, by the way that its REGISTER came.
"""

from collections.abc import Callable, Mapping

from intercom.adapters.sip.transport import SipTransport
from intercom.routing.directory import Directory, SipAccount
from intercom.routing.ids import ResidentId
from intercom.routing.plan import RegisteredPhoneTarget
from intercom.sip.address import Address
from intercom.sip.events import BindingChanged, InviteReceived
from intercom.sip.registrar import Binding

PHONES_OF_ONE_ACCOUNT = 2
_Owned = tuple[ResidentId, SipAccount]


class RegisteredPhones:
    """Residents' SIP accounts and the phones behind them; `start` it before the first REGISTER."""

    def __init__(self, directory: Callable[[], Directory]) -> None:
        self.on_online: Callable[[RegisteredPhoneTarget], None] = lambda _: None
        """Called with a phone that registered, or is reached by another way than before."""
        self._directory = directory
        self._transport: SipTransport
        self._indexed: Directory | None = None
        self._owned: dict[str, _Owned] = {}
        self._passwords: dict[str, str] = {}
        """Those that the phones which are registered now may have logged in by."""
        self._told: dict[str, frozenset[tuple[RegisteredPhoneTarget, Address]]] = {}

    def start(self, transport: SipTransport) -> None:
        """Follow the registrations of an endpoint."""
        self._transport = transport
        self._passwords = self._read_passwords()
        transport.on_binding = self._binding_changed

    def password_of(self, username: str) -> str | None:
        """Give an account's password; None where there is no such account."""
        owned = self._accounts().get(username)
        return owned[1].password if owned else None

    def online(self, resident_id: ResidentId) -> tuple[RegisteredPhoneTarget, ...]:
        """List a resident's phones that are registered now."""
        resident = self._directory().residents.get(resident_id)
        accounts = resident.sip_accounts if resident is not None else ()
        return tuple(
            RegisteredPhoneTarget(resident_id, account.username, binding.key)
            for account in accounts
            for binding in self._phones_of(account.username)
        )

    @property
    def count(self) -> int:
        """How many phones are registered now."""
        return sum(len(self._phones_of(username)) for username in self._accounts())

    def find(self, target: RegisteredPhoneTarget) -> tuple[Binding, SipAccount] | None:
        """Tell where a phone is reached, and as what; None once it is gone."""
        owned = self._accounts().get(target.username)
        if owned is None or owned[0] != target.resident_id:
            return None
        phones = self._phones_of(target.username)
        found = next((binding for binding in phones if binding.key == target.contact), None)
        return None if found is None else (found, owned[1])

    def refuses(self, event: InviteReceived) -> bool:
        """Refuse a call from one of the phones: they are called, and never call."""
        if event.username is None or event.username not in self._accounts():
            return False
        endpoint, now = self._transport.endpoint, self._transport.now
        endpoint.respond(event.dialog, now, 403, reason="This phone can only be called")
        self._transport.drain()
        return True

    def directory_changed(self) -> None:
        """Let go of phones whose account is gone, or has another password by now."""
        before, self._passwords = self._passwords, self._read_passwords()
        for username, password in before.items():
            if self._passwords.get(username) != password:
                self._transport.endpoint.unbind(username, self._transport.now)
        self._transport.drain()

    def _binding_changed(self, event: BindingChanged) -> None:
        """Tell of phones that are new or reached otherwise; what only goes on is no news."""
        owned = self._accounts().get(event.aor_user)
        if owned is None:
            return
        before = self._told.pop(event.aor_user, frozenset())
        found = [
            (RegisteredPhoneTarget(owned[0], event.aor_user, binding.key), binding.source)
            for binding in self._phones_of(event.aor_user)
        ]
        if found:
            self._told[event.aor_user] = frozenset(found)
        for target, source in found:
            if (target, source) not in before:
                self.on_online(target)

    def _phones_of(self, username: str) -> list[Binding]:
        """Choose the newest contacts of an account, one of each place."""
        by_place: dict[Address, Binding] = {}
        for binding in reversed(self._transport.endpoint.bindings(username, self._transport.now)):
            by_place.setdefault(binding.source, binding)
        return list(by_place.values())[:PHONES_OF_ONE_ACCOUNT]

    def _read_passwords(self) -> dict[str, str]:
        return {name: account.password for name, (_, account) in self._accounts().items()}

    def _accounts(self) -> Mapping[str, _Owned]:
        directory = self._directory()
        if directory is not self._indexed:
            self._indexed = directory
            self._owned = {
                account.username: (resident.resident_id, account)
                for resident in directory.residents.values()
                for account in resident.sip_accounts
            }
        return self._owned
