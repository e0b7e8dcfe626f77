"""The panel's picture on its way to every device."""

from itertools import pairwise

from intercom.media import h264, rtp
from intercom.media.leg import Media
from intercom.media.picture import LEAST_LINE_RATE_BYTES_PER_S, PictureFan
from tests.media.peers import ManualClock, RecordingLeg
from tests.media.test_h264 import IDR, PPS, SLICE, SPS, Camera


class Scene:
    def __init__(self):
        self.clock = ManualClock()
        self.asked = []
        self.camera = Camera()
        self.fan = PictureFan(
            clock=self.clock,
            call_at=self.clock.call_at,
            ask_for_key_frame=lambda: self.asked.append(round(self.clock() - 100.0, 3)),
        )

    def show(self, *nals, max_bytes=1200):
        for packet in self.camera.picture(*nals, max_bytes=max_bytes):
            self.fan.receive(memoryview(packet), self.clock())

    def run(self, pictures, nal=SLICE):
        """Show pictures at 30 a second."""
        for _ in range(pictures):
            self.clock.advance(1 / 30)
            self.show(nal)

    def viewer(self, name="app", *, is_ready=True):
        leg = RecordingLeg(name, self.clock, is_ready=is_ready)
        self.fan.add(leg, lambda size: None)
        return leg


def headers(leg):
    return [rtp.parse(packet) for _, _, packet in leg.sent]


def payloads(leg):
    return [packet[12:] for _, _, packet in leg.sent]


def assert_unbroken(leg):
    for before, after in pairwise(headers(leg)):
        assert rtp.serial_difference(after.sequence_number, before.sequence_number, 16) == 1
        assert rtp.serial_difference(after.timestamp, before.timestamp) >= 0


def test_a_device_that_was_there_first_gets_the_key_frame_as_it_comes():
    scene = Scene()
    leg = scene.viewer()

    scene.show(SPS, PPS, IDR)
    scene.run(3)

    assert payloads(leg) == [SPS, PPS, IDR, SLICE, SLICE, SLICE]
    assert {media for _, media, _ in leg.sent} == {Media.VIDEO}
    assert {(header.payload_type, header.ssrc) for header in headers(leg)} == {(97, 12)}
    assert_unbroken(leg)


def test_before_a_key_frame_nothing_is_sent_and_one_is_asked_for():
    scene = Scene()
    leg = scene.viewer()

    scene.run(10)

    assert leg.sent == []
    assert scene.asked == [0.0]


def test_a_joining_device_is_replayed_the_pictures_since_the_key_frame_and_then_goes_live():
    scene = Scene()
    scene.show(SPS, PPS, IDR)
    scene.run(60)

    leg = scene.viewer()
    scene.run(30)

    assert payloads(leg) == [SPS, PPS, IDR, *[SLICE] * 90]
    assert scene.asked == []
    assert_unbroken(leg)


def test_replayed_pictures_have_the_time_at_which_they_are_sent():
    scene = Scene()
    scene.show(SPS, PPS, IDR)
    scene.run(120)  # four seconds

    leg = scene.viewer()
    started = len(leg.sent)
    scene.run(30)

    times = [header.timestamp for header in headers(leg)]
    length_s = rtp.serial_difference(times[-1], times[0]) / 90_000
    assert started >= 3  # the key frame goes at once
    assert 0.9 < length_s < 1.3  # not four seconds more
    live = headers(leg)[-20:]
    assert {b.timestamp - a.timestamp & 0xFFFFFFFF for a, b in pairwise(live)} == {3000}


def test_pictures_keep_their_fragments_together_in_time():
    scene = Scene()
    scene.show(SPS, PPS, IDR * 100, max_bytes=500)
    scene.run(10)

    leg = scene.viewer()
    scene.run(20)

    ends = [header.marker for header in headers(leg)]
    first = ends.index(True)
    assert len({header.timestamp for header in headers(leg)[: first + 1]}) == 1
    assert_unbroken(leg)


