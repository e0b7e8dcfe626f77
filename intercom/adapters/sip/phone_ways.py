"""The ways to a resident's phone: over a trunk, to a fixed address, or back to where it registered."""

from dataclasses import dataclass

from intercom.adapters.sip.carriers import identify
from intercom.adapters.sip.registered import RegisteredPhones
from intercom.adapters.sip.resolve import Resolver
from intercom.adapters.sip.trunks import Trunks, Way, credentials_of
from intercom.routing.directory import Encryption
from intercom.routing.plan import PhoneTarget, RegisteredPhoneTarget, SipPhoneTarget, Target
from intercom.sip.address import Address, Transport, bracketed
from intercom.sip.agreement import Srtp
from intercom.sip.endpoint import Credentials


@dataclass(frozen=True, slots=True)
class Destination:
    """One way to a phone."""

    address: Address
    target_uri: str
    from_uri: str
    headers: tuple[tuple[str, str], ...] = ()
    credentials: Credentials | None = None
    way: Way | None = None
    """None: a SIP phone, no trunk."""
    encryption: Encryption = Encryption.OFF
    is_flow: bool = False
    """The address is where a phone registered from."""

    @property
    def srtp(self) -> Srtp:
        """What is offered: keys are not said in clear unless that was ordered."""
        is_secure = self.address.transport is Transport.TLS
        policy = Srtp(self.encryption.value)
        return policy.toward_trunk(is_signalling_secure=is_secure)


class PhoneWays:
    """Finds the ways; there is no From but our caller ID, ever."""

    def __init__(
        self,
        resolver: Resolver,
        trunks: Trunks,
        registered: RegisteredPhones | None,
        *,
        caller_id: str,
        sip_host: str,
    ) -> None:
        self._resolver = resolver
        self._trunks = trunks
        self._registered = registered
        self._caller_id = caller_id
        self._sip_host = bracketed(sip_host)

    def to(self, target: Target) -> list[Destination]:
        """List the ways to a phone, the best first; none where it cannot be reached at all."""
        match target:
            case PhoneTarget(number=number):
                return [self._by(way, number) for way in self._trunks.ways()]
            case SipPhoneTarget(uri=uri):
                address = self._resolver.of_uri(uri)
                return [] if address is None else [Destination(address, uri, self._identity)]
            case RegisteredPhoneTarget():
                return self._to_registered(target)
            case _:
                return []

    def _to_registered(self, target: RegisteredPhoneTarget) -> list[Destination]:
        found = self._registered.find(target) if self._registered is not None else None
        if found is None:
            return []
        binding, account = found
        destination = Destination(
            binding.source,
            binding.contact_uri,
            self._identity,
            encryption=account.encryption,
            is_flow=True,
        )
        return [destination]

    @property
    def _identity(self) -> str:
        return f"sip:{self._caller_id}@{self._sip_host}"

    def _by(self, way: Way, number: str) -> Destination:
        """Address a call over a trunk."""
        said = identify(way.trunk, number, self._caller_id, self._sip_host)
        return Destination(
            way.address,
            said.target_uri,
            said.from_uri,
            said.headers,
            credentials_of(way.trunk),
            way,
            way.trunk.encryption,
        )
