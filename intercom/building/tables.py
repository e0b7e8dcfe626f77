"""The shape of a building file's tables; each field's description says what must stand there."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from intercom.building.home_tables import QuietTable, RightTable, UnitTable
from intercom.building.table import (
    CERTIFICATE_NAME,
    CODE_WAYS,
    HEADER,
    HOST_PORT,
    MAX_PULSE_MS,
    SIP_URI,
    USER,
    Address,
    AnyNumber,
    CodeWayName,
    HeaderText,
    Id,
    MailAddress,
    Name,
    Network,
    Number,
    Password,
    Table,
    Target,
    UserName,
    bokmaal_for_no,
    check_hash,
    check_url,
    check_zone,
    row,
)


class WithPassword(Table):
    """A password, as such or by reference; at most one of the three."""

    password: Password | None = row("a text of at most 128 characters", None)
    password_file: str | None = row("the path of a file whose first line is the password", None)
    password_env: str | None = row(
        "the name of an environment variable, such as INTERCOM_SECRET_TRUNK",
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
    )


class WithCode(Table):
    """A door code, as such or by reference; at most one of the three."""

    code: Annotated[str, Field(pattern=r"^[!-~]{1,32}$")] | None = row(
        "the door code, up to 32 characters", None
    )
    code_file: str | None = row("the path of a file whose first line is the door code", None)
    code_env: str | None = row(
        "the name of an environment variable, such as INTERCOM_SECRET_DOOR_CODE",
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
    )


def _wav(words: str) -> Any:  # noqa: ANN401 - as pydantic
    return row(f"the path of a WAV file of at most 20 s that says {words}", None)


class PromptsTable(Table):
    """Recordings of the property's own, each in the place of the words that come with the service."""

    ring_from: str | None = _wav("that somebody rings; the door's name follows")
    press_any_key: str | None = _wav("that a key must be pressed to go on")
    door_opened: str | None = _wav("that the door is open")
    not_opened: str | None = _wav("that the door was not opened")
    nobody_answers: str | None = _wav("that nobody answers")
    nobody_reachable: str | None = _wav("that nobody can be reached")
    too_many_calls: str | None = _wav("that there are too many calls")
    quiet_hours: str | None = _wav("that nobody is called at this hour")
    coming: str | None = _wav("that somebody is coming")
    leave_it: str | None = _wav("that it may be left at the door")
    wrong_door: str | None = _wav("that it is the wrong door")
    no_callback: str | None = _wav("to callers that this number cannot be called")
    in_use: str | None = _wav("that the intercom is in use")
    confirm_number: str | None = _wav("that the key that opens confirms one's number")
    number_confirmed: str | None = _wav("that the number is confirmed")
    main_entrance: str | None = _wav("the main entrance's name")
    garage: str | None = _wav("the garage's name")
    back_door: str | None = _wav("the back door's name")
    gate: str | None = _wav("the gate's name")
    cellar: str | None = _wav("the cellar's name")
    entrance: str | None = _wav("what any other door is called")


class PropertyTable(Table):
    id: Id = row("a short name of letters, digits, dots, dashes", "property")
    name: Name = row("what people call it, 1 to 64 characters")
    kind: Literal["residential", "commercial"] = row('"residential" or "commercial"')
    address: Name = row("the street address that the app shows, 1 to 64 characters")
    language: Annotated[Literal["nb", "nn", "en", "sv"], BeforeValidator(bokmaal_for_no)] = row(
        'the language of the spoken prompts: "nb" (bokmål), "nn" (nynorsk), "en" or "sv"', "nb"
    )
    prompts: PromptsTable = row('such as { nobody_answers = "prompts/nobody.wav" }', PromptsTable())
    open_keys: list[Annotated[str, Field(pattern=r"^[0-9*#]$")]] = row(
        'the telephone keys that open a door, such as ["5"] or ["5", "8"]', ["5"], min_length=1
    )
    time_zone: Annotated[str, AfterValidator(check_zone)] = row(
        "the zone of its hours by its IANA name, such as Europe/Oslo", "Europe/Oslo"
    )
    quiet: list[QuietTable] = row(
        'hours in which no doorbell disturbs, such as [{ from = "22:00", to = "07:00" }]', []
    )
    keys_in_app: bool = row(
        "true where residents may open without a call what a [[right]] says", default=False
    )
    contact_email: MailAddress | None = row("the mail address where residents get help", None)
    log_days: int | None = row(
        "days from 1 to 3650 that a commercial property's log keeps", None, ge=1, le=3650
    )


