"""What a receiver knows of one incoming stream, for its reports: loss, order and jitter (RFC 3550 §6.4.1)."""

import struct
from dataclasses import dataclass, field

from intercom.media.rtcp import ReportBlock, SenderReport, ntp_middle
from intercom.media.rtp import Buffer

_NUMBERS = struct.Struct("!2xHII")  # of an RTP header
_MAX_SEQUENCE_DROPOUT = 3000  # RFC 3550 appendix A.1
_MAX_JITTER_S = 2
"""A packet that is further off its time is a new start of the source's clock."""


@dataclass(slots=True)
class Reception:
    """One stream that comes in. `clock_hz` is the clock of its timestamps, 8000 for G.722 too."""

    clock_hz: int = 8000
    ssrc: int | None = None
    received: int = 0
    _first: int = 0
    _highest: int = 0
    _transit: int | None = None
    """How far the last packet's arrival was from its timestamp, in units of the clock."""
    _jitter: int = 0
    """Sixteen times the jitter, as in RFC 3550 appendix A.8."""
    _reported: tuple[int, int] = field(default=(0, 0))
    """(expected, received) at the last report."""
    _last_report: int = 0
    _last_report_at: float = 0.0

    @property
    def jitter_ts(self) -> int:
        """The mean deviation of the packets' distances, in units of the clock."""
        return self._jitter >> 4

    def hear(self, ssrc: int, sequence_number: int, timestamp: int, now: float) -> None:
        """Count one packet of sound or picture that came in `now`."""
        if ssrc == self.ssrc and (sequence_number - self._highest) & 0xFFFF == 1:
            self._highest += 1
            self.received += 1
        else:
            self.count(ssrc, sequence_number)
        transit = int(now * self.clock_hz) - timestamp
        previous, self._transit = self._transit, transit
        if previous is None:
            return
        off = (transit - previous) & 0xFFFFFFFF
        if off > 0x7FFFFFFF:
            off = 0x100000000 - off
        if off < _MAX_JITTER_S * self.clock_hz:
            self._jitter += off - ((self._jitter + 8) >> 4)

    def hear_packet(self, packet: Buffer, now: float) -> None:
        """Count one packet by its header."""
        sequence_number, timestamp, ssrc = _NUMBERS.unpack_from(packet)
        self.hear(ssrc, sequence_number, timestamp, now)

    def count_packet(self, packet: Buffer) -> None:
        """Count one packet whose time says nothing: a telephone-event repeats that of its beginning."""
        sequence_number, _, ssrc = _NUMBERS.unpack_from(packet)
        self.count(ssrc, sequence_number)

    def count(self, ssrc: int, sequence_number: int) -> None:
        """Count one packet by its number."""
        if ssrc != self.ssrc:
            self._restart(ssrc, sequence_number)
        ahead = (sequence_number - self._highest) & 0xFFFF
        if ahead < _MAX_SEQUENCE_DROPOUT:
            self._highest += ahead
        elif ahead < 0x10000 - _MAX_SEQUENCE_DROPOUT:
            self._restart(ssrc, sequence_number)
        self.received += 1

    def heard_report(self, report: SenderReport, now: float) -> None:
        """Remember the peer's sender report, for its measure of the round trip."""
        self._last_report = ntp_middle(report.ntp_time)
        self._last_report_at = now

    def end(self) -> None:
        """Report no more on a source that said goodbye (RFC 3550 §6.3.4); another packet begins anew."""
        self.ssrc = None

    def block(self, now: float) -> ReportBlock | None:
        """Give the block for the next report; None if nothing has come yet (RFC 3550 appendix A.3)."""
        if self.ssrc is None:
            return None
        expected = self._highest - self._first + 1
        expected_now = expected - self._reported[0]
        lost_now = expected_now - (self.received - self._reported[1])
        self._reported = (expected, self.received)
        fraction = max(0, (lost_now << 8) // expected_now) if expected_now else 0
        delay = int((now - self._last_report_at) * 65536) if self._last_report else 0
        return ReportBlock(
            self.ssrc,
            min(fraction, 255),
            max(-0x800000, min(expected - self.received, 0x7FFFFF)),
            self._highest & 0xFFFFFFFF,
            self.jitter_ts,
            self._last_report,
            delay & 0xFFFFFFFF,
        )

    def _restart(self, ssrc: int, sequence_number: int) -> None:
        self.ssrc, self.received = ssrc, 0
        self._first = self._highest = sequence_number
        self._reported = (0, 0)
        self._last_report = 0
        self._transit, self._jitter = None, 0
