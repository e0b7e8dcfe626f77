"""Webadmin as a whole: its files and the routes of its page modules."""

from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler

from intercom.web import household, rules
from intercom.web.admin import (
    alerts,
    door_rights,
    doorbells,
    doors,
    entry,
    handovers,
    imports,
    log,
    mail_links,
    me,
    panels,
    people,
    privacy,
    properties,
    property_settings,
    team,
    units,
)
from intercom.web.admin.faults import fault_pages
from intercom.web.admin.gate import Gate
from intercom.web.admin.office import Office
from intercom.web.admin.page import STATIC, prepare_templates
from intercom.web.assets import IMMUTABLE, Assets
from intercom.web.rules import Route

PAGES: tuple[Callable[[Office], list[Route]], ...] = (
    properties.routes,
    property_settings.routes,
    doors.routes,
    panels.routes,
    log.routes,
    units.routes,
    people.routes,
    doorbells.routes,
    door_rights.routes,
    handovers.routes,
    imports.routes,
    privacy.routes,
    alerts.routes,
)
"""Every module with pages."""
ACCOUNTS: tuple[Callable[[Office, Gate], list[Route]], ...] = (
    entry.routes,
    mail_links.routes,
    me.routes,
    team.routes,
    household.routes,
)
"""The modules that log people in and out."""


def add_admin(app: web.Application, office: Office, gate: Gate) -> None:
    """Add Webadmin to the service's web application; before it serves."""
    prepare_templates()
    app.middlewares.append(fault_pages)
    rules.add(app, "GET", "/admin/static/{path:.+}", _files(), rules.ANYBODY)
    for routes_of_accounts in ACCOUNTS:
        for route in routes_of_accounts(office, gate):
            gate.add(app, route)
    for routes in PAGES:
        for route in routes(office):
            gate.add(app, route)


def _files() -> Handler:
    assets = Assets(STATIC)

    async def serve(request: web.Request) -> web.StreamResponse:
        response = await assets.serve(request)
        if "v" in request.query:  # the address changes with the file
            response.headers["Cache-Control"] = IMMUTABLE
        return response

    return serve
