"""The short way of ordinary sound must say, packet for packet, what the bridge's long way says."""

import random

import pytest

from intercom.media import dtmf, rtp
from intercom.media.bridge import Bridge
from intercom.media.leg import Media, OutStream
from intercom.sip.offer_answer import Codec
from tests.media.peers import DTMF, ManualClock, Peer, RecordingLeg, delivered

TONE = bytes(2 * 8000)


class Call:
    """A panel, two who listen and a phone that is connected, without sockets."""

    def __init__(self, *, is_short):
        self.is_short = is_short
        self.clock = ManualClock()
        self.digits = []
        self.bridge = Bridge(
            on_digit=lambda *pressed: self.digits.append(pressed),
            clock=self.clock,
            call_at=self.clock.call_at,
        )
        self.legs = {name: RecordingLeg(name, self.clock) for name in ("panel", "app", "tv")}
        self.legs["phone"] = RecordingLeg("phone", self.clock, codec=Codec.PCMA)
        self.bridge.attach_panel(self.legs["panel"])
        for name in ("app", "tv"):
            self.bridge.attach(self.legs[name], hears_visitor=True, is_phone=False)
        self.bridge.attach(self.legs["phone"], hears_visitor=False, is_phone=True)
        self.bridge.connect(self.legs["phone"].leg_id)
        self.taken = 0

    def member(self, name):
        return next(each for each in self.bridge._everybody() if each.leg is self.legs[name])

    def arrive(self, name, packet):
        leg = self.legs[name]
        view = memoryview(bytearray(packet))
        if self.is_short and leg.on_sound is not None and leg.on_sound(view, self.clock()):
            self.taken += 1
        elif leg.on_rtp is not None:
            leg.on_rtp(leg, Media.AUDIO, view, self.clock())

    def numbers(self, name):
        """Give what a leg was sent, its numbers counted from the first one's."""
        sent = [packet for _, media, packet in self.legs[name].sent if media is Media.AUDIO]
        first = rtp.parse(sent[0]) if sent else None
        return [
            (
                packet[1],
                (rtp.parse(packet).sequence_number - first.sequence_number) & 0xFFFF,
                (rtp.parse(packet).timestamp - first.timestamp) & 0xFFFFFFFF,
                rtp.parse(packet).ssrc,
                packet[12:],
            )
            for packet in sent
        ]

    def figures(self):
        return [self.bridge.statistics(leg.leg_id) for leg in self.legs.values()]

    def receptions(self):
        return [self.member(name).reception[Media.AUDIO].block(self.clock()) for name in self.legs]


def sound(sequence, *, ssrc=1, timestamp=None, payload=bytes(160), marker=False, payload_type=8):
    timestamp = 160 * sequence if timestamp is None else timestamp
    head = rtp.build_header(payload_type, sequence, timestamp, ssrc, marker=marker)
    return bytes(head + payload)


class Talker:
    """Says packets as the worst networks deliver them."""

    def __init__(self, rng, ssrc):
        self.rng, self.ssrc = rng, ssrc
        self.sequence, self.timestamp = rng.randrange(65536), rng.getrandbits(32)
        self.late = []

    def next(self):
        rng = self.rng
        roll = rng.random()
        self.sequence += 1
        self.timestamp += 160
        if roll < 0.03:
            self.sequence += rng.choice((1, 2, 50, 4000))
        elif roll < 0.05:
            self.timestamp += rng.choice((-(1 << 20), 1 << 20, 8000, 320))
        elif roll < 0.06:
            self.ssrc, self.sequence = rng.getrandbits(32), rng.randrange(65536)
        payload_type = DTMF if roll > 0.97 else rng.choice((8, 0, 13)) if roll > 0.96 else 8
        packet = bytearray(
            sound(
                self.sequence & 0xFFFF,
                ssrc=self.ssrc,
                timestamp=self.timestamp & 0xFFFFFFFF,
                payload=dtmf.build_event("5", 160) if payload_type == DTMF else rng.randbytes(20),
                marker=rng.random() < 0.02,
                payload_type=payload_type,
            )
        )
        if 0.90 < roll < 0.92:  # an extension without words
            packet[0] |= 0x10
            packet[12:12] = bytes(4)
        elif roll < 0.07:
            packet[0] = rng.randrange(256)
        if 0.80 < roll < 0.84:
            self.late.append(bytes(packet))
            return []
        again = [self.late.pop(0)] if self.late and roll < 0.3 else []
        return [bytes(packet), *([bytes(packet)] if 0.84 < roll < 0.86 else []), *again]


