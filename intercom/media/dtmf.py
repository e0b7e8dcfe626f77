"""Telephone keys: RFC 4733 events and SIP INFO, made into one digit a press however many copies come.

0                   1                   2                   3
|     event     |E|R| volume    |          duration             |   RFC 4733 §2.3
"""

import struct
from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from intercom.media.inband import DetectedDigit, InBandDetector, detect
from intercom.media.rtp import Buffer, serial_difference

__all__ = ["DetectedDigit", "InBandDetector", "detect"]  # what is heard in the sound itself

DIGITS = "0123456789*#ABCD"  # RFC 4733 §3.2: events 0 to 15; 16 is flash

MERGE_WINDOW_S = 1.0
"""How far apart an event and an INFO of the same press may come: an INFO that was lost on the way
is sent again after 0.5 s (timer E of RFC 3261 §17.1.2.2)."""

PTIME_MS = 20
_PAYLOAD = struct.Struct("!BBH")
_END = 0x80
_LAST_SEGMENT_DURATION = 0xFFFF  # RFC 4733 §2.5.1.3: then the next segment begins
_SAME_PRESS_S = 0.035
"""Below the shortest pause between two presses, 40 ms (ITU-T Q.24 annex A), above one packet."""
_REMEMBERED_PRESSES = 256


class DigitWay(Enum):
    """How a digit came in."""

    EVENT = "event"
    INFO = "info"
    SOUND = "sound"


@dataclass(frozen=True, slots=True)
class TelephoneEvent:
    event: int
    is_end: bool
    volume: int
    """dBm0 with the sign left out."""
    duration_ts: int


def parse_event(payload: Buffer) -> TelephoneEvent | None:
    """Read the payload of a telephone-event packet; None if it is too short."""
    if len(payload) < _PAYLOAD.size:
        return None
    event, second, duration_ts = _PAYLOAD.unpack_from(payload)
    return TelephoneEvent(event, bool(second & _END), second & 0x3F, duration_ts)


def build_event(digit: str, duration_ts: int, *, is_end: bool = False, volume: int = 10) -> bytes:
    """Build the payload of a telephone-event packet."""
    second = volume | _END if is_end else volume
    return _PAYLOAD.pack(DIGITS.index(digit), second, min(duration_ts, _LAST_SEGMENT_DURATION))


@dataclass(frozen=True, slots=True)
class EventPacket:
    """One packet of a press that is to be sent."""

    at_ms: int
    """After the press began."""
    marker: bool
    payload: bytes
    """All packets of a press carry the timestamp of its beginning (RFC 4733 §2.5.1.2)."""


