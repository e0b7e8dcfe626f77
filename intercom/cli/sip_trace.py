"""`intercom sip-trace`: the SIP messages of calls as a ladder, masked, from the service's memory."""

import asyncio
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from intercom.cli.control_client import ask, follow
from intercom.cli.sip_ladder import Ladder, Message, printable, registration_line
from intercom.settings import find_control_socket

_FilePath = click.Path(path_type=Path, dir_okay=False)


@click.command(
    "sip-trace",
    short_help="Show the SIP messages of a call as a ladder, secrets masked.",
    epilog="""\b
Examples:
  intercom sip-trace                the calls of the last 15 minutes, one a line
  intercom sip-trace --last         the ladder of the last call
  intercom sip-trace --last --all   the same, also of one who was not let in (wrong password)
  intercom sip-trace 3f9a           of the call whose id begins so
  intercom sip-trace --last --full  with whole messages, for a carrier's or a maker's support
  intercom sip-trace --follow       new calls, message by message, until Ctrl-C
  intercom sip-trace --register     do panels and trunks log in? do carriers answer OPTIONS?

\b
How to read it:
      ms     +ms panel main         router             trunk carrier
       0         ├── INVITE ───────►│                  │  1  audio PCMA 8 → 192.0.2.20:4000
       1      +1 │◄── 100 Trying ───┤                  │  1 INVITE
  Time runs down: since the call's start, and since the message before. Beside the arrow stand
  CSeq, "sent again" for a repetition, "logs in" for credentials, and what the SDP offers.

\b
Passwords, keys, door codes and telephone numbers are masked. The messages live in the service's
memory for 15 minutes and are written nowhere: what you print, you keep.""",
)
@click.argument("call", default="")
@click.option("--last", "is_last", is_flag=True, help="The last call.")
@click.option("--full", "is_full", is_flag=True, help="Whole messages, masked, under each arrow.")
@click.option("--follow", "is_following", is_flag=True, help="New calls live, until Ctrl-C.")
@click.option("--register", "is_register", is_flag=True, help="Registrations and OPTIONS.")
@click.option("--numbers", "shows_numbers", is_flag=True, help="Telephone numbers as they are.")
@click.option("--all", "is_all", is_flag=True, help="Who was refused, too; also with --last.")
@click.option(
    "--socket",
    "socket_path",
    type=_FilePath,
    metavar="PATH",
    help="The service's control socket. Default: as in the settings.",
)
@click.option(
    "--settings",
    "settings_file",
    type=_FilePath,
    metavar="FILE",
    help="Settings file (TOML or lines of INTERCOM_…=…). Default: INTERCOM_SETTINGS.",
)
def sip_trace(
    call: str,
    *,
    is_last: bool,
    is_full: bool,
    is_following: bool,
    is_register: bool,
    shows_numbers: bool,
    is_all: bool,
    socket_path: Path | None,
    settings_file: Path | None,
) -> None:
    """Show the SIP messages of a call as a ladder, secrets masked."""
    if sum((bool(call), is_last, is_following, is_register)) > 1:
        raise click.UsageError("Give one of CALL, --last, --follow and --register.")
    path = socket_path or find_control_socket(settings_file)
    given = (("numbers", shows_numbers), ("full", is_full), ("all", is_all))
    flags = [name for name, is_on in given if is_on]
    query = "&".join(f"{name}=1" for name in flags)
    if is_following:
        try:
            asyncio.run(_follow(path, query))
        except KeyboardInterrupt:
            return
    elif is_register:
        _print(_registrations(asyncio.run(ask(path, "GET", f"/sip-trace/register?{query}"))))
    elif call or is_last:
        wanted = f"/sip-trace/call?id={quote(call, safe='')}&{query}"
        _print(call_lines(asyncio.run(ask(path, "GET", wanted)), _width()))
    else:
        answer = asyncio.run(ask(path, "GET", f"/sip-trace?{query}"))
        _print(list_lines(answer, is_all=is_all))


