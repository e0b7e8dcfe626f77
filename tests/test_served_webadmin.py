"""`intercom serve` with a database, as a process: mails leave, Webadmin is there, calls are logged where allowed."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from intercom.administration import invitations
from intercom.routing.directory import PropertyKind
from intercom.settings import Settings
from intercom.sip.address import Address
from intercom.sip.endpoint import Credentials
from intercom.sip.events import InviteProgressed, InviteReceived
from intercom.store.database import Database
from intercom.store.kinds import Role
from intercom.store.models import Account, Event, Grant, Property
from tests.adapters.sip_rig import HOST, Stranger, stranger, until
from tests.administration.house import PASSWORD, build_house
from tests.mail_server import Inbox, link_of, mail_server
from tests.store.databases import opened
from tests.test_database_service import TODAY, settings_of
from tests.web.admin.rig import Client, Rig, browsing

READY_S = 20.0
LONG_S = 12.0
OPERATOR, MADE_PASSWORD = "operator@example.org", "a very good password"


@contextlib.asynccontextmanager
async def serving_process(settings: Settings, mail_port: int) -> AsyncIterator[None]:
    """Run `intercom serve` until the context ends; its words are on our stderr."""
    names = ("caller_id", "database", "state_dir", "sip_port", "http_port", "rtp_port_first")
    names += ("rtp_port_last", "webrtc_port")
    given = {f"INTERCOM_{name.upper()}": str(getattr(settings, name)) for name in names}
    given |= {f"INTERCOM_{name}_HOST": HOST for name in ("SIP", "HTTP", "MEDIA")}
    given |= {
        "INTERCOM_PUBLIC_ADDRESS": HOST,
        "INTERCOM_WEB_ORIGIN": f"http://{HOST}:{settings.http_port}",
        "INTERCOM_MAIL_SERVER": f"{HOST}:{mail_port}",
        "INTERCOM_MAIL_SECURITY": "none",
        "INTERCOM_MAIL_FROM": "intercom@example.org",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "intercom", "serve"),
        env=os.environ | given,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(READY_S):
            ready = await process.stdout.readline()
        assert ready.startswith(b"Open Intercom is ready"), ready
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        async with asyncio.timeout(READY_S):
            assert await process.wait() == 0


async def invited_operator(database: Database) -> None:
    async with database.writing() as session:
        operator = Account(
            id=50, username="olga", name="Olga Op", email=OPERATOR, language="en", created_on=TODAY
        )
        session.add(operator)
        await session.flush()
        session.add(Grant(account_id=50, role=Role.OPERATOR))
        await invitations.invite(session, operator, datetime.now(UTC))


async def until_true(is_so) -> None:
    async with asyncio.timeout(LONG_S):
        while not await is_so():  # noqa: ASYNC110 - what another process does
            await asyncio.sleep(0.05)


def press(panel: Stranger, settings: Settings) -> None:
    host = f"{HOST}:{settings.sip_port}"
    panel.sip.endpoint.invite(
        panel.sip.now,
        target=f"sip:101@{host}",
        destination=Address(HOST, settings.sip_port),
        from_uri=f"sip:main@{host}",
        body=panel.offer,
        credentials=Credentials("main", PASSWORD),
    )
    panel.sip.flush()


@pytest.mark.timeout(60)
async def test_from_the_invitation_by_mail_to_a_property_and_a_line_in_the_event_log(
    sqlite_address: str, tmp_path: Path
):
    settings = settings_of(sqlite_address, tmp_path)
    async with opened(sqlite_address) as database, stranger() as carrier, mail_server() as post:
        at = carrier.address
        await build_house(
            database,
            kind=PropertyKind.COMMERCIAL,
            carrier=f"{at.host}:{at.port}",
            today=TODAY,
        )
        await invited_operator(database)
        async with serving_process(settings, post.server.port):
            rig = Rig(database, url=f"http://{HOST}:{settings.http_port}")
            async with browsing(rig) as client:
                await set_password(client, post.inbox, settings)
                await client.log_in("olga", MADE_PASSWORD)
                await make_property(client, database)
                await ring_once(carrier, settings)
                await until_true(lambda: is_logged(database))
                log = await client.get("/admin/p/house/log")
                alerts = await client.get("/admin/alerts")

    assert (log.status, alerts.status) == (200, 200)
    assert "Hansen" in log.text


async def set_password(client: Client, inbox: Inbox, settings: Settings) -> None:
    async def has_come() -> bool:
        return bool(inbox.of(OPERATOR))

    await until_true(has_come)
    links = [link_of(each) for each in inbox.of(OPERATOR)]
    origin = f"http://{HOST}:{settings.http_port}"
    assert links[0].startswith(f"{origin}/admin/password/"), links
    path = links[0].removeprefix(origin)
    shown = await client.get(path)
    assert shown.status == 200
    shown = await client.post(path, new_password=MADE_PASSWORD, password_again=MADE_PASSWORD)
    assert (shown.status, shown.faults) == (200, [])


async def make_property(client: Client, database: Database) -> None:
    form = {"name": "Bryggen", "address": "Bryggen 1", "language": "nb", "open_keys": "5"}
    form |= {"time_zone": "Europe/Oslo", "kind": "residential"}
    shown = await client.post("/admin/new", form)
    assert (shown.status, shown.faults) == (200, [])
    async with database.reading() as session:
        assert await session.scalar(select(Property.id).where(Property.name == "Bryggen"))


async def ring_once(carrier: Stranger, settings: Settings) -> None:
    async with stranger() as panel:
        press(panel, settings)
        await panel.hear(InviteProgressed)
        await until(lambda: carrier.all(InviteReceived))


async def is_logged(database: Database) -> bool:
    async with database.reading() as session:
        return bool(await session.scalar(select(func.count()).select_from(Event)))
