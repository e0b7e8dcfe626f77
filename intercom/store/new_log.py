"""A commercial property's event log, empty, as it is from its first day on."""

from uuid import uuid4

from intercom.routing.directory import PropertyKind
from intercom.store.models import CommercialLog

DEFAULT_DAYS = 90
"""How long a new log keeps its lines."""


def new_log(property_id: str) -> CommercialLog:
    """Make the log that every commercial property gets with its first day as one."""
    return CommercialLog(
        id=str(uuid4()),
        property_id=property_id,
        kind=PropertyKind.COMMERCIAL,
        retention_days=DEFAULT_DAYS,
    )