def press(
    digit: str,
    *,
    press_ms: int = 160,
    clock_hz: int = 8000,
    ptime_ms: int = PTIME_MS,
    ends: int = 3,
) -> list[EventPacket]:
    """List the packets of one press, shorter than one segment, as RFC 4733 §2.5.1 sends them."""
    packets = [
        EventPacket(at_ms, at_ms == 0, build_event(digit, (at_ms + ptime_ms) * clock_hz // 1000))
        for at_ms in range(0, press_ms, ptime_ms)
    ]
    end = build_event(digit, press_ms * clock_hz // 1000, is_end=True)
    packets += [
        EventPacket(press_ms + i * ptime_ms, marker=False, payload=end) for i in range(ends)
    ]
    return packets


def code(
    digits: str, *, press_ms: int = 100, pause_ms: int = 100, clock_hz: int = 8000
) -> list[EventPacket | None]:
    """List what goes out every 20 ms for keys pressed one after another; None: nothing at that time."""
    frames: list[EventPacket | None] = []
    for digit in digits:
        packets: list[EventPacket | None] = [*press(digit, press_ms=press_ms, clock_hz=clock_hz)]
        rest = (press_ms + pause_ms) // PTIME_MS - len(packets)
        frames += packets + [None] * rest
    return frames


@dataclass(slots=True)
class _Press:
    ssrc: int
    event: int
    start_ts: int
    segment_ts: int
    extent_ts: int
    """How far after `start_ts` the press is known to reach."""
    has_ended: bool = False


class EventReceiver:
    """Turn telephone-event packets into one digit a press.

    The first packet of a press that arrives fires, whatever its marker or end bit. Copies, updates,
    repeated ends, further segments of a long press and the fresh timestamps that some senders
    put on their ends all belong to a press already fired.
    """

    def __init__(self, clock_hz: int = 8000) -> None:
        self._slack_ts = int(clock_hz * _SAME_PRESS_S)
        self._presses: deque[_Press] = deque(maxlen=_REMEMBERED_PRESSES)

    def receive(self, ssrc: int, timestamp: int, event: TelephoneEvent) -> str | None:
        """Give the digit if this packet is the first of its press."""
        if event.event >= len(DIGITS):
            return None
        for known in reversed(self._presses):
            if (
                known.ssrc == ssrc
                and known.event == event.event
                and self._belongs(known, timestamp, event)
            ):
                self._extend(known, timestamp, event)
                return None
        self._presses.append(
            _Press(ssrc, event.event, timestamp, timestamp, event.duration_ts, event.is_end)
        )
        return DIGITS[event.event]

    def _belongs(self, known: _Press, timestamp: int, event: TelephoneEvent) -> bool:
        since_start = serial_difference(timestamp, known.start_ts)
        if -self._slack_ts <= since_start <= known.extent_ts + self._slack_ts:
            return True
        if since_start < 0 or known.has_ended or known is not self._presses[-1]:
            return False
        # The packets between were lost: an end with a fresh timestamp, or the next segment.
        if since_start <= event.duration_ts + self._slack_ts:
            return True
        return serial_difference(timestamp, known.segment_ts) == _LAST_SEGMENT_DURATION

    def _extend(self, known: _Press, timestamp: int, event: TelephoneEvent) -> None:
        since_start = serial_difference(timestamp, known.start_ts)
        # An end's fresh timestamp is already where the press ended: do not add its duration.
        reach = since_start if event.is_end else since_start + event.duration_ts
        if timestamp == known.segment_ts:
            reach = since_start + event.duration_ts
        elif since_start > 0 and not event.is_end:
            known.segment_ts = timestamp
        known.extent_ts = max(known.extent_ts, reach)
        known.has_ended = known.has_ended or event.is_end


def parse_info(content_type: str, body: bytes) -> str | None:
    """Read the digit of a SIP INFO: application/dtmf-relay or application/dtmf; None if there is none."""
    kind = content_type.partition(";")[0].strip().lower()
    text = body.decode("ascii", "replace").strip()
    if kind == "application/dtmf":
        return _digit(text.splitlines()[0] if text else "")
    if kind != "application/dtmf-relay":
        return None
    for line in text.splitlines():
        name, _, value = line.partition("=")
        if name.strip().lower() == "signal":
            return _digit(value)
    return None


def _digit(text: str) -> str | None:
    """Read a key by its sign, or by its RFC 4733 number for * and # (10 and 11)."""
    sign = text.strip().strip('"').strip().upper()
    if len(sign) == 1 and sign in DIGITS:
        return sign
    return {"10": "*", "11": "#"}.get(sign)


@dataclass(slots=True)
class _Accepted:
    digit: str
    at: float
    ways: set[DigitWay] = field(default_factory=set)


class DigitMerger:
    """Make one press of one key that came by several ways into one.

    The same digit by another way within the window joins the oldest press that has not yet come by that way;
    the same way again is a press of its own, because each way counts its presses exactly. Once a leg's
    keys have come as events or INFO, what is heard in its sound is only their echo.
    """

    def __init__(self, window_s: float = MERGE_WINDOW_S) -> None:
        self._window_s = window_s
        self._recent: deque[_Accepted] = deque(maxlen=64)
        self._has_better = False

    def accept(self, way: DigitWay, digit: str, now: float) -> bool:
        """Tell whether this is a press that has not been counted yet."""
        if way is not DigitWay.SOUND:
            self._has_better = True
        elif self._has_better:
            return False
        while self._recent and now - self._recent[0].at > self._window_s:
            self._recent.popleft()
        for known in self._recent:
            if known.digit == digit and way not in known.ways:
                known.ways.add(way)
                return False
        self._recent.append(_Accepted(digit, now, {way}))
        return True