def test_a_replay_is_at_most_three_times_the_line_rate():
    scene = Scene()
    scene.show(SPS, PPS, b"\x65" + bytes(80_000))
    scene.run(30, nal=b"\x61" + bytes(4000))
    line_rate = scene.fan._cache.bytes_per_s

    leg = scene.viewer()
    scene.clock.advance(1.0)

    total = sum(len(packet) for _, _, packet in leg.sent)
    length_s = leg.sent[-1][0] - leg.sent[0][0]
    assert line_rate > LEAST_LINE_RATE_BYTES_PER_S
    assert total > 200_000
    assert total / (length_s + 0.02) <= 3 * line_rate


def test_a_device_becomes_ready_and_is_shown_the_picture_then():
    scene = Scene()
    leg = scene.viewer(is_ready=False)
    scene.show(SPS, PPS, IDR)
    scene.run(5)
    assert leg.sent == []

    leg.is_ready = True
    scene.fan.leg_ready(leg)
    scene.clock.advance(0.5)

    assert payloads(leg)[:4] == [SPS, PPS, IDR, SLICE]


def test_missing_parameter_sets_are_put_before_each_key_frame_live_and_replayed():
    scene = Scene()
    live = scene.viewer("live")
    scene.show(SPS, PPS)
    scene.show(IDR)
    scene.run(2)
    joined = scene.viewer("joined")
    scene.clock.advance(0.5)
    scene.show(IDR)

    assert payloads(live) == [SPS, PPS, IDR, SLICE, SLICE, SPS, PPS, IDR]
    assert payloads(joined) == [SPS, PPS, IDR, SLICE, SLICE, SPS, PPS, IDR]
    assert_unbroken(live)
    assert_unbroken(joined)


def test_a_new_key_frame_during_a_replay_begins_it_anew():
    scene = Scene()
    scene.show(SPS, PPS, b"\x65" + bytes(200_000))
    leg = scene.viewer()
    scene.clock.advance(0.02)

    scene.show(SPS, PPS, IDR)
    scene.run(5)

    assert payloads(leg)[-8:] == [SPS, PPS, IDR, *[SLICE] * 5]
    assert_unbroken(leg)


def test_key_frames_are_asked_for_at_most_every_500_ms_and_the_last_wish_is_kept():
    scene = Scene()

    for _ in range(20):
        scene.fan.request_key_frame()
        scene.clock.advance(0.1)

    assert scene.asked == [0.0, 0.5, 1.0, 1.5, 2.0]


def test_an_outgrown_cache_makes_the_joining_device_wait_for_a_key_frame():
    scene = Scene()
    scene.fan._cache = h264.GopCache(max_bytes=30_000)
    scene.show(SPS, PPS, b"\x65" + bytes(25_000))
    watching = scene.viewer("watching")
    scene.run(20, nal=b"\x61" + bytes(900))

    joining = scene.viewer("joining")
    scene.run(5)
    assert joining.sent == []
    assert len(scene.asked) == 1
    scene.show(SPS, PPS, IDR)

    assert payloads(joining) == [SPS, PPS, IDR]
    assert payloads(watching)[-4:] == [SLICE, SPS, PPS, IDR]


def test_another_panel_leg_begins_with_its_own_key_frame():
    scene = Scene()
    leg = scene.viewer()
    scene.show(SPS, PPS, IDR)
    sent = len(leg.sent)

    scene.fan.new_source(None)
    scene.camera = Camera(ssrc=99, sequence=5, timestamp=5)
    scene.run(5)
    assert len(leg.sent) == sent
    scene.show(SPS, PPS, IDR)

    assert payloads(leg)[sent:] == [SPS, PPS, IDR]
    assert_unbroken(leg)


def test_closing_wipes_the_pictures_and_stops_all_timers():
    scene = Scene()
    scene.show(SPS, PPS, b"\x65" + bytes(100_000))
    leg = scene.viewer()
    scene.fan.request_key_frame()
    scene.fan.request_key_frame()

    scene.fan.close()
    sent = len(leg.sent)
    scene.clock.advance(5.0)

    assert len(leg.sent) == sent
    assert scene.fan._cache.packets == []
    assert not scene.clock.has_timer


