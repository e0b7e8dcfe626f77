"""The demonstration's stage: a building, and every process that plays in it, on loopback alone."""

import asyncio
import contextlib
import secrets
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from argon2 import PasswordHasher

from intercom.adapters.panel_link import load_or_create_key, public_key_text
from intercom.demo.ports import PortBlock
from intercom.demo.processes import HOST, Child, DemoError, Remote, is_free, start

CALLER_ID = "+4723506953"
NUMBER = "+4790000001"
DOOR = "Main entrance"
ADDRESS = "Storgata 14"
RESIDENT = "kari"
ONLINE_TIMEOUT_S = 15.0
POLL_S = 0.05
RTP_PORTS = 200

_UDP, _TCP = socket.SOCK_DGRAM, socket.SOCK_STREAM
_IS_ONLINE: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "panel": lambda state: state["is_registered"] and state["link"]["is_online"],
    "phone": lambda state: state["registered"],
    "resident": lambda state: state["connected"],
}
"""By a process's name: whether its state says that it can play."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What may differ from one performance to the next; the breaks of `--break` are made of it."""

    property_kind: str = "residential"
    early: str = "183"
    app_stage_s: float = 4.0
    caller_id: str = CALLER_ID
    allowed_caller_ids: tuple[str, ...] = (CALLER_ID,)
    panel_password: str | None = None
    """What the panel says; None: the right one."""
    resident_password: str | None = None
    trunk_password: str | None = None
    panel_sip_port: int | None = None
    """Where the panel calls; None: the router."""
    has_resident: bool = True
    has_phone: bool = True
    answering_machine_after_s: float | None = None
    has_announcement: bool = False
    open_keys: tuple[str, ...] = ("5",)
    log_level: str = "info"
    has_known_ports: bool = False
    """Where they are free, ports that a person can remember; else several stages fit a machine."""


@dataclass(slots=True)
class Secrets:
    panel: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    resident: str = field(default_factory=lambda: secrets.token_hex(4))
    trunk: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    phone: str = field(default_factory=lambda: secrets.token_urlsafe(12))


@dataclass(slots=True)
class PortMap:
    """Every port of the stage, found free on loopback."""

    sip: int = 0
    http: int = 0
    webrtc: int = 0
    rtp_first: int = 0
    carrier_sip: int = 0
    panel_http: int = 0

    @classmethod
    def find(cls, block: PortBlock, *, is_known: bool) -> "PortMap":
        """Take the well-known ports where they are free, or any of the block."""

        def port(known: int = 0, kind: socket.SocketKind = _UDP) -> int:
            return known if is_known and known and is_free(known, kind) else block.take()

        return cls(
            sip=port(5060),
            http=port(8080, _TCP),
            webrtc=port(),
            rtp_first=block.take(RTP_PORTS),
            carrier_sip=port(),
            panel_http=port(8081, _TCP),
        )


