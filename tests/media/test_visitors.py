"""Nobody sees or hears the visitor before: two calls one after another, at the same ports, to the same devices.

The pictures carry the visitor's number in their pixels; what the devices get is decoded and read.
"""

import asyncio
import socket
from dataclasses import dataclass, field

import pytest

from intercom.media.bridge import Bridge
from intercom.media.h264 import NalType
from intercom.media.leg import Media
from intercom.media.plain import PlainLeg
from intercom.media.port import PortPool
from intercom.routing.ids import LegId
from intercom.sip.offer_answer import Codec, Negotiated, NegotiatedAudio, NegotiatedVideo
from tests.media.numbered_picture import Device, NumberedCamera
from tests.media.peers import DTMF, HOST, ManualClock, Peer, RecordingLeg, delivered
from tests.media.test_bridge import payloads
from tests.ports import free_ports

ANNE, BO = 0xA5, 0x3C
FRAMES = 12
AUDIO, VIDEO = 0, 2
COMMON = (NalType.SEI, NalType.SPS, NalType.PPS)


@dataclass
class Panel:
    """A visitor at the panel: four sockets, a camera, and a voice of one byte."""

    visitor: int
    sockets: list[socket.socket] = field(default_factory=list)

    def __post_init__(self):
        self.sockets = self.sockets or [self._open() for _ in range(4)]
        self.camera = NumberedCamera(self.visitor, ssrc=self.visitor)
        self.number = 0

    def negotiated(self):
        audio, audio_rtcp, video, video_rtcp = (one.getsockname() for one in self.sockets)
        return Negotiated(
            NegotiatedAudio(audio, audio_rtcp, Codec.PCMA, 8, DTMF, 8000, DTMF, 20, True, True),
            NegotiatedVideo(video, video_rtcp, 96, "42e01f", 1, None, False, True),
        )

    def send(self, ports, *, has_key=False):
        """Send a picture and 20 ms of voice to these ports; give what was sent."""
        self.camera.is_key_wanted |= has_key
        packets = self.camera.take()
        for packet in packets:
            self.sockets[VIDEO].sendto(packet, (HOST, ports[1]))
        self.number += 1
        voice = bytes([0x80, 8, 0, self.number]) + bytes(4) + bytes([self.visitor] * 164)
        self.sockets[AUDIO].sendto(voice, (HOST, ports[0]))
        return packets

    def close(self):
        for one in self.sockets:
            one.close()

    def _open(self):
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.setblocking(False)
        one.bind((HOST, 0))
        return one


class House:
    """Ports for one panel and no more, and two devices that stay."""

    def __init__(self, pairs=2):
        first = free_ports(2 * pairs)
        self.pool = PortPool(HOST, first, first + 2 * pairs - 1)
        self.devices = [Peer(f"app-{n}", has_video=True, ssrc=50 + n) for n in range(2)]
        self.panels = []
        self.legs = []

    def arrives(self, visitor, sockets=()):
        self.panels.append(Panel(visitor, list(sockets)))
        return self.panels[-1]

    def opens(self, panel):
        """Give a leg for a panel's call, and its ports."""
        leg = PlainLeg.open(LegId(f"panel-{panel.visitor}"), self.pool, with_video=True)
        self.legs.append(leg)
        leg.start(panel.negotiated(), signalling_host=HOST)
        return leg, (leg.audio_port, leg.video_port)

    def rings(self, leg):
        """Begin a call: both devices ring."""
        bridge = Bridge(on_digit=lambda *_: None)
        bridge.attach_panel(leg)
        for device in self.devices:
            bridge.attach(device.leg, hears_visitor=True, is_phone=False)
        return bridge

    def got(self):
        """Give what the devices have been sent since: pictures that they show, bytes of both media."""
        shown, data = [], []
        for device in self.devices:
            screen = Device(lambda _: None)
            for header, payload in device.heard(VIDEO):
                screen.receive(_packet(header, payload), 0.0)
                data.append(payload)
            screen.look(9.0)
            shown += screen.seen
            data += payloads(device)
        return {visitor for _, visitor, _ in shown}, data

    def close(self):
        for one in (*self.legs, *self.devices, *self.panels):
            one.close()


def _packet(header, payload):
    second = header.payload_type | (0x80 if header.marker else 0)
    head = bytes([0x80, second]) + header.sequence_number.to_bytes(2)
    return head + header.timestamp.to_bytes(4) + header.ssrc.to_bytes(4) + payload


def bodies(packets):
    """Give what is of these pictures alone: not what every encoder of this kind says of itself."""
    return {packet[12:] for packet in packets if packet[12] & 0x1F not in COMMON}


