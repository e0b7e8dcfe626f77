"""The snapshot alone, in a loop of its own: read at once, then followed change by change.

A turn is the time from one chance of the loop's other tasks to the next; calls wait for no longer. It is
told by the clock, and by what the loop's own thread used of the processor, which other programs on the
machine do not change.
"""

import asyncio
import gc
import resource
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import update

from intercom.administration.snapshot import Snapshot
from intercom.store.database import Database, Touched, touch
from intercom.store.models import Account, Doorbell, Property, Revision

TODAY = date(2026, 3, 1)
AIM_MS = 5.0
CHANGES = 30


@dataclass
class Turns:
    """The longest turn since the last look, in milliseconds."""

    clock_ms: float = 0.0
    used_ms: float = 0.0
    over_aim: int = 0

    async def watch(self) -> None:
        at, used_at = time.perf_counter(), time.thread_time()
        while True:
            await asyncio.sleep(0)
            now, used = time.perf_counter(), time.thread_time()
            self.clock_ms = max(self.clock_ms, (now - at) * 1000)
            self.used_ms = max(self.used_ms, (used - used_at) * 1000)
            self.over_aim += (used - used_at) * 1000 > AIM_MS
            at, used_at = now, used

    def reset(self) -> None:
        self.clock_ms = self.used_ms = 0.0
        self.over_aim = 0


@dataclass
class Bench:
    database: Database
    snapshot: Snapshot
    people: int
    turns: Turns = field(default_factory=Turns)
    touched: list[Touched] = field(default_factory=list)
    figures: dict[str, object] = field(default_factory=dict)

    async def measure(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        self.turns.reset()
        began = time.perf_counter()
        await work()
        took_ms = (time.perf_counter() - began) * 1000
        self.figures[name] = {
            "took_ms": round(took_ms, 1),
            "longest_turn_ms": round(self.turns.clock_ms, 2),
            "longest_turn_processor_ms": round(self.turns.used_ms, 2),
            "turns_over_aim": self.turns.over_aim,
        }

    async def follow(self, name: str, change: Callable[[int], Awaitable[None]]) -> None:
        """Measure a change from after its commit until it is in force."""
        took_ms, self_ms = [], 0.0
        for number in range(CHANGES):
            await change(number)
            self.turns.reset()
            began = time.perf_counter()
            await self.snapshot.apply(self.touched[-1])
            took_ms.append((time.perf_counter() - began) * 1000)
            self_ms = max(self_ms, self.turns.used_ms)
        took_ms.sort()
        self.figures[name] = {
            "median_ms": round(took_ms[len(took_ms) // 2], 2),
            "worst_ms": round(took_ms[-1], 2),
            "longest_turn_processor_ms": round(self_ms, 2),
        }

    async def rename(self, number: int) -> None:
        async with self.database.writing() as session:
            (await session.get_one(Doorbell, f"big-bell-{100 + number}")).name = f"New {number}"

    async def hide(self, number: int) -> None:
        async with self.database.writing() as session:
            (await session.get_one(Doorbell, f"big-bell-{200 + number}")).is_hidden = True

    async def rename_property(self, number: int) -> None:
        async with self.database.writing() as session:
            (await session.get_one(Property, "big")).name = f"Storgården {number}"

    async def rename_everybody(self) -> None:
        """Change all people at once, as a large import does; measured from the commit on."""
        async with self.database.writing(timeout_s=120) as session:
            await session.execute(update(Account).values(name=Account.username))
            for account_id in range(1, self.people + 1):
                touch(session, Account, account_id)

    async def change_behind_our_back(self) -> None:
        async with self.database.writing() as session:
            await session.execute(
                update(Doorbell)
                .where(Doorbell.id == "big-bell-7")
                .values(name="By another process")
            )
            await session.execute(update(Revision).values(number=Revision.number + 1))


def _memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def measure(url: str, people: int) -> dict[str, object]:
    """Measure the snapshot of a filled database; changes doorbells' and people's names in it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(8_000, 1_000_000_000, 1_000_000_000)  # as the service does
    database = Database(url)
    try:
        bench = Bench(database, Snapshot(database, today=lambda: TODAY), people)
        database.on_change.append(bench.touched.append)
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(bench.turns.watch())
            before_mb = _memory_mb()
            await bench.measure("first load", bench.snapshot.load)
            bench.figures["memory_mb"] = round(_memory_mb() - before_mb, 1)
            await bench.follow("rename a doorbell", bench.rename)
            await bench.follow("hide a doorbell", bench.hide)
            await bench.follow("rename the property", bench.rename_property)
            await bench.change_behind_our_back()
            await bench.measure("load again, one doorbell differs", bench.snapshot.load)
            await bench.rename_everybody()
            touched = bench.touched[-1]
            await bench.measure("everybody renamed", lambda: bench.snapshot.apply(touched))
            watch.cancel()
        return bench.figures
    finally:
        await database.close()
