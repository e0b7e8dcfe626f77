"""What the SIP endpoint tells its user; past tense, frozen."""

from dataclasses import dataclass
from typing import NewType

from intercom.sip.address import Address
from intercom.sip.message import Request

DialogId = NewType("DialogId", str)
"""Our own handle of one INVITE and the dialog that it leads to."""
RegistrationId = NewType("RegistrationId", str)
"""Our own handle of one registration that we keep with a registrar."""
ProbeId = NewType("ProbeId", str)
"""Our own handle of one OPTIONS that we send outside a dialog."""


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
    is_callback: bool = False
    """A carrier brings somebody who called our own number: no press, whatever else it says."""


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
    """UAS: the call ended unanswered: by CANCEL or an early BYE, or it never said PRACK.

    What it gets is queued already: 200 and 487, or 500.
    """

    dialog: DialogId


@dataclass(frozen=True, slots=True)
class InviteConfirmed:
    """UAS: the ACK for our 2xx came."""

    dialog: DialogId
    body: bytes = b""
    """The peer's answer, where the offer was ours: in the 2xx, or in a reliable provisional."""


@dataclass(frozen=True, slots=True)
class OfferAnswered:
    """The answer to an offer that we made in a response: in the PRACK, or in a re-INVITE's ACK.

    That to an offer in the first 2xx comes with InviteConfirmed.
    """

    dialog: DialogId
    body: bytes


@dataclass(frozen=True, slots=True)
class DialogEnded:
    """A confirmed dialog is over: BYE came, the ACK never did, or the peer knows it no more."""

    dialog: DialogId
    reason: str


@dataclass(frozen=True, slots=True)
class ReinviteReceived:
    """A re-INVITE, or an UPDATE or PRACK with an offer; must be answered by `Endpoint.respond`, at once.

    After 10 s it is answered 500. Those two may come in an early dialog too. What changes nothing is
    answered without our user.
    """

    dialog: DialogId
    body: bytes


@dataclass(frozen=True, slots=True)
class ReinviteAnswered:
    """Our re-INVITE or UPDATE got a 2xx, whose ACK is queued already.

    Also told when the peer's description changed in its answer to a refresh that was the timer's.
    """

    dialog: DialogId
    body: bytes


@dataclass(frozen=True, slots=True)
class ReinviteFailed:
    """Our re-INVITE or UPDATE was refused, or never sent; the dialog goes on as it was."""

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
class InfoAnswered:
    """Our INFO got a final, or none: 408 for silence, 503 where it could not be sent."""

    dialog: DialogId
    status: int
    content_type: str = ""
    """Of the INFO."""


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


@dataclass(frozen=True, slots=True)
class OptionsAnswered:
    """Our OPTIONS got a final: whatever it says, somebody who speaks SIP is there."""

    probe: ProbeId
    status: int


@dataclass(frozen=True, slots=True)
class OptionsFailed:
    """Our OPTIONS got none: 408 for silence, 503 where it could not be sent."""

    probe: ProbeId
    status: int


SipEvent = (
    InviteReceived
    | InviteProgressed
    | InviteAnswered
    | InviteFailed
    | InviteCancelled
    | InviteConfirmed
    | OfferAnswered
    | DialogEnded
    | ReinviteReceived
    | ReinviteAnswered
    | ReinviteFailed
    | InfoReceived
    | InfoAnswered
    | RegistrationSucceeded
    | RegistrationFailed
    | BindingChanged
    | OptionsAnswered
    | OptionsFailed
)
