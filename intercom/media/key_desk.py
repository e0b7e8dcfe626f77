"""The keys of one call: which press of which leg counts, whichever way it came.

    telephone-event ┐
    SIP INFO        ├─▶ one press? (DigitMerger) ─▶ the visitor's own tone? (ToneVeto) ─▶ on_digit
    the sound       ┘

Only an answered phone has keys. An app opens by command; the panel's keys are nobody's.
"""

from collections.abc import Callable

from intercom.media import rtp
from intercom.media.dtmf import DIGITS, DigitWay, parse_event
from intercom.media.member import Member
from intercom.media.phone_ear import PhoneEar
from intercom.media.tone_guard import ToneGuard, ToneVeto
from intercom.routing.ids import LegId

OnDigit = Callable[[LegId, str, DigitWay], None]
OnBeep = Callable[[LegId], None]


class KeyDesk:
    """Give the legs their taps and take what is pressed."""

    def __init__(self, on_digit: OnDigit, on_beep: OnBeep | None = None) -> None:
        self._on_digit, self._on_beep = on_digit, on_beep
        self._veto = ToneVeto()

    def take(self, member: Member) -> None:
        """Listen to a phone that has answered."""

        def pressed(digit: str, now: float) -> None:
            self.press(member, digit, DigitWay.SOUND, now)

        def beeped() -> None:
            if self._on_beep is not None:
                self._on_beep(member.leg.leg_id)

        member.tap = PhoneEar(member.leg, pressed, beeped)

    def close(self) -> None:
        """Give nobody a press any more."""
        self._on_digit, self._on_beep = _pass_over, None

    def guard(self, panel: Member, *, has_phone: bool) -> None:
        """Guard the panel's sound as long as a phone may hear it."""
        if not has_phone:
            panel.tap = None
        elif panel.tap is None:
            panel.tap = ToneGuard(panel.leg, self._veto)

    def event(self, member: Member, packet: memoryview, now: float) -> None:
        """Take a telephone-event packet of a phone; what is no key is passed over (RFC 4733 §3.2)."""
        header = rtp.parse(packet) if member.is_phone else None
        if header is None:
            return
        member.last_rtp_at = now
        ear = member.tap if isinstance(member.tap, PhoneEar) else None
        if ear is not None:
            ear.pass_over(packet)
        event = parse_event(packet[header.payload_start : header.payload_end])
        if event is None or event.event >= len(DIGITS):
            return
        digit = member.events_on(header.payload_type).receive(header.ssrc, header.timestamp, event)
        if digit is not None:
            self.press(member, digit, DigitWay.EVENT, now)

    def press(self, member: Member, digit: str, way: DigitWay, now: float) -> None:
        """Take one press as one way knows it."""
        if not member.is_phone:
            return
        ear = member.tap if isinstance(member.tap, PhoneEar) else None
        if way is not DigitWay.SOUND and ear is not None:
            ear.stop_keys()
        # A press that is vetoed is counted all the same: its copies by other ways are no presses.
        is_new = member.merger.accept(way, digit, now)
        if not is_new or self._veto.forbids(digit, now):
            return
        if ear is not None:
            ear.stop_beep()
        self._on_digit(member.leg.leg_id, digit, way)


def _pass_over(_leg_id: LegId, _digit: str, _way: DigitWay) -> None:
    """Take a press for nothing."""
