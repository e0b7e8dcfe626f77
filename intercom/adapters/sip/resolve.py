"""Host names of trunks and SIP phones, looked up ahead of any call so that a press never waits."""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

import structlog

from intercom.adapters.sip.locate import (
    DEFAULT_PORTS,
    DEFAULT_TTL_S,
    Dns,
    Located,
    Locator,
    NameUnknown,
    Place,
    in_order,
)
from intercom.routing.directory import Directory, Trunk
from intercom.sip.address import Address, Transport

log = structlog.get_logger()

SIP_PORT = 5060
SHORTEST_TTL_S = 30.0
LONGEST_TTL_S = 3600.0
RETRY_S = 30.0
"""A name that DNS did not know is asked for again; its last good answer is kept meanwhile."""
AT_ONCE = 8


class _Name(NamedTuple):
    """What is looked up."""

    host: str
    port: int | None
    transport: Transport | None


class Resolver:
    """A cache of what names lead to; IP addresses need no look-up."""

    def __init__(
        self,
        *families: socket.AddressFamily,
        dns: Dns | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Look up addresses of the families that SIP listens on; `dns` None: by the system alone."""
        self.on_change: Callable[[], None] = lambda: None
        """Called when a name leads elsewhere than before."""
        self._locator = Locator(dns, families or (socket.AF_INET,))
        self._clock = clock
        self._known: dict[_Name, Located] = {}
        self._due_at: dict[_Name, float] = {}
        self._unknown: set[_Name] = set()

    def of_host(self, host_and_port: str) -> Address | None:
        """Give the address of "host" or "host:port"; None while its name is unknown."""
        host, port = split_host(host_and_port)
        if _is_literal(host):
            return Address(host, port)
        located = self._known.get(_Name(host, port, None)) or self._known.get(
            _Name(host, None, None)
        )
        return Address(located.places[0].address.host, port) if located else None

    def of_uri(self, uri: str) -> Address | None:
        """Give the address of a sip: URI's host part."""
        return self.of_host(host_of_uri(uri))

    def of_trunk(self, trunk: Trunk) -> list[Address]:
        """Give a trunk's addresses in the order in which to try them; none while unknown."""
        return in_order(self._places_of(trunk))

    def hosts_of(self, trunk: Trunk) -> frozenset[str]:
        """Give all IP addresses that a trunk's name leads to."""
        return frozenset(place.address.host for place in self._places_of(trunk))

    def _places_of(self, trunk: Trunk) -> tuple[Place, ...]:
        name = _name_of(trunk)
        if _is_literal(name.host):
            over = name.transport or Transport.UDP
            return (Place(Address(name.host, name.port or DEFAULT_PORTS[over], over, name.host)),)
        located = self._known.get(name)
        return located.places if located else ()

    async def refresh(self, directory: Directory) -> None:
        """Look up every name that the directory uses and that is due."""
        names = {name for name in _names(directory) if not _is_literal(name.host)}
        for gone in set(self._due_at) - names:
            self._known.pop(gone, None)
            self._due_at.pop(gone)
            self._unknown.discard(gone)
        now = self._now()
        due = [name for name in names if self._due_at.get(name, now) <= now]
        gate = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            for name in due:
                tasks.create_task(self._look_up(name, gate), name="name looked up")

    async def keep_fresh(self, changed: asyncio.Event, directory: Callable[[], Directory]) -> None:
        """Look names up now, again when their time is over, and whenever `changed` is set."""
        while True:
            changed.clear()
            await self.refresh(directory())
            wait_s = min(self._due_at.values(), default=self._now() + DEFAULT_TTL_S) - self._now()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(wait_s, 1.0)):
                    await changed.wait()

    async def _look_up(self, name: _Name, gate: asyncio.Semaphore) -> None:
        try:
            async with gate:
                located = await self._locator.locate(*name)
        except NameUnknown:
            self._due_at[name] = self._now() + RETRY_S
            if name not in self._unknown:
                self._unknown.add(name)
                log.warning(
                    "sip.name_not_found",
                    remedy="check [[trunk]], sip_phones and this machine's DNS",
                )
            return
        self._unknown.discard(name)
        before = self._known.get(name)
        self._known[name] = located
        if before is None or before.places != located.places:
            self.on_change()
        self._due_at[name] = self._now() + min(max(located.ttl_s, SHORTEST_TTL_S), LONGEST_TTL_S)

    def _now(self) -> float:
        return self._clock() if self._clock else asyncio.get_running_loop().time()


def split_host(host_and_port: str) -> tuple[str, int]:
    """Split "host", "host:port" or "[v6]:port"."""
    host, port = _split(host_and_port)
    return host, SIP_PORT if port is None else port


def has_port(host_and_port: str) -> bool:
    """Tell whether a port is written."""
    return _split(host_and_port)[1] is not None


def host_of_uri(uri: str) -> str:
    """Cut "host:port" out of a sip: or sips: URI."""
    rest = uri.partition(":")[2]
    return rest.rpartition("@")[2].partition(";")[0].partition("?")[0]


def _split(host_and_port: str) -> tuple[str, int | None]:
    if host_and_port.startswith("["):
        host, _, rest = host_and_port[1:].partition("]")
        return host, int(rest[1:]) if rest.startswith(":") else None
    host, _, port = host_and_port.partition(":")
    return host, int(port) if port else None


def _name_of(trunk: Trunk) -> _Name:
    host, port = _split(trunk.address)
    transport = None if trunk.transport is None else Transport[trunk.transport.name]
    return _Name(host, port, transport)


def _names(directory: Directory) -> Iterable[_Name]:
    for trunk in directory.trunks:
        yield _name_of(trunk)
    for resident in directory.residents.values():
        for phone in resident.sip_phones:
            host, port = split_host(host_of_uri(phone.uri))
            yield _Name(host, port, None)


@lru_cache(maxsize=256)
def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
