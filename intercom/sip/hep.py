"""HEP version 3, by which a HOMER collector is told of SIP messages; the encoder alone.

A packet is "HEP3", its length, and chunks: vendor, type, length with its own six bytes, value; all in network order.
"""

import ipaddress
import struct

from intercom.sip.address import Address

_CHUNK = struct.Struct("!HHH")
_GENERIC_VENDOR = 0
_UDP, _TCP = 17, 6  # IANA protocol numbers
_FAMILY = {4: 2, 6: 10}
_SIP = 1
MAX_PAYLOAD_BYTES = 60_000
"""A packet's length is a 16-bit number, and it must fit one datagram."""


def encode_hep(
    payload: bytes,
    source: Address,
    destination: Address,
    *,
    at_us: int,
    correlation_id: str,
    capture_id: int,
) -> bytes:
    """Write one packet; `at_us` is microseconds of the calendar's time, not of a monotonic clock."""
    src, dst = ipaddress.ip_address(source.host), ipaddress.ip_address(destination.host)
    if src.version != dst.version:  # we are known by a name or another family's address
        src = ipaddress.ip_address("0.0.0.0" if dst.version == 4 else "::")  # noqa: S104
    is_v4 = dst.version == 4
    protocol = _TCP if destination.transport.is_stream or source.transport.is_stream else _UDP
    seconds, micros = divmod(at_us, 1_000_000)
    chunks = b"".join(
        [
            _chunk(1, bytes([_FAMILY[dst.version]])),
            _chunk(2, bytes([protocol])),
            _chunk(3 if is_v4 else 5, src.packed),
            _chunk(4 if is_v4 else 6, dst.packed),
            _chunk(7, struct.pack("!H", source.port)),
            _chunk(8, struct.pack("!H", destination.port)),
            _chunk(9, struct.pack("!I", seconds)),
            _chunk(10, struct.pack("!I", micros)),
            _chunk(11, bytes([_SIP])),
            _chunk(12, struct.pack("!I", capture_id)),
            _chunk(15, payload[:MAX_PAYLOAD_BYTES]),
            _chunk(17, correlation_id.encode()[:256]),
        ]
    )
    return b"HEP3" + struct.pack("!H", len(chunks) + 6) + chunks


def _chunk(kind: int, value: bytes) -> bytes:
    return _CHUNK.pack(_GENERIC_VENDOR, kind, len(value) + _CHUNK.size) + value
