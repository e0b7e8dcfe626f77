"""GET /ws: the apps' WebSocket, and the hub that knows which apps are online.

A log-in has one connection: a newer one takes the older one's place. Frames that the service
sends are handed over with `send` and never block; an app that does not read them is dropped.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from aiohttp import web

from intercom.routing.directory import Directory
from intercom.routing.ids import DeviceId, ResidentId
from intercom.routing.plan import AppTarget
from intercom.web.connection import Close, Connection
from intercom.web.origin import is_same_origin
from intercom.web.sessions import Login, LoginTable

log = structlog.get_logger()

MAX_CONNECTIONS = 5000


@dataclass(frozen=True, slots=True)
class _Online:
    target: AppTarget
    connection: Connection


class AppHub:
    """All connected apps. Implements `ports.Presence` and `ports.AppChannel`; no method blocks."""

    def __init__(
        self,
        *,
        directory: Callable[[], Directory],
        logins: LoginTable,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self._directory = directory
        self._logins = logins
        self._max_connections = max_connections
        self._online: dict[DeviceId, _Online] = {}
        self._is_closing = False
        logins.on_dropped = self._login_dropped
        self.on_message: Callable[[ResidentId, DeviceId, dict[str, str]], None] = lambda *_: None
        """Called with each well-formed frame; its fields are there and within their limits."""
        self.on_online: Callable[[AppTarget], None] = lambda _: None
        self.on_offline: Callable[[AppTarget], None] = lambda _: None

    def online(self, resident_id: str) -> tuple[AppTarget, ...]:
        """List a resident's apps that have a live connection."""
        return tuple(
            entry.target
            for entry in self._online.values()
            if entry.target.resident_id == resident_id
        )

    def send(self, device_id: DeviceId, message: Mapping[str, object]) -> bool:
        """Queue a frame for an app; False when it is not online (any more)."""
        entry = self._online.get(device_id)
        if entry is None:
            return False
        if entry.connection.send(message):
            return True
        log.warning("app.too_slow")
        self._leave(entry.connection, Close.TOO_SLOW)
        return False

    def send_if_idle(self, device_id: DeviceId, message: Mapping[str, object]) -> bool:
        """Queue a frame that may be left out, unless another one still waits."""
        entry = self._online.get(device_id)
        return entry is not None and entry.connection.is_idle and entry.connection.send(message)

    def directory_changed(self) -> None:
        """Drop the log-ins that the new directory does not carry; tell the others their doors."""
        directory = self._directory()
        self._logins.directory_changed(directory)
        for entry in list(self._online.values()):
            self.send(entry.target.device_id, hello(directory, entry.target.resident_id))

    def close(self) -> None:
        """Close all connections; the service is going down."""
        self._is_closing = True
        for entry in list(self._online.values()):
            self._leave(entry.connection, Close.GOING_AWAY)

    async def serve(self, request: web.Request, login: Login) -> web.StreamResponse:
        """Serve one connection until either side ends it."""
        connection = Connection(on_frame=self._received)
        await connection.open(request)
        self._enter(login, connection)
        try:
            await connection.run()
        finally:
            self._leave(connection, Close.NORMAL)
        return connection.response

    def can_serve(self) -> bool:
        """Whether there is room for one more connection."""
        return not self._is_closing and len(self._online) < self._max_connections

    def _enter(self, login: Login, connection: Connection) -> None:
        previous = self._online.get(login.device_id)
        if previous is not None:
            self._leave(previous.connection, Close.REPLACED)
        if self._is_closing:
            connection.close(Close.GOING_AWAY)
            return
        target = AppTarget(login.resident_id, login.device_id)
        connection.device_id = login.device_id
        self._online[login.device_id] = _Online(target, connection)
        connection.send(hello(self._directory(), login.resident_id))
        self.on_online(target)

    def _leave(self, connection: Connection, reason: Close) -> None:
        connection.close(reason)
        device_id = connection.device_id
        entry = self._online.get(device_id) if device_id is not None else None
        if entry is not None and entry.connection is connection:
            del self._online[entry.target.device_id]
            self.on_offline(entry.target)

    def _login_dropped(self, login: Login) -> None:
        entry = self._online.get(login.device_id)
        if entry is not None:
            self._leave(entry.connection, Close.LOGGED_OUT)

    def _received(self, connection: Connection, frame: dict[str, str]) -> None:
        entry = self._online.get(connection.device_id) if connection.device_id else None
        if entry is None or entry.connection is not connection:
            return  # it was replaced or logged out while this frame was under way
        self.on_message(entry.target.resident_id, entry.target.device_id, frame)


class SignalingPage:
    """The handler of GET /ws: who may connect."""

    def __init__(
        self,
        *,
        hub: AppHub,
        login_of: Callable[[web.Request], Login | None],
        origins: frozenset[str],
    ) -> None:
        self._hub = hub
        self._login_of = login_of
        self._origins = origins

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """Take a connection of a logged-in app on our own page."""
        if not is_same_origin(request, self._origins, is_required=True):
            return web.json_response({"error": "Wrong origin"}, status=403)
        login = self._login_of(request)
        if login is None:
            return web.json_response({"error": "Not logged in"}, status=401)
        if not self._hub.can_serve():
            return web.json_response({"error": "Too many connections"}, status=503)
        if not web.WebSocketResponse().can_prepare(request):
            return web.json_response({"error": "This is a WebSocket"}, status=426)
        return await self._hub.serve(request, login)


def hello(directory: Directory, resident_id: ResidentId) -> dict[str, object]:
    """Make the first frame: who is logged in, and the doors that may ring here."""
    resident = directory.residents.get(resident_id)
    return {
        "type": "hello",
        "resident": {"name": resident.name if resident else ""},
        "doors": _doors_of(directory, resident_id),
    }


def _doors_of(directory: Directory, resident_id: ResidentId) -> list[dict[str, str]]:
    own = {
        doorbell.doorbell_id
        for doorbell in directory.doorbells.values()
        if resident_id in doorbell.residents
    }
    door_ids = {
        panel.door_id
        for panel in directory.panels.values()
        if any(button.doorbell_id in own for button in panel.buttons)
    }
    doors = [door for door_id, door in directory.doors.items() if door_id in door_ids]
    return [
        {
            "id": door.door_id,
            "name": door.name,
            "place": directory.properties[door.property_id].address,
        }
        for door in doors
    ]
