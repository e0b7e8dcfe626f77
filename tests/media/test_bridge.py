"""Who hears and sees whom, on real sockets of 127.0.0.1."""

import asyncio
import random
import socket
from itertools import pairwise

import pytest

from intercom.media import dtmf, g711, h264, rtcp, rtcp_feedback, rtp, tones
from intercom.media.bridge import Bridge
from intercom.media.dtmf import DigitWay
from intercom.media.leg import Media
from intercom.media.reports import REPORT_INTERVAL_S
from intercom.sip.offer_answer import Codec
from tests.media.peers import DTMF, HOST, ManualClock, Peer, RecordingLeg, delivered
from tests.media.test_h264 import IDR, PPS, SLICE, SPS, Camera

VOICE = bytes(range(160))


class Scene:
    """A panel, and whoever a test adds."""

    def __init__(self):
        self.digits = []
        self.bridge = Bridge(on_digit=lambda *pressed: self.digits.append(pressed))
        self.peers = []
        self.panel = self.add("panel", has_video=True, ssrc=1)
        self.bridge.attach_panel(self.panel.leg)

    def add(self, name, **shape):
        peer = Peer(name, **shape)
        self.peers.append(peer)
        return peer

    def phone(self, name="phone", **shape):
        peer = self.add(name, ssrc=2, **shape)
        self.bridge.attach(peer.leg, hears_visitor=False, is_phone=True)
        return peer

    def app(self, name="app", **shape):
        peer = self.add(name, has_video=True, ssrc=3, **shape)
        self.bridge.attach(peer.leg, hears_visitor=True, is_phone=False)
        return peer

    def close(self):
        self.bridge.close()
        for peer in self.peers:
            peer.close()


@pytest.fixture
async def scene():
    one = Scene()
    yield one
    one.close()


def payloads(peer, which=0):
    return [payload for _, payload in peer.heard(which)]


async def both_talk(scene, resident):
    scene.panel.say(VOICE)
    resident.say(VOICE[::-1])
    await delivered()


async def test_while_the_gate_is_shut_no_packet_passes_to_or_from_a_phone(scene):
    phone = scene.phone()

    for _ in range(20):
        await both_talk(scene, phone)

    assert phone.heard() == []
    assert scene.panel.heard() == []


async def test_while_the_gate_is_open_sound_passes_both_ways_bit_exact(scene):
    phone = scene.phone()

    scene.bridge.connect(phone.leg.leg_id)
    for _ in range(5):
        await both_talk(scene, phone)

    assert payloads(phone) == [VOICE] * 5
    assert payloads(scene.panel) == [VOICE[::-1]] * 5


async def test_an_app_hears_the_visitor_before_the_answer_and_is_heard_only_after(scene):
    app = scene.app()

    await both_talk(scene, app)
    assert payloads(app) == [VOICE]
    assert scene.panel.heard() == []
    scene.bridge.connect(app.leg.leg_id)
    await both_talk(scene, app)

    assert payloads(app) == [VOICE]
    assert payloads(scene.panel) == [VOICE[::-1]]


async def test_only_the_one_connected_leg_is_heard(scene):
    first, second = scene.app("first"), scene.phone("second")
    scene.bridge.connect(first.leg.leg_id)

    scene.bridge.connect(second.leg.leg_id)
    first.say(b"1" * 160)
    second.say(b"2" * 160)
    await delivered()

    assert payloads(scene.panel) == [b"2" * 160]


async def test_disconnecting_shuts_the_gate_and_detaching_ends_all(scene):
    phone = scene.phone()
    scene.bridge.connect(phone.leg.leg_id)
    scene.bridge.disconnect(phone.leg.leg_id)
    await both_talk(scene, phone)
    assert phone.heard() == scene.panel.heard() == []

    scene.bridge.connect(phone.leg.leg_id)
    scene.bridge.detach(phone.leg.leg_id)
    await both_talk(scene, phone)

    assert phone.heard() == scene.panel.heard() == []


