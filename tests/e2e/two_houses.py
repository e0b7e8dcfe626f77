"""A residential and a commercial property in one router with a database: their panels, apps and phones, and what they do."""

import asyncio
import contextlib
import secrets
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from intercom.adapters.panel_link import load_or_create_key, public_key_text
from intercom.demo.ports import PortBlock
from intercom.demo.processes import HOST, Child, Remote, start
from intercom.routing.directory import PropertyKind
from intercom.store.database import Database
from intercom.store.kinds import Role
from intercom.store.models import (
    Account,
    Button,
    Door,
    Doorbell,
    DoorRight,
    Grant,
    Member,
    Panel,
    Property,
    Trunk,
    Unit,
)
from intercom.store.new_log import new_log
from intercom.web.passwords import hash_password
from tests.privacy_search import Secret
from tests.store.databases import opened

CALLER_ID = "+4723506953"
ONLINE_S = 30.0
RTP_PORTS = 200


@dataclass(frozen=True)
class House:
    """One property with one apartment, one person and one door; every name in it is nowhere else."""

    key: str
    kind: PropertyKind
    person: str
    username: str
    number: str
    apartment: str
    doorbell: str
    door: str
    app_stage_s: float = 1.0
    password: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def panel(self) -> str:
        return f"panel-{self.key}"

    @property
    def names(self) -> tuple[Secret, ...]:
        """Whatever tells of somebody or something in it."""
        return (
            Secret("person", self.person),
            Secret("username", self.username),
            Secret("number", self.number),
            Secret("apartment", self.apartment),
            Secret("doorbell", self.doorbell),
            Secret("door", self.door),
            Secret("panel", self.panel),
        )


HOME = House(
    "kvernbakken",
    PropertyKind.RESIDENTIAL,
    person="Åse Kvernmo",
    username="aase.kvernmo",
    number="+4790414243",
    apartment="H0417",
    doorbell="Fam. Kvernmo-Dahl",
    door="Bakgårdsporten",
)
OFFICE = House(
    "sentrumsbanken",
    PropertyKind.COMMERCIAL,
    person="Vera Skjeldrup",
    username="vera.skjeldrup",
    number="+4790515253",
    apartment="K2099",
    doorbell="Resepsjonen",
    door="Personalinngang",
)
HOUSES = (HOME, OFFICE)


async def furnish(database: Database, carrier_port: int, trunk_password: str) -> None:
    """Write both houses into the database, as Webadmin does."""
    today = datetime.now(UTC).date()
    async with database.writing() as session:
        trunk = {
            "address": f"{HOST}:{carrier_port}",
            "username": "intercom",
            "password": trunk_password,
            "caller_ids": [CALLER_ID],
        }
        session.add(Trunk(id="carrier", position=1, document=trunk))
        for house in HOUSES:
            session.add(
                Property(
                    id=house.key,
                    name=house.key.capitalize(),
                    kind=house.kind,
                    address=f"{house.key.capitalize()} 1",
                    language="en",
                    has_keys_in_app=True,
                    created_on=today,
                )
            )
            await session.flush()
            if house.kind is PropertyKind.COMMERCIAL:
                session.add(new_log(house.key))
            relay = {"driver": "panel-link", "panel": house.panel, "relay": 1}
            door_id = f"door-{house.key}"
            session.add(
                Door(
                    id=door_id,
                    property_id=house.key,
                    name=house.door,
                    pulse_ms=500,
                    document={"relay": relay},
                )
            )
            unit = Unit(property_id=house.key, label=house.apartment, activated_on=today)
            account = Account(
                username=house.username,
                name=house.person,
                email=f"{house.username}@mail.example",
                password_hash=hash_password(house.password),
                number=house.number,
                number_verified_on=today,
                created_on=today,
            )
            session.add_all([unit, account])
            await session.flush()
            session.add(
                Panel(
                    id=house.panel,
                    property_id=house.key,
                    door_id=door_id,
                    document={"password": house.password},
                )
            )
            bell = f"bell-{house.key}"
            session.add(
                Doorbell(
                    id=bell,
                    property_id=house.key,
                    unit_id=unit.id,
                    name=house.doorbell,
                    app_stage_s=house.app_stage_s,
                )
            )
            await session.flush()
            session.add(Grant(account_id=account.id, role=Role.OWNER, unit_id=unit.id))
            session.add(Member(doorbell_id=bell, account_id=account.id, position=1))
            session.add(Button(panel_id=house.panel, name="101", doorbell_id=bell))
            session.add(DoorRight(door_id=door_id, account_id=account.id, has_key=True))


