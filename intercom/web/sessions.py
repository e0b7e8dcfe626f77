"""Log-ins of apps: who may open the WebSocket.

`login_file` keeps them over a restart of the service, so that nobody misses a ring after one.
"""

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import date

from intercom.routing.directory import Directory, Resident
from intercom.routing.ids import DeviceId, ResidentId
from intercom.wall_clock import today

TOKEN_BYTES = 32  # 256 bits: beyond guessing, so the stored digest needs no salt
IDLE_LIFETIME_S = 30 * 24 * 3600.0
MAX_LOGINS = 20_000
MAX_LOGINS_PER_RESIDENT = 16


@dataclass(frozen=True, slots=True)
class Login:
    """One device that a resident logged in with."""

    resident_id: ResidentId
    device_id: DeviceId
    password_mark: bytes
    """Digest of the password hash at log-in: a changed password ends the log-in."""
    label: str = ""
    """Such as "Firefox, Linux", for the list of one's log-ins; empty: not known."""
    created_on: date | None = None
    """None: before it was written down."""


class LoginTable:
    """All live log-ins, least recently used first; the oldest goes when the table is full."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        idle_lifetime_s: float = IDLE_LIFETIME_S,
        max_logins: int = MAX_LOGINS,
        max_per_resident: int = MAX_LOGINS_PER_RESIDENT,
        today: Callable[[], date] = today,
    ) -> None:
        self._clock = clock
        self._today = today
        self._idle_lifetime_s = idle_lifetime_s
        self._max_logins = max_logins
        self._max_per_resident = max_per_resident
        self._logins: OrderedDict[bytes, tuple[Login, float]] = OrderedDict()
        """By the token's digest: the log-in and when it was last used."""
        self.on_dropped: Callable[[Login], None] = lambda _: None
        """Called once for each log-in that ended, whatever the reason."""
        self.on_changed: Callable[[], None] = lambda: None
        """Called when a log-in came or went."""

    def __len__(self) -> int:
        return len(self._logins)

    def create(self, resident: Resident, label: str = "") -> str:
        """Log a resident's device in and return the token for its cookie."""
        self._make_room(resident.resident_id)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        login = Login(
            resident.resident_id,
            DeviceId(f"app-{secrets.token_hex(8)}"),
            _password_mark(resident),
            label,
            self._today(),
        )
        self._logins[_digest(token)] = (login, self._clock())
        self.on_changed()
        return token

    def export(self) -> list[tuple[bytes, Login]]:
        """Give every log-in with its token's digest, least recently used first."""
        return [(key, login) for key, (login, _) in self._logins.items()]

    def restore(self, entries: Iterable[tuple[bytes, Login]]) -> None:
        """Take over what `export` gave before a restart; each counts as used now."""
        now = self._clock()
        for key, login in entries:
            self._logins[key] = (login, now)

    def find(self, token: str) -> Login | None:
        """Find the log-in behind a cookie and count this as a use of it."""
        key = _digest(token)
        entry = self._logins.get(key)
        if entry is None:
            return None
        login, used_at = entry
        now = self._clock()
        if now - used_at > self._idle_lifetime_s:
            self._drop(key)
            return None
        self._logins[key] = (login, now)
        self._logins.move_to_end(key)
        return login

    def revoke(self, token: str) -> None:
        """End one log-in; unknown tokens are ignored."""
        self._drop(_digest(token))

    def of(self, resident_id: str) -> list[Login]:
        """List a resident's log-ins, the last used first."""
        now = self._clock()
        return [
            login
            for login, used_at in reversed(self._logins.values())
            if login.resident_id == resident_id and now - used_at <= self._idle_lifetime_s
        ]

    def end(self, resident_id: str, device_id: str | None = None, *, but: str = "") -> None:
        """End a resident's log-ins: one device's, or all but one's."""
        for key, (login, _) in list(self._logins.items()):
            if (
                login.resident_id == resident_id
                and device_id in (None, login.device_id)
                and login.device_id != but
            ):
                self._drop(key)

    def directory_changed(
        self, directory: Directory, residents: Collection[ResidentId] | None = None
    ) -> None:
        """End the log-ins of residents that are gone, or whose password or right changed.

        Only those of some residents are looked at where `residents` names them.
        """
        if residents is not None and not residents:
            return
        for key, (login, _) in list(self._logins.items()):
            if residents is not None and login.resident_id not in residents:
                continue
            resident = directory.residents.get(login.resident_id)
            if (
                resident is None
                or not resident.has_app
                or _password_mark(resident) != login.password_mark
            ):
                self._drop(key)

    def _make_room(self, resident_id: ResidentId) -> None:
        now = self._clock()
        for key, (_, used_at) in list(self._logins.items()):
            if now - used_at <= self._idle_lifetime_s:
                break
            self._drop(key)
        own = [key for key, (login, _) in self._logins.items() if login.resident_id == resident_id]
        if len(own) >= self._max_per_resident:
            self._drop(own[0])
        elif len(self._logins) >= self._max_logins:
            self._drop(next(iter(self._logins)))

    def _drop(self, key: bytes) -> None:
        entry = self._logins.pop(key, None)
        if entry is not None:
            self.on_dropped(entry[0])
            self.on_changed()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _password_mark(resident: Resident) -> bytes:
    return hashlib.sha256(resident.password_hash.encode()).digest()
