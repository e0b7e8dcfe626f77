"""The key in the app through the whole service: a real log-in, WebSocket, and a relay over HTTP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from firmware_sim.app_client import AppClient
from intercom.app import Service
from intercom.web.passwords import hash_password
from tests import test_app
from tests.adapters.sip_rig import HOST, stranger, until
from tests.test_app import service_with
from tests.web.desk import PASSWORD

HASH = hash_password(PASSWORD)


@dataclass
class Garage:
    """A relay behind HTTP."""

    url: str = ""
    pulses: int = 0

    async def pulse(self, _: web.Request) -> web.Response:
        self.pulses += 1
        return web.Response()


@dataclass
class Keyholder:
    app: AppClient
    garage: Garage
    service: Service

    async def turn(self, wish_id: str, door: str = "garage") -> object:
        """Turn the key, and give what came of it."""
        assert self.app.turn_key(door, wish_id)
        keys = self.app.state()["keys"]
        assert isinstance(keys, dict)
        await until(lambda: wish_id in keys)
        return keys[wish_id]["state"], keys[wish_id]["cause"]


@contextlib.asynccontextmanager
async def garage_opener(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, has_keys: bool = True, hours: str = ""
) -> AsyncIterator[Keyholder]:
    """Run the service with a garage that Anna has a key to."""
    garage = Garage()
    site = web.Application()
    site.router.add_get("/open", garage.pulse)
    runner = web.AppRunner(site)
    await runner.setup()
    listening = web.TCPSite(runner, HOST, 0)
    await listening.start()
    garage.url = f"http://{HOST}:{runner.addresses[0][1]}/open"
    ordinary = test_app.building
    monkeypatch.setattr(
        test_app, "building", lambda *place: building(ordinary(*place), garage, has_keys, hours)
    )
    try:
        async with (
            stranger() as carrier,
            service_with(carrier.address, folder) as service,
            asyncio.TaskGroup() as tasks,
        ):
            server = f"http://{HOST}:{service.settings.http_port}"
            app = AppClient(tasks, server=server, username="anna", password=PASSWORD, tone_hz=440)
            serving = tasks.create_task(app.serve())
            await until(lambda: app.state()["connected"])
            yield Keyholder(app, garage, service)
            serving.cancel()
    finally:
        await runner.cleanup()


def building(ordinary: str, garage: Garage, has_keys: bool, hours: str) -> str:
    kind = 'kind = "residential"'
    doors = f"""[[door]]
id = "garage"
name = "Garage"
relay = {{ driver = "http", url = "{garage.url}" }}
[[right]]
door = "garage"
resident = "anna"
key = true
{hours}
[[panel]]"""
    with_app = ordinary.replace("app = false", f'app = true\npassword_hash = "{HASH}"')
    with_keys = with_app.replace(kind, f"{kind}\nkeys_in_app = {str(has_keys).lower()}")
    return with_keys.replace("[[panel]]", doors)


@pytest.fixture(autouse=True)
def _secret(monkeypatch):
    monkeypatch.setenv("INTERCOM_SECRET_PANEL", test_app.PASSWORD)


async def test_a_key_opens_once_by_each_wish_and_three_times_a_minute(tmp_path, monkeypatch):
    async with garage_opener(tmp_path, monkeypatch) as anna:
        doors = [(door["id"], door["key"]) for door in anna.app.state()["doors"]]
        assert doors == [("main", False), ("garage", True)]

        assert await anna.turn("wish-1") == ("sent", "")
        assert anna.app.turn_key("garage", "wish-1")
        assert await anna.turn("wish-2") == ("sent", "")
        assert await anna.turn("wish-3") == ("sent", "")
        assert (await anna.turn("wish-4"))[0] == "refused"
        assert anna.garage.pulses == 3


async def test_a_door_that_only_rings_here_has_no_key(tmp_path, monkeypatch):
    async with garage_opener(tmp_path, monkeypatch) as anna:
        wrong_door = await anna.turn("wish-1", "main")

        assert wrong_door == await anna.turn("wish-2", "no-such-door")
        assert wrong_door[0] == "refused"


async def test_where_the_property_forbids_keys_none_is_shown_and_none_turns(tmp_path, monkeypatch):
    async with garage_opener(tmp_path, monkeypatch, has_keys=False) as anna:
        assert [door["id"] for door in anna.app.state()["doors"]] == ["main"]
        assert (await anna.turn("wish-1"))[0] == "refused"
        assert anna.garage.pulses == 0
