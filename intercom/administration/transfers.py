"""A unit to a new owner (D7), and its first one (D6): in force when that owner has confirmed by mail."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.administration import accounts, invitations, tokens
from intercom.administration.buttons import give_buttons
from intercom.administration.doorbells import make_doorbell
from intercom.administration.entries import proposed_doorbell_name
from intercom.errors import RefusedError
from intercom.store.database import touch
from intercom.store.kinds import Layout, Role, TokenPurpose
from intercom.store.models import (
    Account,
    Doorbell,
    Grant,
    Member,
    QuietHours,
    Transfer,
    Unit,
)

CONFIRMATIONS = frozenset({TokenPurpose.CONFIRM_TRANSFER, TokenPurpose.CONFIRM_ACTIVATION})
_HOUSEHOLD = (Role.OWNER, Role.RESIDENT, Role.STATION)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A transfer or an activation that came into force."""

    property_id: str
    unit_id: int
    new_owner_id: int
    is_activation: bool
    needs_password: bool
    """The new owner has none yet."""
    out: frozenset[str]
    """Usernames of those who lost the unit: their log-ins end now."""
    out_ids: frozenset[int]
    """Their accounts, some of which are deleted."""


async def ask(session: AsyncSession, unit: Unit, new_owner: Account, now: datetime) -> Transfer:
    """Ask a new owner by mail to take a unit over; until then nothing changes. Also sends it again.

    One that is asked anew, with whomever, takes the place of the one of before. Refuses an owner without
    an e-mail address, and one who owns the unit already.
    """
    await session.flush()
    if not new_owner.email:
        raise RefusedError("account.email_missing", field="email")
    if unit.activated_on is not None and await _owns(session, new_owner.id, unit.id):
        raise RefusedError("account.owns_already", field="email")
    transfer = await pending(session, unit.id)
    if transfer is None or transfer.new_owner_id != new_owner.id:
        await cancel(session, unit)
        transfer = Transfer(unit_id=unit.id, new_owner_id=new_owner.id, asked_on=now.date())
        session.add(transfer)
        await session.flush()
    kind = invitations.TRANSFER if unit.activated_on is not None else invitations.ACTIVATION
    await invitations.ask(session, new_owner.id, kind, now)
    return transfer


async def pending(session: AsyncSession, unit_id: int) -> Transfer | None:
    """Find the transfer of a unit that waits for its new owner."""
    found: Transfer | None = await session.scalar(
        select(Transfer).where(Transfer.unit_id == unit_id)
    )
    return found


async def asked_of(session: AsyncSession, account_id: int) -> Transfer | None:
    """Find the latest transfer that waits for a person."""
    found: Transfer | None = await session.scalar(
        select(Transfer)
        .where(Transfer.new_owner_id == account_id)
        .order_by(Transfer.id.desc())
        .limit(1)
    )
    return found


async def cancel(session: AsyncSession, unit: Unit) -> None:
    """Take back a transfer that was not confirmed, with its link; an owner made for it alone goes too."""
    transfer = await pending(session, unit.id)
    if transfer is None:
        return
    asked = await session.get(Account, transfer.new_owner_id)
    await session.delete(transfer)
    await session.flush()
    if (
        asked is not None
        and asked.password_hash is None
        and await accounts.is_nobody(session, asked.id)
    ):
        await accounts.erase(session, asked)


async def waiting_for(session: AsyncSession, token: str, now: datetime) -> tuple[Transfer, Unit]:
    """Find what a link in a mail would confirm, without doing so; refuse one that is over."""
    link = await tokens.find(session, token, CONFIRMATIONS, now)
    transfer = await session.get(Transfer, link.transfer_id) if link.transfer_id else None
    if transfer is None or transfer.new_owner_id != link.account_id:
        raise RefusedError(tokens.LINK_OVER)
    unit = await session.get_one(Unit, transfer.unit_id)
    if link.purpose is TokenPurpose.CONFIRM_ACTIVATION and unit.activated_on is not None:
        raise RefusedError(tokens.LINK_OVER)  # somebody has moved in since, without the installer
    return transfer, unit


