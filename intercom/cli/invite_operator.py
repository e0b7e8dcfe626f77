"""`intercom invite-operator`: the first way into Webadmin, and the way back in."""

import asyncio
import importlib
from pathlib import Path

import click

from intercom import wall_clock
from intercom.administration import team, tokens
from intercom.administration.letters import SET_PASSWORD
from intercom.cli.loading import database_in_shape, settings_from, settings_option
from intercom.errors import ConfigError, RefusedError
from intercom.settings import Settings
from intercom.store.kinds import Role, TokenPurpose
from intercom.texts import LANGUAGES, words


@click.command(
    "invite-operator",
    short_help="Give somebody access to Webadmin as an operator.",
    epilog="""\b
Examples:
  intercom invite-operator kari@example.org --name "Kari Nordmann"
  intercom invite-operator kari@example.org        again: a new link

\b
The link is printed, and mailed where a mail server is set. It sets a password once, within 7 days.""",
)
@click.argument("email")
@click.option("--name", default="", help="Name of the person. Default: what stands before the @.")
@click.option(
    "--language",
    type=click.Choice(LANGUAGES),
    default="nb",
    help="Of mails and pages. Default: nb.",
)
@settings_option
def invite_operator(email: str, name: str, language: str, settings_file: Path | None) -> None:
    """Make the account with EMAIL an operator, who runs the service and sees every property."""
    settings = settings_from(settings_file)
    if settings.building_file is not None:
        msg = (
            f"The building is the file {settings.building_file}: there is no Webadmin."
            " Leave INTERCOM_BUILDING_FILE out to keep the building in the database."
        )
        raise ConfigError(msg)
    username, link = asyncio.run(_invite(settings, email, name, language))
    click.echo(f"Username: {username}")
    click.echo(f"Link:     {link}")


async def _invite(settings: Settings, email: str, name: str, language: str) -> tuple[str, str]:
    now = wall_clock.now()
    async with database_in_shape(settings) as database, database.writing() as session:
        try:
            account = await team.add(
                session,
                name=name or email.partition("@")[0],
                email=email,
                role=Role.OPERATOR,
                property_id=None,
                language=language,
                now=now,
                may_see_all=True,
            )
        except RefusedError as error:
            raise ConfigError(words("en", error.key, **error.values)) from error
        token = await tokens.make(
            session,
            account.id,
            TokenPurpose.SET_PASSWORD,
            now + tokens.INVITATION_LIFETIME,
        )
        admin_side = importlib.import_module("intercom.app.admin_side")  # late: media libraries
        return account.username, f"{admin_side.origin_of(settings)}{SET_PASSWORD}{token}"
