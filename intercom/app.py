"""The composition root: builds every object, owns the root TaskGroup, the signals and the stop."""

import asyncio
import contextlib
import gc
import itertools
import secrets
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import structlog
from aiohttp import web

from intercom.active_call import Ports
from intercom.adapters.app_legs import AppLegs
from intercom.adapters.control import ControlHandlers, control_server
from intercom.adapters.panel_link import PanelLinkHub, load_or_create_key
from intercom.adapters.relay_http import HttpRelayDriver
from intercom.adapters.sip.panel_legs import SipPanelLegs
from intercom.adapters.sip.phone_legs import SipPhoneLegs
from intercom.adapters.sip.resolve import Resolver
from intercom.adapters.sip.transport import SipTransport
from intercom.building import Building, BuildingChange, diff, load_building
from intercom.errors import ConfigError, MediaError
from intercom.media import prompts, tones
from intercom.media.dtls import DtlsIdentity
from intercom.media.mux import MuxPort
from intercom.media.port import PortPool
from intercom.media.sequencer import encoded_ringback
from intercom.ports import RelayResult
from intercom.routing.commands import EndReason
from intercom.routing.dial_guard import DialGuard
from intercom.routing.directory import Directory, HttpRelay, PanelLinkRelay
from intercom.routing.ids import DoorId, PanelId
from intercom.routing.limits import Limits
from intercom.settings import Settings, SipDigest
from intercom.settings.addresses import (
    advertised_address,
    advertised_media_address,
    is_only_loopback,
    media_bind_address,
)
from intercom.sip.address import Address
from intercom.sip.digest import BOTH, MD5_ALONE
from intercom.sip.endpoint import Endpoint, EndpointConfig
from intercom.sip.offer_answer import Law
from intercom.switchboard import Switchboard
from intercom.trace import Trace
from intercom.web.login_file import LoginFile
from intercom.web.server import WebConfig, make_app, serving
from intercom.web.sessions import LoginTable
from intercom.web.signaling import AppHub

log = structlog.get_logger()

CHECK_BUILDING = "`intercom check-building` says where and what"
NAMES_AT_START_S = 2.0
"""How long the start waits for trunks' and phones' names; they are looked up again by a task."""
GIVE_ADDRESS = (
    "this machine has no route, so panels and phones are told 127.0.0.1:"
    " set INTERCOM_PUBLIC_ADDRESS to the address at which they reach it"
)
FORGET_TRACES_S = 60.0
COLLECT_GARBAGE_S = 1.0
FULL_COLLECTIONS = 60
"""Each so many collections one is a full one; it takes a few ms."""
YOUNG_OBJECTS = 50_000
"""New objects at which Python collects by itself; 50 presses a second make 12,000."""
SPARE_PORT_PAIRS = 9
"""Three calls with picture and phone that begin at once wait for no socket."""
STOP_GRACE_S = 0.5
"""How long BYEs and closing frames may take to leave when the service stops."""


