"""Packets of the picture that a device missed: sent again, in bounds, and nobody else is harmed."""

from intercom.media import rtcp, rtcp_feedback
from intercom.media.leg import Media
from intercom.media.picture_wishes import (
    LEAST_BITS_PER_S,
    NO_LIMIT_BITS_PER_S,
    KeyFrameWishes,
    RateWishes,
)
from intercom.media.sent_packets import (
    BURST_BYTES,
    HISTORY_PACKETS,
    RESEND_BYTES_PER_S,
    SentPackets,
)
from tests.media.test_h264 import IDR, PPS, SLICE, SPS
from tests.media.test_picture import Scene
from tests.media.webrtc_apps import BareApp, Door, panel_video, rtp

LARGE = b"x" * 1200


def full(packet=LARGE):
    sent = SentPackets()
    for number in range(1000, 1000 + 2 * HISTORY_PACKETS):
        sent.keep(number, packet)
    return sent


def test_the_last_128_packets_are_held_and_no_older_one():
    sent = full()

    held = [number for number in range(900, 1300) if sent.holds(number)]

    assert held == list(range(1128, 1256))


def test_a_packet_is_not_sent_again_twice_within_20_ms():
    sent = full()

    ticks = [n for n in range(8) if sent.take(1200, n / 64) is not None]

    assert ticks == [0, 2, 4, 6]  # of 15.6 ms


def test_what_is_sent_again_is_bounded_in_bytes_per_second():
    sent = full()

    given = 0
    for ms in range(0, 10_000, 5):
        for number in range(1128, 1256):
            given += len(sent.take(number, ms / 1000) or b"")

    assert given <= BURST_BYTES + 10 * RESEND_BYTES_PER_S
    assert given >= 9 * RESEND_BYTES_PER_S


def test_the_numbers_wrap():
    sent = SentPackets()
    for number in (65534, 65535, 0, 1):
        sent.keep(number, b"%d" % number)

    assert [sent.take(number, 1.0) for number in (65535, 0)] == [b"65535", b"0"]


def test_clearing_leaves_no_packet():
    sent = full(b"a picture of visitor A")

    sent.clear()

    assert not any(sent.holds(number) for number in range(65536))
    assert set(sent._packets) == {b""}


# -- in the fan ------------------------------------------------------------------------------


class Keeping:
    """Gives a RecordingLeg the packets that a WebRTC leg keeps."""

    def __init__(self, leg):
        self.leg, self.sent = leg, SentPackets()
        send = leg.send_rtp

        def send_and_keep(media, packet):
            send(media, packet)
            self.sent.keep(packet[2] << 8 | packet[3], bytes(packet))

        leg.send_rtp, leg.resend = send_and_keep, self.resend

    def resend(self, number, now):
        packet = self.sent.take(number, now)
        if packet is not None:
            self.leg.sent.append((now, Media.VIDEO, packet))
        return self.sent.holds(number)


def nack(leg, *numbers, ssrc=12):
    return rtcp.parse(rtcp_feedback.build_nack(1, ssrc, numbers))


def numbers_of(leg):
    return [packet[2] << 8 | packet[3] for _, _, packet in leg.sent]


def watched(scene):
    scene.show(SPS, PPS, IDR)
    leg = scene.viewer()
    Keeping(leg)
    scene.run(30)
    leg.sent.clear()
    scene.run(10)
    return leg


def test_a_missed_packet_is_sent_again_with_its_own_number_and_bytes():
    scene = Scene()
    leg = watched(scene)
    [_, _, original], number = leg.sent[4], numbers_of(leg)[4]
    leg.sent.clear()

    scene.fan.hear("app", nack(leg, number), scene.clock())

    assert [packet for _, _, packet in leg.sent] == [original]
    assert scene.asked == []


def test_a_nack_for_somebody_elses_stream_is_passed_over():
    scene = Scene()
    leg = watched(scene)
    number = numbers_of(leg)[4]
    leg.sent.clear()

    scene.fan.hear("app", nack(leg, number, ssrc=99), scene.clock())
    scene.fan.hear("nobody", nack(leg, number), scene.clock())

    assert leg.sent == []


def test_what_was_lost_before_us_is_worth_a_key_frame_when_it_is_missed_twice():
    scene = Scene()
    leg = watched(scene)
    gone = numbers_of(leg)[-1] + 3

    scene.fan.hear("app", nack(leg, gone), scene.clock())
    assert scene.asked == []  # it may only be late

    scene.clock.advance(0.05)
    scene.fan.hear("app", nack(leg, gone), scene.clock())
    assert len(scene.asked) == 1


