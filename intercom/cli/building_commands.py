"""`intercom import-building`, `export-building` and `export`: into the database and out of it."""

import asyncio
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import click

from intercom import wall_clock
from intercom.building.load import parse_building
from intercom.cli.loading import (
    FilePath,
    database_in_shape,
    settings_from,
    settings_option,
)
from intercom.errors import ConfigError
from intercom.settings import Settings
from intercom.store import building_import
from intercom.store.building_import import ImportResult, ImportWish
from intercom.store.person_export import export_person
from intercom.web.login_file import LoginFile
from intercom.web.sessions import LoginTable

_MOST_LINES = 60
_out_option = click.option(
    "--out", "out", type=FilePath, metavar="FILE", help="Write here, readable by this user alone."
)


@click.command(
    "import-building",
    short_help="Take a building file into the database.",
    epilog="""\b
Examples:
  intercom import-building building.toml --dry-run      say what would change
  intercom import-building building.toml                the same, and do it: all of it or nothing
  intercom import-building house.toml --into storgata   as the property "storgata"

\b
Doing it again changes nothing. A file without [[unit]] gets a unit for each doorbell. Numbers are not
called before their residents have confirmed a check call, unless you vouch for them.""",
)
@click.argument("file", type=FilePath)
@click.option("--into", "property_id", metavar="PROPERTY", help="Its id. Default: the file's own.")
@click.option("--dry-run", "is_tried_only", is_flag=True, help="Write nothing.")
@click.option(
    "--prune", "is_pruned", is_flag=True, help="Take out of the database what the file lacks."
)
@click.option(
    "--numbers-verified",
    "are_numbers_verified",
    is_flag=True,
    help="You vouch that each number is its resident's.",
)
@settings_option
def import_building(
    file: Path,
    property_id: str | None,
    *,
    is_tried_only: bool,
    is_pruned: bool,
    are_numbers_verified: bool,
    settings_file: Path | None,
) -> None:
    """Take the building FILE into the database; a running service follows within seconds."""
    settings = settings_from(settings_file)
    wish = ImportWish(
        property_id=property_id,
        is_pruned=is_pruned,
        are_numbers_verified=are_numbers_verified,
        is_tried_only=is_tried_only,
    )
    result = asyncio.run(_import(settings, file.resolve(), wish))
    for line in _said(result, is_tried_only=is_tried_only):
        click.echo(line)


@click.command(
    "export-building",
    short_help="Write a property as a building file.",
    epilog="""\b
Examples:
  intercom export-building storgata --out storgata.toml
  intercom export-building                               the only property, to the terminal

\b
`intercom import-building` makes the same property of it. It holds the passwords of panels and carriers.""",
)
@click.argument("property_id", metavar="[PROPERTY]", required=False)
@_out_option
@settings_option
def export_building(property_id: str | None, out: Path | None, settings_file: Path | None) -> None:
    """Write PROPERTY as a building file."""
    settings = settings_from(settings_file)
    _write(asyncio.run(_export(settings, property_id)), out)


@click.command(
    short_help="Write all that is stored of one person, as JSON.",
    epilog="""\b
Example:
  intercom export kari@example.org --out kari.json""",
)
@click.argument("person")
@_out_option
@settings_option
def export(person: str, out: Path | None, settings_file: Path | None) -> None:
    """Write all that is stored of PERSON (a username or a mail address), as JSON."""
    settings = settings_from(settings_file)
    found = asyncio.run(_export_person(settings, person))
    _write(json.dumps(found, ensure_ascii=False, indent=2) + "\n", out)


async def _import(settings: Settings, file: Path, wish: ImportWish) -> ImportResult:
    building = parse_building(
        file,
        caller_id=settings.caller_id,
        dial_policy=settings.dial_policy,
        has_sip_tls=settings.has_sip_tls,
    )
    async with database_in_shape(settings) as database:
        return await building_import.import_building(
            database, building, file.parent, wish, wall_clock.now().date()
        )


async def _export(settings: Settings, property_id: str | None) -> str:
    async with database_in_shape(settings) as database:
        return await building_import.export_building(database, property_id)


async def _export_person(settings: Settings, person: str) -> dict[str, object]:
    async with database_in_shape(settings) as database:
        found: dict[str, object] = dict(await export_person(database, person))
    username = found["username"]
    logins = LoginTable(clock=time.monotonic)
    LoginFile(settings.state_dir / "logins.json", logins).load()
    found["log-ins"] = [
        {"device": each.device_id, "label": each.label, "created_on": str(each.created_on or "")}
        for _, each in logins.export()
        if each.resident_id == username
    ]
    return found


def _said(result: ImportResult, *, is_tried_only: bool) -> Iterator[str]:
    lines = list(result.change.lines())
    yield from lines[:_MOST_LINES]
    if len(lines) > _MOST_LINES:
        yield f"… and {len(lines) - _MOST_LINES} more"
    counts = ", ".join(f"{count} {what}" for what, count in result.change.counts().items())
    would = "would be " if is_tried_only else ""
    yield f'Property "{result.property_id}": {would}{counts}'
    for kind, keys in result.left_alone.items():
        yield (
            f"In the database and not in the file, and stays: {kind} {', '.join(keys[:10])}"
            f"{' …' if len(keys) > 10 else ''}"
        )
    if result.unverified:
        yield (
            f"{result.unverified} numbers are not called before their residents confirm a check"
            " call, or you vouch for them by --numbers-verified"
        )


def _write(text: str, out: Path | None) -> None:
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        number = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(number, "w", encoding="utf-8") as file:  # noqa: PTH123 - of a number
            os.fchmod(number, 0o600)
            file.write(text)
    except OSError as error:
        msg = f"{out} cannot be written ({error.strerror}): name another file"
        raise ConfigError(msg) from error
    click.echo(f"{out} is written, readable by you alone.", err=True)
