"""The people of a unit: made by administrators and owners, changed, moved out, deleted (requirement A1)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from sqlalchemy import Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.administration import accounts
from intercom.administration.doorbells import (
    add_member,
    doorbell_of,
    make_doorbell,
    remove_member,
)
from intercom.administration.entries import (
    number_from,
    proposed_doorbell_name,
    region_of_zone,
)
from intercom.administration.invitations import INVITATION, ask, invite
from intercom.errors import RefusedError
from intercom.store.kinds import MailState, Role
from intercom.store.models import Account, Doorbell, Grant, Mail, Property, Unit

NUMBER_HOLDS = timedelta(days=365)
"""A verified number is dialled for this long (requirement B11)."""
IN_A_UNIT = (Role.OWNER, Role.RESIDENT, Role.STATION)


class Standing(Enum):
    """How far a person has come with the account."""

    NOT_INVITED = "not_invited"
    WAITING = "waiting"
    """The mail is on its way to the mail server."""
    INVITED = "invited"
    FAILED = "failed"
    """The mail server refused the mail, or cannot be reached."""
    ACTIVE = "active"
    """There is a password."""


_STANDING = {
    MailState.WAITING: Standing.WAITING,
    MailState.SENT: Standing.INVITED,
    MailState.FAILED: Standing.FAILED,
}


@dataclass(frozen=True, slots=True)
class NewPerson:
    """A person as an administrator writes them down."""

    name: str
    username: str = ""
    """Empty: made of the name."""
    email: str = ""
    number: str = ""
    language: str = "nb"
    role: Role = Role.RESIDENT
    is_rung: bool = True
    """Whether the unit's doorbell rings them."""
    is_invited: bool = True
    """Whether the mail with the link is sent now."""


@dataclass(frozen=True, slots=True)
class PersonDetails:
    """What may be changed of a person; the username never is."""

    name: str
    email: str
    number: str
    language: str


async def add_person(
    session: AsyncSession, unit: Unit, person: NewPerson, now: datetime
) -> Account:
    """Make an account in a unit; its doorbell is made or rings one person more, by itself (A3)."""
    place = await session.get_one(Property, unit.property_id)
    number = number_from(person.number, region_of_zone(place.time_zone))
    if person.role not in IN_A_UNIT:
        raise RefusedError("people.refused.role", field="role")
    if person.is_invited and not person.email.strip() and person.role is not Role.STATION:
        raise RefusedError("people.refused.email_missing", field="email")
    account = await accounts.create(
        session,
        name=person.name,
        email=person.email.strip() or None,
        language=person.language,
        today=now.date(),
        username=person.username,
    )
    account.number = number
    if unit.activated_on is None:  # the administrator vouches for who lives there
        unit.activated_on = now.date()
    await join_unit(session, unit, account, person.role, is_rung=person.is_rung)
    if person.is_invited and account.email is not None:
        await invite(session, account, now)
    return account


async def join_unit(
    session: AsyncSession, unit: Unit, account: Account, role: Role, *, is_rung: bool = True
) -> None:
    """Give an account a role in a unit, and have the unit's doorbell ring it."""
    await accounts.grant(session, account, role, unit_id=unit.id)
    if not is_rung:
        return
    doorbell = await doorbell_of(session, unit.id)
    if doorbell is None:
        doorbell = await make_doorbell(session, unit, proposed_doorbell_name(account.name))
    elif is_left(doorbell, unit):
        doorbell.name, doorbell.is_hidden = proposed_doorbell_name(account.name), False
    await add_member(session, doorbell, account)


async def change_person(
    session: AsyncSession, account: Account, details: PersonDetails, time_zone: str
) -> None:
    """Change a person; a number that is another one must be verified again before it is called."""
    name = accounts.checked_name(details.name)
    email = accounts.checked_email(details.email) if details.email.strip() else None
    language = accounts.checked_language(details.language)
    account.name, account.language = name, language
    await accounts.change_email(session, account, email)
    set_number(account, details.number, time_zone)
    await session.flush()


