"""Keep-alive by STUN on the SIP port (RFC 5626 §4.4.2): a Binding request tells its sender's address."""

import struct

from intercom.errors import RemoteProtocolError
from intercom.sip.address import Address
from intercom.sip.uri import ip_of

_HEADER = struct.Struct("!HHI12s")
_ATTRIBUTE = struct.Struct("!HH")
_COOKIE = 0x2112A442  # RFC 8489 §5
_COOKIE_BYTES = _COOKIE.to_bytes(4)
_BINDING_REQUEST = 0x0001
_BINDING_SUCCESS = 0x0101
_XOR_MAPPED_ADDRESS = 0x0020
_FIRST_OPTIONAL = 0x8000
"""Attributes from here on may be ignored (RFC 8489 §14)."""
MAX_REQUEST_BYTES = 256


def is_stun(data: bytes) -> bool:
    """Tell STUN from SIP, which never begins with a byte below 4."""
    return len(data) >= _HEADER.size and data[0] < 4 and data[4:8] == _COOKIE_BYTES


def answer_binding(data: bytes, source: Address) -> bytes | None:
    """Write the answer to a Binding request; None where there is none to give.

    Raises RemoteProtocolError when it is malformed. Deviates from RFC 8489 §6.3.1: a request with
    an attribute that must be understood is not answered with 420 but dropped.
    """
    kind, length, _, transaction = _HEADER.unpack_from(data)
    if len(data) > MAX_REQUEST_BYTES or length != len(data) - _HEADER.size or length % 4:
        raise RemoteProtocolError("STUN length is wrong")
    if kind != _BINDING_REQUEST:
        return None
    _check_attributes(data)
    host = ip_of(source.host.partition("%")[0]).packed
    mask = data[4:20]
    family = 2 if len(host) == 16 else 1
    value = struct.pack("!BBH", 0, family, source.port ^ (_COOKIE >> 16))
    value += bytes(a ^ b for a, b in zip(host, mask, strict=False))
    attribute = _ATTRIBUTE.pack(_XOR_MAPPED_ADDRESS, len(value)) + value
    return _HEADER.pack(_BINDING_SUCCESS, len(attribute), _COOKIE, transaction) + attribute


def _check_attributes(data: bytes) -> None:
    position = _HEADER.size
    while position < len(data):
        kind, length = _ATTRIBUTE.unpack_from(data, position)
        if kind < _FIRST_OPTIONAL:
            raise RemoteProtocolError("STUN attribute that we do not know")
        position += _ATTRIBUTE.size + (length + 3) // 4 * 4
    if position != len(data):
        raise RemoteProtocolError("STUN attribute is cut off")
