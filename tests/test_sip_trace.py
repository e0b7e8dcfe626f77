"""`intercom sip-trace` on the running service: a real call's ladder, from its memory through its socket."""

import asyncio
import re

import pytest
from click.testing import CliRunner

from intercom.cli import cli
from intercom.cli.exit_codes import ExitCode
from intercom.sip.events import DialogEnded, InviteAnswered, InviteProgressed, InviteReceived
from tests.adapters.sip_rig import stranger, until
from tests.fakes import ANNA_NUMBER
from tests.test_app import PASSWORD, press, service_with


@pytest.fixture(autouse=True)
def _secret(monkeypatch):
    monkeypatch.setenv("INTERCOM_SECRET_PANEL", PASSWORD)


@pytest.fixture
async def called(tmp_path):
    """A panel pressed, the carrier's phone rang, answered, said 5, and hung up."""
    async with stranger() as carrier, stranger() as panel:
        async with service_with(carrier.address, tmp_path) as service:
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


async def test_x(called, monkeypatch):
    for columns in ("80", "100", "130"):
        monkeypatch.setenv("COLUMNS", columns)
        print(await show(called, "--last"))
    print(await show(called))
    print(await show(called, "--register"))
