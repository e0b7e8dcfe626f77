"""Who gets in where: every route x every role x the own and another's property and unit, from the router itself.

The gate and its rules are the real ones over a real database; only what lies behind the gate is not run,
so that a page that deletes something may be asked by everybody.
"""

import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date

import aiohttp
import pytest
from aiohttp import web

from intercom.app import build, running, web_side
from intercom.routing.directory import PropertyKind, Resident
from intercom.routing.ids import ResidentId
from intercom.store.database import Database
from intercom.store.kinds import Role
from intercom.store.models import (
    Account,
    Door,
    Doorbell,
    Grant,
    Member,
    Panel,
    Property,
    Unit,
)
from intercom.web import frames
from intercom.web.admin.gate import Gate
from intercom.web.admin.office import Office
from intercom.web.admin.site import add_admin
from intercom.web.admin.visit import Visit
from intercom.web.frames import About
from intercom.web.rules import ANYBODY, RULES, Route, Rule, Who
from intercom.web.server import FRONT, WebConfig, make_app, serving
from intercom.web.sessions import LoginTable
from intercom.web.signaling import AppHub
from tests.adapters.test_app_legs import LEG, ringing_desk
from tests.fakes import BO, BO_APP
from tests.test_database_service import settings_of
from tests.web.admin.rig import LiveTechnics, Outbox

IN = 299
"""What stands behind the gate answers this."""
PROPERTY_ROLES = {Role.ADMINISTRATOR, Role.INSTALLER}
ROLES = (None, *Role)
"""None: nobody is logged in."""
_PART = re.compile(r"{(\w+)(?::[^}]*)?}")


@dataclass(frozen=True)
class Place:
    """Where a request goes: a property and things in it."""

    name: str
    parts: dict[str, str]


OWN = Place("own", {"property": "p1", "unit": "1", "account": "11", "door": "d1", "panel": "n1"})
OTHER = Place(
    "other", {"property": "p2", "unit": "2", "account": "12", "door": "d2", "panel": "n2"}
)
MIXED = Place(
    "mixed", {"property": "p1", "unit": "2", "account": "12", "door": "d2", "panel": "n2"}
)
"""The own property's address, with another one's things in it."""


class ProbeGate(Gate):
    """The real gate; behind it is only that somebody got in."""

    def add(self, app: web.Application, route: Route) -> None:
        super().add(app, replace(route, handler=_got_in))


async def _got_in(visit: Visit) -> web.Response:
    return web.Response(status=IN)


@dataclass
class Site:
    app: web.Application
    gate: Gate
    logins: LoginTable
    url: str = ""
    tokens: dict[Role, tuple[str, str]] = field(default_factory=dict)
    """By role: Webadmin's and the app's cookie."""
    csrf: dict[Role, str] = field(default_factory=dict)

    def routes(self) -> Iterator[tuple[str, str]]:
        for route in self.app.router.routes():
            assert route.resource is not None
            yield route.method, route.resource.canonical


@asynccontextmanager
async def open_site(database: Database) -> AsyncIterator[Site]:
    """Serve all pages over two properties; there is one account of each role in the first."""
    await _build(database)
    logins = LoginTable(clock=time.monotonic)
    app = make_app(
        WebConfig(),
        directory=lambda: pytest.fail("no page behind the gate is run"),
        logins=logins,
        hub=AppHub(directory=lambda: pytest.fail("nor is the hub"), logins=logins),
        is_healthy=lambda: True,
        is_ready=lambda: True,
        clock=time.monotonic,
    )
    gate = ProbeGate(database, app[FRONT])
    office = Office(
        database=database,
        directory=lambda: pytest.fail("not run"),
        live=LiveTechnics(),
        relay_test=lambda _, __: pytest.fail("not run"),
        logins=logins,
        outbox=Outbox(),
        now=lambda: pytest.fail("not run"),
    )
    add_admin(app, office, gate)
    site = Site(app, gate, logins)
    for number, role in enumerate(Role):
        admin = gate.sessions.create(100 + number, "hash", "")
        login = logins.create(Resident(ResidentId(role.value), role.value, "hash"))
        site.tokens[role] = (admin, login)
        found = gate.sessions.find(admin)
        assert found is not None
        site.csrf[role] = found.csrf
    async with serving(app, "127.0.0.1", 0) as port:
        site.url = f"http://127.0.0.1:{port}"
        yield site