def token(length: int) -> str:
    """Give `length` random hexadecimal characters."""
    return secrets.token_hex((length + 1) // 2)[:length]


class BuildingInForce:
    """The directory in force, and who wants to know when it changes."""

    def __init__(self, file: Path, load: Callable[[Path], Building]) -> None:
        self._file = file
        self._load = load
        self.directory = self._read(file)
        self.on_change: list[Callable[[Directory], None]] = []

    def reload(self, file: Path | None = None) -> BuildingChange:
        """Load the file again; a wrong one raises ConfigError and changes nothing."""
        new = self._read(file or self._file)
        change = diff(self.directory, new)
        self._file = file or self._file
        self.directory = new
        for listener in self.on_change:
            listener(new)
        return change

    def _read(self, file: Path) -> Directory:
        building = self._load(file)
        if building.warnings:
            log.warning("building.doubtful", count=len(building.warnings), remedy=CHECK_BUILDING)
        return building.directory


@dataclass(slots=True)
class Service:
    """The running service, for the operator's socket and for tests."""

    settings: Settings
    building: BuildingInForce
    switchboard: Switchboard
    trace: Trace
    panel_link: PanelLinkHub
    hub: AppHub
    ready_line: str = ""


async def serve(settings: Settings, building_file: Path | None = None) -> None:
    """Run the service until SIGTERM or Ctrl-C; SIGHUP loads the building again."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with running(settings, building_file) as service:
        _keep_garbage_collection_short()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, _reload_by_signal, service.building)
        with contextlib.suppress(BrokenPipeError):
            print(service.ready_line, flush=True)  # noqa: T201 - the one line on stdout
        await stop.wait()
        log.info("service.stopping", calls=service.switchboard.calls)


@contextlib.asynccontextmanager
async def running(settings: Settings, building_file: Path | None = None) -> AsyncIterator[Service]:
    """Run the service while the context lasts."""
    building = BuildingInForce(
        building_file or settings.building_file,
        lambda file: load_building(
            file, caller_id=settings.caller_id, dial_policy=settings.dial_policy
        ),
    )
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        service = await _build(settings, building, stack, tasks)
        try:
            yield service
        finally:
            calls = service.switchboard.calls
            service.switchboard.end_all(EndReason.SHUTTING_DOWN)
            await asyncio.sleep(STOP_GRACE_S if calls else 0)
            await stack.aclose()
            for task in asyncio.all_tasks():
                if task.get_name().startswith("service "):
                    task.cancel()


async def _build(
    settings: Settings, building: BuildingInForce, stack: AsyncExitStack, tasks: asyncio.TaskGroup
) -> Service:
    loop = asyncio.get_running_loop()
    _prepare_sounds()
    trace = Trace(loop.time)
    limits = Limits(talk_s=settings.talk_limit_s)

    def directory() -> Directory:
        return building.directory

    switchboard = Switchboard(directory=directory, trace=trace, token=token, limits=limits)
    advertised = advertised_address(settings)
    if is_only_loopback(settings):
        log.warning("service.address_unknown", remedy=GIVE_ADDRESS)
    media_host = advertised_media_address(settings)

    # The SIP side.
    endpoint = Endpoint(
        EndpointConfig(
            local=Address(advertised, settings.sip_port),
            realm=settings.sip_realm,
            digest_algorithms=BOTH if settings.sip_digest is SipDigest.BOTH else MD5_ALONE,
            password_of=lambda user: _panel_password(directory(), user),
            is_trusted=lambda source, user: _is_trusted(directory(), source, user),
        ),
        token=token,
    )
    transport = SipTransport(endpoint, settings.sip_host, settings.sip_port)
    pool = PortPool(media_bind_address(settings), settings.rtp_port_first, settings.rtp_port_last)
    pool.keep_spares(SPARE_PORT_PAIRS)
    stack.callback(pool.close)
    panel_legs = SipPanelLegs(
        transport,
        pool,
        directory=directory,
        token=token,
        media_host=media_host,
        on_press=switchboard.press,
        post=switchboard.post,
    )
    transport.on_invite = panel_legs.invite_received
    resolver = Resolver(socket.AF_INET6 if ":" in settings.sip_host else socket.AF_INET)
    phone_legs = SipPhoneLegs(
        transport,
        pool,
        resolver,
        directory=directory,
        token=token,
        caller_id=settings.caller_id,
        sip_host=advertised,
        media_host=media_host,
        media_networks=settings.media_networks,
        guard=DialGuard(settings.dial_limits),
        post=switchboard.post,
    )

    # The app's side.
    logins = LoginTable(clock=loop.time)
    login_file = LoginFile(settings.state_dir / "logins.json", logins)
    login_file.load()
    logins.directory_changed(directory())
    tasks.create_task(login_file.keep(), name="service log-ins kept")
    hub = AppHub(directory=directory, logins=logins)
    mux = _open_mux(settings, media_host)
    stack.callback(mux.close)
    app_legs = AppLegs(
        hub, mux, DtlsIdentity.generate(), token=token, trace=trace, post=switchboard.post
    )
    hub.on_message = app_legs.message
    hub.on_online = switchboard.device_online
    hub.on_offline = app_legs.device_offline

    # The doors.
    panel_link = PanelLinkHub(
        key=load_or_create_key(settings.state_dir / "panel-link.key"), directory=directory
    )
    http_relays = await stack.enter_async_context(HttpRelayDriver(settings.relay_ca_file))
    switchboard.start(
        tasks,
        Ports(
            panels=panel_legs,
            apps=app_legs,
            phones=phone_legs,
            presence=hub,
            screens=panel_link,
            relays={PanelLinkRelay: panel_link, HttpRelay: http_relays},
        ),
    )

    # What listens, last: nobody is let in before everything stands.
    site = make_app(
        WebConfig(is_tls=settings.has_tls, origins=_origins(settings)),
        directory=directory,
        logins=logins,
        hub=hub,
        is_healthy=lambda: True,
        is_ready=lambda: True,
        clock=loop.time,
    )
    site.router.add_get("/panel-link", panel_link.handle)
    site.on_shutdown.append(panel_link.stop)
    with contextlib.suppress(TimeoutError):  # the service starts without DNS, too
        async with asyncio.timeout(NAMES_AT_START_S):
            await resolver.refresh(building.directory)
    await stack.enter_async_context(transport)
    await _serve_http(settings, site, stack)
    service = Service(settings, building, switchboard, trace, panel_link, hub)
    await stack.enter_async_context(
        control_server(settings.control_socket, _control_handlers(service))
    )
    changes: asyncio.Queue[Directory] = asyncio.Queue(8)
    building.on_change += [
        lambda _: hub.directory_changed(),
        lambda _: panel_link.directory_changed(),
        _offer_to(changes),
    ]
    tasks.create_task(
        resolver.keep_fresh(changes, building.directory), name="service names looked up"
    )
    tasks.create_task(_forget_old_traces(trace), name="service traces forgotten")
    tasks.create_task(_collect_garbage(), name="service garbage collected")
    service.ready_line = _ready_line(settings, advertised, building.directory)
    log.info("service.ready", sip_port=settings.sip_port, http_port=settings.http_port)
    return service


def _prepare_sounds() -> None:
    """Make every sound once, so that no call waits for it."""
    for law in Law:
        encoded_ringback(law)
    for make in (tones.opened, tones.refused, tones.ending_soon):
        make()
    for words in prompts.Words:
        for language in prompts.LANGUAGES:
            prompts.load(words, language)


def _open_mux(settings: Settings, advertised: str) -> MuxPort:
    host, port = media_bind_address(settings), settings.webrtc_port
    try:
        return MuxPort.open(host, port, [advertised])
    except MediaError as error:
        message = (
            f"{error}. End the program that uses the port,"
            " or set INTERCOM_MEDIA_HOST / INTERCOM_WEBRTC_PORT."
        )
        raise ConfigError(message) from error


def _keep_garbage_collection_short() -> None:
    """Set what lives as long as the service aside (60 ms each time) and leave the rest to the timer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


async def _collect_garbage() -> None:
    """Look for garbage now and then, so that Python does not do it in the middle of a press."""
    for count in itertools.count(1):
        await asyncio.sleep(COLLECT_GARBAGE_S)
        gc.collect(2 if count % FULL_COLLECTIONS == 0 else 1)


async def _forget_old_traces(trace: Trace) -> None:
    while True:
        await asyncio.sleep(FORGET_TRACES_S)
        trace.forget_old(asyncio.get_running_loop().time())


async def _serve_http(settings: Settings, site: web.Application, stack: AsyncExitStack) -> None:
    host, port = settings.http_host, settings.http_port
    try:
        await stack.enter_async_context(serving(site, host, port, _tls_context(settings)))
    except OSError as error:
        message = (
            f"The app's server cannot listen on {host} port {port} (TCP): {error.strerror}. "
            "End the program that uses the port, or set INTERCOM_HTTP_HOST / INTERCOM_HTTP_PORT."
        )
        raise ConfigError(message) from error


def _tls_context(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    except (ssl.SSLError, OSError) as error:
        message = (
            f"INTERCOM_TLS_CERTIFICATE and INTERCOM_TLS_KEY cannot be used ({error}): "
            "give a certificate chain and its unencrypted key in PEM."
        )
        raise ConfigError(message) from error
    return context


def _origins(settings: Settings) -> frozenset[str]:
    return frozenset({settings.web_origin}) if settings.web_origin else frozenset()


def _panel_password(directory: Directory, user: str) -> str | None:
    panel = directory.panels.get(PanelId(user))
    return panel.password if panel else None


def _is_trusted(directory: Directory, source: Address, from_user: str) -> bool:
    panel = directory.panels.get(PanelId(from_user))
    return panel is not None and source.host in panel.allowed_addresses


def _offer_to(changes: "asyncio.Queue[Directory]") -> Callable[[Directory], None]:
    def offer(directory: Directory) -> None:
        with contextlib.suppress(asyncio.QueueFull):  # an earlier change is being looked up
            changes.put_nowait(directory)

    return offer


def _reload_by_signal(building: BuildingInForce) -> None:
    try:
        change = building.reload()
    except ConfigError:  # its words name people; the command shows them to the operator
        log.exception("building.refused", remedy=CHECK_BUILDING)
    else:
        log.info("building.loaded", **change.counts())


def _control_handlers(service: Service) -> ControlHandlers:
    async def relay_test(door: str) -> RelayResult:
        if DoorId(door) not in service.building.directory.doors:
            known = ", ".join(sorted(service.building.directory.doors)) or "none"
            msg = f'There is no door "{door}". The doors are: {known}.'
            raise ConfigError(msg)
        return await service.switchboard.relay_test(DoorId(door))

    return ControlHandlers(
        trace=service.trace,
        relay_test=relay_test,
        reload=service.building.reload,
        status=lambda: _status(service),
    )


def _status(service: Service) -> dict[str, object]:
    directory = service.building.directory
    return {
        "calls": service.switchboard.calls,
        "panels_online": {
            state.panel_id: state.is_online for state in service.panel_link.panel_states()
        },
        "apps_online": sum(len(service.hub.online(r)) for r in directory.residents),
        "ready": service.ready_line,
    }


def _ready_line(settings: Settings, advertised: str, directory: Directory) -> str:
    scheme = "https" if settings.has_tls else "http"
    return (
        f"Open Intercom is ready: SIP udp {advertised}:{settings.sip_port}, "
        f"app {scheme}://{advertised}:{settings.http_port}/, "
        f"RTP {settings.rtp_port_first}-{settings.rtp_port_last}, WebRTC {settings.webrtc_port}, "
        f"{len(directory.panels)} panels, {len(directory.residents)} residents"
    )
