"""Host names of trunks and SIP phones, looked up ahead of any call so that a press never waits."""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Callable, Iterable

import structlog

from intercom.routing.directory import Directory
from intercom.sip.address import Address

log = structlog.get_logger()

SIP_PORT = 5060
LOOK_UP_TIMEOUT_S = 5.0
REFRESH_S = 300.0
"""How often names are looked up again; the last good answer is kept meanwhile."""


class Resolver:
    """A cache of addresses of one family, the SIP socket's; literal ones need no look-up."""

    def __init__(self, family: socket.AddressFamily = socket.AF_INET) -> None:
        self._family = family
        self._addresses: dict[str, str] = {}

    def of_host(self, host_and_port: str) -> Address | None:
        """Give the address of "host" or "host:port"; None while its name is unknown."""
        host, port = split_host(host_and_port)
        literal = host if _is_literal(host) else self._addresses.get(host)
        return Address(literal, port) if literal else None

    def of_uri(self, uri: str) -> Address | None:
        """Give the address of a sip: URI's host part."""
        return self.of_host(host_of_uri(uri))

    async def refresh(self, directory: Directory) -> None:
        """Look up every name that the directory uses."""
        for host in _hosts(directory):
            if not _is_literal(host):
                await self._look_up(host)

    async def keep_fresh(self, changed: asyncio.Event, directory: Callable[[], Directory]) -> None:
        """Look names up now, again every five minutes, and whenever `changed` is set."""
        while True:
            changed.clear()
            await self.refresh(directory())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_S):
                    await changed.wait()

    async def _look_up(self, host: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LOOK_UP_TIMEOUT_S):
                found = await loop.getaddrinfo(
                    host, None, family=self._family, type=socket.SOCK_DGRAM
                )
        except (OSError, UnicodeError):  # no answer, or "a..b" and the like, which is no name
            log.warning(
                "sip.name_not_found", remedy="check [[trunk]], sip_phones and this machine's DNS"
            )
            return
        self._addresses[host] = str(found[0][4][0])


def split_host(host_and_port: str) -> tuple[str, int]:
    """Split "host", "host:port" or "[v6]:port"."""
    if host_and_port.startswith("["):
        host, _, rest = host_and_port[1:].partition("]")
        return host, int(rest[1:]) if rest.startswith(":") else SIP_PORT
    host, _, port = host_and_port.partition(":")
    return host, int(port) if port else SIP_PORT


def host_of_uri(uri: str) -> str:
    """Cut "host:port" out of a sip: or sips: URI."""
    rest = uri.partition(":")[2]
    return rest.rpartition("@")[2].partition(";")[0].partition("?")[0]


def _hosts(directory: Directory) -> Iterable[str]:
    for trunk in directory.trunks:
        yield split_host(trunk.address)[0]
    for resident in directory.residents.values():
        for phone in resident.sip_phones:
            yield split_host(host_of_uri(phone.uri))[0]


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
