"""A house for strangers: the running router, an HTTP door that counts, and the residents' app.

async with Door() as door, Router(House(...), folder=tmp_path, door=door) as router:
    ... strangers call router.sip ...
    assert door.openings == 1
"""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web
from argon2 import PasswordHasher

from intercom.demo.processes import Child, start
from tests.firmware_sim.boxes import Box, box
from tests.interop.machine import free_ports, free_tcp_port

CALLER_ID = "+4723506953"
NUMBER = "+4790000001"
SECOND_NUMBER = "+4790000002"
PANEL = "stranger"
PANEL_PASSWORD = "panel-secret"
TRUNK_USER = "intercom"
TRUNK_PASSWORD = "trunk-secret"
APP_USER = "kari"
APP_PASSWORD = "app-secret"
ACCOUNT_PASSWORD = "desk-secret"
BUTTON = "100"
HOST = "127.0.0.1"
RTP_PORTS = 40


class Door:
    """A door relay behind HTTP, as 2N, DoorBird and Akuvox have: it counts its requests."""

    def __init__(self) -> None:
        self.openings = 0
        self.url = ""
        self._runner: web.AppRunner

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/open", self._open)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, 0)
        await site.start()
        self.url = f"http://{HOST}:{self._runner.addresses[0][1]}/open"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()

    async def _open(self, _: web.Request) -> web.Response:
        self.openings += 1
        return web.Response(text="OK")


@dataclass(frozen=True, slots=True)
class House:
    """What differs from one building to the next; it has one panel with one button."""

    host: str = HOST
    """Where panels and phones reach the router."""
    kind: str = "residential"
    """Of a "commercial" one the metrics tell the dialogs."""
    panel_address: str = ""
    """From where the panel may call without a password; empty: only with one."""
    early: str = "183"
    srtp: str = ""
    """Of the panel's profile; empty: its make's."""
    relay: str = ""
    """The door's relay as TOML; empty: the `Door` that counts."""
    has_app: bool = False
    numbers: tuple[str, ...] = ()
    """One resident each, in this order."""
    trunk: tuple[str, int] | None = None
    second_trunk: tuple[str, int] | None = None
    trunk_fields: Mapping[str, object] = field(default_factory=dict)
    """What its trunks have besides."""
    sip_phone: str = ""
    sip_account: str = ""
    """User name of the resident's own SIP phone, which registers."""
    account_srtp: str = "optional"
    app_stage_s: float = 20.0
    phone_stage_s: float = 20.0
    settings: Mapping[str, str] = field(default_factory=dict)

    def text(self, door_url: str) -> str:
        """Write the building file."""
        residents = [self._app_resident()] if self._has_resident else []
        residents += [
            _table("[resident]", username=f"number-{index}", name="X", app=False, number=number)
            for index, number in enumerate(self.numbers, start=1)
        ]
        usernames = re.findall(
            r'^\[\[resident\]\]\nusername = "(.*)"$', "\n".join(residents), re.MULTILINE
        )
        return "\n".join(
            (
                _table("property", name="House", kind=self.kind, address="A", language="en"),
                _table("[door]", id="main", name="Main entrance")
                + f"relay = {self.relay or _http_relay(door_url)}\n",
                _table("[panel]", id=PANEL, door="main", **self._panel())
                + f'buttons = {{ "{BUTTON}" = "bell" }}\n'
                + f'profile = {{ early = "{self.early}", ring_limit_s = 60{self._srtp()} }}\n',
                _table("[doorbell]", id="bell", name="Bell", residents=usernames)
                + f"app_stage_s = {self.app_stage_s}\nphone_stage_s = {self.phone_stage_s}\n",
                *residents,
                self._trunks(),
            )
        )

    @property
    def _has_resident(self) -> bool:
        return self.has_app or bool(self.sip_phone or self.sip_account)

    def _srtp(self) -> str:
        return f', srtp = "{self.srtp}"' if self.srtp else ""

    def _panel(self) -> dict[str, object]:
        if self.panel_address:
            return {"allowed_addresses": [self.panel_address]}
        return {"password": PANEL_PASSWORD}

    def _app_resident(self) -> str:
        fields: dict[str, object] = {"username": APP_USER, "name": "Kari", "app": self.has_app}
        if self.has_app:
            fields["password_hash"] = PasswordHasher().hash(APP_PASSWORD)
        if self.sip_phone:
            fields["sip_phones"] = [self.sip_phone]
        table = _table("[resident]", **fields)
        if self.sip_account:
            own = {"username": self.sip_account, "password": ACCOUNT_PASSWORD}
            table += _table("[resident.sip_account]", **own, srtp=self.account_srtp)
        return table

    def _trunks(self) -> str:
        own: dict[str, object] = {"username": TRUNK_USER, "password": TRUNK_PASSWORD}
        own |= {"caller_ids": [CALLER_ID], "probe": False}  # sipp takes OPTIONS for a broken call
        own |= self.trunk_fields
        places = [place for place in (self.trunk, self.second_trunk) if place is not None]
        return "\n".join(
            _table("[trunk]", id=f"carrier-{index}", address=f"{host}:{port}", **own)
            for index, (host, port) in enumerate(places, start=1)
        )


