"""What an operator can tell the service: each command, its options and its words."""

import asyncio
import importlib
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import click
from typing_extensions import override

from intercom import logs
from intercom.building import load_building
from intercom.cli.control_client import ControlError, ask, follow
from intercom.cli.exit_codes import ExitCode
from intercom.cli.loading import FilePath, make_state_dir, settings_from, settings_option
from intercom.cli.trace_table import TraceTable
from intercom.errors import ConfigError, IntercomError, NotThereYetError
from intercom.settings import find_control_socket, load_settings
from intercom.settings.describe import as_markdown, as_text
from intercom.web.passwords import MAX_PASSWORD_CHARACTERS, hash_password

_SHORTEST_PASSWORD = 8

_socket_option = click.option(
    "--socket",
    "socket_path",
    type=FilePath,
    metavar="PATH",
    help="The service's control socket. Default: as in the settings.",
)


class _Group(click.Group):
    """Says errors in words; what is none of ours stays a traceback."""

    @override
    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (IntercomError, ControlError, ExceptionGroup) as error:
            leaves = list(_leaves(error))
            codes = [_code_of(leaf) for leaf in leaves]
            known = [code for code in codes if code is not None]
            if len(known) < len(codes):
                raise
            _fail("\n".join(dict.fromkeys(map(str, leaves))), max(known))


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  intercom hash-password                       a resident's password, for the building file
  intercom check-building building.toml        say everything that is wrong with it
  intercom serve --settings intercom.toml      run the service until Ctrl-C
  intercom relay-test main                     pulse a door's relay and say what was measured
  intercom trace --follow                      watch calls, hop by hop, in milliseconds
  intercom sip-trace --last                    the last call's SIP messages as a ladder
  intercom prompt nobody.wav --out heard.wav   a recording of your own, as phones will hear it
  intercom backup                              a copy of the database, while the service runs
  intercom import-building building.toml       take a building file into the database

\b
Exit codes:
  0   done
  1   tried and not done: the door did not open, the service refused the new file, a port is taken
  2   the command was written wrongly
  3   no service answers on the control socket
  78  a setting or the building file is wrong; the words say which, and the remedy""",
)
@click.version_option(package_name="open-intercom", prog_name="Open Intercom")
def cli() -> None:
    """Run an open video intercom and look into it.

    The app rings with the picture, the phone is the fallback, 5 opens the door.
    """


@cli.command(
    epilog="""\b
Example:
  INTERCOM_CALLER_ID=+4723506953 intercom serve --building building.toml

\b
Loading the building again: intercom reload, or SIGHUP.  Stopping: Ctrl-C or SIGTERM."""
)
@click.option(
    "--building",
    "building_file",
    type=FilePath,
    metavar="FILE",
    help="Building file. Default: INTERCOM_BUILDING_FILE, else the database is the building.",
)
@settings_option
def serve(building_file: Path | None, settings_file: Path | None) -> None:
    """Run the service until Ctrl-C."""
    signal.signal(signal.SIGTERM, _stop_before_start)
    settings = settings_from(settings_file, building_file)
    make_state_dir(settings)
    logs.configure(settings.log_level.value, settings.log_format.value)
    app = importlib.import_module("intercom.app")  # late: media libraries take a second to load
    asyncio.run(app.serve(settings, settings.building_file))


def _stop_before_start(_number: int, _frame: object) -> NoReturn:
    """End at a SIGTERM while the libraries load; from then on the service takes it."""
    sys.exit(ExitCode.DONE)


@cli.command(
    epilog="""\b
Examples:
  intercom trace                the calls of the last 15 minutes
  intercom trace 3f9a           the call whose id begins so
  intercom trace --follow       and each step from now on, as it comes

