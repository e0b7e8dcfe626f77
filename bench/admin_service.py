"""The service of bench/admin.py: `intercom serve`, with a clock in its loop that notes when it was late.

    python bench/admin_service.py SOCKET

SOCKET answers each connection with the figures since the one before, as JSON; so does SOCKET.page, on its
own, and SOCKET.count says how many residents are in force. A call waits as long as the
clock is late. That may be the service's own work, or other programs on the machine: so beside each
lateness stands how much of it the loop's thread, and the whole process, used of the processor.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from intercom import logs
from intercom.app.chores import keep_garbage_collection_short
from intercom.app.service import running
from intercom.cli.loading import make_state_dir, settings_from

TICK_S = 0.001
AIM_MS = 5.0


@dataclass
class Tally:
    """What the clock noted; all in milliseconds but for the two of seconds."""

    late_ms: list[float] = field(default_factory=list)
    used_ms: float = 0.0
    """The most of a lateness that the loop's own thread used of the processor."""
    process_ms: float = 0.0
    """The same of all threads: who waits for the interpreter waits for them."""
    over_aim: int = 0
    """How often the loop's own thread used more than the aim."""
    thread_s: float = field(default_factory=time.thread_time)
    began_s: float = field(default_factory=time.monotonic)

    def note(self, late_ms: float, used_ms: float, process_ms: float) -> None:
        """Note a tick."""
        self.late_ms.append(late_ms)
        self.used_ms = max(self.used_ms, used_ms)
        self.process_ms = max(self.process_ms, process_ms)
        self.over_aim += used_ms > AIM_MS

    def figures(self) -> dict[str, float]:
        """Give what was since the last time, and begin anew."""
        late = sorted(self.late_ms) or [0.0]
        now_s, thread_s = time.monotonic(), time.thread_time()
        given = {
            "seconds": round(now_s - self.began_s, 2),
            "loop_processor_s": round(thread_s - self.thread_s, 3),
            "late_p50_ms": round(late[len(late) // 2], 2),
            "late_p99_ms": round(late[len(late) * 99 // 100], 2),
            "late_max_ms": round(late[-1], 2),
            "longest_block_processor_ms": round(self.used_ms, 2),
            "longest_block_process_ms": round(self.process_ms, 2),
            "blocks_over_5_ms": self.over_aim,
        }
        self.late_ms, self.used_ms, self.process_ms, self.over_aim = [], 0.0, 0.0, 0
        self.began_s, self.thread_s = now_s, thread_s
        return given


async def tick(tallies: Sequence[Tally]) -> None:
    """Tick each millisecond."""
    loop = asyncio.get_running_loop()
    due = loop.time() + TICK_S
    thread_s, process_s = time.thread_time(), time.process_time()
    while True:
        await asyncio.sleep(due - loop.time())
        now, thread, process = loop.time(), time.thread_time(), time.process_time()
        late_ms = (now - due) * 1000
        used_ms = min(late_ms, (thread - thread_s) * 1000)
        process_ms = min(late_ms, (process - process_s) * 1000)
        for tally in tallies:
            tally.note(late_ms, used_ms, process_ms)
        due, thread_s, process_s = now + TICK_S, thread, process


async def serve(socket: Path) -> None:
    """Run the service of the environment's settings until it is ended."""
    settings = settings_from(None, None)
    make_state_dir(settings)
    logs.configure(settings.log_level.value, settings.log_format.value)
    step, page = Tally(), Tally()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(tick((step, page)))
        async with running(settings) as service:
            keep_garbage_collection_short()
            answers: dict[str, Callable[[], object]] = {
                ".page": page.figures,
                ".count": lambda: len(service.building.directory.residents),
                "": step.figures,
            }
            for name, give in answers.items():
                await asyncio.start_unix_server(_answering(give), f"{socket}{name}")
            await asyncio.Event().wait()


def _answering(give: Callable[[], object]) -> Callable[..., Awaitable[None]]:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(json.dumps(give()).encode())
        writer.close()

    return answer


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(Path(sys.argv[1])))
