"""The I/O shell around `sip.Endpoint`: its sockets, one timer, and who gets which event.

udp.py      one socket for each address ──┐
stream.py   TCP and TLS connections ──────┴─► receive_datagram ─► drain: events, bytes out, timer
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import structlog

from intercom.adapters.sip.stream import StreamPorts, StreamTable, StreamUser
from intercom.adapters.sip.stream_limits import StreamLimits
from intercom.adapters.sip.tls import Tls
from intercom.adapters.sip.udp import UdpSocket
from intercom.sip.address import Address, Datagram
from intercom.sip.capture import Capture
from intercom.sip.endpoint import Endpoint
from intercom.sip.events import (
    BindingChanged,
    DialogId,
    InviteReceived,
    OptionsAnswered,
    OptionsFailed,
    RegistrationFailed,
    RegistrationSucceeded,
    SipEvent,
)

log = structlog.get_logger()

DialogHandler = Callable[[SipEvent], None]
MOST_WAYS = 4
"""Of what is sent at once: by TCP, then by UDP, then perhaps a BYE; the next drain takes the rest."""


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """How TCP and TLS are served, beside UDP."""

    tls: Tls
    tls_port: int | None = None
    """None: TLS only for connections that we open."""
    limits: StreamLimits = field(default_factory=StreamLimits)


class SipTransport:
    """Owns the sockets and drives the endpoint; adapters register a handler for each dialog."""

    def __init__(
        self,
        endpoint: Endpoint,
        host: str,
        port: int,
        *,
        also_host: str | None = None,
        streams: StreamSettings | None = None,
    ) -> None:
        """Listen on `host`, and `also_host` of the other family; TCP and TLS only with `streams`."""
        self.endpoint = endpoint
        self.on_invite: Callable[[InviteReceived], None] = lambda _: None
        self.on_binding: Callable[[BindingChanged], None] = lambda _: None
        self.on_probe: Callable[[OptionsAnswered | OptionsFailed], None] = lambda _: None
        self.on_registration: Callable[[RegistrationSucceeded | RegistrationFailed], None] = (
            lambda _: None
        )
        self.streams: StreamTable | None = None
        self.send_errors = 0
        self.capture = Capture()
        self._hosts = (host, also_host) if also_host is not None else (host,)
        self._wanted_port = port
        self._stream_settings = streams
        self._udp: list[UdpSocket] = []
        self._udp_of: dict[bool, UdpSocket] = {}
        """By whether it is IPv6."""
        self._handlers: dict[DialogId, DialogHandler] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._is_draining = False
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _open(self) -> None:
        port = self._wanted_port
        for host in self._hosts:
            self._udp.append(UdpSocket(host, port, self._receive))
            self._stack.callback(self._udp[-1].close)
            self._udp_of.setdefault(":" in host, self._udp[-1])
            port = port or self.port
        settings = self._stream_settings
        if settings is not None:
            table = StreamTable(
                StreamPorts(self._hosts, port, settings.tls_port),
                settings.tls,
                StreamUser(
                    receive=self._receive,
                    failed=self._failed,
                    closed=self._closed,
                    in_use=self._in_use,
                    is_locked=lambda source: self.endpoint.is_locked(source, self.now),
                ),
                settings.limits,
            )
            self.streams = await self._stack.enter_async_context(table)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.drain()
        await self._stack.aclose()
        if self._timer is not None:
            self._timer.cancel()

    @property
    def port(self) -> int:
        """The UDP port that was bound; that of TCP is the same."""
        return self._udp[0].port

    @property
    def now(self) -> float:
        """Monotonic seconds, the endpoint's `now`."""
        return self._loop.time()

    def behind_s(self, now: float) -> float:
        """Tell for how long datagrams have had to wait in the system's buffers."""
        return max((udp.behind_s(now) for udp in self._udp), default=0.0)

    def peer_name(self, address: Address) -> str | None:
        """Say what the certificate of who came to us from there proves; None: nothing at all."""
        return self.streams.peer_name(address) if self.streams is not None else None

    def is_mistrusted(self, address: Address) -> bool:
        """Tell whether the newest connection of ours to there failed for the peer's certificate."""
        return self.streams is not None and self.streams.is_mistrusted(address)

    def follow(
        self, dialog: DialogId, handler: DialogHandler, *, leg_id: str = "", label: str = ""
    ) -> None:
        """Send this dialog's events to `handler` until `forget`; the rest is for `sip-trace`."""
        self._handlers[dialog] = handler
        if leg_id:
            sip_call_id = self.endpoint.sip_call_id_of(dialog)
            self.capture.link(self.now, sip_call_id, leg_id, label)

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

    def _receive(self, data: bytes, source: Address) -> None:
        now = self.now
        counters = self.endpoint.counters
        dropped = counters.dropped_rate + counters.dropped_locked
        self.endpoint.receive_datagram(data, source, now)
        if counters.dropped_rate + counters.dropped_locked == dropped and data[:1] > b" ":
            self.capture.note(now, False, data, source, self.endpoint.knows(source))
        self.drain()

    def _failed(self, address: Address) -> None:
        self.endpoint.transport_failed(address, self.now)
        self.drain()

    def _closed(self, address: Address) -> None:
        self.endpoint.connection_closed(address, self.now)
        self.drain()

    def _in_use(self) -> set[Address]:
        return self.endpoint.addresses_in_use(self.now)

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
            case OptionsAnswered() | OptionsFailed():
                self.on_probe(event)
            case RegistrationSucceeded() | RegistrationFailed():
                self.on_registration(event)
            case _:
                dialog = getattr(event, "dialog", None)
                handler = self._handlers.get(dialog) if dialog is not None else None
                if handler is not None:
                    handler(event)

    def _flush(self) -> None:
        for _ in range(MOST_WAYS):  # what fails may go another way at once
            datagrams = self.endpoint.datagrams_to_send()
            if not datagrams:
                return
            self._send_all(datagrams)

    def _send_all(self, datagrams: list[Datagram]) -> None:
        for data, destination in datagrams:
            try:
                has_hope = self._send(data, destination)
            except BlockingIOError:  # lost, as any datagram may be; the transaction sends it again
                self.send_errors += 1
                continue
            except (OSError, OverflowError):  # the latter: a port above 65,535
                has_hope = False
            if not has_hope:
                self.send_errors += 1
                self.endpoint.transport_failed(destination, self.now)
            elif data[:1] > b" ":  # neither a keep-alive nor STUN
                is_known = self.endpoint.knows(destination)
                self.capture.note(self.now, True, data, destination, is_known)

    def _send(self, data: bytes, destination: Address) -> bool:
        if destination.transport.is_stream:
            return self.streams is not None and self.streams.send(data, destination)
        udp = self._udp_of.get(":" in destination.host)
        if udp is None:
            return False
        udp.send(data, destination)
        return True

    def _set_timer(self) -> None:
        due_at = self.endpoint.get_timer()
        if self._timer is not None:
            if due_at is None or due_at >= self._timer_at:  # once in vain costs less than each time
                return
            self._timer.cancel()
            self._timer = None
        if due_at is not None:
            self._timer_at = due_at
            self._timer = self._loop.call_at(due_at, self._timer_due)

    def _timer_due(self) -> None:
        self._timer = None
        self.endpoint.handle_timer(self.now)
        self.drain()
