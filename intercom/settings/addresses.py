"""By which addresses peers reach us: the public one, the bound one, or the machine's own."""

import ipaddress
import socket
from typing import NamedTuple

from intercom.errors import NotThereYetError
from intercom.settings.kinds import family_of
from intercom.settings.model import Settings

_LOOPBACK = ("127.0.0.1", "::1")


class Face(NamedTuple):
    """How we are reached by IPv4, or by IPv6."""

    bind: str
    """Where SIP is received."""
    advertised: str
    """What goes into SIP; an IP address or a host name."""
    media_bind: str
    """Where sound and picture are received."""
    media_advertised: str
    """What goes into SDP; an IP address."""

    @property
    def is_ipv6(self) -> bool:
        """Tell the family."""
        return ":" in self.bind


def faces_of(settings: Settings) -> tuple[Face, ...]:
    """Say how we are reached by each family of sip_host, in its order."""
    return tuple(_face(settings, host) for host in settings.sip_host)


def advertised_address(settings: Settings) -> str:
    """Say what goes into SIP first: public_address, the bound address, or the machine's own."""
    return advertised_addresses(settings)[0]


def advertised_addresses(settings: Settings) -> tuple[str, ...]:
    """Say what goes into SIP, in the order of sip_host; nothing is looked up."""
    return tuple(_advertised(settings, host) for host in settings.sip_host)


def advertised_media_address(settings: Settings) -> str:
    """Say what goes into ICE, which wants an IP address."""
    return _face(settings, settings.sip_host[0]).media_advertised


def media_bind_address(settings: Settings) -> str:
    """Say where the apps' sound and picture are received."""
    return _face(settings, settings.sip_host[0]).media_bind


def is_only_loopback(settings: Settings) -> bool:
    """Tell whether we listen everywhere but know no address by which anybody else reaches us."""
    host = settings.sip_host[0]
    is_any = ipaddress.ip_address(host).is_unspecified
    return not settings.public_address and is_any and _own_address(host) in _LOOPBACK


def _face(settings: Settings, host: str) -> Face:
    advertised = _advertised(settings, host)
    media_host = _of_family(settings.media_host, host) or host
    public = _public(settings, host)
    is_any = ipaddress.ip_address(media_host).is_unspecified
    if public is not None:
        media_advertised, own = _ip_address_of(public, host), media_host
    else:
        media_advertised = own = advertised if is_any else media_host
    # A socket that is bound to every address answers from whichever is nearest to the peer. On a
    # machine with several, ICE and strict panels drop what comes from another than was advertised.
    media_bind = media_host if ipaddress.ip_address(own).is_loopback else own
    return Face(host, advertised, media_bind, media_advertised)


def _advertised(settings: Settings, host: str) -> str:
    public = _public(settings, host)
    if public is not None:
        return public
    return host if not ipaddress.ip_address(host).is_unspecified else _own_address(host)


def _public(settings: Settings, host: str) -> str | None:
    """Choose the public address of a family: its own, or the host name that stands for both."""
    names = (each for each in settings.public_address if family_of(each) is None)
    return _of_family(settings.public_address, host) or next(names, None)


def _of_family(hosts: tuple[str, ...], like: str) -> str | None:
    return next((each for each in hosts if family_of(each) == family_of(like)), None)


def _own_address(any_host: str) -> str:
    """Ask the kernel which address it would use toward elsewhere; nothing is sent."""
    is_v6 = ":" in any_host
    with socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("2001:db8::1" if is_v6 else "192.0.2.1", 9))  # documentation addresses
        except OSError:
            return _LOOPBACK[is_v6]
        return str(probe.getsockname()[0])


def _ip_address_of(host: str, like: str) -> str:
    family = socket.AF_INET6 if ":" in like else socket.AF_INET
    try:
        return str(socket.getaddrinfo(host, None, family=family)[0][4][0])
    except OSError as error:
        message = (
            f"INTERCOM_PUBLIC_ADDRESS {host} cannot be looked up for IPv{family_of(like)}:"
            " give an IP address or fix DNS."
        )
        raise NotThereYetError(message) from error