class Stage:
    """Every process of one performance; made by `open_stage`."""

    def __init__(self, directory: Path, plan: Plan, remote: Remote, block: PortBlock) -> None:
        self.directory = directory
        self.plan = plan
        self.remote = remote
        self.secrets = Secrets()
        self.ports = PortMap.find(block, is_known=plan.has_known_ports)
        self.router: Child
        self.panel: Child
        self.carrier: Child
        self.phone: Child | None = None
        self.resident: Child | None = None

    @property
    def app_url(self) -> str:
        """Where the resident's page is."""
        return f"http://{HOST}:{self.ports.http}/"

    @property
    def state_dir(self) -> Path:
        """The router's own directory."""
        return self.directory / "router"

    @property
    def control_socket(self) -> Path:
        """The operator's socket of the router."""
        return self.state_dir / "control.sock"

    @property
    def journal(self) -> Path:
        """The relay board's journal: the only word on what the relay did."""
        return self.directory / "panel" / "journal.jsonl"

    def router_environment(self) -> dict[str, str]:
        """Give the router's settings."""
        ports = self.ports
        return {
            "INTERCOM_CALLER_ID": self.plan.caller_id,
            "INTERCOM_STATE_DIR": str(self.state_dir),
            "INTERCOM_SIP_HOST": HOST,
            "INTERCOM_SIP_PORT": str(ports.sip),
            "INTERCOM_HTTP_HOST": HOST,
            "INTERCOM_HTTP_PORT": str(ports.http),
            "INTERCOM_MEDIA_HOST": HOST,
            "INTERCOM_RTP_PORT_FIRST": str(ports.rtp_first),
            "INTERCOM_RTP_PORT_LAST": str(ports.rtp_first + RTP_PORTS - 1),
            "INTERCOM_WEBRTC_PORT": str(ports.webrtc),
            "INTERCOM_LOG_LEVEL": self.plan.log_level,
            "INTERCOM_PHONE_CALLS_PER_NUMBER_10MIN": "100",
        }

    def write_building(self) -> Path:
        """Write the building file that the router loads."""
        plan, own = self.plan, self.secrets
        file = self.directory / "building.toml"
        trunk_password = plan.trunk_password or own.trunk
        file.write_text(
            f'''[property]
name = "The demonstration"
kind = "{plan.property_kind}"
address = "{ADDRESS}"
language = "en"
open_keys = [{", ".join(f'"{key}"' for key in plan.open_keys)}]

[[door]]
id = "main"
name = "{DOOR}"
relay = {{ driver = "panel-link", panel = "main", relay = 1 }}
pulse_ms = 2000

[[panel]]
id = "main"
door = "main"
password = "{own.panel}"
buttons = {{ "1" = "kari" }}
profile = {{ early = "{plan.early}", ring_limit_s = 60 }}

[[doorbell]]
id = "kari"
name = "Kari Nordmann"
residents = ["{RESIDENT}"]
app_stage_s = {plan.app_stage_s}

[[resident]]
username = "{RESIDENT}"
name = "Kari Nordmann"
password_hash = "{PasswordHasher().hash(own.resident)}"
number = "{NUMBER}"

[[trunk]]
id = "carrier"
address = "{HOST}:{self.ports.carrier_sip}"
username = "intercom"
password = "{trunk_password}"
caller_ids = ["{plan.caller_id}"]
''',
            "utf-8",
        )
        file.chmod(0o600)
        return file

    async def start_router(self) -> Child:
        """Start `intercom serve`."""
        self.router = await start(
            "router",
            ("intercom", "serve", "--building", str(self.directory / "building.toml")),
            self.directory,
            self.router_environment(),
        )
        return self.router

    def change_building(self, plan: Plan) -> None:
        """Write the building anew and let the running router load it."""
        self.plan = plan
        self.write_building()
        self.router.process.send_signal(signal.SIGHUP)

    async def start_carrier(self) -> Child:
        """Start the carrier with one subscriber: the resident's phone."""
        plan = self.plan
        arguments = [
            "firmware_sim.carrier",
            f"--sip-port={self.ports.carrier_sip}",
            "--trunk-user=intercom",
            f"--trunk-password={self.secrets.trunk}",
            f"--subscriber={NUMBER}:phone:{self.secrets.phone}",
            *(f"--allowed-caller-id={number}" for number in plan.allowed_caller_ids),
        ]
        if plan.answering_machine_after_s is not None:
            arguments.append(f"--answering-machine-after-s={plan.answering_machine_after_s}")
        if plan.has_announcement:
            arguments.append("--announcement")
        self.carrier = await start("carrier", arguments, self.directory)
        return self.carrier

    async def start_phone(self) -> Child:
        """Start the resident's ordinary phone."""
        self.phone = await start(
            "phone",
            (
                "firmware_sim.phone",
                f"--registrar={HOST}:{self.carrier.ready['subscriber_port']}",
                "--user=phone",
                f"--password={self.secrets.phone}",
            ),
            self.directory,
        )
        return self.phone

    async def start_panel(self) -> Child:
        """Start the panel at the main entrance."""
        self.panel = await start(
            "panel",
            (
                "firmware_sim.panel",
                f"--sip-server={HOST}:{self.plan.panel_sip_port or self.ports.sip}",
                "--panel-id=main",
                f"--password={self.plan.panel_password or self.secrets.panel}",
                f"--link=ws://{HOST}:{self.ports.http}/panel-link",
                f"--server-key={self.server_key()}",
                f"--state-dir={self.directory / 'panel'}",
                f"--http-port={self.ports.panel_http}",
                "--button=1=Kari Nordmann",
                "--language=en",
            ),
            self.directory,
        )
        return self.panel

    async def start_resident(self) -> Child:
        """Start the resident's headless app."""
        self.resident = await start(
            "resident",
            (
                "firmware_sim.resident",
                f"--server={self.app_url.rstrip('/')}",
                f"--username={RESIDENT}",
                f"--password={self.plan.resident_password or self.secrets.resident}",
            ),
            self.directory,
        )
        return self.resident

    async def wait_online(self, timeout_s: float = ONLINE_TIMEOUT_S) -> None:
        """Wait until whoever was started is registered or connected."""
        waiting: list[str] = []
        try:
            async with asyncio.timeout(timeout_s):
                while waiting := await self._offline():  # noqa: ASYNC110 - other processes
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            msg = f"Not online after {timeout_s:.0f} s: {', '.join(waiting)}"
            raise DemoError(msg) from None

    async def _offline(self) -> list[str]:
        return [
            child.name
            for child in self.children()
            if (is_online := _IS_ONLINE.get(child.name))
            and not is_online(await self.remote.get(child, "/api/state"))
        ]

    def server_key(self) -> str:
        """Give the key that the panel pins, as an installer reads it off the router."""
        return public_key_text(load_or_create_key(self.state_dir / "panel-link.key"))

    def children(self) -> list[Child]:
        """List what runs, in the order in which it should end."""
        names = ("resident", "phone", "panel", "carrier", "router")
        found = (getattr(self, name, None) for name in names)
        return [child for child in found if isinstance(child, Child)]


@contextlib.asynccontextmanager
async def open_stage(
    plan: Plan | None = None, directory: Path | None = None
) -> AsyncIterator[Stage]:
    """Prepare a stage; start its processes with its `start_…` methods. All end with the context."""
    async with AsyncExitStack() as stack:
        if directory is None:
            name = stack.enter_context(tempfile.TemporaryDirectory(prefix="intercom-demo-"))
            directory = Path(name)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        block = stack.enter_context(PortBlock())
        stage = Stage(directory, plan or Plan(), Remote(session), block)
        stage.state_dir.mkdir(mode=0o700, exist_ok=True)
        stage.write_building()
        try:
            yield stage
        finally:
            for child in stage.children():
                await child.stop()
