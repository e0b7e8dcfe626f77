"""UDP sockets for plain RTP: pairs of ports, read in batches without a task or an object a packet."""

import asyncio
import contextlib
import ctypes
import ipaddress
import secrets
import select
import socket
from collections import deque
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import chain
from typing import Any

from intercom.errors import MediaError

Address = tuple[str, int]
Receiver = Callable[[memoryview, Address, float], None]
"""Called with (packet, source, now); the packet is valid only in the call."""

MAX_PACKETS_PER_WAKE_UP = 128  # 1 to 2 ms; then the loop's other work has its turn
MAX_PACKET_BYTES = 2048
SETTLING_S = (
    0.1  # far longer than the system has a packet in hand between its look-up and its queue
)
SOCKET_BUFFER_BYTES = 1 << 18  # a second of one leg's picture at 2 Mbit/s, should the loop be late
EXPEDITED_FORWARDING = 0xB8  # RFC 3246: DSCP 46, in the upper six bits of the TOS byte
REFILL_S = 0.01  # one spare pair at a time, between other work

_EPHEMERAL_TRIES = 64
_LIBC = ctypes.CDLL(None)
_NOBODY = bytes(16)  # AF_UNSPEC: the only way to undo a connect, and Python's own cannot say it


class RtpReader:
    """Reads all RTP sockets of a loop through one descriptor that the loop watches.

    A call has four to eight sockets: `loop.add_reader` for each takes ten times as long as this, and
    each wake-up of one of them a handle and a context of its own. Of each socket one packet is read in
    a round: sound has no more, and to ask for another costs as much as to read one.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._epoll: select.epoll | None = None
        """There while there are sockets."""
        self._reads: dict[int, Callable[[float], None]] = {}

    def add(self, descriptor: int, read: Callable[[float], None]) -> None:
        """Call `read` with the time for each packet that has come in."""
        if self._epoll is None:
            self._epoll = select.epoll()
            self._loop.add_reader(self._epoll.fileno(), self._read)
        self._reads[descriptor] = read
        self._epoll.register(descriptor, select.EPOLLIN)

    def remove(self, descriptor: int) -> None:
        """Watch it no more."""
        assert self._epoll is not None
        del self._reads[descriptor]
        self._epoll.unregister(descriptor)
        if not self._reads:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None

    def change(self, descriptor: int, read: Callable[[float], None]) -> None:
        """Call another `read` from now on."""
        self._reads[descriptor] = read

    def _read(self) -> None:
        reads, left = self._reads, MAX_PACKETS_PER_WAKE_UP
        while left > 0 and self._epoll is not None:
            now = self._loop.time()
            ready = self._epoll.poll(0, left)
            if not ready:
                return
            left -= len(ready)
            for descriptor, _ in ready:
                read = reads.get(descriptor)
                if read is not None:  # not closed by what another one brought
                    read(now)


@lru_cache(maxsize=64)
def _is_unspecified(host: str) -> bool:
    return ipaddress.ip_address(host).is_unspecified


class RtpPort:
    """One UDP socket; what comes in before anybody listens is dropped."""

    def __init__(self, udp: socket.socket, buffer: memoryview, reader: RtpReader) -> None:
        self.port: int = udp.getsockname()[1]
        self.send_errors = 0
        """Packets that the system did not take, or that the far end refused by ICMP."""
        self.oversized = 0
        self._socket = udp
        self._buffer = buffer
        self._is_ipv6 = udp.family == socket.AF_INET6
        self._is_anywhere = _is_unspecified(udp.getsockname()[0])
        self._receiver: Receiver | None = None
        self._peer: Address | None = None
        """The one address that the system lets through; None: all do."""
        self._united_at = 0.0
        self._reader = reader
        reader.add(udp.fileno(), self._read_any)

    def listen(self, receiver: Receiver) -> None:
        """Hand every packet from now on to `receiver`."""
        self._receiver = receiver

    def send(self, packet: bytes | bytearray | memoryview, destination: Address) -> None:
        """Send at once; what the kernel does not take is counted and lost, as on the wire."""
        try:
            if destination is self._peer:
                self._socket.send(packet)
            else:
                self._socket.sendto(packet, destination)
        except OSError:
            self.send_errors += 1

    def unite(self, peer: Address | None, now: float = 0.0) -> None:
        """Let the system drop what comes from anybody but `peer`, and know the way there; None: end it.

        Reading and sending then take a quarter less. Not where the socket has no address of its own:
        the system would choose one, and what comes to another would be lost.
        """
        if peer == self._peer or self._socket.fileno() < 0 or self._is_anywhere:
            return
        with contextlib.suppress(OSError):
            if peer is None:
                _LIBC.connect(self._socket.fileno(), _NOBODY, len(_NOBODY))
            else:
                self._socket.connect(peer)
                self._united_at = now
            self._peer = peer
            self._reader.change(self._socket.fileno(), self._read_any)

    def close(self) -> None:
        """Free the port; idempotent."""
        if self._socket.fileno() >= 0:
            self._reader.remove(self._socket.fileno())
            self._socket.close()
        self._receiver = None

    def _read_any(self, now: float) -> None:
        try:
            size, source = self._socket.recvfrom_into(self._buffer)
        except ConnectionRefusedError:  # ICMP: nobody listens where we send
            self.send_errors += 1
            return
        except OSError:  # another ICMP error, or a datagram with a wrong checksum
            return
        if size >= MAX_PACKET_BYTES:
            self.oversized += 1
        elif self._receiver is not None:
            self._receiver(self._buffer[:size], source[:2] if self._is_ipv6 else source, now)
        if self._peer is not None and now - self._united_at > SETTLING_S:
            self._trust_if_empty()

    def _trust_if_empty(self) -> None:
        """Ask for no source any more, once all has been read that came before the system filtered."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            self._reader.change(self._socket.fileno(), self._read_peer)
        except OSError:
            return

    def _read_peer(self, now: float) -> None:
        peer = self._peer
        assert peer is not None
        try:
            size = self._socket.recv_into(self._buffer)
        except ConnectionRefusedError:  # ICMP: nobody listens there any more
            self.send_errors += 1
            return
        except OSError:
            return
        if size >= MAX_PACKET_BYTES:
            self.oversized += 1
        elif self._receiver is not None:
            self._receiver(self._buffer[:size], peer, now)


