"""Accounts and what they are where: made by administrators alone, deleted whole (requirements A1, A19)."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import date
from email.errors import MessageError
from email.headerregistry import Address

from sqlalchemy import and_, delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from intercom.administration import invitations
from intercom.administration.door_rights import end_rights_to
from intercom.administration.undo_memory import forget_people
from intercom.errors import RefusedError
from intercom.store.database import touch
from intercom.store.kinds import Role
from intercom.store.models import (
    Account,
    Doorbell,
    Event,
    Grant,
    MailToken,
    Member,
    Transfer,
    Unit,
)
from intercom.texts import LANGUAGES

MAX_NAME_CHARACTERS = 64
MAX_EMAIL_CHARACTERS = 254  # RFC 5321 §4.5.3.1.3, without the brackets
_EMAIL = re.compile(
    r"[^\s@<>,;:\"()\[\]\\]{1,64}@[^\s@<>,;:\"()\[\]\\]+\.[^\s@<>,;:\"()\[\]\\.]{2,63}"
)
_USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,62}")
_LAST = {
    Role.OPERATOR: "account.last_operator",
    Role.ADMINISTRATOR: "account.last_administrator",
}
"""The roles that somebody always has to have, and why the last one stays."""
_LETTERS = str.maketrans({"æ": "ae", "ø": "o", "å": "a", "ä": "a", "ö": "o", "ß": "ss", "đ": "d"})


async def create(
    session: AsyncSession,
    *,
    name: str,
    email: str | None,
    language: str,
    today: date,
    username: str = "",
) -> Account:
    """Make an account that has no role yet; without a username one is made of the name.

    Refuses, at its field, what cannot be a name, an address, a language or a free username.
    """
    name = checked_name(name)
    account = Account(
        username=await _checked_username(session, username)
        if username
        else await free_username(session, name),
        name=name,
        email=checked_email(email) if email else None,
        language=checked_language(language),
        created_on=today,
    )
    session.add(account)
    await session.flush()
    return account


def checked_name(name: str) -> str:
    """Give a name as it is kept; refuse one that is empty or too long."""
    name = " ".join(name.split())
    if not name:
        raise RefusedError("account.name_missing", field="name")
    if len(name) > MAX_NAME_CHARACTERS or any(unicodedata.category(c) == "Cc" for c in name):
        raise RefusedError("account.name_too_long", field="name", most=MAX_NAME_CHARACTERS)
    return name


def checked_email(email: str) -> str:
    """Give an e-mail address as it is kept; refuse what cannot be one."""
    email = email.strip()
    if len(email) > MAX_EMAIL_CHARACTERS or not _EMAIL.fullmatch(email) or not _is_mailable(email):
        raise RefusedError("account.email_wrong", field="email")
    return email


async def change_email(session: AsyncSession, account: Account, email: str | None) -> None:
    """Give an account another address; links that went to the one of before hold no longer."""
    if email == account.email:
        return
    account.email = email
    await session.execute(delete(MailToken).where(MailToken.account_id == account.id))
    await invitations.forget_proof(session, account.id)


def checked_language(language: str) -> str:
    """Refuse a language that we have no words in."""
    if language not in LANGUAGES:
        raise RefusedError("account.language_unknown", field="language")
    return language


async def free_username(session: AsyncSession, name: str, taken: Iterable[str] = ()) -> str:
    """Propose a username for a name: "kari.nordmann", and "kari.nordmann2" where that is taken.

    `taken` are further names, such as those that the same import has given out.
    """
    stem = _stem(name)
    near = await session.scalars(
        select(func.lower(Account.username)).where(
            func.lower(Account.username).startswith(stem, autoescape=True)
        )
    )
    used = {*near, *(each.lower() for each in taken)}
    if stem not in used:
        return stem
    number = 2
    while f"{stem}{number}" in used:
        number += 1
    return f"{stem}{number}"


async def is_free(session: AsyncSession, username: str) -> bool:
    """Tell whether no account has this username, in whatever case."""
    found = await session.scalar(
        select(Account.id).where(func.lower(Account.username) == username.lower())
    )
    return found is None


async def grant(
    session: AsyncSession,
    account: Account,
    role: Role,
    *,
    property_id: str | None = None,
    unit_id: int | None = None,
) -> None:
    """Give an account a role at its place; nothing when it has it."""
    await session.flush()
    there = await session.scalar(
        select(Grant.id).where(
            Grant.account_id == account.id,
            Grant.role == role,
            Grant.property_id == property_id,
            Grant.unit_id == unit_id,
        )
    )
    if there is None:
        session.add(
            Grant(account_id=account.id, role=role, property_id=property_id, unit_id=unit_id)
        )
        await session.flush()


async def exchange_role(
    session: AsyncSession, account_id: int, unit_id: int, before: Role, after: Role
) -> None:
    """Make another role of the one that somebody has in a unit; nothing for who has it no longer."""
    other = aliased(Grant)
    has_both = exists().where(
        other.account_id == account_id, other.unit_id == unit_id, other.role == after
    )
    own = and_(Grant.account_id == account_id, Grant.unit_id == unit_id, Grant.role == before)
    for change in (
        update(Grant).where(own, ~has_both).values(role=after),
        delete(Grant).where(own, has_both),
    ):
        await session.execute(change.execution_options(synchronize_session=False))
    touch(session, Account, account_id)


async def revoke(session: AsyncSession, row: Grant) -> None:
    """Take a role away, and the account with it where it is nothing else.

    Refuses the last operator's and a property's last administrator's.
    """
    await _refuse_last(session, row)
    account = await session.get_one(Account, row.account_id)
    await session.delete(row)
    touch(session, Account, account.id)
    await session.flush()
    if await is_nobody(session, account.id):
        await erase(session, account)
    elif row.property_id is not None:
        await lose_doors(session, account, row.property_id)


async def lose_doors(
    session: AsyncSession, account: Account, property_id: str, unit_id: int | None = None
) -> None:
    """Take the own rights to doors that went with a place somebody has lost: a unit's, or a property's."""
    if property_id not in await places_of(session, account):
        await end_rights_to(session, account.id, property_id=property_id)
    elif unit_id is not None:
        await end_rights_to(session, account.id, unit_id=unit_id)


async def delete_account(session: AsyncSession, account: Account) -> None:
    """Delete an account and all that is kept of the person, at once (A19).

    Refuses the last operator and a property's last administrator. The caller ends the log-ins and lets
    the database forget what was deleted.
    """
    grants = list(await session.scalars(select(Grant).where(Grant.account_id == account.id)))
    for each in grants:
        await _refuse_last(session, each)
    await erase(session, account)


async def erase(session: AsyncSession, account: Account) -> None:
    """Delete an account with everything that names it; also where it is somebody's last one."""
    await _leave_doorbells(session, account)
    await session.execute(update(Event).where(Event.person == account.username).values(person=""))
    own = update(Event).where(Event.doorbell == account.name)  # where each person has a button
    await session.execute(own.values(doorbell=""))
    await forget_people(session, {account.id: account.name})
    touch(session, Account, account.id)
    await session.delete(account)
    await session.flush()


