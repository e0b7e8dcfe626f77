"""GET /ws: the apps' WebSocket, and the hub that knows which apps are online.

A log-in has one connection: a newer one takes the older one's place. Frames that the service
sends are handed over with `send` and never block; an app that does not read them is dropped.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from aiohttp import web

from intercom.routing.change import DirectoryChange
from intercom.routing.directory import Directory
from intercom.routing.ids import DeviceId, ResidentId
from intercom.routing.plan import AppTarget
from intercom.web.app_doors import AppDoors, Following
from intercom.web.connection import Close, Connection
from intercom.web.frames import RULES, About
from intercom.web.origin import is_same_origin
from intercom.web.sessions import Login, LoginTable

log = structlog.get_logger()

MAX_CONNECTIONS = 5000
GREETED_AT_ONCE = 50
"""So many apps are told their doors between two packets of a call: a millisecond."""

SLICE_S = 0.001
"""So long a change of the building is followed at a time."""

Receive = Callable[[ResidentId, DeviceId, dict[str, str]], None]


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
        self._targets_of: dict[ResidentId, dict[DeviceId, AppTarget]] = {}
        self._doors: AppDoors | None = None
        """Made by `index_doors`, or when the first app comes."""
        self._to_follow: deque[Following] = deque()
        """Changes of the directory that the doors do not show yet."""
        self._to_greet: dict[DeviceId, None] = {}
        """Apps that are to be told their doors, which may be others now."""
        self._is_closing = False
        logins.on_dropped = self._login_dropped
        self.on_message: Receive = lambda *_: None
        """Called with each well-formed frame about a call; its fields are there and within their limits."""
        self.on_key: Receive = lambda *_: None
        """Likewise with each wish to open a door without a call."""
        self.on_online: Callable[[AppTarget], None] = lambda _: None
        self.on_offline: Callable[[AppTarget], None] = lambda _: None

    @property
    def count(self) -> int:
        """How many apps are online."""
        return len(self._online)

    def online(self, resident_id: str) -> tuple[AppTarget, ...]:
        """List a resident's apps that have a live connection."""
        return tuple(self._targets_of.get(ResidentId(resident_id), {}).values())

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

    def directory_changed(self, change: DirectoryChange | None = None) -> None:
        """Drop the log-ins that the new directory does not carry; tell the others their doors.

        Only those are told whom a change concerns; None: everybody.
        """
        directory = self._directory()
        self._logins.directory_changed(directory, change.residents if change else None)
        if self._doors is None or change is None:
            self._doors = None
            self._to_follow.clear()
            self._greet(None)
            return
        self._to_follow.append(self._doors.following(directory, change))
        if len(self._to_follow) == 1:
            self._follow_some()

    def index_doors(self) -> None:
        """Look up which doors are whose, before the first app comes: it takes 0.1 s in a large building."""
        self._doors = AppDoors(self._directory())

    def _follow_some(self) -> None:
        """Take a large change of the directory in slices, so that a call comes between two of them."""
        if not self._to_follow:
            return
        following = self._to_follow[0]
        following.go_on(SLICE_S)
        if following.is_done:
            self._to_follow.popleft()
            self._greet(following.concerned)
        if self._to_follow:
            asyncio.get_running_loop().call_soon(self._follow_some)

    def _greet(self, concerned: frozenset[ResidentId] | None) -> None:
        """Tell people's apps their doors; None: everybody's."""
        if concerned is None:
            self._to_greet |= dict.fromkeys(self._online)
        else:
            for resident_id in concerned & self._targets_of.keys():
                self._to_greet |= dict.fromkeys(self._targets_of[resident_id])
        self._greet_some()

    def _greet_some(self) -> None:
        """Tell apps their doors, a few now and the others after what else waits."""
        for device_id in list(self._to_greet)[:GREETED_AT_ONCE]:
            del self._to_greet[device_id]
            if (entry := self._online.get(device_id)) is not None:
                self.send(device_id, self._hello(entry.target.resident_id))
        if self._to_greet:
            asyncio.get_running_loop().call_soon(self._greet_some)

    def _hello(self, resident_id: ResidentId) -> dict[str, object]:
        """Make the first frame: who is logged in, the doors that may ring here, and those with a key."""
        directory = self._directory()
        if self._doors is None:
            self._doors = AppDoors(directory)
        resident = directory.residents.get(resident_id)
        return {
            "type": "hello",
            "resident": {"name": resident.name if resident else ""},
            "doors": self._doors.of(resident_id),
        }

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
        self._targets_of.setdefault(login.resident_id, {})[login.device_id] = target
        connection.send(self._hello(login.resident_id))
        self.on_online(target)

    def _leave(self, connection: Connection, reason: Close) -> None:
        connection.close(reason)
        device_id = connection.device_id
        entry = self._online.get(device_id) if device_id is not None else None
        if entry is not None and entry.connection is connection:
            del self._online[entry.target.device_id]
            self._forget_target(entry.target)
            self.on_offline(entry.target)

    def _forget_target(self, target: AppTarget) -> None:
        targets = self._targets_of[target.resident_id]
        del targets[target.device_id]
        if not targets:
            del self._targets_of[target.resident_id]

    def _login_dropped(self, login: Login) -> None:
        entry = self._online.get(login.device_id)
        if entry is not None:
            self._leave(entry.connection, Close.LOGGED_OUT)

    def _received(self, connection: Connection, frame: dict[str, str]) -> None:
        entry = self._online.get(connection.device_id) if connection.device_id else None
        if entry is None or entry.connection is not connection:
            return  # it was replaced or logged out while this frame was under way
        take = self.on_key if RULES[frame["type"]].about is About.DOOR else self.on_message
        take(entry.target.resident_id, entry.target.device_id, frame)


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
