"""Where a carrier's name leads: NAPTR, SRV and addresses in DNS (RFC 3263, RFC 2782).

a port or an IP address   ─▶ addresses alone (§4.2)
a transport               ─▶ SRV of that transport, else addresses at its default port
neither                   ─▶ NAPTR, else SRV of each transport we do, else addresses by UDP
"""

import asyncio
import secrets
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import dns.asyncresolver
import dns.exception
import dns.resolver
from typing_extensions import override

from intercom.sip.address import Address, Transport

LOOK_UP_TIMEOUT_S = 5.0
DEFAULT_TTL_S = 300.0
MAX_TARGETS = 8
"""Of one name; more SRV records than that are no fail-over but a flood."""
DEFAULT_PORTS = {Transport.UDP: 5060, Transport.TCP: 5060, Transport.TLS: 5061}

_SRV_NAMES = {
    Transport.UDP: "_sip._udp",
    Transport.TCP: "_sip._tcp",
    Transport.TLS: "_sips._tcp",
}
_NAPTR_SERVICES = {
    "SIP+D2U": Transport.UDP,
    "SIP+D2T": Transport.TCP,
    "SIPS+D2T": Transport.TLS,
}
_RECORD_OF = {socket.AF_INET: "A", socket.AF_INET6: "AAAA"}


class NameUnknown(Exception):  # noqa: N818 - it is what DNS says
    """There is no such name, or nobody answers for it."""


@dataclass(frozen=True, slots=True)
class Records:
    """An answer of DNS; `records` are dnspython's, none where the name has none of the kind."""

    records: tuple[Any, ...] = ()
    ttl_s: float = DEFAULT_TTL_S


class Dns(Protocol):
    """Whoever answers for names."""

    async def ask(self, name: str, kind: str) -> Records:
        """Look up the records of one kind; raise NameUnknown when nobody answers."""


@dataclass(frozen=True, slots=True)
class Place:
    """One target of a name; of the lowest priority first, by weight among equals (RFC 2782)."""

    address: Address
    priority: int = 0
    weight: int = 0


@dataclass(frozen=True, slots=True)
class Located:
    places: tuple[Place, ...]
    ttl_s: float


class RealDns(Dns):
    """DNS by the system's name servers, or by those given."""

    def __init__(self, nameservers: Sequence[str] = (), port: int = 53) -> None:
        self._nameservers = tuple(nameservers)
        self._port = port
        self._resolver: dns.asyncresolver.Resolver | None = None

    @override
    async def ask(self, name: str, kind: str) -> Records:
        try:
            async with asyncio.timeout(LOOK_UP_TIMEOUT_S):
                answer = await self._make().resolve(
                    name, kind, raise_on_no_answer=False, search=False
                )
        except dns.resolver.NXDOMAIN:
            return Records()
        except (dns.exception.DNSException, OSError, TimeoutError, UnicodeError) as error:
            raise NameUnknown from error
        if answer.rrset is None:
            return Records()
        return Records(tuple(answer.rrset), float(answer.rrset.ttl))

    def _make(self) -> dns.asyncresolver.Resolver:
        """Read the system's name servers, once they are needed."""
        if self._resolver is None:
            resolver = dns.asyncresolver.Resolver(configure=not self._nameservers)
            if self._nameservers:
                resolver.nameservers = list(self._nameservers)
                resolver.port = self._port
            resolver.lifetime = LOOK_UP_TIMEOUT_S
            self._resolver = resolver
        return self._resolver


