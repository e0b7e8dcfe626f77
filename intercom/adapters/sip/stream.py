"""SIP over TCP and TLS: the listeners, and the table of connections by address.

    comes in   admit ── TLS hand-shake ── first message in time ──┐
    goes out   connect ── TLS hand-shake ── what was kept is sent ┴─► in the table until it is closed

A connection is identified by its Address: for one that came in, the remote IP address and port; for
one that we opened, what was asked for. Whoever sends to an Address gets its connection, or a new one.
Messages are handled in turn over all connections, within the bounds of one wake-up.
"""

import asyncio
import ipaddress
import socket
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import structlog

from intercom.adapters.sip.ages import Ages
from intercom.adapters.sip.connection import StreamConnection
from intercom.adapters.sip.listening import bind
from intercom.adapters.sip.stream_limits import Gone, StreamCounters, StreamLimits
from intercom.adapters.sip.tls import Tls
from intercom.sip.address import Address, Transport
from intercom.sip.framing import PING, PONG

log = structlog.get_logger()

WAKE_UP_S = 0.002
"""Then other work gets its turn."""
BUFFER_BYTES = 32_768
BACKLOG = 512
ACCEPTED_A_WAKE_UP = 16
IN_USE_S = 1.0
"""How long the endpoint's word about what is in use is believed."""
COMPLAIN_S = 60.0
MAX_MISTRUSTED = 256


@dataclass(frozen=True, slots=True)
class StreamPorts:
    """Where connections are taken."""

    hosts: tuple[str, ...]
    tcp: int | None
    tls: int | None = None


@dataclass(slots=True)
class StreamUser:
    """What the table needs of its owner; all are called by the loop."""

    receive: Callable[[bytes, Address], None]
    failed: Callable[[Address], None]
    """No connection to there."""
    closed: Callable[[Address], None]
    """A connection that stood is gone."""
    in_use: Callable[[], Collection[Address]]
    """The addresses that somebody is registered or calling by."""
    is_locked: Callable[[Address], bool]
    """Who comes from there is shut out."""


