"""A unit's first owner (D6): an installer registers the person, who confirms by mail."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.administration import accounts, transfers
from intercom.administration.units import inhabitants
from intercom.errors import RefusedError
from intercom.store.models import Account, Property, Transfer, Unit


async def register(
    session: AsyncSession, unit: Unit, *, name: str, email: str, now: datetime
) -> Transfer:
    """Register a unit's owner and mail the link to confirm; again with the same mail sends it again.

    Refuses a unit that is active or inhabited: there a new owner comes by a transfer.
    """
    if unit.activated_on is not None or await inhabitants(session, unit.id):
        raise RefusedError("account.unit_is_active")
    email = accounts.checked_email(email)
    name = accounts.checked_name(name)
    waiting = await transfers.pending(session, unit.id)
    owner = await session.get(Account, waiting.new_owner_id) if waiting else None
    if owner is None or owner.email != email or owner.name != name:
        place = await session.get_one(Property, unit.property_id)
        owner = await accounts.create(
            session, name=name, email=email, language=place.language, today=now.date()
        )
    return await transfers.ask(session, unit, owner, now)


async def send_again(session: AsyncSession, unit: Unit, now: datetime) -> None:
    """Mail the link to confirm again; refuse where nobody was registered."""
    waiting = await session.scalar(select(Transfer).where(Transfer.unit_id == unit.id))
    if waiting is None:
        raise RefusedError("account.nobody_registered")
    await transfers.ask(session, unit, await session.get_one(Account, waiting.new_owner_id), now)