def list_lines(answer: dict[str, Any], *, is_all: bool) -> Iterable[str]:
    """Write the calls, one a line."""
    calls = [each for each in answer["calls"] if is_all or not each["stranger"]]
    if calls:
        heading = f"{'time':<12}  {'call':<14} {'from':<20} {'dialled':<14} {'messages':>8}  result"
        yield click.style(heading, dim=True)
    else:
        yield "No call in the last 15 minutes."
    for each in calls:
        time = each["started"].partition("T")[2][:12]
        short = [printable(str(each[name])) for name in ("call", "from", "dialled", "result")]
        yield f"{time}  {short[0][:14]:<14} {short[1][:20]:<20} {short[2][:14]:<14} {each['count']:>8}  {short[3]}"
    strangers = len(answer["calls"]) - len(calls)
    if strangers:
        yield click.style(f"{strangers} more of strangers who were not let in: --all", dim=True)
    if answer["pushed_out"]:
        words = f"{answer['pushed_out']} older messages had to make way: memory is bounded"
        yield click.style(words, fg="yellow")


def call_lines(call: dict[str, Any], width: int) -> Iterable[str]:
    """Write one call's ladder."""
    date, _, time = call["started"].partition("T")
    facts = [f"from {call['from']}", f"dialled {call['dialled']}" if call["dialled"] else ""]
    yield click.style(f"call {printable(str(call['call']))}", bold=True) + f"   {date} {time[:12]}"
    yield printable("   ".join(filter(None, [*facts, f"result: {call['result']}"])))
    ladder = Ladder(width)
    yield from ladder.head(call["messages"])
    for message in call["messages"]:
        yield from ladder.rows(message)
    if call["left_out"]:
        yield click.style(f"{call['left_out']} further messages are not shown", fg="yellow")


def _registrations(answer: dict[str, Any]) -> Iterable[str]:
    if not answer["messages"]:
        yield "No registration and no OPTIONS in the last 15 minutes."
    for message in answer["messages"]:
        yield registration_line(message)
        for line in message.get("full", ()):
            yield click.style(f"    {printable(line)}".rstrip(), dim=True)


async def _follow(path: Path, query: str) -> None:
    """Show messages of calls that begin from now on."""
    following = Following(_width())
    click.echo("Waiting for calls; Ctrl-C ends it.", err=True)
    async for message in follow(path, f"/sip-trace/stream?{query}"):
        _print(following.lines(message))


class Following:
    """The ladders of calls that begin now; several may be mixed, so each change has its heading."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._ladders: dict[str, Ladder] = {}
        self._ladder_of: dict[str, Ladder] = {}
        self._shown: Ladder | None = None

    def lines(self, message: Message) -> Iterable[str]:
        """Give the lines of one message; none where its call began before."""
        if message.get("dropped"):
            yield click.style(f"{message['dropped']} messages were lost here", fg="yellow")
        ladder = self._find(message)
        if ladder is None:
            return
        if ladder is not self._shown:
            if self._shown is not None:
                yield ""
            yield click.style(f"call {printable(str(message['call']))}", bold=True)
            yield from ladder.head([message])
            self._shown = ladder
        yield from ladder.rows(message)

    def _find(self, message: Message) -> Ladder | None:
        known = self._ladder_of.get(message["sip_call"])
        if known is None:
            if not message["start"]:
                return None
            known = self._ladders.get(message["call"]) or Ladder(self._width)
        self._ladder_of[message["sip_call"]] = known
        self._ladders[message["call"]] = known  # a Call-ID is joined to its call once it is let in
        return known


def _print(lines: Iterable[str]) -> None:
    is_plain = bool(os.environ.get("NO_COLOR"))
    for line in lines:
        click.echo(line, color=False if is_plain else None)


def _width() -> int:
    return shutil.get_terminal_size((120, 40)).columns