def play(call, seed):
    """Let everything happen, the same with the same seed."""
    rng = random.Random(seed)
    talkers = {name: Talker(rng, n) for n, name in enumerate(call.legs)}
    for _ in range(600):
        call.clock.advance(rng.choice((0.0, 0.02, 0.02, 0.02, 0.021, 0.2, 3.0)))
        for name, talker in talkers.items():
            for packet in talker.next():
                call.arrive(name, packet)
        disturb(call, rng)


def disturb(call, rng):
    name = rng.choice(("app", "tv", "phone"))
    leg = call.legs[name]
    match rng.randrange(80):
        case 0:
            call.bridge.play(leg.leg_id, TONE[: rng.choice((320, 3200))])
        case 1:
            call.bridge.play(None, TONE[:1600])
        case 2:
            call.bridge.connect(leg.leg_id)
        case 3:
            call.bridge.disconnect(leg.leg_id)
        case 4:
            leg._codec = rng.choice((Codec.PCMA, Codec.PCMU))
            leg._out[Media.AUDIO] = OutStream(rng.choice((8, 0)), rng.getrandbits(32), 8000)
            leg.revision += 1
        case _ if rng.random() < 0.02:
            leg.is_ready = not leg.is_ready
        case 5:
            call.bridge.attach(leg, hears_visitor=name != "phone", is_phone=name == "phone")


@pytest.mark.parametrize("seed", range(12))
def test_both_ways_give_the_same_packets_counts_and_digits_whatever_happens(seed, monkeypatch):
    monkeypatch.setattr("intercom.media.member.secrets.randbits", lambda _: 60_000)
    short, long = Call(is_short=True), Call(is_short=False)

    play(short, seed)
    play(long, seed)

    assert short.taken > 1000
    for name in short.legs:
        assert short.numbers(name) == long.numbers(name), name
    assert short.figures() == long.figures()
    assert short.receptions() == long.receptions()
    assert short.digits == long.digits
    short.bridge.close()
    long.bridge.close()


def talk(call, numbers, name="panel", **shape):
    for n in numbers:
        call.clock.advance(0.02)
        call.arrive(name, sound(n, **shape))


@pytest.fixture
def call():
    one = Call(is_short=True)
    yield one
    one.bridge.close()


def test_ordinary_packets_take_the_short_way_to_all_who_listen(call):
    talk(call, range(10))

    assert call.taken == 10
    for name in ("app", "tv", "phone"):
        assert [seq for _, seq, *_ in call.numbers(name)] == list(range(10))


def test_each_listener_gets_its_own_header_and_the_same_payload(call):
    call.legs["tv"]._out[Media.AUDIO] = OutStream(8, 99, 8000)
    call.legs["tv"].revision += 1

    talk(call, range(3), payload=b"visitor")

    assert [(ssrc, said) for *_, ssrc, said in call.numbers("tv")] == [(99, b"visitor")] * 3
    assert [(ssrc, said) for *_, ssrc, said in call.numbers("app")] == [(11, b"visitor")] * 3


def test_a_late_packet_keeps_its_place_and_a_copy_is_not_sent(call):
    talk(call, [1, 2, 4, 3, 3, 4, 5])

    assert [(seq, ts) for _, seq, ts, *_ in call.numbers("app")] == [
        (0, 0),
        (1, 160),
        (3, 480),
        (2, 320),
        (2, 320),
        (4, 640),
    ]


def test_a_new_ssrc_goes_on_without_a_break_and_with_a_marker(call):
    talk(call, range(5))
    talk(call, range(40_000, 40_005), ssrc=7)

    assert [seq for _, seq, *_ in call.numbers("app")] == list(range(10))
    assert call.numbers("app")[5][0] == 0x80 | 8


def test_a_tone_that_begins_in_the_middle_takes_the_place_of_live_sound_for_that_leg_alone(call):
    talk(call, range(5), payload=b"live")
    call.bridge.play(call.legs["app"].leg_id, TONE)
    talk(call, range(5, 10), payload=b"live")

    app = [payload for *_, payload in call.numbers("app")]
    assert app[:5] == [b"live"] * 5
    assert b"live" not in app[5:]
    assert [payload for *_, payload in call.numbers("tv")] == [b"live"] * 10


def test_a_listener_that_goes_in_the_middle_of_the_fan_out_harms_no_other(call):
    talk(call, range(2))
    app, tv = call.legs["app"], call.legs["tv"]
    keep = app.send_rtp

    def send_and_hang_up(media, packet):
        keep(media, packet)
        call.bridge.detach(tv.leg_id)
        tv.close()

    app.send_rtp = send_and_hang_up
    app.revision += 1

    talk(call, range(2, 5))

    assert len(call.numbers("app")) == len(call.numbers("phone")) == 5
    assert len(call.numbers("tv")) == 2


