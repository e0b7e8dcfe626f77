"""A connected leg that sends nothing for 30 s is told of; signs of life and hold are not silence."""

import asyncio
import itertools

import pytest

from intercom.media import rtcp, rtp
from intercom.media.bridge import Bridge
from intercom.media.leg import Media
from intercom.media.silence import SILENCE_LIMIT_S
from intercom.media.supervision import CHECK_S
from tests.media.peers import DTMF, ManualClock, Peer, RecordingLeg, delivered
from tests.media.test_webrtc import connected
from tests.media.webrtc_apps import BareApp, Door

REPORT = memoryview(rtcp.build_receiver_report(rtcp.ReceiverReport(1)))


class QuietLeg(RecordingLeg):
    is_on_hold = False

    @property
    def expects_sound(self):
        return not self.is_on_hold


class Scene:
    """A panel and a phone that talk every half second, each as long as its name stands in `talking`."""

    def __init__(self):
        self.clock = ManualClock()
        self.silent = []
        self.bridge = Bridge(on_digit=lambda *_: None, clock=self.clock, call_at=self.clock.call_at)
        self.bridge.supervision.on_silence = self.silent.append
        self.panel, self.phone = (QuietLeg(name, self.clock) for name in ("panel", "phone"))
        self.bridge.attach_panel(self.panel)
        self.bridge.attach(self.phone, hears_visitor=False, is_phone=True)
        self.talking = {"panel", "phone"}
        self._sequence = itertools.count()

    def talk(self, leg, payload_type=8):
        packet = rtp.build_header(payload_type, next(self._sequence), 0, 1) + bytes(160)
        leg.on_rtp(leg, Media.AUDIO, memoryview(packet), self.clock())

    def run(self, seconds):
        for _ in range(int(2 * seconds)):
            self.clock.advance(0.5)
            for leg in (self.panel, self.phone):
                if leg.leg_id in self.talking and leg.on_rtp is not None:
                    self.talk(leg)


@pytest.fixture
async def scene():
    one = Scene()
    yield one
    one.bridge.close()


@pytest.mark.parametrize("quiet", ["panel", "phone"])
async def test_the_leg_that_fell_silent_is_named_once_after_30_s(scene, quiet):
    scene.bridge.connect("phone")
    scene.run(60)
    scene.talking.discard(quiet)

    scene.run(SILENCE_LIMIT_S - 1)
    assert scene.silent == []
    scene.run(1 + CHECK_S)
    assert scene.silent == [quiet]
    scene.run(90)
    assert scene.silent == [quiet]


async def test_a_leg_that_never_says_anything_is_silent_from_its_connection_on(scene):
    scene.talking.clear()
    scene.run(300)
    assert scene.silent == []

    scene.bridge.connect("phone")
    scene.run(SILENCE_LIMIT_S - 1)
    assert scene.silent == []
    scene.run(2)
    assert len(scene.silent) == 1


@pytest.mark.parametrize("payload_type", [13, 19, DTMF, 0])
async def test_any_rtp_is_a_sign_of_life(scene, payload_type):
    scene.bridge.connect("phone")
    scene.talking = {"phone"}

    for _ in range(6):
        scene.run(20)
        scene.talk(scene.panel, payload_type)

    assert scene.silent == []


async def test_rtcp_alone_is_a_sign_of_life(scene):
    scene.bridge.connect("phone")
    scene.talking.clear()

    for _ in range(6):
        scene.run(20)
        for leg in (scene.panel, scene.phone):
            leg.on_rtcp(leg, Media.AUDIO, REPORT, scene.clock())

    assert scene.silent == []


async def test_on_hold_there_is_no_silence_and_afterwards_the_time_begins_anew(scene):
    scene.bridge.connect("phone")
    scene.talking = {"panel"}
    scene.phone.is_on_hold = True
    scene.run(150)
    scene.phone.is_on_hold = False

    scene.run(SILENCE_LIMIT_S - 1)
    assert scene.silent == []
    scene.run(3)
    assert scene.silent == ["phone"]


@pytest.mark.parametrize("how", ["disconnect", "detach"])
async def test_without_a_connection_nobody_is_watched(scene, how):
    scene.talking.clear()
    scene.bridge.connect("phone")
    scene.run(20)

    getattr(scene.bridge, how)("phone")
    scene.run(100)

    assert scene.silent == []


async def test_a_panel_that_takes_the_place_of_another_has_its_own_30_s(scene):
    scene.bridge.connect("phone")
    scene.talking = {"phone"}
    scene.run(25)
    other = QuietLeg("panel-2", scene.clock)
    scene.bridge.attach_panel(other)

    scene.run(SILENCE_LIMIT_S - 1)
    assert scene.silent == []
    scene.run(3)
    assert scene.silent == ["panel-2"]


async def test_closing_from_within_leaves_no_timer(scene):
    scene.bridge.supervision.on_silence = lambda _: scene.bridge.close()
    scene.bridge.connect("phone")
    scene.talking.clear()

    scene.run(60)

    assert not scene.clock.has_timer


async def test_on_real_sockets_and_real_time_only_the_silent_leg_is_named():
    silent = []
    panel, phone = Peer("panel"), Peer("phone")
    bridge = Bridge(on_digit=lambda *_: None, silence_limit_s=0.2)
    bridge.supervision.on_silence = silent.append
    bridge.attach_panel(panel.leg)
    bridge.attach(phone.leg, hears_visitor=False, is_phone=True)
    bridge.connect(phone.leg.leg_id)

    for _ in range(30):
        panel.say(bytes(160))
        await delivered()
        await asyncio.sleep(0.02)

    assert silent == [phone.leg.leg_id]
    bridge.close()
    panel.close()
    phone.close()


async def test_an_app_whose_sound_stopped_is_named_30_s_after_its_last_packet():
    clock, silent, talked_s = ManualClock(), [], 20.0
    clock.now = asyncio.get_running_loop().time() - talked_s  # its packets bear the loop's time
    bridge = Bridge(on_digit=lambda *_: None, clock=clock, call_at=clock.call_at)
    bridge.supervision.on_silence = silent.append
    panel = QuietLeg("panel", clock)
    bridge.attach_panel(panel)

    def run(seconds):
        for number in range(seconds):
            clock.advance(1.0)
            if panel.on_rtp is not None:
                packet = rtp.build_header(8, number, 0, 1) + bytes(160)
                panel.on_rtp(panel, Media.AUDIO, memoryview(packet), clock())

    async with Door() as door, BareApp(door.leg.offer()) as app:
        await connected(door, app)
        bridge.attach(door.leg, hears_visitor=False, is_phone=False)
        bridge.connect(door.leg.leg_id)
        app.send(app.protect(bytes(rtp.build_header(8, 1, 160, 7) + bytes(160))))
        await door.has_read()
        run(int(talked_s + SILENCE_LIMIT_S) - 1)
        assert silent == []
        run(3)

        assert silent == [door.leg.leg_id]
    bridge.close()


async def test_a_leg_on_hold_does_not_expect_sound():
    peer = Peer("phone")
    assert peer.leg.expects_sound

    peer.leg._audio.can_receive = False

    assert not peer.leg.expects_sound
    peer.close()
