"""What the service has where the database is the building, and how it is started and stopped."""

import contextlib
from collections.abc import AsyncIterator, Coroutine, Iterator

from intercom.administration.snapshot import Snapshot
from intercom.app.chores import prepare_sounds
from intercom.app.database_in_force import DatabaseInForce
from intercom.routing.change import DirectoryChange
from intercom.routing.directory import Directory
from intercom.settings import Settings
from intercom.store.database import Database
from intercom.store.events import EventLog
from intercom.store.upkeep import bring_up
from intercom.wall_clock import now, today

SPOOL_FILE = "events.spool"


class StoreSide:
    """The database, the snapshot of it that is in force, and the event logs."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.database = database
        snapshot = Snapshot(
            database,
            today=today,
            folder=settings.state_dir,
            caller_id=settings.caller_id,
            prepare=_prepare,
        )
        self.building = DatabaseInForce(database, snapshot)
        self.events = EventLog(database, settings.state_dir / SPOOL_FILE, now)

    def chores(self) -> Iterator[tuple[str, Coroutine[None, None, None]]]:
        """Give what runs beside the calls, each with its name."""
        yield "database followed", self.building.follow()
        yield "events written", self.events.keep()


@contextlib.asynccontextmanager
async def store_side(settings: Settings) -> AsyncIterator[StoreSide]:
    """Open the database and wait until it is read; ConfigError for one that cannot be used."""
    database = Database(settings.database_url)
    try:
        side = StoreSide(settings, database)
        await side.building.start(lambda: bring_up(database, settings.backup_dir, now()))
        async with side.events:
            yield side
    finally:
        await database.close()


def _prepare(directory: Directory, change: DirectoryChange) -> None:
    """Make the sounds that a change needs, before it is in force."""
    if change.properties or change.doors:
        prepare_sounds(directory)