async def _build(database: Database) -> None:
    today = date(2026, 1, 1)
    async with database.writing() as session:
        for number, kind in ((1, PropertyKind.RESIDENTIAL), (2, PropertyKind.COMMERCIAL)):
            place = f"p{number}"
            session.add(
                Property(id=place, name=place, kind=kind, address="x", prompts={}, created_on=today)
            )
            await session.flush()
            session.add(Door(id=f"d{number}", property_id=place, name="door", document={}))
            session.add(Unit(id=number, property_id=place, label="H1"))
            session.add(
                Account(
                    id=10 + number, username=f"a{number}", name="x", devices={}, created_on=today
                )
            )
            await session.flush()
            session.add(
                Panel(id=f"n{number}", property_id=place, door_id=f"d{number}", document={})
            )
            session.add(Grant(account_id=10 + number, role=Role.RESIDENT, unit_id=number))
            bell = Doorbell(id=f"b{number}", property_id=place, unit_id=number, name="x")
            session.add(bell)
            await session.flush()
            session.add(Member(doorbell_id=bell.id, account_id=10 + number, position=0))
        for number, role in enumerate(Role):
            account = Account(
                id=100 + number,
                username=role.value,
                name=role.value,
                password_hash="hash",
                devices={},
                created_on=today,
            )
            in_property = role in PROPERTY_ROLES
            account.grants.append(
                Grant(
                    role=role,
                    property_id="p1" if in_property else None,
                    unit_id=None if in_property or role is Role.OPERATOR else 1,
                )
            )
            session.add(account)


def expected(rule: Rule, role: Role | None, place: Place, path: str) -> bool:
    """Say by the table of roles, not by the gate's own code, whether somebody may."""
    if rule.who is Who.ANYBODY or role is None:
        return rule.who is Who.ANYBODY
    is_scoped = "{property}" in path
    if place is MIXED and any(
        "{" + each + "}" in path for each in MIXED.parts if each != "property"
    ):
        return False
    if rule.who is Who.APP or not rule.roles or role is Role.OPERATOR:
        return True
    if role in PROPERTY_ROLES:
        return role in rule.roles and is_scoped and place is not OTHER
    return role in rule.roles and "{unit}" in path and place is OWN


def _filled(path: str, place: Place) -> str:
    return _PART.sub(lambda part: place.parts.get(part[1], "1"), path)


@pytest.mark.timeout(120)
async def test_every_page_lets_in_exactly_those_whom_its_rule_names(sqlite_database):
    wrong: list[str] = []
    asked = 0
    async with open_site(sqlite_database) as site, aiohttp.ClientSession() as client:
        for method, path in site.routes():
            rule = site.app[RULES][(method, path)]
            if not path.startswith("/admin") and not _is_gated(path):
                continue
            if path.startswith("/admin/static") or method == "HEAD":  # as GET, by the same handler
                continue
            places = (OWN, OTHER, MIXED) if "{property}" in path else (OWN,)
            for role in ROLES:
                for place in places:
                    status = await _ask(client, site, method, _filled(path, place), role)
                    asked += 1
                    if (status == IN) != expected(rule, role, place, path):
                        who = role.value if role else "nobody"
                        wrong.append(f"{method} {path} by {who} at {place.name}: {status}")
    assert wrong == []
    assert asked > 500


