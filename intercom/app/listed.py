"""Which hosts the building names: those are never shut out, whatever is sent under their address."""

import asyncio
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address

from intercom.adapters.sip.resolve import Resolver
from intercom.routing.directory import Directory

FRESH_S = 5.0
"""Names of carriers are looked up again now and then, and the building is loaded again."""


class ListedHosts:
    """Panels' allowed addresses, SIP phones, and what the carriers' names and networks lead to."""

    def __init__(self, directory: Callable[[], Directory], resolver: Resolver) -> None:
        self._directory = directory
        self._resolver = resolver
        self._hosts: frozenset[str] = frozenset()
        self._networks: tuple[IPv4Network | IPv6Network, ...] = ()
        self._read_at = float("-inf")

    def has(self, host: str) -> bool:
        """Tell whether a host is named."""
        now = asyncio.get_running_loop().time()
        if now - self._read_at >= FRESH_S:
            self._read_at = now
            self._read()
        if host in self._hosts or not self._networks:
            return host in self._hosts
        try:
            address = ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    def _read(self) -> None:
        directory = self._directory()
        hosts: set[str] = set()
        for panel in directory.panels.values():
            hosts |= panel.allowed_addresses
        for trunk in directory.trunks:
            hosts |= self._resolver.hosts_of(trunk)
        for resident in directory.residents.values():
            found = (self._resolver.of_uri(phone.uri) for phone in resident.sip_phones)
            hosts |= {address.host for address in found if address is not None}
        self._hosts = frozenset(hosts)
        self._networks = tuple(
            network for trunk in directory.trunks for network in trunk.signalling_networks
        )
