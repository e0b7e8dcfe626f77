"""A UDP socket around one SIP endpoint: the loop's side of the five verbs.

    datagram ─► receive_datagram ─┐
    call_at  ─► handle_timer ─────┼─► flush: datagrams out, events to `on_event`, timer set anew
    owner's own invite(), … ──────┘

Whoever calls a method of `endpoint` outside `on_event` calls `flush()` afterwards.
"""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import AsyncIterator, Callable

from typing_extensions import override

from intercom.sip.address import Address
from intercom.sip.endpoint import Endpoint
from intercom.sip.events import SipEvent

FLUSH_ROUNDS = 1000
"""More rounds of events than this in one flush is a loop between two handlers: a bug."""

BuildEndpoint = Callable[[Address], Endpoint]
OnEvent = Callable[[SipEvent], None]
IsLost = Callable[[bytes], bool]


def token(length: int) -> str:
    """Give `length` random hexadecimal characters, as an Endpoint wants them."""
    return secrets.token_hex((length + 1) // 2)[:length]


@contextlib.asynccontextmanager
async def open_sip_socket(
    host: str, port: int, build: BuildEndpoint, on_event: OnEvent
) -> AsyncIterator["SipSocket"]:
    """Run an endpoint on a UDP port while the context lasts.

    Port 0 takes a free one; `build` is given the address that was bound.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, port))
    local = Address(*sock.getsockname())
    sip = SipSocket(local, build(local), on_event)
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: sip, sock=sock)
    try:
        yield sip
    finally:
        sip.close()


class SipSocket(asyncio.DatagramProtocol):
    """Owns the socket, the endpoint and its timer; has no task. Made by `open_sip_socket`."""

    def __init__(self, local: Address, endpoint: Endpoint, on_event: OnEvent) -> None:
        self.local = local
        self.endpoint = endpoint
        self.is_lost: IsLost | None = None
        """A fault: datagrams for which it is true vanish, on their way in and out."""
        self._on_event = on_event
        self._transport: asyncio.DatagramTransport
        self._timer: asyncio.TimerHandle | None = None
        self._is_flushing = False

    @property
    def now(self) -> float:
        """The endpoint's clock, in monotonic seconds."""
        return asyncio.get_running_loop().time()

    def flush(self) -> None:
        """Send what the endpoint wants sent, hand its events on, set its timer."""
        if self._is_flushing:
            return  # called from `on_event`: the outer flush goes on until nothing is left
        self._is_flushing = True
        try:
            for _ in range(FLUSH_ROUNDS):
                self._send()
                event = self.endpoint.next_event()
                if event is None:
                    break
                self._on_event(event)
            self._send()
        finally:
            self._is_flushing = False
            self._set_timer()

    def close(self) -> None:
        """Send what is left and free the socket."""
        self.flush()
        if self._timer is not None:
            self._timer.cancel()
        self._transport.close()

    @override
    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # asyncio's own documentation has it so
        self._transport = transport

    @override
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not self._loses(data):
            self.endpoint.receive_datagram(data, Address(*addr), self.now)
            self.flush()

    @override
    def error_received(self, exc: Exception) -> None:
        """Ignore it: an ICMP error is no news to a transaction that has its timer."""

    def _send(self) -> None:
        for datagram in self.endpoint.datagrams_to_send():
            if not self._loses(datagram.data):
                destination = (datagram.destination.host, datagram.destination.port)
                self._transport.sendto(datagram.data, destination)

    def _loses(self, data: bytes) -> bool:
        return self.is_lost is not None and self.is_lost(data)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (at := self.endpoint.get_timer()) is not None:
            self._timer = asyncio.get_running_loop().call_at(at, self._run_timer)

    def _run_timer(self) -> None:
        self.endpoint.handle_timer(self.now)
        self.flush()
