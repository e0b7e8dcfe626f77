"""OPTIONS outside a dialog (RFC 3261 §11): whether a peer is there."""

from itertools import count

from intercom.sip.address import Address, host_port
from intercom.sip.client_request import ClientRequest
from intercom.sip.core import Core
from intercom.sip.digest import DigestClient
from intercom.sip.draft import RequestDraft
from intercom.sip.events import OptionsAnswered, OptionsFailed, ProbeId


def send_options(
    core: Core,
    now: float,
    *,
    target: str,
    destination: Address,
    from_uri: str,
    digest: DigestClient | None,
    fields: tuple[tuple[str, str], ...],
) -> ProbeId:
    """Send OPTIONS to `destination`; the answer is an event, also where it is a refusal."""
    probe = ProbeId(core.token(16))
    own = from_uri or f"sip:{host_port(core.local_for(destination))}"
    numbers = count(1)
    draft = RequestDraft(
        method="OPTIONS",
        uri=target,
        sent_by=core.sent_by(destination),
        branch=core.branch(),
        from_=f"<{own}>;tag={core.token(16)}",
        to=f"<{target}>",
        sip_call_id=core.token(32),
        cseq=next(numbers),
        fields=(
            ("Contact", core.contact("", destination)),
            ("Accept", "application/sdp"),
            core.user_agent,
            *fields,
        ),
    )
    ClientRequest(
        core,
        draft,
        destination,
        digest=digest,
        next_cseq=lambda: next(numbers),
        on_response=lambda response, _now: core.events.append(
            OptionsAnswered(probe, response.status)
        ),
        on_failure=lambda status, _now: core.events.append(OptionsFailed(probe, status)),
    ).send(now)
    return probe
