"""Strangers' RTP and RTCP: never heard, never a digit, never a redirect; and copies of the true ones neither.

Packets are handed to the leg's receivers with any source address, as its sockets would.
"""

import ipaddress
from dataclasses import replace
from random import Random

import pytest

from intercom.media import dtmf, rtcp, rtp
from intercom.media.bridge import Bridge
from intercom.media.latch import NAT_PACKETS
from intercom.media.leg import Media
from intercom.media.plain import PlainLeg
from intercom.media.port import PortPool
from intercom.routing.ids import LegId
from intercom.sip.crypto import Crypto, SrtpKey, Suite
from intercom.sip.offer_answer import Codec, Negotiated, NegotiatedAudio
from tests.media.peers import DTMF, HOST, ManualClock, RecordingLeg
from tests.media.srtp_peers import Policy, session

PHONE, SIGNALLING = ("203.0.113.5", 4000), "198.51.100.7"
PRIVATE = ("192.168.1.20", 4000)
MOVED = ("203.0.113.200", 4444)
STRANGERS = [
    ("203.0.113.5", 4001),
    ("203.0.113.6", 4000),
    ("198.51.100.8", 4000),
    ("192.168.1.20", 4001),
    ("192.168.1.21", 4000),
    ("127.0.0.1", 4000),
]
SSRC, TRIES = 77, 100_000
SHAPES = {
    "signalled": (PHONE, PHONE, ()),
    "media networks": (PHONE, ("198.18.0.9", 5000), (ipaddress.ip_network("198.18.0.0/24"),)),
    "behind NAT": (PRIVATE, (SIGNALLING, 6000), ()),
}


def negotiated(remote, crypto=None):
    rtcp_address = (remote[0], remote[1] + 1)
    return Negotiated(
        NegotiatedAudio(
            remote, rtcp_address, Codec.PCMA, 8, DTMF, 8000, DTMF, 20, True, True, crypto
        )
    )


class Scene:
    """A phone that is connected to a panel, and its true source."""

    def __init__(self, shape="signalled", key=None):
        signalled, self.source, networks = SHAPES[shape]
        self.signalled, self.digits, self.clock = signalled, [], ManualClock()
        self.crypto = key and Crypto(1, key)
        self.bridge = Bridge(
            on_digit=lambda _, digit, __: self.digits.append(digit),
            clock=self.clock,
            call_at=self.clock.call_at,
        )
        self.panel = RecordingLeg("panel", self.clock)
        self.bridge.attach_panel(self.panel)
        self.leg = PlainLeg.open(LegId("phone"), PortPool(HOST), with_video=False)
        self.leg.draw_keys()
        self.leg.start(
            negotiated(signalled, self.crypto), signalling_host=SIGNALLING, media_networks=networks
        )
        self.bridge.attach(self.leg, hears_visitor=False, is_phone=True)
        self.bridge.connect(self.leg.leg_id)
        stream = self.leg._audio
        self.stream = stream
        self.talking = key and session(key, Policy.SSRC_ANY_OUTBOUND)
        self.sequence = 100

    def give(self, packet, source=None):
        """Let a packet arrive as it is."""
        self.clock.now += 0.001
        receive = self.stream._receive_srtp if self.crypto else self.stream._receive_rtp
        receive(memoryview(packet), source or self.source, self.clock.now)

    def true(self, packet):
        """Write it as the phone does."""
        return self.talking.protect(packet) if self.talking else packet

    def talk(self, packets=NAT_PACKETS):
        for _ in range(packets):
            self.sequence += 1
            self.give(self.true(sound(self.sequence)))

    def re_invite(self, remote):
        self.leg.update(negotiated(remote, self.crypto))

    def close(self):
        self.bridge.close()
        self.leg.close()


@pytest.fixture
async def scenes():
    made = []

    def make(*arguments):
        made.append(Scene(*arguments))
        return made[-1]

    yield make
    for each in made:
        each.close()


def sound(sequence, ssrc=SSRC):
    return bytes(rtp.build_header(8, sequence, 160 * sequence, ssrc) + bytes(160))


def five(sequence, timestamp, ssrc=SSRC):
    head = rtp.build_header(DTMF, sequence, timestamp, ssrc, marker=True)
    return bytes(head + dtmf.build_event("5", 160))


