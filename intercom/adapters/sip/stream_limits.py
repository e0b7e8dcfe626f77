"""What bounds the stream connections, what became of them, and who left."""

from dataclasses import dataclass, field

from intercom.sip.address import Address

FAREWELL_S = 32.0  # RFC 3261 §17: 64 T1, after which no transaction answers any more
MAX_GONE = 4096


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """What bounds the connections; times in seconds."""

    connections: int = 2000
    per_source: int = 64
    """From one IPv4 address or one IPv6 /64 network."""
    handshakes: int = 256
    """At once; past them the oldest is closed."""
    connect_s: float = 3.0
    """For a connection of ours, with its TLS hand-shake."""
    handshake_s: float = 5.0
    message_s: float = 9.0
    """From a message's first byte to its last, and from a connection's begin to its first message."""
    idle_s: float = 300.0
    """Without a byte, unless somebody is registered or calling by it."""
    sweep_s: float = 0.5


@dataclass(slots=True)
class StreamCounters:
    """What became of connections."""

    accepted: int = 0
    opened: int = 0
    failed: int = 0
    refused: int = 0
    """There was no room."""
    evicted: int = 0
    """They made way for others."""
    too_slow: int = 0
    idle: int = 0


@dataclass(slots=True)
class Gone:
    """Who came to us and left: they cannot be called back, so that nobody makes us try."""

    until: dict[Address, float] = field(default_factory=dict)

    def add(self, address: Address, now: float) -> None:
        """Take note that somebody left; the oldest make way."""
        if len(self.until) >= MAX_GONE:
            del self.until[next(iter(self.until))]
        self.until[address] = now + FAREWELL_S

    def has(self, address: Address, now: float) -> bool:
        """Tell whether somebody left just now."""
        return self.until.get(address, 0.0) > now
