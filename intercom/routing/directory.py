"""Who lives where, and what hangs at which door: the frozen snapshot that a call is routed by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Network, IPv6Network
from typing import ClassVar

from typing_extensions import override

from intercom.routing.hours import ALWAYS, Hours, Quiet
from intercom.routing.ids import (
    DeviceId,
    DoorbellId,
    DoorId,
    LogId,
    PanelId,
    PropertyId,
    ResidentId,
    TrunkId,
)


class PropertyKind(Enum):
    """The word for it; what may be written is decided by the type of a property, never by this."""

    RESIDENTIAL = "residential"
    """Nothing about calls, openings or people is written anywhere (requirement A12)."""
    COMMERCIAL = "commercial"


class EarlyMedia(Enum):
    """How a panel gives its picture before anybody answered (requirement B2)."""

    PROGRESS = "183"
    """It sends sound and picture on 183 with SDP."""
    ANSWER = "answer"
    """It is silent until 200: we answer at once, play ringback and end by BYE."""
    SNAPSHOT = "snapshot"
    """It gives sound on 183, and its picture as a JPEG over HTTP alone."""


class Encryption(Enum):
    """Whether the sound and picture of a panel or trunk are SRTP."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"


class CodeWay(Enum):
    """How a panel takes the digits of a door code."""

    EVENT = "rfc4733"
    """Telephone-events in the stream of the sound."""
    INFO_RELAY = "info-dtmf-relay"
    """SIP INFO with application/dtmf-relay, "Signal=5"."""
    INFO = "info-dtmf"
    """SIP INFO with application/dtmf, the digit alone."""


@dataclass(frozen=True, slots=True)
class Property:
    """A residential one: there is nothing that its calls could be written to (requirement A12)."""

    kind: ClassVar[PropertyKind] = PropertyKind.RESIDENTIAL
    property_id: PropertyId
    name: str
    address: str
    """Shown under the door's name, such as "Storgata 14"."""
    language: str = "nb"
    """Language of the spoken prompts: nb, nn, en or sv."""
    open_keys: frozenset[str] = frozenset("5")
    """The telephone keys that open a door (requirement A8)."""
    recordings: Mapping[str, bytes] = field(default_factory=dict, repr=False, hash=False)
    """What it says in its own voice, by the name of the words: 16-bit PCM, 8 kHz, mono."""
    time_zone: str = "Europe/Oslo"
    """An IANA name; its hours are of this zone."""
    quiet: tuple[Quiet, ...] = ()
    """For every doorbell of it (requirement A18)."""
    has_keys_in_app: bool = False
    """Whether residents may open without a call, where their right says so (requirement A16)."""

    def loggable(self, **fields: str) -> dict[str, str]:
        """Give what of these a line of the service's log may say: nothing."""
        del fields
        return {}


@dataclass(frozen=True, slots=True)
class CommercialProperty(Property):
    """One with an event log (requirement A13)."""

    kind: ClassVar[PropertyKind] = PropertyKind.COMMERCIAL
    log: LogId | None = None
    """Where its events go; None: nowhere, since a building out of a file has no database."""

    @override
    def loggable(self, **fields: str) -> dict[str, str]:
        """Give all of them, and that they may be written."""
        return {"property_kind": self.kind.value, **fields}


@dataclass(frozen=True, slots=True)
class PanelLinkRelay:
    """A relay of our own panel, commanded over the panel link, with measured feedback."""

    panel_id: PanelId
    relay: int
    """Counted from 1."""


class HttpAnswer(Enum):
    """How a make says in the body of a good status whether it did as it was told."""

    STATUS = "status"
    """Not at all: the status says everything."""
    SUCCESS = "success"
    """JSON {"success": true} (2N)."""
    RETCODE = "retcode"
    """JSON {"retcode": 0} (Akuvox)."""
    RETURNCODE = "returncode"
    """JSON {"BHA": {"RETURNCODE": "1"}} (DoorBird)."""
    RESCODE = "rescode"
    """XML <ResCode>0</ResCode> (Grandstream)."""


