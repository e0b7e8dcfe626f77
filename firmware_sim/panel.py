"""A door panel in a box: buttons, screen, camera, microphone, speaker, relays, panel link.

POST /api/press   {"button": "NAME"}        GET /             the panel's screen
POST /api/cancel                            GET /api/state    everything, with its times
POST /api/fault   {"name": …, "on": true}   GET /api/journal  what the relays really did
POST /api/play    {"digit": "5"}            GET /api/heard.wav
POST /api/language {"language": "en"}       GET /api/names    every name on the screen
"""

import argparse
import asyncio
import base64
import contextlib
import os
from pathlib import Path

from nacl.signing import VerifyKey

from firmware_sim import process
from firmware_sim.link_client import LinkAccount
from firmware_sim.memory import PanelMemory
from firmware_sim.panel_box import Panel, PanelSettings
from firmware_sim.panel_http import build_app
from firmware_sim.sip_call import SipAccount, open_panel_phone
from intercom.sip.address import Address
from intercom.texts import LANGUAGES


async def run_panel(settings: PanelSettings) -> None:
    """Run a panel until it is cancelled."""
    with contextlib.closing(PanelMemory(settings.state_dir)) as memory:
        async with asyncio.TaskGroup() as tasks, contextlib.AsyncExitStack() as stack:
            await _serve(Panel(settings, memory, tasks), tasks, stack)


async def _serve(panel: Panel, tasks: asyncio.TaskGroup, stack: contextlib.AsyncExitStack) -> None:
    settings = panel.settings
    await stack.enter_async_context(panel.board.connected(tasks))
    phone = open_panel_phone(settings.host, settings.sip_port, panel.phone)
    sip = await stack.enter_async_context(phone)
    app = build_app(panel)
    http_port = await stack.enter_async_context(process.control_server(app, settings.http_port))
    process.ready(http_port=http_port, sip_port=sip.local.port, board_pid=panel.board.pid)
    linking = None if panel.link is None else tasks.create_task(panel.link.run())
    try:
        await panel.microphone.run(panel.listeners)
    finally:
        if linking is not None:
            linking.cancel()


def main() -> None:
    settings = _parse_arguments()
    process.run(lambda: run_panel(settings))


def _parse_arguments() -> PanelSettings:
    parser = argparse.ArgumentParser(
        prog="python -m firmware_sim.panel",
        description="A door panel in a box. Its screen and buttons are a page: http://127.0.0.1:N/",
        epilog="Prints one JSON line with its ports when it is up; ends cleanly on SIGTERM. "
        "After kill -9 the relay board, a process of its own, still drops every coil in time.",
    )
    add = parser.add_argument
    add("--sip-server", required=True, metavar="HOST:PORT", help="the router's SIP address")
    add("--panel-id", required=True, metavar="ID", help="user name, for SIP and the panel link")
    add(
        "--password",
        metavar="PW",
        help="password of both; better given as PANEL_PASSWORD in the environment",
    )
    add("--link", metavar="URL", help="the router's panel link, ws://HOST:PORT/panel-link")
    add("--server-key", metavar="BASE64", help="the router's public key, whose commands count")
    add("--state-dir", type=Path, required=True, metavar="DIR", help="memory, journal, relay board")
    add(
        "--http-port",
        type=int,
        default=0,
        metavar="N",
        help="page and control API (default: a free one)",
    )
    add("--sip-port", type=int, default=0, metavar="N", help="own SIP port (default: a free one)")
    add(
        "--host",
        default=process.HOST,
        metavar="IP",
        help="own address, for SIP and RTP (default: %(default)s)",
    )
    add(
        "--button",
        action="append",
        default=[],
        metavar="NAME=LABEL",
        help="a button until the router sends the names: what it dials, what stands on it; repeatable",
    )
    add("--name", default="Main entrance", help="the name of the door (default: %(default)s)")
    add(
        "--tone-hz",
        type=int,
        default=440,
        metavar="HZ",
        help="what the microphone hears (default: %(default)s)",
    )
    add("--relays", type=int, default=2, metavar="N", help="how many relays (default: %(default)s)")
    add(
        "--language",
        choices=LANGUAGES,
        default="nb",
        help="until the router says another (default: %(default)s)",
    )
    arguments = parser.parse_args()
    try:
        return _settings_of(arguments)
    except ValueError as error:
        parser.error(str(error))


def _settings_of(arguments: argparse.Namespace) -> PanelSettings:
    host, _, port = arguments.sip_server.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError("--sip-server wants HOST:PORT")
    if (arguments.link is None) != (arguments.server_key is None):
        raise ValueError("--link and --server-key belong together")
    password = arguments.password or os.environ.get("PANEL_PASSWORD", "")
    link = None
    if arguments.link is not None:
        key = VerifyKey(base64.b64decode(arguments.server_key, validate=True))
        link = LinkAccount(arguments.link, arguments.panel_id, password, key)
    return PanelSettings(
        name=arguments.name,
        buttons=dict(_button_of(text) for text in arguments.button),
        account=SipAccount(Address(host, int(port)), arguments.panel_id, password),
        link=link,
        state_dir=arguments.state_dir,
        host=arguments.host,
        sip_port=arguments.sip_port,
        http_port=arguments.http_port,
        tone_hz=arguments.tone_hz,
        relays=arguments.relays,
        language=arguments.language,
    )


def _button_of(text: str) -> tuple[str, str]:
    name, has_label, label = text.partition("=")
    return name, label if has_label else name


if __name__ == "__main__":
    main()