async def test_different_laws_are_converted_in_both_directions(scene):
    phone = scene.phone(codec=Codec.PCMU)
    scene.bridge.connect(phone.leg.leg_id)

    await both_talk(scene, phone)

    [(header, heard)] = phone.heard()
    assert heard == g711.convert(VOICE, Codec.PCMA, Codec.PCMU)
    assert header.payload_type == 0
    assert payloads(scene.panel) == [g711.convert(VOICE[::-1], Codec.PCMU, Codec.PCMA)]


async def test_rtp_from_a_wrong_address_reaches_neither_the_sound_nor_the_digits(scene):
    phone = scene.phone()
    scene.bridge.connect(phone.leg.leg_id)
    await both_talk(scene, phone)
    assert len(scene.panel.heard()) == 1
    forged_sound = rtp.build_header(8, 1001, 160160, 2) + bytes(160)
    forged_five = rtp.build_header(DTMF, 1001, 160160, 2) + dtmf.build_event("5", 160)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for _ in range(500):
            stranger.sendto(forged_sound, (HOST, phone.leg.audio_port))
            stranger.sendto(forged_five, (HOST, phone.leg.audio_port))
            await asyncio.sleep(0)
        await delivered()

    assert scene.panel.heard() == []
    assert scene.digits == []
    assert phone.leg.wrong_source_packets == 1000


async def test_a_phones_press_is_one_digit_and_no_event_reaches_the_panel(scene):
    phone = scene.phone()
    scene.bridge.connect(phone.leg.leg_id)
    phone.say(VOICE)
    for packet in dtmf.press("5"):
        phone.say(packet.payload, payload_type=DTMF, timestamp=160_160, marker=packet.marker)
    phone.say(VOICE)
    await delivered()

    heard = scene.panel.heard()

    assert scene.digits == [("phone", "5", DigitWay.EVENT)]
    assert [payload for _, payload in heard] == [VOICE, VOICE]
    assert heard[1][0].sequence_number - heard[0][0].sequence_number & 0xFFFF == 1
    assert scene.bridge.statistics(phone.leg.leg_id).events_in == len(dtmf.press("5"))


async def test_a_visitors_event_reaches_nobody_and_is_no_digit(scene):
    phone, app = scene.phone(), scene.app()
    scene.bridge.connect(phone.leg.leg_id)

    for packet in dtmf.press("5"):
        scene.panel.say(packet.payload, payload_type=DTMF, timestamp=0)
    await delivered()

    assert scene.digits == []
    assert phone.heard() == app.heard() == []


async def test_an_apps_event_is_no_digit_and_reaches_nobody(scene):
    app = scene.app()
    scene.bridge.connect(app.leg.leg_id)

    for packet in dtmf.press("5"):
        app.say(packet.payload, payload_type=DTMF, timestamp=0)
    scene.bridge.digit_by_info(app.leg.leg_id, "5")
    await delivered()

    assert scene.digits == []
    assert scene.panel.heard() == []


async def test_a_press_by_event_and_by_info_is_one_digit(scene):
    phone = scene.phone()

    phone.say(dtmf.build_event("5", 160), payload_type=DTMF, timestamp=0)
    await delivered()
    scene.bridge.digit_by_info(phone.leg.leg_id, "5")
    scene.bridge.digit_by_info(phone.leg.leg_id, "no digit")
    scene.bridge.digit_by_info("nobody", "5")

    assert scene.digits == [("phone", "5", DigitWay.EVENT)]