class Router:
    """`intercom serve` with a house, while the context lasts."""

    def __init__(self, house: House, *, folder: Path, door: Door) -> None:
        self.house = house
        self._first_port = free_ports(house.host, 4 + RTP_PORTS)
        self.sip = (house.host, self._first_port)
        self.app_url = f"http://{HOST}:{free_tcp_port(HOST)}"
        self._folder = folder
        self._door = door
        self._child: Child | None = None

    async def __aenter__(self) -> Self:
        file = self._folder / "building.toml"
        file.write_text(self.house.text(self._door.url))
        file.chmod(0o600)
        self._child = await start(
            "router", ("intercom", "serve", "--building", str(file)), self._folder, self._settings()
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        assert self._child is not None
        await self._child.stop()

    def log(self) -> str:
        """Give what the router complained about."""
        return (self._folder / "router.log").read_text()

    async def control(self, path: str) -> None:
        """Tell it something by its operator's socket, such as /reload."""
        socket = aiohttp.UnixConnector(str(self._folder / "state" / "control.sock"))
        async with (
            aiohttp.ClientSession(connector=socket) as http,
            http.post(f"http://router{path}", json={}) as answer,
        ):
            assert answer.status == 200, await answer.text()

    def _settings(self) -> dict[str, str]:
        host, rtp_first = self.house.host, self._first_port + 4
        return {
            "INTERCOM_CALLER_ID": CALLER_ID,
            "INTERCOM_STATE_DIR": str(self._folder / "state"),
            "INTERCOM_SIP_HOST": host,
            "INTERCOM_SIP_PORT": str(self.sip[1]),
            "INTERCOM_HTTP_HOST": HOST,
            "INTERCOM_HTTP_PORT": self.app_url.rpartition(":")[2],
            "INTERCOM_MEDIA_HOST": host,
            "INTERCOM_RTP_PORT_FIRST": str(rtp_first),
            "INTERCOM_RTP_PORT_LAST": str(rtp_first + RTP_PORTS - 1),
            "INTERCOM_WEBRTC_PORT": str(self._first_port + 2),
            **self.house.settings,
        }


@asynccontextmanager
async def app_of(router: Router, **options: object) -> AsyncIterator[Box]:
    """Log the resident's headless app in; it says 1000 Hz once it has answered."""
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    async with box(
        "resident",
        *("--server", router.app_url, "--username", APP_USER, "--password", APP_PASSWORD),
        *arguments,
    ) as app:
        await app.reaches("/api/state", connected=True)
        yield app


@asynccontextmanager
async def panel_of(router: Router, folder: Path) -> AsyncIterator[Box]:
    """Register our own panel's simulator: a press by HTTP, and it tells how its call ended."""
    host, port = router.sip
    async with box(
        "panel",
        *("--sip-server", f"{host}:{port}", "--panel-id", PANEL, "--password", PANEL_PASSWORD),
        *("--state-dir", str(folder / "panel"), f"--button={BUTTON}=Bell", "--language=en"),
    ) as panel:
        await panel.reaches("/api/state", is_registered=True)
        yield panel


def _http_relay(url: str) -> str:
    return f'{{ driver = "http", url = "{url}" }}'


def _table(header: str, **fields: object) -> str:
    lines = [f"[{header}]", *(f"{name} = {_toml(value)}" for name, value in fields.items())]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(_toml(each) for each in value)}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{name} = {_toml(each)}' for name, each in value.items())} }}"
    return f'"{value}"'
