"""What happens on a stage in a test: acting, waiting for what the strangers saw, measuring."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from intercom.demo.processes import Child
from intercom.demo.stage import Stage
from intercom.demo.verdict import Recording

ALL = ("carrier", "phone", "panel", "resident")
NO_PHONE = ("carrier", "panel")
"""The carrier stands, with nobody registered: a browser is the resident."""
POLL_S = 0.02
COMMAND_LIMIT_S = 30.0

Json = Mapping[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Done:
    """What a command of the operator's said and how it ended."""

    exit_code: int
    out: str
    err: str


class Play:
    """One stage, with what a test does and sees on it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.pressed_ms = 0.0

    async def press(self, button: str = "1") -> None:
        """Press a name at the door; what is looked up afterwards is of this press."""
        self.pressed_ms = int(now_ms())
        await self.stage.remote.post(self.stage.panel, "/api/press", {"button": button})

    async def tell(self, who: str, verb: str, body: Json | None = None) -> None:
        """Let somebody act: `tell("phone", "press", {"digit": "5"})`."""
        await self.stage.remote.post(getattr(self.stage, who), f"/api/{verb}", body)

    async def fault(self, who: str, name: str, *, is_on: bool = True) -> None:
        """Break something, or mend it."""
        await self.tell(who, "fault", {"name": name, "on": is_on})

    async def until(
        self, what: str, look: Callable[[], Awaitable[T | None]], within_s: float = 10.0
    ) -> T:
        """Wait until a look finds something true, and give it."""
        try:
            async with asyncio.timeout(within_s):
                while not (seen := await look()):  # noqa: ASYNC110 - other processes
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            msg = f"not within {within_s:.0f} s: {what}; {await self.scene()}"
            raise AssertionError(msg) from None
        return seen

    async def scene(self) -> Json:
        """Tell where everybody is, for an assertion's words."""
        return {
            child.name: (await self.state(child.name)).get("call")
            for child in self.stage.children()
            if child.name in ("panel", "phone", "resident") and child.process.returncode is None
        }

    async def state(self, who: str) -> Json:
        """Give what a simulator says about itself."""
        state: Json = await self.stage.remote.get(getattr(self.stage, who), "/api/state")
        return state

    async def call(self, who: str) -> Json:
        """Give a simulator's record of its last call."""
        return (await self.state(who)).get("call") or {}

    # -- what the strangers saw --------------------------------------------------------------

    async def at_panel(self, *stamps: str, within_s: float = 10.0) -> float:
        """Wait for the first of these stamps of the panel's last call."""

        async def look() -> float | None:
            found: Json = (await self.call("panel")).get("stamps", {})
            moments = (found[stamp] for stamp in stamps if stamp in found)
            return next((each for each in moments if each >= self.pressed_ms), None)

        return float(await self.until(f"the panel's {' or '.join(stamps)}", look, within_s))

    async def at(self, who: str, stamp: str, within_s: float = 10.0) -> float:
        """Wait for a stamp of the phone's or the resident's call of this press."""

        async def look() -> float | None:
            moment = (await self.call(who)).get(f"{stamp}_ms")
            return moment if moment and moment >= self.pressed_ms else None

        return float(await self.until(f"the {who}'s {stamp}", look, within_s))

    async def ended_at_panel(self, within_s: float = 10.0) -> Json:
        """Wait until the panel's call is over and the router has said why."""

        async def look() -> Json | None:
            call = await self.call("panel")
            said = [each for each in call["states"] if each["state"] == "ended"]
            return call if call["ended"] and said else None

        return await self.until("the call's end at the panel", look, within_s)

    async def carrier_calls(self) -> list[Json]:
        """Give the carrier's records of this press's calls."""
        calls = await self.stage.remote.get(self.stage.carrier, "/api/calls")
        return [each for each in calls if each["received_ms"] >= self.pressed_ms]

    def journal(self, phase: str | None = None) -> list[Json]:
        """Read what the relay board did, in all or in one phase."""
        file = self.stage.journal
        lines = file.read_text("utf-8").splitlines() if file.exists() else []
        entries = [json.loads(line) for line in lines]
        return [each for each in entries if phase in (None, each["phase"])]

    async def pulses(self, count: int, within_s: float = 5.0) -> list[Json]:
        """Wait until the relay has been energised so many times since the stage was set."""

        async def look() -> list[Json] | None:
            found = self.journal("on")
            return found if len(found) >= count else None

        return await self.until(f"pulse {count}", look, within_s)

    async def heard(self, who: str) -> Recording:
        """Fetch what one end has heard so far."""
        child: Child = getattr(self.stage, who)
        return Recording.of_wav(*await self.stage.remote.sound(child))

    # -- the operator ------------------------------------------------------------------------

    async def intercom(self, *arguments: str) -> Done:
        """Run an `intercom` command against this stage's router."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "intercom", *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", **self.stage.router_environment()},
        )
        async with asyncio.timeout(COMMAND_LIMIT_S):
            out, err = await process.communicate()
        assert process.returncode is not None
        return Done(process.returncode, out.decode(), err.decode())

    def router_log(self) -> str:
        """Give what the router has written to stderr."""
        return self.stage.router.log_file.read_text("utf-8", "replace")


def now_ms() -> float:
    """Read CLOCK_MONOTONIC, which all processes share."""
    return time.monotonic_ns() / 1_000_000
