"""What keeps a way through a NAT open and is no SIP message: CRLF and STUN (RFC 5626 §3.5, §4.4)."""

from intercom.sip.address import Address, Transport
from intercom.sip.core import Core
from intercom.sip.framing import PING, PONG
from intercom.sip.stun import answer_binding, is_stun

PING_INTERVAL_S = 25.0
"""Of ours: NATs forget a UDP mapping after 30 s (RFC 5626 §4.4.2)."""


def take_keep_alive(core: Core, data: bytes, source: Address) -> bool:
    """Answer a keep-alive; tell whether it was one. Raises RemoteProtocolError for broken STUN.

    CRLF over UDP, which RFC 5626 does not know but phones send, wants no answer.
    """
    if is_stun(data):
        answer = answer_binding(data, source) if source.transport is Transport.UDP else None
        if answer is not None:
            core.send(answer, source)
        return True
    if data.strip(b"\r\n\0"):
        return False
    if data == PING and source.transport.is_stream:
        core.send(PONG, source)
    return True
