"""The building out of the database: followed change by change, and kept while the database is down."""

import asyncio
import contextlib
import gc
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path

import structlog

from intercom.administration.snapshot import Snapshot
from intercom.app.in_force import Listener
from intercom.errors import ConfigError, StoreDownError
from intercom.routing.change import DirectoryChange
from intercom.routing.directory import Directory
from intercom.store.database import Database, Row, Touched
from intercom.wall_clock import today

log = structlog.get_logger()

POLL_S = 1.0
"""So often it is asked whether another process changed something."""
OWN_CHANGE_S = 0.3
"""A change of our own is told of so soon after it can be seen."""
MANY = 1_000
"""Things that came at once, and so many objects, that the collector of garbage is to leave them alone: to
look through a directory of 24,000 people takes it 0.4 s. None of it refers to itself in a circle."""
_LOST = (
    "calls and doors go on by what was read last; mend the database: INTERCOM_DATABASE says which"
)
_WAITING = "the service starts once the database answers: INTERCOM_DATABASE says which"
_LEFT_OUT = "`intercom status` says which and why"
_IN_DATABASE = (
    "The building is in the database, not in a file: `intercom import-building FILE` takes one in."
)


class DatabaseInForce:
    """The snapshot in force; `follow` keeps it so."""

    def __init__(
        self, database: Database, snapshot: Snapshot, *, today: Callable[[], date] = today
    ) -> None:
        self._snapshot = snapshot
        self._today = today
        self._day = today()
        self.on_change: list[Listener] = []
        self.is_database_up = True
        self._touched: set[Row] = set()
        self._woken = asyncio.Event()
        self._own_changes = 0
        self._revision_without_own = 0
        self._has_all_due = False
        self._one_at_a_time = asyncio.Lock()
        self._left_out = 0
        database.on_change.append(self._note)

    @property
    def directory(self) -> Directory:
        """The directory in force."""
        return self._snapshot.directory

    async def start(self, bring_up: Callable[[], Awaitable[object]]) -> None:
        """Wait until the database answers, bring its tables up to date, and read it.

        Raises ConfigError for a database that this version cannot use.
        """
        is_said = False
        while True:
            try:
                await bring_up()
                await self._read_all()
            except StoreDownError:
                if not is_said:
                    log.exception("service.database_awaited", remedy=_WAITING)
                is_said = True
                await asyncio.sleep(POLL_S)
            else:
                return

    async def follow(self) -> None:
        """Bring the snapshot up to date whenever something changed, here or in another process."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._woken.wait()
            self._woken.clear()
            try:
                await self._catch_up()
            except StoreDownError:
                self._set_up(is_up=False)
            else:
                self._set_up(is_up=True)

    async def reload(self, file: Path | None = None) -> DirectoryChange:
        """Read everything again; ConfigError when the database is down or a file is named."""
        if file is not None:
            raise ConfigError(_IN_DATABASE)
        try:
            return await self._read_all()
        except StoreDownError as error:
            raise ConfigError(str(error)) from error

    async def reload_and_log(self) -> None:
        """Read everything again and only log what came of it."""
        try:
            change = await self.reload()
        except ConfigError:
            log.exception("building.refused", remedy=_LOST)
        else:
            log.info("building.loaded", changed=change.count)

    def doubts(self) -> dict[str, object]:
        """Say whether the database answers, and what of it cannot be used."""
        return {"database_up": self.is_database_up, "left_out": self._snapshot.left_out}

    def figures(self) -> dict[str, float]:
        """Tell whether the database answers, and how many things of it cannot be used."""
        return {"database_up": self.is_database_up, "left_out": len(self._snapshot.left_out)}

    def _note(self, touched: Touched) -> None:
        self._own_changes += 1
        self._touched |= touched
        self._woken.set()

    async def _catch_up(self) -> None:
        if self._touched:
            await self._read_touched()
        if await self._is_changed_by_others():
            await self._read_all()
        if (day := self._today()) != self._day:
            async with self._one_at_a_time:
                self._tell(await self._snapshot.day_changed())
            self._day = day

    async def _read_touched(self) -> None:
        async with self._one_at_a_time:
            touched = frozenset(self._touched)
            self._touched.clear()
            try:
                change = await self._snapshot.apply(touched)
            except StoreDownError:
                self._touched |= touched
                raise
            self._tell(change)

    async def _read_all(self) -> DirectoryChange:
        async with self._one_at_a_time:
            without_own = await self._snapshot.revision() - self._own_changes
            change = await self._snapshot.load()
            self._revision_without_own = without_own
            self._tell(change)
        return change

    async def _is_changed_by_others(self) -> bool:
        """Compare the number of changes; one of our own may be there a moment before we are told."""
        for wait_s in (OWN_CHANGE_S, 0.0):
            revision = await self._snapshot.revision()
            if revision == self._revision_without_own + self._own_changes:
                return False
            await asyncio.sleep(wait_s)
        return True

    def _tell(self, change: DirectoryChange) -> None:
        left_out = len(self._snapshot.left_out)
        if left_out > self._left_out:
            log.warning("building.rows_left_out", count=left_out, remedy=_LEFT_OUT)
        self._left_out = left_out
        if change:
            for listener in self.on_change:
                listener(self.directory, change)
        if change.count > MANY:
            gc.freeze()

    def _set_up(self, *, is_up: bool) -> None:
        if is_up is not self.is_database_up:
            self.is_database_up = is_up
            if is_up:
                log.info("service.database_back")
            else:
                log.error("service.database_lost", remedy=_LOST)
