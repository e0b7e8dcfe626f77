"""Residents' passwords: argon2id, verified off the event loop, the same way for unknown users."""

import asyncio
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MAX_PASSWORD_CHARACTERS = 512
_hasher = PasswordHasher()  # argon2-cffi's defaults: RFC 9106 §4, second recommended option


def hash_password(password: str) -> str:
    """Hash a password for the directory, in PHC format."""
    return _hasher.hash(password)


def is_password(password_hash: str, password: str) -> bool:
    """Verify a password; takes some 50 ms of a core."""
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys_hash() -> str:
    return _hasher.hash("nobody has this password")


def is_nobodys_password(password: str) -> bool:
    """Take as long as `is_password` and say no: for users that do not exist."""
    is_password(_nobodys_hash(), password)
    return False


class PasswordVerifier:
    """Verifies a few passwords at a time; more wait, and too many are turned away."""

    def __init__(self, *, max_at_once: int = 2, max_waiting: int = 32) -> None:
        _nobodys_hash()  # made now, so that the first unknown user takes no longer than the next
        self._slots = asyncio.Semaphore(max_at_once)
        self._room = max_at_once + max_waiting

    @property
    def is_full(self) -> bool:
        """Whether as many wait as may."""
        return self._room <= 0

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Verify against a hash, or against nobody's when there is none."""
        self._room -= 1
        try:
            async with self._slots:
                if password_hash is None:
                    return await asyncio.to_thread(is_nobodys_password, password)
                return await asyncio.to_thread(is_password, password_hash, password)
        finally:
            self._room += 1
