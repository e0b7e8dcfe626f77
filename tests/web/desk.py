"""A whole web side on a loopback port, with a small building and nobody else behind the hub."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import aiohttp

from intercom.link.guessing import GuessLimits
from intercom.routing.directory import (
    Button,
    Directory,
    Door,
    Doorbell,
    Panel,
    PanelLinkRelay,
    Property,
    Resident,
)
from intercom.routing.ids import DeviceId, DoorbellId, DoorId, PanelId, PropertyId, ResidentId
from intercom.routing.plan import AppTarget
from intercom.web.passwords import hash_password
from intercom.web.server import WebConfig, make_app, serving
from intercom.web.sessions import LoginTable
from intercom.web.signaling import AppHub

ANNA = ResidentId("anna")
PASSWORD = "correct horse"
_HASH = hash_password(PASSWORD)


def building() -> Directory:
    """One door, one doorbell, two residents: Anna with an app, Per without."""
    storgata, door, panel, bell = (
        PropertyId("storgata"),
        DoorId("main"),
        PanelId("panel-1"),
        DoorbellId("lund"),
    )
    return Directory(
        properties={storgata: Property(storgata, "Storgata", "Storgata 14")},
        doors={door: Door(door, storgata, "Main entrance", PanelLinkRelay(panel, 1))},
        panels={panel: Panel(panel, storgata, door, (Button("lund", bell),))},
        doorbells={bell: Doorbell(bell, storgata, "Lund", (ANNA, ResidentId("per")))},
        residents={
            ANNA: Resident(ANNA, "Anna Lund", _HASH),
            ResidentId("per"): Resident(ResidentId("per"), "Per Lund", _HASH, has_app=False),
        },
    )


class Clock:
    """Monotonic seconds that a test can push on."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


@dataclass
class Desk:
    """The running web side and everything that came out of its hub."""

    directory: Directory = field(default_factory=building)
    clock: Clock = field(default_factory=Clock)
    url: str = ""
    is_ready: bool = True
    online: list[AppTarget] = field(default_factory=list)
    offline: list[AppTarget] = field(default_factory=list)
    frames: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.logins = LoginTable(clock=self.clock)
        self.hub = AppHub(directory=lambda: self.directory, logins=self.logins)
        self.hub.on_online = self.online.append
        self.hub.on_offline = self.offline.append
        self.hub.on_message = lambda _resident, _device, frame: self.frames.append(frame)

    def change_resident(self, resident_id: ResidentId, **changes: object) -> None:
        """Give the hub a new snapshot in which one resident is different."""
        residents = dict(self.directory.residents)
        residents[resident_id] = replace(residents[resident_id], **changes)
        self.directory = replace(self.directory, residents=residents)
        self.hub.directory_changed()

    @property
    def device(self) -> DeviceId:
        """The one device of Anna that is online."""
        (target,) = self.hub.online(ANNA)
        return target.device_id


@asynccontextmanager
async def open_desk(
    *, is_tls: bool = False, limits: GuessLimits | None = None
) -> AsyncIterator[Desk]:
    """Serve a desk on a loopback port."""
    desk = Desk()
    app = make_app(
        WebConfig(is_tls=is_tls, limits=limits or GuessLimits()),
        directory=lambda: desk.directory,
        logins=desk.logins,
        hub=desk.hub,
        is_healthy=lambda: True,
        is_ready=lambda: desk.is_ready,
        clock=desk.clock,
    )
    async with serving(app, "127.0.0.1", 0) as port:
        desk.url = f"http://127.0.0.1:{port}"
        yield desk


def browser_like() -> aiohttp.ClientSession:
    """Make a client that keeps cookies for an IP address too."""
    return aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))


async def log_in(
    client: aiohttp.ClientSession, desk: Desk, username: str = ANNA, password: str = PASSWORD
) -> aiohttp.ClientResponse:
    """Send the log-in form's request."""
    return await client.post(
        f"{desk.url}/api/login", json={"username": username, "password": password}
    )
