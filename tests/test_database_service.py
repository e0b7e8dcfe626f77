"""The service with a database as its building: calls, changes that are followed, and no database at all."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from sqlalchemy import delete

from intercom.app import Service, running
from intercom.errors import ConfigError
from intercom.ports import RelayOutcome
from intercom.settings import Settings
from intercom.sip.address import Address
from intercom.sip.endpoint import Credentials
from intercom.sip.events import InviteFailed, InviteProgressed, InviteReceived
from intercom.store.database import Database, touch
from intercom.store.models import Button, Door, Doorbell, Property, Revision
from tests.adapters.sip_rig import HOST, Stranger, free_port, stranger, until
from tests.administration.house import CALLER_ID, PASSWORD, build_house
from tests.ports import loopback_settings
from tests.store.databases import opened
from tests.store.postgres import is_installed, running_postgres

IN_FORCE_S = 2.0
TODAY = datetime.now(UTC).date()


def settings_of(address: str, folder: Path) -> Settings:
    return Settings(
        caller_id=CALLER_ID,
        database=address,
        state_dir=folder / "state",
        **loopback_settings(),
    )


@contextlib.asynccontextmanager
async def house_served(
    address: str, folder: Path
) -> AsyncIterator[tuple[Service, Stranger, Database]]:
    """Run the service on a house; the database is another connection's, as another process has it."""
    async with stranger() as carrier, opened(address) as database:
        at = carrier.address
        await build_house(database, carrier=f"{at.host}:{at.port}", today=TODAY)
        async with running(settings_of(address, folder)) as service:
            yield service, carrier, database


def press(panel: Stranger, service: Service, button: str = "101") -> None:
    host = f"{HOST}:{service.settings.sip_port}"
    panel.sip.endpoint.invite(
        panel.sip.now,
        target=f"sip:{button}@{host}",
        destination=Address(HOST, service.settings.sip_port),
        from_uri=f"sip:main@{host}",
        body=panel.offer,
        credentials=Credentials("main", PASSWORD),
    )
    panel.sip.flush()


async def assert_a_press_rings(service: Service, carrier: Stranger) -> None:
    heard = len(carrier.all(InviteReceived))
    async with stranger() as panel:
        press(panel, service)
        await panel.hear(InviteProgressed)
        await until(lambda: len(carrier.all(InviteReceived)) > heard)


async def until_within(limit_s: float, is_so) -> float:
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < limit_s, "it did not come true in time"
        await asyncio.sleep(0.01)
    return time.monotonic() - began


@pytest.mark.timeout(30)
async def test_a_press_calls_the_phone_of_who_is_in_the_database(database_address, tmp_path):
    async with house_served(database_address, tmp_path) as (service, carrier, _):
        await assert_a_press_rings(service, carrier)

        status = service.status()

    assert (status["database_up"], status["left_out"]) == (True, {})


@pytest.mark.timeout(30)
async def test_a_change_of_another_process_is_in_force_within_two_seconds(
    database_address, tmp_path
):
    async with house_served(database_address, tmp_path) as (service, carrier, database):
        async with database.writing() as session:
            await session.execute(delete(Button).where(Button.name == "101"))
            touch(session, Doorbell, "hansen")
        buttons = lambda: service.building.directory.panels["main"].buttons  # noqa: E731

        await until_within(IN_FORCE_S, lambda: not buttons())

        async with stranger() as panel:
            press(panel, service)
            failed = await panel.hear(InviteFailed)
        assert failed.status == 404
        assert not carrier.all(InviteReceived)


@pytest.mark.timeout(30)
async def test_a_change_of_ones_own_is_in_force_at_once_and_told_once(database_address, tmp_path):
    async with house_served(database_address, tmp_path) as (service, _, _):
        told = []
        service.building.on_change.append(lambda _, change: told.append(change))
        async with service.kept.database.writing() as session:
            (await session.get_one(Doorbell, "hansen")).name = "Lie"

        took_s = await until_within(IN_FORCE_S, lambda: told)
        await asyncio.sleep(1.5)  # a poll would have found what there is to find

    assert took_s < 0.5
    assert [change.doorbells for change in told] == [{"hansen"}]