class PanelLinkTable(Table):
    driver: Literal["panel-link"] = row('"panel-link"')
    panel: Id = row("the id of the panel that has the relay")
    relay: int = row("the relay's number, counted from 1", 1, ge=1, le=8)


class HttpTable(WithPassword):
    driver: Literal["http"] = row('"http"')
    url: Annotated[str, AfterValidator(check_url)] = row(
        "an address such as https://192.0.2.9/open?door=1, without a password in it"
    )
    method: Literal["GET", "POST", "PUT"] = row('"GET", "POST" or "PUT"', "GET")
    authentication: Literal["none", "basic", "digest"] = row('"none", "basic" or "digest"', "none")
    username: UserName = row("the user name that the relay's maker tells, without a colon", "")
    expected_status: int = row("the HTTP status of success, 100 to 599", 200, ge=100, le=599)
    expected_text: str = row("a text that the answer of success contains", "", max_length=200)


class PanelCodeTable(WithCode):
    driver: Literal["panel-code"] = row('"panel-code"')
    panel: Id = row("the id of the panel that opens when it is sent the code in its call")
    way: CodeWayName | None = row(f"how the panel takes it: {CODE_WAYS}", None)


class MakeRelayTable(WithPassword, WithCode):
    driver: Literal["2n", "akuvox", "grandstream", "doorbird", "fanvil"] = row(
        '"2n", "akuvox", "grandstream", "doorbird" or "fanvil"'
    )
    host: Annotated[str, Field(pattern=HOST_PORT)] = row(
        "the panel's own address or address:port, such as 192.0.2.9 or [2001:db8::9], without http://"
    )
    scheme: Literal["https", "http"] = row('"https" or "http"', "https")
    relay: int = row("the relay's number, counted from 1", 1, ge=1, le=8)
    username: UserName = row("the user name of the panel's HTTP interface, without a colon", "")
    authentication: Literal["none", "basic", "digest", "query", "challenge"] | None = row(
        'only where it is not the make\'s usual one: "none", "basic", "digest", "query"', None
    )


class DoorTable(Table):
    id: Id = row("a short name of letters, digits, dots, dashes")
    name: Name = row("what people call it, 1 to 64 characters; phones hear it")
    relay: Annotated[
        PanelLinkTable | HttpTable | PanelCodeTable | MakeRelayTable, Field(discriminator="driver")
    ] = row('a relay such as { driver = "panel-link", panel = "main", relay = 1 }')
    pulse_ms: int = row(f"milliseconds from 100 to {MAX_PULSE_MS}", 3000, ge=100, le=MAX_PULSE_MS)
    recording: str | None = _wav("the door's name, for phones")
    unit: Name | None = row("the name of the unit whose own door it is", None)


class ProfileTable(Table):
    """What a panel does otherwise than its make; a field that is left out is the make's."""

    early: Literal["183", "answer", "snapshot"] | None = row(
        '"183" (picture and sound before the answer), "answer" (only after it)'
        ' or "snapshot" (the picture by HTTP alone)',
        None,
    )
    ring_limit_s: float | None = row(
        "seconds from 10 to 600 that the panel rings by itself", None, ge=10, le=600
    )
    codecs: list[Literal["PCMA", "PCMU", "G722", "OPUS"]] | None = row(
        'the sound that is preferred first, such as ["PCMA", "PCMU"] or ["OPUS", "G722", "PCMA"]',
        None,
        min_length=1,
    )
    code_way: CodeWayName | None = row(f"how the panel takes door codes: {CODE_WAYS}", None)
    srtp: Literal["off", "optional", "required"] | None = row(
        '"off", "optional" or "required"', None
    )
    registers: bool | None = row("true or false: whether it logs in", None)


