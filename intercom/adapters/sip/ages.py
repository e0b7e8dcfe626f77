"""The connections that came to us, by the age of their last message: who makes way for others."""

import ipaddress
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intercom.adapters.sip.connection import StreamConnection

_IPV6_NETWORK_BITS = 64  # what one customer has, at least


class Ages:
    """All of them, and those of each source; the one whose last message is the oldest comes first."""

    def __init__(self) -> None:
        self._all: dict[StreamConnection, None] = {}
        self._of_source: dict[str, dict[StreamConnection, None]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def add(self, connection: "StreamConnection") -> None:
        """Put a new one in."""
        self._all[connection] = None
        self._of_source.setdefault(source_of(connection.address.host), {})[connection] = None

    def remove(self, connection: "StreamConnection") -> None:
        """Take one out, if it is in."""
        self._all.pop(connection, None)
        source = source_of(connection.address.host)
        siblings = self._of_source.get(source, {})
        siblings.pop(connection, None)
        if not siblings:
            self._of_source.pop(source, None)

    def renew(self, connection: "StreamConnection") -> None:
        """Make one the youngest: it said something."""
        siblings = self._of_source.get(source_of(connection.address.host), {})
        for group in (self._all, siblings):
            if connection in group:
                del group[connection]
                group[connection] = None

    def count_of(self, host: str) -> int:
        """Tell how many there are of a source."""
        return len(self._of_source.get(source_of(host), {}))

    def oldest(
        self, is_free: Callable[["StreamConnection"], bool], host: str | None = None
    ) -> "StreamConnection | None":
        """Give the oldest that may be closed; of one source alone when `host` is given."""
        group: Iterable[StreamConnection] = self._all
        if host is not None:
            group = self._of_source.get(source_of(host), {})
        return next((each for each in group if is_free(each)), None)


def source_of(host: str) -> str:
    """Tell who that is: an IPv4 address, or the network of an IPv6 address."""
    if ":" not in host:
        return host
    network = ipaddress.ip_network((host.partition("%")[0], _IPV6_NETWORK_BITS), strict=False)
    return str(network)
