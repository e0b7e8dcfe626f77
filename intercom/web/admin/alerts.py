"""Alerts of a property and of the service: what is wrong now, what was, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import partial
from zoneinfo import ZoneInfo

from aiohttp import web
from babel.dates import format_datetime, format_timedelta

from intercom.administration import alerts
from intercom.administration.alerts import AlertKind
from intercom.administration.panels import panels_of
from intercom.administration.places import property_at
from intercom.store.models import Alert
from intercom.texts import words
from intercom.web.admin.log import LOCALES
from intercom.web.admin.office import Office
from intercom.web.admin.page import page
from intercom.web.admin.visit import Visit
from intercom.web.rules import OPERATORS, TECHNICIANS, Route

SERVICE_ZONE = ZoneInfo("Europe/Oslo")
_ICONS = {
    AlertKind.PANEL_OFFLINE: "wifi-off",
    AlertKind.TRUNK_DOWN: "phone-off",
    AlertKind.MAIL_FAILED: "mail-x",
    AlertKind.MAIL_SERVER: "mail-x",
    AlertKind.NUMBERS_DUE: "phone-off",
    AlertKind.CERTIFICATE: "lock",
    AlertKind.EVENTS_LOST: "scroll-text",
}


def routes(office: Office) -> list[Route]:
    """List the pages of alerts."""
    return [
        Route("GET", "/admin/p/{property}/alerts", partial(_list, office), TECHNICIANS),
        Route("GET", "/admin/alerts", partial(_list, office), OPERATORS),
    ]


@dataclass(frozen=True, slots=True)
class ShownAlert:
    """An alert as it is read."""

    icon: str
    title: str
    todo: str
    raised: str
    lasted: str
    """For how long it was, or has been."""


async def _list(office: Office, visit: Visit) -> web.Response:
    async with office.database.reading() as session:
        zone: tzinfo = SERVICE_ZONE
        names: dict[str, str] = {}
        if visit.property_id is not None:
            zone = ZoneInfo((await property_at(session, visit.property_id)).time_zone)
            panels = await panels_of(session, visit.property_id)
            names = {panel.id: door.name for panel, door in panels}
        standing = await alerts.standing_in(session, visit.property_id)
        cleared = await alerts.cleared_in(session, visit.property_id)
    now = office.now()
    return await page(
        office,
        visit,
        "alerts.html",
        standing=[_shown(each, names, visit.language, zone, now) for each in standing],
        cleared=[_shown(each, names, visit.language, zone, now) for each in cleared],
    )


def alert_line(language: str, alert: Alert) -> str:
    """Say an alert in one line, for a mail."""
    todo = words(language, f"privacy.alert.{alert.kind}.todo")
    return f"{_title(language, alert, alert.subject)}. {todo}"


def _shown(
    alert: Alert, names: Mapping[str, str], language: str, zone: tzinfo, now: datetime
) -> ShownAlert:
    locale = LOCALES[language]
    lasted = (alert.cleared_at or now) - alert.raised_at
    return ShownAlert(
        icon=_ICONS[AlertKind(alert.kind)],
        title=_title(language, alert, names.get(alert.subject, alert.subject)),
        todo=words(language, f"privacy.alert.{alert.kind}.todo"),
        raised=format_datetime(alert.raised_at, "medium", zone, locale),
        lasted=format_timedelta(lasted, threshold=1.5, locale=locale),
    )


def _title(language: str, alert: Alert, subject: str) -> str:
    count = int(alert.subject) if alert.kind == AlertKind.NUMBERS_DUE.value else None
    return words(language, f"privacy.alert.{alert.kind}.title", subject=subject, count=count)
