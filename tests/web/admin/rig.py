"""Webadmin as a whole on a loopback port, over a real database; only panels and relays are of the test."""

import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache

import aiohttp
from argon2 import PasswordHasher

from intercom.administration.number_checks import NumberChecks
from intercom.ports import RelayOutcome, RelayResult
from intercom.routing.directory import Directory, PropertyKind
from intercom.routing.ids import DoorId, ResidentId
from intercom.store.database import Database
from intercom.store.kinds import Role
from intercom.store.models import Account, Grant
from intercom.web.admin.gate import Gate
from intercom.web.admin.office import Office, PanelLive, TrunkLive
from intercom.web.admin.site import add_admin
from intercom.web.server import FRONT, WebConfig, make_app, serving
from intercom.web.sessions import LoginTable
from intercom.web.signaling import AppHub

PASSWORD = "correct horse battery"
ORIGIN, SIP_SERVER, PANEL_KEY = "http://127.0.0.1", "127.0.0.1:5070", "S2V5IG9mIHRoZSByb3V0ZXI="
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')
_FAULT = re.compile(r'class="fault"[^>]*>.*?<span>(.*?)</span>', re.DOTALL)
_DONE = re.compile(r'class="say ok">.*?<span>(.*?)</span>', re.DOTALL)


@cache
def password_hash() -> str:
    """Hash the password of every account, once, and so that logging in costs a test nothing."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


@dataclass
class LiveTechnics:
    """What a test says of panels and trunks."""

    panels: dict[str, PanelLive] = field(default_factory=dict)
    lines: tuple[TrunkLive, ...] = ()

    def panel(self, panel_id: str) -> PanelLive | None:
        return self.panels.get(panel_id)

    def trunks(self) -> tuple[TrunkLive, ...]:
        return self.lines


@dataclass
class Outbox:
    """Counts how often it was woken; keeps who forgot a password."""

    woken: int = 0
    forgot: list[str] = field(default_factory=list)

    def wake(self) -> None:
        self.woken += 1

    def forgotten(self, name_or_email: str) -> None:
        self.forgot.append(name_or_email)


@dataclass
class Shown:
    """A page as a client got it."""

    status: int
    url: str
    text: str

    @property
    def faults(self) -> list[str]:
        """The words beside the fields."""
        return _FAULT.findall(self.text)

    @property
    def done(self) -> str:
        """The words that say what was done."""
        found = _DONE.search(self.text)
        return found[1] if found else ""


@dataclass
class Rig:
    """The running Webadmin, its database, and one browser."""

    database: Database
    live: LiveTechnics = field(default_factory=LiveTechnics)
    outbox: Outbox = field(default_factory=Outbox)
    logins: LoginTable = field(default_factory=lambda: LoginTable(clock=time.monotonic))
    """The apps'."""
    directory: Directory = field(default_factory=Directory)
    now: datetime = NOW
    url: str = ""
    relay: RelayResult = field(
        default_factory=lambda: RelayResult(RelayOutcome.OPENED, "", 3001, 212)
    )
    """What the next pulse comes to."""
    pulsed: list[str] = field(default_factory=list)

    async def relay_test(self, door_id: DoorId, _by: ResidentId) -> RelayResult:
        self.pulsed.append(door_id)
        return self.relay

    async def add_account(
        self,
        username: str = "kari",
        name: str = "Kari Nordmann",
        role: Role = Role.OPERATOR,
        *,
        property_id: str | None = None,
        unit_id: int | None = None,
        language: str = "nb",
    ) -> Account:
        """Make an account that can log in."""
        async with self.database.writing() as session:
            made = Account(
                username=username,
                name=name,
                language=language,
                email=f"{username}@example.no",
                password_hash=password_hash(),
                created_on=date(2026, 1, 1),
                devices={},
            )
            made.grants.append(Grant(role=role, property_id=property_id, unit_id=unit_id))
            session.add(made)
        return made

    async def add_property(
        self, name: str = "Storgata 14", kind: PropertyKind = PropertyKind.RESIDENTIAL
    ) -> str:
        """Make a property by its use case; give its id."""
        from intercom.administration.properties import PropertyFacts, make_property

        facts = PropertyFacts(name, name, "nb", "Europe/Oslo", "5")
        async with self.database.writing() as session:
            made = await make_property(session, facts, kind.value, self.now.date())
        return made.id


class Client:
    """A browser without scripts: it keeps cookies and sends forms with their hidden fields."""

    def __init__(self, rig: Rig, session: aiohttp.ClientSession) -> None:
        self._rig = rig
        self._session = session
        self._csrf = ""

    async def get(self, path: str, **headers: str) -> Shown:
        async with self._session.get(self._rig.url + path, headers=headers) as response:
            return self._shown(response.status, str(response.url), await response.text())

    async def post(self, path: str, fields: Mapping[str, str] | None = None, **more: str) -> Shown:
        """Send a form with the last page's csrf."""
        sent = {"csrf": self._csrf, **(fields or {}), **more}
        headers = {"Origin": self._rig.url}
        async with self._session.post(self._rig.url + path, data=sent, headers=headers) as response:
            return self._shown(response.status, str(response.url), await response.text())

    async def log_in(self, username: str = "kari", password: str = PASSWORD) -> Shown:
        await self.get("/admin/login")
        shown = await self.post("/admin/login", username=username, password=password)
        await self.get("/admin/new")
        return shown

    def _shown(self, status: int, url: str, text: str) -> Shown:
        found = _CSRF.search(text)
        if found is not None:
            self._csrf = found[1]
        return Shown(status, url.removeprefix(self._rig.url), text)


@asynccontextmanager
async def open_rig(
    database: Database,
    port: int = 0,
    checks: Callable[[Rig], NumberChecks] | None = None,
) -> AsyncIterator[Rig]:
    """Serve Webadmin over a database that has its tables; without `checks` no phone can be called."""
    rig = Rig(database)
    app = make_app(
        WebConfig(),
        directory=lambda: rig.directory,
        logins=rig.logins,
        hub=AppHub(directory=lambda: rig.directory, logins=rig.logins),
        is_healthy=lambda: True,
        is_ready=lambda: True,
        clock=time.monotonic,
    )
    office = Office(
        database=database,
        directory=lambda: rig.directory,
        live=rig.live,
        relay_test=rig.relay_test,
        logins=rig.logins,
        outbox=rig.outbox,
        now=lambda: rig.now,
        origin=ORIGIN,
        sip_server=SIP_SERVER,
        panel_key=PANEL_KEY,
        checks=checks(rig) if checks else None,
    )
    add_admin(app, office, Gate(database, app[FRONT]))
    async with serving(app, "127.0.0.1", port) as bound:
        rig.url = f"http://127.0.0.1:{bound}"
        yield rig


@asynccontextmanager
async def browsing(rig: Rig) -> AsyncIterator[Client]:
    """Open a browser without scripts."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        yield Client(rig, session)