def press(timestamp, sequence=500, ssrc=SSRC):
    """Give the packets of a whole press of 5."""
    return [
        bytes(
            rtp.build_header(DTMF, sequence + n, timestamp, ssrc, marker=packet.marker)
            + packet.payload
        )
        for n, packet in enumerate(dtmf.press("5"))
    ]


def attack(scene):
    """Send what a stranger who knows everything but the address would; five seconds of it."""
    for n in range(250):
        for source in STRANGERS:
            scene.give(sound(scene.sequence + 1 + n), source)
            scene.give(five(scene.sequence + 1 + n, 160 * (scene.sequence + 1 + n)), source)


async def test_one_forged_packet_of_the_carriers_range_does_not_silence_the_phone(scenes):
    scene = scenes("media networks")
    forger, rtcp_of_forger = ("198.18.0.66", 6000), ("198.18.0.66", 6001)
    scene.give(sound(1, ssrc=1), forger)
    report = rtcp.build_receiver_report(rtcp.ReceiverReport(1))
    scene.stream._receive_rtcp(memoryview(report), rtcp_of_forger, scene.clock.now)
    assert scene.stream._rtcp_target() == rtcp_of_forger

    scene.source = scene.signalled
    scene.talk()
    heard = scene.leg.wrong_source_packets
    scene.give(five(900, 9), forger)

    assert scene.stream.latch.target == PHONE
    assert scene.stream._rtcp_target() == (PHONE[0], PHONE[1] + 1)
    assert scene.leg.wrong_source_packets == heard + 1
    assert scene.digits == []


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("moment", ["at once", "in mid-call", "same again", "moved"])
async def test_rtp_from_a_wrong_address_is_never_heard_and_moves_nothing(scenes, shape, moment):
    scene = scenes(shape)
    if moment != "at once":
        scene.talk()
    if moment == "same again":
        scene.re_invite(scene.signalled)
    if moment == "moved":
        scene.re_invite(MOVED)
    heard, target = len(scene.panel.sent), scene.stream.latch.target

    attack(scene)

    assert len(scene.panel.sent) == heard
    assert scene.digits == []
    assert scene.stream.latch.target == target
    assert scene.bridge.statistics(scene.leg.leg_id).events_in == 0
    assert scene.leg.wrong_source_packets >= 250 * 2 * len(STRANGERS)


@pytest.mark.parametrize("shape", SHAPES)
async def test_after_the_attack_the_true_source_is_heard(scenes, shape):
    scene = scenes(shape)

    attack(scene)
    scene.talk()
    for packet in press(90_000):
        scene.give(packet)

    assert scene.panel.sent
    assert scene.digits == ["5"]


async def test_behind_nat_four_packets_of_many_ssrcs_each_prove_nothing(scenes):
    scene = scenes("behind NAT")

    for ssrc in range(100):
        for n in range(NAT_PACKETS - 1):
            scene.give(sound(n, ssrc), (SIGNALLING, 6666))

    assert scene.panel.sent == []
    assert scene.stream.latch.source is None


async def test_a_hold_by_0000_opens_the_source_to_nobody(scenes):
    scene = scenes()
    scene.talk()

    scene.re_invite(("0.0.0.0", 4000))
    for n in range(20):
        scene.give(five(n, 160 * n), (SIGNALLING, 6666))
    assert scene.stream.latch.source == PHONE
    scene.re_invite(PHONE)
    scene.talk()

    assert scene.digits == []
    assert scene.stream.latch.source == PHONE


