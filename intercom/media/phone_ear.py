"""What a phone's own sound says: keys in it, an answering machine's beep; and what of it no panel may hear.

    packet ─▶ two tones? silence in their place, for they could be a panel's own door code
           ─▶ in order, losses marked ─▶ like two tones of late? keys in the sound ─▶ on_digit
                                      └▶ a beep, until a person is there ─▶ on_beep

The stream is followed by its numbers: what is missing is told to the detector as lost, at most 100 ms of it.
Packets in order are heard at once. Only where some came late before is a missing one waited for.
"""

import struct
from collections.abc import Callable

import numpy as np

from intercom.media.beep import BeepDetector
from intercom.media.hearing import Hearing, silenced
from intercom.media.inband import DetectedDigit, InBandDetector
from intercom.media.inband_fit import Floats
from intercom.media.leg import MediaLeg
from intercom.media.lone_tone import LoneTone
from intercom.media.tone_pair import RATE_HZ, PairFinder

NEGOTIATED_LEAST_S = 0.1
"""Of a key in the sound where telephone-events are agreed on, and none came yet."""
BEEP_LIMIT_S = 60.0
"""A phone that nobody accepted for so long is gone."""
_MOST_MISSING = 5
_MOST_EARLY = 4
_NEAR_PACKETS = 5
"""So many are looked at closely once one is like two tones: what came early waits for up to four."""
_MOST_SILENT = RATE_HZ // 10
_NUMBERS = struct.Struct("!2xHII")
_HALF = 0x8000


class PhoneEar:
    """A tap on an answered phone's sound."""

    def __init__(
        self, leg: MediaLeg, on_digit: Callable[[str, float], None], on_beep: Callable[[], None]
    ) -> None:
        self._leg = leg
        self._on_digit, self._on_beep = on_digit, on_beep
        self._hearing = Hearing()
        self._finder: PairFinder | None = None
        """Made with the first packet, as the others: what it takes is not for the moment of the answer."""
        self._keys: InBandDetector | None = None
        self._beep: BeepDetector | None = None
        self._wants_keys = self._wants_beep = True
        self._loudness: LoneTone | None = LoneTone()
        """Until a person is there: a key in the midst of a machine's greeting is nobody's."""
        self._near = 0
        self._units = leg.codec.clock_hz // RATE_HZ
        """Of the timestamp, a sample."""
        self._began_at: float | None = None
        self._ssrc: int | None = None
        self._sequence = 0
        self._early: dict[int, tuple[int, Floats]] = {}
        self._patience = 0
        """So many packets are let wait for one that is missing: as late as one has come on this way."""
        self._due_ts: int | None = None
        """The timestamp that the next packet has if nothing lies between."""

    def stop_keys(self) -> None:
        """Listen for keys no more: they come another way."""
        self._keys, self._wants_keys = None, False

    def stop_beep(self) -> None:
        """Listen for a beep no more: a person is there."""
        self._beep, self._wants_beep = None, False
        self._loudness = None

    def pass_over(self, packet: memoryview) -> None:
        """Take a packet that is no sound but has one's number: a telephone-event."""
        sequence, _, ssrc = _NUMBERS.unpack_from(packet)
        if ssrc == self._ssrc and 0 < (sequence - self._sequence) & 0xFFFF < _HALF:
            self._sequence = sequence

    def hear(self, packet: memoryview, now: float) -> memoryview | bytes | None:
        """Listen to a packet; give it, or one with silence in it where it holds two tones."""
        codec, finder = self._leg.codec, self._finder or self._begin()
        samples = self._hearing.samples(packet, codec)
        pair = finder.look(samples)
        if finder.is_near or pair is not None:
            self._near = _NEAR_PACKETS
        elif self._near:
            self._near -= 1
        if len(samples):
            self._listen(packet, samples, now)
        return packet if pair is None else silenced(packet, codec)

    def _begin(self) -> PairFinder:
        self._finder = PairFinder()
        self._keys = InBandDetector() if self._wants_keys else None
        self._beep = BeepDetector() if self._wants_beep else None
        return self._finder

    def _listen(self, packet: memoryview, samples: Floats, now: float) -> None:
        sequence, timestamp, ssrc = _NUMBERS.unpack_from(packet)
        if ssrc != self._ssrc:
            self._ssrc, self._sequence, self._due_ts = ssrc, (sequence - 1) & 0xFFFF, None
            self._early.clear()
        ahead = (sequence - self._sequence) & 0xFFFF
        if ahead == 1:
            self._next(sequence, timestamp, samples, now)
        elif ahead >= _HALF or not ahead:  # its place was taken for lost, or it is a copy
            behind = -ahead & 0xFFFF
            self._patience = max(self._patience, min(behind, _MOST_EARLY))
            return
        else:
            self._early[sequence] = (timestamp, samples)
        self._go_on(now)

    def _go_on(self, now: float) -> None:
        """Take the packets that came early and are next now, or are waited for no more."""
        early = self._early
        while early:
            following = min(early, key=lambda each: (each - self._sequence) & 0xFFFF)
            missing = (following - self._sequence - 1) & 0xFFFF
            if missing >= _HALF:
                del early[following]
                continue
            if missing and len(early) <= self._patience and missing <= _MOST_EARLY:
                return
            timestamp, samples = early.pop(following)
            if missing and self._keys is not None:
                self._miss(self._keys, min(missing, _MOST_MISSING), len(samples), now)
                self._due_ts = None
            self._next(following, timestamp, samples, now)

    def _next(self, sequence: int, timestamp: int, samples: Floats, now: float) -> None:
        self._sequence = sequence
        keys = self._keys
        if self._loudness is not None:
            self._loudness.take(samples)
        if keys is not None:
            has_events = self._leg.dtmf_payload_type is not None
            keys.least_s = NEGOTIATED_LEAST_S if has_events else 0.0
            if timestamp != self._due_ts:
                self._wait(keys, timestamp, now)
            told = keys.hear(samples, may_hold=self._near > 0)
            if told:
                self._tell(told, now)
        self._due_ts = (timestamp + len(samples) * self._units) & 0xFFFFFFFF
        if self._beep is not None:
            self._listen_for_beep(self._beep, samples, now)

    def _miss(self, keys: InBandDetector, packets: int, size: int, now: float) -> None:
        """Take so many packets for lost."""
        for _ in range(packets):
            self._tell(keys.hear(np.zeros(size, np.float32), is_lost=True), now)

    def _wait(self, keys: InBandDetector, timestamp: int, now: float) -> None:
        """Take the time in which nothing was sent for silence."""
        gap_ts = (timestamp - self._due_ts) & 0xFFFFFFFF if self._due_ts is not None else 0
        if 0 < gap_ts < 1 << 31:
            silent = np.zeros(min(gap_ts // self._units, _MOST_SILENT), np.float32)
            self._tell(keys.hear(silent), now)

    def _tell(self, digits: list[DetectedDigit], now: float) -> None:
        for digit in digits:
            if self._loudness is None or self._loudness.is_alone(digit.duration_s):
                self._on_digit(digit.digit, now)

    def _listen_for_beep(self, beep: BeepDetector, samples: Floats, now: float) -> None:
        if self._began_at is None:
            self._began_at = now
        if now - self._began_at > BEEP_LIMIT_S:
            self._beep = None
        elif beep.hear(samples):
            self._on_beep()
