"""Who runs a property, or the service: operators, administrators and installers."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.administration import accounts, invitations
from intercom.errors import RefusedError
from intercom.store.kinds import Role
from intercom.store.models import Account, Grant, Property

PROPERTY_ROLES = (Role.ADMINISTRATOR, Role.INSTALLER)


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody with a role."""

    grant_id: int
    role: Role
    account: Account


async def colleagues(session: AsyncSession, property_id: str | None) -> list[Colleague]:
    """List who runs a property, or with None the service, by name."""
    here = Grant.role == Role.OPERATOR if property_id is None else Grant.property_id == property_id
    rows = await session.execute(
        select(Grant, Account)
        .join(Account, Account.id == Grant.account_id)
        .where(here)
        .order_by(Account.folded_name, Grant.id)
    )
    return [Colleague(grant.id, grant.role, account) for grant, account in rows.all()]


async def add(
    session: AsyncSession,
    *,
    name: str,
    email: str,
    role: Role,
    property_id: str | None,
    language: str,
    now: datetime,
    may_see_all: bool = False,
) -> Account:
    """Give somebody a role by e-mail address; who has no password yet is sent an invitation.

    An account with this address gets the role; but one of another property alone is not looked for
    (unless `may_see_all`), so that nobody finds out who has accounts elsewhere: then a new one is made.
    Nor does one count whose holder only claims the address: else anybody could wait for a role with it.
    """
    email = accounts.checked_email(email)
    account = await _known(session, email, None if may_see_all else property_id)
    if account is None:
        if property_id is not None:
            language = (await session.get_one(Property, property_id)).language
        account = await accounts.create(
            session, name=name, email=email, language=language, today=now.date()
        )
    await accounts.grant(session, account, role, property_id=property_id)
    if account.password_hash is None:
        await invitations.invite(session, account, now)
    return account


async def grant_of(session: AsyncSession, grant_id: int, property_id: str | None) -> Grant:
    """Find a role in a property, or with None an operator's."""
    row = await session.get(Grant, grant_id)
    is_here = row is not None and (
        row.role is Role.OPERATOR if property_id is None else row.property_id == property_id
    )
    if row is None or not is_here:
        raise RefusedError("admin.not_there")
    return row


async def _known(session: AsyncSession, email: str, only_in: str | None) -> Account | None:
    found = [
        each
        for each in await session.scalars(
            select(Account).where(func.lower(Account.email) == email.lower())
        )
        if (only_in is None or only_in in await accounts.places_of(session, each))
        and (each.password_hash is None or await invitations.is_proven(session, each.id))
    ]
    if len(found) > 1:
        raise RefusedError("account.same_email", field="email")
    return found[0] if found else None
