"""What listens to a leg's sound before it is sent on, and may change it."""

from typing import Protocol


class SoundTap(Protocol):
    """A leg's sound passes through one at most: the panel's tone guard, a phone's ear; apps have none."""

    def hear(self, packet: memoryview, now: float) -> memoryview | bytes | None:
        """Take a whole plain RTP packet of the leg's sound, valid only in the call.

        Give what is sent on in its place: mostly the same object; else one with the same header and
        another payload; None where nothing is.
        """
