"""By which addresses peers reach us: the public one, the bound one, or the machine's own."""

import ipaddress
import socket

from intercom.errors import ConfigError
from intercom.settings.model import Settings

_LOOPBACK = ("127.0.0.1", "::1")


def advertised_address(settings: Settings) -> str:
    """Say what goes into SIP: public_address, the bound address, or the machine's own."""
    if settings.public_address:
        return settings.public_address
    host = settings.sip_host
    return host if not ipaddress.ip_address(host).is_unspecified else _own_address(host)


def advertised_media_address(settings: Settings) -> str:
    """Say what goes into SDP and ICE, which want an IP address."""
    if settings.public_address:
        return _first_address_of(settings.public_address)
    host = settings.media_host
    is_any = ipaddress.ip_address(host).is_unspecified
    return advertised_address(settings) if is_any else host


def media_bind_address(settings: Settings) -> str:
    """Say where sound and picture are received: where we say that they are, if that is ours.

    A socket that is bound to every address answers from whichever is nearest to the peer. On a
    machine with several, ICE and strict panels drop what comes from another than was advertised.
    """
    advertised = (
        settings.media_host if settings.public_address else advertised_media_address(settings)
    )
    return settings.media_host if ipaddress.ip_address(advertised).is_loopback else advertised


def is_only_loopback(settings: Settings) -> bool:
    """Tell whether we listen everywhere but know no address by which anybody else reaches us."""
    is_any = ipaddress.ip_address(settings.sip_host).is_unspecified
    return not settings.public_address and is_any and _own_address(settings.sip_host) in _LOOPBACK


def _own_address(any_host: str) -> str:
    """Ask the kernel which address it would use toward elsewhere; nothing is sent."""
    is_v6 = ":" in any_host
    with socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("2001:db8::1" if is_v6 else "192.0.2.1", 9))  # documentation addresses
        except OSError:
            return _LOOPBACK[is_v6]
        return str(probe.getsockname()[0])


def _first_address_of(host: str) -> str:
    try:
        return str(socket.getaddrinfo(host, None)[0][4][0])
    except OSError as error:
        message = (
            f"INTERCOM_PUBLIC_ADDRESS {host} cannot be looked up: give an IP address or fix DNS."
        )
        raise ConfigError(message) from error