async def is_nobody(session: AsyncSession, account_id: int) -> bool:
    """Tell whether an account has no role, no doorbell and no unit on its way."""
    for table, column in (
        (Grant, Grant.account_id),
        (Member, Member.account_id),
        (Transfer, Transfer.new_owner_id),
    ):
        if await session.scalar(
            select(func.count()).select_from(table).where(column == account_id)
        ):
            return False
    return True


async def places_of(session: AsyncSession, account: Account) -> frozenset[str]:
    """List the properties in which an account has a role, is rung or is to own a unit."""
    granted = await session.scalars(
        select(Grant.property_id).where(
            Grant.account_id == account.id, Grant.property_id.is_not(None)
        )
    )
    housed = await session.scalars(
        select(Unit.property_id)
        .join(Grant, Grant.unit_id == Unit.id)
        .where(Grant.account_id == account.id)
    )
    rung = await session.scalars(
        select(Doorbell.property_id)
        .join(Member, Member.doorbell_id == Doorbell.id)
        .where(Member.account_id == account.id)
    )
    promised = await session.scalars(
        select(Unit.property_id)
        .join(Transfer, Transfer.unit_id == Unit.id)
        .where(Transfer.new_owner_id == account.id)
    )
    found = (*granted, *housed, *rung, *promised)
    return frozenset(each for each in found if each is not None)


async def may_manage(session: AsyncSession, property_id: str, account: Account) -> bool:
    """Tell whether an administrator of a property may change or delete an account.

    Only one that is nothing elsewhere and runs nothing: else the administrator of one property could,
    by a changed address and a forgotten password, become an operator or somebody of another property.
    """
    grants = await session.scalars(select(Grant).where(Grant.account_id == account.id))
    if any(each.role is Role.OPERATOR for each in grants):
        return False
    return await places_of(session, account) <= {property_id}


async def _leave_doorbells(session: AsyncSession, account: Account) -> None:
    """Take a person off every doorbell; one that is left without anybody is hidden and loses its name."""
    members = await session.scalars(select(Member).where(Member.account_id == account.id))
    for member in list(members):
        bell = await session.get(Doorbell, member.doorbell_id)
        await session.delete(member)
        await session.flush()
        if bell is None:
            continue
        touch(session, Doorbell, bell.id)
        others = await session.scalar(
            select(func.count()).select_from(Member).where(Member.doorbell_id == bell.id)
        )
        if not others:
            unit = await session.get(Unit, bell.unit_id) if bell.unit_id is not None else None
            bell.name = unit.label if unit else bell.id
            bell.is_hidden = True
    await session.flush()


async def _refuse_last(session: AsyncSession, row: Grant) -> None:
    if row.role not in _LAST:
        return
    here = (
        Grant.property_id.is_(None)
        if row.property_id is None
        else (Grant.property_id == row.property_id)
    )
    others = await session.scalar(
        select(func.count())
        .select_from(Grant)
        .where(and_(Grant.role == row.role, here, Grant.account_id != row.account_id))
    )
    if not others:
        raise RefusedError(_LAST[row.role])


def _is_mailable(email: str) -> bool:
    """Tell whether the header of a mail can hold an address (RFC 5322 §3.4.1, RFC 5890 for its domain)."""
    if any(not character.isprintable() for character in email):
        return False
    try:
        Address(addr_spec=email)
        email.rpartition("@")[2].encode("idna")
    except (MessageError, ValueError, LookupError):
        return False
    return True


async def _checked_username(session: AsyncSession, username: str) -> str:
    username = username.strip().lower()
    if not _USERNAME.fullmatch(username):
        raise RefusedError("account.username_wrong", field="username")
    if not await is_free(session, username):
        raise RefusedError("account.username_taken", field="username")
    return username


def _stem(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.lower().translate(_LETTERS))
    words = re.findall(r"[a-z0-9]+", "".join(c for c in plain if not unicodedata.combining(c)))
    chosen = words if len(words) < 2 else [words[0], words[-1]]
    stem = ".".join(chosen)[:56].strip(".")
    return stem if len(stem) > 1 else "resident"
