"""Webadmin's pages on a real database, logged in: what the tests of log, privacy and alerts ask."""

import contextlib
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from aiohttp.test_utils import TestClient, TestServer

from intercom.routing.directory import Directory, PropertyKind
from intercom.store.database import Database
from intercom.store.kinds import Role
from intercom.store.models import Account, Event, Grant, Property
from intercom.store.new_log import new_log
from intercom.web.admin import alerts, log, privacy
from intercom.web.admin.faults import fault_pages
from intercom.web.admin.gate import Gate
from intercom.web.admin.office import Office
from intercom.web.server import FRONT, WebConfig, make_app
from intercom.web.sessions import LoginTable
from intercom.web.signaling import AppHub

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Nothing:
    """No panels, no trunks, no mails."""

    def panel(self, panel_id):
        return None

    def trunks(self):
        return ()

    def wake(self):
        pass


class Browser:
    """Somebody who is logged in."""

    def __init__(self, client: TestClient, cookies: dict[str, str], csrf: str) -> None:
        self.client, self.cookies, self.csrf = client, cookies, csrf

    async def get(self, path):
        response = await self.client.get(path, cookies=self.cookies, allow_redirects=False)
        return response.status, await response.text()

    async def post(self, path, **fields):
        origin = str(self.client.make_url("/")).rstrip("/")
        response = await self.client.post(
            path,
            data={"csrf": self.csrf, **fields},
            cookies=self.cookies,
            headers={"Origin": origin},
            allow_redirects=False,
        )
        return response.status, await response.text()


@contextlib.asynccontextmanager
async def opened_office(database: Database) -> AsyncIterator["OpenedOffice"]:
    office = Office(
        database=database,
        directory=Directory,
        live=Nothing(),
        relay_test=None,  # type: ignore[arg-type]  # no page here asks for it
        logins=LoginTable(clock=lambda: 0.0),
        outbox=Nothing(),
        now=lambda: NOW,
    )
    logins = LoginTable(clock=lambda: 0.0)
    app = make_app(
        WebConfig(is_tls=False),
        directory=Directory,
        logins=logins,
        hub=AppHub(directory=Directory, logins=logins),
        is_healthy=lambda: True,
        is_ready=lambda: True,
        clock=lambda: 0.0,
    )
    app.middlewares.append(fault_pages)
    gate = Gate(database, app[FRONT])
    for module in (log, privacy, alerts):
        for route in module.routes(office):
            gate.add(app, route)
    async with TestClient(TestServer(app)) as client:
        yield OpenedOffice(database, client, gate)


class OpenedOffice:
    def __init__(self, database: Database, client: TestClient, gate: Gate) -> None:
        self.database, self.client, self.gate = database, client, gate

    async def furnish(self) -> str:
        """Make a commercial "bank" and a residential "home"; give the id of the bank's log."""
        async with self.database.writing() as session:
            for name, kind in (
                ("bank", PropertyKind.COMMERCIAL),
                ("home", PropertyKind.RESIDENTIAL),
            ):
                session.add(
                    Property(
                        id=name,
                        name=name.capitalize(),
                        kind=kind,
                        address=f"{name.capitalize()} street 1",
                        created_on=NOW.date(),
                    )
                )
            await session.flush()
            made = new_log("bank")
            session.add(made)
        return made.id

    async def log_in(self, username: str, *grants: tuple[Role, str | None]) -> Browser:
        """Make an account, and log it in."""
        async with self.database.writing() as session:
            account = Account(
                username=username,
                name=username.capitalize(),
                language="en",
                password_hash="x",
                created_on=NOW.date(),
            )
            session.add(account)
            await session.flush()
            for role, place in grants:
                session.add(Grant(account_id=account.id, role=role, property_id=place))
        token = self.gate.sessions.create(account.id, "x", "test")
        found = self.gate.sessions.find(token)
        assert found is not None
        return Browser(self.client, {self.gate.cookie: token}, found.csrf)

    async def write(self, log_id: str, *events: dict[str, object]) -> None:
        """Write lines of a log as they would have been."""
        usual = {"log_id": log_id, "at": NOW, "call": "call-1", "what": "opened"}
        async with self.database.writing() as session:
            session.add_all(
                Event(**{"id": f"event-{n}", **usual, **each}) for n, each in enumerate(events)
            )


def text_of(page: str) -> str:
    """Give what a person reads of a page's main part."""
    main = page[page.index("<main") : page.index("</main>")]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main))