async def confirm(session: AsyncSession, token: str, now: datetime) -> Confirmed:
    """Put a transfer in force by the link in the mail: the household of before is out at once.

    The doorbell starts anew with the new owner alone. Accounts that are nothing any more are deleted.
    """
    transfer, unit = await waiting_for(session, token, now)
    new_owner = await session.get_one(Account, transfer.new_owner_id)
    is_activation = unit.activated_on is None
    await session.delete(transfer)  # its links go with it
    await session.flush()
    out = await _empty(session, unit, keep=new_owner)
    await accounts.grant(session, new_owner, Role.OWNER, unit_id=unit.id)
    await _renew_doorbells(session, unit, new_owner)
    unit.activated_on = now.date()
    touch(session, Unit, unit.id)
    touch(session, Account, new_owner.id)
    await session.flush()
    return Confirmed(
        property_id=unit.property_id,
        unit_id=unit.id,
        new_owner_id=new_owner.id,
        is_activation=is_activation,
        needs_password=new_owner.password_hash is None,
        out=frozenset(out.values()),
        out_ids=frozenset(out),
    )


async def _empty(session: AsyncSession, unit: Unit, keep: Account) -> dict[int, str]:
    """Take everybody but one out of a unit; give their usernames by their accounts' ids."""
    leaving = list(
        await session.scalars(
            select(Account)
            .join(Grant, Grant.account_id == Account.id)
            .where(Grant.unit_id == unit.id, Account.id != keep.id)
        )
    )
    rung = await session.scalars(
        select(Account)
        .join(Member, Member.account_id == Account.id)
        .join(Doorbell, Doorbell.id == Member.doorbell_id)
        .where(Doorbell.unit_id == unit.id, Account.id != keep.id)
    )
    everybody = {each.id: each for each in (*leaving, *rung)}
    out = {each.id: each.username for each in everybody.values()}
    grants = await session.scalars(select(Grant).where(Grant.unit_id == unit.id))
    for row in grants:
        if row.account_id != keep.id or row.role in _HOUSEHOLD:
            await session.delete(row)
    members = await session.scalars(
        select(Member)
        .join(Doorbell, Doorbell.id == Member.doorbell_id)
        .where(Doorbell.unit_id == unit.id)
    )
    for member in members:
        await session.delete(member)
    await session.flush()
    for account in everybody.values():
        await _let_go(session, unit, account)
    return out


async def _let_go(session: AsyncSession, unit: Unit, account: Account) -> None:
    """Take from somebody who left what went with the unit, and all where nothing else is left."""
    touch(session, Account, account.id)
    if await accounts.is_nobody(session, account.id):
        await accounts.erase(session, account)
    else:
        await accounts.lose_doors(session, account, unit.property_id, unit.id)


async def _renew_doorbells(session: AsyncSession, unit: Unit, owner: Account) -> None:
    """Make the unit's doorbells the new owner's: name, layout, quiet hours start anew."""
    bells = list(await session.scalars(select(Doorbell).where(Doorbell.unit_id == unit.id)))
    if not bells:
        bells = [await make_doorbell(session, unit, proposed_doorbell_name(owner.name))]
    for bell in bells:
        bell.name = proposed_doorbell_name(owner.name)
        bell.layout = Layout.PARALLEL
        bell.is_hidden = False
        for quiet in await session.scalars(
            select(QuietHours).where(QuietHours.doorbell_id == bell.id)
        ):
            await session.delete(quiet)
        session.add(Member(doorbell_id=bell.id, account_id=owner.id, position=0))
        touch(session, Doorbell, bell.id)
    await session.flush()
    await give_buttons(session, unit.property_id, [each.id for each in bells])


async def _owns(session: AsyncSession, account_id: int, unit_id: int) -> bool:
    found = await session.scalar(
        select(func.count())
        .select_from(Grant)
        .where(Grant.account_id == account_id, Grant.unit_id == unit_id, Grant.role == Role.OWNER)
    )
    return bool(found)
