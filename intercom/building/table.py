"""What a building file's tables are made of: their base, and the kinds of values in them."""

from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from argon2 import Type, extract_parameters
from argon2.exceptions import InvalidHashError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from intercom.routing.numbers import is_e164

MAX_PULSE_MS = 10_000
"""The panel's own hard limit for a relay."""
SECRETS = frozenset({"password", "password_hash", "code", "headers"})
"""Fields whose values no error message repeats."""

ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
HOST_PORT = r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?$"
SIP_URI = (
    r"^sips?:([A-Za-z0-9._~!*'()&=+$,;?/%-]+@)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?$"
)
CERTIFICATE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,252}$"  # a host name, a URI or a common name
HEADER = r"^[A-Za-z][A-Za-z0-9-]{0,63}$"
USER = r"^[A-Za-z0-9._~!*'()&=+$,;?/%-]{1,64}$"  # RFC 3261 §25.1 user, without the colon


def _check_number(value: str) -> str:
    if not is_e164(value):
        raise ValueError
    return value


def _check_address(value: str) -> str:
    address = ip_address(value)
    if address.is_unspecified or address.is_multicast:  # nobody calls from there
        raise ValueError
    return str(address)


def _check_network(value: str) -> str:
    return str(ip_network(value))


def check_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise ValueError
    _ = parts.port  # raises ValueError when it is out of range
    return value


def bokmaal_for_no(value: object) -> object:
    return "nb" if value == "no" else value


def check_hash(value: str) -> str:
    try:
        parameters = extract_parameters(value)
    except InvalidHashError:
        raise ValueError from None
    if parameters.type is not Type.ID:
        raise ValueError
    return value


def check_zone(value: str) -> str:
    try:
        return ZoneInfo(value).key
    except (ZoneInfoNotFoundError, OSError, ValueError):
        raise ValueError from None


Id = Annotated[str, Field(pattern=ID)]
Target = Annotated[str, Field(pattern=rf"{ID[:-1]}(/{ID[1:-1]})?$")]
"""A doorbell, or one person's button of it: "hansen" or "hansen/kari"."""
MailAddress = Annotated[
    str, Field(pattern=r"^[^\s@<>,;:\"]{1,64}@[^\s@<>,;:\"]{1,253}$", max_length=254)
]
Name = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]{1,64}$")]
Number = Annotated[str, AfterValidator(_check_number)]
AnyNumber = Annotated[str, Field(pattern=r"^[+0-9][0-9 ()./-]{1,30}$")]
"""As people write it; `check` reads it, for only there the country is known."""
Network = Annotated[str, AfterValidator(_check_network)]
HeaderText = Annotated[str, Field(pattern=r"^[\x20-\x7e]{1,200}$")]
Address = Annotated[str, AfterValidator(_check_address)]
Password = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,128}$")]
UserName = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f:]{0,64}$")]
CodeWayName = Literal["rfc4733", "info-dtmf-relay", "info-dtmf"]
CODE_WAYS = '"rfc4733", "info-dtmf-relay" or "info-dtmf"'


def row(description: str, default: Any = ..., **limits: Any) -> Any:  # noqa: ANN401 - as pydantic
    return Field(default, description=description, **limits)


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
