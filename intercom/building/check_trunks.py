"""What [[trunk]] says, and whom the residents' numbers reach: carriers, identity, encryption."""

from collections.abc import Iterable, Mapping
from ipaddress import ip_network

from intercom.building.faults import Faults
from intercom.building.lines import Path
from intercom.building.tables import ResidentTable, TrunkTable
from intercom.routing.numbers import DialPolicy, objection_to_writing, region_of, to_e164

_WIDEST_NETWORK = {4: 16, 6: 32}
"""Bits of the widest network that one carrier calls from; wider ones let strangers in."""
_OUR_HEADERS = frozenset(
    {"accept", "allow", "authorization", "call-id", "call-info", "contact", "cseq", "date"}
    | {"content-disposition", "content-encoding", "content-length", "content-type", "diversion"}
    | {"expires", "from", "history-info", "identity", "in-reply-to", "max-forwards", "min-se"}
    | {"organization", "p-asserted-identity", "p-preferred-identity", "privacy", "proxy-require"}
    | {"proxy-authorization", "rack", "reason", "record-route", "referred-by", "remote-party-id"}
    | {"replaces", "reply-to", "require", "route", "rseq", "session-expires", "subject"}
    | {"supported", "to", "user-agent", "via"}
)
"""What an INVITE says by itself, and what would tell of somebody else's number."""


def home_region(trunks: Iterable[TrunkTable], caller_id: str | None) -> str | None:
    """Give the country in whose way numbers may be written: the caller ID's, else a trunk's."""
    numbers = [caller_id, *(number for trunk in trunks for number in trunk.caller_ids)]
    return next((region_of(number) for number in numbers if number is not None), None)


def check_number(
    path: Path, text: str, region: str | None, policy: DialPolicy, faults: Faults
) -> None:
    """Note why a resident's number would never be called."""
    objection = objection_to_writing(text, region)
    if objection is None:
        objection = policy.objection_to(to_e164(text, region) or text)
    if objection is not None:
        faults.add(path, f"{text} would never be called: {objection}")


def check_trunks(
    trunks: Mapping[int, TrunkTable],
    passwords: Mapping[Path, str | None],
    faults: Faults,
    caller_id: str | None,
) -> None:
    """Note what is wrong with each trunk by itself."""
    for position, trunk in trunks.items():
        path: Path = ("trunk", position)
        if (trunk.username is None) != (path not in passwords):
            faults.add(path, "has only one of username and password: give both or neither")
        if caller_id is not None and caller_id not in trunk.caller_ids:
            faults.warn(path, f"may not show {caller_id} (INTERCOM_CALLER_ID): it is never used")
        _check_address(trunk, path, faults)
        _check_registration(trunk, path, faults)
        _check_encryption(trunk, path, faults)
        _check_headers(trunk, path, faults)
        _check_networks(trunk, path, faults)


def doubt_tls(trunks: Mapping[int, TrunkTable], faults: Faults) -> None:
    """Note which trunks use TLS, for a service that does not listen for it."""
    for position, trunk in trunks.items():
        if trunk.transport == "tls":
            doubt = (
                "the carrier cannot connect to us by TLS, so neither call back nor end a call once our"
                " connection is lost: set INTERCOM_SIP_TLS_CERTIFICATE and INTERCOM_SIP_TLS_KEY"
            )
            faults.warn(("trunk", position, "transport"), doubt)


def check_reach(
    trunks: Mapping[int, TrunkTable],
    residents: Mapping[int, ResidentTable],
    faults: Faults,
    caller_id: str | None,
    *,
    is_any_named: bool,
) -> None:
    """Note whether somebody has a number and no trunk would call it."""
    if not any(resident.number for resident in residents.values()):
        return
    if not is_any_named:
        faults.warn((), "there is no [[trunk]]: no resident's number can be called")
    presentable = {number for trunk in trunks.values() for number in trunk.caller_ids}
    if trunks and caller_id is not None and caller_id not in presentable:
        fault = (
            f"no trunk may show {caller_id} (INTERCOM_CALLER_ID): add it to the caller_ids of the"
            " trunk whose carrier allows it, or set INTERCOM_CALLER_ID to one of"
            f" {', '.join(sorted(presentable))}"
        )
        faults.add(("trunk",), fault)


def _check_address(trunk: TrunkTable, path: Path, faults: Faults) -> None:
    host, _, port = trunk.address.rpartition("]")[2].rpartition(":")
    if port.isdecimal() and (host or "]" in trunk.address) and not 0 < int(port) < 65_536:
        faults.add((*path, "address"), f"port {port} does not exist: give 1 to 65535, or none")
    if trunk.carrier == "twilio" and "twilio.com" not in trunk.address.casefold():
        fault = (
            "Twilio drops calls to anything but its termination URI:"
            ' give it as address, such as "example.pstn.dublin.twilio.com"'
        )
        faults.warn((*path, "address"), fault)


def _check_registration(trunk: TrunkTable, path: Path, faults: Faults) -> None:
    if trunk.register_ and trunk.username is None:
        faults.add(path, "register = true needs the username and password that the carrier gave")
    if trunk.register_ and trunk.carrier == "twilio":
        faults.add((*path, "register"), "Twilio's trunks take no registration: leave it out")
    if trunk.carrier == "register" and not trunk.register_:
        faults.warn(path, 'carrier = "register" is for one that we log in to: add register = true')


def _check_encryption(trunk: TrunkTable, path: Path, faults: Faults) -> None:
    if trunk.transport == "tls" or trunk.srtp == "off":
        return
    if trunk.srtp == "optional":
        doubt = 'has no effect without transport = "tls": its keys are never offered in the clear'
    else:
        doubt = 'sends its keys in the clear: add transport = "tls"'
    faults.warn((*path, "srtp"), doubt)


def _check_headers(trunk: TrunkTable, path: Path, faults: Faults) -> None:
    for name in trunk.headers:
        if len(name) == 1 or name.casefold() in _OUR_HEADERS:
            fault = f"{name} is not yours to set: leave it out; the carrier's profile writes it"
            faults.add((*path, "headers"), fault)


def _check_networks(trunk: TrunkTable, path: Path, faults: Faults) -> None:
    for text in trunk.signalling_networks:
        network = ip_network(text)
        widest = _WIDEST_NETWORK[network.version]
        if network.prefixlen < widest:
            fault = f"{text} is no carrier's alone: give networks of /{widest} and narrower"
            faults.add((*path, "signalling_networks"), fault)
