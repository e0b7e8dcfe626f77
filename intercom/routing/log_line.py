"""A line of a commercial property's event log (requirement A13).

It cannot be made without a `LogId`, and only a `CommercialProperty` has one.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from intercom.routing.ids import LogId, ResidentId


class What(Enum):
    RANG = "rang"
    """A person was called."""
    ANSWERED = "answered"
    DECLINED = "declined"
    UNREACHED = "unreached"
    """A person's device or phone could not be rung, was busy, or rang in vain."""
    MISSED = "missed"
    """The call ended, and nobody had answered, declined or opened."""
    MESSAGE = "message"
    """A person sent the visitor a ready answer."""
    OPENED = "opened"
    """Measured."""
    SENT = "sent"
    """To a door without feedback."""
    UNKNOWN = "unknown"
    """The door did not answer; it may have opened."""
    FAILED = "failed"
    """The door certainly did not open."""
    REFUSED = "refused"
    """A person asked for the door, and had no right or too many openings."""


class Means(Enum):
    """By which way a person was called, or opened."""

    APP = "app"
    PHONE = "phone"
    SIP_PHONE = "sip-phone"
    KEY = "key"
    """The key in the app, without a call."""
    TEST = "test"
    """The test of a relay, in Webadmin or by the operator's command."""


@dataclass(frozen=True, slots=True)
class LogLine:
    line_id: str
    """A UUIDv7: writing it twice is writing it once."""
    log: LogId
    at: datetime
    what: What
    call: str = ""
    """What belongs together; empty: no call."""
    doorbell: str = ""
    """Its name."""
    door: str = ""
    """Its name."""
    person: ResidentId | None = None
    means: Means | None = None