class TwoHouses:
    """The router, the carrier, and of each house its panel, phone and app."""

    def __init__(self, folder: Path, remote: Remote, block: PortBlock) -> None:
        self.folder = folder
        self.router_log = folder / "router.log"
        self.temporary = folder / "tmp"
        self.state_dir = folder / "router"
        self.remote = remote
        self.children: list[Child] = []
        self.router: Child
        self.carrier: Child
        self.metrics_port = block.take()
        self._sip, self._http, self._webrtc = block.take(), block.take(), block.take()
        self._rtp, self._carrier_sip = block.take(RTP_PORTS), block.take()
        self._panel_ports = {house.key: block.take() for house in HOUSES}
        self._trunk_password = secrets.token_hex(8)
        self._of: dict[tuple[str, str], Child] = {}

    @property
    def address(self) -> str:
        """The database's, as in INTERCOM_DATABASE."""
        return f"sqlite:///{self.state_dir / 'intercom.db'}"

    @property
    def environment(self) -> dict[str, str]:
        """Give the router's settings: at its most talkative, with metrics."""
        return {
            "INTERCOM_CALLER_ID": CALLER_ID,
            "INTERCOM_STATE_DIR": str(self.state_dir),
            "INTERCOM_DATABASE": self.address,
            "INTERCOM_SIP_HOST": HOST,
            "INTERCOM_SIP_PORT": str(self._sip),
            "INTERCOM_HTTP_HOST": HOST,
            "INTERCOM_HTTP_PORT": str(self._http),
            "INTERCOM_METRICS_PORT": str(self.metrics_port),
            "INTERCOM_MEDIA_HOST": HOST,
            "INTERCOM_WEBRTC_PORT": str(self._webrtc),
            "INTERCOM_RTP_PORT_FIRST": str(self._rtp),
            "INTERCOM_RTP_PORT_LAST": str(self._rtp + RTP_PORTS - 1),
            "INTERCOM_LOG_LEVEL": "debug",
            "INTERCOM_PHONE_CALLS_PER_NUMBER_10MIN": "100",
            "TMPDIR": str(self.temporary),
        }

    async def prepare(self) -> None:
        """Make the database with both houses in it."""
        for each in (self.temporary, self.state_dir):
            each.mkdir(mode=0o700)
        async with opened(self.address) as database:
            await database.migrate()
            await furnish(database, self._carrier_sip, self._trunk_password)

    async def start_router(self) -> None:
        self.router = await start("router", ("intercom", "serve"), self.folder, self.environment)
        self.children.append(self.router)

    async def start_others(self) -> None:
        """Start the carrier and both houses' devices, and wait until all are connected."""
        self.carrier = await start(
            "carrier",
            (
                "firmware_sim.carrier",
                f"--sip-port={self._carrier_sip}",
                "--trunk-user=intercom",
                f"--trunk-password={self._trunk_password}",
                *(f"--subscriber={each.number}:{each.key}:{each.password}" for each in HOUSES),
            ),
            self.folder,
        )
        self.children.append(self.carrier)
        for house in HOUSES:
            await self._start_devices(house)
        await self.until("all are online", self._are_online, ONLINE_S)

    async def _start_devices(self, house: House) -> None:
        key = public_key_text(load_or_create_key(self.state_dir / "panel-link.key"))
        arguments = {
            "panel": (
                f"--sip-server={HOST}:{self._sip}",
                f"--panel-id={house.panel}",
                f"--password={house.password}",
                f"--link=ws://{HOST}:{self._http}/panel-link",
                f"--server-key={key}",
                f"--state-dir={self.folder / house.key}",
                f"--http-port={self._panel_ports[house.key]}",
            ),
            "phone": (
                f"--registrar={HOST}:{self.carrier.ready['subscriber_port']}",
                f"--user={house.key}",
                f"--password={house.password}",
            ),
            "resident": (
                f"--server=http://{HOST}:{self._http}",
                f"--username={house.username}",
                f"--password={house.password}",
            ),
        }
        for what, given in arguments.items():
            name = f"{what}-{house.key}"
            child = await start(name, (f"firmware_sim.{what}", *given), self.folder)
            self._of[what, house.key] = child
            self.children.append(child)

    async def _are_online(self) -> bool:
        for (what, _), child in self._of.items():
            state = await self.remote.get(child, "/api/state")
            is_online = {
                "panel": lambda s: s["is_registered"] and s["link"]["is_online"],
                "phone": lambda s: s["registered"],
                "resident": lambda s: s["connected"],
            }[what](state)
            if not is_online:
                return False
        return True

    async def stop(self) -> None:
        for child in reversed(self.children):
            await child.stop()

    async def metrics(self) -> bytes:
        """Read what a monitoring system reads."""
        address = f"http://{HOST}:{self.metrics_port}/metrics"
        async with aiohttp.ClientSession() as session, session.get(address) as response:
            return await response.read()

    # -- what the houses do ------------------------------------------------------------------

    async def tell(self, house: House, what: str, verb: str, **body: object) -> None:
        await self.remote.post(self._of[what, house.key], f"/api/{verb}", body)

    async def state(self, house: House, what: str) -> dict[str, object]:
        state: dict[str, object] = await self.remote.get(self._of[what, house.key], "/api/state")
        return state

    async def until(
        self, what: str, look: Callable[[], Awaitable[object]], within_s: float = 20.0
    ) -> None:
        try:
            async with asyncio.timeout(within_s):
                while not await look():  # noqa: ASYNC110 - other processes
                    await asyncio.sleep(0.05)
        except TimeoutError:
            msg = f"not within {within_s:.0f} s: {what}"
            raise AssertionError(msg) from None

    async def press(self, house: House) -> "Seen":
        seen = Seen(self, house, time.monotonic_ns() // 1_000_000)
        await self.tell(house, "panel", "press", button="101")
        return seen

    async def fault(self, house: House, name: str, *, is_on: bool) -> None:
        await self.tell(house, "panel", "fault", name=name, on=is_on)

    async def fault_of_carrier(self, name: str, *, is_on: bool) -> None:
        await self.remote.post(self.carrier, "/api/fault", {"name": name, "on": is_on})

    async def kill_router(self) -> None:
        """Let the router die as by a power cut."""
        self.router.process.send_signal(signal.SIGKILL)
        await self.router.process.wait()


@dataclass
class Seen:
    """What is seen of one press."""

    houses: TwoHouses
    house: House
    pressed_ms: int

    async def at(self, what: str, stamp: str) -> None:
        """Wait for a stamp of the phone's or app's call."""

        async def look() -> bool:
            call = (await self.houses.state(self.house, what))["call"]
            moment = (call or {}).get(f"{stamp}_ms")  # type: ignore[attr-defined]
            return bool(moment and moment >= self.pressed_ms)

        await self.houses.until(f"{what}: {stamp}", look)

    async def over(self) -> None:
        """Wait until the panel shows the call's end."""

        async def look() -> bool:
            call = (await self.houses.state(self.house, "panel"))["call"]
            return bool(call and call["ended"])  # type: ignore[index]

        await self.houses.until("the call's end at the panel", look)


@contextlib.asynccontextmanager
async def two_houses(folder: Path) -> AsyncIterator[TwoHouses]:
    """Set both houses up, all online; every process ends with the context."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        block = stack.enter_context(PortBlock())
        houses = TwoHouses(folder, Remote(session), block)
        await houses.prepare()
        stack.push_async_callback(houses.stop)
        await houses.start_router()
        await houses.start_others()
        yield houses
