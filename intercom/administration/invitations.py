"""Mails that are asked for: each leaves a row behind that the outbox sends and that pages show."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.errors import RefusedError
from intercom.store.kinds import MailState
from intercom.store.models import Account, Mail

INVITATION = "invitation"
PASSWORD = "password"  # noqa: S105 - a word, no secret
TRANSFER = "transfer"
ACTIVATION = "activation"
ALERT = "alert"
PROOF = "proof"
"""No mail: the mark that a link which went to the account's address was used, so that it is theirs."""
AGAIN_AFTER = timedelta(minutes=2)
"""A forgotten password is not mailed more often than this, however often somebody asks."""
MAX_ACCOUNTS_AT_ONE_ADDRESS = 8


@dataclass(frozen=True, slots=True)
class MailStatus:
    """What became of the last mail of a kind."""

    kind: str
    state: MailState
    asked_at: datetime
    sent_at: datetime | None
    cause: str
    """Empty, or what `outbox.cause_words` puts into words."""


async def invite(session: AsyncSession, account: Account, now: datetime) -> None:
    """Send an account its username, a link to set a password and the link to the app; also again.

    Refuses an account without an e-mail address.
    """
    await session.flush()
    if not account.email:
        raise RefusedError("account.email_missing", field="email")
    await ask(session, account.id, INVITATION, now)


async def ask(session: AsyncSession, account_id: int, kind: str, now: datetime) -> None:
    """Put a mail on its way; one of the same kind that still waits becomes this one."""
    values = {
        "state": MailState.WAITING,
        "asked_at": now,
        "sent_at": None,
        "tries": 0,
        "cause": None,
    }
    changed = await session.execute(
        update(Mail).where(Mail.account_id == account_id, Mail.kind == kind).values(values)
    )
    if not changed.rowcount:  # type: ignore[attr-defined]  # an UPDATE's result has it
        await session.execute(insert(Mail).values(account_id=account_id, kind=kind, **values))


async def forgotten(session: AsyncSession, name_or_email: str, now: datetime) -> int:
    """Mail a new link to whoever has this username or address; give how many that are, also 0."""
    accounts = await accounts_of(session, name_or_email)
    for account_id in accounts:
        last = await session.scalar(
            select(Mail.asked_at).where(Mail.account_id == account_id, Mail.kind == PASSWORD)
        )
        if last is None or now - last >= AGAIN_AFTER:
            await ask(session, account_id, PASSWORD, now)
    return len(accounts)


async def accounts_of(session: AsyncSession, name_or_email: str) -> list[int]:
    """List the accounts with a username or an e-mail address, without regard to case."""
    wanted = name_or_email.strip().lower()
    found = await session.scalars(
        select(Account.id)
        .where(
            or_(func.lower(Account.username) == wanted, func.lower(Account.email) == wanted),
            Account.email.is_not(None),
        )
        .limit(MAX_ACCOUNTS_AT_ONE_ADDRESS)
    )
    return list(found)


async def status(session: AsyncSession, account_id: int) -> list[MailStatus]:
    """List the last mail of each kind to an account, newest first."""
    rows = await session.scalars(
        select(Mail)
        .where(Mail.account_id == account_id, Mail.kind != PROOF)
        .order_by(Mail.asked_at.desc())
    )
    return [
        MailStatus(each.kind, each.state, each.asked_at, each.sent_at, each.cause or "")
        for each in rows
    ]


async def prove(session: AsyncSession, account_id: int, now: datetime) -> None:
    """Note that whoever holds an account reads the mail that goes to its address."""
    await forget_proof(session, account_id)
    values = {"state": MailState.SENT, "asked_at": now, "sent_at": now, "tries": 0}
    await session.execute(insert(Mail).values(account_id=account_id, kind=PROOF, **values))


async def forget_proof(session: AsyncSession, account_id: int) -> None:
    """Forget it: the address is another one."""
    await session.execute(delete(Mail).where(Mail.account_id == account_id, Mail.kind == PROOF))


async def is_proven(session: AsyncSession, account_id: int) -> bool:
    """Tell whether an account's address is known to be its holder's."""
    found = select(Mail.id).where(Mail.account_id == account_id, Mail.kind == PROOF)
    return await session.scalar(found) is not None
