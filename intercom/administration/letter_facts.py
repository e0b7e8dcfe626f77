"""What a mail may say about an account and its place, read from the store when the mail leaves."""

from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.administration import invitations
from intercom.administration.letters import Facts
from intercom.store.kinds import Role
from intercom.store.models import Account, Alert, Grant, Property, Transfer, Unit

CONFIRMATIONS = frozenset({invitations.TRANSFER, invitations.ACTIVATION})
"""The mails about a transfer that waits."""

AlertLine = Callable[[str, Alert], str]
"""Words of an alert in a language."""


async def facts_of(
    session: AsyncSession,
    kind: str,
    account: Account,
    transfer: Transfer | None,
    alert_line: AlertLine,
) -> Facts | None:
    """Gather what a mail says; None when there is nothing to say (any more), or nowhere to send it."""
    if not account.email or (kind in CONFIRMATIONS and transfer is None):
        return None
    lines: tuple[str, ...] = ()
    if kind == invitations.ALERT:
        lines = await _alerts(session, account, alert_line)
        if not lines:
            return None
    unit = (
        await session.get(Unit, transfer.unit_id)
        if transfer is not None
        else await _unit_of(session, account)
    )
    place = await _property_of(session, account, unit)
    return Facts(
        name=account.name,
        email=account.email,
        username=account.username,
        language=account.language,
        place=_words_of(place) if place else "",
        unit=unit.label if unit else "",
        contact=(place.contact_email or "") if place else "",
        lines=lines,
        is_staff=unit is None,
    )


def _words_of(place: Property) -> str:
    """Name a property once: many are called what their address begins with."""
    is_in_address = place.address.casefold().startswith(place.name.casefold())
    return place.address if is_in_address else f"{place.name}, {place.address}"


async def _alerts(
    session: AsyncSession, account: Account, alert_line: AlertLine
) -> tuple[str, ...]:
    """List what is wrong in the properties that an account administers, in its language."""
    grants = list(await session.scalars(select(Grant).where(Grant.account_id == account.id)))
    own = {each.property_id for each in grants if each.role is Role.ADMINISTRATOR}
    is_operator = any(each.role is Role.OPERATOR for each in grants)
    raised = await session.scalars(
        select(Alert).where(Alert.cleared_at.is_(None)).order_by(Alert.raised_at, Alert.id)
    )
    lines = []
    for each in raised:
        if each.property_id in own or (each.property_id is None and is_operator):
            place = await session.get(Property, each.property_id) if each.property_id else None
            said = alert_line(account.language, each)
            lines.append(f"{place.name}: {said}" if place else said)
    return tuple(lines)


async def _unit_of(session: AsyncSession, account: Account) -> Unit | None:
    found: Unit | None = await session.scalar(
        select(Unit)
        .join(Grant, Grant.unit_id == Unit.id)
        .where(Grant.account_id == account.id)
        .order_by(Grant.id.desc())
        .limit(1)
    )
    return found


async def _property_of(
    session: AsyncSession, account: Account, unit: Unit | None
) -> Property | None:
    if unit is not None:
        return await session.get(Property, unit.property_id)
    found: Property | None = await session.scalar(
        select(Property)
        .join(Grant, Grant.property_id == Property.id)
        .where(Grant.account_id == account.id)
        .order_by(Grant.id.desc())
        .limit(1)
    )
    return found