@dataclass(frozen=True, slots=True)
class HttpRelay:
    """A relay behind a maker's HTTP interface: no feedback, so it says "sent", never "opened"."""

    method: str
    url: str
    authentication: str
    """none, basic, digest, query (in the address) or challenge (Grandstream's own)."""
    username: str = ""
    password: str = field(default="", repr=False)
    expected_status: int = 200
    answer: HttpAnswer = HttpAnswer.STATUS
    expected_text: str = ""
    """What the answer's body must contain; empty: anything."""
    code: str = field(default="", repr=False)
    """A door code that the make wants besides the password, such as Grandstream's remote PIN."""


@dataclass(frozen=True, slots=True)
class PanelCodeRelay:
    """A relay that its panel pulses when it is sent a door code in its own call; no feedback."""

    panel_id: PanelId
    code: str = field(repr=False)
    """Digits, *, # and A to D."""
    way: CodeWay = CodeWay.EVENT


Relay = PanelLinkRelay | HttpRelay | PanelCodeRelay


@dataclass(frozen=True, slots=True)
class Door:
    door_id: DoorId
    property_id: PropertyId
    name: str
    relay: Relay
    pulse_ms: int = 3000
    recording: bytes = field(default=b"", repr=False)
    """The door's name as the property has recorded it, as PCM; empty: said by our own words."""


@dataclass(frozen=True, slots=True)
class PanelProfile:
    early: EarlyMedia = EarlyMedia.PROGRESS
    ring_limit_s: float = 60.0
    """How long the panel rings by itself before it gives up."""
    codecs: tuple[str, ...] = ("PCMA", "PCMU", "G722", "OPUS")
    """Names of `sip.codec.Codec` in the order in which we prefer them; others are refused.

    G.711 first: apps and phones surely have it, and they are asked only after the panel was answered.
    A wide band helps only where all of a call have it, which whoever sets this otherwise knows.
    """
    code_way: CodeWay = CodeWay.EVENT
    srtp: Encryption = Encryption.OFF
    registers: bool = True
    """Whether it logs in; one that does not is known by its address."""


@dataclass(frozen=True, slots=True)
class PictureSource:
    """Where a panel gives its picture as a JPEG."""

    url: str
    authentication: str = "none"
    """none, basic, digest or query."""
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Button:
    """What a panel calls: the user part of its Request-URI leads to a doorbell."""

    name: str
    doorbell_id: DoorbellId


@dataclass(frozen=True, slots=True)
class Panel:
    panel_id: PanelId
    """Also its SIP user name."""
    property_id: PropertyId
    door_id: DoorId
    """The door beside the panel, which its calls may open."""
    buttons: tuple[Button, ...]
    password: str | None = field(default=None, repr=False)
    """SIP digest and panel-link password; None: known by its address or certificate alone."""
    allowed_addresses: frozenset[str] = frozenset()
    """IP addresses whose INVITEs need no digest when the From user is this panel's id."""
    certificate_name: str = ""
    """Who proves this name by a TLS certificate needs no digest as this panel; in lower case."""
    profile: PanelProfile = PanelProfile()
    picture: PictureSource | None = None
    """For calls that bring no picture by SIP."""

    def doorbell_of(self, button: str) -> DoorbellId | None:
        """Find the doorbell behind a button's name."""
        return next((b.doorbell_id for b in self.buttons if b.name == button), None)


@dataclass(frozen=True, slots=True)
class SipPhone:
    """A resident's SIP phone at a fixed address; rings together with the apps."""

    device_id: DeviceId
    uri: str
    """Such as sip:desk@192.0.2.7:5060."""


@dataclass(frozen=True, slots=True)
class SipAccount:
    """A log-in for a resident's own SIP phone, which registers; rings together with the apps."""

    username: str
    """No panel and no other account has it."""
    password: str = field(repr=False)
    encryption: Encryption = Encryption.OPTIONAL


