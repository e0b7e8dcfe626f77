"""Sound, picture and keys over ways that lose, delay, copy and disorder packets.

Through the bridge as it runs, on virtual time and with seeded chance. Plain legs are handed their
packets as their sockets would be, and what they send goes through real sockets.
"""

import struct
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

from intercom.media import dtmf, rtcp, rtp
from intercom.media.bridge import Bridge
from intercom.media.dtmf import DigitWay
from intercom.media.leg import Media
from intercom.media.picture_wishes import KEY_FRAME_INTERVAL_S
from intercom.media.sent_packets import SentPackets
from tests.media.bad_wire import GOOD, LONGEST_JITTER_S, WEATHERS, BadWire, Net, Weather
from tests.media.numbered_picture import FRAME_S, Device, NumberedCamera
from tests.media.peers import DTMF, ManualClock, Peer, RecordingLeg

FRAME_TS = 160
FIRST_NUMBER, FIRST_TS = 65_300, 0xFFFF_8000
"""Numbers and timestamps wrap early in each call."""
SOUND_PACKETS = 1000
PRESSES = 200
LOOK_S = 0.02
FILM_S = 8

pytestmark = pytest.mark.timeout(30)
every_weather = pytest.mark.parametrize("weather", WEATHERS, ids=str)


class Call:
    """A panel and a phone on plain ports, joined, on virtual time."""

    def __init__(self):
        self.digits = []
        self.clock = ManualClock()
        self.net = Net(self.clock)
        self.bridge = Bridge(
            on_digit=lambda _, digit, way: self.digits.append((digit, way)),
            clock=self.clock,
            call_at=self.clock.call_at,
        )
        self.panel, self.phone = Peer("panel", ssrc=1), Peer("phone", ssrc=2)
        self.bridge.attach_panel(self.panel.leg)
        self.bridge.attach(self.phone.leg, hears_visitor=False, is_phone=True)
        self.bridge.connect(self.phone.leg.leg_id)

    def arrive(self, peer, packet):
        """Let a packet of a peer's sound come in now."""
        peer.leg._audio._receive_rtp(memoryview(bytearray(packet)), peer.address(0), self.clock.now)

    def close(self):
        self.bridge.close()
        self.panel.close()
        self.phone.close()


@pytest.fixture
async def call():
    one = Call()
    yield one
    one.close()


def sound(index, ssrc):
    """Write the packet of number `index`, which its payload tells too."""
    head = rtp.build_header(8, FIRST_NUMBER + index, FIRST_TS + FRAME_TS * index, ssrc)
    return bytes(head + struct.pack("!I", index) + bytes(156))


class Listening:
    """What one end hears of the other, packet by packet as it arrives at the service."""

    def __init__(self, call, speaker, listener):
        self.call, self.speaker, self.listener = call, speaker, listener
        self.arrived, self.heard = [], []

    def arrive(self, index):
        self.call.arrive(self.speaker, sound(index, self.speaker.ssrc))
        self.arrived.append(index)
        at_once = [
            (header, struct.unpack_from("!I", payload)[0])
            for header, payload in self.listener.heard()
        ]
        assert len(at_once) <= 1
        assert [which for _, which in at_once] in ([], [index])
        self.heard += at_once


@every_weather
@pytest.mark.parametrize("way", ["to the phone", "to the panel"])
async def test_sound_that_arrives_goes_on_at_once_in_its_order_and_what_was_lost_stays_lost(
    call, weather, way
):
    ends = (call.panel, call.phone) if way == "to the phone" else (call.phone, call.panel)
    ear, wire = Listening(call, *ends), BadWire(weather, seed=len(way))
    began_at = call.clock.now
    for index in range(SOUND_PACKETS):
        call.net.at(
            began_at + index * 0.02,
            lambda index=index: call.net.send(wire, lambda: ear.arrive(index)),
        )

    call.net.run()

    first = ear.arrived[0]
    due = [index for index in dict.fromkeys(ear.arrived) if index >= first]
    assert list(dict.fromkeys(index for _, index in ear.heard)) == due
    assert len({header.ssrc for header, _ in ear.heard}) == 1
    assert len({(header.sequence_number - index) & 0xFFFF for header, index in ear.heard}) == 1
    moved = {(header.timestamp - FRAME_TS * index) & 0xFFFFFFFF for header, index in ear.heard}
    assert len(moved) == 1
    assert SOUND_PACKETS - len(due) <= wire.lost + first


@every_weather
async def test_a_prompt_amid_late_packets_gives_no_number_to_two_of_them(call, weather):
    """What was on its way when the prompt began comes too late to be sent."""
    wire, came = BadWire(weather, seed=4), []
    began_at = call.clock.now

    def arrive(index):
        call.arrive(call.panel, sound(index, 1))
        came.extend(call.phone.heard())

    for index in range(SOUND_PACKETS):
        at = began_at + index * 0.02
        call.net.at(at, lambda index=index: call.net.send(wire, lambda: arrive(index)))
        if index % 200 == 100:
            call.net.at(at, lambda: call.bridge.play(call.phone.leg.leg_id, b"\1\0" * 4000))
    call.net.run()
    came.extend(call.phone.heard())

    by_number = {}
    for header, payload in came:
        by_number.setdefault(header.sequence_number, set()).add((header.timestamp, payload))
    assert all(len(said) == 1 for said in by_number.values())
    assert len(by_number) > SOUND_PACKETS * (0.9 - weather.loss)


