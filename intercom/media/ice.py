"""ICE-lite (RFC 8445 §2.5): our side of connectivity checks, as a machine without sockets.

The router has a public or 1:1-mapped address, so it gathers nothing, sends no checks and never
looks a name up: it answers the checks of the app, which is a full agent and therefore always
controlling (RFC 8445 §6.1.1). A `.local` or private candidate of the app needs no handling
either: its checks arrive from where they arrive (a peer-reflexive candidate, §7.3.1.3).

Only aioice's STUN codec is used. Its Connection asks a public STUN server by default, resolves
`.local` names before it goes on, binds a port for each leg, and takes a PCMA packet whose sequence
number happens to equal its length less 20 for STUN.

Deviates: a request that names no leg of ours is dropped and not answered with 400 or 401
(RFC 8489 §9.1.3), so that strangers get nothing and pay for everything; unknown
comprehension-required attributes are ignored, no 420.
"""

import struct
from dataclasses import dataclass

from aioice import stun

MAX_CHECK_BYTES = 548  # RFC 8489 §6.1: fits any IPv4 path; checks are about 100 bytes
USERNAME = 0x0006  # RFC 8489 §18.3
BINDING_REQUEST = 0x0001

Address = tuple[str, int] | tuple[str, int, int, int]
"""A UDP source as the socket gives it (IPv6: with flow and scope)."""

_HEADER = struct.Struct("!HHI")
_ATTRIBUTE = struct.Struct("!HH")


@dataclass(frozen=True, slots=True)
class IceCredentials:
    """One side's `a=ice-ufrag` and `a=ice-pwd` (RFC 8839 §5.4)."""

    ufrag: str
    pwd: str


def local_ufrag_of(packet: memoryview) -> bytes | None:
    """Return whom a binding request is for, or None where it cannot be one of ours.

    A walk over the attributes' lengths and no more: this is all that a stranger's packet costs.
    """
    if not stun.HEADER_LENGTH <= len(packet) <= MAX_CHECK_BYTES:
        return None
    kind, length, cookie = _HEADER.unpack_from(packet)
    if kind != BINDING_REQUEST or cookie != stun.COOKIE:
        return None
    if length != len(packet) - stun.HEADER_LENGTH:
        return None
    position = stun.HEADER_LENGTH
    while position + 4 <= len(packet):
        attribute, size = _ATTRIBUTE.unpack_from(packet, position)
        position += 4
        if attribute == USERNAME:
            return bytes(packet[position : position + size]).partition(b":")[0]
        position += size + stun.padding_length(size)
    return None


@dataclass(frozen=True, slots=True)
class Check:
    """What became of a binding request."""

    response: bytes | None
    is_valid: bool = False
    """Its integrity holds: whoever sent it knows our password from the offer."""
    is_nominating: bool = False


class IceLite:
    """The ICE state of one leg: our credentials, and which source address the app chose."""

    def __init__(self, local: IceCredentials) -> None:
        self.local = local
        self.remote_ufrag: str | None = None
        """Set from the answer; until then any is taken, as checks may come before the answer."""
        self.selected: Address | None = None
        """Where to send: the latest nominated source, before any nomination the latest valid."""
        self.last_check_at: float | None = None
        self._is_nominated = False
        self._pwd = local.pwd.encode()

    def receive(self, packet: bytes, source: Address) -> Check:
        """Judge a binding request; nothing changes before `confirm`."""
        try:
            request = stun.parse_message(packet)
        except (ValueError, struct.error, IndexError):
            return Check(None)
        if "MESSAGE-INTEGRITY" not in request.attributes:
            return Check(_refuse(request, 400, "Bad Request"))
        if not (self._is_for_us(request) and request.check_message_integrity(self._pwd)):
            return Check(_refuse(request, 401, "Unauthenticated"))
        is_nominating = "USE-CANDIDATE" in request.attributes
        return Check(self._accept(request, source), True, is_nominating)

    def confirm(self, check: Check, source: Address, now: float) -> None:
        """Take a valid check's source as a way to the app."""
        self.last_check_at = now
        # The app goes on choosing after the first nomination: another network, another NAT binding.
        if check.is_nominating or not self._is_nominated:
            self.selected = source
        self._is_nominated = self._is_nominated or check.is_nominating

    def _is_for_us(self, request: stun.Message) -> bool:
        local, colon, remote = str(request.attributes.get("USERNAME", "")).partition(":")
        is_peer_right = self.remote_ufrag is None or remote == self.remote_ufrag
        return bool(colon) and local == self.local.ufrag and is_peer_right

    def _accept(self, request: stun.Message, source: Address) -> bytes:
        # A dual-stack socket names IPv4 sources as mapped ones; link-local ones carry a scope.
        host = source[0].removeprefix("::ffff:").partition("%")[0]
        response = stun.Message(
            stun.Method.BINDING,
            stun.Class.RESPONSE,
            request.transaction_id,
            {"XOR-MAPPED-ADDRESS": (host, source[1])},
        )
        response.add_message_integrity(self._pwd)
        return bytes(response)


def _refuse(request: stun.Message, code: int, reason: str) -> bytes:
    """Answer with an error, which is never longer than the request was."""
    response = stun.Message(
        stun.Method.BINDING,
        stun.Class.ERROR,
        request.transaction_id,
        {"ERROR-CODE": (code, reason)},
    )
    response.add_fingerprint()
    return bytes(response)
