"""Links in mails: 256 bits that stand in the mail alone; the store keeps their digest, once used they are gone."""

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.errors import RefusedError
from intercom.store.kinds import TokenPurpose
from intercom.store.models import MailToken

TOKEN_BYTES = 32
FORGOTTEN_LIFETIME = timedelta(hours=24)
INVITATION_LIFETIME = timedelta(days=7)
CONFIRMATION_LIFETIME = timedelta(days=14)
LINK_OVER = "account.link_over"


async def make(
    session: AsyncSession,
    account_id: int,
    purpose: TokenPurpose,
    expires_at: datetime,
    transfer_id: int | None = None,
) -> str:
    """Make a link's token; the ones of before hold until one of them is used."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    await session.execute(
        insert(MailToken).values(
            digest=digest(token),
            account_id=account_id,
            purpose=purpose,
            transfer_id=transfer_id,
            expires_at=expires_at,
        )
    )
    return token


async def find(
    session: AsyncSession, token: str, purposes: frozenset[TokenPurpose], now: datetime
) -> MailToken:
    """Find what a link is for without using it; refuse one that is unknown, used or too old."""
    found = await session.scalar(select(MailToken).where(MailToken.digest == digest(token)))
    if found is None or found.purpose not in purposes or found.expires_at <= now:
        raise RefusedError(LINK_OVER)
    return found


async def forget(session: AsyncSession, account_id: int, purpose: TokenPurpose) -> None:
    """End every link of an account for a purpose: one was used, or what it was for is over."""
    await session.execute(
        delete(MailToken).where(MailToken.account_id == account_id, MailToken.purpose == purpose)
    )


async def forget_expired(session: AsyncSession, now: datetime) -> None:
    """Delete the links that nobody used in time."""
    await session.execute(delete(MailToken).where(MailToken.expires_at <= now))


def digest(token: str) -> bytes:
    """Give what the store keeps of a token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