def presses_of(keys, press_ms, pause_ms):
    """Write the packets of keys pressed one after another, with their times: sound between them."""
    at_ms, number, packets = 0, FIRST_NUMBER, []
    for key in keys:
        start_ts = FIRST_TS + 8 * at_ms
        for event in dtmf.press(key, press_ms=press_ms):
            head = rtp.build_header(DTMF, number, start_ts, 2, marker=event.marker)
            packets.append((at_ms + event.at_ms, bytes(head + event.payload)))
            number += 1
        after_ms = at_ms + press_ms + 60
        at_ms += press_ms + pause_ms
        for talk_ms in range(after_ms, at_ms, 20):
            head = rtp.build_header(8, number, FIRST_TS + 8 * talk_ms, 2)
            packets.append((talk_ms, bytes(head + bytes(160))))
            number += 1
    return packets


def play_keys(call, weather, packets, seed=7):
    wire, began_at = BadWire(weather, seed), call.clock.now
    for at_ms, packet in packets:
        call.net.at(
            began_at + at_ms / 1000,
            lambda packet=packet: call.net.send(wire, lambda: call.arrive(call.phone, packet)),
        )


@every_weather
@pytest.mark.parametrize(("press_ms", "pause_ms"), [(50, 100), (100, 200), (160, 700)])
async def test_one_press_is_one_digit_whatever_the_way_does_to_its_packets(
    call, weather, press_ms, pause_ms
):
    keys = "".join("5512#*0955"[n % 10] for n in range(PRESSES))

    play_keys(call, weather, presses_of(keys, press_ms, pause_ms))
    call.net.run()

    heard = Counter(digit for digit, _ in call.digits)
    wanted = Counter(keys)
    assert not heard - wanted, "a press was heard twice"
    missed = sum((wanted - heard).values())
    assert missed <= (0.001 if weather.loss <= 0.05 else 0.01) * PRESSES


@pytest.mark.timeout(20)
async def test_at_five_percent_loss_at_most_one_press_in_a_thousand_is_missed_and_none_doubled(
    call,
):
    weather = Weather(loss=0.05, jitter_s=LONGEST_JITTER_S, copies=0.05)
    keys = "5" * 2000

    play_keys(call, weather, presses_of(keys, 60, 140))
    call.net.run()

    assert 0.999 * len(keys) <= len(call.digits) <= len(keys)


async def test_no_key_of_the_phone_leaves_a_gap_or_a_double_number_in_what_the_panel_hears(call):
    play_keys(call, GOOD, presses_of("5" * 100, 100, 300))
    call.net.run()

    numbers = [header.sequence_number for header, _ in call.panel.heard()]
    steps = {(after - before) & 0xFFFF for before, after in pairwise(numbers)}
    assert steps == {1}
    assert len(call.digits) == 100


@every_weather
async def test_a_press_by_event_and_by_info_is_one_digit_though_the_info_is_late(call, weather):
    """An INFO that was lost on the way comes half a second later (RFC 3261 §17.1.2.2)."""
    presses, began_at, phone = 100, call.clock.now, call.phone.leg.leg_id
    info = BadWire(replace(weather, copies=0), seed=9)
    play_keys(call, weather, presses_of("5" * presses, 160, 2000))
    for n in range(presses):
        delay_s = next(iter(info.delays()), 0.5)
        call.net.at(began_at + 2.16 * n + delay_s, lambda: call.bridge.digit_by_info(phone, "5"))

    call.net.run()

    assert len(call.digits) == presses
    assert {way for _, way in call.digits} <= {DigitWay.EVENT, DigitWay.INFO}


# -- picture ---------------------------------------------------------------------------------------


class SendingLeg(RecordingLeg):
    """A leg whose packets fly over a wire; it sends a picture again as an app's leg does."""

    def __init__(self, leg_id, clock, *, on_rtp_out, on_rtcp_out):
        super().__init__(leg_id, clock)
        self._on_rtp_out, self._on_rtcp_out = on_rtp_out, on_rtcp_out
        self._kept = SentPackets()

    def send_rtp(self, media, packet):
        if media is Media.VIDEO:
            self._kept.keep(int.from_bytes(packet[2:4]), bytes(packet))
            self._on_rtp_out(bytes(packet))

    def send_rtcp(self, media, packet):
        self._on_rtcp_out(packet)

    def resend(self, number, now):
        packet = self._kept.take(number, now)
        if packet is not None:
            self._on_rtp_out(packet)
        return self._kept.holds(number)


