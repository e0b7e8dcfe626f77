"""The running service: from the settings to the stop."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import structlog

from intercom.adapters.control import ControlHandlers, control_server
from intercom.app.admin_side import origin_of
from intercom.app.build import Parts, build
from intercom.app.chores import (
    collect_garbage,
    forget_old_traces,
    keep_garbage_collection_short,
    prepare_sounds,
)
from intercom.app.hep import sending_hep, with_hep_allowed
from intercom.app.in_force import BuildingInForce, InForce, Said
from intercom.app.metrics import MetricSources, is_all_commercial, metrics_server
from intercom.app.sip_side import sip_line
from intercom.app.sip_trace import SipTrace
from intercom.app.store_side import StoreSide, store_side
from intercom.building import Building, load_building
from intercom.errors import ConfigError
from intercom.ports import RelayResult
from intercom.routing.commands import EndReason
from intercom.routing.ids import DoorId, PropertyId
from intercom.settings import Settings
from intercom.settings.addresses import advertised_address, is_only_loopback
from intercom.sip.address import bracketed

log = structlog.get_logger()

GIVE_ADDRESS = (
    "this machine has no route, so panels and phones are told 127.0.0.1:"
    " set INTERCOM_PUBLIC_ADDRESS to the address at which they reach it"
)
USE_RELOAD = "`intercom reload` says what is wrong; the certificates of before stay in use"
READY = "Open Intercom is ready: "
NO_PROPERTY = "; no property yet: `intercom invite-operator EMAIL` lets somebody into Webadmin"
STOP_GRACE_S = 0.5
"""How long BYEs and closing frames may take to leave when the service stops."""


class Service:
    """The running service, for the operator's socket and for tests."""

    def __init__(self, settings: Settings, building: InForce, parts: Parts) -> None:
        self.settings = settings
        self.building = building
        self.kept = parts.kept
        self.switchboard = parts.switchboard
        self._tls = parts.sip_side.tls
        self._sip = parts.sip_side.transport
        self._lag = parts.sip_side.lag
        self._trunks = parts.sip_side.trunks
        self._registered = parts.sip_side.registered
        self.check_calls = parts.sip_side.check_calls
        self.trace = parts.trace
        self.capture = parts.sip_side.transport.capture
        self.panel_link = parts.panel_link
        self.hub = parts.hub
        self._one_reload = asyncio.Lock()
        self._signal = asyncio.Event()

    @property
    def ready_line(self) -> str:
        """What is printed once everything stands."""
        settings, directory = self.settings, self.building.directory
        scheme = "https" if settings.has_tls else "http"
        advertised = bracketed(advertised_address(settings))
        admin = f"Webadmin {origin_of(settings)}/admin, " if self.kept else ""
        return (
            f"{READY}{sip_line(settings)}, "
            f"app {scheme}://{advertised}:{settings.http_port}/, {admin}"
            f"RTP {settings.rtp_port_first}-{settings.rtp_port_last}, "
            f"WebRTC {settings.webrtc_port}, "
            f"{len(directory.panels)} panels, {len(directory.residents)} residents"
            f"{NO_PROPERTY if self.kept and not directory.properties else ''}"
        )

    def status(self) -> dict[str, object]:
        """Say what runs, for `intercom status`."""
        return {
            "calls": self.switchboard.calls,
            "panels_online": self._panels_online(),
            "trunks": self._trunks.status(),
            "apps_online": self.hub.count,
            "sip_phones_online": self._registered.count,
            "locked_sources": self._sip.endpoint.locked_sources(self._sip.now)
            + self.panel_link.locked_count(),
            "ready": self.ready_line.removeprefix(READY),
            **self.building.doubts(),
        }

    def _panels_online(self) -> dict[str, bool | str]:
        """Say of each panel whether it has logged in, by SIP or by its own link."""
        online: dict[str, bool | str] = {
            state.panel_id: state.is_online for state in self.panel_link.panel_states()
        }
        for panel in self.building.directory.panels.values():
            logs_in = panel.password is not None and panel.profile.registers
            if self._sip.endpoint.bindings(panel.panel_id, self._sip.now):
                online[panel.panel_id] = True
            elif not online.get(panel.panel_id) and not logs_in:
                online[panel.panel_id] = "does not log in"
        return online

    async def reload(self, file: Path | None = None) -> Said:
        """Load building and certificates again; a wrong file raises ConfigError, nothing changes."""
        async with self._one_reload:
            contexts = await asyncio.to_thread(self._tls.read)
            change = await self.building.reload(file)
            self._tls.use(contexts)
        return change

    def reload_by_signal(self) -> None:
        """Let `reload_at_signals` load each again."""
        self._signal.set()

    async def reload_at_signals(self) -> None:
        """Load each again whenever a signal asks for it, and only log what came of it."""
        while True:
            await self._signal.wait()
            self._signal.clear()
            async with self._one_reload:
                try:
                    self._tls.use(await asyncio.to_thread(self._tls.read))
                except ConfigError:
                    log.exception("sip.certificate_refused", remedy=USE_RELOAD)
                await self.building.reload_and_log()

    def unlock(self) -> int:
        """Let everybody try again whom the defences shut out; tell how many sources that were."""
        return self._sip.endpoint.unlock(self._sip.now) + self.panel_link.unlock()

    @property
    def metric_sources(self) -> MetricSources:
        """Where the metrics are read."""
        endpoint, sip = self._sip.endpoint, self._sip
        return MetricSources(
            counters=endpoint.counters,
            table_sizes=endpoint.table_sizes,
            locked_sources=lambda: endpoint.locked_sources(sip.now),
            lag=self._lag,
            calls=lambda: self.switchboard.calls,
            is_all_commercial=lambda: is_all_commercial(self.building.directory),
            building=self.building.figures,
        )

    async def check_number(self, number: str, property_id: str | None) -> str:
        """Ring a number and ask for a key; raise ConfigError for one that is never dialled."""
        properties = self.building.directory.properties
        prop = properties.get(PropertyId(property_id)) if property_id else None
        prop = prop or next(iter(properties.values()), None)
        objection = self.settings.dial_policy.objection_to(number)
        if prop is None or objection is not None:
            msg = f"{number} is not called: {objection or 'there is no property yet'}."
            raise ConfigError(msg)
        return (await self.check_calls.check(number, prop)).value

    async def relay_test(self, door: str) -> RelayResult:
        """Pulse a door's relay; raise ConfigError for a door that is not there."""
        doors = self.building.directory.doors
        if DoorId(door) not in doors:
            known = ", ".join(sorted(doors)) or "none"
            msg = f'There is no door "{door}". The doors are: {known}.'
            raise ConfigError(msg)
        return await self.switchboard.relay_test(DoorId(door))