\b
The steps live in the service's memory for 15 minutes and are written nowhere."""
)
@click.argument("call", default="")
@click.option("--follow", "is_following", is_flag=True, help="Go on showing steps until Ctrl-C.")
@_socket_option
@settings_option
def trace(
    call: str, *, is_following: bool, socket_path: Path | None, settings_file: Path | None
) -> None:
    """Show the way of calls, hop by hop, in milliseconds."""
    path = socket_path or find_control_socket(settings_file)
    try:
        is_empty = asyncio.run(_show_trace(path, call, is_following=is_following))
    except KeyboardInterrupt:
        return
    if is_empty and not is_following:
        if call:
            _fail(f"No call of the last 15 minutes begins with {call}.", ExitCode.NOT_DONE)
        click.echo("No call in the last 15 minutes.", err=True)


@cli.command("relay-test", epilog="\b\nExample:\n  intercom relay-test main")
@click.argument("door")
@_socket_option
@settings_option
def relay_test(door: str, socket_path: Path | None, settings_file: Path | None) -> None:
    """Pulse the relay of DOOR now and say what was measured. The door really opens."""
    path = socket_path or find_control_socket(settings_file)
    click.echo(f'Pulsing the relay of door "{door}" …', err=True)
    result = asyncio.run(ask(path, "POST", "/relay-test", {"door": door}))
    words, is_done = _relay_words(result)
    click.echo(f'Door "{door}": {words}')
    sys.exit(ExitCode.DONE if is_done else ExitCode.NOT_DONE)


@cli.command("reload", epilog="\b\nExample:\n  intercom check-building new.toml && intercom reload")
@click.option("--building", "file", type=FilePath, metavar="FILE", help="Another building file.")
@_socket_option
@settings_option
def reload_building(
    file: Path | None, socket_path: Path | None, settings_file: Path | None
) -> None:
    """Load the building file again; calls go on. A wrong file changes nothing."""
    path = socket_path or find_control_socket(settings_file)
    body = {"file": str(file.resolve())} if file else {}
    result = asyncio.run(ask(path, "POST", "/reload", body))
    click.echo(result["summary"])


@cli.command("unlock", epilog="\b\nExample:\n  intercom status; intercom unlock")
@_socket_option
@settings_option
def unlock(socket_path: Path | None, settings_file: Path | None) -> None:
    """Let everybody try again who was shut out for guessing passwords: panels, SIP, panel link."""
    path = socket_path or find_control_socket(settings_file)
    result = asyncio.run(ask(path, "POST", "/unlock"))
    click.echo(f"Unlocked: {result['unlocked']} sources, and every SIP user.")


@cli.command()
@_socket_option
@settings_option
def status(socket_path: Path | None, settings_file: Path | None) -> None:
    """Say what runs: calls, panels, trunks, apps, SIP phones."""
    path = socket_path or find_control_socket(settings_file)
    for name, value in asyncio.run(ask(path, "GET", "/status")).items():
        if name == "trunks":
            _print_lines(f"trunk {trunk}: {words}" for trunk, words in value.items())
        else:
            click.echo(f"{name.replace('_', ' ')}: {_flat(value)}")


@cli.command(
    "check-building",
    short_help="Say everything that is wrong with a building file.",
    epilog="""\b
Examples:
  intercom check-building building.toml
  intercom check-building --settings intercom.env building.toml   with its caller ID and passwords""",
)
@click.argument("file", type=FilePath)
@settings_option
def check_building(file: Path, settings_file: Path | None) -> None:
    """Say everything that is wrong with a building FILE, without a running service."""
    try:
        settings = settings_from(settings_file)
    except ConfigError as error:
        first = str(error).partition("\n")[0]
        click.echo(f"The trunks' caller IDs are not checked. {first}", err=True)
        building = load_building(file)
    else:
        building = load_building(
            file,
            caller_id=settings.caller_id,
            dial_policy=settings.dial_policy,
            has_sip_tls=settings.has_sip_tls,
        )
    for warning in building.warnings:
        click.echo(f"{click.style('doubtful', fg='yellow')}: {warning}", err=True)
    directory = building.directory
    click.echo(
        f"{file} is good: {len(directory.doors)} doors, {len(directory.panels)} panels,"
        f" {len(directory.doorbells)} doorbells, {len(directory.residents)} residents,"
        f" {len(directory.trunks)} trunks"
    )