def set_number(account: Account, text: str, time_zone: str) -> None:
    """Give a person another number as it is written where they live; it is called once it is verified."""
    number = number_from(text, region_of_zone(time_zone))
    if number != account.number:
        account.number, account.number_verified_on = number, None


async def change_role(session: AsyncSession, unit: Unit, account: Account, role: Role) -> None:
    """Make an owner of a resident or the other way round; a unit keeps at most the owners it needs."""
    if role not in IN_A_UNIT:
        raise RefusedError("people.refused.role", field="role")
    grants = await _grants_in(session, unit.id, account.id)
    if not grants:
        raise RefusedError("admin.not_there")
    for extra in grants[1:]:
        await session.delete(extra)
    await session.flush()  # first: no two grants are the same
    grants[0].role = role
    await session.flush()


async def leave_unit(session: AsyncSession, unit: Unit, account: Account) -> bool:
    """Take a person out of a unit; tell whether they had no other place and were deleted, too."""
    for grant in await _grants_in(session, unit.id, account.id):
        await session.delete(grant)
    doorbell = await doorbell_of(session, unit.id)
    if doorbell is not None:
        await remove_member(session, doorbell, account.id)
        if not doorbell.members:
            doorbell.name, doorbell.is_hidden = unit.label, True
    await session.flush()
    if await accounts.is_nobody(session, account.id):
        await accounts.erase(session, account)
        return True
    await accounts.lose_doors(session, account, unit.property_id, unit.id)
    return False


def is_left(doorbell: Doorbell, unit: Unit) -> bool:
    """Tell whether the last person of a doorbell has left: it is hidden and has nobody's name."""
    return not doorbell.members and doorbell.is_hidden and doorbell.name == unit.label


async def standings(session: AsyncSession, accounts_: Iterable[Account]) -> dict[int, Standing]:
    """Tell for each of some accounts how far it has come, by its id."""
    found: dict[int, Standing] = {}
    open_: list[int] = []
    for account in accounts_:
        if account.password_hash is not None:
            found[account.id] = Standing.ACTIVE
        else:
            found[account.id] = Standing.NOT_INVITED
            open_.append(account.id)
    if open_:
        mails = await session.execute(
            select(Mail.account_id, Mail.state).where(
                Mail.account_id.in_(open_), Mail.kind == INVITATION
            )
        )
        for account_id, state in mails.all():
            found[account_id] = _STANDING[state]
    return found


async def held_invitations(session: AsyncSession, property_id: str) -> list[int]:
    """List whom of a property's units no invitation was ever sent, though they have an address.

    Left out are people of other places, too, and whoever runs something.
    """
    return list(await session.scalars(_held(property_id).order_by(Account.id)))


async def count_held(session: AsyncSession, property_id: str) -> int:
    """Count those of `held_invitations`."""
    held = _held(property_id).subquery()
    return int(await session.scalar(select(func.count()).select_from(held)) or 0)


def _held(property_id: str) -> Select[int]:
    """Select them by sets that are made once each, not for each of thousands of people."""
    here = select(Unit.id).where(Unit.property_id == property_id)
    elsewhere = select(Grant.account_id).where(
        or_(Grant.unit_id.is_(None), Grant.unit_id.not_in(here))
    )
    invited = select(Mail.account_id).where(Mail.kind == INVITATION)
    return select(Account.id).where(
        Account.id.in_(select(Grant.account_id).where(Grant.unit_id.in_(here))),
        Account.email.is_not(None),
        Account.password_hash.is_(None),
        Account.id.not_in(elsewhere),
        Account.id.not_in(invited),
    )


async def invite_held(session: AsyncSession, property_id: str, now: datetime) -> int:
    """Send every invitation that was held back in a property; give how many that are."""
    held = await held_invitations(session, property_id)
    for account_id in held:
        await ask(session, account_id, INVITATION, now)
    return len(held)


async def _grants_in(session: AsyncSession, unit_id: int, account_id: int) -> list[Grant]:
    found = await session.scalars(
        select(Grant)
        .where(Grant.unit_id == unit_id, Grant.account_id == account_id)
        .order_by(Grant.id)
    )
    return list(found)
