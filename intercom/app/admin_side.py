"""Webadmin and what works for it beside the calls: mails, alerts, retention."""

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from intercom.adapters.mail import MailError, MailFault, MailServer, Security
from intercom.administration.alerts import Alarm, AlertKind, Fault
from intercom.administration.event_log import keep_retention
from intercom.administration.number_checks import NumberChecks
from intercom.administration.outbox import Outbox
from intercom.administration.roster_undo import forget_old
from intercom.app.store_side import StoreSide
from intercom.app.technics import Certificates, Technics
from intercom.errors import StoreDownError
from intercom.ports import RelayResult
from intercom.routing.ids import DoorId, ResidentId
from intercom.settings import Settings
from intercom.settings.addresses import advertised_address
from intercom.settings.kinds import host_and_port
from intercom.sip.address import bracketed
from intercom.wall_clock import now, today
from intercom.web.admin.alerts import alert_line
from intercom.web.admin.gate import Gate
from intercom.web.admin.office import Office
from intercom.web.admin.site import add_admin
from intercom.web.server import FRONT

if TYPE_CHECKING:
    from intercom.app.build import Parts

log = structlog.get_logger()

FORGET_IMPORTS_S = 3600.0


class AdminSide:
    """Everything of a service with a database that no call needs."""

    def __init__(self, parts: "Parts", kept: StoreSide) -> None:
        settings = parts.settings
        self._parts = parts
        self._kept = kept
        self._origin = origin_of(settings)
        self._mail_fault: MailError | None = None
        self._certificates = Certificates(settings, now)
        self.technics = Technics(parts)
        self.outbox = Outbox(
            kept.database,
            mail_server_of(settings),
            origin=self._origin,
            now=now,
            alert_line=alert_line,
        )
        self.outbox.on_state = self._mail_state
        self._checks = NumberChecks(
            kept.database,
            check=parts.sip_side.check_calls.check,
            spawn=parts.spawn,
            directory=parts.directory,
            today=today,
            policy=settings.dial_policy,
            clock=asyncio.get_running_loop().time,
        )
        self._alarm = Alarm(
            kept.database,
            self.technics,
            directory=parts.directory,
            now=now,
            others=self._other_faults,
        )

    def add_to(self, site: web.Application) -> None:
        """Add Webadmin to the app's server."""
        settings = self._parts.settings
        office = Office(
            database=self._kept.database,
            directory=self._parts.directory,
            live=self.technics,
            relay_test=self._relay_test,
            logins=self._parts.logins,
            outbox=self.outbox,
            now=now,
            origin=self._origin,
            sip_server=f"{bracketed(advertised_address(settings))}:{settings.sip_port}",
            panel_key=self._parts.panel_link.public_key,
            is_tls=site[FRONT].config.is_tls,
            checks=self._checks,
            backup_days=settings.backup_days,
        )
        add_admin(site, office, Gate(self._kept.database, site[FRONT]))

    def chores(self) -> Iterator[tuple[str, Coroutine[None, None, None]]]:
        """Give what runs beside the calls, each with its name."""
        yield "mails sent", self.outbox.keep()
        yield "alerts raised", self._alarm.keep()
        yield "old events forgotten", keep_retention(self._kept.database, now)
        yield "old imports forgotten", self._forget_imports()

    async def _forget_imports(self) -> None:
        """Delete, once an hour, what old imports are taken back with: it names people."""
        while True:
            try:
                async with self._kept.database.writing() as session:
                    await forget_old(session, now())
            except StoreDownError:
                log.warning("imports.not_forgotten", remedy="the database is down; tried again")
            await asyncio.sleep(FORGET_IMPORTS_S)

    async def _relay_test(self, door_id: DoorId, by: ResidentId) -> RelayResult:
        return await self._parts.switchboard.relay_test(door_id, by)

    def _mail_state(self, fault: MailError | None) -> None:
        self._mail_fault = fault

    def _other_faults(self) -> Iterable[Fault]:
        yield from self._certificates.faults()
        if self._mail_fault is not None and self._mail_fault.fault is not MailFault.NO_SERVER:
            yield Fault(None, AlertKind.MAIL_SERVER)
        if self._kept.events.lost:
            yield Fault(None, AlertKind.EVENTS_LOST)


def mail_server_of(settings: Settings) -> MailServer | None:
    """Give the mail server of the settings; None: no mail is sent."""
    if settings.mail_server is None or settings.mail_from is None:
        return None
    host, port = host_and_port(settings.mail_server)
    password = settings.mail_password
    return MailServer(
        host=host,
        port=port,
        sender=settings.mail_from,
        security=Security(settings.mail_security.value),
        username=settings.mail_username,
        password=None if password is None else password.get_secret_value(),
    )


def origin_of(settings: Settings) -> str:
    """Give the address that links begin with."""
    if settings.web_origin is not None:
        return settings.web_origin
    scheme = "https" if settings.has_tls else "http"
    return f"{scheme}://{bracketed(advertised_address(settings))}:{settings.http_port}"
