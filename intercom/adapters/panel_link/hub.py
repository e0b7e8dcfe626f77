"""Every panel that is connected now: the door to GET /panel-link, the relays and the screens."""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

import structlog
from aiohttp import hdrs, web
from nacl.signing import SigningKey

from intercom.adapters.panel_link.connection import PanelConnection
from intercom.adapters.panel_link.guesses import LinkGuesses
from intercom.adapters.panel_link.key import public_key_text
from intercom.adapters.panel_link.order import COMMAND_LIFE_MS, OFFLINE, Order
from intercom.adapters.panel_link.screens import (
    HOME,
    ScreenDesk,
    ScreenLink,
    ScreenState,
    answer_words,
    state_words,
)
from intercom.errors import LocalProtocolError
from intercom.link.fields import MAX_MESSAGE_BYTES
from intercom.link.guessing import source_of
from intercom.link.messages import (
    HAS_SCREEN,
    CallAnswer,
    CallState,
    Message,
    RelayAck,
    RelayState,
    ScreenAck,
    ScreenGet,
)
from intercom.ports import RelayResult
from intercom.routing.commands import EndReason, PanelState, ReadyAnswer
from intercom.routing.directory import Directory, PanelLinkRelay, Relay
from intercom.routing.ids import CallId, CommandId, PanelId

MAX_RELAYS = 16
"""Whose reports are kept, a panel."""
CHALLENGE = 'Basic realm="panel-link", charset="UTF-8"'  # RFC 7617 §2.1

log = structlog.get_logger()

_Shown = tuple[CallId, PanelState, EndReason | None]


@dataclass(frozen=True, slots=True)
class PanelLinkState:
    """What is known about a panel's link."""

    panel_id: PanelId
    is_online: bool
    firmware: str = ""
    """Of the last connection."""
    relays: Mapping[int, RelayState] = field(default_factory=dict)
    """The last report about each relay."""
    since_s: float = 0.0
    """How long it has been online or offline; at most since the service started."""
    screen: ScreenState | None = None
    """None: it is offline, or its screen is not ours to write."""


