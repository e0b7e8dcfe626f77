"""What the bridge reports by RTCP, and what it makes of others' reports."""

import pytest

from intercom.media import rtcp, rtp
from intercom.media.bridge import Bridge
from intercom.media.leg import Media
from intercom.media.reports import REPORT_INTERVAL_S
from tests.media.peers import DTMF, ManualClock, RecordingLeg


class Call:
    def __init__(self):
        self.clock = ManualClock()
        self.bridge = Bridge(on_digit=lambda *_: None, clock=self.clock, call_at=self.clock.call_at)
        self.panel = RecordingLeg("panel", self.clock)
        self.phone = RecordingLeg("phone", self.clock)
        self.bridge.attach_panel(self.panel)
        self.bridge.attach(self.phone, hears_visitor=False, is_phone=True)
        self.bridge.connect(self.phone.leg_id)

    def say(self, leg, sequence, payload_type=8, timestamp=None):
        timestamp = 160 * sequence if timestamp is None else timestamp
        packet = rtp.build_header(payload_type, sequence, timestamp, 5) + bytes(160)
        view = memoryview(packet)
        if not leg.on_sound(view, self.clock()):
            leg.on_rtp(leg, Media.AUDIO, view, self.clock())

    def talk(self, numbers, late_s=lambda n: 0.0):
        """Let both talk; each packet is `late_s(n)` behind its time."""
        start = self.clock.now
        for i, n in enumerate(numbers):
            self.clock.advance(start + 0.02 * i + late_s(n) - self.clock.now)
            self.say(self.panel, n)
            self.say(self.phone, n)

    def reports_to(self, leg):
        """Give what the last RTCP packet of sound says."""
        return rtcp.parse(
            [packet for _, media, packet in leg.sent_rtcp if media is Media.AUDIO][-1]
        )


@pytest.fixture
def call():
    one = Call()
    yield one
    one.bridge.close()


def test_each_leg_gets_a_sender_report_with_our_numbers_and_a_block_about_its_own(call):
    call.talk([n for n in range(125) if n != 60])
    call.clock.advance(REPORT_INTERVAL_S)

    for leg in (call.panel, call.phone):
        [report] = call.reports_to(leg)
        assert isinstance(report, rtcp.SenderReport)
        assert (report.packets, report.payload_bytes) == (124, 124 * 160)
        [block] = report.blocks
        assert (block.ssrc, block.packets_lost, block.highest_sequence) == (5, 1, 124)


def test_a_sender_reports_times_belong_together(call):
    call.talk(range(100))
    call.clock.advance(REPORT_INTERVAL_S)

    at, _, _ = call.phone.sent_rtcp[-1]
    [report] = call.reports_to(call.phone)
    sent_at, _, last = call.phone.sent[-1]
    passed_ts = (report.timestamp - rtp.parse(last).timestamp) & 0xFFFFFFFF
    assert passed_ts == pytest.approx((at - sent_at) * 8000, abs=1)
    assert report.ntp_time / (1 << 32) == pytest.approx(at, abs=1e-3)


def test_jitter_is_reported(call):
    call.talk(range(120), late_s=lambda n: 0.004 * (n % 2))
    call.clock.advance(REPORT_INTERVAL_S)

    [report] = call.reports_to(call.phone)

    assert 25 <= report.blocks[0].jitter_ts <= 35


def test_telephone_events_are_not_reported_as_lost(call):
    call.talk(range(10))
    for n in range(10, 20):
        call.say(call.phone, n, payload_type=DTMF, timestamp=1600)
    call.talk(range(20, 30))
    call.clock.advance(REPORT_INTERVAL_S)

    [report] = call.reports_to(call.phone)

    assert report.blocks[0].packets_lost == 0


def test_a_leg_that_is_let_go_is_told_goodbye(call):
    call.talk(range(3))

    call.bridge.detach(call.phone.leg_id)

    report, goodbye = call.reports_to(call.phone)
    assert isinstance(report, rtcp.SenderReport)
    assert goodbye == rtcp.Goodbye((report.ssrc,))


def test_the_end_of_the_call_is_told_to_all_who_were_sent_anything(call):
    call.talk(range(3))

    call.bridge.close()

    for leg in (call.panel, call.phone):
        assert isinstance(call.reports_to(leg)[-1], rtcp.Goodbye)


def test_who_was_sent_nothing_is_told_nothing(call):
    call.bridge.detach(call.phone.leg_id)

    assert call.phone.sent_rtcp == []


def test_a_goodbye_that_came_ends_the_reports_about_that_source_alone(call):
    call.talk(range(3))
    for ssrc in (6, 5):
        goodbye = rtcp.build_receiver_report(rtcp.ReceiverReport(ssrc)) + rtcp.build_goodbye(ssrc)
        call.phone.on_rtcp(call.phone, Media.AUDIO, memoryview(goodbye), call.clock())
        call.clock.advance(REPORT_INTERVAL_S)
        [report] = call.reports_to(call.phone)

        assert len(report.blocks) == (1 if ssrc == 6 else 0)


@pytest.mark.parametrize("request_key_frame", [rtcp.build_pli(9, 12), rtcp.build_fir(9, 12, 1)])
def test_a_sip_phone_with_a_picture_asks_the_panel_for_a_key_frame(call, request_key_frame):
    call.clock.advance(1.0)
    before = len(call.panel.sent_rtcp)

    call.phone.on_rtcp(call.phone, Media.VIDEO, memoryview(request_key_frame), call.clock())
    call.clock.advance(1.0)

    asked = b"".join(packet for _, media, packet in call.panel.sent_rtcp[before:])
    assert rtcp.wants_key_frame(asked)
