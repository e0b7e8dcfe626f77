"""Passwords: which are taken, and by which link one is set (requirement A2)."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.administration import invitations, tokens
from intercom.errors import RefusedError
from intercom.store.kinds import TokenPurpose
from intercom.store.models import Account, Grant

MIN_PASSWORD_CHARACTERS = 10
MAX_PASSWORD_CHARACTERS = 512
_SET_PASSWORD = frozenset({TokenPurpose.SET_PASSWORD})
_RUNS = ("01234567890123456789", "abcdefghijklmnopqrstuvwxyzæøå", "qwertyuiopå", "asdfghjkløæ")
_COMMON_WORDS = """
    password password1 password12 password123 password1234 passord passord1 passord12 passord123
    passord1234 lösenord lösenord1 lösenord123 hemmelig hemmelig1 hemmelig12 hemmelig123 velkommen
    velkommen1 velkommen12 velkommen123 välkommen välkommen1 välkommen123 welcome1 welcome123
    welcome1234 sommer sommer2025 sommer2026 sommer2027 vinter2025 vinter2026 vinter2027 høst2025
    høst2026 høst2027 iloveyou iloveyou1 iloveyou12 iloveyou123 letmein letmein123 changeme changeme1
    changeme123 sunshine1 sunshine12 sunshine123 princess1 princess12 princess123 football1 football12
    football123 fotball123 fotball1234 liverpool1 liverpool12 manchester manchester1 arsenal123
    superman12 superman123 batman1234 pokemon123 minecraft1 minecraft123 michael123 charlie123
    jordan1234 qwerty12345 qwerty123456 qwerty1234 1q2w3e4r5t 1q2w3e4r5t6y 1qaz2wsx3edc qazwsxedcrfv
    zaq12wsxcde3 abc123456 abcd123456 abcd1234 a123456789 q123456789 aa12345678 admin12345 admin123456
    administrator administrator1 trustno1 whatever12 computer123 internett internet123 porttelefon
    calling123 ringeklokke dørtelefon intercom intercom1 intercom123 norge12345 norge17mai 17mai1814
    svenska123 sverige123 bergen1234 oslo123456 1111122222 1212121212 1231231234 1234512345 6969696969
    0987654321 9876543210 987654321a 1122334455 1029384756 1357924680 2468013579
"""
_COMMON = frozenset(_COMMON_WORDS.split())
"""Those at the top of every list of leaked passwords, and their like in our languages."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose password a link sets."""

    account_id: int
    username: str
    language: str
    is_new: bool
    """There was none before."""
    is_staff: bool = False
    """The account is for Webadmin alone: it belongs to no unit."""


def check_password(password: str, username: str) -> None:
    """Refuse a password that is guessed first (NIST SP 800-63B §5.1.1.2: length and a list, no rules)."""
    if len(password) < MIN_PASSWORD_CHARACTERS:
        raise RefusedError(
            "account.password_short", field="new_password", least=MIN_PASSWORD_CHARACTERS
        )
    if len(password) > MAX_PASSWORD_CHARACTERS:
        raise RefusedError(
            "account.password_long", field="new_password", most=MAX_PASSWORD_CHARACTERS
        )
    plain = password.lower().strip()
    if username.lower() in plain and len(plain) - len(username) < 6:
        raise RefusedError("account.password_is_name", field="new_password")
    is_run = any(plain in run * 2 or plain in (run * 2)[::-1] for run in _RUNS)
    if plain.rstrip("!.?*#") in _COMMON or is_run or len(set(plain)) < 4:
        raise RefusedError("account.password_common", field="new_password")


async def holder(session: AsyncSession, token: str, now: datetime) -> Holder:
    """Tell whose password a link sets, without using it; refuse one that is over."""
    link = await tokens.find(session, token, _SET_PASSWORD, now)
    account = await session.get_one(Account, link.account_id)
    home = await session.scalar(
        select(Grant.id).where(Grant.account_id == account.id, Grant.unit_id.is_not(None)).limit(1)
    )
    is_new = account.password_hash is None
    return Holder(account.id, account.username, account.language, is_new, is_staff=home is None)


async def set_by_link(
    session: AsyncSession, token: str, password_hash: str, now: datetime
) -> Holder:
    """Set a password by a link, which is used up with all others of the account; refuse one that is over.

    The caller ends the log-ins of before.
    """
    found = await holder(session, token, now)
    await set_password(session, await session.get_one(Account, found.account_id), password_hash)
    await invitations.prove(session, found.account_id, now)
    return found


async def set_password(session: AsyncSession, account: Account, password_hash: str) -> None:
    """Set an account's password; links that were sent for it hold no longer."""
    account.password_hash = password_hash
    await tokens.forget(session, account.id, TokenPurpose.SET_PASSWORD)
    await session.flush()
