"""Sound and picture that stop are told within 3.5 s, told again when they are back, and never on hold."""

import itertools

import pytest

from intercom.media import rtcp, rtp
from intercom.media.bridge import Bridge
from intercom.media.leg import Media
from intercom.media.path import PathFigures
from intercom.media.path_watch import LOST_S, MAX_TOLD, SILENT_S
from intercom.media.supervision import CHECK_S
from tests.media.peers import DTMF, ManualClock, RecordingLeg

REPORT = memoryview(rtcp.build_receiver_report(rtcp.ReceiverReport(1)))
SPEECH, SILENCE = bytes(range(160)), b"\xd5" * 160
STEP_S = 0.1


class Leg(RecordingLeg):
    is_on_hold = False
    figures = PathFigures()

    @property
    def expects_sound(self):
        return not self.is_on_hold

    def path_figures(self):
        return self.figures


class Scene:
    """A panel with a picture and a phone, each sending as long as its name stands in `sending`."""

    def __init__(self):
        self.clock = ManualClock()
        self.told, self.words = [], []
        self.bridge = Bridge(on_digit=lambda *_: None, clock=self.clock, call_at=self.clock.call_at)
        watch = self.bridge.supervision
        watch.on_path = lambda leg, media, is_lost: self.told.append((leg, media.value, is_lost))
        watch.on_path_words = lambda leg, words: self.words.append((leg, words))
        self.panel, self.phone = (Leg(name, self.clock) for name in ("panel", "phone"))
        self.bridge.attach_panel(self.panel)
        self.bridge.attach(self.phone, hears_visitor=False, is_phone=True)
        self.sending = {"panel", "picture", "phone"}
        self.payload = SPEECH
        self._sequence = itertools.count()

    def send(self, leg, media=Media.AUDIO, payload_type=8):
        number = next(self._sequence) & 0xFFFF
        packet = rtp.build_header(payload_type, number, 160 * number, 1) + self.payload
        view = memoryview(bytearray(packet))
        if media is Media.AUDIO and leg.on_sound is not None and leg.on_sound(view, self.clock()):
            return
        leg.on_rtp(leg, media, view, self.clock())

    def report(self, leg):
        leg.on_rtcp(leg, Media.AUDIO, REPORT, self.clock())

    def run(self, seconds):
        for _ in range(round(seconds / STEP_S)):
            self.clock.advance(STEP_S)
            if "panel" in self.sending:
                self.send(self.panel)
            if "picture" in self.sending:
                self.send(self.panel, Media.VIDEO, 96)
            if "phone" in self.sending:
                self.send(self.phone)

    def said(self):
        return [words for _, words in self.words]


@pytest.fixture
async def scene():
    one = Scene()
    yield one
    one.bridge.close()


async def talking(scene):
    scene.bridge.connect("phone")
    scene.run(5)
    assert scene.told == []


@pytest.mark.parametrize(
    ("stopped", "told"),
    [
        ("panel", ("panel", "audio")),
        ("picture", ("panel", "video")),
        ("phone", ("phone", "audio")),
    ],
)
async def test_what_stopped_is_told_after_3_s_and_told_again_when_it_is_back(scene, stopped, told):
    await talking(scene)
    scene.sending.discard(stopped)

    scene.run(LOST_S - CHECK_S)
    assert scene.told == []
    scene.run(2 * CHECK_S)
    assert scene.told == [(*told, True)]
    scene.run(10)
    assert scene.told == [(*told, True)]

    scene.sending.add(stopped)
    scene.run(2 * CHECK_S)
    assert scene.told == [(*told, True), (*told, False)]
    noun = "picture" if stopped == "picture" else "sound"
    assert scene.said() == [
        f"no {noun} for 3 s: nothing arrives: it sends nothing, or a firewall drops it",
        f"{noun} is back after 14 s",
    ]


async def test_a_panel_that_never_had_a_picture_loses_none(scene):
    scene.sending.discard("picture")
    scene.bridge.connect("phone")

    scene.run(60)

    assert scene.told == []


async def test_before_anybody_talks_a_silent_panel_and_phone_are_as_they_should_be(scene):
    scene.sending.clear()

    scene.run(60)

    assert scene.told == []


async def test_early_sound_and_picture_that_stop_while_it_rings_are_told(scene):
    scene.run(5)
    scene.sending.clear()
    scene.run(4)

    assert scene.told == [("panel", "audio", True), ("panel", "video", True)]
    assert scene.bridge.supervision.lost == (Media.AUDIO, Media.VIDEO)


async def test_who_never_sent_anything_is_told_3_s_after_the_talk_began(scene):
    scene.sending = {"panel"}
    scene.run(60)
    scene.bridge.connect("phone")

    scene.run(LOST_S - CHECK_S)
    assert scene.told == []
    scene.run(2 * CHECK_S)
    assert scene.told == [("phone", "audio", True)]


async def test_on_hold_nothing_is_lost_and_afterwards_the_time_begins_anew(scene):
    await talking(scene)
    scene.sending = {"panel", "picture"}
    scene.phone.is_on_hold = True
    scene.run(100)
    scene.phone.is_on_hold = False

    scene.run(LOST_S - CHECK_S)
    assert scene.told == []
    scene.run(2 * CHECK_S)
    assert scene.told == [("phone", "audio", True)]


async def test_going_on_hold_takes_a_loss_back(scene):
    await talking(scene)
    scene.sending.discard("phone")
    scene.run(5)
    scene.phone.is_on_hold = True
    scene.run(1)

    assert scene.told == [("phone", "audio", True), ("phone", "audio", False)]


