"""What the devices that see a picture wish for: another key frame, or less of it, without harm to the others.

A device whose way loses much asks for key frames again and again, and each one goes to all; so its
wishes count less and less often. The least that any way can carry is what the panel is asked for, but
never so little that the others would see nothing.
"""

from dataclasses import dataclass, field

from intercom.routing.ids import LegId

KEY_FRAME_INTERVAL_S = 0.5
"""Asking more often would only make every picture a key frame."""
LONGEST_PAUSE_S = 4.0
CALM_S = 5.0
"""A device that wished for nothing for so long has a good way again."""
LEAST_BITS_PER_S = 250_000
"""640 x 480 can be looked at with this; a device with less loses packets, and the others do not."""
NO_LIMIT_BITS_PER_S = 10_000_000
FRESH_S = 6.0
"""An estimate is repeated each second; an older one says nothing any more."""
LOWER_EVERY_S = 1.0
RAISE_EVERY_S = 3.0
REPEAT_EVERY_S = 5.0
"""RTCP can be lost."""
_NOTABLE = 0.1


@dataclass(slots=True)
class KeyFrameWishes:
    """One device's; says which of them count."""

    _counted_at: float | None = None
    _pause_s: float = KEY_FRAME_INTERVAL_S

    def counts(self, now: float, *, is_alone: bool) -> bool:
        """Take a wish; of who watches alone each counts."""
        since_s = CALM_S if self._counted_at is None else now - self._counted_at
        if since_s >= CALM_S:
            self._pause_s = KEY_FRAME_INTERVAL_S
        elif is_alone:
            return True
        elif since_s < self._pause_s:
            return False
        else:
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        self._counted_at = now
        return True


@dataclass(slots=True)
class RateWishes:
    """What all devices can carry, and what the panel is asked for."""

    _estimates: dict[LegId, tuple[int, float]] = field(default_factory=dict)
    """Bits a second, and when that was said."""
    _asked: int | None = None
    """The limit in force; None: none."""
    _asked_at: float = float("-inf")

    def heard(self, leg_id: LegId, bits_per_s: int, now: float) -> None:
        """Take a device's estimate of its way."""
        self._estimates[leg_id] = bits_per_s, now

    def forget(self, leg_id: LegId) -> None:
        """Leave out a device that has gone."""
        self._estimates.pop(leg_id, None)

    def ask(self, stream_bits_per_s: float, now: float) -> int | None:
        """Give what to ask the panel for now, None if that would be nothing new."""
        fresh = [rate for rate, said_at in self._estimates.values() if now - said_at < FRESH_S]
        lowest = max(min(fresh), LEAST_BITS_PER_S) if fresh else NO_LIMIT_BITS_PER_S
        if not self._is_due(lowest, stream_bits_per_s, now - self._asked_at):
            return None
        self._asked = lowest if lowest < NO_LIMIT_BITS_PER_S else None
        self._asked_at = now
        return lowest

    def _is_due(self, lowest: int, stream_bits_per_s: float, since_s: float) -> bool:
        asked = self._asked
        if asked is None:
            is_too_much = lowest < stream_bits_per_s * (1 - _NOTABLE)
            return is_too_much and since_s >= LOWER_EVERY_S
        if lowest < asked * (1 - _NOTABLE):
            return since_s >= LOWER_EVERY_S
        if lowest > asked * (1 + _NOTABLE):
            return since_s >= RAISE_EVERY_S
        return since_s >= REPEAT_EVERY_S