def test_a_joining_device_gets_what_can_be_shown_and_a_key_frame_is_asked_for_where_a_packet_is_missing():
    scene = Scene()
    scene.show(SPS, PPS, IDR)
    scene.run(5)
    scene.camera.sequence += 1  # lost on its way to us
    scene.run(5)

    leg = scene.viewer()
    scene.run(30)

    assert payloads(leg)[:4] == [SPS, PPS, IDR, SLICE]
    assert len(scene.asked) >= 1


def test_packets_out_of_order_reach_a_joining_device_in_order():
    scene = Scene()
    scene.show(SPS, PPS, IDR)
    first, second = (scene.camera.picture(b"\x61" + name)[0] for name in (b"first", b"second"))
    for packet in (second, first):
        scene.fan.receive(memoryview(packet), scene.clock())
    scene.run(3)

    leg = scene.viewer()
    scene.run(10)

    assert payloads(leg)[3:6] == [b"\x61first", b"\x61second", SLICE]
    assert_unbroken(leg)


def test_a_picture_that_comes_back_after_a_pause_is_asked_for_anew():
    scene = Scene()
    scene.viewer()
    scene.show(SPS, PPS, IDR)
    scene.run(10)
    scene.clock.advance(5.0)
    asked = len(scene.asked)

    scene.run(10)

    assert len(scene.asked) == asked + 1


def test_a_lost_request_for_a_key_frame_is_repeated_each_second_while_somebody_waits():
    scene = Scene()
    scene.viewer()

    scene.run(3 * 30 + 5)

    assert [round(at) for at in scene.asked] == [0, 1, 2, 3]
    scene.show(SPS, PPS, IDR)
    scene.run(3 * 30)
    assert len(scene.asked) == 4


def test_of_visitor_a_no_byte_is_left_and_visitor_bs_device_sees_b_first():
    """A call has a fan of its own; and even in the same one nothing is left after another panel leg."""
    visitor_a, visitor_b = b"\x65" + b"visitor A" * 500, b"\x65" + b"visitor B" * 500
    calls = [Scene(), Scene()]
    shown = []
    for scene, visitor in zip(calls, (visitor_a, visitor_b), strict=True):
        early = scene.viewer("early")
        scene.show(SPS, PPS, visitor)
        scene.run(30, nal=b"\x61" + visitor[1:])
        late = scene.viewer("late")
        scene.run(30, nal=b"\x61" + visitor[1:])
        shown.append((early, late))
        assert bytes_held(scene.fan)
        scene.fan.close()

    assert bytes_held(calls[0].fan) == b""
    assert bytes_held(calls[1].fan) == b""
    for leg in shown[1]:
        assert b"visitor A" not in b"".join(payloads(leg))
        assert b"visitor B" in payloads(leg)[2]


def test_another_panel_leg_leaves_no_byte_of_the_first():
    scene = Scene()
    scene.viewer()
    scene.show(SPS, PPS, b"\x65" + b"visitor A" * 500)

    scene.fan.new_source(None)

    assert bytes_held(scene.fan) == b""


def bytes_held(owner, seen=None):
    """Give all bytes that can be reached from an object of ours, through whatever holds them."""
    seen = set() if seen is None else seen
    if id(owner) in seen:
        return b""
    seen.add(id(owner))
    match owner:
        case bytes() | bytearray() | memoryview():
            return bytes(owner)
        case dict():
            parts = [*owner.keys(), *owner.values()]
        case list() | tuple() | set() | frozenset():
            parts = list(owner)
        case _ if type(owner).__module__.startswith("intercom"):
            if isinstance(owner, type) or callable(owner):
                return b""
            slots = [
                name for kind in type(owner).__mro__ for name in getattr(kind, "__slots__", ())
            ]
            names = [*slots, *getattr(owner, "__dict__", {})]
            parts = [getattr(owner, name, None) for name in names]
        case _:
            return b""
    return b"".join(bytes_held(part, seen) for part in parts)
