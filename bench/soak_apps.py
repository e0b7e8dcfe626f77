"""Residents' apps that answer by themselves: `python bench/soak_apps.py SERVER NAME …`; all have one password.

Each is logged in as long as this runs, answers a second after it rings, and sends and hears sound by aiortc.
Prints "ready" when all are connected, and at SIGTERM what they heard, as JSON.
"""

import asyncio
import json
import signal
import sys

from firmware_sim.app_client import AppClient
from firmware_sim.app_media import stay_on_loopback

PASSWORD = "soak-password"
ANSWER_AFTER_S = 1.0
TONE_HZ = 440
READY_S = 60.0


class Watched:
    """An app whose calls are counted as they end."""

    def __init__(self, client: AppClient) -> None:
        self.client = client
        self.answered = self.heard = self.errors = 0
        self._last: object = None

    def look(self) -> None:
        """Count the last call once, when it has ended."""
        call = self.client.state()["call"]
        if not isinstance(call, dict) or call["phase"] != "ended":
            return
        if call["ring_ms"] == self._last:
            return
        self._last = call["ring_ms"]
        self.answered += call["talking_ms"] is not None
        self.heard += call["first_sound_ms"] is not None
        self.errors += bool(call["errors"])


async def main(server: str, names: list[str]) -> None:
    """Run them all."""
    stay_on_loopback()
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    async with asyncio.TaskGroup() as tasks:
        apps = [
            Watched(
                AppClient(
                    tasks,
                    server=server,
                    username=name,
                    password=PASSWORD,
                    tone_hz=TONE_HZ,
                    auto_answer_after_s=ANSWER_AFTER_S,
                )
            )
            for name in names
        ]
        running = [tasks.create_task(app.client.serve()) for app in apps]
        async with asyncio.timeout(READY_S):
            while not all(app.client.state()["connected"] for app in apps):  # noqa: ASYNC110 - the client tells nobody
                await asyncio.sleep(0.1)
        print("ready", flush=True)
        while not over.is_set():
            for app in apps:
                app.look()
            await asyncio.sleep(0.2)
        for task in running:
            task.cancel()
    counts = {
        name: sum(getattr(app, name) for app in apps) for name in ("answered", "heard", "errors")
    }
    print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
