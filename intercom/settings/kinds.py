"""What a setting may be: addresses, ports and lists, as they come from the environment."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, IPvAnyNetwork

EVERY_IPV4 = ("0.0.0.0",)  # noqa: S104 - panels and carriers must reach it


def family_of(host: str) -> int | None:
    """Tell 4 or 6; None for a host name."""
    try:
        return ip_address(host).version
    except ValueError:
        return None


def _split(value: object) -> object:
    """Take "a, b" for a list, as an environment variable gives it."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _check_host(value: str) -> str:
    """Take an IP address, as text: what a socket is bound to."""
    return str(ip_address(value))


def _check_hosts(value: tuple[str, ...]) -> tuple[str, ...]:
    """Take IP addresses, one of a family at most; none at all means every IPv4 address."""
    hosts = tuple(_check_host(each) for each in value) or EVERY_IPV4
    if len({":" in host for host in hosts}) != len(hosts):
        msg = f'"{",".join(hosts)}" holds two addresses of one family'
        raise ValueError(msg)
    return hosts


def host_and_port(value: str) -> tuple[str, int]:
    """Read "host:port", an IPv6 address in brackets; ValueError otherwise."""
    host, _, port = value.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    host = host.strip("[]") if is_bracketed else host
    is_number = port.isascii() and port.isdigit() and 0 < int(port) < 65_536
    if not is_number or not host or (":" in host) != is_bracketed or set(host) & set(" /@[]"):
        msg = f'"{value}" is not host:port'
        raise ValueError(msg)
    return host, int(port)


def _check_host_and_port(value: str | None) -> str | None:
    if value is not None:
        host_and_port(value)
    return value


def _check_readable(value: Path | None) -> Path | None:
    if value is not None:
        try:
            value.open("rb").close()
        except OSError as error:
            msg = f'"{value}" cannot be read: {error.strerror}'
            raise ValueError(msg) from error
    return value


Host = Annotated[str, AfterValidator(_check_host)]
HostAndPort = Annotated[str | None, AfterValidator(_check_host_and_port)]
Hosts = Annotated[tuple[str, ...], BeforeValidator(_split), AfterValidator(_check_hosts)]
Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
Port = Annotated[int, Field(ge=1, le=65535)]
Prefixes = Annotated[tuple[str, ...], BeforeValidator(_split)]
Networks = Annotated[tuple[IPvAnyNetwork, ...], BeforeValidator(_split)]
ReadableFile = Annotated[Path | None, AfterValidator(_check_readable)]
