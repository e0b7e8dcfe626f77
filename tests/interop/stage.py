"""A stage for scripted strangers: the running router with a door that counts, and what must be left at the end.

async with stage(tmp_path, PHONE) as at:
    async with at.panel(PANEL) as panel:
        await at.opens_once()
        await at.content(panel)
    await at.rests()
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp

from tests.interop.house import BUTTON, HOST, NUMBER, PANEL, PANEL_PASSWORD, Door, House, Router
from tests.interop.machine import CALL_S, POLL_S, free_tcp_port
from tests.interop.script import Script
from tests.interop.strangers import Sipp

STEP_S = 12.0
QUIET_S = 1.0
"""Long enough for a second opening to come, if there were one."""
REST_S = 10.0
DIALOGS = 'intercom_sip_table_entries{table="dialogs"}'
OVER = 'intercom_sip_table_entries{table="dialogs_over"}'
"""Kept only for a late 2xx, which would be acknowledged and hung up."""
CALLS = "intercom_calls"


@dataclass(slots=True)
class Stage:
    """What a test of this kind needs at hand."""

    folder: Path
    router: Router
    door: Door
    phones: list[Sipp]
    metrics_port: int

    @property
    def phone(self) -> Sipp:
        return self.phones[0]

    def panel(
        self,
        script: Script | str,
        *,
        to: tuple[str, int] | None = None,
        is_tcp: bool = False,
        more: tuple[str, ...] = (),
    ) -> Sipp:
        """Let sipp press the button."""
        return Sipp(
            written(script, self.folder),
            folder=self.folder,
            remote=to or self.router.sip,
            service=BUTTON,
            caller=PANEL,
            username=PANEL,
            password=PANEL_PASSWORD,
            is_tcp=is_tcp,
            more=more,
        )

    async def opens_once(self, limit_s: float = STEP_S) -> None:
        """Wait for the opening, and long enough for a second one."""
        async with asyncio.timeout(limit_s):
            while not self.door.openings:  # noqa: ASYNC110 - the door's own counter
                await asyncio.sleep(POLL_S)
        await asyncio.sleep(QUIET_S)
        assert self.door.openings == 1

    async def content(self, *strangers: Sipp, limit_s: float = STEP_S) -> None:
        """Wait until each has ended as its scenario says."""
        for each in strangers or self.phones:
            ended = await each.ended(limit_s)
            assert ended == 0, f"{each.errors()}\n{each.messages()}\n{self.router.log()}"

    async def figures(self) -> dict[str, float]:
        return await figures(self.metrics_port)

    async def rests(self, limit_s: float = REST_S) -> None:
        """Wait until nothing of any call is left."""
        await rests(self.metrics_port, limit_s)


@asynccontextmanager
async def stage(
    folder: Path,
    *phones: Script | str,
    house: House | None = None,
    is_tcp: bool = False,
    by_address: bool = True,
    calls: int = 1,
    limit_s: float = CALL_S,
) -> AsyncIterator[Stage]:
    """Put up the router; its trunks are these phones, in this order. The panel has an address or a password."""
    async with AsyncExitStack() as stack:
        up = [
            await stack.enter_async_context(
                Sipp(
                    written(phone, folder),
                    folder=folder,
                    is_tcp=is_tcp,
                    calls=calls,
                    limit_s=limit_s,
                )
            )
            for phone in phones
        ]
        places = [phone.address for phone in up]
        port = free_tcp_port(HOST)
        base = house or House(numbers=(NUMBER,))
        changed = replace(
            base,
            kind="commercial",
            panel_address=HOST if by_address else "",
            trunk=base.trunk or (places[0] if places else None),
            second_trunk=base.second_trunk or (places[1] if len(places) > 1 else None),
            settings={"INTERCOM_METRICS_PORT": str(port), **base.settings},
        )
        door = await stack.enter_async_context(Door())
        router = await stack.enter_async_context(Router(changed, folder=folder, door=door))
        yield Stage(folder, router, door, up, port)


def written(script: Script | str, folder: Path) -> Path | str:
    """Write a script; a name stands for a file that is there."""
    return script if isinstance(script, str) else script.write(folder)


async def figures(port: int) -> dict[str, float]:
    """Read the router's metrics."""
    async with aiohttp.ClientSession() as http, http.get(f"http://{HOST}:{port}/metrics") as answer:
        text = await answer.text()
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


async def rests(port: int, limit_s: float) -> None:
    """Wait until the router has neither a call nor a dialog that is not over."""
    left: dict[str, float] = {}
    try:
        async with asyncio.timeout(limit_s):
            while True:
                now = await figures(port)
                left = {"calls": now[CALLS], "dialogs": now[DIALOGS] - now[OVER]}
                if not any(left.values()):
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(left) from None


def starts(log: str) -> list[str]:
    """List the start lines in sipp's log of messages, with the direction: `> ` sent, `< ` got."""
    found = re.findall(
        r"message (sent|received) .*?\n\n((?:SIP/2\.0|[A-Z]+ ).*?)\r?\n", log, re.DOTALL
    )
    return [f"{'>' if way == 'sent' else '<'} {line}" for way, line in found]