def test_one_device_that_wishes_for_key_frames_all_the_time_does_not_make_every_picture_one():
    scene = Scene()
    scene.show(SPS, PPS, IDR)
    scene.viewer("good")
    scene.viewer("bad")
    scene.run(10)
    pli = rtcp.parse(rtcp.build_pli(1, 12))

    for _ in range(200):  # 20 s
        scene.fan.hear("bad", pli, scene.clock())
        scene.clock.advance(0.1)
        scene.show(SLICE)

    assert 5 <= len(scene.asked) <= 8  # 40 if each counted as soon as it may


def test_wishes_of_who_watches_alone_all_count():
    wishes = KeyFrameWishes()

    assert all(wishes.counts(n / 10, is_alone=True) for n in range(100))


def test_a_device_that_was_calm_is_believed_again():
    wishes = KeyFrameWishes()
    for n in range(100):
        wishes.counts(n / 10, is_alone=False)

    assert wishes.counts(20.0, is_alone=False)
    assert not wishes.counts(20.4, is_alone=False)
    assert wishes.counts(20.6, is_alone=False)


# -- how much fits through -------------------------------------------------------------------


def test_the_panel_is_asked_for_what_the_narrowest_way_carries():
    rates = RateWishes()
    rates.heard("wide", 5_000_000, 10.0)
    assert rates.ask(2_000_000, 10.0) is None  # all of it fits

    rates.heard("narrow", 600_000, 10.0)

    assert rates.ask(2_000_000, 10.0) == 600_000


def test_a_device_that_carries_next_to_nothing_does_not_starve_the_others():
    rates = RateWishes()
    rates.heard("wide", 5_000_000, 10.0)
    rates.heard("hopeless", 20_000, 10.0)

    assert rates.ask(2_000_000, 10.0) == LEAST_BITS_PER_S


def test_less_is_asked_for_at_most_each_second_and_more_each_three():
    rates = RateWishes()
    asked = []
    for tenth in range(100):
        now = 10 + tenth / 10
        rates.heard("app", 2_000_000 - 15_000 * tenth, now)
        if (rate := rates.ask(3_000_000, now)) is not None:
            asked.append((now, rate))
    assert len(asked) <= 11
    assert asked[-1][1] < asked[0][1]

    rising = []
    for tenth in range(100):
        now = 20 + tenth / 10
        rates.heard("app", 500_000 + 50_000 * tenth, now)
        if (rate := rates.ask(500_000, now)) is not None:
            rising.append((now, rate))
    assert 3 <= len(rising) <= 4


def test_the_limit_is_lifted_when_the_narrow_device_has_gone():
    rates = RateWishes()
    rates.heard("narrow", 600_000, 10.0)
    rates.ask(2_000_000, 10.0)

    rates.forget("narrow")

    assert rates.ask(600_000, 14.0) == NO_LIMIT_BITS_PER_S
    assert rates.ask(600_000, 20.0) is None


# -- over the wire ---------------------------------------------------------------------------


async def test_a_device_gets_the_same_encrypted_packet_again():
    async with Door(video=panel_video()) as door, BareApp(door.leg.offer()) as app:
        await _connect(door, app)
        stream = door.leg.out(Media.VIDEO)
        packet = rtp(stream.payload_type, 7, 3000, stream.ssrc, b"\x41picture")
        door.leg.send_rtp(Media.VIDEO, packet)
        first = await app.receive()

        is_held = door.leg.resend(7, 1.0)
        again = await app.receive()

        assert is_held
        assert again == first
        assert app.unprotect(again) == packet
        assert not door.leg.resend(8, 1.0)


async def test_a_closed_leg_holds_no_packet_of_its_visitor():
    async with Door(video=panel_video()) as door, BareApp(door.leg.offer()) as app:
        await _connect(door, app)
        stream = door.leg.out(Media.VIDEO)
        door.leg.send_rtp(Media.VIDEO, rtp(stream.payload_type, 7, 0, stream.ssrc, b"\x41A"))

        door.leg.close()

        assert not door.leg.resend(7, 1.0)
        assert set(door.leg._sent._packets) == {b""}


async def _connect(door, app):
    door.leg.accept_answer(app.answer(video="102"))
    await app.connect()
    await door.is_ready()
