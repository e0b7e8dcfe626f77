"""The shape of a building file's tables; each field's description says what must stand there."""

from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from argon2 import Type, extract_parameters
from argon2.exceptions import InvalidHashError
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from intercom.routing.numbers import is_e164

MAX_PULSE_MS = 10_000
"""The panel's own hard limit for a relay."""
SECRETS = frozenset({"password", "password_hash", "code", "headers"})
"""Fields whose values no error message repeats."""

_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_HOST_PORT = r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?$"
_SIP_URI = (
    r"^sips?:([A-Za-z0-9._~!*'()&=+$,;?/%-]+@)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?$"
)
_CERTIFICATE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,252}$"  # a host name, a URI or a common name
_HEADER = r"^[A-Za-z][A-Za-z0-9-]{0,63}$"
_USER = r"^[A-Za-z0-9._~!*'()&=+$,;?/%-]{1,64}$"  # RFC 3261 §25.1 user, without the colon


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


def _check_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise ValueError
    _ = parts.port  # raises ValueError when it is out of range
    return value


def _bokmaal_for_no(value: object) -> object:
    return "nb" if value == "no" else value


def _check_hash(value: str) -> str:
    try:
        parameters = extract_parameters(value)
    except InvalidHashError:
        raise ValueError from None
    if parameters.type is not Type.ID:
        raise ValueError
    return value


Id = Annotated[str, Field(pattern=_ID)]
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
_CODE_WAYS = '"rfc4733", "info-dtmf-relay" or "info-dtmf"'


def _row(description: str, default: Any = ..., **limits: Any) -> Any:  # noqa: ANN401 - as pydantic
    return Field(default, description=description, **limits)


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class WithPassword(Table):
    """A password, as such or by reference; at most one of the three."""

    password: Password | None = _row("a text of at most 128 characters", None)
    password_file: str | None = _row("the path of a file whose first line is the password", None)
    password_env: str | None = _row(
        "the name of an environment variable, such as INTERCOM_SECRET_TRUNK",
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
    )


class WithCode(Table):
    """A door code, as such or by reference; at most one of the three."""

    code: Annotated[str, Field(pattern=r"^[!-~]{1,32}$")] | None = _row(
        "the door code, up to 32 characters", None
    )
    code_file: str | None = _row("the path of a file whose first line is the door code", None)
    code_env: str | None = _row(
        "the name of an environment variable, such as INTERCOM_SECRET_DOOR_CODE",
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
    )


def _wav(words: str) -> Any:  # noqa: ANN401 - as pydantic
    return _row(f"the path of a WAV file of at most 20 s that says {words}", None)


class PromptsTable(Table):
    """Recordings of the property's own, each in the place of the words that come with the service."""

    ring_from: str | None = _wav("that somebody rings; the door's name follows")
    press_any_key: str | None = _wav("that a key must be pressed to go on")
    door_opened: str | None = _wav("that the door is open")
    not_opened: str | None = _wav("that the door was not opened")
    nobody_answers: str | None = _wav("that nobody answers")
    nobody_reachable: str | None = _wav("that nobody can be reached")
    too_many_calls: str | None = _wav("that there are too many calls")
    no_callback: str | None = _wav("to callers that this number cannot be called")
    in_use: str | None = _wav("that the intercom is in use")
    main_entrance: str | None = _wav("the main entrance's name")
    garage: str | None = _wav("the garage's name")
    back_door: str | None = _wav("the back door's name")
    gate: str | None = _wav("the gate's name")
    cellar: str | None = _wav("the cellar's name")
    entrance: str | None = _wav("what any other door is called")


class PropertyTable(Table):
    id: Id = _row("a short name of letters, digits, dots, dashes", "property")
    name: Name = _row("what people call it, 1 to 64 characters")
    kind: Literal["residential", "commercial"] = _row('"residential" or "commercial"')
    address: Name = _row("the street address that the app shows, 1 to 64 characters")
    language: Annotated[Literal["nb", "nn", "en", "sv"], BeforeValidator(_bokmaal_for_no)] = _row(
        'the language of the spoken prompts: "nb" (bokmål), "nn" (nynorsk), "en" or "sv"', "nb"
    )
    prompts: PromptsTable = _row(
        'such as { nobody_answers = "prompts/nobody.wav" }', PromptsTable()
    )
    open_keys: list[Annotated[str, Field(pattern=r"^[0-9*#]$")]] = _row(
        'the telephone keys that open a door, such as ["5"] or ["5", "8"]', ["5"], min_length=1
    )


class PanelLinkTable(Table):
    driver: Literal["panel-link"] = _row('"panel-link"')
    panel: Id = _row("the id of the panel that has the relay")
    relay: int = _row("the relay's number, counted from 1", 1, ge=1, le=8)