@cli.command(
    "hash-password",
    short_help="Make a resident's password_hash from a password.",
    epilog="""\b
Examples:
  intercom hash-password                   asks for the password, twice
  pass show kari | intercom hash-password  takes the first line""",
)
def hash_password_command() -> None:
    """Turn a resident's password into what the building file wants as password_hash."""
    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not _SHORTEST_PASSWORD <= len(password) <= MAX_PASSWORD_CHARACTERS:
        limits = f"{_SHORTEST_PASSWORD} to {MAX_PASSWORD_CHARACTERS}"
        _fail(f"Give a password of {limits} characters.", ExitCode.NOT_DONE)
    click.echo(hash_password(password))


@cli.command("settings")
@click.option("--markdown", "is_markdown", is_flag=True, help="Write docs/settings.md.")
@settings_option
def show_settings(*, is_markdown: bool, settings_file: Path | None) -> None:
    """Show every setting: what it is, what it does, its default. Secrets are masked."""
    if is_markdown:
        click.echo(as_markdown(), nl=False)
        return
    try:
        settings = load_settings(settings_file)
    except ConfigError:
        click.echo(as_text(None))
        click.echo("", err=True)
        raise
    click.echo(as_text(settings))


@cli.command(
    "demo",
    short_help="Ring, talk and open a door on this machine alone.",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def demo(arguments: tuple[str, ...]) -> None:
    """Ring, talk and open a door on this machine alone, and judge the result."""
    command: click.Command = importlib.import_module("intercom.demo.command").demo  # late: heavy
    code = command.main(list(arguments), prog_name="intercom demo", standalone_mode=False)
    sys.exit(code if isinstance(code, int) else ExitCode.DONE)


async def _show_trace(path: Path, call: str, *, is_following: bool) -> bool:
    """Print; tell whether there was nothing to print."""
    table = TraceTable(call)
    answer = await ask(path, "GET", "/trace")
    for known in answer["calls"]:
        _print_lines(table.call(known))
    if is_following:
        async for step in follow(path):
            _print_lines(table.step(step))
    return table.is_empty


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)


def _relay_words(result: Mapping[str, Any]) -> tuple[str, bool]:
    """Say an outcome in words, and whether it is a good one."""
    cause = str(result["cause"])
    match result["outcome"]:
        case "opened":
            return f"opened: measured {_measured(result)}", True
        case "sent":
            return "sent: the relay took the command and measures nothing: look at the door", True
        case "unknown":
            return f"unknown: {cause or 'no answer in time'}: look at the door", False
        case _:
            return f"failed: {cause or 'it did not open'}", False


def _measured(result: Mapping[str, Any]) -> str:
    """Say what a relay has told of itself; most tell it as soon as they draw current."""
    facts = []
    if result["on_ms"]:
        facts.append(f"{result['on_ms']} ms")
    if result["coil_ma"] is not None:
        facts.append(f"coil {result['coil_ma']} mA")
    return ", ".join(facts) or "by its contact"


def _flat(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_flat(inner)}" for name, inner in value.items()) or "none"
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """Give the errors of a group, or the one error."""
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _leaves(one)
    else:
        yield error


def _code_of(error: BaseException) -> ExitCode | None:
    """Say how a command ends by an error; None: it is a bug."""
    match error:
        case NotThereYetError():
            return ExitCode.NOT_DONE
        case ConfigError():
            return ExitCode.CONFIGURATION
        case ControlError(is_reached=False):
            return ExitCode.NO_SERVICE
        case ControlError() | IntercomError():
            return ExitCode.NOT_DONE
        case _:
            return None


def _fail(message: str, code: ExitCode) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(code)