class PictureTable(WithPassword):
    """Where a panel gives its picture as a JPEG; `url`, or `host` with the path of its make."""

    host: Annotated[str, Field(pattern=HOST_PORT)] | None = row(
        "the panel's own address or address:port, such as 192.0.2.9 or [2001:db8::9], without http://",
        None,
    )
    scheme: Literal["https", "http"] = row('"https" or "http"', "https")
    url: Annotated[str, AfterValidator(check_url)] | None = row(
        "an address such as https://192.0.2.9/picture.jpg, without a password in it", None
    )
    username: UserName = row("the user name of the panel's HTTP interface, without a colon", "")
    authentication: Literal["none", "basic", "digest"] | None = row(
        '"none", "basic" or "digest"', None
    )


class PanelTable(WithPassword):
    id: Id = row("a short name of letters, digits, dots, dashes; also the SIP user name")
    door: Id = row("the id of the door beside the panel")
    make: Literal[
        "2n", "akuvox", "grandstream", "doorbird", "fanvil", "open-intercom", "generic"
    ] = row(
        '"2n", "akuvox", "grandstream", "doorbird", "fanvil", "open-intercom" or "generic"',
        "generic",
    )
    allowed_addresses: list[Address] = row(
        'single IP addresses such as ["192.0.2.20"] from which it may call without a password', []
    )
    certificate_name: Annotated[str, Field(pattern=CERTIFICATE_NAME)] | None = row(
        "the name in the panel's TLS certificate, such as panel-main.example, with which it needs no"
        " password; INTERCOM_SIP_TLS_CLIENT_CA says who signed it",
        None,
    )
    buttons: dict[Annotated[str, Field(pattern=USER)], Target] = row(
        "what the panel calls (the part before the @) and the doorbell behind it, such as"
        ' { "1" = "hansen" }; where persons have their own buttons "hansen/kari"'
    )
    profile: ProfileTable = row('such as { early = "answer", ring_limit_s = 60 }', ProfileTable())
    snapshot: PictureTable | None = row(
        'where its picture is got by HTTP, such as { host = "192.0.2.9", username = "x" }', None
    )


class DoorbellTable(Table):
    id: Id = row("a short name of letters, digits, dots, dashes")
    name: Name = row("what stands on the panel, 1 to 64 characters")
    residents: list[Id] = row("the usernames of who is rung, in the phones' order")
    app_stage_s: float = row("seconds from 0 to 120 that the apps ring alone", 20.0, ge=0, le=120)
    phone_stage_s: float = row("seconds from 5 to 120 that each phone rings", 30.0, ge=5, le=120)
    unit: Name | None = row("the name of the unit whose doorbell it is", None)
    layout: Literal["individual", "parallel", "sequential", "grouped"] = row(
        '"parallel" (one name, all ring at once), "sequential" (one name, one after the other),'
        ' "individual" (a button a person) or "grouped" (one name that opens to the persons)',
        "parallel",
    )
    hidden: bool = row("true where it does not stand on the panels", default=False)
    hidden_residents: list[Id] = row(
        "the usernames of who has no button, where each person has one", []
    )
    step_s: float = row("seconds from 5 to 120 between the persons", 25.0, ge=5, le=120)
    quiet: list[QuietTable] = row('hours such as [{ from = "22:00", to = "07:00" }]', [])


class SipAccountTable(WithPassword):
    """A log-in for a SIP phone of the resident's own."""

    username: Id = row(
        "a short name of letters, digits, dots, dashes, which no panel and no other account has"
    )
    srtp: Literal["off", "optional", "required"] = row(
        '"off", "optional" (encrypted where the phone registers by TLS) or "required"', "optional"
    )


