"""Keys that a visitor plays into the panel: taken out of what a phone hears, and vetoed on the phone.

    panel's packet ─▶ two tones? ─▶ no:  sent on as it came
                                    yes: silence in its place, and these keys are nobody's for 1.5 s

A phone's echo of such a key would be a key to any detector: to ours, and to the carrier's, which would make
a telephone-event of it. So it is taken out before, by a mask wider than theirs, and vetoed after.
"""

from intercom.media.hearing import Hearing, silenced
from intercom.media.leg import MediaLeg
from intercom.media.tone_pair import PairFinder

VETO_S = 1.5
"""After the tone's end: longer than any telephone's echo and the carrier's own detector take."""


class ToneVeto:
    """Which keys are the visitor's own now."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def heard(self, keys: str, now: float) -> None:
        """Take that the panel's sound holds what could be any of these keys."""
        for key in keys:
            self._until[key] = now + VETO_S

    def forbids(self, key: str, now: float) -> bool:
        """Tell whether a press of this key may be the visitor's tone come back."""
        return now < self._until.get(key, now)


class ToneGuard:
    """A tap on the panel's sound; only phones need one, apps open by command."""

    def __init__(self, leg: MediaLeg, veto: ToneVeto) -> None:
        self._leg = leg
        self._veto = veto
        self._hearing = Hearing()
        self._finder = PairFinder()

    def hear(self, packet: memoryview, now: float) -> memoryview | bytes | None:
        """Give the packet, or one with silence in it where it holds two tones."""
        codec = self._leg.codec
        pair = self._finder.look(self._hearing.samples(packet, codec))
        if pair is None:
            return packet
        self._veto.heard(pair.keys, now)
        return silenced(packet, codec)
