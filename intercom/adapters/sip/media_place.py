"""Where plain sound and picture are received: ports and address of the peer's IP family."""

from typing import NamedTuple

from intercom.media.port import PortPool


class MediaPlace(NamedTuple):
    """The ports of one family, and what SDP says of them."""

    ports: PortPool
    host: str
    """The advertised IP address."""


class MediaPlaces:
    """One place, or one of each family."""

    def __init__(self, first: MediaPlace, other: MediaPlace | None = None) -> None:
        self._first = first
        self._other = other

    def toward(self, peer_host: str) -> MediaPlace:
        """Choose the family that the peer's signalling came by, or goes by."""
        is_ipv6 = ":" in peer_host
        if self._other is not None and (":" in self._first.host) != is_ipv6:
            return self._other
        return self._first
