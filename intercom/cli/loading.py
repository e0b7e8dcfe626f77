"""What commands have in common: the settings, the folder of the service's state, the database."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click

from intercom import wall_clock
from intercom.cli.control_client import ControlError, ask
from intercom.errors import ConfigError, NotThereYetError
from intercom.settings import Settings, load_secrets, load_settings
from intercom.store.database import Database
from intercom.store.upkeep import bring_up

FilePath = click.Path(path_type=Path, dir_okay=False)
settings_option = click.option(
    "--settings",
    "settings_file",
    type=FilePath,
    metavar="FILE",
    help="Settings file (TOML or lines of INTERCOM_…=…). Default: INTERCOM_SETTINGS.",
)


def settings_from(settings_file: Path | None, building_file: Path | None = None) -> Settings:
    """Read the settings; what `password_env` names may stand in the same file, as for systemd."""
    for name, value in load_secrets(settings_file).items():
        os.environ.setdefault(name, value)
    return load_settings(settings_file, building_file=building_file)


def make_state_dir(settings: Settings) -> None:
    """Make the folder of keys and database; raise ConfigError when it is not ours to write to."""
    path = settings.state_dir.absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        why = "" if os.access(path, os.W_OK | os.X_OK) else "may not be written to by this user"
    except OSError as error:
        why = f"cannot be made ({error.strerror})"
    if why:
        msg = f"The state directory {path} {why}: set INTERCOM_STATE_DIR to one that is ours"
        raise ConfigError(msg)


@asynccontextmanager
async def database_of(settings: Settings) -> AsyncIterator[Database]:
    """Open the database as it is."""
    make_state_dir(settings)
    database = Database(settings.database_url)
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def database_in_shape(settings: Settings) -> AsyncIterator[Database]:
    """Open the database and bring it to this version's shape; an older one is backed up first."""
    async with database_of(settings) as database:
        await bring_up(database, settings.backup_dir, wall_clock.now())
        yield database


async def refuse_while_it_runs(settings: Settings, what: str) -> None:
    """Raise ConfigError when the service runs, which would go on with files that are gone."""
    try:
        await ask(settings.control_socket, "GET", "/status")
    except ControlError as error:
        if not error.is_reached:
            return
    msg = f"The service runs: stop it (systemctl stop intercom), {what}, and start it again"
    raise NotThereYetError(msg)