async def serve(settings: Settings, building_file: Path | None = None) -> None:
    """Run the service until SIGTERM or Ctrl-C; SIGHUP loads building and certificates again."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(None) as start:  # it has no limit but the stop

                def stop_early() -> None:
                    stop.set()
                    start.reschedule(loop.time())

                _at_stop(loop, stop_early)
                service = await stack.enter_async_context(running(settings, building_file))
                _at_stop(loop, stop.set)
        except TimeoutError:
            if not stop.is_set():
                raise
            log.info("service.stopped_at_start")
            return
        keep_garbage_collection_short()
        loop.add_signal_handler(signal.SIGHUP, service.reload_by_signal)
        with contextlib.suppress(BrokenPipeError):
            print(service.ready_line, flush=True)  # noqa: T201 - the one line on stdout
        await stop.wait()
        log.info("service.stopping", calls=service.switchboard.calls)


def _at_stop(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, act)


@contextlib.asynccontextmanager
async def running(settings: Settings, building_file: Path | None = None) -> AsyncIterator[Service]:
    """Run the service while the context lasts."""
    if is_only_loopback(settings):
        log.warning("service.address_unknown", remedy=GIVE_ADDRESS)
    async with (
        _building(settings, building_file or settings.building_file) as (building, kept),
        AsyncExitStack() as stack,
        asyncio.TaskGroup() as tasks,
    ):
        parts = await build(settings, building, kept, stack, tasks)
        service = Service(settings, building, parts)
        handlers = ControlHandlers(
            trace=service.trace,
            relay_test=service.relay_test,
            reload=service.reload,
            status=service.status,
            unlock=service.unlock,
            check_number=service.check_number,
            sip_trace=SipTrace(
                service.capture, service.trace, parts.sip_side.transport.endpoint.local_for
            ),
        )
        transport = parts.sip_side.transport
        await stack.enter_async_context(sending_hep(settings, transport, parts.directory))
        await stack.enter_async_context(
            metrics_server(settings.metrics_port, service.metric_sources)
        )
        await stack.enter_async_context(control_server(settings.control_socket, handlers))
        parts.spawn(forget_old_traces(service.trace, service.capture), "traces forgotten")
        parts.spawn(collect_garbage(), "garbage collected")
        parts.spawn(service.reload_at_signals(), "reload")
        log.info("service.ready", sip_port=settings.sip_port, http_port=settings.http_port)
        try:
            yield service
        finally:
            calls = service.switchboard.calls
            service.switchboard.end_all(EndReason.SHUTTING_DOWN)
            await asyncio.sleep(STOP_GRACE_S if calls else 0)
            await stack.aclose()
            parts.cancel_chores()


@contextlib.asynccontextmanager
async def _building(
    settings: Settings, file: Path | None
) -> AsyncIterator[tuple[InForce, StoreSide | None]]:
    """Read the building: a file, or else the database."""
    if file is not None:
        building = BuildingInForce(file, lambda path: _load(settings, path))
        _make_state_dir(settings)
        yield building, None
        return
    _make_state_dir(settings)
    async with store_side(settings) as kept:
        yield kept.building, kept


def _make_state_dir(settings: Settings) -> None:
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)


def _load(settings: Settings, file: Path) -> Building:
    """Load a building and make its sounds; for a running service that is done in a thread."""
    building = load_building(
        file,
        caller_id=settings.caller_id,
        dial_policy=settings.dial_policy,
        has_sip_tls=settings.has_sip_tls,
    )
    prepare_sounds(building.directory)
    return with_hep_allowed(settings, building)
