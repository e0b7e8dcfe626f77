"""The sound and picture of one call: who hears and sees whom, and what is played to them.

    panel's sound    ─▶ every app that rings, and the connected leg
    panel's picture  ─▶ every app
    resident's sound ─▶ the panel, from the connected leg alone
    telephone-events ─▶ nobody: a phone's become digits, all others are dropped

Generated sound takes the place of live sound for as long as it plays. All is done in the readers'
own call: no task, no queue and no copy beyond the rewritten packet.
"""

import asyncio
import secrets
from collections.abc import Callable

from intercom.media import g711, rtcp, rtp
from intercom.media.dtmf import DIGITS, DigitWay, code, parse_event
from intercom.media.leg import Media, MediaLeg
from intercom.media.member import LegStatistics, Member
from intercom.media.picture import PictureFan
from intercom.media.sequencer import (
    FRAME_MS,
    CallAt,
    Sequencer,
    encoded_clip,
    encoded_ringback,
)
from intercom.media.silence import SILENCE_LIMIT_S, SilenceWatch
from intercom.routing.ids import LegId

REPORT_INTERVAL_S = 2.5  # half of RFC 3550 §6.2's 5 s: sound and picture are in step sooner

OnDigit = Callable[[LegId, str, DigitWay], None]


class Bridge:
    """Join one panel's leg with its residents' legs; owns no leg, only what flows between them."""

    def __init__(
        self,
        *,
        on_digit: OnDigit,
        clock: Callable[[], float] | None = None,
        call_at: CallAt | None = None,
        silence_limit_s: float = SILENCE_LIMIT_S,
    ) -> None:
        """Start with nobody; `clock` and `call_at` are the running loop's unless a test gives its own."""
        self.on_key_frame_wanted: Callable[[], None] | None = None
        """Called with each request to the panel, for panels that want it by SIP INFO as well."""
        self.on_silence: Callable[[LegId], None] | None = None
        """Called with a connected leg, the panel's or the other, that sent nothing for 30 s."""
        self._on_digit = on_digit
        self._clock = clock or asyncio.get_running_loop().time
        self._call_at: CallAt = call_at or asyncio.get_running_loop().call_at
        self._panel: Member | None = None
        self._members: dict[LegId, Member] = {}
        self._listeners: tuple[Member, ...] = ()
        self._connected: Member | None = None
        self._next_source = 1
        self._is_ringing = False
        self._rang_before_connect = False
        self._is_closed = False
        self._cname = secrets.token_hex(8)  # RFC 7022 §4.2: a name for this call alone
        self._sequencer = Sequencer(self._clock, self._call_at)
        self._picture = PictureFan(
            clock=self._clock, call_at=self._call_at, ask_for_key_frame=self._send_pli
        )
        self._silence = SilenceWatch(self._clock, self._call_at, self._fell_silent, silence_limit_s)
        self._report_timer: asyncio.TimerHandle | None = None

    def attach_panel(self, leg: MediaLeg, *, sprop: str | None = None) -> None:
        """Take the panel's leg, or another in its place; `sprop` is its SDP's sprop-parameter-sets."""
        previous = self._panel
        if previous is not None:
            self._let_go(previous)
        self._panel = self._new_member(leg)
        leg.on_rtp = self._from_panel
        leg.on_rtcp = self._rtcp_from_panel
        leg.press_keys = self._press_keys
        self._picture.new_source(sprop)
        if leg.is_ready:
            self._picture.request_key_frame()
        if self._is_ringing:
            self._ring()
        self._watch_silence()
        self._start_reports()

    def attach(self, leg: MediaLeg, *, hears_visitor: bool, is_phone: bool) -> None:
        """Take a resident's leg. An app hears and sees the visitor at once, a phone waits for `connect`.

        Digits count only from legs with `is_phone`; attach a phone when it has answered. One that has
        agreed on a picture sees the visitor then.
        """
        self.detach(leg.leg_id)
        member = self._new_member(leg)
        member.hears_visitor, member.is_phone = hears_visitor, is_phone
        self._members[leg.leg_id] = member
        leg.on_rtp = self._from_resident
        leg.on_rtcp = self._rtcp_from_resident
        self._choose_listeners()
        if not is_phone or leg.out(Media.VIDEO) is not None:
            self._picture.add(leg, member.count_out)
        self._start_reports()

    def detach(self, leg_id: LegId) -> None:
        """Let a resident's leg go; unknown ones are passed over."""
        member = self._members.pop(leg_id, None)
        if member is None:
            return
        if member is self._connected:
            self._connected = None
            self._watch_silence()
        self._let_go(member)
        self._picture.remove(leg_id)
        self._choose_listeners()

    def connect(self, leg_id: LegId) -> None:
        """Open the gate between the panel and one leg; shuts it to any other. Ringback stops."""
        member = self._members.get(leg_id)
        if member is None or member is self._connected:
            return
        self._connected = member
        if not member.hears_visitor:
            member.cut()
        if self._panel is not None:
            self._panel.cut()
        self._rang_before_connect = self._is_ringing
        self.stop_ringback()
        self._choose_listeners()
        self._watch_silence()

    def disconnect(self, leg_id: LegId) -> None:
        """Shut the gate again; ringback goes on if it had not been stopped before `connect`."""
        if self._connected is None or self._connected.leg.leg_id != leg_id:
            return
        self._connected = None
        self._watch_silence()
        self._choose_listeners()
        if self._rang_before_connect:
            self.start_ringback()

    def start_ringback(self) -> None:
        """Play the ringing tone to the panel until `connect` or `stop_ringback`."""
        if not self._is_ringing and self._connected is None:
            self._is_ringing = True
            self._ring()

    def stop_ringback(self) -> None:
        """Stop the ringing tone."""
        self._is_ringing = False
        if self._panel is not None:
            self._panel.track.set_loop(b"")

    def play(self, leg_id: LegId | None, pcm: bytes) -> float:
        """Play a clip to one leg or (None) to the panel, in place of what it hears; give its length in s.

        A new clip takes the place of one that plays.
        """
        member = self._panel if leg_id is None else self._members.get(leg_id)
        if member is None or not pcm or self._is_closed:
            return 0.0
        member.track.set_clip(encoded_clip(pcm, member.leg.law))
        self._sequencer.start(member.track)
        return len(pcm) / (2 * g711.SAMPLE_RATE_HZ)

    def request_key_frame(self) -> None:
        """Ask the panel for a whole picture; at most every 500 ms, later requests wait."""
        self._picture.request_key_frame()

    def digit_by_info(self, leg_id: LegId, digit: str) -> None:
        """Take a digit that came by SIP INFO."""
        member = self._members.get(leg_id)
        if member is not None and len(digit) == 1 and digit in DIGITS:
            self._digit(member, digit, DigitWay.INFO, self._clock())

    def statistics(self, leg_id: LegId) -> LegStatistics:
        """Give a leg's figures, the panel's too; zeros for an unknown one."""
        if self._panel is not None and self._panel.leg.leg_id == leg_id:
            return self._panel.statistics
        member = self._members.get(leg_id)
        return member.statistics if member is not None else LegStatistics()

    def close(self) -> None:
        """Stop all, wipe the pictures, let the legs go (their owners close them); idempotent."""
        self._is_closed = True
        self._sequencer.close()
        self._picture.close()
        self._silence.watch()
        if self._report_timer is not None:
            self._report_timer.cancel()
            self._report_timer = None
        for member in (*self._members.values(), *([self._panel] if self._panel else [])):
            self._let_go(member)
        self._members.clear()
        self._listeners = ()
        self._panel = self._connected = None

    def _watch_silence(self) -> None:
        """Watch whoever talks: both ends, or nobody."""
        if self._panel is not None and self._connected is not None:
            self._silence.watch(self._panel, self._connected)
        else:
            self._silence.watch()

    def _fell_silent(self, leg_id: LegId) -> None:
        if self.on_silence is not None:
            self.on_silence(leg_id)

    def _new_member(self, leg: MediaLeg) -> Member:
        member = Member(leg, self._next_source)
        self._next_source += 1
        if not leg.is_ready:
            leg.on_ready = self._then_ready(leg.on_ready)
        return member

    def _then_ready(self, earlier: Callable[[MediaLeg], None] | None) -> Callable[[MediaLeg], None]:
        def ready(leg: MediaLeg) -> None:
            if earlier is not None:
                earlier(leg)
            if self._panel is not None and leg is self._panel.leg:
                self._picture.request_key_frame()
                if self._is_ringing:  # in the law that is known now
                    self._ring()
            else:
                self._picture.leg_ready(leg)

        return ready

    def _let_go(self, member: Member) -> None:
        member.leg.on_rtp = member.leg.on_rtcp = member.leg.press_keys = None
        self._sequencer.forget(member.track)

    def _press_keys(self, leg: MediaLeg, digits: str) -> float:
        """Press a door's code toward the panel, the only keys that ever go there (requirement B9)."""
        panel = self._panel
        if panel is None or panel.leg is not leg or panel.track.has_keys or self._is_closed:
            return 0.0
        if leg.dtmf_send_payload_type is None or not leg.takes_sound or not leg.is_ready:
            return 0.0
        frames = code(digits)
        panel.track.set_keys(frames)
        self._sequencer.start(panel.track)
        return len(frames) * FRAME_MS / 1000

    def _choose_listeners(self) -> None:
        self._listeners = tuple(
            member
            for member in self._members.values()
            if member.hears_visitor or member is self._connected
        )

    def _ring(self) -> None:
        if self._panel is not None and not self._is_closed:
            self._panel.track.set_loop(encoded_ringback(self._panel.leg.law))
            self._sequencer.start(self._panel.track)

    def _from_panel(self, leg: MediaLeg, media: Media, packet: memoryview, now: float) -> None:
        panel = self._panel
        if panel is None or panel.leg is not leg or len(packet) < rtp.HEADER_BYTES:
            return
        panel.heard_at = now
        payload_type = packet[1] & 0x7F
        if payload_type != leg.in_payload_type(media):
            if payload_type == leg.dtmf_payload_type and media is Media.AUDIO:
                panel.events_in += 1
                for listener in self._listeners:
                    listener.skip(packet, panel)
            return
        panel.count_in(len(packet), now)
        panel.reception[media].count_packet(packet)
        if media is Media.VIDEO:
            self._picture.receive(packet, now)
            return
        for listener in self._listeners:
            listener.send_live(packet, panel, now)

    def _from_resident(self, leg: MediaLeg, media: Media, packet: memoryview, now: float) -> None:
        member = self._members.get(leg.leg_id)
        if member is None or media is Media.VIDEO or len(packet) < rtp.HEADER_BYTES:
            return
        member.heard_at = now
        payload_type = packet[1] & 0x7F
        if payload_type == leg.dtmf_payload_type:
            self._telephone_event(member, packet, now)
            return
        if payload_type != leg.in_payload_type(media):
            return
        member.count_in(len(packet), now)
        member.reception[media].count_packet(packet)
        if member is self._connected and self._panel is not None:
            self._panel.send_live(packet, member, now)

    def _telephone_event(self, member: Member, packet: memoryview, now: float) -> None:
        member.events_in += 1
        if member is self._connected and self._panel is not None:
            self._panel.skip(packet, member)
        header = rtp.parse(packet) if member.is_phone else None
        if header is None:
            return
        member.last_rtp_at = now
        event = parse_event(packet[header.payload_start : header.payload_end])
        if event is None:
            return
        digit = member.events.receive(header.ssrc, header.timestamp, event)
        if digit is not None:
            self._digit(member, digit, DigitWay.EVENT, now)

    def _digit(self, member: Member, digit: str, way: DigitWay, now: float) -> None:
        if member.is_phone and member.merger.accept(way, digit, now):
            self._on_digit(member.leg.leg_id, digit, way)

    def _rtcp_from_panel(self, leg: MediaLeg, media: Media, packet: memoryview, now: float) -> None:
        if self._panel is not None and self._panel.leg is leg:
            self._hear_reports(self._panel, media, packet, now)

    def _rtcp_from_resident(
        self, leg: MediaLeg, media: Media, packet: memoryview, now: float
    ) -> None:
        member = self._members.get(leg.leg_id)
        if member is None:
            return
        self._hear_reports(member, media, packet, now)
        is_picture = media is Media.VIDEO or not member.is_phone
        if is_picture and rtcp.wants_key_frame(packet):
            self._picture.request_key_frame()

    def _hear_reports(self, member: Member, media: Media, packet: memoryview, now: float) -> None:
        member.heard_at = now
        for report in rtcp.parse(packet):
            if isinstance(report, rtcp.SenderReport):
                member.reception[media].heard_report(report, now)

    def _send_pli(self) -> None:
        panel = self._panel
        stream = panel.leg.out(Media.VIDEO) if panel is not None else None
        if panel is None or stream is None or not panel.leg.is_ready:
            return
        report = rtcp.build_receiver_report(rtcp.ReceiverReport(stream.ssrc))
        name = rtcp.build_cname(stream.ssrc, self._cname)
        pli = rtcp.build_pli(stream.ssrc, panel.reception[Media.VIDEO].ssrc or 0)
        panel.leg.send_rtcp(Media.VIDEO, report + name + pli)
        if self.on_key_frame_wanted is not None:
            self.on_key_frame_wanted()

    def _start_reports(self) -> None:
        if self._report_timer is None and not self._is_closed:
            at = self._clock() + REPORT_INTERVAL_S
            self._report_timer = self._call_at(at, self._send_reports)

    def _send_reports(self) -> None:
        self._report_timer = None
        now = self._clock()
        for member in (*self._members.values(), *([self._panel] if self._panel else [])):
            if not member.leg.is_ready:
                continue
            for media in Media:
                sender = member.sender
                if media is Media.VIDEO:
                    sender = self._picture.sender_of(member.leg.leg_id)
                report = member.report(media, sender, self._cname, now)
                if report is not None:
                    member.leg.send_rtcp(media, report)
        self._picture.wake()
        self._start_reports()
