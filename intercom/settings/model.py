"""Every setting of the service, with its meaning, its limits and what to do when it is wrong."""

from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import AnyHttpUrl, TypeAdapter, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from typing_extensions import override

from intercom.routing.dial_guard import DialLimits
from intercom.routing.numbers import REFUSED_PREFIXES, DialPolicy, country_prefix, is_e164
from intercom.settings.keeping import KeepingSettings
from intercom.settings.kinds import (
    EVERY_IPV4,
    Host,
    HostAndPort,
    Hosts,
    Names,
    Networks,
    Port,
    Prefixes,
    ReadableFile,
    family_of,
    setting,
)
from intercom.settings.together import FEWEST_RTP_PORTS, objection_to


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


class Settings(KeepingSettings):
    """The settings; `load_settings` is the way to get them."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, validate_default=True)

    caller_id: str = setting(
        ...,
        "The number that every call to an ordinary phone shows, in E.164. There is no default:"
        " showing a number that is not yours is spoofing.",
        "give the number your calls come from, in E.164 such as +4723506953;"
        " your trunk must be allowed to present it",
    )

    public_address: Names = setting(
        (),
        "The address at which panels, phones and apps reach this machine: IP address or host name,"
        " written into ICE, SIP and SDP. Needed behind NAT; without it the machine's own address."
        " Where sip_host has IPv4 and IPv6, one of each may be given, separated by a comma.",
        "give the IP address or host name that the router or firewall forwards to this machine",
    )
    sip_host: Hosts = setting(
        EVERY_IPV4,
        "Address on which SIP is received, by UDP, TCP and TLS; one of IPv4 and one of IPv6 may be"
        " given, separated by a comma: 0.0.0.0,:: is every address of this machine. The first is"
        " the apps' family as well.",
        "give an IP address of this machine or 0.0.0.0, and at most one of IPv6 or ::",
    )
    sip_port: Port = setting(
        5060,
        "Port on which SIP over UDP and over TCP is received.",
        "give a port from 1 to 65535 that is free for UDP and TCP",
    )
    sip_tls_port: Port = setting(
        5061,
        "Port on which SIP over TLS is received, once sip_tls_certificate is given.",
        "give a free TCP port from 1 to 65535",
    )
    sip_tls_certificate: ReadableFile = setting(
        None,
        "Certificate chain in PEM that panels, phones and carriers are shown for SIP over TLS."
        " `intercom reload` reads it again: new connections get the new one.",
        "give the path of a PEM file that the service may read, and sip_tls_key with it",
    )
    sip_tls_key: ReadableFile = setting(
        None,
        "Private key in PEM of sip_tls_certificate, unencrypted.",
        "give the path of a PEM file that the service may read, and sip_tls_certificate with it",
    )
    sip_tls_client_ca: ReadableFile = setting(
        None,
        "Certificates (PEM) of the authority that signed those of panels and phones. When it is"
        " given, nobody without such a certificate is let in by TLS.",
        "give the path of a PEM file that the service may read, and sip_tls_certificate with it",
    )
    sip_tls_ca: ReadableFile = setting(
        None,
        "Certificates (PEM) that a carrier's certificate is checked against when we connect to it"
        " by TLS. Default: those that this machine trusts.",
        "give the path of a PEM file that the service may read",
    )
    sip_connections: int = setting(
        2000,
        "SIP connections (TCP and TLS) at the same time. Past it, the one that has been idle"
        " for longest and that nobody is registered or calling by makes way.",
        "give 10 to 20000",
        ge=10,
        le=20_000,
    )
    sip_connections_per_address: int = setting(
        64,
        "SIP connections at the same time from one IP address (IPv6: one /64 network); panels"
        " behind one NAT share it.",
        "give 1 to 20000",
        ge=1,
        le=20_000,
    )
    sip_realm: str = setting(
        "intercom",
        "Realm of SIP digest authentication; some panels must be told it.",
        "give a short name without quotes or spaces",
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
    )
    sip_digest: SipDigest = setting(
        SipDigest.MD5,
        "Hash of SIP digest authentication: md5, or both (SHA-256 on top, then MD5). Older SIP"
        " stacks give up when SHA-256 is offered at all, so both is for buildings whose every"
        " panel is known to get on with it.",
        "give md5 or both",
    )
    media_host: Hosts = setting(
        EVERY_IPV4,
        "Address on which sound and picture are received; one of IPv4 and one of IPv6 may be given,"
        " separated by a comma. A family that only sip_host names is received there.",
        "give an IP address of this machine or 0.0.0.0, and at most one of IPv6 or ::",
    )
    rtp_port_first: Port = setting(
        20000,
        "First UDP port for RTP with panels and phones; an even number.",
        "give an even UDP port",
        multiple_of=2,
    )
    rtp_port_last: Port = setting(
        20999,
        "Last UDP port for RTP; a call with picture takes six.",
        f"give a UDP port at least {FEWEST_RTP_PORTS - 1} above rtp_port_first",
    )
    webrtc_port: Port = setting(
        21000,
        "The one UDP port for sound and picture of all apps.",
        "give a UDP port that neither SIP nor RTP uses",
    )
    transcodings: int = setting(
        24,  # media.conversion.TRANSCODINGS, which is not imported: it takes libraries along
        "Sounds turned from one codec into another at the same time; a talk whose two ends share no"
        " codec takes two. Past it, phones and apps are offered only what their panel speaks.",
        "give 0 to 1000; each takes up to a hundredth of a processor core",
        ge=0,
        le=1000,
    )
    media_networks: Networks = setting(
        (),
        "Networks that a carrier may send sound from, other than the address in its SDP;"
        " in CIDR notation, separated by commas.",
        "give networks such as 192.0.2.0/24,198.51.100.0/25",
    )

    http_host: Host = setting(
        "0.0.0.0",  # noqa: S104 - apps and panels must reach it
        "Address on which the app and the panel link are served.",
        "give an IP address of this machine; 127.0.0.1 behind a reverse proxy",
    )
    http_port: Port = setting(
        8080, "Port of the app and the panel link.", "give a free TCP port from 1 to 65535"
    )
    metrics_port: Port | None = setting(
        None,
        "Port of 127.0.0.1 on which a Prometheus on this machine reads figures of the SIP side, at"
        " /metrics. Off without it.",
        "give a free TCP port from 1 to 65535, or leave it out",
    )
    sip_hep: HostAndPort = setting(
        None,
        "HOMER collector that is sent a copy of every SIP message by HEP 3 over UDP, as host:port;"
        " passwords, keys, codes and numbers are masked. Only where every property is commercial;"
        " of a residential one nothing may be shared. Off without it.",
        "give host:port such as homer.example.org:9060, or leave it out",
    )
    tls_certificate: ReadableFile = setting(
        None,
        "Certificate chain in PEM for https. Browsers give the microphone only to https"
        " (or to localhost); leave it out behind a reverse proxy that does TLS.",
        "give the path of a PEM file that the service may read, and tls_key with it",
    )
    tls_key: ReadableFile = setting(
        None,
        "Private key in PEM of tls_certificate.",
        "give the path of a PEM file that the service may read, and tls_certificate with it",
    )
    web_origin: str | None = setting(
        None,
        "The address in the browser's bar, when it is not this machine's own: logging in from"
        " pages of any other origin is refused.",
        "give scheme and host without a path, such as https://intercom.example.org",
    )
    relay_ca_file: ReadableFile = setting(
        None,
        "Further certificates (PEM) to trust for door relays behind https.",
        "give the path of a PEM file with the panel maker's or your own certificate",
    )

    talk_limit_s: float = setting(
        120.0,
        "Hard limit of one call's talk; a tone warns ten seconds before.",
        "give seconds from 30 to 180",
        ge=30,
        le=180,
    )
    dial_prefixes: Prefixes = setting(
        (),
        "Beginnings of the numbers that may be called, separated by commas."
        " Default: the country of caller_id alone.",
        "give prefixes such as +47,+46",
    )
    refused_prefixes: Prefixes = setting(
        REFUSED_PREFIXES,
        "Beginnings of numbers that are never called: premium rate and machines.",
        "give prefixes such as +47820,+47829",
    )
    phone_calls_per_panel: int = setting(
        4, "Phone calls that one panel may cause at the same time.", "give 1 to 50", ge=1, le=50
    )
    phone_calls_per_panel_10min: int = setting(
        30, "Phone calls that one panel may cause in 10 minutes.", "give 1 to 1000", ge=1, le=1000
    )
    phone_calls_per_number_10min: int = setting(
        3, "Calls to one and the same number in 10 minutes.", "give 1 to 100", ge=1, le=100
    )
    phone_calls_per_day: int = setting(
        500,
        "Phone calls of the whole service in 24 hours; apps are never limited.",
        "give 1 to 100000",
        ge=1,
        le=100_000,
    )

    log_level: LogLevel = setting(
        LogLevel.INFO, "How much is logged.", "give debug, info, warning or error"
    )
    log_format: LogFormat = setting(
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

    @property
    def has_sip_tls(self) -> bool:
        """Tell whether SIP over TLS is received."""
        return self.sip_tls_certificate is not None

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

    @field_validator("public_address")
    @classmethod
    def _check_public_address(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for host in value:
            is_name = family_of(host) is None
            if not host or set(host) & set(" /@\"'<>;[]") or (is_name and ":" in host):
                msg = f'"{host}" is neither an IP address nor a host name'
                raise ValueError(msg)
        if len({family_of(host) for host in value}) != len(value):
            msg = f'"{",".join(value)}" holds two of one kind'
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
        objection = objection_to(self)
        if objection is not None:
            setting, fault = objection
            msg = "together"
            raise PydanticCustomError(msg, "{fault}", {"setting": setting, "fault": fault})
        return self


def remedy_of(name: str) -> str:
    """Say what to give for a setting."""
    extra = Settings.model_fields[name].json_schema_extra
    return str(extra["remedy"]) if isinstance(extra, dict) else ""
