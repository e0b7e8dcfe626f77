"""What the SIP endpoint tells its user; past tense, frozen."""

from dataclasses import dataclass
from typing import NewType

from intercom.sip.address import Address
from intercom.sip.message import Request

DialogId = NewType("DialogId", str)
"""Our own handle of one INVITE and the dialog that it leads to."""
RegistrationId = NewType("RegistrationId", str)
"""Our own handle of one registration that we keep with a registrar."""


@dataclass(frozen=True, slots=True)
class InviteReceived:
    """A call for us; 100 is sent already, `Endpoint.respond` does the rest."""

    dialog: DialogId
    request: Request
    source: Address
    username: str | None
    """Proven by digest; None where the source's address is trusted."""
    from_user: str
    request_user: str
    """User of the Request-URI: the button or number that was dialled."""
    body: bytes
    """The offer; empty when the offer is ours to make, in the 2xx (RFC 3264 §5)."""


@dataclass(frozen=True, slots=True)
class InviteProgressed:
    """UAC: a provisional above 100."""

    dialog: DialogId
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class InviteAnswered:
    """UAC: a 2xx; its ACK is queued already."""

    dialog: DialogId
    body: bytes


@dataclass(frozen=True, slots=True)
class InviteFailed:
    """UAC: the end of an INVITE that was not answered, or was cancelled."""

    dialog: DialogId
    status: int
    """The final's; 408 on timer B, 487 after a cancel, 503 when it could not be sent."""
    reason: str
    is_local: bool
    """No such final came from the peer."""


@dataclass(frozen=True, slots=True)
class InviteCancelled:
    """UAS: a CANCEL (or an early BYE) came; 200 and 487 are queued already."""

    dialog: DialogId


@dataclass(frozen=True, slots=True)
class InviteConfirmed:
    """UAS: the ACK for our 2xx came."""

    dialog: DialogId
    body: bytes = b""
    """The answer, where our 2xx held the offer."""


@dataclass(frozen=True, slots=True)
class DialogEnded:
    """A confirmed dialog is over: BYE came, the ACK never did, or the peer knows it no more."""

    dialog: DialogId
    reason: str


@dataclass(frozen=True, slots=True)
class ReinviteReceived:
    """A re-INVITE in a confirmed dialog; must be answered by `Endpoint.respond`."""

    dialog: DialogId
    body: bytes


@dataclass(frozen=True, slots=True)
class ReinviteAnswered:
    """Our re-INVITE got a 2xx; its ACK is queued already."""

    dialog: DialogId
    body: bytes


@dataclass(frozen=True, slots=True)
class ReinviteFailed:
    """Our re-INVITE was refused; the dialog goes on as it was."""

    dialog: DialogId
    status: int


@dataclass(frozen=True, slots=True)
class InfoReceived:
    """An INFO in a dialog; 200 is queued already."""

    dialog: DialogId
    content_type: str
    """In lower case, without parameters."""
    body: bytes


@dataclass(frozen=True, slots=True)
class RegistrationSucceeded:
    """Our registration holds; said again at each refresh, and with 0 once it is withdrawn."""

    registration: RegistrationId
    expires_s: int


@dataclass(frozen=True, slots=True)
class RegistrationFailed:
    """Our registration does not hold; it is tried again by itself, slowly where it was refused."""

    registration: RegistrationId
    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class BindingChanged:
    """Registrar: an address-of-record got a contact, changed one, or lost its last."""

    aor_user: str
    username: str | None
    is_registered: bool


SipEvent = (
    InviteReceived
    | InviteProgressed
    | InviteAnswered
    | InviteFailed
    | InviteCancelled
    | InviteConfirmed
    | DialogEnded
    | ReinviteReceived
    | ReinviteAnswered
    | ReinviteFailed
    | InfoReceived
    | RegistrationSucceeded
    | RegistrationFailed
    | BindingChanged
)
