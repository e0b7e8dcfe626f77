"""The I/O shell around `sip.Endpoint`: one UDP socket, one timer, and who gets which event."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from types import TracebackType
from typing import Self

import structlog

from intercom.errors import ConfigError
from intercom.sip.address import Address
from intercom.sip.endpoint import Endpoint
from intercom.sip.events import BindingChanged, DialogId, InviteReceived, SipEvent

log = structlog.get_logger()

DATAGRAMS_A_WAKE_UP = 64
WAKE_UP_S = 0.002
"""After either of them other work gets its turn: 64 requests of 57 kB would take 50 ms."""
MAX_DATAGRAM_BYTES = 65_535

DialogHandler = Callable[[SipEvent], None]


class SipTransport:
    """Owns the socket and drives the endpoint; adapters register a handler for each dialog."""

    def __init__(self, endpoint: Endpoint, host: str, port: int) -> None:
        self.endpoint = endpoint
        self.on_invite: Callable[[InviteReceived], None] = lambda _: None
        self.on_binding: Callable[[BindingChanged], None] = lambda _: None
        self._bind_to = (host, port)
        self._handlers: dict[DialogId, DialogHandler] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._is_draining = False
        self.send_errors = 0

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        host, port = self._bind_to
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        with contextlib.suppress(OSError):  # a system's limit is no reason not to start
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            message = (
                f"SIP cannot listen on {host} port {port} (UDP): {error.strerror}. "
                "End the program that uses the port, or set INTERCOM_SIP_HOST / INTERCOM_SIP_PORT."
            )
            raise ConfigError(message) from error
        self._loop.add_reader(self._socket, self._readable)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.drain()
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()

    @property
    def port(self) -> int:
        """The UDP port that was bound."""
        return int(self._socket.getsockname()[1])

    @property
    def now(self) -> float:
        """Monotonic seconds, the endpoint's `now`."""
        return self._loop.time()

    def follow(self, dialog: DialogId, handler: DialogHandler) -> None:
        """Send this dialog's events to `handler` until `forget`."""
        self._handlers[dialog] = handler

    def forget(self, dialog: DialogId) -> None:
        """Stop following a dialog; its late events are dropped."""
        self._handlers.pop(dialog, None)

    def drain(self) -> None:
        """Hand out events, send what is due and set the timer; call it after every endpoint verb."""
        if self._is_draining:  # a handler called us: the loop below hands out what comes of it
            self._flush()
            return
        self._is_draining = True
        try:
            self._flush()
            while (event := self.endpoint.next_event()) is not None:
                self._surely_hand_out(event)
                self._flush()
        finally:
            self._is_draining = False
            self._set_timer()

    def _readable(self) -> None:
        until = self.now + WAKE_UP_S
        for _ in range(DATAGRAMS_A_WAKE_UP):
            try:
                data, source = self._socket.recvfrom(MAX_DATAGRAM_BYTES)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:  # an ICMP error of an earlier send
                continue
            self.endpoint.receive_datagram(data, Address(source[0], source[1]), self.now)
            self.drain()
            if self.now >= until:
                break

    def _surely_hand_out(self, event: SipEvent) -> None:
        """End only this event's dialog when its handler fails: whoever drains has another one's work."""
        try:
            self._hand_out(event)
        except Exception:  # its own boundary: else another call would end for it
            log.exception("sip.event_failed")
            dialog = getattr(event, "dialog", None)
            if dialog is not None:
                self.endpoint.hang_up(dialog, self.now)

    def _hand_out(self, event: SipEvent) -> None:
        match event:
            case InviteReceived():
                self.on_invite(event)
            case BindingChanged():
                self.on_binding(event)
            case _:
                dialog = getattr(event, "dialog", None)
                handler = self._handlers.get(dialog) if dialog is not None else None
                if handler is not None:
                    handler(event)

    def _flush(self) -> None:
        for data, destination in self.endpoint.datagrams_to_send():
            try:
                self._socket.sendto(data, (destination.host, destination.port))
            except BlockingIOError:  # lost, as any datagram may be; the transaction sends it again
                self.send_errors += 1
            except (OSError, OverflowError):  # the latter: a port above 65,535
                self.send_errors += 1
                self.endpoint.transport_failed(destination, self.now)

    def _set_timer(self) -> None:
        due_at = self.endpoint.get_timer()
        if self._timer is not None:
            if due_at is not None and not self._timer.cancelled() and self._timer.when() == due_at:
                return
            self._timer.cancel()
            self._timer = None
        if due_at is not None:
            self._timer = self._loop.call_at(due_at, self._timer_due)

    def _timer_due(self) -> None:
        self._timer = None
        self.endpoint.handle_timer(self.now)
        self.drain()
