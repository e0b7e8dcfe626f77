"""Builds every object of the service and joins them; nothing else knows all of them."""

import asyncio
import contextlib
import socket
from collections.abc import Coroutine
from contextlib import AsyncExitStack

from intercom.adapters.app_keys import AppKeys
from intercom.adapters.app_legs import AppLegs
from intercom.adapters.panel_link import PanelLinkHub, load_or_create_key
from intercom.adapters.relay_http import HttpRelayDriver
from intercom.adapters.sip.listening import cannot_listen
from intercom.adapters.sip.locate import RealDns
from intercom.adapters.sip.panel_codes import PanelCodeDriver
from intercom.adapters.sip.resolve import Resolver
from intercom.adapters.snapshots import Snapshots
from intercom.app.following import follow
from intercom.app.in_force import InForce
from intercom.app.presence import DevicesOnline
from intercom.app.sip_side import SipSide, token
from intercom.app.store_side import StoreSide
from intercom.app.web_side import make_site, serve_http
from intercom.diary import Diaries, NoSink
from intercom.errors import MediaError
from intercom.media.conversion import Transcodings
from intercom.media.dtls import DtlsIdentity
from intercom.media.mux import MuxPort
from intercom.ports import Ports
from intercom.routing.directory import Directory, HttpRelay, PanelCodeRelay, PanelLinkRelay
from intercom.routing.limits import Limits
from intercom.routing.plan import AppTarget
from intercom.settings import Settings
from intercom.settings.addresses import (
    advertised_media_address,
    media_bind_address,
)
from intercom.switchboard import Switchboard
from intercom.trace import Trace
from intercom.wall_clock import now
from intercom.web.login_file import LoginFile
from intercom.web.sessions import LoginTable
from intercom.web.signaling import AppHub

NAMES_AT_START_S = 2.0
"""How long the start waits for trunks' and phones' names; they are looked up again by a task."""


class Parts:
    """The parts of the service; `build` makes and joins them."""

    def __init__(
        self,
        settings: Settings,
        building: InForce,
        kept: StoreSide | None,
        stack: AsyncExitStack,
        tasks: asyncio.TaskGroup,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.settings = settings
        self.building = building
        self.kept = kept
        """None: the building is a file."""
        self.trace = Trace(loop.time)
        self.switchboard = Switchboard(
            directory=self.directory,
            trace=self.trace,
            token=token,
            diaries=Diaries(kept.events if kept else NoSink(), now=now, token=token),
            limits=Limits(talk_s=settings.talk_limit_s),
            transcodings=Transcodings(settings.transcodings),
            now=now,
        )
        self.logins = LoginTable(clock=loop.time)
        self.hub = AppHub(directory=self.directory, logins=self.logins)
        self.panel_link = PanelLinkHub(
            key=load_or_create_key(settings.state_dir / "panel-link.key"),
            directory=self.directory,
        )
        families = (
            socket.AF_INET6 if ":" in each else socket.AF_INET for each in settings.sip_host
        )
        self.resolver = Resolver(*families, dns=RealDns())
        self.sip_side: SipSide
        """Made by `sip`."""
        self._trunks_changed = asyncio.Event()
        self._stack = stack
        self._tasks = tasks
        self._chores: set[asyncio.Task[None]] = set()

    def directory(self) -> Directory:
        """Give the snapshot that is in force."""
        return self.building.directory

    def spawn(self, chore: Coroutine[None, None, None], name: str) -> None:
        """Run a chore until the service stops."""
        task = self._tasks.create_task(chore, name=f"service {name}")
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    def cancel_chores(self) -> None:
        """Stop every chore."""
        for chore in tuple(self._chores):
            chore.cancel()

    def sip(self) -> SipSide:
        """Build the SIP side; the transport does not listen yet."""
        self.sip_side = SipSide(
            self.settings, self.directory, self.resolver, self.switchboard, self._stack
        )
        return self.sip_side

    def apps(self, pictures: Snapshots) -> AppLegs:
        """Build the apps' side, with the log-ins of before the start."""
        login_file = LoginFile(self.settings.state_dir / "logins.json", self.logins)
        login_file.load()
        self.logins.directory_changed(self.directory())
        self.spawn(login_file.keep(), "log-ins kept")
        mux = _open_mux(self.settings)
        self._stack.callback(mux.close)
        app_legs = AppLegs(
            self.hub,
            mux,
            DtlsIdentity.generate(),
            token=token,
            trace=self.trace,
            post=self.switchboard.post,
            pictures=pictures,
        )
        self.hub.on_message = app_legs.message
        self.hub.on_key = AppKeys(self.hub, self.switchboard.keys).message

        def online(target: AppTarget) -> None:
            app_legs.device_online(target)
            self.switchboard.device_online(target)

        self.hub.on_online = online
        self.hub.on_offline = app_legs.device_offline
        return app_legs

    def follow_the_building(self) -> None:
        """Let everybody know when the building is loaded again."""
        names_changed = follow(self, self._trunks_changed)
        self.resolver.on_change = self._trunks_changed.set
        self.spawn(self.resolver.keep_fresh(names_changed, self.directory), "names looked up")

    def watch_trunks(self) -> None:
        """Register with carriers and ask whether they are there, now that we listen."""
        self.spawn(self.sip_side.trunks.keep(self._trunks_changed), "trunks watched")


async def build(
    settings: Settings,
    building: InForce,
    kept: StoreSide | None,
    stack: AsyncExitStack,
    tasks: asyncio.TaskGroup,
) -> Parts:
    """Build the service; what listens comes last, so that nobody is let in before all stands."""
    parts = Parts(settings, building, kept, stack, tasks)
    sip = parts.sip()
    http_relays = await stack.enter_async_context(HttpRelayDriver(settings.relay_ca_file))
    pictures = await stack.enter_async_context(Snapshots(tasks, http_relays.tls))
    parts.switchboard.start(
        tasks,
        Ports(
            panels=sip.panel_legs,
            apps=parts.apps(pictures),
            phones=sip.phone_legs,
            presence=DevicesOnline(parts.hub, sip.registered),
            screens=parts.panel_link,
            relays={
                PanelLinkRelay: parts.panel_link,
                HttpRelay: http_relays,
                PanelCodeRelay: PanelCodeDriver(sip.panel_legs),
            },
        ),
    )
    with contextlib.suppress(TimeoutError):  # the service starts without DNS, too
        async with asyncio.timeout(NAMES_AT_START_S):
            await parts.resolver.refresh(building.directory)
    parts.follow_the_building()
    parts.hub.index_doors()
    await stack.enter_async_context(sip.transport)
    stack.callback(sip.stop)
    parts.watch_trunks()
    await serve_http(settings, make_site(parts, kept), stack)
    return parts


def _open_mux(settings: Settings) -> MuxPort:
    host, port = media_bind_address(settings), settings.webrtc_port
    try:
        return MuxPort.open(host, port, [advertised_media_address(settings)])
    except MediaError as error:
        if not isinstance(error.__cause__, OSError):
            raise
        what = f"WebRTC cannot listen on {host} port {port} (UDP)"
        names = ("INTERCOM_MEDIA_HOST", "INTERCOM_WEBRTC_PORT")
        raise cannot_listen(what, error.__cause__, *names) from error
