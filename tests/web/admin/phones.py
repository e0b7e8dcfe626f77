"""A person's phone that check calls ring: the calls are real, the phone does as the test says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from intercom.administration.number_checks import NumberChecks
from intercom.check_calls import CheckCalls
from intercom.ports import PhoneCall
from intercom.routing import events as ev
from intercom.routing.commands import EndReason
from intercom.routing.directory import Directory, Property
from intercom.routing.ids import LegId, PropertyId
from intercom.routing.numbers import DialPolicy
from intercom.routing.plan import PhoneTarget
from intercom.store.database import Database
from tests.web.admin.rig import Rig


@dataclass
class Phone:
    """Rings until `answer`."""

    rung: list[str] = field(default_factory=list)
    legs: list[LegId] = field(default_factory=list)
    calls: CheckCalls = field(init=False)
    now: float = 0.0
    """The clock by which a day's check calls are counted."""

    def place(self, _call: PhoneCall, leg_id: LegId, target: PhoneTarget) -> None:
        self.rung.append(target.number)
        self.legs.append(leg_id)

    def end(self, leg_id: LegId, _reason: EndReason) -> None:
        if leg_id in self.legs:
            self.legs.remove(leg_id)

    def answer(self, key: str) -> None:
        """Pick up, press a key when the words are heard, and hang up."""
        (leg_id,) = self.legs
        self.calls.post(leg_id, ev.LegAnswered(leg_id))
        self.calls.post(leg_id, ev.DigitPressed(leg_id, key))
        self.calls.post(leg_id, ev.LegEnded(leg_id))

    async def over(self) -> None:
        """Wait until nothing is rung any more."""
        async with asyncio.timeout(3):
            while self.legs:  # noqa: ASYNC110 - the calls tell nobody
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)  # what came of it is written

    @asynccontextmanager
    async def at(self, database: Database) -> AsyncIterator["Checks"]:
        """Give what makes the check calls of a rig, as long as the context lasts."""
        numbers = iter(range(1000))
        self.calls = CheckCalls(token=lambda length: f"{next(numbers):0{length}}")
        self.calls.start(self)
        async with asyncio.TaskGroup() as tasks:
            yield Checks(self, database, tasks)


@dataclass
class Checks:
    phone: Phone
    database: Database
    tasks: asyncio.TaskGroup

    def __call__(self, rig: Rig) -> NumberChecks:
        place = PropertyId("storgata-14")
        rig.directory = Directory(properties={place: Property(place, "Storgata", "Storgata 14")})
        return NumberChecks(
            self.database,
            check=self.phone.calls.check,
            spawn=lambda work, name: self.tasks.create_task(work, name=name),
            directory=lambda: rig.directory,
            today=rig.now.date,
            policy=DialPolicy(),
            clock=lambda: self.phone.now,
        )
