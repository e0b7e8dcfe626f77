"""`intercom sip-trace` on the running service: a real call's ladder, from its memory through its socket."""

import asyncio
import re

import click
import pytest
from click.testing import CliRunner

from intercom.adapters.control import MAX_SIP_STREAMS
from intercom.cli import cli
from intercom.cli.control_client import ControlError, ask, follow
from intercom.cli.exit_codes import ExitCode
from intercom.cli.sip_ladder import Ladder
from intercom.cli.sip_trace import Following
from intercom.sip.events import (
    DialogEnded,
    InviteAnswered,
    InviteFailed,
    InviteProgressed,
    InviteReceived,
)
from tests.adapters.sip_rig import stranger, until
from tests.fakes import ANNA_NUMBER
from tests.test_app import PASSWORD, press, service_with


@pytest.fixture(autouse=True)
def _secret(monkeypatch):
    monkeypatch.setenv("INTERCOM_SECRET_PANEL", PASSWORD)


@pytest.fixture
async def called(tmp_path):
    """Make a call: the carrier's phone answers, presses a key and hangs up."""
    async with (
        stranger() as carrier,
        stranger() as panel,
        service_with(carrier.address, tmp_path) as service,
    ):
        press(panel, service)
        await panel.hear(InviteProgressed)
        await carrier.hear(InviteReceived)
        carrier.respond(180)
        await asyncio.sleep(0.05)
        carrier.answer()
        await panel.hear(InviteAnswered)
        carrier.send_info("7")
        await asyncio.sleep(0.05)
        carrier.hang_up(carrier.all(InviteReceived)[-1].dialog)
        await panel.hear(DialogEnded)
        await until(lambda: service.switchboard.calls == 0)
        yield service


def run(service, *arguments):
    socket = str(service.settings.control_socket)
    return CliRunner().invoke(cli, ["sip-trace", *arguments, "--socket", socket])


async def show(service, *arguments, code=ExitCode.DONE):
    result = await asyncio.to_thread(run, service, *arguments)
    assert result.exit_code == code, result.output
    return result.stdout


def shape(text):
    """Leave of a ladder what is the same each time: who said what to whom."""
    rows = [
        line[17:].rstrip()
        for line in click.unstyle(text).splitlines()
        if re.match(r" +[0-9]+ ", line)
    ]
    return [re.sub(r"127\.0\.0\.1:[0-9]+", "HOST", row) for row in rows]


