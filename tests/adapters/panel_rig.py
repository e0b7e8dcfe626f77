"""A router end and a panel's firmware with a real relay board, over a WebSocket on loopback."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web
from nacl.signing import SigningKey, VerifyKey

from firmware_sim import journal
from firmware_sim.board import RelayBoard
from firmware_sim.journal import CoilPhase, Transition
from firmware_sim.link_client import LinkAccount, LinkClient
from firmware_sim.memory import PanelMemory
from firmware_sim.process import control_server
from firmware_sim.screen_memory import ScreenMemory
from intercom.adapters.panel_link import PanelLinkHub
from intercom.link.messages import CallAnswer, CallState, Heartbeat, Hello, encode
from intercom.link.screen import ScreenContent
from intercom.routing.directory import Directory, Panel, PanelLinkRelay, Property
from intercom.routing.ids import CallId, CommandId, DoorId, PanelId, PropertyId

MAIN = PanelId("main")
GARAGE = PanelId("garage")
PASSWORD = "correct horse"
RELAY = PanelLinkRelay(MAIN, 1)
ROUTER_KEY = SigningKey(bytes(range(32)))
CALL = CallId("call-1")
HELLO = Hello("1", 0, (), "boot")

HOUSE = Property(PropertyId("house"), "House", "Storgata 14", "nb")
DIRECTORY = Directory(
    properties={HOUSE.property_id: HOUSE},
    panels={
        panel_id: Panel(panel_id, HOUSE.property_id, DoorId("door"), (), password=PASSWORD)
        for panel_id in (MAIN, GARAGE)
    },
)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(900):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError("it did not come true")


@dataclass
class Router:
    hub: PanelLinkHub
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/panel-link"

    async def pulse(self, cmd_id: str, ms: int = 60):
        return await self.hub.pulse(RELAY, ms, CommandId(cmd_id), CALL)

    async def until_online(self, *, is_online: bool = True) -> None:
        await until(lambda: self.hub.panel_states()[0].is_online is is_online)


@dataclass
class Firmware:
    link: LinkClient
    board: RelayBoard
    state_dir: Path
    screen: ScreenMemory
    shown: list[CallState] = field(default_factory=list)
    answers: list[CallAnswer] = field(default_factory=list)
    screens: list[ScreenContent] = field(default_factory=list)
    """Every screen that was shown, in order."""

    def pulses(self) -> list[Transition]:
        return self.journal(CoilPhase.ON)

    def journal(self, phase: CoilPhase) -> list[Transition]:
        return [t for t in journal.read(self.state_dir) if t.phase is phase]

    async def until_at_rest(self) -> None:
        await until(lambda: len(self.journal(CoilPhase.OFF)) == len(self.pulses()))

    async def until_shown(self, count: int) -> None:
        await until(lambda: len(self.shown) >= count)


@contextlib.asynccontextmanager
async def router(
    port: int = 0, directory: Callable[[], Directory] = lambda: DIRECTORY
) -> AsyncIterator[Router]:
    hub = PanelLinkHub(key=ROUTER_KEY, directory=directory)
    app = web.Application()
    app.router.add_get("/panel-link", hub.handle)

    async def close(_: web.Application) -> None:
        hub.close()

    app.on_shutdown.append(close)
    async with control_server(app, port) as bound:
        yield Router(hub, bound)


@contextlib.asynccontextmanager
async def raw_panel(
    url: str, hello: Hello = HELLO, panel_id: str = MAIN
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Be a panel that says what the test wants, from its first heartbeat on."""
    headers = {"Authorization": aiohttp.encode_basic_auth(panel_id, PASSWORD)}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.ws_connect(url, compress=15) as socket,
    ):
        await socket.send_str(encode(hello))
        await socket.send_str(encode(Heartbeat(5)))
        yield socket


@contextlib.asynccontextmanager
async def firmware(
    url: str, state_dir: Path, key: VerifyKey = ROUTER_KEY.verify_key
) -> AsyncIterator[Firmware]:
    memory = PanelMemory(state_dir)
    shown: list[CallState] = []
    answers: list[CallAnswer] = []
    screens: list[ScreenContent] = []
    screen = ScreenMemory(state_dir, panel_id=MAIN, router_key=key, on_content=screens.append)
    reports: list[LinkClient] = []
    board = RelayBoard(state_dir, 2, lambda transition: reports[0].report(transition))  # noqa: PLW0108  # made below
    link = LinkClient(
        LinkAccount(url, MAIN, PASSWORD, key),
        relays=2,
        memory=memory,
        energise=board.pulse,
        on_call_state=shown.append,
        on_answer=answers.append,
        screen=screen,
    )
    reports.append(link)
    async with asyncio.TaskGroup() as tasks, board.connected(tasks):
        running = tasks.create_task(link.run())
        try:
            yield Firmware(link, board, state_dir, screen, shown, answers, screens)
        finally:
            running.cancel()
            memory.close()