@pytest.mark.parametrize("source", STRANGERS[:3])
async def test_forged_fives_with_the_right_ssrc_and_number_open_nothing(scenes, source):
    scene = scenes()
    scene.talk()

    for n in range(TRIES // 3):
        scene.give(five((scene.sequence + n) & 0xFFFF, 160 * n), source)

    assert scene.digits == []


@pytest.mark.parametrize("suite", [Suite.AES_CM_128_HMAC_SHA1_32, Suite.AEAD_AES_128_GCM])
async def test_over_srtp_forged_fives_open_nothing_even_from_the_right_address(scenes, suite):
    scene = scenes("signalled", SrtpKey(suite, b"k" * suite.key_bytes))
    scene.talk()
    random = Random(1)

    for n in range(TRIES // 2):
        forged = five((scene.sequence + n) & 0xFFFF, 160 * n) + random.randbytes(16)
        scene.give(forged, PHONE if n % 2 else STRANGERS[n % len(STRANGERS)])

    assert scene.digits == []
    assert scene.leg.auth_failed == TRIES // 2
    assert scene.stream.latch.target == PHONE
    for packet in press(90_000):
        scene.give(scene.true(packet))
    assert scene.digits == ["5"]


async def test_a_replayed_srtp_press_opens_nothing_more_from_anywhere(scenes):
    key = SrtpKey(Suite.AES_CM_128_HMAC_SHA1_80, b"k" * 30)
    scene = scenes("signalled", key)
    recorded = [scene.true(packet) for packet in press(1_000)]

    for source in [PHONE, *STRANGERS] * 20:
        for packet in recorded:
            scene.give(packet, source)
        scene.clock.now += 2

    assert scene.digits == ["5"]
    assert scene.stream.latch.target == PHONE


async def test_a_replayed_plain_press_opens_nothing_more(scenes):
    scene = scenes()
    random = Random(1)
    recorded = press(1_000)

    for _ in range(100):
        for packet in recorded:
            scene.give(packet)
        random.shuffle(recorded)
        scene.clock.now += 2
        scene.give(five(900, 1_000))

    assert scene.digits == ["5"]


async def test_a_replay_after_the_source_changed_its_ssrc_opens_nothing_more(scenes):
    scene = scenes()
    old, new = press(1_000), press(700, 9_000, ssrc=78)

    for packet in (*old, *new, *old, *new):
        scene.clock.now += 1
        scene.give(packet)

    assert scene.digits == ["5", "5"]


async def test_a_press_in_which_numbers_and_timestamps_wrap_is_one_and_the_next_another(scenes):
    scene = scenes()

    for packet in (*press(0xFFFFFE00, 65_530), *press(0x00002000, 40)):
        scene.clock.now += 0.02
        scene.give(packet)

    assert scene.digits == ["5", "5"]


@pytest.mark.parametrize("end", ["leg", "bridge", "detached"])
async def test_after_the_end_nothing_counts(scenes, end):
    scene = scenes()
    scene.talk()
    heard = len(scene.panel.sent)

    if end == "leg":
        scene.leg.close()
    elif end == "bridge":
        scene.bridge.close()
    else:
        scene.bridge.detach(scene.leg.leg_id)
    scene.talk()
    for packet in press(90_000):
        scene.give(packet)

    assert scene.digits == []
    assert len(scene.panel.sent) == heard


async def test_before_the_answer_no_digit_counts():
    digits = []
    leg = PlainLeg.open(LegId("phone"), PortPool(HOST), with_video=False)
    bridge = Bridge(on_digit=lambda *pressed: digits.append(pressed))

    for packet in press(1_000):
        leg._audio._receive_rtp(memoryview(packet), PHONE, 1.0)

    assert digits == []
    bridge.close()
    leg.close()


@pytest.mark.parametrize(
    ("shape", "stranger"),
    [
        ("signalled", ("203.0.113.5", 9999)),
        ("signalled", ("198.51.100.8", 4001)),
        ("media networks", ("198.18.0.10", 5001)),
        ("behind NAT", (SIGNALLING, 9999)),
    ],
)
async def test_rtcp_of_a_stranger_is_dropped_and_redirects_nothing(scenes, shape, stranger):
    scene = scenes(shape)
    scene.talk()
    report = rtcp.build_receiver_report(rtcp.ReceiverReport(SSRC))
    believed = (scene.source[0], scene.source[1] + 1)
    scene.stream._receive_rtcp(memoryview(report), believed, 1.0)

    scene.stream._receive_rtcp(memoryview(report), stranger, 2.0)

    assert scene.stream._rtcp_target() == believed
    assert scene.leg.wrong_source_packets == (1 if shape != "behind NAT" else NAT_PACKETS)


async def test_a_moved_peer_is_heard_at_its_new_address_alone(scenes):
    scene = scenes()
    scene.talk()
    heard = len(scene.panel.sent)

    scene.leg.update(replace(negotiated(MOVED)))
    scene.talk()
    assert len(scene.panel.sent) == heard
    scene.give(sound(9_000), MOVED)

    assert len(scene.panel.sent) == heard + 1
    assert scene.stream.latch.target == MOVED
    assert scene.leg.out(Media.AUDIO) is not None
