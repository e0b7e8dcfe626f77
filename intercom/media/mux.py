"""One UDP port for all WebRTC legs, told apart by the first byte (RFC 7983 §7).

    first byte   what          whose
    0..3         STUN          the leg named first in USERNAME; only its binding requests count
    20..63       DTLS          the leg that an integrity-checked request tied this source to
    128..191     SRTP, SRTCP   the same

Nothing but an integrity-checked request makes a source known, so a stranger's ClientHello or packet
reaches no leg, whatever it holds. The reader drains the socket by itself, up to 64 packets each
time that the loop finds it readable: no task, no coroutine and no allocation for each packet.

`host` should be one address: from a wildcard the kernel picks the source of a response by its
routing table, and an app drops a response that comes from elsewhere than its request went.
"""

import asyncio
import socket
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self

from intercom.errors import MediaError
from intercom.media.ice import Address, local_ufrag_of

MAX_PACKETS_PER_WAKE_UP = 64
MAX_PACKET_BYTES = 2048
SOCKET_BUFFER_BYTES = 1 << 20  # half a second of 100 legs' picture, should the loop be late
MAX_SOURCES_PER_CLIENT = 32  # a laptop with VPN, containers, IPv4 and IPv6 has about 10
SOURCE_IDLE_S = 10.0  # four of a browser's checks


class MuxClient(ABC):
    """What the port hands its packets to. Packets are valid only in the call."""

    @abstractmethod
    def receive_check(self, packet: memoryview, source: Address, now: float) -> None:
        """Take a binding request that names this client; call `claim` if its integrity holds."""

    @abstractmethod
    def receive_dtls(self, packet: memoryview, now: float) -> None:
        """Take a DTLS datagram from a claimed source."""

    @abstractmethod
    def receive_srtp(self, packet: memoryview, now: float) -> None:
        """Take an SRTP or SRTCP packet from a claimed source."""


class MuxPort:
    """The socket and the two tables: user name fragment to client, source address to client."""

    def __init__(self, udp: socket.socket, advertised: Sequence[str]) -> None:
        self.port: int = udp.getsockname()[1]
        self.advertised = tuple(advertised)
        """The addresses for our candidates: what apps can reach, not what is bound."""
        self.dropped = 0
        """Packets that reached no leg, or that the kernel did not take."""
        self._socket = udp
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray(MAX_PACKET_BYTES)
        self._view = memoryview(self._buffer)
        self._clients: dict[bytes, MuxClient] = {}
        self._sources: dict[Address, tuple[MuxClient, float]] = {}
        self._sources_of: dict[MuxClient, dict[Address, None]] = {}

    @classmethod
    def open(cls, host: str, port: int, advertised: Sequence[str]) -> Self:
        """Bind `host`:`port` (0: any) and start to read; raise MediaError if it is taken.

        `advertised` are the addresses that apps reach it by, the preferred one first: behind 1:1
        NAT the public one, then the own one for apps on the same network.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        udp = socket.socket(family, socket.SOCK_DGRAM)
        try:
            udp.setblocking(False)
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                udp.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
            udp.bind((host, port))
        except OSError as error:
            udp.close()
            message = f"UDP port {host}:{port} cannot be bound: {error.strerror}"
            raise MediaError(message) from error
        mux = cls(udp, advertised or (host,))
        mux._loop.add_reader(udp, mux._read)
        return mux

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading and free the port; idempotent."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def add(self, ufrag: str, client: MuxClient) -> None:
        """Deliver binding requests for `ufrag` to `client`."""
        self._clients[ufrag.encode()] = client
        self._sources_of[client] = {}

    def remove(self, ufrag: str) -> None:
        """Forget a client and its sources; idempotent."""
        client = self._clients.pop(ufrag.encode(), None)
        if client is not None:
            for source in self._sources_of.pop(client):
                del self._sources[source]

    def claim(self, source: Address, client: MuxClient, now: float) -> bool:
        """Deliver packets from `source` to `client`, which proved that it is its peer's.

        A source in use by another client stays there, so that no app can cut off another by a
        forged source address. The oldest of too many sources is forgotten.
        """
        owner, heard_at = self._sources.get(source, (client, now))
        if owner is not client:
            if now - heard_at < SOURCE_IDLE_S:
                return False
            del self._sources_of[owner][source]
        sources = self._sources_of[client]
        sources.pop(source, None)
        sources[source] = None
        self._sources[source] = (client, now)
        if len(sources) > MAX_SOURCES_PER_CLIENT:
            oldest = next(iter(sources))
            del sources[oldest], self._sources[oldest]
        return True

    def send(self, packet: bytes | memoryview, destination: Address) -> None:
        """Send one datagram; what the kernel does not take at once is lost, as on any network."""
        try:
            self._socket.sendto(packet, destination)
        except OSError:
            self.dropped += 1

    def _read(self) -> None:
        now = self._loop.time()
        for _ in range(MAX_PACKETS_PER_WAKE_UP):
            try:
                size, source = self._socket.recvfrom_into(self._buffer)
            except OSError:  # nothing left to read, or closed by what a packet brought about
                return
            self._deliver(self._view[:size], source, now)

    def _deliver(self, packet: memoryview, source: Address, now: float) -> None:
        first = packet[0] if packet else 255
        if first < 4:
            client = self._clients.get(local_ufrag_of(packet) or b"")
            if client is not None:
                client.receive_check(packet, source, now)
                return
        elif source in self._sources:
            client = self._sources[source][0]
            if 128 <= first < 192:
                client.receive_srtp(packet, now)
                return
            if 20 <= first < 64:
                client.receive_dtls(packet, now)
                return
        self.dropped += 1
