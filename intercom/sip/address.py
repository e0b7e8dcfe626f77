"""Where a datagram goes to or came from."""

from enum import Enum
from typing import NamedTuple


class Transport(Enum):
    """What carries SIP; the value is the token of the Via header."""

    UDP = "UDP"


class Address(NamedTuple):
    """One end of a transport; an IPv6 host has no brackets here."""

    host: str
    port: int
    transport: Transport = Transport.UDP


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
