"""Log-ins to Webadmin: in memory alone, 12 hours at most, an hour without use."""

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from intercom.wall_clock import today

TOKEN_BYTES = 32
LIFETIME_S = 12 * 3600.0
IDLE_S = 3600.0
MAX_SESSIONS = 5_000
MAX_PER_ACCOUNT = 16


@dataclass(frozen=True, slots=True)
class AdminSession:
    """One browser that is logged in."""

    account_id: int
    password_mark: bytes
    """Of the password with which it began: a changed one ends it."""
    csrf: str
    device_id: str
    label: str
    created_on: date
    begun_at: float
    """Monotonic seconds."""


class AdminSessions:
    """All log-ins to Webadmin, least recently used first."""

    def __init__(
        self,
        clock: Callable[[], float],
        today: Callable[[], date] = today,
    ) -> None:
        self._clock = clock
        self._today = today
        self._sessions: OrderedDict[bytes, tuple[AdminSession, float]] = OrderedDict()
        """By the token's digest: the log-in, and when it was last used."""

    def create(self, account_id: int, password_hash: str, label: str) -> str:
        """Log a browser in; give the token for its cookie."""
        self._make_room(account_id)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        now = self._clock()
        session = AdminSession(
            account_id,
            password_mark(password_hash),
            csrf=secrets.token_urlsafe(TOKEN_BYTES),
            device_id=f"web-{secrets.token_hex(8)}",
            label=label,
            created_on=self._today(),
            begun_at=now,
        )
        self._sessions[_digest(token)] = (session, now)
        return token

    def find(self, token: str, *, is_use: bool = True) -> AdminSession | None:
        """Find the log-in behind a cookie and count this as a use of it, unless it is none."""
        key = _digest(token)
        entry = self._sessions.get(key)
        if entry is None:
            return None
        session, used_at = entry
        now = self._clock()
        if now - used_at > IDLE_S or now - session.begun_at > LIFETIME_S:
            del self._sessions[key]
            return None
        if is_use:
            self._sessions[key] = (session, now)
            self._sessions.move_to_end(key)
        return session

    def revoke(self, token: str) -> None:
        """End one log-in; unknown tokens are ignored."""
        self._sessions.pop(_digest(token), None)

    def of(self, account_id: int) -> list[AdminSession]:
        """List an account's log-ins, the last used first."""
        now = self._clock()
        return [
            session
            for session, used_at in reversed(self._sessions.values())
            if session.account_id == account_id
            and now - used_at <= IDLE_S
            and now - session.begun_at <= LIFETIME_S
        ]

    def end(self, account_id: int, device_id: str | None = None, *, but: str = "") -> None:
        """End an account's log-ins: one, or all but one."""
        for key, (session, _) in list(self._sessions.items()):
            if (
                session.account_id == account_id
                and device_id in (None, session.device_id)
                and session.device_id != but
            ):
                del self._sessions[key]

    def _make_room(self, account_id: int) -> None:
        own = [
            key for key, (session, _) in self._sessions.items() if session.account_id == account_id
        ]
        if len(own) >= MAX_PER_ACCOUNT:
            del self._sessions[own[0]]
        elif len(self._sessions) >= MAX_SESSIONS:
            self._sessions.popitem(last=False)


def password_mark(password_hash: str) -> bytes:
    """Give a mark by which a changed password is noticed."""
    return hashlib.sha256(password_hash.encode()).digest()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
