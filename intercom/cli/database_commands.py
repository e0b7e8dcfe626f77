"""`intercom migrate`, `backup` and `restore`: the database as a whole."""

import asyncio
from pathlib import Path

import click

from intercom import wall_clock
from intercom.cli.loading import (
    FilePath,
    database_of,
    refuse_while_it_runs,
    settings_from,
    settings_option,
)
from intercom.settings import Settings
from intercom.store import migration
from intercom.store.backups import backup_name, check_backup, delete_old, free_place, make_backup
from intercom.store.backups import restore as restore_backup
from intercom.store.upkeep import bring_up


@click.command(
    short_help="Bring the database to this version's shape.",
    epilog="""\b
Example:
  intercom migrate

\b
`intercom serve` does the same at its start.""",
)
@click.option("--without-backup", is_flag=True, help="Do not copy an older database first.")
@settings_option
def migrate(*, without_backup: bool, settings_file: Path | None) -> None:
    """Bring the database to this version's shape; an older one is backed up first."""
    settings = settings_from(settings_file)
    click.echo(asyncio.run(_migrate(settings, has_backup=not without_backup)))


@click.command(
    short_help="Copy the database, while the service runs.",
    epilog="""\b
Examples:
  intercom backup                     into the folder backups in INTERCOM_STATE_DIR
  intercom backup /mnt/nas/today.db   into a file of your own

\b
Backups in the state directory that are older than INTERCOM_BACKUP_DAYS are deleted.""",
)
@click.argument("file", type=FilePath, required=False)
@settings_option
def backup(file: Path | None, settings_file: Path | None) -> None:
    """Copy the database into FILE, readable by this user alone; the service goes on."""
    settings = settings_from(settings_file)
    made, deleted = asyncio.run(_backup(settings, file))
    click.echo(f"{made} ({made.stat().st_size / 1e6:.1f} MB)")
    if deleted:
        click.echo(f"{deleted} backups older than {settings.backup_days} days were deleted.")


@click.command(
    short_help="Put a backup in the database's place; the service is stopped.",
    epilog="""\b
Examples:
  systemctl stop intercom
  intercom restore /var/lib/intercom/backups/intercom-20261122T223000Z.db
  systemctl start intercom

\b
What was there before is kept as a backup; the last line says how to take the restore back.""",
)
@click.argument("file", type=FilePath)
@settings_option
def restore(file: Path, settings_file: Path | None) -> None:
    """Put the backup FILE in the database's place; a file that is damaged changes nothing."""
    settings = settings_from(settings_file)
    aside = asyncio.run(_restore(settings, file))
    click.echo(f"{file} is the database now.")
    if aside is not None:
        click.echo(f"To take it back: intercom restore {aside}")


async def _migrate(settings: Settings, *, has_backup: bool) -> str:
    async with database_of(settings) as database:
        backups = settings.backup_dir if has_backup else None
        before, copy = await bring_up(database, backups, wall_clock.now())
    newest = migration.newest()
    if before == newest:
        return f"The database has this version's shape ({newest}) already."
    if before is None:
        return f"The database was empty; its tables are made ({newest})."
    kept = f"; as it was: {copy}" if copy is not None else ""
    return f"The database was brought from shape {before} to {newest}{kept}"


async def _backup(settings: Settings, file: Path | None) -> tuple[Path, int]:
    async with database_of(settings) as database:
        now = wall_clock.now()
        made = file or free_place(settings.backup_dir, backup_name(database, now))
        await make_backup(database, made)
        return made, delete_old(settings.backup_dir, settings.backup_days, now)


async def _restore(settings: Settings, file: Path) -> Path | None:
    await refuse_while_it_runs(settings, "restore")
    async with database_of(settings) as database:
        await check_backup(database, file)
        name = backup_name(database, wall_clock.now(), "before-restore")
        aside = free_place(settings.backup_dir, name)
        await restore_backup(database, file, aside)
    return aside if aside.exists() else None
