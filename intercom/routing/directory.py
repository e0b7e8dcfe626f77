"""Who lives where, and what hangs at which door: the frozen snapshot that a call is routed by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from intercom.routing.ids import (
    DeviceId,
    DoorbellId,
    DoorId,
    PanelId,
    PropertyId,
    ResidentId,
    TrunkId,
)


class PropertyKind(Enum):
    RESIDENTIAL = "residential"
    """Nothing about calls, openings or people is written anywhere (requirement A12)."""
    COMMERCIAL = "commercial"


class EarlyMedia(Enum):
    """How a panel gives its picture before anybody answered (requirement B2)."""

    PROGRESS = "183"
    """It sends sound and picture on 183 with SDP."""
    ANSWER = "answer"
    """It is silent until 200: we answer at once, play ringback and end by BYE."""


@dataclass(frozen=True, slots=True)
class Property:
    property_id: PropertyId
    name: str
    kind: PropertyKind
    address: str
    """Shown under the door's name, such as "Storgata 14"."""
    language: str = "nb"
    """Language of the spoken prompts: nb or en."""
    open_keys: frozenset[str] = frozenset("5")
    """The telephone keys that open a door (requirement A8)."""


@dataclass(frozen=True, slots=True)
class PanelLinkRelay:
    """A relay of our own panel, commanded over the panel link, with measured feedback."""

    panel_id: PanelId
    relay: int
    """Counted from 1."""


@dataclass(frozen=True, slots=True)
class HttpRelay:
    """A relay behind a maker's HTTP interface: no feedback, so it says "sent", never "opened"."""

    method: str
    url: str
    authentication: str
    """none, basic or digest."""
    username: str = ""
    password: str = field(default="", repr=False)
    expected_status: int = 200


Relay = PanelLinkRelay | HttpRelay


@dataclass(frozen=True, slots=True)
class Door:
    door_id: DoorId
    property_id: PropertyId
    name: str
    relay: Relay
    pulse_ms: int = 3000


@dataclass(frozen=True, slots=True)
class PanelProfile:
    early: EarlyMedia = EarlyMedia.PROGRESS
    ring_limit_s: float = 60.0
    """How long the panel rings by itself before it gives up."""


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
    """SIP digest and panel-link password; None: known by its address alone."""
    allowed_addresses: frozenset[str] = frozenset()
    """IP addresses whose INVITEs need no digest when the From user is this panel's id."""
    profile: PanelProfile = PanelProfile()

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
class Resident:
    resident_id: ResidentId
    name: str
    password_hash: str = field(repr=False)
    """argon2id, in PHC format."""
    has_app: bool = True
    number: str | None = None
    """E.164 with +, rung when no app answers; None: no phone."""
    sip_phones: tuple[SipPhone, ...] = ()


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


@dataclass(frozen=True, slots=True)
class Trunk:
    trunk_id: TrunkId
    address: str
    """host or host:port of the carrier."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    caller_ids: frozenset[str] = frozenset()
    """The E.164 numbers that this trunk may present; one that lacks ours is skipped."""


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
