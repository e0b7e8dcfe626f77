"""A door panel in a box: buttons, screen, camera, microphone, speaker, relays, panel link.

    page, /api/press ─► Panel.press ─► PanelPhone (SIP) ─► CallMedia (RTP)
    router's command ─► LinkClient ─► RelayGate ─► PanelMemory (disk) ─► RelayBoard (own process)
    router's call.state ─► Screen
"""

import argparse
import asyncio
import base64
import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from nacl.signing import VerifyKey

from firmware_sim import process
from firmware_sim.board import RelayBoard
from firmware_sim.camera import Camera, Picture
from firmware_sim.journal import Transition
from firmware_sim.link_client import LinkAccount, LinkClient
from firmware_sim.memory import PanelMemory
from firmware_sim.panel_http import build_app
from firmware_sim.panel_state import PanelState
from firmware_sim.screen import Face, Screen
from firmware_sim.sip_call import CallPhase, PanelCall, PanelPhone, SipAccount, open_panel_phone
from firmware_sim.sound import Microphone, Speaker
from intercom.link.messages import CallState
from intercom.sip.address import Address

NO_ROUTER_S = 1.5
"""No response to a press for so long: the router is lost (requirement B12 allows 2 s)."""


@dataclass(frozen=True, slots=True)
class PanelSettings:
    """What the command line says."""

    name: str
    buttons: dict[str, str]
    """From the user part of the Request-URI to the name on the panel."""
    account: SipAccount
    link: LinkAccount | None
    state_dir: Path
    host: str
    sip_port: int
    http_port: int
    tone_hz: int
    relays: int
    language: str


class Panel:
    """Everything in the box, wired up."""

    def __init__(self, settings: PanelSettings, tasks: asyncio.TaskGroup) -> None:
        self.settings = settings
        self.state = PanelState()
        self.camera = Camera(self._on_picture)
        self.speaker = Speaker()
        self.microphone = Microphone(settings.tone_hz)
        self.screen = Screen(settings.language, self.state.changed)
        self.phone = PanelPhone(
            settings.account, self.camera, on_heard=self.speaker.play, on_change=self._on_call
        )
        self.board = RelayBoard(settings.state_dir, settings.relays, self._on_relay)
        self.memory = PanelMemory(settings.state_dir)
        self.link = None if settings.link is None else self._build_link(settings.link)
        self.is_soundless = self.is_pictureless = False
        """Faults: the microphone or the camera is dead."""
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()

    async def press(self, button: str) -> PanelCall:
        """Press a name; the screen answers at once."""
        self.speaker.begin()
        self.screen.show(Face.CALLING)
        call = await self.phone.press(button)
        self._tasks.create_task(self._watch_for_router(call))
        return call

    def cancel(self) -> None:
        """Press Cancel."""
        self.phone.hang_up()

    def listeners(self) -> list[PanelCall]:
        """Say which calls hear the microphone."""
        return [] if self.is_soundless else self.phone.live_calls

    @property
    def is_linked(self) -> bool:
        return self.link is not None and self.link.is_online

    async def _watch_for_router(self, call: PanelCall) -> None:
        await asyncio.sleep(NO_ROUTER_S)
        if "response" not in call.stamps and not call.is_over:
            call.stamp("no_router")
            self.screen.show(Face.NO_ROUTER)

    def _build_link(self, account: LinkAccount) -> LinkClient:
        return LinkClient(
            account,
            relays=self.settings.relays,
            memory=self.memory,
            energise=self.board.pulse,
            on_call_state=self._on_call_state,
            on_change=lambda _: self.state.changed(),
        )

    def _on_call_state(self, state: CallState) -> None:
        call = self.phone.current or (self.phone.calls[-1] if self.phone.calls else None)
        if call is not None:
            shown = {"state": state.state, "reason": state.reason, "text": state.text}
            call.states.append({"at_ms": process.now_ms(), **shown})
        self.speaker.mark(state.state)
        self.screen.show_router(state)

    def _on_call(self, call: PanelCall) -> None:
        is_newest = call is self.phone.calls[-1] if self.phone.calls else False
        if call.is_over and is_newest and self.phone.current is None:
            self.screen.end(is_router_heard=self.is_linked)
        elif call.phase is CallPhase.TALKING and not self.is_linked:
            self.screen.show(Face.TALKING)
        self.state.changed()

    def _on_relay(self, transition: Transition) -> None:
        if self.link is not None:
            self.link.report(transition)
        if self.phone.current is not None:
            self.phone.current.stamp(f"relay {transition.phase.value}")
        self.state.changed()

    def _on_picture(self, picture: Picture) -> None:
        """Take a picture from the camera's thread to the loop."""
        if not self.is_pictureless:
            with contextlib.suppress(RuntimeError):  # the loop has just ended
                self._loop.call_soon_threadsafe(self.phone.send_picture, picture)