class RingWay(Enum):
    """In which order a person's devices ring."""

    APP_THEN_PHONE = "app-then-phone"
    TOGETHER = "together"
    """App and phone at once."""
    PHONE_THEN_APP = "phone-then-app"
    APP_ONLY = "app-only"
    PHONE_ONLY = "phone-only"


@dataclass(frozen=True, slots=True)
class DoorRight:
    """What a person may do with a door beyond or below what being rung from there gives."""

    door_id: DoorId
    may_open: bool = True
    """False takes away what being rung gives."""
    has_key: bool = False
    """Whether without a call, too."""
    hours: Hours = ALWAYS


@dataclass(frozen=True, slots=True)
class Resident:
    resident_id: ResidentId
    name: str
    password_hash: str = field(repr=False)
    """argon2id, in PHC format."""
    has_app: bool = True
    number: str | None = None
    """E.164 with +, rung when no app answers; None: no phone."""
    sip_phones: tuple[SipPhone, ...] = ()
    sip_accounts: tuple[SipAccount, ...] = ()
    ring_way: RingWay = RingWay.APP_THEN_PHONE
    rights: tuple[DoorRight, ...] = ()
    """Where any names a door, these alone count for it; else whoever is rung may open in the call."""


@dataclass(frozen=True, slots=True)
class Doorbell:
    doorbell_id: DoorbellId
    property_id: PropertyId
    name: str
    """What stands on the panel."""
    residents: tuple[ResidentId, ...]
    """All ring at once; their phones are tried in this order."""
    app_stage_s: float = 20.0
    """How long the apps ring alone before the first phone is called as well."""
    phone_stage_s: float = 30.0
    """How long each phone rings before the next one."""
    step_s: float | None = None
    """Seconds between persons who are rung one after the other; None: all at once."""
    group: str = ""
    """The name under which it is found on the panel; empty: it stands there by itself."""
    quiet: tuple[Quiet, ...] = ()
    """Besides the property's."""


class Carrier(Enum):
    """Whose ways a trunk has; `adapters.sip.carriers` says what they are."""

    GENERIC = "generic"
    TWILIO = "twilio"
    TELNYX = "telnyx"
    REGISTER = "register"
    """A carrier that knows us by our log-in, as those that serve telephone systems do."""


class TrunkTransport(Enum):
    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class Trunk:
    trunk_id: TrunkId
    address: str
    """host or host:port of the carrier; without a port DNS may tell of several (RFC 3263)."""
    username: str | None = None
    """For digest and for REGISTER alone; the From number is our caller ID, whatever this is."""
    password: str | None = field(default=None, repr=False)
    caller_ids: frozenset[str] = frozenset()
    """The E.164 numbers that this trunk may present; one that lacks ours is skipped."""
    transport: TrunkTransport | None = None
    """None: as DNS says, else UDP."""
    carrier: Carrier = Carrier.GENERIC
    is_registering: bool = False
    """We keep a registration there; while it does not hold, no call goes this way."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Header fields that the carrier wants in each INVITE."""
    encryption: Encryption = Encryption.OFF
    media_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Where its sound may come from; none: as the setting says."""
    signalling_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Where calls to our number come from, besides its own address."""
    is_probed: bool = True
    """It is asked by OPTIONS whether it is there."""
    ring_s: float | None = None
    """Nobody's phone rings for longer over this trunk; None: as the doorbell says."""


@dataclass(frozen=True, slots=True)
class Directory:
    """One consistent snapshot of everything a call needs to know."""

    properties: Mapping[PropertyId, Property] = field(default_factory=dict)
    doors: Mapping[DoorId, Door] = field(default_factory=dict)
    panels: Mapping[PanelId, Panel] = field(default_factory=dict)
    doorbells: Mapping[DoorbellId, Doorbell] = field(default_factory=dict)
    residents: Mapping[ResidentId, Resident] = field(default_factory=dict)
    trunks: tuple[Trunk, ...] = ()
    """In the order in which they are tried."""
