"""RTCP of one call: sender and receiver reports toward every leg, and what the legs report.

Each leg is a receiver of its own: reports are ours, about what came to us and what we send, and are
never passed through (the numbers of our streams are not those of theirs).
"""

import asyncio
import secrets
from collections.abc import Callable, Iterable

from intercom.media import rtcp, rtcp_feedback
from intercom.media.leg import Media
from intercom.media.member import Member
from intercom.media.picture import PictureFan
from intercom.media.rtp import RtpSender
from intercom.media.sequencer import CallAt

REPORT_INTERVAL_S = 2.5  # half of RFC 3550 §6.2's 5 s: sound and picture are in step sooner

_NTP_UNITS = 1 << 32


class Reports:
    """Speak and hear RTCP for the members of a bridge."""

    def __init__(
        self,
        clock: Callable[[], float],
        call_at: CallAt,
        members: Callable[[], Iterable[Member]],
        picture: PictureFan,
    ) -> None:
        """Start silent; `members` gives all that are in the call now, the panel too."""
        self._clock, self._call_at = clock, call_at
        self._members = members
        self._picture = picture
        self._cname = secrets.token_hex(8)  # RFC 7022 §4.2: a name for this call alone
        self._fir_number = 0
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    def start(self) -> None:
        """Report from now on, until `close`."""
        if self._timer is None and not self._is_closed:
            self._timer = self._call_at(self._clock() + REPORT_INTERVAL_S, self._send)

    def close(self) -> None:
        """Report no more; idempotent."""
        self._is_closed = True
        self._members = tuple
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def hear(self, member: Member, media: Media, packet: memoryview, now: float) -> None:
        """Take what a leg reports."""
        member.heard_at = member.reported_at[media] = now
        reports = rtcp.parse(packet)
        for report in reports:
            if isinstance(report, rtcp.SenderReport):
                member.reception[media].heard_report(report, now)
            if isinstance(report, rtcp.SenderReport | rtcp.ReceiverReport):
                for block in report.blocks:
                    member.heard_of_us(block.ssrc, block.highest_sequence)
            if isinstance(report, rtcp.Goodbye) and member.reception[media].ssrc in report.ssrcs:
                member.reception[media].end()
        if media is Media.VIDEO or not member.is_phone:  # a phone's has ports of its own
            self._picture.hear(member.leg.leg_id, reports, now)

    def ask_for_key_frame(self, panel: Member) -> None:
        """Ask the panel for a key frame in the way that it agreed to: PLI, FIR, or, silent, by both.

        Where its leg says so, it is asked by SIP INFO as well.
        """
        stream = panel.leg.out(Media.VIDEO)
        if stream is None or not panel.leg.is_ready:
            return
        ours, its = stream.ssrc, panel.reception[Media.VIDEO].ssrc or 0
        agreed = panel.leg.picture_feedback
        requests = b""
        if "nack pli" in agreed or "ccm fir" not in agreed:
            requests += rtcp.build_pli(ours, its)
        if "nack pli" not in agreed:
            self._fir_number += 1
            requests += rtcp.build_fir(ours, its, self._fir_number)
        self._send_feedback(panel, ours, requests)
        if panel.leg.on_key_frame_wanted is not None:
            panel.leg.on_key_frame_wanted()

    def ask_for_rate(self, panel: Member, bits_per_s: int) -> None:
        """Ask the panel for so many bits a second at most, if it agreed to be asked."""
        stream = panel.leg.out(Media.VIDEO)
        if stream is None or not panel.leg.is_ready:
            return
        ours, its = stream.ssrc, panel.reception[Media.VIDEO].ssrc or 0
        agreed = panel.leg.picture_feedback
        if "ccm tmmbr" in agreed:
            request = rtcp_feedback.build_rate_request(ours, its, bits_per_s)
            self._send_feedback(panel, ours, request)
        elif "goog-remb" in agreed:
            request = rtcp_feedback.build_estimate(ours, bits_per_s, (its,))
            self._send_feedback(panel, ours, request)

    def say_goodbye(self, member: Member) -> None:
        """Tell a leg that our streams toward it end (RFC 3550 §6.6)."""
        for media in Media:
            sender, stream = self._sender(member, media), member.leg.out(media)
            if not sender or not sender.packets_sent or not stream or not member.leg.is_ready:
                continue  # nothing was sent, so nothing ends
            report = self._report(member, media, self._clock())
            if report is not None:
                member.leg.send_rtcp(media, report + rtcp.build_goodbye(stream.ssrc))

    def _send_feedback(self, panel: Member, ssrc: int, feedback: bytes) -> None:
        report = rtcp.build_receiver_report(rtcp.ReceiverReport(ssrc))
        name = rtcp.build_cname(ssrc, self._cname)
        panel.leg.send_rtcp(Media.VIDEO, report + name + feedback)

    def _send(self) -> None:
        self._timer = None
        now = self._clock()
        for member in self._members():
            if not member.leg.is_ready:
                continue
            member.leg.settle(now)
            for media in Media:
                packet = self._report(member, media, now)
                if packet is not None:
                    member.leg.send_rtcp(media, packet)
        self._picture.wake()
        self.start()

    def _report(self, member: Member, media: Media, now: float) -> bytes | None:
        """Build the RTCP that is due toward a leg; None where it has no such media."""
        stream = member.leg.out(media)
        if stream is None:
            return None
        block = member.reception[media].block(now)
        blocks = (block,) if block is not None else ()
        sender = self._sender(member, media)
        timestamp = sender.timestamp_at(now) if sender is not None else None
        if sender is None or timestamp is None:
            report = rtcp.build_receiver_report(rtcp.ReceiverReport(stream.ssrc, blocks))
        else:
            report = rtcp.build_sender_report(
                rtcp.SenderReport(
                    stream.ssrc,
                    # Only differences between our own streams matter (RFC 3550 §6.4.1).
                    int(now * _NTP_UNITS) & 0xFFFFFFFFFFFFFFFF,
                    timestamp,
                    sender.packets_sent,
                    sender.payload_bytes_sent,
                    blocks,
                )
            )
        return report + rtcp.build_cname(stream.ssrc, self._cname)

    def _sender(self, member: Member, media: Media) -> RtpSender | None:
        if media is Media.VIDEO:
            return self._picture.sender_of(member.leg.leg_id)
        return member.sender