class Locator:
    """Finds the targets of names in the families that the service has."""

    def __init__(self, dns_: Dns | None, families: Sequence[socket.AddressFamily]) -> None:
        """`dns_` None: addresses alone, as the system knows them."""
        self._dns = dns_
        self._families = tuple(families)

    async def locate(self, host: str, port: int | None, transport: Transport | None) -> Located:
        """Find where a name leads; raise NameUnknown."""
        if self._dns is not None and port is None:
            located = await self._by_service(self._dns, host, transport)
            if located is not None:
                return located
        over = transport or Transport.UDP
        hosts, ttl_s = await self._addresses(host)
        name = host if over is Transport.TLS else ""
        return Located(
            tuple(Place(Address(each, port or DEFAULT_PORTS[over], over, name)) for each in hosts),
            ttl_s,
        )

    async def _by_service(
        self, dns_: Dns, host: str, transport: Transport | None
    ) -> Located | None:
        services = await self._services(dns_, host, transport)
        for over, name in services:
            found = await dns_.ask(name, "SRV")
            if found.records:
                return await self._of_srv(found, host, over)
        return None

    async def _services(
        self, dns_: Dns, host: str, transport: Transport | None
    ) -> list[tuple[Transport, str]]:
        """List the SRV names to ask for, the best first (RFC 3263 §4.1)."""
        if transport is not None:
            return [(transport, f"{_SRV_NAMES[transport]}.{host}")]
        found = await dns_.ask(host, "NAPTR")
        offered = sorted(found.records, key=lambda each: (each.order, each.preference))
        services = [
            (_NAPTR_SERVICES[service], each.replacement.to_text(omit_final_dot=True))
            for each in offered
            if (service := each.service.decode("ascii", "replace").upper()) in _NAPTR_SERVICES
            and each.flags.decode("ascii", "replace").lower() == "s"
        ]
        return services or [(over, f"{name}.{host}") for over, name in _SRV_NAMES.items()]

    async def _of_srv(self, found: Records, host: str, over: Transport) -> Located:
        places: list[Place] = []
        ttl_s = found.ttl_s
        for record in sorted(found.records, key=lambda each: (each.priority, -each.weight)):
            target = record.target.to_text(omit_final_dot=True)
            if target in ("", "."):  # RFC 2782: the service is decidedly not available here
                continue
            try:
                hosts, its_ttl_s = await self._addresses(target)
            except NameUnknown:
                continue
            ttl_s = min(ttl_s, its_ttl_s)
            name = host if over is Transport.TLS else ""  # RFC 5922 §4: the domain that was asked
            places += [
                Place(Address(each, record.port, over, name), record.priority, record.weight)
                for each in hosts
            ]
        if not places:
            raise NameUnknown
        return Located(tuple(places[:MAX_TARGETS]), ttl_s)

    async def _addresses(self, host: str) -> tuple[list[str], float]:
        """Find a host's addresses, and how long they are good for."""
        if self._dns is not None:
            answers = [await self._dns.ask(host, _RECORD_OF[each]) for each in self._families]
            hosts = [record.address for answer in answers for record in answer.records]
            if hosts:
                return hosts, min(answer.ttl_s for answer in answers if answer.records)
        return await self._from_system(host), DEFAULT_TTL_S

    async def _from_system(self, host: str) -> list[str]:
        """Ask the system, which also knows its own file of hosts."""
        loop = asyncio.get_running_loop()
        family = self._families[0] if len(self._families) == 1 else socket.AF_UNSPEC
        try:
            async with asyncio.timeout(LOOK_UP_TIMEOUT_S):
                found = await loop.getaddrinfo(host, None, family=family, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError, TimeoutError) as error:
            raise NameUnknown from error  # or "a..b" and the like, which is no name
        return list(dict.fromkeys(str(each[4][0]) for each in found))


def in_order(places: Iterable[Place]) -> list[Address]:
    """Draw an order: by priority, and among equals by weight (RFC 2782)."""
    left = sorted(places, key=lambda each: each.priority)
    ordered: list[Address] = []
    while left:
        equals = [each for each in left if each.priority == left[0].priority]
        drawn = secrets.randbelow(sum(each.weight for each in equals) + 1)
        chosen = equals[-1]
        for each in equals:
            drawn -= each.weight
            if drawn <= 0:
                chosen = each
                break
        ordered.append(chosen.address)
        left.remove(chosen)
    return ordered
