"""Who may use a route: every route of the service has a rule, and a test goes through them all.

A Webadmin page is a `Route`; its handler takes a `Visit`, and `web.admin.gate` lets nobody through whom
the rule does not. Parts of a path have fixed names: {property}, {unit}, {account}, {door}, {panel} and
{doorbell}; the gate also checks that they belong together, so that a handler cannot forget it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

from aiohttp import web
from aiohttp.typedefs import Handler

from intercom.store.kinds import Role
from intercom.web.admin.visit import Visit

MAX_FORM_BYTES = 64 * 1024


class Who(Enum):
    """By what a visitor of a route is known."""

    ANYBODY = "anybody"
    """Nobody is asked: log-in pages, files, links from a mail (they carry their own secret)."""
    ACCOUNT = "account"
    """Whoever is logged in to Webadmin; where the rule names roles, with one of them at the place."""
    APP = "app"
    """A resident's app, by its own log-in."""
    PANEL = "panel"
    """A door panel, which proves itself by its password in the connection."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may use a route."""

    who: Who
    roles: frozenset[Role] = frozenset()
    """One of these, at the property or unit in the path; an operator has all. None: any account."""


ANYBODY = Rule(Who.ANYBODY)
ANY_ACCOUNT = Rule(Who.ACCOUNT)
APP = Rule(Who.APP)
PANEL = Rule(Who.PANEL)
OPERATORS = Rule(Who.ACCOUNT, frozenset({Role.OPERATOR}))
ADMINISTRATORS = Rule(Who.ACCOUNT, frozenset({Role.ADMINISTRATOR}))
"""Of the property in the path: people, units, doorbells, log."""
TECHNICIANS = Rule(Who.ACCOUNT, frozenset({Role.ADMINISTRATOR, Role.INSTALLER}))
"""Of the property in the path: doors, panels; nothing about people."""

PageHandler = Callable[[Visit], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """A page or a form's target."""

    method: str
    path: str
    handler: PageHandler
    rule: Rule
    max_bytes: int = MAX_FORM_BYTES
    """Of a POST's body; more only where a file is sent."""


RULES: web.AppKey[dict[tuple[str, str], Rule]] = web.AppKey("rules", dict)
"""By method and path (canonical, as aiohttp gives it); what is missing there has no rule."""


def add(app: web.Application, method: str, path: str, handler: Handler, rule: Rule) -> None:
    """Add a route whose handler checks its rule by itself; Webadmin's go through `Gate.add`."""
    if method == "GET":
        route = app.router.add_get(path, handler)  # HEAD with it
    else:
        route = app.router.add_route(method, path, handler)
    note(app, method, route.resource.canonical if route.resource else path, rule)


def note(app: web.Application, method: str, path: str, rule: Rule) -> None:
    """Note the rule of a route that another module adds to the router."""
    if RULES not in app:
        app[RULES] = {}
    app[RULES][(method, path)] = rule
    if method == "GET":
        app[RULES][("HEAD", path)] = rule
