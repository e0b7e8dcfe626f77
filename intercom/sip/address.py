"""Where a message goes to or came from."""

from enum import Enum
from typing import NamedTuple


class Transport(Enum):
    """What carries SIP; the value is the token of the Via header."""

    UDP = "UDP"
    TCP = "TCP"
    TLS = "TLS"

    @property
    def is_stream(self) -> bool:
        """Tell whether it delivers by itself, and in order: nothing is then sent again."""
        return self is not Transport.UDP


class Address(NamedTuple):
    """One end of a transport; an IPv6 host has no brackets here."""

    host: str
    port: int
    transport: Transport = Transport.UDP
    name: str = ""
    """What the certificate of a TLS peer must prove, where the connection is ours to open."""

    @property
    def is_ipv6(self) -> bool:
        """Tell the family."""
        return ":" in self.host


class Datagram(NamedTuple):
    """Bytes to send."""

    data: bytes
    destination: Address


def bracketed(host: str) -> str:
    """Write a host as URIs and Via do: IPv6 in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def host_port(address: Address) -> str:
    """Write `host:port`."""
    return f"{bracketed(address.host)}:{address.port}"