class ResidentTable(Table):
    username: Id = row("a short name of letters, digits, dots, dashes; the app asks for it")
    name: Name = row("the person's name, 1 to 64 characters")
    app: bool = row("true or false", default=True)
    password_hash: Annotated[str, AfterValidator(check_hash)] | None = row(
        "what `intercom hash-password` prints ($argon2id$…)", None
    )
    number: AnyNumber | None = row("a telephone number such as +4790012345 or 900 12 345", None)
    number_verified_on: date | None = row(
        "the day on which a check call was confirmed: 2026-11-22; for the database alone", None
    )
    ring_way: Literal["app-then-phone", "together", "phone-then-app", "app-only", "phone-only"] = (
        row(
            '"app-then-phone", "together", "phone-then-app", "app-only" or "phone-only"',
            "app-then-phone",
        )
    )
    email: MailAddress | None = row("the mail address of an account in the database", None)
    language: Literal["nb", "nn", "en", "sv"] | None = row(
        'the language of an account in the database: "nb", "nn", "en" or "sv"; who has an account'
        " may be without a password as yet",
        None,
    )
    sip_phones: list[Annotated[str, Field(pattern=SIP_URI)]] = row(
        'addresses of SIP phones such as ["sip:desk@192.0.2.7:5060"], IPv6 in brackets',
        [],
        max_length=5,
    )
    sip_account: list[SipAccountTable] = row(
        "at most 5 log-ins for SIP phones, each a [[resident.sip_account]] with username and"
        " password_env",
        [],
        max_length=5,
    )


class TrunkTable(WithPassword):
    id: Id = row("a short name of letters, digits, dots, dashes")
    address: Annotated[str, Field(pattern=HOST_PORT)] = row(
        "the carrier's host or host:port, such as sip.example.net (then DNS tells the ports)"
        " or [2001:db8::1]:5060, without sip:"
    )
    carrier: Literal["generic", "twilio", "telnyx", "register"] = row(
        '"generic", "twilio", "telnyx", or "register" for one that we log in to', "generic"
    )
    transport: Literal["udp", "tcp", "tls"] | None = row(
        '"udp", "tcp" or "tls"; without it as DNS says, else UDP', None
    )
    register_: bool = row(
        "true where the carrier wants us to be registered, else false",
        default=False,
        alias="register",
    )
    probe: bool = row(
        "false where the carrier does not like to be asked by OPTIONS whether it is there",
        default=True,
    )
    headers: dict[Annotated[str, Field(pattern=HEADER)], HeaderText] = row(
        'header fields that the carrier wants in each INVITE, such as { "X-Account" = "42" }',
        {},
        max_length=10,
    )
    srtp: Literal["off", "optional", "required"] = row('"off", "optional" or "required"', "off")
    media_networks: list[Network] = row(
        'networks that its sound may come from, by their first address, such as ["192.0.2.0/24"]',
        [],
    )
    signalling_networks: list[Network] = row(
        'networks from which it calls our number, besides its address, such as ["192.0.2.0/30"]',
        [],
    )
    ring_s: float | None = row(
        "seconds from 5 to 120 after which a phone that rings over this trunk is given up",
        None,
        ge=5,
        le=120,
    )
    username: Annotated[str, Field(pattern=r'^[^\x00-\x20\x7f"\\]{1,64}$')] | None = row(
        "the user name that the carrier gave", None
    )
    caller_ids: list[Number] = row(
        'the numbers that the carrier lets you show, such as ["+4723506953"]', min_length=1
    )


LISTS: dict[str, type[Table]] = {
    "unit": UnitTable,
    "door": DoorTable,
    "panel": PanelTable,
    "doorbell": DoorbellTable,
    "resident": ResidentTable,
    "right": RightTable,
    "trunk": TrunkTable,
}
"""The tables that come any number of times, as [[door]]."""
