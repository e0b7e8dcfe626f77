"""The last packets of one picture on its way to one device, to be sent again when it missed them.

They are held as they went out, encrypted: what is sent again is the same to the bit, so a key's
numbers are never used for anything else (RFC 3711 §9.1), and encrypting is not paid for twice.
"""

HISTORY_PACKETS = 128
"""Half a second of a rich picture or a whole key frame; at most 200 kB a device."""
LEAST_DISTANCE_S = 0.02
"""A device that asks again sooner cannot know yet that the packet did not come."""
RESEND_BYTES_PER_S = 64_000
"""A fifth of a picture at 2.5 Mbit/s: a way that loses more is not helped by more packets."""
BURST_BYTES = 64_000

_NEVER_S = float("-inf")
_NONE = -1


class SentPackets:
    """A ring of what was sent, by its sequence number; wiped by `clear`."""

    __slots__ = ("_allowance_bytes", "_allowed_at", "_numbers", "_packets", "_resent_at")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._numbers = [_NONE] * HISTORY_PACKETS
        self._packets = [b""] * HISTORY_PACKETS
        self._resent_at = [_NEVER_S] * HISTORY_PACKETS
        self._allowance_bytes = float(BURST_BYTES)
        self._allowed_at = 0.0

    def keep(self, number: int, packet: bytes) -> None:
        """Remember a packet in place of the one 128 numbers before it."""
        slot = number % HISTORY_PACKETS
        self._numbers[slot] = number
        self._packets[slot] = packet
        self._resent_at[slot] = _NEVER_S

    def holds(self, number: int) -> bool:
        """Tell whether the packet of this number is remembered."""
        return self._numbers[number % HISTORY_PACKETS] == number

    def take(self, number: int, now: float) -> bytes | None:
        """Give a packet to be sent again; None if it is not held, or was sent again just now."""
        slot = number % HISTORY_PACKETS
        if self._numbers[slot] != number or now - self._resent_at[slot] < LEAST_DISTANCE_S:
            return None
        earned = (now - self._allowed_at) * RESEND_BYTES_PER_S
        self._allowance_bytes = min(self._allowance_bytes + earned, BURST_BYTES)
        self._allowed_at = now
        packet = self._packets[slot]
        if self._allowance_bytes < len(packet):
            return None
        self._allowance_bytes -= len(packet)
        self._resent_at[slot] = now
        return packet
