"""The whole service in one process: it starts, a panel presses, and it stops with all said and done."""

import asyncio
import base64
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from intercom.app import Service, running
from intercom.errors import ConfigError
from intercom.link.messages import Heartbeat, Hello, encode
from intercom.settings import Settings
from intercom.sip.address import Address
from intercom.sip.endpoint import Credentials
from intercom.sip.events import (
    InviteFailed,
    InviteProgressed,
    InviteReceived,
    RegistrationSucceeded,
)
from tests.adapters.sip_rig import HOST, Stranger, free_port, stranger, until
from tests.fakes import ANNA_NUMBER, CALLER_ID
from tests.ports import free_ports, loopback_settings

PASSWORD = "panel's own"
STOP_S = 2.0


def building(carrier: Address, name: str = "") -> str:
    return f"""
[property]
name = "House"
kind = "residential"
address = "Storgata 14"
[[door]]
id = "main"
name = "Main entrance"
relay = {{ driver = "panel-link", panel = "main", relay = 1 }}
[[panel]]
id = "main"
door = "main"
password_env = "INTERCOM_SECRET_PANEL"
buttons = {{ "anna" = "anna" }}
[[doorbell]]
id = "anna"
name = "Anna"
residents = ["anna"]
[[resident]]
username = "anna"
name = "Anna"
app = false
number = "{ANNA_NUMBER}"
[[trunk]]
id = "carrier"
address = "{name or f"{carrier.host}:{carrier.port}"}"
caller_ids = ["{CALLER_ID}"]
"""


@contextlib.asynccontextmanager
async def service_with(
    carrier: Address, folder: Path, name: str = "", **more: object
) -> AsyncIterator[Service]:
    file = folder / "building.toml"
    file.write_text(building(carrier, name))
    file.chmod(0o600)
    values: dict[str, object] = {
        "caller_id": CALLER_ID,
        "building_file": file,
        "state_dir": folder / "state",
        **loopback_settings(),
    }
    settings = Settings(**(values | more))
    async with running(settings, file) as service:
        yield service


def press(
    panel: Stranger, service: Service, *, user: str = "main", password: str = PASSWORD
) -> None:
    host = f"{HOST}:{service.settings.sip_port}"
    panel.sip.endpoint.invite(
        panel.sip.now,
        target=f"sip:anna@{host}",
        destination=Address(HOST, service.settings.sip_port),
        from_uri=f"sip:main@{host}",
        body=panel.offer,
        credentials=Credentials(user, password),
    )
    panel.sip.flush()


@pytest.fixture(autouse=True)
def _secret(monkeypatch):
    monkeypatch.setenv("INTERCOM_SECRET_PANEL", PASSWORD)


async def test_stopping_with_a_call_up_tells_the_panel_and_the_phone_and_is_quick(tmp_path):
    async with stranger() as carrier, stranger() as panel:
        async with service_with(carrier.address, tmp_path) as service:
            press(panel, service)
            await panel.hear(InviteProgressed)
            await carrier.hear(InviteReceived)
            carrier.respond(180)
            await asyncio.sleep(0.05)
            began = time.monotonic()
        took_s = time.monotonic() - began
        failed = await panel.hear(InviteFailed)

        assert (failed.status, failed.reason) == (503, "The service is stopping")
        await until(lambda: any(each.startswith(b"CANCEL") for each in carrier.datagrams))
        assert took_s < STOP_S


async def read_on(socket: aiohttp.ClientWebSocketResponse) -> None:
    while not socket.closed:
        await socket.receive()


async def test_stopping_with_a_panel_on_its_link_is_quick(tmp_path):
    login = base64.b64encode(f"main:{PASSWORD}".encode()).decode()
    async with stranger() as carrier, aiohttp.ClientSession() as web, asyncio.TaskGroup() as tasks:
        async with service_with(carrier.address, tmp_path) as service:
            socket = await web.ws_connect(
                f"http://{HOST}:{service.settings.http_port}/panel-link",
                headers={"Authorization": f"Basic {login}"},
            )
            await socket.send_str(encode(Hello("1", 0, (), "boot")))
            await socket.send_str(encode(Heartbeat(1)))
            await until(lambda: service.panel_link.panel_states()[0].is_online)
            tasks.create_task(read_on(socket))
            began = time.monotonic()
        took_s = time.monotonic() - began

    assert took_s < STOP_S


async def test_a_building_that_names_no_possible_host_is_served_and_loaded_again(tmp_path):
    async with (
        stranger() as carrier,
        service_with(carrier.address, tmp_path, "trunk..example") as service,
    ):
        await service.building.reload()
        await asyncio.sleep(0.05)

        assert service.switchboard.calls == 0


async def test_a_port_that_is_taken_ends_the_start_with_its_words(tmp_path):
    async with stranger() as carrier:
        file = tmp_path / "building.toml"
        file.write_text(building(carrier.address))
        file.chmod(0o600)
        rtp = free_ports(20)
        settings = Settings(
            caller_id=CALLER_ID,
            building_file=file,
            state_dir=tmp_path / "state",
            public_address=HOST,
            sip_host=HOST,
            sip_port=carrier.address.port,
            http_host=HOST,
            http_port=free_port(),
            media_host=HOST,
            rtp_port_first=rtp,
            rtp_port_last=rtp + 19,
            webrtc_port=free_port(),
        )

        with pytest.raises(ExceptionGroup) as caught:
            async with running(settings, file):
                pass

        assert caught.group_contains(ConfigError, match="SIP cannot listen")


async def test_the_status_says_once_that_all_is_ready_and_where(tmp_path):
    async with stranger() as carrier, service_with(carrier.address, tmp_path) as service:
        ready = service.status()["ready"]

        assert ready.startswith(f"SIP udp+tcp {HOST}:{service.settings.sip_port}, app http://")
        assert service.ready_line == f"Open Intercom is ready: {ready}"


async def test_a_panel_that_logs_in_by_sip_is_online_in_the_status(tmp_path):
    async with (
        stranger() as carrier,
        stranger() as panel,
        service_with(carrier.address, tmp_path) as service,
    ):
        assert service.status()["panels_online"] == {"main": False}

        panel.sip.endpoint.register(
            panel.sip.now,
            registrar=Address(HOST, service.settings.sip_port),
            aor=f"sip:main@{HOST}",
            credentials=Credentials("main", PASSWORD),
            expires_s=300,
        )
        panel.sip.flush()
        await panel.hear(RegistrationSucceeded)

        assert service.status()["panels_online"] == {"main": True}


async def test_a_panel_known_by_its_address_is_not_called_offline(tmp_path):
    async with stranger() as carrier, service_with(carrier.address, tmp_path) as service:
        file = tmp_path / "building.toml"
        text = building(carrier.address).replace(
            "[[doorbell]]",
            '[[panel]]\nid = "side"\ndoor = "main"\nallowed_addresses = ["192.0.2.20"]\n'
            'buttons = { "1" = "anna" }\n[[doorbell]]',
        )
        file.write_text(text)
        await service.reload()

        online = service.status()["panels_online"]
        assert online == {"main": False, "side": "does not log in"}