@pytest.mark.timeout(30)
@pytest.mark.skipif(not is_installed(), reason="PostgreSQL is not installed: `make setup` as root")
async def test_calls_and_doors_go_on_while_the_database_is_down_and_it_is_followed_again(tmp_path):
    async with relay_server() as url:
        with running_postgres() as server:
            server.sql("CREATE DATABASE house")
            address = server.url("house")
            async with opened(address) as database:
                await database.migrate()
            async with house_served(address, tmp_path) as (service, carrier, database):
                async with database.writing() as session:
                    door = await session.get_one(Door, "main")
                    door.document = {"relay": {"driver": "http", "url": url}}
                doors = service.building.directory.doors
                await until_within(
                    IN_FORCE_S, lambda: service.building.directory.doors is not doors
                )
                await asyncio.to_thread(server.stop)
                await until_within(7.0, lambda: not service.building.is_database_up)

                await assert_a_press_rings(service, carrier)
                opened_door = await service.relay_test("main")
                assert opened_door.outcome is RelayOutcome.SENT
                with pytest.raises(ConfigError):
                    await service.reload()

                await asyncio.to_thread(server.start)
                await until_within(7.0, lambda: service.building.is_database_up)
                async with service.kept.database.writing() as session:
                    (await session.get_one(Property, "house")).name = "Mended"
                await until_within(
                    IN_FORCE_S,
                    lambda: service.building.directory.properties["house"].name == "Mended",
                )


@pytest.mark.timeout(30)
async def test_a_database_file_that_is_gone_stops_no_call(sqlite_address, tmp_path):
    async with house_served(sqlite_address, tmp_path) as (service, carrier, _):
        for file in tmp_path.glob("intercom.db*"):
            file.unlink()

        await assert_a_press_rings(service, carrier)


@pytest.mark.timeout(30)
async def test_a_database_file_that_is_damaged_stops_no_call(sqlite_address, tmp_path):
    async with house_served(sqlite_address, tmp_path) as (service, carrier, _):
        for file in tmp_path.glob("intercom.db*"):
            file.write_bytes(b"no database" * (file.stat().st_size // 11))
        await until_within(5.0, lambda: not service.building.is_database_up)

        await assert_a_press_rings(service, carrier)


@pytest.mark.timeout(30)
async def test_a_database_that_lost_its_content_does_not_empty_the_building(
    sqlite_address, tmp_path
):
    async with house_served(sqlite_address, tmp_path) as (service, carrier, database):
        async with database.writing() as session:
            await session.execute(delete(Doorbell))
            await session.execute(delete(Revision))
        await until_within(5.0, lambda: not service.building.is_database_up)

        await assert_a_press_rings(service, carrier)


@pytest.mark.timeout(40)
@pytest.mark.skipif(not is_installed(), reason="PostgreSQL is not installed: `make setup` as root")
async def test_the_service_waits_for_a_database_that_is_down_at_its_start(tmp_path, capfd):
    with running_postgres() as server:
        server.sql("CREATE DATABASE house")
        address = server.url("house")
        async with opened(address) as database, stranger() as carrier:
            await database.migrate()
            at = carrier.address
            await build_house(database, carrier=f"{at.host}:{at.port}", today=TODAY)
            await database.close()
            server.stop()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_start_later(server))
                async with running(settings_of(address, tmp_path)) as service:
                    await assert_a_press_rings(service, carrier)
    assert "service.database_awaited" in "".join(capfd.readouterr())


async def _start_later(server) -> None:
    await asyncio.sleep(1.0)
    await asyncio.to_thread(server.start)


@contextlib.asynccontextmanager
async def relay_server() -> AsyncIterator[str]:
    async def pulse(_: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_get("/open", pulse)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, HOST, port).start()
    try:
        yield f"http://{HOST}:{port}/open"
    finally:
        await runner.cleanup()
