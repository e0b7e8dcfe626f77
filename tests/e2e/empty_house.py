"""A service as an operator gets it: an empty folder, a settings file, a mail server, and panels that are set up by hand."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from intercom.demo.ports import PortBlock
from intercom.demo.processes import HOST, Child, Remote, start
from tests.mail_server import Inbox, link_of, mail_server

SETTINGS = "intercom.env"
RTP_PORTS = 200
MAIL_S = 15.0
CLI_S = 20.0


class EmptyHouse:
    """The router's process, the mail server's inbox, and the panels."""

    def __init__(self, folder: Path, remote: Remote, block: PortBlock, inbox: Inbox) -> None:
        self.folder = folder
        self.remote = remote
        self.inbox = inbox
        self.children: list[Child] = []
        self._block = block
        self._read = 0
        self.http_port, self.sip_port = block.take(), block.take()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.http_port}"

    @property
    def database(self) -> str:
        return f"sqlite:///{self.folder / 'var' / 'intercom.db'}"

    def write_settings(self, mail_port: int) -> None:
        """Write what an operator writes: no building file, no database address."""
        first = self._block.take(RTP_PORTS)
        lines = {
            "CALLER_ID": "+4723506953",
            "STATE_DIR": self.folder / "var",
            "SIP_HOST": HOST,
            "SIP_PORT": self.sip_port,
            "HTTP_HOST": HOST,
            "HTTP_PORT": self.http_port,
            "MEDIA_HOST": HOST,
            "RTP_PORT_FIRST": first,
            "RTP_PORT_LAST": first + RTP_PORTS - 1,
            "WEBRTC_PORT": self._block.take(),
            "WEB_ORIGIN": self.url,
            "MAIL_SERVER": f"{HOST}:{mail_port}",
            "MAIL_SECURITY": "none",
            "MAIL_FROM": "intercom@example.org",
        }
        text = "".join(f"INTERCOM_{name}={value}\n" for name, value in lines.items())
        (self.folder / SETTINGS).write_text(text, "utf-8")

    async def start_router(self) -> str:
        """Run `intercom serve`; give its line when it is ready."""
        serve = ("intercom", "serve", "--settings", str(self.folder / SETTINGS))
        router = await start("router", serve, self.folder)
        self.children.append(router)
        return router.ready_text

    async def command(self, *arguments: str) -> str:
        """Run the command line; give what it prints."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "intercom", *arguments),
            *("--settings", str(self.folder / SETTINGS)),
            stdout=asyncio.subprocess.PIPE,
            env={k: v for k, v in os.environ.items() if not k.startswith("INTERCOM_")},
        )
        async with asyncio.timeout(CLI_S):
            printed, _ = await process.communicate()
        assert process.returncode == 0, printed
        return printed.decode()

    async def mailed_link(self, address: str) -> str:
        """Wait for the next mail to somebody; give its first link."""
        async with asyncio.timeout(MAIL_S):
            while not (found := self.inbox.of(address)):  # noqa: ASYNC110 - a server's
                await asyncio.sleep(0.05)
        mail = found[0]
        self.inbox.mails.remove(mail)
        return link_of(mail)

    async def start_panel(self, told: Mapping[str, str]) -> Child:
        """Switch a panel on that was given what Webadmin shows: server, key, sip_server, username, password."""
        child = await start(
            f"panel-{told['username']}",
            (
                "firmware_sim.panel",
                f"--sip-server={told['sip_server']}",
                f"--panel-id={told['username']}",
                f"--link={told['server'].replace('http', 'ws', 1)}/panel-link",
                f"--server-key={told['key']}",
                f"--state-dir={self.folder / told['username']}",
            ),
            self.folder,
            {"PANEL_PASSWORD": told["password"]},
        )
        self.children.append(child)
        return child

    async def names_on(self, panel: Child) -> list[str]:
        """Read a panel's screen."""
        return [row["name"] for row in (await self.remote.get(panel, "/api/names"))["rows"]]

    async def shows(self, panel: Child, names: list[str], within_s: float) -> float:
        """Wait until a panel's screen has exactly these names; give the seconds it took."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while (found := await self.names_on(panel)) != names:
            assert loop.time() - began < within_s, f"the screen shows {found}"
            await asyncio.sleep(0.02)
        return loop.time() - began

    async def until(self, child: Child, *way: str, within_s: float = 15.0) -> None:
        """Wait until something in a simulator's state is there and true."""
        async with asyncio.timeout(within_s):
            while True:
                state = await self.remote.get(child, "/api/state")
                for name in way:
                    state = (state or {}).get(name)
                if state:
                    return
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        for child in reversed(self.children):
            await child.stop()


@contextlib.asynccontextmanager
async def empty_house(folder: Path) -> AsyncIterator[EmptyHouse]:
    """Prepare an empty folder with settings; every process ends with the context."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        block = stack.enter_context(PortBlock())
        post = await stack.enter_async_context(mail_server())
        house = EmptyHouse(folder, Remote(session), block, post.inbox)
        house.write_settings(post.server.port)
        stack.push_async_callback(house.stop)
        yield house
