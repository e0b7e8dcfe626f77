"""What a setting may be: addresses, ports and lists, as they come from the environment."""

import re
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, IPvAnyNetwork

EVERY_IPV4 = ("0.0.0.0",)  # noqa: S104 - panels and carriers must reach it

_DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}
_MAIL_ADDRESS = re.compile(r"[^\s@<>,;:\"]{1,64}@[A-Za-z0-9.-]{1,253}")


class MailSecurity(Enum):
    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


def setting(
    default: Any,  # noqa: ANN401 - as in pydantic's own Field
    description: str,
    remedy: str,
    **limits: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Document one setting; `remedy` says what to give when the value is wrong or missing."""
    return Field(default, description=description, json_schema_extra={"remedy": remedy}, **limits)


def check_database(value: str) -> str:
    """Take a database's address; ValueError does not repeat it, as it may hold a password."""
    scheme, separator, rest = value.partition("://")
    if not separator or scheme not in _DRIVERS or not rest.strip("/"):
        msg = "this is neither sqlite:///FILE nor postgresql://…"
        raise ValueError(msg)
    return value


def sqlalchemy_url(value: str) -> str:
    """Name the driver in a checked database's address."""
    scheme, _, rest = value.partition("://")
    return f"{_DRIVERS[scheme]}://{rest}"


def _check_mail_address(value: str | None) -> str | None:
    if value is not None and _MAIL_ADDRESS.fullmatch(value) is None:
        msg = f'"{value}" is no mail address'
        raise ValueError(msg)
    return value


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
MailAddress = Annotated[str | None, AfterValidator(_check_mail_address)]
Hosts = Annotated[tuple[str, ...], BeforeValidator(_split), AfterValidator(_check_hosts)]
Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
Port = Annotated[int, Field(ge=1, le=65535)]
Prefixes = Annotated[tuple[str, ...], BeforeValidator(_split)]
Networks = Annotated[tuple[IPvAnyNetwork, ...], BeforeValidator(_split)]
ReadableFile = Annotated[Path | None, AfterValidator(_check_readable)]
