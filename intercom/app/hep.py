"""Whether, and where to, SIP messages are sent by HEP: never of a residential property (requirement A12)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import structlog

from intercom.adapters.sip.hep import HepSender
from intercom.adapters.sip.transport import SipTransport
from intercom.app.metrics import is_all_commercial
from intercom.building import Building
from intercom.errors import ConfigError
from intercom.routing.directory import Directory
from intercom.settings import Settings
from intercom.settings.kinds import host_and_port
from intercom.sip.capture import Captured

log = structlog.get_logger()

_WITHHELD = "INTERCOM_SIP_HEP sends nothing while a property is residential"


def with_hep_allowed(settings: Settings, building: Building) -> Building:
    """Give the building back; ConfigError where HEP is on and a property is residential."""
    if settings.sip_hep is not None and not is_all_commercial(building.directory):
        msg = (
            "INTERCOM_SIP_HEP is set, and the building has a residential property, of whose calls nothing"
            ' may be shared: leave INTERCOM_SIP_HEP out, or write kind = "commercial" where it is one.'
            " `intercom sip-trace` shows the same messages on this machine."
        )
        raise ConfigError(msg)
    return building


class Gate:
    """Open while every property is commercial; asked with each message, so it looks only when they changed."""

    def __init__(self, directory: Callable[[], Directory]) -> None:
        self._directory = directory
        self._looked_at: object = None
        self._is_open = False

    def is_open(self) -> bool:
        """Tell whether a message may leave."""
        directory = self._directory()
        if directory.properties is not self._looked_at:
            self._looked_at = directory.properties
            self._is_open = is_all_commercial(directory)
            if not self._is_open:
                log.warning("sip.hep_withheld", remedy=_WITHHELD)
        return self._is_open


@contextlib.asynccontextmanager
async def sending_hep(
    settings: Settings, transport: SipTransport, directory: Callable[[], Directory]
) -> AsyncIterator[HepSender | None]:
    """Send a copy of every message while the context lasts; nothing without the setting.

    Nothing either as long as a property is residential, which Webadmin may add at any time.
    """
    if settings.sip_hep is None:
        yield None
        return
    host, port = host_and_port(settings.sip_hep)
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port)
        sender = HepSender((str(found[0][4][0]), port), transport.endpoint.local_for)
    except OSError as error:
        msg = (
            f"INTERCOM_SIP_HEP {settings.sip_hep} cannot be reached ({error.strerror}):"
            " give a host:port that this machine can send to."
        )
        raise ConfigError(msg) from error
    gate = Gate(directory)

    def take(message: Captured) -> None:
        if gate.is_open():
            sender.take(message)

    stop = transport.capture.subscribe(take)
    try:
        yield sender
    finally:
        stop()
        sender.close()