@pytest.mark.timeout(60)
async def test_no_form_is_taken_without_our_own_page_behind_it(sqlite_database):
    async with open_site(sqlite_database) as site, aiohttp.ClientSession() as client:
        for method, path in site.routes():
            rule = site.app[RULES][(method, path)]
            if rule.who is not Who.ACCOUNT or method in {"GET", "HEAD"}:
                continue
            for headers, csrf in (
                ({}, "right"),
                ({"Origin": "https://evil.example"}, "right"),
                ({"Origin": "null"}, "right"),
                ({"Origin": site.url}, "wrong"),
                ({"Origin": site.url}, ""),
            ):
                sent = site.csrf[Role.OPERATOR] if csrf == "right" else csrf
                status = await _ask(
                    client,
                    site,
                    method,
                    _filled(path, OWN),
                    Role.OPERATOR,
                    headers=headers,
                    csrf=sent,
                )
                assert status in {403, 409}, f"{method} {path} with {headers} and {csrf}: {status}"


async def test_every_route_has_a_rule_and_what_is_of_a_property_is_for_roles(sqlite_database):
    async with open_site(sqlite_database) as site:
        for method, path in site.routes():
            rule = site.app[RULES].get((method, path))
            assert rule is not None, f"{method} {path} has no rule"
            if "{property}" in path:
                assert rule.who is Who.ACCOUNT, path
                assert rule.roles, path
            if rule == ANYBODY and path.startswith("/admin"):
                assert path.split("/")[2] in {"login", "forgot", "password", "confirm", "static"}
            if re.search(r"/(people|units|log|import|team)\b", path):
                assert Role.INSTALLER not in rule.roles or "activation" in path, path


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "text", ["1e3", "-1", "0x1", "\uff19", "99999999999999999999", "1%2F..", "%00"]
)
async def test_a_number_that_is_none_is_not_there(sqlite_database, method, text):
    async with open_site(sqlite_database) as site, aiohttp.ClientSession() as client:
        status = await _ask(client, site, method, f"/admin/p/p1/units/{text}", Role.OPERATOR)
        assert status in {404, 405}


async def test_the_running_service_has_no_route_without_a_rule(
    sqlite_address, monkeypatch, tmp_path
):
    sites: list[web.Application] = []
    real = web_side.make_site

    def noted(*arguments: object) -> web.Application:
        sites.append(real(*arguments))
        return sites[-1]

    monkeypatch.setattr(build, "make_site", noted)
    async with running(settings_of(sqlite_address, tmp_path)):
        (site,) = sites
        for route in site.router.routes():
            assert route.resource is not None
            assert (route.method, route.resource.canonical) in site[RULES]
        assert ("GET", "/panel-link") in site[RULES]
        assert ("GET", "/admin") in site[RULES]


@pytest.mark.parametrize("frame_type", sorted(frames.RULES))
@pytest.mark.parametrize("who", ["another app of the house", "the same app, of another person"])
async def test_no_frame_reaches_a_call_that_did_not_ring_its_sender(frame_type, who):
    rule = frames.RULES[frame_type]
    if rule.about is not About.CALL:
        pytest.skip("not about a call: it is answered by the connection, or asked of the rights")
    async with ringing_desk() as desk:
        fields = {name: next(iter(rule.choices.get(name, {"x"}))) for name in rule.limits}
        fields["call"] = desk.token
        device = (
            BO_APP.device_id if who.startswith("another") else desk.legs._legs[LEG].target.device_id
        )

        desk.legs.message(BO, device, {"type": frame_type, **fields})

        assert desk.posted.events == []
        assert desk.legs._legs[LEG].state.name == "RINGING"


def _is_gated(path: str) -> bool:
    return path.startswith(("/api/setup", "/api/logins"))


async def _ask(
    client: aiohttp.ClientSession,
    site: Site,
    method: str,
    path: str,
    role: Role | None,
    *,
    headers: dict[str, str] | None = None,
    csrf: str | None = None,
) -> int:
    cookies = {}
    if role is not None:
        cookies = {"admin": site.tokens[role][0], "login": site.tokens[role][1]}
        csrf = site.csrf[role] if csrf is None else csrf
    is_form = method not in {"GET", "HEAD"}
    async with client.request(
        method,
        site.url + path,
        cookies=cookies,
        headers={"Origin": site.url} if headers is None else headers,
        data={"csrf": csrf or ""} if is_form else None,
        allow_redirects=False,
    ) as response:
        return response.status
