"""What a visitor at a SIP panel hears before the end: a reason phrase alone is silence to a person.

    reason            183 was sent: words as early media, then the refusal
                      200 was sent: words, then BYE

At most four seconds; a new press of the same panel cuts it off.
"""

from intercom.adapters.sip.announcement import Announcement
from intercom.media import prompts
from intercom.media.plain import PlainLeg
from intercom.media.prompts import Words
from intercom.routing.commands import EndReason
from intercom.routing.directory import Property
from intercom.routing.plan import PANEL_MARGIN_S

LIMIT_S = PANEL_MARGIN_S
"""No longer than the plan has left of the panel's own time."""

FAREWELLS: dict[EndReason, Words] = {
    EndReason.NOBODY_ANSWERED: Words.NOBODY_ANSWERS,
    EndReason.DECLINED: Words.NOBODY_ANSWERS,
    EndReason.NOBODY_REACHABLE: Words.NOBODY_REACHABLE,
    EndReason.TOO_MANY_CALLS: Words.TOO_MANY_CALLS,
    EndReason.QUIET_HOURS: Words.QUIET_HOURS,
}
"""Whatever else ends a call, the visitor knows it or did it."""


def farewell(reason: EndReason, media: PlainLeg | None, prop: Property) -> Announcement | None:
    """Prepare the words for a panel's leg; None: there are none, or nothing to say them over."""
    words = FAREWELLS.get(reason)
    if words is None or media is None or not media.is_ready:
        return None
    return Announcement(media, prompts.say(words, prop), limit_s=LIMIT_S)