class Showing:
    """A panel's camera, and devices that see it: each packet flies over ways of that weather."""

    def __init__(self, visitor=1, *, to_us=GOOD, to_devices=GOOD):
        self.clock = ManualClock()
        self.net = Net(self.clock)
        self._in, self._out = BadWire(to_us, 1), BadWire(to_devices, 2)
        self._asks, self._asks_panel = BadWire(to_devices, 3), BadWire(to_us, 4)
        self.bridge = Bridge(on_digit=lambda *_: None, clock=self.clock, call_at=self.clock.call_at)
        self.camera = NumberedCamera(visitor, ssrc=visitor)
        self.panel = SendingLeg(
            "panel", self.clock, on_rtp_out=lambda _: None, on_rtcp_out=self._ask_camera
        )
        self.bridge.attach_panel(self.panel)
        self.taken_at = {}

    def device(self, name="app"):
        """Let a device join."""
        device = Device(lambda report: self.net.send(self._asks, lambda: asked(report)))

        def asked(report):
            leg.on_rtcp(leg, Media.VIDEO, memoryview(report), self.clock.now)

        leg = SendingLeg(
            name,
            self.clock,
            on_rtp_out=lambda packet: self.net.send(
                self._out, lambda: device.receive(packet, self.clock.now)
            ),
            on_rtcp_out=lambda _: None,
        )
        self.bridge.attach(leg, hears_visitor=True, is_phone=False)
        return device

    def run(self, seconds, *devices):
        """Film for so long, with devices that look whether something is missing."""
        began_at = self.clock.now
        for n in range(int(seconds / FRAME_S)):
            self.net.at(began_at + n * FRAME_S, self._film)
        for n in range(int(seconds / LOOK_S)):
            at = began_at + n * LOOK_S
            for device in devices:
                self.net.at(at, lambda device=device: device.look(self.clock.now))
        self.net.run()

    def close(self):
        self.bridge.close()

    def _film(self):
        for packet in self.camera.take():
            self.net.send(self._in, lambda packet=packet: self._arrive(packet))
        self.taken_at[self.camera.number] = self.clock.now

    def _arrive(self, packet):
        if self.panel.on_rtp is not None:
            self.panel.on_rtp(
                self.panel, Media.VIDEO, memoryview(bytearray(packet)), self.clock.now
            )

    def _ask_camera(self, compound):
        def asked():
            self.camera.is_key_wanted |= rtcp.wants_key_frame(compound)

        self.net.send(self._asks_panel, asked)


def freezes(device, until):
    """List how long no new picture was shown, each time."""
    moments = [at for at, _, _ in device.seen] + [until]
    return [after - before for before, after in pairwise(moments)]


def sees_only_whole_pictures(device):
    """Tell whether what was shown is of this visitor, undamaged and in order."""
    numbers = [number for _, _, number in device.seen]
    whose = {visitor for _, visitor, _ in device.seen}
    return device.damaged == 0 and numbers == sorted(set(numbers)) and whose == {1}


@every_weather
async def test_over_a_bad_way_to_the_app_nearly_all_pictures_are_shown_and_it_is_never_long_without(
    weather,
):
    show = Showing(to_devices=weather)
    device = show.device()

    show.run(FILM_S, device)

    longest_s = {0.0: 0.3, 0.01: 0.6, 0.05: 1.0, 0.1: 2.0}[weather.loss]
    assert sees_only_whole_pictures(device)
    assert max(freezes(device, show.clock.now)) <= longest_s
    assert (
        len(device.seen)
        >= {0.0: 1, 0.01: 0.95, 0.05: 0.9, 0.1: 0.6}[weather.loss] * show.camera.number
    )
    show.close()


@every_weather
async def test_over_a_bad_way_from_the_panel_key_frames_bring_the_picture_back_again_and_again(
    weather,
):
    """A panel sends nothing twice: what was lost is lost until its next key frame."""
    show = Showing(to_us=weather)
    device = show.device()

    show.run(FILM_S, device)

    longest_s = {0.0: 0.3, 0.01: 2.5, 0.05: 5.0, 0.1: 10.0}[weather.loss]
    least = {0.0: 0.99, 0.01: 0.6, 0.05: 0.3, 0.1: 0.05}[weather.loss]
    assert sees_only_whole_pictures(device)
    assert max(freezes(device, show.clock.now)) <= longest_s
    assert len(device.seen) >= least * show.camera.number
    assert (show.camera.keys_sent > 3) is bool(weather.loss)
    assert show.camera.keys_sent <= 1 + FILM_S / KEY_FRAME_INTERVAL_S
    show.close()


@every_weather
async def test_whatever_both_ways_lose_no_broken_picture_is_shown(weather):
    show = Showing(to_us=weather, to_devices=weather)
    devices = [show.device("first"), show.device("second")]

    show.run(FILM_S, *devices)

    assert all(sees_only_whole_pictures(device) for device in devices)
    show.close()


@every_weather
async def test_an_app_that_joins_in_mid_call_sees_the_visitor_within_a_second(weather):
    show = Showing(to_devices=weather)
    first = show.device("first")
    show.run(5, first)

    joined_at, second = show.clock.now, show.device("second")
    show.run(5, first, second)

    assert sees_only_whole_pictures(second)
    assert second.seen[0][0] - joined_at <= 1.0
    show.close()
