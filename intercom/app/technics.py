"""The state of panels, carriers and certificates as it is now, for Webadmin and its alerts."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from OpenSSL import crypto
from typing_extensions import override

from intercom.administration.alerts import AlertKind, Fault
from intercom.routing.directory import Panel
from intercom.routing.ids import PanelId
from intercom.settings import Settings
from intercom.web.admin.office import Live, PanelLive, TrunkLive

if TYPE_CHECKING:
    from intercom.app.build import Parts

ENDS_SOON = timedelta(days=14)
"""A certificate that should have been renewed by then."""
READ_EVERY = timedelta(hours=1)


class Technics(Live):
    """Panels by their link or their registration, trunks by what their carriers answer."""

    def __init__(self, parts: "Parts") -> None:
        self._parts = parts

    @override
    def panel(self, panel_id: str) -> PanelLive | None:
        """Tell a panel's state; None for one that is not in force, or never logs in."""
        panel = self._parts.directory().panels.get(PanelId(panel_id))
        if panel is None or panel.password is None:
            return None
        link = self._parts.panel_link.state_of(panel.panel_id)
        if link.is_online or not self._is_registered(panel):
            if not link.is_online and not panel.profile.registers:
                return None
            return PanelLive(
                is_online=link.is_online,
                since_s=link.since_s,
                firmware=link.firmware,
                cfg_is_current=None if link.screen is None else link.screen.is_current,
            )
        return PanelLive(is_online=True)

    @override
    def trunks(self) -> tuple[TrunkLive, ...]:
        """Tell every trunk's state, in the order in which they are tried."""
        states = self._parts.sip_side.trunks.are_usable()
        return tuple(TrunkLive(trunk_id, is_up) for trunk_id, is_up in states.items())

    def _is_registered(self, panel: Panel) -> bool:
        transport = self._parts.sip_side.transport
        return bool(transport.endpoint.bindings(panel.panel_id, transport.now))


class Certificates:
    """Knows which of our certificates end soon; the files are read once an hour."""

    def __init__(self, settings: Settings, now: Callable[[], datetime]) -> None:
        files = (settings.tls_certificate, settings.sip_tls_certificate)
        self._files = tuple(dict.fromkeys(each for each in files if each is not None))
        self._now = now
        self._faults: tuple[Fault, ...] = ()
        self._read_at: datetime | None = None

    def faults(self) -> Iterable[Fault]:
        """Tell which certificates have ended or are about to."""
        now = self._now()
        if self._read_at is None or now - self._read_at >= READ_EVERY:
            self._read_at = now
            self._faults = tuple(
                Fault(None, AlertKind.CERTIFICATE, file.name[:64])
                for file in self._files
                if not _holds_until(file, now + ENDS_SOON)
            )
        return self._faults


def _holds_until(file: Path, moment: datetime) -> bool:
    try:
        certificate = crypto.load_certificate(crypto.FILETYPE_PEM, file.read_bytes())
    except (OSError, crypto.Error):  # the next start would fail, so somebody must look
        return False
    return certificate.to_cryptography().not_valid_after_utc > moment
