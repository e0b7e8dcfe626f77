"""What is wrong with the way of a leg's sound or picture, judged by its figures: why one side hears nothing."""

from enum import Enum
from typing import NamedTuple

from intercom.sip.codec import Codec

ENOUGH = 5
"""So many packets of a kind, since the last good one, are no accident."""

_SILENT_BYTES = {Codec.PCMA: b"\xd5\x55", Codec.PCMU: b"\xff\x7f"}
"""What decodes to (nearly) zero, either sign."""
_OPUS_SILENT_BYTES = 3
"""As short a packet says only that nothing is said (RFC 6716 §2.1.9)."""


class PathCause(Enum):
    """Why nothing is heard or seen; the value says it to the installer."""

    NOTHING = "nothing arrives: it sends nothing, or a firewall drops it"
    PRIVATE_ADDRESS = (
        "nothing arrives, and its SDP names an address that cannot be reached from here:"
        " NAT; give it its public address, STUN or a VPN"
    )
    WRONG_SOURCE = (
        "it comes from another address than its SDP names: NAT, or a carrier's gateway,"
        " whose network then belongs into media_networks"
    )
    WRONG_CODEC = "what arrives has a payload type that was not agreed on: the codecs differ"
    NOT_AUTHENTIC = "what arrives does not authenticate: the SRTP keys differ"
    QUIET = "only its reports (RTCP) arrive: muted, or it sends nothing in pauses"
    DIGITAL_SILENCE = "only digital silence arrives: its microphone is muted or broken"
    NO_ADDRESS = "nothing can be sent to it: its SDP names no usable address"
    SEND_FAILS = "nothing can be sent to it: its port is closed (ICMP), or the network refuses"
    UNHEARD = "by its own reports nothing of ours arrives: a firewall or NAT on its side"


class PathFigures(NamedTuple):
    """What a leg counts of what it drops and cannot send, since its beginning."""

    wrong_source: int = 0
    not_authentic: int = 0
    send_errors: int = 0
    has_target: bool = True
    """Whether it is known where to send, or nothing is to be sent."""
    names_private: bool = False
    """Its SDP names an address that only its own network reaches, and its SIP comes from another."""


class PathSnapshot(NamedTuple):
    """All figures of one leg at one moment."""

    leg: PathFigures
    wrong_payloads: int = 0
    reported_at: float = 0.0
    """When its last RTCP about this medium came; 0: none yet."""


def judge(before: PathSnapshot, after: PathSnapshot) -> PathCause:
    """Say why nothing good has come since `before`, of what has come instead."""
    if after.leg.not_authentic - before.leg.not_authentic >= ENOUGH:
        return PathCause.NOT_AUTHENTIC
    if after.leg.wrong_source - before.leg.wrong_source >= ENOUGH:
        return PathCause.WRONG_SOURCE
    if after.wrong_payloads - before.wrong_payloads >= ENOUGH:
        return PathCause.WRONG_CODEC
    if after.reported_at > before.reported_at:
        return PathCause.QUIET
    return PathCause.PRIVATE_ADDRESS if after.leg.names_private else PathCause.NOTHING


def judge_sending(
    before: PathFigures, after: PathFigures, *, is_unheard: bool = False
) -> PathCause | None:
    """Say why a leg gets nothing of ours; None: nothing speaks against it."""
    if not after.has_target:
        return PathCause.NO_ADDRESS
    if after.send_errors - before.send_errors >= ENOUGH:
        return PathCause.SEND_FAILS
    return PathCause.UNHEARD if is_unheard else None


def is_digital_silence(codec: Codec, payload: bytes) -> bool:
    """Tell whether a packet's sound is exactly nothing, as no microphone that is open gives it."""
    if codec is Codec.OPUS:
        return len(payload) <= _OPUS_SILENT_BYTES
    silent = _SILENT_BYTES.get(codec)
    return silent is not None and not payload.strip(silent)
