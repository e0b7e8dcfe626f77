"""`intercom check-number`: ring a number and see whether its keys reach us."""

import asyncio
import sys
from pathlib import Path

import click

from intercom.cli.control_client import ask
from intercom.cli.exit_codes import ExitCode
from intercom.settings import find_control_socket

LIMIT_S = 90.0
"""A check call takes 75 s at most."""
_WORDS = {
    "confirmed": "confirmed: somebody answered and pressed the key",
    "no key": "answered, but the key did not come: a voicemail, or a phone whose keys do not reach us",
    "not answered": "not answered",
    "busy": "busy, or declined",
    "unreachable": "not reached: no such number, or no trunk that reaches it (`intercom status`)",
    "too many calls": "not called: a limit against toll fraud (INTERCOM_PHONE_CALLS_…)",
}


@click.command(
    "check-number",
    short_help="Ring a number and see whether its keys reach us.",
    epilog="""\b
Example:
  intercom check-number +4790012345

\b
Nothing is stored. In Webadmin the same call, made from a person's page, confirms the person's number.""",
)
@click.argument("number")
@click.option(
    "--property", "prop", metavar="ID", help="Whose language is spoken. Default: the first."
)
@click.option(
    "--socket",
    "socket_path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PATH",
    help="The service's control socket. Default: as in the settings.",
)
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Settings file. Default: INTERCOM_SETTINGS.",
)
def check_number(
    number: str, prop: str | None, socket_path: Path | None, settings_file: Path | None
) -> None:
    """Ring NUMBER (E.164), ask whoever answers for the key that opens doors, and say what came."""
    path = socket_path or find_control_socket(settings_file)
    click.echo(f"Ringing {number}: answer it and press the key that opens the door …", err=True)
    body = {"number": number, "property": prop}
    answer = asyncio.run(ask(path, "POST", "/check-number", body, limit_s=LIMIT_S))
    result = str(answer["result"])
    click.echo(f"{number}: {_WORDS.get(result, result)}")
    sys.exit(ExitCode.DONE if result == "confirmed" else ExitCode.NOT_DONE)