@pytest.mark.parametrize("clock_hz", [8000, 16000, 48000])
async def test_twenty_presses_on_a_bad_wire_are_twenty_digits(scene, clock_hz):
    rng = random.Random(clock_hz)
    phone = scene.phone(dtmf_clock_hz=clock_hz)
    timestamp = 0xFFFF0000

    for n in range(20):
        packets = [p for p in dtmf.press(str(n % 10), clock_hz=clock_hz) if rng.random() > 0.2]
        rng.shuffle(packets)
        for packet in packets + packets[:2]:
            phone.say(packet.payload, payload_type=DTMF, timestamp=timestamp)
        timestamp = (timestamp + clock_hz // 4) & 0xFFFFFFFF
        await delivered()

    assert "".join(digit for _, digit, _ in scene.digits) == "01234567890123456789"


async def test_the_visitor_hears_ringback_until_the_answer(scene):
    phone = scene.phone()
    scene.bridge.start_ringback()
    await asyncio.sleep(0.5)
    heard = scene.panel.heard()
    pcm = g711.decode(b"".join(payload for _, payload in heard), Codec.PCMA)

    scene.bridge.connect(phone.leg.leg_id)
    await both_talk(scene, phone)

    assert len(heard) >= 10
    assert tones.has_tone(pcm, 425, at_least=0.95)
    assert payloads(scene.panel) == [VOICE[::-1]]


async def test_ringback_comes_back_when_the_gate_is_shut_again(scene):
    phone = scene.phone()
    scene.bridge.start_ringback()
    scene.bridge.connect(phone.leg.leg_id)
    await delivered()
    scene.panel.heard()

    scene.bridge.disconnect(phone.leg.leg_id)
    await asyncio.sleep(0.1)

    assert len(scene.panel.heard()) >= 3


async def test_a_prompt_takes_the_place_of_the_visitor_for_its_length(scene):
    phone = scene.phone()
    scene.bridge.connect(phone.leg.leg_id)
    prompt = tones.tone([700], 130)  # six and a half frames: the rest is silence

    length_s = scene.bridge.play(phone.leg.leg_id, prompt)
    for _ in range(12):
        await both_talk(scene, phone)
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    during = payloads(phone)
    await both_talk(scene, phone)

    assert length_s == pytest.approx(0.13)
    assert VOICE not in during[:7]
    assert tones.has_tone(g711.decode(b"".join(during[:7]), Codec.PCMA), 700, at_least=0.8)
    assert payloads(phone) == [VOICE]
    assert len(payloads(scene.panel)) == 13  # the other direction goes on


async def test_an_app_is_replayed_the_key_frame_first_and_in_order(scene):
    camera = Camera()
    for packet in camera.picture(SPS, PPS, IDR) + camera.picture(SLICE) + camera.picture(SLICE):
        scene.panel.show(packet)
    await delivered()

    app = scene.app()
    await asyncio.sleep(0.1)
    for packet in camera.picture(SLICE + b"live"):
        scene.panel.show(packet)
    await delivered()

    assert payloads(app, 2) == [SPS, PPS, IDR, SLICE, SLICE, SLICE + b"live"]


async def test_a_phone_that_agreed_on_a_picture_sees_the_visitor(scene):
    phone = scene.phone(has_video=True)
    for packet in Camera().picture(SPS, PPS, IDR):
        scene.panel.show(packet)
    await delivered()

    assert len(payloads(phone, 2)) == 3


async def test_a_phone_without_a_picture_gets_none_and_a_residents_picture_reaches_nobody(scene):
    app, phone = scene.app(), scene.phone()
    scene.bridge.connect(app.leg.leg_id)
    for packet in Camera().picture(SPS, PPS, IDR):
        scene.panel.show(packet)
        app.show(packet)
    await delivered()

    assert not phone.leg.out(Media.VIDEO)
    assert payloads(scene.panel, 2) == []


async def test_a_key_frame_is_asked_for_when_the_panel_is_ready(scene):
    await delivered()

    [request] = scene.panel.rtcp(3)

    assert rtcp.wants_key_frame(request)


async def test_another_panel_leg_takes_the_place_of_the_first(scene):
    phone = scene.phone()
    scene.bridge.connect(phone.leg.leg_id)
    await both_talk(scene, phone)
    before, _ = phone.heard()[-1]
    second = scene.add("panel again", has_video=True, ssrc=9)

    scene.bridge.attach_panel(second.leg)
    scene.panel.say(VOICE)
    second.say(b"2" * 160)
    phone.say(VOICE)
    await delivered()

    [(after, payload)] = phone.heard()
    assert payload == b"2" * 160
    assert after.sequence_number - before.sequence_number & 0xFFFF == 1
    assert len(second.heard()) == 1
    assert len(scene.panel.heard()) == 1  # only what came before


async def test_statistics_count_what_passed(scene):
    phone = scene.phone()
    scene.bridge.connect(phone.leg.leg_id)
    for _ in range(3):
        await both_talk(scene, phone)

    figures = scene.bridge.statistics(phone.leg.leg_id)

    assert (figures.packets_in, figures.packets_out) == (3, 3)
    assert figures.bytes_in == figures.bytes_out == 3 * 172
    assert figures.last_rtp_at == pytest.approx(asyncio.get_running_loop().time(), abs=1)
    assert scene.bridge.statistics("nobody").packets_in == 0
    assert scene.bridge.statistics(scene.panel.leg.leg_id).packets_in == 3


async def test_after_closing_nothing_passes_and_nothing_is_kept(scene):
    phone = scene.phone()
    scene.bridge.connect(phone.leg.leg_id)
    for packet in Camera().picture(SPS, PPS, IDR):
        scene.panel.show(packet)
    await delivered()

    scene.bridge.close()
    scene.bridge.close()
    await both_talk(scene, phone)
    scene.bridge.start_ringback()

    assert phone.heard() == scene.panel.heard() == []
    assert scene.bridge.play(None, tones.opened()) == 0.0
    assert scene.bridge._picture._cache.packets == []


class QuietScene:
    """A bridge without sockets, on a clock that the test turns."""

    def __init__(self):
        self.clock = ManualClock()
        self.bridge = Bridge(
            on_digit=lambda *pressed: None, clock=self.clock, call_at=self.clock.call_at
        )
        self.panel = RecordingLeg("panel", self.clock)
        self.bridge.attach_panel(self.panel)

    def hear(self, leg, sequence, timestamp):
        """Let 20 ms pass and bring one packet of sound from a leg."""
        self.clock.advance(0.02)
        packet = bytes(rtp.build_header(8, sequence, timestamp, 5) + VOICE)
        leg.on_rtp(leg, Media.AUDIO, memoryview(packet), self.clock())


def test_numbers_and_times_are_unbroken_across_ringback_tone_speech_and_a_change_of_speaker():
    scene = QuietScene()
    app, phone = RecordingLeg("app", scene.clock), RecordingLeg("phone", scene.clock)
    scene.bridge.attach(app, hears_visitor=True, is_phone=False)
    scene.bridge.attach(phone, hears_visitor=False, is_phone=True)
    scene.bridge.start_ringback()
    scene.clock.advance(0.99)
    scene.bridge.connect(app.leg_id)
    for n in range(50):
        scene.hear(app, 60_000 + n, 900_000 + n * 160)
    scene.bridge.play(None, tones.opened())
    scene.clock.advance(1.0)
    scene.bridge.connect(phone.leg_id)
    for n in range(50):
        scene.hear(phone, n, n * 160)

    headers = [rtp.parse(packet) for _, _, packet in scene.panel.sent]

    steps = [b.sequence_number - a.sequence_number & 0xFFFF for a, b in pairwise(headers)]
    times = [rtp.serial_difference(b.timestamp, a.timestamp) for a, b in pairwise(headers)]
    total_s = rtp.serial_difference(headers[-1].timestamp, headers[0].timestamp) / 8000
    assert set(steps) == {1}
    assert min(times) >= 160
    assert total_s == pytest.approx(scene.clock() - 100.0, abs=0.03)
    assert len({header.ssrc for header in headers}) == 1
    assert sum(header.marker for header in headers) == 4  # ringback, app, tone, phone
    scene.bridge.close()


def test_an_apps_plis_reach_the_panel_at_most_every_500_ms():
    scene = QuietScene()
    app = RecordingLeg("app", scene.clock)
    scene.bridge.attach(app, hears_visitor=True, is_phone=False)
    scene.clock.advance(2.0)
    scene.panel.sent_rtcp.clear()
    pli = rtcp.build_receiver_report(rtcp.ReceiverReport(1)) + rtcp.build_pli(1, 2)

    for _ in range(10):
        app.on_rtcp(app, Media.VIDEO, memoryview(pli), scene.clock())
        scene.clock.advance(0.04)

    [(_, media, request)] = scene.panel.sent_rtcp
    assert media is Media.VIDEO
    assert rtcp.wants_key_frame(request)
    scene.bridge.close()


def test_a_pli_in_a_phones_sound_is_not_passed_on_and_one_for_its_picture_is():
    scene = QuietScene()
    phone = RecordingLeg("phone", scene.clock)
    scene.bridge.attach(phone, hears_visitor=False, is_phone=True)
    scene.clock.advance(2.0)
    scene.panel.sent_rtcp.clear()

    phone.on_rtcp(phone, Media.AUDIO, memoryview(rtcp.build_pli(1, 2)), scene.clock())
    assert scene.panel.sent_rtcp == []

    phone.on_rtcp(phone, Media.VIDEO, memoryview(rtcp.build_pli(1, 2)), scene.clock())
    assert len(scene.panel.sent_rtcp) == 1
    scene.bridge.close()


def test_sound_and_picture_reports_share_one_clock_and_one_name():
    clock = ManualClock()
    bridge = Bridge(on_digit=lambda *pressed: None, clock=clock, call_at=clock.call_at)
    panel, app = RecordingLeg("panel", clock), RecordingLeg("app", clock)
    bridge.attach_panel(panel)
    bridge.attach(app, hears_visitor=True, is_phone=False)
    for packet in Camera().picture(SPS, PPS, IDR):
        panel.on_rtp(panel, Media.VIDEO, memoryview(packet), clock())
    voice = bytes(rtp.build_header(8, 1, 1, 7) + VOICE)
    panel.on_rtp(panel, Media.AUDIO, memoryview(voice), clock())

    clock.advance(REPORT_INTERVAL_S)

    reports = [rtcp.parse(packet)[0] for _, _, packet in app.sent_rtcp]
    assert [type(report) for report in reports] == [rtcp.SenderReport] * 2
    assert reports[0].ntp_time == reports[1].ntp_time
    assert (reports[0].packets, reports[1].packets) == (1, 3)
    [to_panel] = [packet for _, media, packet in panel.sent_rtcp if media is Media.AUDIO]
    assert rtcp.parse(to_panel)[0].blocks[0].ssrc == 7
    bridge.close()
    assert not clock.has_timer


def test_a_device_that_becomes_ready_is_shown_the_picture_and_its_own_callback_is_kept():
    clock = ManualClock()
    bridge = Bridge(on_digit=lambda *pressed: None, clock=clock, call_at=clock.call_at)
    panel, app = RecordingLeg("panel", clock), RecordingLeg("app", clock, is_ready=False)
    told = []
    app.on_ready = told.append
    bridge.attach_panel(panel)
    bridge.attach(app, hears_visitor=True, is_phone=False)
    for packet in Camera().picture(SPS, PPS, IDR):
        panel.on_rtp(panel, Media.VIDEO, memoryview(packet), clock())
    assert app.sent == []

    app.become_ready()
    clock.advance(0.1)

    assert told == [app]
    assert h264.starts_key_frame(app.sent[2][2][12:])
    bridge.close()


def test_mutated_packets_of_every_kind_raise_nothing():
    clock = ManualClock()
    bridge = Bridge(on_digit=lambda *pressed: None, clock=clock, call_at=clock.call_at)
    panel, app, phone = (RecordingLeg(name, clock) for name in ("panel", "app", "phone"))
    bridge.attach_panel(panel)
    bridge.attach(app, hears_visitor=True, is_phone=False)
    bridge.attach(phone, hears_visitor=False, is_phone=True)
    bridge.connect(phone.leg_id)
    good = [
        (panel, Media.AUDIO, bytes(rtp.build_header(8, 1, 1, 7) + VOICE)),
        (phone, Media.AUDIO, bytes(rtp.build_header(DTMF, 1, 1, 7) + dtmf.build_event("5", 9))),
        *((panel, Media.VIDEO, packet) for packet in Camera().picture(SPS, PPS, IDR)),
    ]
    report = rtcp.build_receiver_report(rtcp.ReceiverReport(1)) + rtcp.build_pli(1, 2)
    rng = random.Random(8)

    for _ in range(10_000):
        leg, media, packet = rng.choice(good)
        mutated = bytearray(packet[: rng.randrange(1, len(packet) + 1)])
        mutated[rng.randrange(len(mutated))] = rng.randrange(256)
        if len(mutated) > 4:
            mutated[3] = rng.randrange(256)
        leg.on_rtp(leg, media, memoryview(mutated), clock())
        noise = bytearray(report)
        noise[rng.randrange(len(noise))] = rng.randrange(256)
        app.on_rtcp(app, Media.VIDEO, memoryview(noise), clock())
        clock.advance(0.001)

    assert len(app.sent) > 100
    bridge.close()


def test_a_panel_that_is_ready_late_hears_ringback_in_its_own_law():
    clock = ManualClock()
    bridge = Bridge(on_digit=lambda *pressed: None, clock=clock, call_at=clock.call_at)
    panel = RecordingLeg("panel", clock, is_ready=False)
    bridge.attach_panel(panel)
    bridge.start_ringback()
    clock.advance(0.1)
    assert panel.sent == []

    panel._codec = Codec.PCMU
    panel.become_ready()
    clock.advance(0.5)

    pcm = g711.decode(b"".join(packet[12:] for _, _, packet in panel.sent), Codec.PCMU)
    assert tones.has_tone(pcm, 425, at_least=0.95)
    bridge.close()


class FeedbackLeg(RecordingLeg):
    """A panel's leg that agreed to some feedback."""

    feedback: frozenset[str] = frozenset()
    picture_feedback = property(lambda self: self.feedback)


def asked_of_panel(*feedback):
    clock = ManualClock()
    bridge = Bridge(on_digit=lambda *pressed: None, clock=clock, call_at=clock.call_at)
    panel = FeedbackLeg("panel", clock, is_ready=False)
    panel.feedback = frozenset(feedback)
    by_info = []
    panel.on_key_frame_wanted = lambda: by_info.append(clock())
    bridge.attach_panel(panel)
    panel.become_ready()
    return bridge, panel, by_info


@pytest.mark.parametrize(
    ("feedback", "kinds"),
    [
        (("nack pli", "ccm fir"), {rtcp.PictureLossIndication}),
        (("nack pli",), {rtcp.PictureLossIndication}),
        (("ccm fir",), {rtcp.FullIntraRequest}),
        ((), {rtcp.PictureLossIndication, rtcp.FullIntraRequest}),
    ],
)
def test_the_panel_is_asked_for_a_key_frame_in_the_way_that_it_agreed_to(feedback, kinds):
    bridge, panel, by_info = asked_of_panel(*feedback)

    [(_, media, request)] = panel.sent_rtcp

    asked = [part for part in rtcp.parse(request) if not isinstance(part, rtcp.ReceiverReport)]
    assert media is Media.VIDEO
    assert {type(part) for part in asked} == kinds
    assert len(by_info) == 1
    bridge.close()


@pytest.mark.parametrize(
    ("feedback", "kind"),
    [
        (("ccm tmmbr",), rtcp_feedback.BitRateRequest),
        (("goog-remb",), rtcp_feedback.BitRateEstimate),
        (("nack pli",), None),
    ],
)
def test_the_panel_is_asked_for_less_where_it_agreed_to_that(feedback, kind):
    bridge, panel, _ = asked_of_panel(*feedback)
    app = RecordingLeg("app", bridge._clock)
    bridge.attach(app, hears_visitor=True, is_phone=False)
    camera = Camera()
    for _ in range(40):
        bridge._clock.advance(0.05)
        for packet in camera.picture(SPS, PPS, b"\x65" + bytes(10_000)):
            panel.on_rtp(panel, Media.VIDEO, memoryview(packet), bridge._clock())
    panel.sent_rtcp.clear()

    estimate = rtcp_feedback.build_estimate(1, 600_000, (12,))
    app.on_rtcp(app, Media.VIDEO, memoryview(estimate), bridge._clock())

    requests = [part for _, _, packet in panel.sent_rtcp for part in rtcp.parse(packet)]
    wanted = [part for part in requests if kind is not None and isinstance(part, kind)]
    assert [round(part.bits_per_s, -3) for part in wanted] == ([600_000] if kind else [])
    assert kind is not None or panel.sent_rtcp == []
    bridge.close()