class StreamTable:
    """All stream connections; a context manager that listens while it lasts."""

    def __init__(
        self, ports: StreamPorts, tls: Tls, user: StreamUser, limits: StreamLimits
    ) -> None:
        self.limits = limits
        self.counters = StreamCounters()
        self.buffer = memoryview(bytearray(BUFFER_BYTES))
        """What every connection reads into; each takes its bytes out at once."""
        self._ports = ports
        self._tls = tls
        self._user = user
        self._by_address: dict[Address, StreamConnection] = {}
        self._theirs = Ages()
        self._handshakes: dict[StreamConnection, None] = {}
        self._gone = Gone()
        self._mistrusted: dict[Address, None] = {}
        self._with_messages: deque[StreamConnection] = deque()
        self._is_working = False
        self._in_use: tuple[float, Collection[Address]] = (float("-inf"), ())
        self._complain_at = float("-inf")
        self._servers: list[asyncio.Server] = []
        self._connecting: dict[Address, asyncio.Task[None]] = {}
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._is_closing = False

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        try:
            for host in self._ports.hosts:
                await self._listen(host, Transport.TCP)
                await self._listen(host, Transport.TLS)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        self._sweep_timer = self._loop.call_later(self.limits.sweep_s, self._sweep)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_closing = True
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        for server in self._servers:
            server.close()
        for task in self._connecting.values():
            task.cancel()
        for connection in list(self._by_address.values()):
            connection.close()
        await asyncio.sleep(0)  # asyncio closes in the loop's next round
        for connection in list(self._by_address.values()):
            connection.abort()
        await self._tasks.__aexit__(None, None, None)
        await asyncio.sleep(0)

    @property
    def now(self) -> float:
        """Monotonic seconds."""
        return self._loop.time()

    @property
    def size(self) -> int:
        """How many connections there are."""
        return len(self._by_address)

    def peer_name(self, address: Address) -> str | None:
        """Say what the certificate of who came to us says that it is, if one was demanded.

        Whom we connect to proves its name to other authorities than ours, and as a carrier.
        """
        connection = self._by_address.get(address)
        if connection is None or connection.is_ours:
            return None
        return connection.peer_name

    def send(self, data: bytes, destination: Address) -> bool:
        """Send by the destination's connection or by a new one; tell whether there is hope."""
        connection = self._by_address.get(destination)
        if connection is None:
            if self._is_closing or self._gone.has(destination, self.now):
                return False
            connection = self._open(destination)
            if connection is None:
                return False
        return connection.send(data)

    # -- what a connection tells -------------------------------------------------------------

    def admit(self, connection: StreamConnection, peer: tuple[Any, ...] | None) -> bool:
        """Take a connection in, in place of another if need be; tell whether there was room."""
        if connection.is_ours:
            return not self._is_closing
        if peer is None or self._is_closing:  # it has gone already
            return False
        host = str(peer[0])
        transport = Transport.TLS if connection.is_tls else Transport.TCP
        connection.address = Address(host, int(peer[1]), transport)
        if self._user.is_locked(connection.address) or not self._make_room(host):
            self.counters.refused += 1
            return False
        self.counters.accepted += 1
        self._put_in(connection)
        return True

    def _make_room(self, host: str) -> bool:
        limits = self.limits
        if self._theirs.count_of(host) >= limits.per_source and not self._evict(host):
            return False
        return len(self._by_address) < limits.connections or self._evict(None)

    def _put_in(self, connection: StreamConnection) -> None:
        before = self._by_address.get(connection.address)
        if before is not None:
            before.abort()
            self.lost(before)
        self._by_address[connection.address] = connection
        self._theirs.add(connection)
        if connection.is_tls:
            self._handshakes[connection] = None
            if len(self._handshakes) > self.limits.handshakes:
                oldest = next(iter(self._handshakes))
                oldest.abort()
                self.lost(oldest)

    def came_up(self, connection: StreamConnection) -> None:
        """Take word that a connection can be used."""
        self._handshakes.pop(connection, None)
        self._mistrusted.pop(connection.address, None)

    def has_work(self, connection: StreamConnection) -> None:
        """Take word that messages came."""
        if connection.has_messages and not connection.is_queued:
            connection.is_queued = True
            self._with_messages.append(connection)
            if not self._is_working:
                self._is_working = True
                self._loop.call_soon(self._work)

    def lost(self, connection: StreamConnection) -> None:
        """Take word that a connection is gone."""
        if self._by_address.get(connection.address) is not connection:
            return
        del self._by_address[connection.address]
        self._handshakes.pop(connection, None)
        self._theirs.remove(connection)
        if self._is_closing:
            return
        if not connection.is_ours:
            self._gone.add(connection.address, self.now)
        elif not connection.is_up:
            self.counters.failed += 1
            self._note_trust(connection)
            self._user.failed(connection.address)
            return
        self._user.closed(connection.address)

    def is_mistrusted(self, address: Address) -> bool:
        """Tell whether the newest connection of ours to there failed for the peer's certificate."""
        return address in self._mistrusted

    def _note_trust(self, connection: StreamConnection) -> None:
        self._mistrusted.pop(connection.address, None)
        if connection.is_mistrusted:
            self._mistrusted[connection.address] = None
            if len(self._mistrusted) > MAX_MISTRUSTED:
                del self._mistrusted[next(iter(self._mistrusted))]

    # -- listening and connecting ------------------------------------------------------------

    async def _listen(self, host: str, transport: Transport) -> None:
        is_tls = transport is Transport.TLS
        port = self._ports.tls if is_tls else self._ports.tcp
        if port is None:
            return
        setting = "INTERCOM_SIP_TLS_PORT" if is_tls else "INTERCOM_SIP_PORT"

        def make() -> StreamConnection:
            return StreamConnection(self, None, self._tls.contexts.server if is_tls else None)

        sock = bind(host, port, socket.SOCK_STREAM, setting)
        self._servers.append(
            await self._loop.create_server(make, sock=sock, backlog=ACCEPTED_A_WAKE_UP)
        )
        sock.listen(BACKLOG)  # asyncio's one number is the kernel's queue and its own batch

    def _open(self, address: Address) -> StreamConnection | None:
        if len(self._by_address) >= self.limits.connections and not self._evict(None):
            return None
        is_tls = address.transport is Transport.TLS
        context = self._tls.contexts.client if is_tls else None
        connection = StreamConnection(self, address, context)
        self._by_address[address] = connection
        task = self._tasks.create_task(self._connect(connection), name="SIP connect")
        self._connecting[address] = task
        return connection

    async def _connect(self, connection: StreamConnection) -> None:
        address = connection.address
        own = next((h for h in self._ports.hosts if (":" in h) == address.is_ipv6), None)
        is_bound = own is not None and not ipaddress.ip_address(own).is_unspecified
        try:
            async with asyncio.timeout(self.limits.connect_s):
                await self._loop.create_connection(
                    lambda: connection,
                    address.host,
                    address.port,
                    local_addr=(own, 0) if own is not None and is_bound else None,
                )
            self.counters.opened += 1
        except (OSError, OverflowError, ValueError):  # TimeoutError is an OSError
            self.lost(connection)
        finally:
            self._connecting.pop(address, None)

    # -- room and time -----------------------------------------------------------------------

    def _evict(self, host: str | None) -> bool:
        """Close the one that has said nothing for longest and that nobody needs."""
        oldest = self._theirs.oldest(self._is_unused, host)
        if oldest is None:
            self._complain(host)
            return False
        self.counters.evicted += 1
        oldest.abort()
        self.lost(oldest)
        return True

    def _complain(self, host: str | None) -> None:
        if self.now < self._complain_at:
            return
        self._complain_at = self.now + COMPLAIN_S
        limits = self.limits
        if host is None:
            limit, setting = limits.connections, "INTERCOM_SIP_CONNECTIONS"
        else:
            limit, setting = limits.per_source, "INTERCOM_SIP_CONNECTIONS_PER_ADDRESS"
        log.warning("sip.connections_exhausted", limit=limit, remedy=f"raise {setting}")

    def _addresses_in_use(self) -> Collection[Address]:
        asked_at, used = self._in_use
        if self.now >= asked_at + IN_USE_S:
            used = self._user.in_use()
            self._in_use = self.now, used
        return used

    def _sweep(self) -> None:
        """Close who is too slow, who was shut out, and who has been idle for long."""
        now = self.now
        limits = self.limits
        for connection in list(self._by_address.values()):
            silent_s = now - connection.last_heard_at
            if connection.is_overdue(now):
                self.counters.too_slow += 1
                connection.abort()
            elif connection.is_up and silent_s >= limits.idle_s:
                if self._is_unused(connection):
                    self.counters.idle += 1
                    connection.close()
            elif self._is_shut_out(connection):
                connection.abort()
        self._sweep_timer = self._loop.call_later(limits.sweep_s, self._sweep)

    def _is_unused(self, connection: StreamConnection) -> bool:
        return connection.address not in self._addresses_in_use()

    def _is_shut_out(self, connection: StreamConnection) -> bool:
        """Tell whether its source is, unless a panel of ours shares that source's NAT."""
        is_locked = not connection.is_ours and self._user.is_locked(connection.address)
        return is_locked and self._is_unused(connection)

    def _work(self) -> None:
        """Hand messages on, one of each connection in turn."""
        until = self.now + WAKE_UP_S
        while self._with_messages:
            connection = self._with_messages.popleft()
            self._work_on(connection)
            connection.is_queued = connection.has_messages
            if connection.is_queued:
                self._with_messages.append(connection)
            if self.now >= until:
                break
        self._is_working = bool(self._with_messages)
        if self._is_working:
            self._loop.call_soon(self._work)

    def _work_on(self, connection: StreamConnection) -> None:
        message = connection.next_message()
        if message is None:  # it was lost meanwhile
            return
        if message == PING:
            connection.send(PONG)
        else:
            self._theirs.renew(connection)
            self._user.receive(message, connection.address)
        connection.end_if_done()
