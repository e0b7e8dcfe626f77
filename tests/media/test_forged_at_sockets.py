"""Forged sound and keys at a phone's real port: from other ports, other addresses and in the phone's own numbers.

The system itself drops them once the phone's source is believed for good; before that, and in the
moment between, the leg must.
"""

import asyncio
import socket

import pytest

from intercom.media import dtmf, rtp
from intercom.media.bridge import Bridge
from intercom.media.leg import Media
from tests.media.peers import DTMF, HOST, Peer, delivered

TRIES = 100_000
BATCH = 100
"""Fewer than what a socket's buffer holds: each of them is seen."""
ELSEWHERE = "127.0.0.2"
VOICE = bytes(160)

pytestmark = pytest.mark.timeout(60)


class Scene:
    """A panel and a phone that talk, and strangers who know the phone's numbers."""

    def __init__(self):
        self.digits = []
        self.bridge = Bridge(on_digit=lambda _, digit, __: self.digits.append(digit))
        self.panel, self.phone = Peer("panel", ssrc=1), Peer("phone", ssrc=2)
        self.bridge.attach_panel(self.panel.leg)
        self.bridge.attach(self.phone.leg, hears_visitor=False, is_phone=True)
        self.bridge.connect(self.phone.leg.leg_id)
        self.strangers = [self._open(HOST, 0), self._open(ELSEWHERE, self.phone.address(0)[1])]
        self.loop = asyncio.get_running_loop()

    async def talks(self):
        """Let the phone say something; give how many packets the visitor heard."""
        self.phone.say(VOICE)
        await delivered()
        return len(self.panel.heard())

    async def becomes_steady(self):
        """Let the system believe the phone alone, as it does after some seconds of a call."""
        self.phone.leg.settle(self.loop.time() - 60)
        assert await self.talks() == 1

    async def attack(self, tries):
        """Press 5 and talk in the phone's name."""
        target = (HOST, self.phone.leg.audio_port)
        for n in range(tries):
            stranger = self.strangers[n % len(self.strangers)]
            number = self.phone.sequence + n // 4
            stranger.sendto(self._forged(number, is_five=bool(n & 2)), target)
            if n % BATCH == 0:
                await asyncio.sleep(0)
        await delivered()

    def _forged(self, number, *, is_five):
        if not is_five:
            return bytes(rtp.build_header(8, number, 160 * number, self.phone.ssrc) + VOICE)
        head = rtp.build_header(DTMF, number, 160 * number, self.phone.ssrc, marker=True)
        return bytes(head + dtmf.build_event("5", 160, is_end=bool(number & 1)))

    def press(self, timestamp):
        for packet in dtmf.press("5"):
            self.phone.say(packet.payload, timestamp=timestamp, payload_type=DTMF)

    def close(self):
        self.bridge.close()
        for one in (self.panel, self.phone, *self.strangers):
            one.close()

    def _open(self, host, port):
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.bind((host, port))
        return one


@pytest.fixture
async def scene():
    one = Scene()
    yield one
    one.close()


async def test_a_hundred_thousand_forged_packets_press_nothing_and_are_not_heard(scene):
    """With the right SSRC and the numbers that come next; a real press counts once afterwards."""
    assert await scene.talks() == 1

    await scene.attack(TRIES)

    assert scene.digits == []
    assert scene.panel.heard() == []
    assert scene.bridge.statistics(scene.phone.leg.leg_id).packets_in == 1
    scene.press(90_000)
    await delivered()
    assert scene.digits == ["5"]
    assert await scene.talks() == 1


@pytest.mark.parametrize("moment", ["before its first packet", "in its first seconds", "steady"])
async def test_strangers_are_not_heard_whenever_they_begin(scene, moment):
    if moment != "before its first packet":
        await scene.talks()
    if moment == "steady":
        await scene.becomes_steady()

    await scene.attack(2_000)

    assert scene.panel.heard() == []
    assert scene.digits == []
    assert scene.phone.leg.out(Media.AUDIO) is not None
    assert await scene.talks() == 1


async def test_what_strangers_sent_just_before_the_system_was_told_whom_to_believe_is_not_heard(
    scene,
):
    """It lies in the socket's buffer by then."""
    await scene.talks()
    for stranger in scene.strangers:
        for n in range(20):
            forged = scene._forged(scene.phone.sequence + n, is_five=n % 2 == 0)
            stranger.sendto(forged, (HOST, scene.phone.leg.audio_port))

    scene.phone.leg.settle(scene.loop.time() - 60)
    await delivered()

    assert scene.panel.heard() == []
    assert scene.digits == []
    assert await scene.talks() == 1


@pytest.mark.parametrize("is_steady", [False, True], ids=["at once", "steady"])
@pytest.mark.parametrize("has_moved", [False, True], ids=["same address", "another address"])
async def test_after_a_re_invite_strangers_are_not_heard_and_the_phone_is(
    scene, is_steady, has_moved
):
    await scene.talks()
    if is_steady:
        await scene.becomes_steady()
    old = scene.phone.sockets
    if has_moved:
        scene.phone.sockets = [scene.phone._open() for _ in old]
        scene.strangers.append(old[0])
    scene.phone.leg.update(scene.phone.negotiated())

    await scene.attack(2_000)
    assert scene.panel.heard() == []
    assert scene.digits == []
    assert await scene.talks() == 1
    await scene.attack(2_000)

    assert scene.panel.heard() == []
    assert scene.digits == []
    if has_moved:
        for one in old[1:]:
            one.close()


async def test_a_recorded_press_that_is_sent_again_from_anywhere_opens_nothing_more(scene):
    recorded = [
        bytes(rtp.build_header(DTMF, 700 + n, 5_000, 2, marker=packet.marker) + packet.payload)
        for n, packet in enumerate(dtmf.press("5"))
    ]
    target = (HOST, scene.phone.leg.audio_port)
    for _ in range(50):
        for source in (scene.phone.sockets[0], *scene.strangers):
            for packet in recorded:
                source.sendto(packet, target)
        await delivered()

    assert scene.digits == ["5"]