class Tap:
    """Hears everything; `give` says what goes on in its place."""

    def __init__(self, give):
        self.give, self.heard = give, []

    def hear(self, packet, now):
        self.heard.append(bytes(packet))
        return self.give(packet)


def test_a_tap_hears_each_packet_as_it_came_and_what_it_gives_is_sent(call):
    tap = Tap(lambda packet: packet if packet[3] % 2 else bytes(packet[:12]) + b"hush")
    call.member("panel").tap = tap

    talk(call, range(4), payload=b"tone")

    assert tap.heard == [sound(n, payload=b"tone") for n in range(4)]
    for name in ("app", "tv", "phone"):
        assert [payload for *_, payload in call.numbers(name)] == [b"hush", b"tone"] * 2


def test_what_a_tap_keeps_back_leaves_no_gap(call):
    call.member("panel").tap = Tap(lambda packet: None if packet[3] in {2, 3} else packet)

    talk(call, range(6))

    assert [seq for _, seq, *_ in call.numbers("phone")] == [0, 1, 2, 3]


def test_a_phones_ear_hears_it_while_the_gate_is_shut(call):
    call.bridge.disconnect(call.legs["phone"].leg_id)
    tap = call.member("phone").tap = Tap(lambda packet: packet)

    talk(call, range(3), name="phone")

    assert len(tap.heard) == 3
    assert call.numbers("panel") == []


def test_a_packet_that_may_not_be_written_to_takes_the_long_way(call):
    panel = call.legs["panel"]

    assert not panel.on_sound(memoryview(sound(1)), 100.0)
    assert call.numbers("app") == []


def test_a_payload_type_that_looks_like_rtcp_is_never_ordinary(call):
    panel = call.legs["panel"]
    panel.in_payload_type = lambda media: 72
    panel.revision += 1

    assert not panel.on_sound(memoryview(bytearray(sound(1, payload_type=72, marker=True))), 100.0)


class Scene:
    """A panel and a phone on real sockets."""

    def __init__(self):
        self.bridge = Bridge(on_digit=lambda *_: None)
        self.panel, self.phone = Peer("panel", ssrc=1), Peer("phone", ssrc=2)
        self.bridge.attach_panel(self.panel.leg)
        self.bridge.attach(self.phone.leg, hears_visitor=False, is_phone=True)
        self.bridge.connect(self.phone.leg.leg_id)

    async def both_talk(self):
        self.panel.say(b"from the panel")
        self.phone.say(b"from the phone")
        await delivered()

    def heard(self):
        return [[payload for _, payload in peer.heard()] for peer in (self.panel, self.phone)]

    def close(self):
        self.bridge.close()
        self.panel.close()
        self.phone.close()


@pytest.fixture
async def scene():
    one = Scene()
    yield one
    one.close()


BOTH = [[b"from the phone"], [b"from the panel"]]


async def test_a_hold_stops_the_sound_both_ways_and_its_end_brings_it_back(scene):
    await scene.both_talk()
    assert scene.heard() == BOTH

    held = scene.phone.negotiated(can_send=False)
    scene.phone.leg.update(type(held)(_receiving(held.audio, False), held.video))
    await scene.both_talk()
    assert scene.heard() == [[], []]
    assert scene.phone.leg.unwanted_packets == 1

    scene.phone.leg.update(scene.phone.negotiated())
    await scene.both_talk()
    assert scene.heard() == BOTH


async def test_a_re_invite_to_another_codec_is_followed_at_once_both_ways(scene):
    await scene.both_talk()
    scene.heard()

    scene.phone.codec = Codec.PCMU
    scene.phone.leg.update(scene.phone.negotiated())
    scene.panel.say(bytes(range(100)))
    scene.phone.say(bytes(range(100)))
    await delivered()

    [(to_phone, _)] = scene.phone.heard()
    [(to_panel, sound_of_phone)] = scene.panel.heard()
    assert (to_phone.payload_type, to_panel.payload_type) == (0, 8)
    assert sound_of_phone != bytes(range(100))


async def test_a_re_invite_to_another_address_is_followed_and_the_old_one_no_longer_heard(scene):
    await scene.both_talk()
    scene.heard()
    former = scene.phone.sockets[0]
    scene.phone.sockets[0] = scene.phone._open()
    scene.phone.leg.update(scene.phone.negotiated())

    former.sendto(sound(1, ssrc=2), ("127.0.0.1", scene.phone.leg.audio_port))
    await scene.both_talk()

    assert scene.heard() == BOTH
    former.close()


def _receiving(audio, can_receive):
    return type(audio)(
        *(getattr(audio, name) for name in list(audio.__dataclass_fields__)[:8]),
        audio.can_send,
        can_receive,
    )
