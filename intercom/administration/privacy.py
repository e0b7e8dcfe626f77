"""The kind of a property, and with it whether there is an event log at all (requirements A12, A13)."""

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.administration.event_log import log_of
from intercom.administration.properties import is_same_name
from intercom.errors import RefusedError
from intercom.routing.directory import PropertyKind
from intercom.store.models import Event, Property
from intercom.store.new_log import new_log


async def become_commercial(session: AsyncSession, prop: Property, typed_name: str) -> None:
    """Make a property commercial: its log begins now, empty. Its name must be typed."""
    if prop.kind is PropertyKind.COMMERCIAL:
        return
    _confirm(prop, typed_name)
    prop.kind = PropertyKind.COMMERCIAL
    await session.flush()
    session.add(new_log(prop.id))
    await session.flush()


async def become_residential(session: AsyncSession, prop: Property, typed_name: str) -> None:
    """Make a property residential: its whole log is deleted now. Its name must be typed."""
    if prop.kind is PropertyKind.RESIDENTIAL:
        return
    _confirm(prop, typed_name)
    event_log = await log_of(session, prop.id)
    await session.execute(delete(Event).where(Event.log_id == event_log.id))
    await session.delete(event_log)
    await session.flush()
    prop.kind = PropertyKind.RESIDENTIAL
    await session.flush()


def _confirm(prop: Property, typed_name: str) -> None:
    if not is_same_name(typed_name, prop.name):
        raise RefusedError("privacy.refused.typed_name", field="typed_name", name=prop.name)
