"""What each kind of carrier wants to read in an INVITE: data, with where it is known from.

Privacy and Diversion are never sent: the one would hide the caller ID, the other is how numbers
are spoofed by way of a forwarding.
"""

from dataclasses import dataclass
from enum import Enum

from intercom.adapters.sip.resolve import has_port, split_host
from intercom.routing.directory import Carrier, Trunk, TrunkTransport
from intercom.sip.address import bracketed


class Identity(Enum):
    """How the caller ID is said besides in From (RFC 3325)."""

    FROM_ALONE = "from"
    ASSERTED = "P-Asserted-Identity"
    """The carrier takes our word, §9.1: we are within its trust domain."""
    PREFERRED = "P-Preferred-Identity"
    """It knows us by our log-in and checks which of its numbers we ask for, §9.2."""


@dataclass(frozen=True, slots=True)
class Profile:
    identity: Identity
    is_from_at_carrier: bool = False
    """From names the carrier's domain, not our address: where we are a customer's account there."""
    is_user_phone: bool = False
    """Telephone numbers carry user=phone (RFC 3261 §19.1.1)."""


PROFILES: dict[Carrier, Profile] = {
    # RFC 3325 and SIPconnect 1.1 §7.1 between a telephone system and a carrier that knows its address.
    Carrier.GENERIC: Profile(Identity.ASSERTED),
    # Twilio reads the number out of From alone (error 32204: "From number not verified") and drops
    # what is not addressed to the termination URI.
    Carrier.TWILIO: Profile(Identity.FROM_ALONE),
    # Telnyx reads P-Preferred-Identity, P-Asserted-Identity, Remote-Party-ID, From in this order.
    Carrier.TELNYX: Profile(Identity.ASSERTED),
    # From in the carrier's domain, as in NFON's examples and SIPconnect 1.1's registration mode.
    Carrier.REGISTER: Profile(Identity.PREFERRED, is_from_at_carrier=True),
}


@dataclass(frozen=True, slots=True)
class Identified:
    """One INVITE's addresses."""

    target_uri: str
    from_uri: str
    headers: tuple[tuple[str, str], ...]


def identify(trunk: Trunk, number: str, caller_id: str, our_host: str) -> Identified:
    """Write whom a trunk is to call, and as whom; both numbers in E.164."""
    profile = PROFILES[trunk.carrier]
    phone = ";user=phone" if profile.is_user_phone else ""
    from_host = domain_of(trunk) if profile.is_from_at_carrier else our_host
    from_uri = f"sip:{caller_id}@{from_host}{phone}"
    said: tuple[tuple[str, str], ...] = ()
    if profile.identity is not Identity.FROM_ALONE:
        said = ((profile.identity.value, f"<{from_uri}>"),)
    return Identified(
        f"sip:{number}@{place_of(trunk)}{phone}{transport_of(trunk)}",
        from_uri,
        (*said, *trunk.headers),
    )


def place_of(trunk: Trunk) -> str:
    """Write a trunk's host as in a Request-URI, with its port only where the building file has one."""
    host, port = split_host(trunk.address)
    return f"{bracketed(host)}:{port}" if has_port(trunk.address) else bracketed(host)


def domain_of(trunk: Trunk) -> str:
    """Write a trunk's host as in an address-of-record: without a port."""
    return bracketed(split_host(trunk.address)[0])


def transport_of(trunk: Trunk) -> str:
    """Write the transport parameter of URIs; none for UDP, and none where DNS chooses."""
    match trunk.transport:
        case TrunkTransport.TCP | TrunkTransport.TLS as transport:
            return f";transport={transport.value}"
        case _:
            return ""
