"""The sound and picture of one call: who hears and sees whom, and what is played to them.

    panel's sound    ─▶ every app that rings, and the connected leg
    panel's picture  ─▶ every app
    resident's sound ─▶ the panel, from the connected leg alone
    telephone-events ─▶ nobody: a phone's become digits, all others are dropped

Generated sound takes the place of live sound for as long as it plays. All is done in the readers'
own call: no task, no queue and no copy beyond the rewritten packet.
"""

import asyncio
from collections.abc import Callable

from intercom.media import g711, rtp
from intercom.media.clips import FRAME_MS, encoded_clip, encoded_ringback
from intercom.media.conversion import Transcodings
from intercom.media.dtmf import DIGITS, DigitWay, code
from intercom.media.key_desk import KeyDesk, OnBeep, OnDigit
from intercom.media.leg import Media, MediaLeg
from intercom.media.member import LegStatistics, Member
from intercom.media.picture import PictureFan
from intercom.media.reports import Reports
from intercom.media.sequencer import CallAt, Sequencer
from intercom.media.silence import SILENCE_LIMIT_S
from intercom.media.sound_path import SoundPath
from intercom.media.supervision import Supervision
from intercom.routing.ids import LegId


class Bridge:
    """Join one panel's leg with its residents' legs; owns no leg, only what flows between them."""

    def __init__(
        self,
        *,
        on_digit: OnDigit,
        on_beep: OnBeep | None = None,
        clock: Callable[[], float] | None = None,
        call_at: CallAt | None = None,
        silence_limit_s: float = SILENCE_LIMIT_S,
        sequencer: Sequencer | None = None,
        transcodings: Transcodings | None = None,
    ) -> None:
        """Start with nobody; `clock` and `call_at` are the running loop's unless a test gives its own.

        Calls share the `sequencer` and the `transcodings` of their switchboard.
        """
        self.transcodings = transcodings or Transcodings()
        """How many there are and may be; a leg asks before it offers what would need one."""
        self._keys = KeyDesk(on_digit, on_beep)
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
        self._sequencer = sequencer or Sequencer(self._clock, self._call_at)
        self._picture = PictureFan(
            clock=self._clock,
            call_at=self._call_at,
            ask_for_key_frame=self._ask_for_key_frame,
            ask_for_rate=self._ask_for_rate,
        )
        self.supervision = Supervision(self._clock, self._call_at, silence_limit_s)
        """Tells of what stopped coming; set what it calls."""
        self._reports = Reports(self._clock, self._call_at, self._everybody, self._picture)

    def attach_panel(self, leg: MediaLeg, *, sprop: str | None = None) -> None:
        """Take the panel's leg, or another in its place; `sprop` is its SDP's sprop-parameter-sets."""
        previous = self._panel
        if previous is not None:
            self._let_go(previous)
        self._panel = self._new_member(leg)
        leg.on_rtp = self._from_panel
        leg.on_rtcp = self._rtcp_from_panel
        leg.press_keys = self._press_keys
        self._lay_paths()
        self._picture.new_source(sprop)
        if leg.is_ready:
            self._picture.request_key_frame()
        if self._is_ringing:
            self._ring()
        self._supervise()
        self._reports.start()

    def attach(self, leg: MediaLeg, *, hears_visitor: bool, is_phone: bool) -> None:
        """Take a resident's leg. An app hears and sees the visitor at once, a phone waits for `connect`.

        Digits count only from legs with `is_phone`; attach a phone when it has answered. One that has
        agreed on a picture sees the visitor then.
        """
        self.detach(leg.leg_id)
        member = self._new_member(leg)
        member.hears_visitor, member.is_phone = hears_visitor, is_phone
        if is_phone:
            self._keys.take(member)
        self._members[leg.leg_id] = member
        leg.on_rtp = self._from_resident
        leg.on_rtcp = self._rtcp_from_resident
        self._choose_listeners()
        if not is_phone or leg.out(Media.VIDEO) is not None:
            self._picture.add(leg, member.count_picture_out)
        self._reports.start()

    def detach(self, leg_id: LegId) -> None:
        """Let a resident's leg go; unknown ones are passed over."""
        member = self._members.pop(leg_id, None)
        if member is None:
            return
        if member is self._connected:
            self._connected = None
            self._supervise()
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
        self._supervise()

    def disconnect(self, leg_id: LegId) -> None:
        """Shut the gate again; ringback goes on if it had not been stopped before `connect`."""
        if self._connected is None or self._connected.leg.leg_id != leg_id:
            return
        self._connected = None
        self._supervise()
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
            self._panel.track.set_loop(())

    def play(self, leg_id: LegId | None, pcm: bytes) -> float:
        """Play a clip to one leg or (None) to the panel, in place of what it hears; give its length in s.

        A new clip takes the place of one that plays.
        """
        member = self._panel if leg_id is None else self._members.get(leg_id)
        if member is None or not pcm or self._is_closed:
            return 0.0
        member.track.set_clip(encoded_clip(pcm, member.leg.codec))
        self._sequencer.start(member.track)
        return len(pcm) / (2 * g711.SAMPLE_RATE_HZ)

    def request_key_frame(self) -> None:
        """Ask the panel for a whole picture; at most every 500 ms, later requests wait."""
        self._picture.request_key_frame()

    def digit_by_info(self, leg_id: LegId, digit: str) -> None:
        """Take a digit that came by SIP INFO."""
        member = self._members.get(leg_id)
        if member is not None and len(digit) == 1 and digit in DIGITS:
            self._keys.press(member, digit, DigitWay.INFO, self._clock())

    def statistics(self, leg_id: LegId) -> LegStatistics:
        """Give a leg's figures, the panel's too; zeros for an unknown one."""
        if self._panel is not None and self._panel.leg.leg_id == leg_id:
            return self._panel.statistics
        member = self._members.get(leg_id)
        return member.statistics if member is not None else LegStatistics()

    def close(self) -> None:
        """Stop all, wipe the pictures, let the legs go (their owners close them); idempotent."""
        self._is_closed = True
        self.supervision.close()
        self._reports.close()
        for member in self._everybody():
            self._let_go(member)
        self._picture.close()
        self._keys.close()
        self._members.clear()
        self._listeners = ()
        self._panel = self._connected = None

    def _everybody(self) -> list[Member]:
        return [*self._members.values(), *([self._panel] if self._panel else [])]

    def _supervise(self) -> None:
        self.supervision.watch(self._panel, self._connected)

    def _new_member(self, leg: MediaLeg) -> Member:
        member = Member(leg, self._next_source, transcodings=self.transcodings)
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
        self._reports.say_goodbye(member)
        leg = member.leg
        leg.on_rtp = leg.on_rtcp = leg.on_sound = leg.press_keys = None
        member.tap = None
        self._sequencer.forget(member.track)
        member.converter.close()

    def _press_keys(self, leg: MediaLeg, digits: str) -> float:
        """Press a door's code toward the panel, the only keys that ever go there (requirement B9)."""
        panel = self._panel
        if panel is None or panel.leg is not leg or panel.track.has_keys or self._is_closed:
            return 0.0
        if leg.dtmf_send_payload_type is None or not leg.takes_sound or not leg.is_ready:
            return 0.0
        frames = code(digits, clock_hz=leg.dtmf_clock_hz)
        panel.track.set_keys(frames)
        self._sequencer.start(panel.track)
        return len(frames) * FRAME_MS / 1000

    def _choose_listeners(self) -> None:
        self._listeners = tuple(
            member
            for member in self._members.values()
            if member.hears_visitor or member is self._connected
        )
        self._lay_paths()

    def _lay_paths(self) -> None:
        """Lay the short way of everybody's sound anew."""
        panel = self._panel
        if panel is not None:
            self._keys.guard(panel, has_phone=any(each.is_phone for each in self._members.values()))
            panel.leg.on_sound = SoundPath(panel, self._listeners).carry
        for member in self._members.values():
            is_heard = panel is not None and member is self._connected
            listeners = (panel,) if panel is not None and is_heard else ()
            member.leg.on_sound = SoundPath(member, listeners).carry

    def _ring(self) -> None:
        if self._panel is not None and not self._is_closed:
            self._panel.track.set_loop(encoded_ringback(self._panel.leg.codec))
            self._sequencer.start(self._panel.track)

    def _from_panel(self, leg: MediaLeg, media: Media, packet: memoryview, now: float) -> None:
        panel = self._panel
        if panel is None or panel.leg is not leg or len(packet) < rtp.HEADER_BYTES:
            return
        panel.heard_at = now
        payload_type = packet[1] & 0x7F
        if payload_type != leg.in_payload_type(media):
            if media is Media.AUDIO and payload_type in leg.event_clocks:
                panel.events_in += 1
                panel.reception[media].count_packet(packet)
                for listener in self._listeners:
                    listener.skip(packet, panel)
            else:
                panel.count_unwanted(payload_type, now)
            return
        panel.count_in(len(packet), now)
        panel.reception[media].hear_packet(packet, now)
        if media is Media.VIDEO:
            self._picture.receive(packet, now)
            return
        sound = packet if panel.tap is None else panel.tap.hear(packet, now)
        for listener in self._listeners:
            if sound is None:
                listener.skip(packet, panel)
            else:
                listener.send_live(sound, panel, now)

    def _from_resident(self, leg: MediaLeg, media: Media, packet: memoryview, now: float) -> None:
        member = self._members.get(leg.leg_id)
        if member is None or media is Media.VIDEO or len(packet) < rtp.HEADER_BYTES:
            return
        member.heard_at = now
        payload_type = packet[1] & 0x7F
        if payload_type != leg.in_payload_type(media):
            if payload_type in leg.event_clocks:
                self._telephone_event(member, packet, now)
            else:
                member.count_unwanted(payload_type, now)
            return
        member.count_in(len(packet), now)
        member.reception[media].hear_packet(packet, now)
        sound = packet if member.tap is None else member.tap.hear(packet, now)
        if member is not self._connected or self._panel is None:
            return
        if sound is None:
            self._panel.skip(packet, member)
        else:
            self._panel.send_live(sound, member, now)

    def _telephone_event(self, member: Member, packet: memoryview, now: float) -> None:
        member.events_in += 1
        member.reception[Media.AUDIO].count_packet(packet)
        if member is self._connected and self._panel is not None:
            self._panel.skip(packet, member)
        self._keys.event(member, packet, now)

    def _rtcp_from_panel(self, leg: MediaLeg, media: Media, packet: memoryview, now: float) -> None:
        if self._panel is not None and self._panel.leg is leg:
            self._reports.hear(self._panel, media, packet, now)

    def _rtcp_from_resident(
        self, leg: MediaLeg, media: Media, packet: memoryview, now: float
    ) -> None:
        member = self._members.get(leg.leg_id)
        if member is None:
            return
        self._reports.hear(member, media, packet, now)

    def _ask_for_key_frame(self) -> None:
        if self._panel is not None:
            self._reports.ask_for_key_frame(self._panel)

    def _ask_for_rate(self, bits_per_s: int) -> None:
        if self._panel is not None:
            self._reports.ask_for_rate(self._panel, bits_per_s)