async def run_panel(settings: PanelSettings) -> None:
    """Run a panel until it is cancelled."""
    async with asyncio.TaskGroup() as tasks, contextlib.AsyncExitStack() as stack:
        panel = Panel(settings, tasks)
        stack.callback(panel.memory.close)
        await stack.enter_async_context(panel.board.connected(tasks))
        phone = open_panel_phone(settings.host, settings.sip_port, panel.phone)
        sip = await stack.enter_async_context(phone)
        app = build_app(panel)
        http_port = await stack.enter_async_context(process.control_server(app, settings.http_port))
        if panel.link is not None:
            tasks.create_task(panel.link.run())
        process.ready(http_port=http_port, sip_port=sip.local.port, board_pid=panel.board.pid)
        await panel.microphone.run(
            lambda: [call.media.send_sound for call in panel.listeners()]
        )


def main() -> None:
    settings = _parse_arguments()
    process.run(lambda: run_panel(settings))


def _parse_arguments() -> PanelSettings:
    parser = argparse.ArgumentParser(
        prog="python -m firmware_sim.panel",
        description="A door panel in a box. Its screen and buttons are a page: http://127.0.0.1:N/",
        epilog="Prints one JSON line with its ports when it is up; ends cleanly on SIGTERM. "
        "After kill -9 the relay board, a process of its own, still drops every coil in time.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--sip-server", required=True, metavar="HOST:PORT", help="the router's SIP address")
    add("--panel-id", required=True, metavar="ID", help="user name, for SIP and the panel link")
    add(
        "--password",
        default=os.environ.get("PANEL_PASSWORD", ""),
        metavar="PW",
        help="password of both; better given as PANEL_PASSWORD in the environment",
    )
    add("--link", metavar="URL", help="the router's panel link, ws://HOST:PORT/panel-link")
    add("--server-key", metavar="BASE64", help="the router's public key, whose commands count")
    add("--state-dir", type=Path, required=True, metavar="DIR", help="memory, journal, relay board")
    add("--http-port", type=int, default=0, metavar="N", help="page and control API; 0: a free one")
    add("--sip-port", type=int, default=0, metavar="N", help="own SIP port; 0: a free one")
    add("--host", default=process.HOST, metavar="IP", help="own address, for SIP and RTP")
    add(
        "--button",
        action="append",
        default=[],
        metavar="NAME=LABEL",
        help="a button: what it dials and what stands on it; may be repeated",
    )
    add("--name", default="Main entrance", help="the name of the door")
    add("--tone-hz", type=int, default=440, metavar="HZ", help="what the microphone hears")
    add("--relays", type=int, default=2, metavar="N", help="how many relays")
    add("--language", choices=("nb", "en"), default="nb", help="of the panel's own words")
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
    link = None
    if arguments.link is not None:
        key = VerifyKey(base64.b64decode(arguments.server_key, validate=True))
        link = LinkAccount(arguments.link, arguments.panel_id, arguments.password, key)
    return PanelSettings(
        name=arguments.name,
        buttons=dict(_button_of(text) for text in arguments.button),
        account=SipAccount(Address(host, int(port)), arguments.panel_id, arguments.password),
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