class HttpTable(WithPassword):
    driver: Literal["http"] = _row('"http"')
    url: Annotated[str, AfterValidator(_check_url)] = _row(
        "an address such as https://192.0.2.9/open?door=1, without a password in it"
    )
    method: Literal["GET", "POST", "PUT"] = _row('"GET", "POST" or "PUT"', "GET")
    authentication: Literal["none", "basic", "digest"] = _row('"none", "basic" or "digest"', "none")
    username: UserName = _row("the user name that the relay's maker tells, without a colon", "")
    expected_status: int = _row("the HTTP status of success, 100 to 599", 200, ge=100, le=599)
    expected_text: str = _row("a text that the answer of success contains", "", max_length=200)


class PanelCodeTable(WithCode):
    driver: Literal["panel-code"] = _row('"panel-code"')
    panel: Id = _row("the id of the panel that opens when it is sent the code in its call")
    way: CodeWayName | None = _row(f"how the panel takes it: {_CODE_WAYS}", None)


class MakeRelayTable(WithPassword, WithCode):
    driver: Literal["2n", "akuvox", "grandstream", "doorbird", "fanvil"] = _row(
        '"2n", "akuvox", "grandstream", "doorbird" or "fanvil"'
    )
    host: Annotated[str, Field(pattern=_HOST_PORT)] = _row(
        "the panel's own address or address:port, such as 192.0.2.9 or [2001:db8::9], without http://"
    )
    scheme: Literal["https", "http"] = _row('"https" or "http"', "https")
    relay: int = _row("the relay's number, counted from 1", 1, ge=1, le=8)
    username: UserName = _row("the user name of the panel's HTTP interface, without a colon", "")
    authentication: Literal["none", "basic", "digest", "query", "challenge"] | None = _row(
        'only where it is not the make\'s usual one: "none", "basic", "digest", "query"', None
    )


class DoorTable(Table):
    id: Id = _row("a short name of letters, digits, dots, dashes")
    name: Name = _row("what people call it, 1 to 64 characters; phones hear it")
    relay: Annotated[
        PanelLinkTable | HttpTable | PanelCodeTable | MakeRelayTable, Field(discriminator="driver")
    ] = _row('a relay such as { driver = "panel-link", panel = "main", relay = 1 }')
    pulse_ms: int = _row(f"milliseconds from 100 to {MAX_PULSE_MS}", 3000, ge=100, le=MAX_PULSE_MS)
    recording: str | None = _wav("the door's name, for phones")


class ProfileTable(Table):
    """What a panel does otherwise than its make; a field that is left out is the make's."""

    early: Literal["183", "answer", "snapshot"] | None = _row(
        '"183" (picture and sound before the answer), "answer" (only after it)'
        ' or "snapshot" (the picture by HTTP alone)',
        None,
    )
    ring_limit_s: float | None = _row(
        "seconds from 10 to 600 that the panel rings by itself", None, ge=10, le=600
    )
    codecs: list[Literal["PCMA", "PCMU", "G722", "OPUS"]] | None = _row(
        'the sound that is preferred first, such as ["PCMA", "PCMU"] or ["OPUS", "G722", "PCMA"]',
        None,
        min_length=1,
    )
    code_way: CodeWayName | None = _row(f"how the panel takes door codes: {_CODE_WAYS}", None)
    srtp: Literal["off", "optional", "required"] | None = _row(
        '"off", "optional" or "required"', None
    )
    registers: bool | None = _row("true or false: whether it logs in", None)


class PictureTable(WithPassword):
    """Where a panel gives its picture as a JPEG; `url`, or `host` with the path of its make."""

    host: Annotated[str, Field(pattern=_HOST_PORT)] | None = _row(
        "the panel's own address or address:port, such as 192.0.2.9 or [2001:db8::9], without http://",
        None,
    )
    scheme: Literal["https", "http"] = _row('"https" or "http"', "https")
    url: Annotated[str, AfterValidator(_check_url)] | None = _row(
        "an address such as https://192.0.2.9/picture.jpg, without a password in it", None
    )
    username: UserName = _row("the user name of the panel's HTTP interface, without a colon", "")
    authentication: Literal["none", "basic", "digest"] | None = _row(
        '"none", "basic" or "digest"', None
    )


