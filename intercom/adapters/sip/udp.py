"""SIP over UDP: one socket for each bound address, read in batches.

A socket that is bound to every address answers from the one that the request came to: a panel, its
NAT and its firewall drop what comes from another. That costs 1 µs a datagram.
"""

import asyncio
import contextlib
import ipaddress
import socket
import struct
import sys
from collections.abc import Callable, Iterable
from typing import Any

from intercom.adapters.sip.listening import bind
from intercom.sip.address import Address

DATAGRAMS_A_WAKE_UP = 64
WAKE_UP_S = 0.002
"""After either of them other work gets its turn: 64 requests of 57 kB would take 50 ms."""
MAX_DATAGRAM_BYTES = 65_535
RECEIVE_BUFFER_BYTES = 4 << 20
MUCH_WAITING_BYTES = 1 << 18
"""Some 150 datagrams with what the system adds to each: a core has work for 0.1 s with them."""
MAX_WAYS = 4096
"""Peers whose request's local address is remembered; the oldest goes first."""

_SO_MEMINFO = 55  # Linux sock_diag(7): the first number is what waits to be read, in bytes
_IP_PKTINFO = 8  # Linux ip(7); Python 3.11 has no name for it
_IPV4_INFO = struct.Struct("=i4s4s")  # interface, our address, the header's destination
_IPV6_INFO = struct.Struct("=16si")  # our address, interface

_Peer = tuple[str, int]
_Ancillary = list[tuple[int, int, bytes]]


class UdpSocket:
    """One socket; `receive` gets each datagram, and `is_late` says when others must have a turn."""

    def __init__(self, host: str, port: int, receive: Callable[[bytes, Address], None]) -> None:
        self.host = host
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._socket = bind(host, port, socket.SOCK_DGRAM)
        self._is_ipv6 = ":" in host
        self._ways: dict[_Peer, bytes] = {}
        """Of each peer: the packet information that makes the kernel answer from where it asked."""
        self._behind_since: float | None = None
        """Since when there was always more to read than one wake-up took."""
        self._is_any = ipaddress.ip_address(host).is_unspecified
        if self._is_any:
            self._socket.setsockopt(*self._option(), 1)
        with contextlib.suppress(OSError):  # a system's limit is no reason not to start
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self._loop.add_reader(self._socket, self.read)

    def close(self) -> None:
        """Free the port."""
        self._loop.remove_reader(self._socket)
        self._socket.close()

    @property
    def port(self) -> int:
        """The port that was bound."""
        return int(self._socket.getsockname()[1])

    def send(self, data: bytes, destination: Address) -> None:
        """Send at once; raise OSError or OverflowError (a port above 65,535) when it cannot be."""
        peer = (destination.host, destination.port)
        way = self._ways.get(peer)
        if way is None:
            self._socket.sendto(data, peer)
            return
        level, kind = self._way_option()
        try:
            self._socket.sendmsg([data], [(level, kind, way)], 0, peer)
        except BlockingIOError:
            raise
        except OSError:  # the address is ours no more
            del self._ways[peer]
            self._socket.sendto(data, peer)

    def behind_s(self, now: float) -> float:
        """Tell for how long what comes in has had to wait in the system's buffer, if that is much."""
        if self._behind_since is None or self._waiting_bytes() < MUCH_WAITING_BYTES:
            return 0.0
        return now - self._behind_since

    def _waiting_bytes(self) -> int:
        info = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4)
        return int.from_bytes(info, sys.byteorder)

    def read(self) -> None:
        """Take what came, within the bounds of one wake-up."""
        now = self._loop.time()
        until = now + WAKE_UP_S
        for _ in range(DATAGRAMS_A_WAKE_UP):
            try:
                data, source = self._read_one()
            except (BlockingIOError, InterruptedError):
                self._behind_since = None
                return
            except OSError:  # an ICMP error of an earlier send
                continue
            self._receive(data, source)
            if self._socket.fileno() < 0 or self._loop.time() >= until:
                break
        if self._behind_since is None:
            self._behind_since = now

    def _read_one(self) -> tuple[bytes, Address]:
        if not self._is_any:
            data, peer = self._socket.recvfrom(MAX_DATAGRAM_BYTES)
            return data, Address(peer[0], peer[1])
        data, ancillary, _, peer = self._socket.recvmsg(
            MAX_DATAGRAM_BYTES, socket.CMSG_SPACE(_IPV6_INFO.size)
        )
        way = self._way_back(ancillary)
        if way is not None:
            self._remember((peer[0], peer[1]), way)
        return data, Address(peer[0], peer[1])

    def _way_back(self, ancillary: Iterable[Any]) -> bytes | None:
        option = self._way_option()
        for level, kind, info in ancillary:
            if (level, kind) != option:
                continue
            if not self._is_ipv6:
                return _IPV4_INFO.pack(0, _IPV4_INFO.unpack(info)[1], bytes(4))
            address, interface = _IPV6_INFO.unpack(info)
            is_link_local = address[0] == 0xFE and address[1] & 0xC0 == 0x80
            return _IPV6_INFO.pack(address, interface if is_link_local else 0)
        return None

    def _remember(self, peer: _Peer, way: bytes) -> None:
        if self._ways.get(peer) == way:
            return
        if len(self._ways) >= MAX_WAYS:
            del self._ways[next(iter(self._ways))]
        self._ways[peer] = way

    def _option(self) -> tuple[int, int]:
        if self._is_ipv6:
            return socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO
        return socket.IPPROTO_IP, _IP_PKTINFO

    def _way_option(self) -> tuple[int, int]:
        if self._is_ipv6:
            return socket.IPPROTO_IPV6, socket.IPV6_PKTINFO
        return socket.IPPROTO_IP, _IP_PKTINFO
