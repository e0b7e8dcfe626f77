"""Sockets that are bound for SIP, and what is said when a port cannot be listened on."""

import errno
import os
import socket

from intercom.errors import ConfigError, NotThereYetError

_KINDS = {socket.SOCK_DGRAM: "UDP", socket.SOCK_STREAM: "TCP"}
_REMEDIES = {
    errno.EADDRINUSE: (
        "End the program that uses the port (`ss -lntup` shows it), or set {host} / {port}."
    ),
    errno.EADDRNOTAVAIL: (
        "This machine has no such address: set {host} to one that `ip address` shows,"
        " or to 0.0.0.0 (IPv6: ::)."
    ),
    errno.EACCES: (
        "Ports below 1024 are for privileged programs: set {port} to one above, or give the"
        " service CAP_NET_BIND_SERVICE."
    ),
    errno.EAFNOSUPPORT: "This machine has no IPv6: take the IPv6 address out of {host}.",
}
_OTHERWISE = "Check {host} / {port}."
_MAY_COME = frozenset({errno.EADDRINUSE, errno.EADDRNOTAVAIL})


def bind(
    host: str, port: int, kind: socket.SocketKind, setting: str = "INTERCOM_SIP_PORT"
) -> socket.socket:
    """Bind a socket; raise ConfigError that names address, port, protocol and remedy.

    An IPv6 socket is for IPv6 alone: else :: would take the port of 0.0.0.0 as well.
    """
    is_ipv6 = ":" in host
    try:
        bound = socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET, kind)
    except OSError as error:
        raise _refusal(host, port, kind, setting, error) from error
    try:
        bound.setblocking(False)
        if is_ipv6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind is socket.SOCK_STREAM:  # else the connections of before a restart hold the port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise _refusal(host, port, kind, setting, error) from error
    return bound


def _refusal(
    host: str, port: int, kind: socket.SocketKind, setting: str, error: OSError
) -> ConfigError:
    what = f"SIP cannot listen on {host} port {port} ({_KINDS[kind]})"
    return cannot_listen(what, error, "INTERCOM_SIP_HOST", setting)


def cannot_listen(what: str, error: OSError, host: str, port: str) -> ConfigError:
    """Say why nobody can listen there, and what to do; `host` and `port` are names of settings."""
    number = error.errno or 0
    remedy = _REMEDIES.get(number, _OTHERWISE).format(host=host, port=port)
    kind = NotThereYetError if number in _MAY_COME else ConfigError
    return kind(f"{what}: {os.strerror(number)}. {remedy}")
