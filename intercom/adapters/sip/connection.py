"""One TCP or TLS connection of SIP: its bytes in and out, and when it is too slow."""

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from typing import TYPE_CHECKING

from typing_extensions import override

from intercom.adapters.sip.tls import TlsSession
from intercom.errors import RemoteProtocolError
from intercom.sip.address import Address
from intercom.sip.framing import PING, StreamFramer

if TYPE_CHECKING:
    from intercom.adapters.sip.stream import StreamTable

MAX_WAITING_MESSAGES = 32
"""Past them nothing more is read of a connection before some have been handled."""
MAX_UNSENT_BYTES = 262_144
"""What waits for a slow reader, or for a connection that is being opened."""
UNACKNOWLEDGED_MS = 20_000
KEEP_ALIVE_S = 60
KEEP_ALIVE_INTERVAL_S = 10
KEEP_ALIVE_PROBES = 3
_OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEP_ALIVE_S),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEP_ALIVE_INTERVAL_S),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEP_ALIVE_PROBES),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS),
)


class StreamConnection(asyncio.BufferedProtocol):
    """A connection; `address` identifies it, as `StreamTable` says."""

    def __init__(
        self, table: "StreamTable", address: Address | None, context: ssl.SSLContext | None
    ) -> None:
        """Make one that we open to `address`, or that came to us when it is None; TLS by `context`."""
        now = table.now
        self.address = address or Address("", 0)
        self.is_ours = address is not None
        self.last_heard_at = now
        self.is_queued = False
        """The table's own: it will get its turn."""
        self._table = table
        self._context = context
        self._tls: TlsSession | None = None
        self._transport: asyncio.Transport | None = None
        self._framer = StreamFramer()
        self._messages: deque[bytes] = deque()
        self._unsent: list[bytes] = []
        """While it is not up."""
        self._unsent_bytes = 0
        self.is_mistrusted = False
        """The certificate of a peer that we asked for proves nothing to us."""
        self._is_up = False
        self._is_ending = False
        """Nothing more is read; it closes when what came has been handled."""
        self._due_at: float | None = now + (
            table.limits.connect_s if self.is_ours else table.limits.message_s
        )
        """It is closed at this time: connecting, shaking hands, or in the middle of a message."""
        self._has_spoken = False

    # -- asyncio's side ----------------------------------------------------------------------

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        sock = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):  # it may be gone already
            for option in _OPTIONS:
                sock.setsockopt(*option)
        if not self._table.admit(self, transport.get_extra_info("peername")):
            transport.abort()
            return
        if self._context is None:
            self._come_up()
            return
        limits = self._table.limits
        if not self.is_ours:
            self._due_at = self._table.now + limits.handshake_s
        name = (self.address.name or self.address.host) if self.is_ours else None
        self._tls = TlsSession(self._context, server_name=name)
        if self.is_ours:
            self._tls.start()
            transport.write(self._tls.to_send())

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        return self._table.buffer

    @override
    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(self._table.buffer[:nbytes])
        self.last_heard_at = self._table.now
        if self._is_ending:
            return
        plain = data if self._tls is None else self._decrypt(self._tls, data)
        if plain:
            self._receive(plain)
        if self._tls is not None and self._tls.is_ended:
            self._end()

    @override
    def eof_received(self) -> bool:
        self._end()
        return True  # what came is still answered; `_end` closes

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._messages.clear()
        self._table.lost(self)

    # -- the table's side --------------------------------------------------------------------

    @property
    def is_up(self) -> bool:
        """Tell whether it is connected and its hands are shaken."""
        return self._is_up

    @property
    def is_tls(self) -> bool:
        """Tell whether it is, or shall be, TLS."""
        return self._context is not None

    @property
    def peer_name(self) -> str | None:
        """The name in the peer's certificate, if one was demanded."""
        return self._tls.peer_name if self._tls is not None else None

    @property
    def has_messages(self) -> bool:
        """Tell whether a message waits."""
        return bool(self._messages)

    def next_message(self) -> bytes | None:
        """Take the next message or ping."""
        if not self._messages:
            return None
        message = self._messages.popleft()
        if not self._is_ending and len(self._messages) == MAX_WAITING_MESSAGES // 2:
            self._resume()
        return message

    def end_if_done(self) -> None:
        """Close, once everything that came was handled, if nothing more is to come."""
        if self._is_ending and not self._messages and self._transport is not None:
            self._due_at = self._table.now + self._table.limits.message_s
            if self._tls is not None and self._is_up and not self._transport.is_closing():
                self._tls.end()
                self._transport.write(self._tls.to_send())
            self._transport.close()

    def send(self, data: bytes) -> bool:
        """Send, or keep it until the connection is up; tell whether there was room."""
        if not self._is_up:
            self._unsent_bytes += len(data)
            if self._unsent_bytes > MAX_UNSENT_BYTES:
                return False
            self._unsent.append(data)
            return True
        if self._transport is None or self._transport.is_closing():
            return False
        self._write(data)
        if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self._transport.abort()
            return False
        return True

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close once what was written has left."""
        self._is_ending = True
        self._messages.clear()
        self.end_if_done()

    def is_overdue(self, now: float) -> bool:
        """Tell whether the peer was too slow."""
        return self._due_at is not None and now >= self._due_at

    # -- between them ------------------------------------------------------------------------

    def _decrypt(self, tls: TlsSession, data: bytes) -> bytes:
        assert self._transport is not None
        try:
            plain = tls.receive(data)
        except ssl.SSLError as error:
            self.is_mistrusted = self.is_ours and isinstance(error, ssl.SSLCertVerificationError)
            self._transport.write(tls.to_send())  # the alert says why
            self._is_ending = True
            self._transport.close()
            return b""
        self._transport.write(tls.to_send())
        if tls.is_up and not self._is_up:
            self._come_up()
        return plain

    def _come_up(self) -> None:
        self._is_up = True
        self._due_at = None if self.is_ours else self._table.now + self._table.limits.message_s
        self._table.came_up(self)
        for data in self._unsent:
            self._write(data)
        self._unsent.clear()

    def _receive(self, plain: bytes) -> None:
        try:
            messages = _with_one_ping(self._framer.receive(plain))
        except RemoteProtocolError:
            self._end()
            return
        self._messages.extend(messages)
        self._set_due(has_message=any(message != PING for message in messages))
        if self._framer.is_broken:
            self._end()
        elif len(self._messages) >= MAX_WAITING_MESSAGES and self._transport is not None:
            self._transport.pause_reading()
        self._table.has_work(self)

    def _set_due(self, *, has_message: bool) -> None:
        """Allow a message so long from its first byte, and a new client until its first message."""
        if has_message:
            self._has_spoken = True
            self._due_at = None
        if not self._has_spoken and not self.is_ours:
            return
        if not self._framer.is_within_message:
            self._due_at = None
        elif self._due_at is None:
            self._due_at = self._table.now + self._table.limits.message_s

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        if self._tls is not None:
            self._tls.encrypt(data)
            data = self._tls.to_send()
        self._transport.write(data)

    def _resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _end(self) -> None:
        self._is_ending = True
        self.end_if_done()


def _with_one_ping(messages: list[bytes]) -> list[bytes]:
    """Keep the first ping of what came at once: one pong says that we are here (RFC 5626 §4.4.1)."""
    if messages.count(PING) < 2:
        return messages
    first = messages.index(PING)
    return [each for place, each in enumerate(messages) if each != PING or place == first]
