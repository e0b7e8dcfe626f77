"""What is done with a database before it is used."""

from datetime import datetime
from pathlib import Path

from intercom.errors import ConfigError
from intercom.store import migration, pg_programs
from intercom.store.backups import backup_name, free_place, make_backup
from intercom.store.database import Database

_BEFORE_UPDATE = "before-update"


async def bring_up(
    database: Database, backups: Path | None, now: datetime
) -> tuple[str | None, Path | None]:
    """Bring a database to this version's shape; make its tables when it is empty.

    An older one is copied into `backups` first; None: without a copy. Gives the version that it had,
    and the copy. Raises ConfigError for a newer one, and where no copy can be made; StoreDownError
    when it is down: trying again may help.
    """
    version = await database.version()
    migration.check_known(version)
    if version == migration.newest():
        return version, None
    copy = None
    if version is not None and backups is not None:
        if not database.is_sqlite and not pg_programs.are_installed():
            msg = (
                "The database is of an older version and cannot be backed up before it is changed:"
                " apt-get install postgresql-client, or make a backup in your own way and run"
                " `intercom migrate --without-backup`"
            )
            raise ConfigError(msg)
        copy = free_place(backups, backup_name(database, now, _BEFORE_UPDATE))
        await make_backup(database, copy)
    await database.migrate()
    return version, copy
