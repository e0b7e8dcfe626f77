"""An INVITE of our own, written for the first time (RFC 3261 §13.2.1)."""

from collections.abc import Sequence
from typing import NamedTuple

from intercom.errors import LocalProtocolError
from intercom.sip.address import Address
from intercom.sip.core import ALLOW, Core
from intercom.sip.draft import RequestDraft
from intercom.sip.headers import quoted
from intercom.sip.message import check_fields


class Invitation(NamedTuple):
    """The request with what its dialog needs to know of it."""

    draft: RequestDraft
    local_tag: str
    contact: str


def write_invitation(
    core: Core,
    *,
    target: str,
    destination: Address,
    from_uri: str,
    from_display: str,
    to_uri: str | None,
    body: bytes,
    content_type: str,
    headers: Sequence[tuple[str, str]],
) -> Invitation:
    """Write it; raise LocalProtocolError where what was given would break the message apart."""
    contact = core.contact(_user_of(from_uri), destination, target)
    own = (("Contact", contact), ("Allow", ALLOW), core.user_agent)
    content = (("Content-Type", content_type),) if body else ()
    local_tag = core.token(16)
    display = f"{quoted(from_display)} " if from_display else ""
    draft = RequestDraft(
        method="INVITE",
        uri=target,
        sent_by=core.sent_by(destination),
        branch=core.branch(),
        from_=f"{display}<{from_uri}>;tag={local_tag}",
        to=f"<{to_uri or target}>",
        sip_call_id=core.token(32),
        cseq=1,
        fields=(*own, *headers, *content),
        body=body,
    )
    ends = (("From", draft.from_), ("To", draft.to), ("To", target), ("Contact", contact))
    check_fields((*headers, *content, *ends))
    if not target.isprintable() or " " in target:
        raise LocalProtocolError("bad target")
    return Invitation(draft, local_tag, contact)


def _user_of(uri: str) -> str:
    return uri.partition(":")[2].rpartition("@")[0]