class PanelLinkHub:
    """Holds one connection a panel; the newer one replaces the older.

    It is the switchboard's `RelayDriver` for panel-link relays, and its `PanelScreens`.
    """

    def __init__(
        self,
        *,
        key: SigningKey,
        directory: Callable[[], Directory],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key = key
        self._directory = directory
        self._guesses = LinkGuesses(clock)
        self._connections: dict[PanelId, PanelConnection] = {}
        self._relays: dict[PanelId, dict[int, RelayState]] = {}
        self._shown: dict[PanelId, _Shown] = {}
        """The state of each panel's call, to be shown again after a reconnection."""
        self._orders: dict[CommandId, Order] = {}
        self._admitted_by: dict[PanelId, str | None] = {}
        """The password that each panel's connection was let in by."""
        self._answers: dict[PanelId, tuple[CallId, ReadyAnswer]] = {}
        self._desk = ScreenDesk(directory)
        self._screens: dict[PanelId, ScreenLink] = {}
        """Of the panels that are connected."""
        self._clock = clock
        self._began_at = clock()
        self._since: dict[PanelId, tuple[bool, float]] = {}
        """Whether it is online, and since when."""
        self.on_state: Callable[[PanelId, bool], None] = lambda _panel_id, _is_online: None
        """Told when a panel comes online or goes offline."""

    @property
    def public_key(self) -> str:
        """The key that panels pin, as base64."""
        return public_key_text(self._key)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve GET /panel-link."""
        panel_id = self._authenticate(request)
        if panel_id is None:
            return web.Response(
                status=HTTPStatus.UNAUTHORIZED, headers={hdrs.WWW_AUTHENTICATE: CHALLENGE}
            )
        # asyncio sets TCP_NODELAY itself; compression would cost more than it saves.
        socket = web.WebSocketResponse(compress=False, max_msg_size=MAX_MESSAGE_BYTES)
        await socket.prepare(request)
        connection = PanelConnection(panel_id, socket)
        screen = ScreenLink(panel_id, desk=self._desk, key=self._key, send=connection.send)
        replaced = self._connections.get(panel_id)
        self._connections[panel_id] = connection
        self._screens[panel_id] = screen
        self._admitted_by[panel_id] = self._password_of(panel_id)
        if replaced is not None:
            replaced.close()
        try:
            await connection.run(
                on_ready=lambda: self._resume(connection),
                on_message=lambda message: self._receive(connection, message),
                keep_screen=screen.run,
            )
        finally:
            if self._connections.get(panel_id) is connection:
                del self._connections[panel_id]
                del self._screens[panel_id]
                self._note(panel_id, is_online=False)
        return socket

    async def stop(self, _: web.Application) -> None:
        """Close every connection when the server stops, which otherwise waits for them."""
        self.close()

    def close(self) -> None:
        """Close every connection; the panels dial again."""
        for connection in self._connections.values():
            connection.close()

    def locked_count(self) -> int:
        """Count the panels and sources that are locked for guessing."""
        return self._guesses.locked_count()

    def unlock(self) -> int:
        """Let everybody try again; tell how many were locked."""
        return self._guesses.lift_all()

    def directory_changed(self, panels: Iterable[PanelId] | None = None) -> None:
        """Bring the panels' screens up to date, of these or of all.

        Those that were removed, or whose password was changed, are cut off.
        """
        for panel_id in tuple(self._connections) if panels is None else panels:
            connection, screen = self._connections.get(panel_id), self._screens.get(panel_id)
            if connection is None or screen is None:
                continue
            if self._password_of(panel_id) != self._admitted_by.get(panel_id):
                connection.close()
            else:
                screen.check()
        self._forget_removed()

    def panel_states(self) -> tuple[PanelLinkState, ...]:
        """Say of every panel that may use the link whether it is online, for diagnosis."""
        return tuple(
            self.state_of(panel.panel_id)
            for panel in self._directory().panels.values()
            if panel.password is not None
        )

    def state_of(self, panel_id: PanelId) -> PanelLinkState:
        """Say of a panel whether it is online, and what it shows."""
        connection, screen = self._connections.get(panel_id), self._screens.get(panel_id)
        has_screen = connection is not None and HAS_SCREEN in connection.hello.caps
        _, since_at = self._since.get(panel_id, (False, self._began_at))
        return PanelLinkState(
            panel_id,
            is_online=connection is not None and connection.is_ready,
            firmware="" if connection is None else connection.firmware,
            relays=dict(self._relays.get(panel_id, {})),
            since_s=self._clock() - since_at,
            screen=screen.state if screen is not None and has_screen else None,
        )

    async def pulse(
        self, relay: Relay, pulse_ms: int, command_id: CommandId, call_id: CallId | None
    ) -> RelayResult:
        """Command a pulse and wait for what was measured; never queued, never fired twice."""
        if not isinstance(relay, PanelLinkRelay):
            raise LocalProtocolError("this relay is not on the panel link")
        order = self._orders.get(command_id)
        if order is None:
            order = self._give_order(relay, pulse_ms, command_id, call_id)
        if order is None:
            return OFFLINE
        try:
            return await order.result()
        finally:
            self._orders.pop(command_id, None)

    def show(
        self, panel_id: PanelId, call_id: CallId, state: PanelState, reason: EndReason | None
    ) -> None:
        """Show a state of the call, in the language of the panel's property."""
        shown = call_id, state, reason
        if state is PanelState.ENDED:
            self._shown.pop(panel_id, None)
            self._answers.pop(panel_id, None)
        else:
            self._shown[panel_id] = shown
        self._tell(panel_id, self._message(panel_id, shown))

    def show_message(self, panel_id: PanelId, call_id: CallId, answer: ReadyAnswer) -> None:
        """Show a resident's ready answer, in the language of the panel's property."""
        if panel_id in self._shown:  # else the call has just ended
            self._answers[panel_id] = call_id, answer
        self._tell(panel_id, self._answer(panel_id, call_id, answer))

    def _tell(self, panel_id: PanelId, message: Message) -> None:
        connection = self._connections.get(panel_id)
        if connection is not None:
            connection.send(message)

    def _answer(self, panel_id: PanelId, call_id: CallId, answer: ReadyAnswer) -> CallAnswer:
        return CallAnswer(call_id, answer.value, answer_words(answer, self._language_of(panel_id)))

    def _message(self, panel_id: PanelId, shown: _Shown) -> CallState:
        call_id, state, reason = shown
        return CallState(
            call_id=call_id,
            state=state.value,
            reason=None if reason is None else reason.value,
            text=state_words(state, reason, self._language_of(panel_id)),
        )

    def _authenticate(self, request: web.Request) -> PanelId | None:
        header = request.headers.get(hdrs.AUTHORIZATION)
        if header is None:
            return None
        user, given = _basic_login(header)
        source = source_of(
            request.remote, ",".join(request.headers.getall(hdrs.X_FORWARDED_FOR, ()))
        )
        password = self._password_of(PanelId(user))
        is_panel = bool(password)
        may_try = self._guesses.may_try(user, source, is_panel=is_panel)
        # Compared in any case, by digests of one length: an unknown panel takes as long.
        is_same = hmac.compare_digest(_digest(given), _digest((password or "").encode()))
        if is_same and is_panel and may_try:
            self._guesses.succeed(user, source)
            return PanelId(user)
        if self._guesses.fail(user, source, is_panel=is_panel) and is_panel:
            log.warning("panel_link.locked")
        return None

    def _password_of(self, panel_id: PanelId) -> str | None:
        panel = self._directory().panels.get(panel_id)
        return None if panel is None else panel.password

    def _give_order(
        self, relay: PanelLinkRelay, pulse_ms: int, command_id: CommandId, call_id: CallId | None
    ) -> Order | None:
        connection = self._connections.get(relay.panel_id)
        if connection is None or not connection.is_ready:
            return None
        now_ms = connection.clock.read_ms(asyncio.get_running_loop().time())
        order = Order(
            command_id=command_id,
            call_id=call_id,
            panel_id=relay.panel_id,
            relay=relay.relay,
            pulse_ms=pulse_ms,
            boot_id=connection.boot_id,
            exp=now_ms + COMMAND_LIFE_MS,
        )
        if not self._send(connection, order):
            return None
        self._orders[command_id] = order
        return order

    def _send(self, connection: PanelConnection, order: Order) -> bool:
        command = connection.command(
            order.command_id,
            order.call_id,
            relay=order.relay,
            pulse_ms=order.pulse_ms,
            exp=order.exp,
        )
        return connection.send_command(command, self._key)

    def _resume(self, connection: PanelConnection) -> None:
        """Bring a panel that came back up to date.

        An order under way is sent once more with its `cmd_id` and expiry: firmware that has
        it already only repeats its answer. After a restart of the panel it is given up.
        """
        panel_id = connection.panel_id
        self._note(panel_id, is_online=True)
        shown, answer = self._shown.get(panel_id), self._answers.get(panel_id)
        if shown is not None:
            connection.send(self._message(panel_id, shown))
        if answer is not None:
            connection.send(self._answer(panel_id, *answer))
        for order in self._orders.values():
            if order.panel_id == connection.panel_id and order.boot_id == connection.boot_id:
                self._send(connection, order)

    def _receive(self, connection: PanelConnection, message: Message) -> None:
        match message:
            case RelayAck():
                order = self._order_of(connection, message.cmd_id)
                if order is not None:
                    order.acknowledge(message)
            case RelayState():
                known = self._relays.setdefault(connection.panel_id, {})
                if message.relay in known or len(known) < MAX_RELAYS:
                    known[message.relay] = message
                order = self._order_of(connection, message.cmd_id)
                if order is not None:
                    order.measure(message)
            case ScreenGet() | ScreenAck():
                if self._connections.get(connection.panel_id) is connection:
                    self._screens[connection.panel_id].receive(message)
            case _:
                log.debug("panel_link.message_ignored", type=type(message).__name__)

    def _order_of(self, connection: PanelConnection, cmd_id: str) -> Order | None:
        order = self._orders.get(CommandId(cmd_id))
        # No panel may answer for another one.
        return order if order is not None and order.panel_id == connection.panel_id else None

    def _note(self, panel_id: PanelId, *, is_online: bool) -> None:
        was_online, _ = self._since.get(panel_id, (False, 0.0))
        if was_online is not is_online:
            self._since[panel_id] = is_online, self._clock()
            self.on_state(panel_id, is_online)

    def _forget_removed(self) -> None:
        directory = self._directory()
        self._desk.forget()
        for kept in (self._relays, self._since, self._shown, self._answers, self._admitted_by):
            for gone in kept.keys() - directory.panels.keys() - self._connections.keys():
                del kept[gone]

    def _language_of(self, panel_id: PanelId) -> str:
        directory = self._directory()
        panel = directory.panels.get(panel_id)
        if panel is None or panel.property_id not in directory.properties:
            return HOME
        return directory.properties[panel.property_id].language


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


def _basic_login(header: str) -> tuple[str, bytes]:
    """Read user and password (RFC 7617 §2); both are empty when there are none."""
    scheme, _, encoded = header.partition(" ")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True)
        user, _, password = decoded.partition(b":")
        name = user.decode()
    except ValueError:  # also binascii.Error and UnicodeDecodeError
        return "", b""
    return (name, password) if scheme.lower() == "basic" else ("", b"")
