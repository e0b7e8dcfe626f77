"""SIP, SIPS and tel URIs (RFC 3261 §19.1, RFC 3966)."""

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple
from urllib.parse import unquote

from intercom.errors import RemoteProtocolError
from intercom.sip.address import Address, Transport

DEFAULT_PORT = 5060  # RFC 3261 §19.1.2
DEFAULT_TLS_PORT = 5061  # RFC 3261 §19.1.2
_TRANSPORTS = {"udp": Transport.UDP, "tcp": Transport.TCP, "tls": Transport.TLS}
_SIP_URI = re.compile(
    r"(sips?):(?:([^@\s<>\"]*)@)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?"
    r"((?:;[^?\s<>\"]*)?)(?:\?[^\s<>\"]*)?",
    re.IGNORECASE,
)
_TEL_URI = re.compile(r"tel:(\+?[0-9A-Fa-f*#().-]+)((?:;[^\s<>\"]*)?)", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
REMEMBERED = 1_000
REMEMBERED_CHARACTERS = 200
"""A longer one is no usual one, and would let a stranger fill the memory."""


class Uri(NamedTuple):
    """A parsed URI; headers after "?" are never honoured."""

    scheme: str
    user: str
    """Unescaped, without a password; the number of a tel URI."""
    host: str
    """In lower case, without brackets; empty in a tel URI."""
    port: int | None
    params: str
    """As written, with the leading semicolon."""

    def has_param(self, name: str) -> bool:
        """Tell whether a parameter is there, with or without a value."""
        return self.param(name) is not None

    def param(self, name: str) -> str | None:
        """Return a parameter's value: "" where it has none, None where it is not there."""
        for part in self.params.split(";"):
            key, _, value = part.partition("=")
            if key.strip().lower() == name:
                return value.strip()
        return None

    @property
    def transport(self) -> Transport | None:
        """What the URI asks for (RFC 3261 §26.2.2: sips is TLS); None where it leaves it open."""
        if self.scheme == "sips":
            return Transport.TLS
        if not self.params:
            return None
        return _TRANSPORTS.get((self.param("transport") or "").lower())


def parse_uri(text: str) -> Uri:
    """Parse a URI; raise RemoteProtocolError, with `status_hint` 416 for a foreign scheme.

    The same one comes again in every message of a call, so the last ones are remembered.
    """
    return _remembered(text) if len(text) <= REMEMBERED_CHARACTERS else _parse(text)


def _parse(text: str) -> Uri:
    match = _SIP_URI.fullmatch(text)
    if match is None:
        return _parse_other(text)
    scheme, user, host, port, params = match.groups()
    if host[0] == "[":
        host = host[1:-1].replace(":::", "::")  # the ABNF of RFC 3261 says so (RFC 5118 §4.10)
        ip_of(host)
    user = (user or "").partition(":")[0]
    if port and int(port) > 65_535:
        raise RemoteProtocolError("port out of range")
    return Uri(
        scheme.lower(),
        unquote(user) if "%" in user else user,
        host.lower(),
        int(port) if port else None,
        params,
    )


_remembered = lru_cache(maxsize=REMEMBERED)(_parse)


def _parse_other(text: str) -> Uri:
    match = _TEL_URI.fullmatch(text)
    if match is not None:
        return Uri("tel", re.sub(r"[().-]", "", match[1]), "", None, match[2])
    scheme = _SCHEME.match(text)
    if scheme is None or scheme[0].lower() in {"sip:", "sips:", "tel:"}:
        raise RemoteProtocolError("URI cannot be read")
    raise RemoteProtocolError("foreign URI scheme", status_hint=416)


def ip_of(host: str) -> IPv4Address | IPv6Address:
    """Parse a literal address; raise RemoteProtocolError when it is none."""
    try:
        return ip_address(host)
    except ValueError:
        raise RemoteProtocolError("not an IP address") from None


def default_port(transport: Transport) -> int:
    """Tell the port of a URI that names none."""
    return DEFAULT_TLS_PORT if transport is Transport.TLS else DEFAULT_PORT


def next_hop(uri: str, source: Address, *, is_lost: bool = False) -> Address:
    """Choose where a request for `uri` goes, given where its peer sends from.

    Whoever came over a stream is reached on that same connection (RFC 5626, RFC 5923), unless it
    is lost; who spoke TLS is then asked by TLS alone. A host name is not looked up, and a private
    address that the peer does not send from lies behind its NAT: both mean the source, as does a
    multicast address, by which one request would reach many.
    """
    target = parse_uri(uri)
    if source.transport.is_stream and not is_lost:
        return source
    host = target.host
    if host != source.host:
        try:
            ip = ip_address(host)
        except ValueError:
            return source
        host = str(ip)
        if host != source.host and (ip.is_multicast or not ip.is_global):
            return source
    is_secret = source.transport is Transport.TLS
    transport = Transport.TLS if is_secret else target.transport or Transport.UDP
    name = host if transport is Transport.TLS else ""
    return Address(host, target.port or default_port(transport), transport, name)