class PortPool:
    """Pairs of an even RTP port and the odd RTCP port after it (RFC 3550 §11) at one address.

    Pairs are taken in turn from a random start, so that a freed port rests for long: late packets of
    an ended call do not find the next one.
    """

    def __init__(self, host: str, first: int = 0, last: int = 0) -> None:
        """Take ports `first` to `last`; 0 leaves the choice to the system."""
        self.host = host
        is_ipv6 = ipaddress.ip_address(host).version == 6
        self._family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
        self._evens = range(first + first % 2, last, 2) if first else range(0)
        self._next = secrets.randbelow(len(self._evens)) if self._evens else 0
        self._is_ephemeral = not first
        self._buffer = memoryview(bytearray(MAX_PACKET_BYTES))
        self._reader: RtpReader | None = None
        self._spares: deque[tuple[RtpPort, RtpPort]] = deque()
        self._spares_wanted = 0
        self._refill_timer: asyncio.TimerHandle | None = None

    def keep_spares(self, count: int) -> None:
        """Keep `count` pairs bound ahead from now on, so that no press waits for the system."""
        self._spares_wanted = count
        self._refill_later()

    def close(self) -> None:
        """Free the spare pairs; those in use belong to their legs."""
        self._spares_wanted = 0
        if self._refill_timer is not None:
            self._refill_timer.cancel()
        for port in chain.from_iterable(self._spares):
            port.close()
        self._spares.clear()

    def open_pair(self) -> tuple[RtpPort, RtpPort]:
        """Give a bound pair; raise MediaError when none is free."""
        pair = self._spares.popleft() if self._spares else self._bind_pair()
        self._refill_later()
        return pair

    def _refill_later(self) -> None:
        if self._refill_timer is None and len(self._spares) < self._spares_wanted:
            loop = asyncio.get_running_loop()
            self._refill_timer = loop.call_later(REFILL_S, self._refill)

    def _refill(self) -> None:
        self._refill_timer = None
        with contextlib.suppress(MediaError):  # the last pairs go to those who need them now
            self._spares.append(self._bind_pair())
            self._refill_later()

    def _bind_pair(self) -> tuple[RtpPort, RtpPort]:
        for even in self._candidates():
            rtp = self._bind(even or self._free_port())
            if rtp is None:
                continue
            port = rtp.getsockname()[1]
            rtcp = self._bind(port + 1) if port % 2 == 0 else None
            if rtcp is not None:
                reader = self._reader = self._reader or RtpReader()
                return RtpPort(rtp, self._buffer, reader), RtpPort(rtcp, self._buffer, reader)
            rtp.close()
        message = f"no free pair of RTP ports at {self.host}"
        raise MediaError(message)

    def _candidates(self) -> Iterator[int]:
        if self._is_ephemeral:
            yield from [0] * _EPHEMERAL_TRIES
        for _ in self._evens:
            even = self._evens[self._next]
            self._next = (self._next + 1) % len(self._evens)  # first: a taker never returns here
            yield even

    def _free_port(self) -> int:
        """Find a number to bind by name: one that the system chose is lost with the end of a connect."""
        with socket.socket(self._family, socket.SOCK_DGRAM) as probe:
            probe.bind((self.host, 0))
            port: int = probe.getsockname()[1]
            return port

    def _bind(self, port: int) -> socket.socket | None:
        udp = socket.socket(self._family, socket.SOCK_DGRAM)
        try:
            udp.setblocking(False)
            udp.bind((self.host, port))
        except (OSError, OverflowError):
            udp.close()
            return None
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER_BYTES)
        self._mark(udp)
        return udp

    def _mark(self, udp: socket.socket) -> None:
        level: Any = socket.IPPROTO_IP
        option = socket.IP_TOS
        if self._family == socket.AF_INET6:
            level, option = socket.IPPROTO_IPV6, socket.IPV6_TCLASS
        udp.setsockopt(level, option, EXPEDITED_FORWARDING)