async def test_a_pause_that_was_announced_by_comfort_noise_is_no_loss(scene):
    await talking(scene)
    scene.sending.discard("phone")
    scene.send(scene.phone, payload_type=13)

    scene.run(20)
    assert scene.told == []
    scene.sending.add("phone")
    scene.run(2)
    scene.sending.discard("phone")
    scene.run(4)
    assert scene.told == [("phone", "audio", True)]


async def test_a_key_that_is_held_is_a_sign_of_life(scene):
    await talking(scene)
    scene.sending.discard("phone")

    for _ in range(20):
        scene.run(0.5)
        scene.send(scene.phone, payload_type=DTMF)

    assert scene.told == []


async def test_rtcp_alone_is_no_sound_and_is_named_as_muted_or_pausing(scene):
    await talking(scene)
    scene.sending.discard("phone")

    for _ in range(10):
        scene.run(1)
        scene.report(scene.phone)

    assert scene.told == [("phone", "audio", True)]
    assert scene.said()[-1].endswith("muted, or it sends nothing in pauses")


async def test_a_cause_that_shows_later_is_told_then(scene):
    await talking(scene)
    scene.sending.discard("phone")
    scene.run(4)
    scene.phone.figures = PathFigures(wrong_source=100)
    scene.run(1)
    scene.run(20)

    assert [words.split(": ")[1] for words in scene.said()] == [
        "nothing arrives",
        "it comes from another address than its SDP names",
    ]


async def test_packets_of_another_codec_are_named_as_that(scene):
    await talking(scene)
    scene.sending.discard("phone")

    for _ in range(50):
        scene.run(0.1)
        scene.send(scene.phone, payload_type=18)

    assert scene.told == [("phone", "audio", True)]
    assert "the codecs differ" in scene.said()[-1]


async def test_digital_silence_is_named_after_10_s_and_once(scene):
    await talking(scene)
    scene.payload = SILENCE
    scene.sending = {"phone", "picture"}
    scene.run(SILENT_S)
    assert "microphone" not in str(scene.words)
    scene.run(2)

    assert ("phone", f"for 10 s {silent()}") in scene.words
    scene.payload = SPEECH
    scene.run(1)
    scene.payload = SILENCE
    scene.run(8)
    phones = [words for leg, words in scene.words if leg == "phone"]
    assert phones == [f"for 10 s {silent()}", "there is sound again"]
    assert not [told for told in scene.told if told[0] == "phone"]


def silent():
    return "only digital silence arrives: its microphone is muted or broken"


async def test_a_person_who_says_nothing_into_an_open_microphone_is_not_named(scene):
    await talking(scene)
    scene.payload = b"\xd5" * 150 + b"\xd4" * 10  # the least noise that there is

    scene.run(60)

    assert scene.words == []


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        (PathFigures(has_target=False), "its SDP names no usable address"),
        (PathFigures(send_errors=25), "its port is closed (ICMP)"),
    ],
)
async def test_a_leg_that_cannot_be_sent_to_is_named_after_3_s(scene, figures, words):
    await talking(scene)

    for count in range(80):
        scene.phone.figures = figures._replace(send_errors=figures.send_errors * count)
        scene.run(0.1)

    assert len(scene.words) == 1
    assert words in scene.said()[0]


async def test_a_few_lost_sends_are_not_worth_a_word(scene):
    await talking(scene)

    for count in range(40):
        scene.phone.figures = PathFigures(send_errors=count)
        scene.run(1.5)

    assert scene.words == []


async def test_a_peer_that_reports_to_hear_nothing_of_ours_is_named(scene):
    await talking(scene)
    ours = scene.phone.out(Media.AUDIO).ssrc
    block = rtcp.ReportBlock(ours, fraction_lost=255, highest_sequence=7)
    report = memoryview(rtcp.build_receiver_report(rtcp.ReceiverReport(1, (block,))))

    for _ in range(4):
        for _ in range(11):
            scene.run(1)
        scene.phone.on_rtcp(scene.phone, Media.AUDIO, report, scene.clock())
    scene.run(4)

    assert [words for _, words in scene.words] == [
        "by its own reports nothing of ours arrives: a firewall or NAT on its side"
    ]


async def test_a_peer_with_many_pauses_does_not_fill_the_trace(scene):
    await talking(scene)
    for _ in range(20):
        scene.sending.discard("phone")
        scene.run(4)
        scene.sending.add("phone")
        scene.run(1)

    assert len(scene.told) == 40
    assert len(scene.words) == 2 * MAX_TOLD


async def test_a_panel_that_takes_the_place_of_another_has_its_own_3_s(scene):
    await talking(scene)
    scene.sending = {"phone"}
    scene.run(2)
    other = Leg("panel-2", scene.clock)
    scene.bridge.attach_panel(other)

    scene.run(LOST_S - CHECK_S)
    assert scene.told == []
    scene.run(2 * CHECK_S)
    assert scene.told == [("panel-2", "audio", True)]


async def test_a_call_has_one_timer_for_all_of_it_and_none_when_it_is_over(scene):
    await talking(scene)
    before = len([timer for timer in scene.clock._timers if not timer.is_cancelled])

    scene.bridge.supervision.watch(scene.bridge._panel, scene.bridge._connected)
    assert len([timer for timer in scene.clock._timers if not timer.is_cancelled]) == before
    scene.bridge.close()
    assert not scene.clock.has_timer


async def test_closing_from_within_is_allowed(scene):
    await talking(scene)
    scene.bridge.supervision.on_path = lambda *_: scene.bridge.close()
    scene.sending.clear()

    scene.clock.advance(10)

    assert not scene.clock.has_timer