@pytest.fixture
async def house():
    one = House()
    yield one
    one.close()


async def film(panel, ports, frames=FRAMES):
    sent = []
    for _ in range(frames):
        sent += panel.send(ports)
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.05)  # a replay's pace
    return sent


async def test_the_next_visitor_s_devices_get_nothing_of_the_one_before_though_she_sends_on_to_the_same_ports(
    house,
):
    anne = house.arrives(ANNE)
    leg, ports = house.opens(anne)
    bridge = house.rings(leg)
    of_anne = await film(anne, ports)
    shown, _ = house.got()
    assert shown == {ANNE}
    bridge.close()
    leg.close()

    of_anne += await film(anne, ports, 3)
    bo = house.arrives(BO)
    leg, ports_now = house.opens(bo)
    assert ports_now == ports
    of_anne += anne.send(ports, has_key=True)
    bridge = house.rings(leg)
    for _ in range(FRAMES):
        of_anne += anne.send(ports, has_key=True)
        bo.send(ports)
        await asyncio.sleep(0.005)
    of_anne += anne.send(ports, has_key=True)
    await asyncio.sleep(0.05)
    shown, data = house.got()
    bridge.close()

    assert shown == {BO}
    assert not bodies(of_anne) & set(data)
    assert not any(bytes([ANNE] * 160) in each for each in data)
    assert any(bytes([BO] * 160) in each for each in data)


async def test_before_the_next_visitor_s_own_picture_comes_there_is_none(house):
    anne = house.arrives(ANNE)
    leg, ports = house.opens(anne)
    bridge = house.rings(leg)
    await film(anne, ports)
    assert house.got()[0] == {ANNE}
    bridge.close()
    leg.close()

    leg, _ = house.opens(house.arrives(BO))
    bridge = house.rings(leg)
    for _ in range(5):
        anne.send(ports, has_key=True)
        await delivered()
    await asyncio.sleep(0.05)

    assert house.got() == (set(), [])
    bridge.close()


async def test_a_panel_that_keeps_its_own_ports_calls_next_at_ports_that_its_late_packets_do_not_know():
    house = House(pairs=4)
    anne = house.arrives(ANNE)
    leg, ports = house.opens(anne)
    bridge = house.rings(leg)
    await film(anne, ports)
    assert house.got()[0] == {ANNE}
    bridge.close()
    leg.close()

    bo = house.arrives(BO, anne.sockets)
    leg, ports_now = house.opens(bo)
    bridge = house.rings(leg)
    for _ in range(FRAMES):
        anne.send(ports, has_key=True)
        bo.send(ports_now)
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.05)
    shown, data = house.got()
    bridge.close()
    house.close()

    assert not set(ports) & set(ports_now)
    assert shown == {BO}
    assert not any(bytes([ANNE] * 160) in each for each in data)


async def test_when_a_panel_s_leg_takes_another_s_place_in_a_call_the_old_one_is_seen_and_heard_no_more(
    house,
):
    """The visitor presses again, or the panel calls anew: a device that joins then sees the new one too."""
    anne = house.arrives(ANNE)
    leg, ports = house.opens(anne)
    bridge = house.rings(leg)
    late_joiner = house.devices[1]
    bridge.detach(late_joiner.leg.leg_id)
    await film(anne, ports)
    house.got()

    house.pool = PortPool(HOST)
    bo = house.arrives(BO)
    new_leg, new_ports = house.opens(bo)
    bridge.attach_panel(new_leg)
    of_anne = []
    for n in range(FRAMES):
        of_anne += anne.send(ports, has_key=True)
        if n == 2:
            bridge.attach(late_joiner.leg, hears_visitor=True, is_phone=False)
        if n > 3:
            bo.send(new_ports)
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.05)
    shown, data = house.got()
    bridge.close()

    assert shown == {BO}
    assert not bodies(of_anne) & set(data)
    assert not any(bytes([ANNE] * 160) in each for each in data)


async def test_a_closed_bridge_holds_no_picture_for_whoever_asks_next():
    clock = ManualClock()
    bridge = Bridge(on_digit=lambda *_: None, clock=clock, call_at=clock.call_at)
    panel = RecordingLeg("panel", clock)
    bridge.attach_panel(panel)
    for packet in NumberedCamera(ANNE, ssrc=1).take():
        panel.on_rtp(panel, Media.VIDEO, memoryview(bytearray(packet)), clock.now)
    bridge.close()

    app = RecordingLeg("app", clock)
    bridge.attach(app, hears_visitor=True, is_phone=False)
    clock.advance(2)

    assert app.sent == []
