"""Which source of RTP is believed: decided once, then moved by authenticated signalling alone."""

import ipaddress
import math
from collections.abc import Sequence
from functools import lru_cache

from intercom.media import rtp

NAT_PACKETS = 5
"""So many in a row, of one SSRC and the negotiated payload type, prove a source behind NAT."""
SIGNALLED_WINS_S = 1.0
"""So long it takes the place of a source that nothing but the trunk's media networks proves."""

Address = tuple[str, int]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_UNREACHABLE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "127.0.0.0/8",
        "10.0.0.0/8",  # RFC 1918, as the next two
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",  # RFC 6598
        "169.254.0.0/16",  # RFC 3927
        "::/127",
        "fc00::/7",  # RFC 4193
        "fe80::/10",
    )
)
"""Addresses that a peer behind NAT may name."""


class Latch:
    """The believed source of one stream.

    Of plain RTP it is the first of:
        1. the address and port in the peer's SDP;
        2. an address in the trunk's media networks, which gives way to 1. in its first second;
        3. where the SDP names an address that cannot be reached from here and is not where the
           signalling comes from: the signalling address, after NAT_PACKETS packets in a row.
    """

    def __init__(
        self,
        signalled: Address,
        *,
        payload_types: frozenset[int],
        signalling_host: str,
        media_networks: Sequence[Network] = (),
    ) -> None:
        self.source: Address | None = None
        """The source believed; None until the first packet."""
        self.target: Address | None = None
        """Where to send: the believed source, else as signalled; None where nothing can be sent to."""
        if signalled[1] and is_sendable(signalled[0]):
            self.target = signalled
        self.signalled = signalled
        self.payload_types = payload_types
        self._networks = tuple(media_networks)
        self._nat_host = signalling_host if _is_behind_nat(signalled[0], signalling_host) else None
        self._open_until = -math.inf
        """Until then the signalled address takes the place of `source`."""
        self._candidate: tuple[Address, int] | None = None
        self._run = 0

    def accept(self, packet: memoryview, source: Address, now: float) -> bool:
        """Tell whether this packet counts; the first that does decides for good.

        Only a source that the media networks vouch for may give way in its first second, and to the
        signalled address alone: networks are large, and one forged packet is soon sent.
        """
        if self.source is None:
            self._decide(packet, source, now)
        elif source == self.signalled and now < self._open_until:
            self.source = self.target = source
        return source == self.source

    def _decide(self, packet: memoryview, source: Address, now: float) -> None:
        if source == self.signalled or self._is_proven(packet, source):
            self.source = self.target = source
        elif self._is_in_networks(packet, source):
            self.source = self.target = source
            self._open_until = now + SIGNALLED_WINS_S

    @property
    def names_private(self) -> bool:
        """Whether the SDP named an address that cannot be reached from here and that SIP does not come from."""
        return self._nat_host is not None

    def is_decided(self, now: float) -> bool:
        """Tell whether `source` is believed for good: nothing but signalling moves it any more."""
        return self.source is not None and now >= self._open_until

    def follow(self, source: Address) -> None:
        """Believe whoever sent a packet that authenticates (SRTP): no address proves as much."""
        self.source = self.target = source

    def _is_in_networks(self, packet: memoryview, source: Address) -> bool:
        if not self._networks or not self._is_expected(rtp.parse(packet)):
            return False
        address = ipaddress.ip_address(source[0])
        return any(address in network for network in self._networks)

    def _is_proven(self, packet: memoryview, source: Address) -> bool:
        if source[0] != self._nat_host:
            return False
        header = rtp.parse(packet)
        if header is None or not self._is_expected(header):
            self._candidate = None
            return False
        if (source, header.ssrc) != self._candidate:
            self._candidate = (source, header.ssrc)
            self._run = 0
        self._run += 1
        return self._run >= NAT_PACKETS

    def _is_expected(self, header: rtp.RtpHeader | None) -> bool:
        return header is not None and header.payload_type in self.payload_types


_ip_address = lru_cache(maxsize=256)(ipaddress.ip_address)
"""Carriers and panels have few addresses, and each is looked at with every description."""


def is_sendable(host: str) -> bool:
    """Tell whether this is an address literal that packets can go to; names are never looked up."""
    try:
        address = _ip_address(host)
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_multicast)


def _is_behind_nat(signalled_host: str, signalling_host: str) -> bool:
    if signalled_host == signalling_host:
        return False
    try:
        address = _ip_address(signalled_host)
    except ValueError:
        return True
    return any(address in network for network in _UNREACHABLE)
