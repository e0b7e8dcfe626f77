"""What Webadmin's pages need of the service; filled in by the composition root."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from intercom.administration.number_checks import NumberChecks
from intercom.ports import RelayResult
from intercom.routing.directory import Directory
from intercom.routing.ids import DoorId, ResidentId
from intercom.store.database import Database
from intercom.web.sessions import LoginTable


@dataclass(frozen=True, slots=True)
class PanelLive:
    """What is known of a panel now."""

    is_online: bool
    since_s: float | None = None
    """For how long it has been so; None: not known."""
    firmware: str = ""
    """Of its last connection; empty: not known."""
    cfg_is_current: bool | None = None
    """Whether its screen shows what it should; None: it has no screen that we fill."""


@dataclass(frozen=True, slots=True)
class TrunkLive:
    """What is known of a carrier's trunk now."""

    trunk_id: str
    is_up: bool


class Live(Protocol):
    """The state of the technics as it is now."""

    def panel(self, panel_id: str) -> PanelLive | None:
        """Tell a panel's state; None: the service does not know the panel (yet)."""

    def trunks(self) -> tuple[TrunkLive, ...]:
        """Tell every trunk's state, in the order in which they are tried."""


class Wakeable(Protocol):
    """Something with work in the database."""

    def wake(self) -> None:
        """Look for work now."""

    def forgotten(self, name_or_email: str) -> None:
        """Mail a link for a new password to whoever this is, if anybody; later, whoever it is."""


@dataclass(frozen=True, slots=True)
class Office:
    """What every page may use; pages take what they need of it."""

    database: Database
    directory: Callable[[], Directory]
    """What is in force for calls; it follows the database by a moment."""
    live: Live
    relay_test: Callable[[DoorId, ResidentId], Awaitable[RelayResult]]
    """Pulse a door's relay for an account; raises KeyError for a door that is not in force (yet)."""
    logins: LoginTable
    outbox: Wakeable
    """Wake it after a mail was put into the database."""
    now: Callable[[], datetime]
    """Wall time, aware."""
    origin: str = ""
    """The service's own address for links, such as https://door.example."""
    sip_server: str = ""
    """Where panels log in by SIP, as host:port."""
    panel_key: str = ""
    """The public key by which our own panels know the service, as base64."""
    is_tls: bool = False
    checks: NumberChecks | None = None
    """Check calls of people's numbers; None where no telephone can be called."""
    backup_days: int = 90
    """For so long a backup remembers who was deleted."""