async def test_the_ladder_of_a_call_shows_both_sides_of_the_router(called, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    text = await show(called, "--last")

    rows = shape(text)
    assert rows[:6] == [
        "├── INVITE ───────►│                  │  1  calls sip:anna@HOST",
        "│◄ 401 Unauthorized┤                  │  1 INVITE",
        "├── ACK ──────────►│                  │  1",
        "├── INVITE ───────►│                  │  2 logs in  calls sip:anna@HOST",
        "│◄── 100 Trying ───┤                  │  2 INVITE",
        "│                  ├── INVITE ───────►│  1  calls sip:+47•••••001@HOST",
    ]
    for row in (
        "│                  │◄── 180 Ringing ──┤  1 INVITE",
        "│                  │◄── INFO ─────────┤  1  a key",
        "│                  │◄── BYE ──────────┤  2",
        "│◄── BYE ──────────┤                  │  1",
    ):
        assert row in rows
    assert "      ms     +ms panel main         router             trunk carrier" in text
    assert "audio PCMA 8/PCMU 0/dtmf 101 → 127.0.0.1:40000" in text
    assert "result: resident hung up" in text


@pytest.mark.parametrize("columns", [80, 100, 133, 200])
async def test_the_ladder_fits_its_terminal(called, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    text = await show(called, "--last")

    assert max(map(len, text.splitlines())) <= columns


async def test_the_list_leads_to_the_ladder(called):
    lines = (await show(called)).splitlines()
    call_id = lines[1].split()[1]

    assert "panel main" in lines[1]
    assert "anna" in lines[1]
    assert f"call {call_id}" in await show(called, call_id[:6])


async def test_a_call_that_is_not_there_is_said_so(called):
    result = await asyncio.to_thread(run, called, "zz")

    assert result.exit_code == ExitCode.NOT_DONE
    assert result.stderr == "No call of the last 15 minutes begins with zz.\n"


async def test_whole_messages_hold_no_secret_and_no_number(called):
    text = await show(called, "--last", "--full")

    assert 'Authorization: Digest username="ma•••", realm="intercom", nonce=•••' in text
    assert "Signal=•••" in text
    assert "Signal=7" not in text
    assert not re.search(r"(nonce|response)=[^•]", text)
    assert ANNA_NUMBER not in text
    assert ANNA_NUMBER in await show(called, "--last", "--numbers")


async def test_registrations_and_options_have_a_list_of_their_own(called):
    text = await show(called, "--register")

    assert re.search(r"router ──► 127\.0\.0\.1:[0-9]+ udp +OPTIONS", text)
    assert re.search(r"router ◄── 127\.0\.0\.1:[0-9]+ udp +200 OK", text)
    assert "INVITE" not in text


async def test_colours_are_for_terminals_and_no_color_is_honoured(called, monkeypatch):
    def coloured():
        socket = str(called.settings.control_socket)
        arguments = ["sip-trace", "--last", "--socket", socket]
        return CliRunner().invoke(cli, arguments, color=True).stdout

    assert "\x1b[" in await asyncio.to_thread(coloured)
    assert "\x1b[" not in await show(called, "--last")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in await asyncio.to_thread(coloured)


async def test_a_stranger_who_was_not_let_in_is_counted_and_shown_when_asked_for(tmp_path):
    async with (
        stranger() as carrier,
        stranger() as scanner,
        service_with(carrier.address, tmp_path) as service,
    ):
        press(scanner, service, user="x", password="guessed")
        await scanner.hear(InviteFailed)

        text = await show(service)
        assert "1 more of strangers who were not let in" in text
        assert "401" in await show(service, "--all")
        nothing = await asyncio.to_thread(run, service, "--last")
        assert nothing.exit_code == ExitCode.NOT_DONE
        assert "1 were not let in: `intercom sip-trace --all` lists them" in nothing.stderr
        assert "401 Unauthorized" in await show(service, "--last", "--all")


async def test_who_follows_sees_a_new_call_as_it_comes(tmp_path):
    lines = []
    async with (
        stranger() as carrier,
        stranger() as panel,
        service_with(carrier.address, tmp_path) as service,
    ):
        following, stream = Following(100), "/sip-trace/stream?"

        async def watch():
            async for message in follow(service.settings.control_socket, stream):
                lines.extend(following.lines(message))

        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(watch())
            await until(lambda: service.capture._taps)
            press(panel, service)
            await carrier.hear(InviteReceived)
            carrier.respond(180)
            await until(lambda: any("180 Ringing" in line for line in lines))
            watching.cancel()

    rows = shape("\n".join(lines))
    assert rows[0].startswith("├── INVITE ───────►│")
    assert "│                  │◄── 180 Ringing ──┤  1 INVITE" in rows
    assert not any("OPTIONS" in row for row in rows)


async def test_not_more_than_a_few_may_watch(tmp_path):
    async with stranger() as carrier, service_with(carrier.address, tmp_path) as service:
        path = service.settings.control_socket

        async def watch():
            async for _ in follow(path, "/sip-trace/stream?"):
                pass

        async with asyncio.TaskGroup() as tasks:
            watching = [tasks.create_task(watch()) for _ in range(MAX_SIP_STREAMS)]
            await until(lambda: len(service.capture._taps) == MAX_SIP_STREAMS)
            with pytest.raises(ControlError, match="Too many are watching"):
                await watch()
            for each in watching:
                each.cancel()


async def test_what_is_asked_while_nothing_happened_is_answered(tmp_path):
    async with stranger() as carrier, service_with(carrier.address, tmp_path) as service:
        answer = await ask(service.settings.control_socket, "GET", "/sip-trace")

        assert answer["calls"] == []
        assert await show(service) == "No call in the last 15 minutes.\n"


def message(**changes):
    plain = {
        "sip_call": "a", "call": "c", "label": "", "at_ms": 0, "time": "12:00:00.000", "out": False,
        "peer": "192.0.2.20:5060", "local": "192.0.2.1:5060", "transport": "UDP", "start": True,
        "method": "INVITE", "status": None, "reason": "", "cseq": "1", "target": "", "from": "main",
        "to": "anna", "logs_in": False, "media": "", "words": "", "again": False,
    }  # fmt: skip
    return plain | changes


def test_a_repetition_is_marked():
    ladder = Ladder(100)
    list(ladder.rows(message()))

    assert "sent again" in next(ladder.rows(message(again=True, at_ms=500)))


def test_several_phones_are_told_apart_by_their_numbers():
    ladder = Ladder(100)
    out = {"out": True, "from": "", "label": "SIP phone"}
    messages = [message(sip_call="b", **out), message(sip_call="c", **out | {"label": "trunk x"})]
    head = list(ladder.head([message(), *messages]))

    assert "[1] SIP phone, [2] trunk x" in head[-1]
    assert "1 [2]" in next(ladder.rows(messages[1]))


def test_what_a_peer_sends_cannot_steer_the_terminal():
    evil = message(method="INV\x1b[2J", words="\x1b]0;x\x07", media="\r\n", target="\x9b")
    lines = [*Ladder(100).head([evil]), *Ladder(100).rows(evil | {"full": ["\x1b[2J"]})]

    plain = re.sub(r"\x1b\[[0-9;]*m", "", "".join(lines))  # our own colours
    assert not set(plain) & set("\x1b\x07\x9b\r\n")


def test_messages_that_were_lost_are_told_and_older_calls_are_left_out():
    following = Following(100)

    assert list(following.lines(message(start=False, dropped=3))) == [
        "\x1b[33m3 messages were lost here\x1b[0m"
    ]


def test_only_one_thing_can_be_asked_for():
    result = CliRunner().invoke(cli, ["sip-trace", "3f", "--last"])

    assert result.exit_code == ExitCode.USAGE
