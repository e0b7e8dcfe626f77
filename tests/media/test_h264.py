"""H.264 in RTP: what packets hold, packetising, and the pictures since the last key frame."""

import base64
import random

import pytest

from intercom.media import h264, rtp
from intercom.media.h264 import GopCache, NalType

SPS, PPS = b"\x67\x42\xe0\x1f\x01", b"\x68\xce\x3c\x80"
IDR, SLICE = b"\x65\x88" + b"i" * 40, b"\x61\x9a" + b"p" * 20


class Camera:
    """Makes the packets of one stream."""

    def __init__(self, ssrc=1, sequence=65533, timestamp=0xFFFFF000):
        self.ssrc, self.sequence, self.timestamp = ssrc, sequence, timestamp

    def picture(self, *nals, max_bytes=1200, advance=3000):
        self.timestamp = (self.timestamp + advance) & 0xFFFFFFFF
        payloads = h264.packetise(list(nals), max_bytes)
        packets = []
        for payload in payloads:
            is_last = payload is payloads[-1]
            head = rtp.build_header(96, self.sequence, self.timestamp, self.ssrc, marker=is_last)
            packets.append(bytes(head + payload))
            self.sequence = (self.sequence + 1) & 0xFFFF
        return packets


def aggregated(*nals):
    return b"\x78" + b"".join(len(nal).to_bytes(2, "big") + nal for nal in nals)


@pytest.mark.parametrize(
    ("payload", "kinds"),
    [
        (SPS, [7]),
        (IDR, [5]),
        (aggregated(SPS, PPS, IDR), [7, 8, 5]),
        (b"\x7c\x85" + b"x", [5]),  # FU-A, first fragment of an IDR
        (b"\x7c\x45" + b"x", []),  # its last fragment
        (b"", []),
        (b"\x7c", []),
        (b"\x78\x00", []),
        (b"\x78\x00\x09\x67", []),  # announces more than there is
        (b"\x7d\x00", []),  # FU-B is not used in packetization-mode 1
    ],
)
def test_nal_units_are_found_where_they_begin(payload, kinds):
    assert [kind for kind, _ in h264.nal_starts(payload)] == kinds
    assert h264.starts_key_frame(memoryview(payload)) == (5 in kinds)


def test_random_payloads_never_raise():
    rng = random.Random(7)
    cache = GopCache()

    for n in range(20_000):
        payload = rng.randbytes(rng.randrange(12))
        list(h264.nal_starts(payload))
        cache.add(rtp.build_header(96, n & 0xFFFF, rng.getrandbits(32), 1) + payload)


def test_long_units_are_fragmented_and_can_be_put_together():
    nal = b"\x65" + bytes(range(256)) * 10

    payloads = h264.packetise([SPS, nal], 500)
    fragments = payloads[1:]

    assert payloads[0] == SPS
    assert max(map(len, payloads)) <= 500
    assert [payload[1] & 0xC0 for payload in fragments] == [0x80, 0, 0, 0, 0, 0x40]
    assert bytes([0x65]) + b"".join(payload[2:] for payload in fragments) == nal


def test_a_byte_stream_is_split_into_pictures():
    code = b"\0\0\0\1"
    stream = b"".join(code + nal for nal in (SPS, PPS, IDR, SLICE, SLICE, SPS, PPS, IDR))

    assert h264.split_access_units(stream) == [[SPS, PPS, IDR], [SLICE], [SLICE], [SPS, PPS, IDR]]


def test_parameter_sets_of_an_sdp_are_read_and_bad_ones_left_out():
    sprop = base64.b64encode(SPS).decode() + ",???," + base64.b64encode(PPS).decode()

    assert h264.parameter_sets(sprop) == [SPS, PPS]
    assert h264.parameter_sets(None) == []


def test_the_cache_holds_the_last_key_frames_picture_and_all_that_followed():
    camera, cache = Camera(), GopCache()
    old = camera.picture(SPS, PPS, IDR) + camera.picture(SLICE)
    new = camera.picture(SPS, PPS, IDR) + camera.picture(SLICE) + camera.picture(SLICE)

    begins = [cache.add(packet).begins_key_frame for packet in old + new]

    assert cache.packets == new
    assert cache.missing == ()
    assert begins == [False, False, True, False, False, False, True, False, False]


def test_before_the_first_key_frame_nothing_is_complete():
    camera, cache = Camera(), GopCache()

    for _ in range(50):
        for packet in camera.picture(SLICE):
            cache.add(packet)

    assert not cache.is_complete
    assert len(cache.packets) <= 1


def test_parameter_sets_that_came_earlier_are_named_for_a_key_frame_without_them():
    camera, cache = Camera(), GopCache()
    for packet in camera.picture(aggregated(SPS, PPS)) + camera.picture(SLICE):
        cache.add(packet)

    added = [cache.add(packet) for packet in camera.picture(IDR)]

    assert added[0].missing == (SPS, PPS)
    assert cache.missing == (SPS, PPS)


def test_a_key_frame_that_lost_its_sps_on_the_way_gets_both_sets_in_their_order():
    """A decoder that is new reads no PPS before its SPS."""
    camera, cache = Camera(), GopCache(",".join(base64.b64encode(x).decode() for x in (SPS, PPS)))
    _lost, pps, idr = camera.picture(SPS, PPS, IDR)

    assert not cache.add(pps).begins_key_frame
    assert cache.add(idr).missing == (SPS, PPS)