class PanelTable(WithPassword):
    id: Id = _row("a short name of letters, digits, dots, dashes; also the SIP user name")
    door: Id = _row("the id of the door beside the panel")
    make: Literal[
        "2n", "akuvox", "grandstream", "doorbird", "fanvil", "open-intercom", "generic"
    ] = _row(
        '"2n", "akuvox", "grandstream", "doorbird", "fanvil", "open-intercom" or "generic"',
        "generic",
    )
    allowed_addresses: list[Address] = _row(
        'single IP addresses such as ["192.0.2.20"] from which it may call without a password', []
    )
    certificate_name: Annotated[str, Field(pattern=_CERTIFICATE_NAME)] | None = _row(
        "the name in the panel's TLS certificate, such as panel-main.example, with which it needs no"
        " password; INTERCOM_SIP_TLS_CLIENT_CA says who signed it",
        None,
    )
    buttons: dict[Annotated[str, Field(pattern=_USER)], Id] = _row(
        "what the panel calls (the part before the @) and the doorbell behind it, such as"
        ' { "1" = "hansen" }',
        min_length=1,
    )
    profile: ProfileTable = _row('such as { early = "answer", ring_limit_s = 60 }', ProfileTable())
    snapshot: PictureTable | None = _row(
        'where its picture is got by HTTP, such as { host = "192.0.2.9", username = "x" }', None
    )


class DoorbellTable(Table):
    id: Id = _row("a short name of letters, digits, dots, dashes")
    name: Name = _row("what stands on the panel, 1 to 64 characters")
    residents: list[Id] = _row("the usernames of who is rung, in the phones' order", min_length=1)
    app_stage_s: float = _row("seconds from 0 to 120 that the apps ring alone", 20.0, ge=0, le=120)
    phone_stage_s: float = _row("seconds from 5 to 120 that each phone rings", 30.0, ge=5, le=120)


class SipAccountTable(WithPassword):
    """A log-in for a SIP phone of the resident's own."""

    username: Id = _row(
        "a short name of letters, digits, dots, dashes, which no panel and no other account has"
    )
    srtp: Literal["off", "optional", "required"] = _row(
        '"off", "optional" (encrypted where the phone registers by TLS) or "required"', "optional"
    )


class ResidentTable(Table):
    username: Id = _row("a short name of letters, digits, dots, dashes; the app asks for it")
    name: Name = _row("the person's name, 1 to 64 characters")
    app: bool = _row("true or false", default=True)
    password_hash: Annotated[str, AfterValidator(_check_hash)] | None = _row(
        "what `intercom hash-password` prints ($argon2id$…)", None
    )
    number: AnyNumber | None = _row("a telephone number such as +4790012345 or 900 12 345", None)
    sip_phones: list[Annotated[str, Field(pattern=_SIP_URI)]] = _row(
        'addresses of SIP phones such as ["sip:desk@192.0.2.7:5060"], IPv6 in brackets',
        [],
        max_length=5,
    )
    sip_account: list[SipAccountTable] = _row(
        "at most 5 log-ins for SIP phones, each a [[resident.sip_account]] with username and"
        " password_env",
        [],
        max_length=5,
    )


class TrunkTable(WithPassword):
    id: Id = _row("a short name of letters, digits, dots, dashes")
    address: Annotated[str, Field(pattern=_HOST_PORT)] = _row(
        "the carrier's host or host:port, such as sip.example.net (then DNS tells the ports)"
        " or [2001:db8::1]:5060, without sip:"
    )
    carrier: Literal["generic", "twilio", "telnyx", "register"] = _row(
        '"generic", "twilio", "telnyx", or "register" for one that we log in to', "generic"
    )
    transport: Literal["udp", "tcp", "tls"] | None = _row(
        '"udp", "tcp" or "tls"; without it as DNS says, else UDP', None
    )
    register_: bool = _row(
        "true where the carrier wants us to be registered, else false",
        default=False,
        alias="register",
    )
    probe: bool = _row(
        "false where the carrier does not like to be asked by OPTIONS whether it is there",
        default=True,
    )
    headers: dict[Annotated[str, Field(pattern=_HEADER)], HeaderText] = _row(
        'header fields that the carrier wants in each INVITE, such as { "X-Account" = "42" }',
        {},
        max_length=10,
    )
    srtp: Literal["off", "optional", "required"] = _row('"off", "optional" or "required"', "off")
    media_networks: list[Network] = _row(
        'networks that its sound may come from, by their first address, such as ["192.0.2.0/24"]',
        [],
    )
    signalling_networks: list[Network] = _row(
        'networks from which it calls our number, besides its address, such as ["192.0.2.0/30"]',
        [],
    )
    ring_s: float | None = _row(
        "seconds from 5 to 120 after which a phone that rings over this trunk is given up",
        None,
        ge=5,
        le=120,
    )
    username: Annotated[str, Field(pattern=r'^[^\x00-\x20\x7f"\\]{1,64}$')] | None = _row(
        "the user name that the carrier gave", None
    )
    caller_ids: list[Number] = _row(
        'the numbers that the carrier lets you show, such as ["+4723506953"]', min_length=1
    )


LISTS: dict[str, type[Table]] = {
    "door": DoorTable,
    "panel": PanelTable,
    "doorbell": DoorbellTable,
    "resident": ResidentTable,
    "trunk": TrunkTable,
}
"""The tables that come any number of times, as [[door]]."""
