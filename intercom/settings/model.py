"""Every setting of the service, with its meaning, its limits and what to do when it is wrong."""

import os
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BeforeValidator,
    Field,
    IPvAnyNetwork,
    TypeAdapter,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from typing_extensions import override

from intercom.routing.dial_guard import DialLimits
from intercom.routing.numbers import REFUSED_PREFIXES, DialPolicy, country_prefix, is_e164

_UNIX_PATH_BYTES = 107  # Linux unix(7): sun_path holds 108 with the closing NUL
_FEWEST_RTP_PORTS = 8  # one call with picture: two m-lines to the panel, one to the phone, a spare


class LogLevel(Enum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(Enum):
    JSON = "json"
    CONSOLE = "console"


class SipDigest(Enum):
    MD5 = "md5"
    BOTH = "both"


def _split(value: object) -> object:
    """Take "a, b" for a list, as an environment variable gives it."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _check_host(value: str) -> str:
    """Take an IP address, as text: what a socket is bound to."""
    return str(ip_address(value))


Host = Annotated[str, AfterValidator(_check_host)]
Port = Annotated[int, Field(ge=1, le=65535)]
Prefixes = Annotated[tuple[str, ...], BeforeValidator(_split)]
Networks = Annotated[tuple[IPvAnyNetwork, ...], BeforeValidator(_split)]


def _setting(
    default: Any,  # noqa: ANN401 - as in pydantic's own Field
    description: str,
    remedy: str,
    **limits: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Document one setting; `remedy` says what to give when the value is wrong or missing."""
    return Field(default, description=description, json_schema_extra={"remedy": remedy}, **limits)


class Settings(BaseSettings):
    """The settings; `load_settings` is the way to get them."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, validate_default=True)

    caller_id: str = _setting(
        ...,
        "The number that every call to an ordinary phone shows, in E.164. There is no default:"
        " showing a number that is not yours is spoofing.",
        "give the number your calls come from, in E.164 such as +4723506953;"
        " your trunk must be allowed to present it",
    )
    building_file: Path = _setting(
        Path("building.toml"),
        "The building: doors, panels, doorbells, residents and trunks.",
        "give the path of a building file; examples/building.toml explains one line by line",
    )
    state_dir: Path = _setting(
        Path("var"),
        "Directory for the service's own keys and its control socket; made if missing.",
        "give a directory that the service may write to, such as /var/lib/intercom",
    )
    control_socket: Path = _setting(
        Path(),
        "Unix socket of `intercom trace`, `relay-test` and `reload`."
        " Default: control.sock in state_dir.",
        f"give a path of at most {_UNIX_PATH_BYTES} bytes, such as /run/intercom/control.sock",
    )

    public_address: str | None = _setting(
        None,
        "The address at which panels, phones and apps reach this machine: IP address or host name,"
        " written into ICE, SIP and SDP. Needed behind NAT; without it the machine's own address.",
        "give the IP address or host name that the router or firewall forwards to this machine",
    )
    sip_host: Host = _setting(
        "0.0.0.0",  # noqa: S104 - panels and carriers must reach it
        "Address on which SIP over UDP is received.",
        "give an IP address of this machine, or 0.0.0.0 for all of them",
    )
    sip_port: Port = _setting(
        5060, "Port on which SIP over UDP is received.", "give a free UDP port from 1 to 65535"
    )
    sip_realm: str = _setting(
        "intercom",
        "Realm of SIP digest authentication; some panels must be told it.",
        "give a short name without quotes or spaces",
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
    )
    sip_digest: SipDigest = _setting(
        SipDigest.MD5,
        "Hash of SIP digest authentication: md5, or both (SHA-256 on top, then MD5). Older SIP"
        " stacks give up when SHA-256 is offered at all, so both is for buildings whose every"
        " panel is known to get on with it.",
        "give md5 or both",
    )
    media_host: Host = _setting(
        "0.0.0.0",  # noqa: S104 - panels and carriers must reach it
        "Address on which sound and picture are received.",
        "give an IP address of this machine, or 0.0.0.0 for all of them",
    )
    rtp_port_first: Port = _setting(
        20000,
        "First UDP port for RTP with panels and phones; an even number.",
        "give an even UDP port",
        multiple_of=2,
    )
    rtp_port_last: Port = _setting(
        20999,
        "Last UDP port for RTP; a call with picture takes six.",
        f"give a UDP port at least {_FEWEST_RTP_PORTS - 1} above rtp_port_first",
    )
    webrtc_port: Port = _setting(
        21000,
        "The one UDP port for sound and picture of all apps.",
        "give a UDP port that neither SIP nor RTP uses",
    )
    media_networks: Networks = _setting(
        (),
        "Networks that a carrier may send sound from, other than the address in its SDP;"
        " in CIDR notation, separated by commas.",
        "give networks such as 192.0.2.0/24,198.51.100.0/25",
    )

    http_host: Host = _setting(
        "0.0.0.0",  # noqa: S104 - apps and panels must reach it
        "Address on which the app and the panel link are served.",
        "give an IP address of this machine; 127.0.0.1 behind a reverse proxy",
    )
    http_port: Port = _setting(
        8080, "Port of the app and the panel link.", "give a free TCP port from 1 to 65535"
    )
    tls_certificate: Path | None = _setting(
        None,
        "Certificate chain in PEM for https. Browsers give the microphone only to https"
        " (or to localhost); leave it out behind a reverse proxy that does TLS.",
        "give the path of a PEM file that the service may read, and tls_key with it",
    )
    tls_key: Path | None = _setting(
        None,
        "Private key in PEM of tls_certificate.",
        "give the path of a PEM file that the service may read, and tls_certificate with it",
    )
    web_origin: str | None = _setting(
        None,
        "The address in the browser's bar, when it is not this machine's own: logging in from"
        " pages of any other origin is refused.",
        "give scheme and host without a path, such as https://intercom.example.org",
    )
    relay_ca_file: Path | None = _setting(
        None,
        "Further certificates (PEM) to trust for door relays behind https.",
        "give the path of a PEM file with the panel maker's or your own certificate",
    )

    talk_limit_s: float = _setting(
        120.0,
        "Hard limit of one call's talk; a tone warns ten seconds before.",
        "give seconds from 30 to 180",
        ge=30,
        le=180,
    )
    dial_prefixes: Prefixes = _setting(
        (),
        "Beginnings of the numbers that may be called, separated by commas."
        " Default: the country of caller_id alone.",
        "give prefixes such as +47,+46",
    )
    refused_prefixes: Prefixes = _setting(
        REFUSED_PREFIXES,
        "Beginnings of numbers that are never called: premium rate and machines.",
        "give prefixes such as +47820,+47829",
    )
    phone_calls_per_panel: int = _setting(
        4, "Phone calls that one panel may cause at the same time.", "give 1 to 50", ge=1, le=50
    )
    phone_calls_per_panel_10min: int = _setting(
        30, "Phone calls that one panel may cause in 10 minutes.", "give 1 to 1000", ge=1, le=1000
    )
    phone_calls_per_number_10min: int = _setting(
        3, "Calls to one and the same number in 10 minutes.", "give 1 to 100", ge=1, le=100
    )
    phone_calls_per_day: int = _setting(
        500,
        "Phone calls of the whole service in 24 hours; apps are never limited.",
        "give 1 to 100000",
        ge=1,
        le=100_000,
    )

    log_level: LogLevel = _setting(
        LogLevel.INFO, "How much is logged.", "give debug, info, warning or error"
    )
    log_format: LogFormat = _setting(
        LogFormat.CONSOLE,
        "How it is written to stderr: lines for people or JSON.",
        "give json or console",
    )

    @property
    def dial_policy(self) -> DialPolicy:
        """Which numbers may be dialled."""
        return DialPolicy(self.dial_prefixes, self.refused_prefixes)

    @property
    def dial_limits(self) -> DialLimits:
        """How many phone calls may be caused."""
        return DialLimits(
            at_once_per_panel=self.phone_calls_per_panel,
            per_panel_10min=self.phone_calls_per_panel_10min,
            per_number_10min=self.phone_calls_per_number_10min,
            per_day=self.phone_calls_per_day,
        )

    @property
    def has_tls(self) -> bool:
        """Tell whether the app is served over https by this process."""
        return self.tls_certificate is not None

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what `load_settings` has read, so that every unknown key is seen and named."""
        return (init_settings,)

    @field_validator("caller_id")
    @classmethod
    def _check_caller_id(cls, value: str) -> str:
        if not is_e164(value):
            msg = f'"{value}" is not a number in E.164'
            raise ValueError(msg)
        return value

    @field_validator("dial_prefixes", "refused_prefixes")
    @classmethod
    def _check_prefixes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for prefix in value:
            if not prefix.startswith("+") or not prefix[1:].isdecimal():
                msg = f'"{prefix}" is not + and digits'
                raise ValueError(msg)
        return value

    @field_validator("control_socket")
    @classmethod
    def _check_control_socket(cls, value: Path) -> Path:
        if len(os.fsencode(value)) > _UNIX_PATH_BYTES:
            msg = f'"{value}" is too long a path for a unix socket'
            raise ValueError(msg)
        return value

    @field_validator("public_address")
    @classmethod
    def _check_public_address(cls, value: str | None) -> str | None:
        if value is not None and (not value or set(value) & set(" /@\"'<>;")):
            msg = f'"{value}" is neither an IP address nor a host name'
            raise ValueError(msg)
        return value

    @field_validator("web_origin")
    @classmethod
    def _check_web_origin(cls, value: str | None) -> str | None:
        if value is None:
            return None
        url = TypeAdapter(AnyHttpUrl).validate_python(value)
        if value.rstrip("/").count("/") != 2 or url.username or url.password:
            msg = f'"{value}" is more than an origin'
            raise ValueError(msg)
        return value.rstrip("/").lower()

    @field_validator("tls_certificate", "tls_key", "relay_ca_file")
    @classmethod
    def _check_readable(cls, value: Path | None) -> Path | None:
        if value is not None:
            try:
                value.open("rb").close()
            except OSError as error:
                msg = f'"{value}" cannot be read: {error.strerror}'
                raise ValueError(msg) from error
        return value

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, values: dict[str, Any]) -> dict[str, Any]:
        filled = dict(values)
        state_dir = filled.get("state_dir", cls.model_fields["state_dir"].default)
        filled.setdefault("control_socket", Path(str(state_dir)) / "control.sock")
        caller_id = filled.get("caller_id")
        if not filled.get("dial_prefixes") and isinstance(caller_id, str) and is_e164(caller_id):
            filled["dial_prefixes"] = (country_prefix(caller_id),)
        return filled

    @model_validator(mode="after")
    def _check_together(self) -> "Settings":
        objection = self._objection()
        if objection is not None:
            setting, fault = objection
            msg = "together"
            raise PydanticCustomError(msg, "{fault}", {"setting": setting, "fault": fault})
        return self

    def _objection(self) -> tuple[str, str] | None:
        """Name the first setting that does not go with the others, and why."""
        media = range(self.rtp_port_first, self.rtp_port_last + 1)
        if self.tls_certificate is None and self.tls_key is not None:
            return "tls_certificate", "is missing, and tls_key is set"
        if self.tls_key is None and self.tls_certificate is not None:
            return "tls_key", "is missing, and tls_certificate is set"
        if len(media) < _FEWEST_RTP_PORTS:
            return "rtp_port_last", f"is wrong: {self.rtp_port_last} leaves too few ports"
        if self.sip_port in media:
            return "sip_port", f"is wrong: {self.sip_port} lies among the ports of RTP"
        if self.webrtc_port in media or self.webrtc_port == self.sip_port:
            return "webrtc_port", f"is wrong: {self.webrtc_port} is a port of RTP or SIP as well"
        return None


def remedy_of(name: str) -> str:
    """Say what to give for a setting."""
    extra = Settings.model_fields[name].json_schema_extra
    return str(extra["remedy"]) if isinstance(extra, dict) else ""