def test_parameter_sets_of_the_sdp_serve_a_panel_that_never_sends_them():
    sprop = ",".join(base64.b64encode(nal).decode() for nal in (SPS, PPS))
    cache = GopCache(sprop)

    added = [cache.add(packet) for packet in Camera().picture(IDR)]

    assert added[0].missing == (SPS, PPS)


def test_several_slices_of_one_key_frame_are_one_key_frame():
    cache = GopCache()

    added = [cache.add(packet) for packet in Camera().picture(SPS, PPS, IDR, IDR, IDR)]

    assert [one.begins_key_frame for one in added] == [False, False, True, False, False]


def test_a_gop_beyond_the_limit_is_forgotten_until_the_next_key_frame():
    camera, cache = Camera(), GopCache(max_bytes=2000)
    for packet in camera.picture(SPS, PPS, IDR) + [
        p for _ in range(99) for p in camera.picture(SLICE)
    ]:
        cache.add(packet)
        assert sum(map(len, cache.packets)) <= 2000

    assert not cache.is_complete
    for packet in camera.picture(SPS, PPS, IDR):
        cache.add(packet)
    assert cache.is_complete


def test_another_ssrc_is_another_stream():
    cache = GopCache()
    for packet in Camera(ssrc=1).picture(SPS, PPS, IDR):
        cache.add(packet)

    cache.add(Camera(ssrc=2).picture(SLICE)[0])

    assert not cache.is_complete


def test_the_rate_is_that_of_the_pictures_held():
    camera, cache = Camera(), GopCache()
    packets = camera.picture(SPS, PPS, IDR)
    for _ in range(30):
        packets += camera.picture(SLICE)
    for packet in packets:
        cache.add(packet)

    assert cache.bytes_per_s == pytest.approx(sum(map(len, packets)), rel=0.01)  # one second of it


def test_wiping_leaves_neither_pictures_nor_parameter_sets():
    camera, cache = Camera(), GopCache()
    for packet in camera.picture(SPS, PPS, IDR):
        cache.add(packet)

    cache.wipe()

    assert cache.packets == []
    assert cache.add(camera.picture(IDR)[0]).missing == ()
    assert NalType.SPS not in cache._sets


def test_packets_that_came_out_of_order_are_held_in_order():
    camera, cache = Camera(), GopCache()
    packets = camera.picture(SPS, PPS, IDR) + [camera.picture(SLICE)[0] for _ in range(6)]
    order = [0, 1, 2, 4, 3, 5, 8, 6, 7]

    positions = [cache.add(packets[n]).position for n in order]

    assert cache.packets == packets
    assert positions == [None, None, None, None, 3, None, None, 6, 7]
    assert not cache.has_hole


def test_a_lost_packet_is_a_hole_until_it_comes():
    camera, cache = Camera(), GopCache()
    packets = camera.picture(SPS, PPS, IDR) + [camera.picture(SLICE)[0] for _ in range(4)]
    for n in (0, 1, 2, 3, 5, 6):
        cache.add(packets[n])
    assert cache.has_hole

    cache.add(packets[4])

    assert not cache.has_hole


def test_a_late_packet_of_the_pictures_before_is_not_held_with_the_new_key_frame():
    camera, cache = Camera(), GopCache()
    old = camera.picture(SPS, PPS, IDR) + camera.picture(SLICE)
    new = camera.picture(SPS, PPS, IDR)
    for packet in (*old[:-1], *new, old[-1]):
        cache.add(packet)

    assert cache.packets == new
    assert not cache.has_hole


def test_a_copy_is_held_once():
    camera, cache = Camera(), GopCache()
    packets = camera.picture(SPS, PPS, IDR)

    for packet in packets + packets:
        cache.add(packet)

    assert cache.packets == packets


def test_a_camera_whose_clock_begins_anew_is_shown_from_its_next_key_frame():
    cache = GopCache()
    for packet in Camera(sequence=10, timestamp=900_000_000).picture(SPS, PPS, IDR):
        cache.add(packet)

    restarted = Camera(sequence=20, timestamp=5).picture(SPS, PPS, IDR)
    begins = [cache.add(packet).begins_key_frame for packet in restarted]

    assert begins == [False, False, True]
    assert cache.packets == restarted


def test_many_small_packets_are_bounded_too():
    camera, cache = Camera(), GopCache()
    for packet in camera.picture(SPS, PPS, IDR):
        cache.add(packet)
    for _ in range(h264.MAX_GOP_PACKETS + 100):
        cache.add(camera.picture(b"\x61")[0])
        assert len(cache.packets) <= h264.MAX_GOP_PACKETS

    assert not cache.is_complete


def test_packets_that_jump_back_are_dropped_without_a_long_search():
    camera, cache = Camera(sequence=1000), GopCache()
    for packet in camera.picture(SPS, PPS, IDR):
        cache.add(packet)
    for _ in range(500):
        cache.add(camera.picture(SLICE)[0])
    held = len(cache.packets)

    camera.sequence = 900
    cache.add(camera.picture(SLICE)[0])

    assert len(cache.packets) == held
