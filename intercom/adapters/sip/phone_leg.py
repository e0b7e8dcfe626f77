"""One phone that rings or talks: what is said to it, by which way, and what was agreed on."""

import asyncio
from dataclasses import dataclass, field

from intercom.adapters.sip.phone_ways import Destination
from intercom.adapters.sip.trunks import Way
from intercom.media.plain import PlainLeg
from intercom.ports import PhoneCall
from intercom.routing.ids import LegId
from intercom.routing.plan import Target
from intercom.sip.agreement import Negotiated
from intercom.sip.description import Description
from intercom.sip.events import DialogId, InviteFailed


@dataclass(slots=True)
class PhoneLeg:
    leg_id: LegId
    target: Target
    call: PhoneCall
    media: PlainLeg
    later: list[Destination]
    """The ways to try if those before are down."""
    silence_s: float
    """How long each of them but the last may say nothing at all."""
    description: Description = field(init=False)
    """What is offered over the way that is tried now."""
    way: Way | None = None
    media_host: str = ""
    """What SDP says of our own sound: of the IP family of the way that is tried now."""
    source_host: str = ""
    is_on_stream: bool = False
    """It is reached over the connection that it registered by, and by nothing else."""
    dialog: DialogId | None = None
    has_rung: bool = False
    """The trunk works: what fails from now on is the phone's own, and it is not rung by another."""
    is_answered: bool = False
    early: tuple[bytes, Negotiated] | None = None
    """An offer that came before the answer, by UPDATE, and what was agreed on (RFC 3311 §5.2)."""
    ring_limit: asyncio.TimerHandle | None = None
    return_limit: asyncio.TimerHandle | None = None
    """Until then it may register again, for its connection was lost."""

    @property
    def is_trunk(self) -> bool:
        return self.way is not None

    def agreed(self, answer: bytes) -> Negotiated:
        """Find what holds once it answers: `answer` is the newest description of the fork that did."""
        if self.early is not None and self.early[0] == answer:
            return self.early[1]
        return self.description.read(answer)

    def has_lost_its_connection(self, event: InviteFailed) -> bool:
        """Tell whether it rang, and its connection alone has failed."""
        return self.is_on_stream and self.has_rung and event.is_local and event.status == 503

    def stop_waiting(self) -> None:
        """Stop its timers."""
        for limit in (self.ring_limit, self.return_limit):
            if limit is not None:
                limit.cancel()
        self.return_limit = None
