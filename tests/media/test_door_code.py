"""A door's code toward the panel: telephone-events in the stream of its sound, and nobody else's keys."""

import asyncio
from itertools import pairwise

import pytest

from intercom.media import dtmf, g711, tones
from intercom.media.bridge import Bridge
from intercom.media.dtmf import EventReceiver, parse_event
from intercom.sip.codec import Codec
from tests.media.peers import DTMF, ManualClock, Peer, delivered

VOICE = bytes(range(160))
CODE = "12*55#"


class Scene:
    """A panel and a connected phone, on a clock that the test turns."""

    def __init__(self, **panel):
        self.clock = ManualClock()
        self.digits = []
        self.bridge = Bridge(
            on_digit=lambda *pressed: self.digits.append(pressed),
            clock=self.clock,
            call_at=self.clock.call_at,
        )
        self.panel, self.phone = Peer("panel", ssrc=1, **panel), Peer("phone", ssrc=2)
        self.bridge.attach_panel(self.panel.leg)
        self.bridge.attach(self.phone.leg, hears_visitor=False, is_phone=True)
        self.bridge.connect(self.phone.leg.leg_id)

    def press(self, code=CODE):
        return self.panel.leg.press_keys(self.panel.leg, code)

    async def pass_time(self, seconds):
        """Turn the clock; the phone's sound goes on meanwhile, a packet every 20 ms."""
        for _ in range(round(seconds / 0.02)):
            self.clock.advance(0.02)
            self.phone.say(VOICE)
            await delivered()

    def close(self):
        self.bridge.close()
        self.panel.close()
        self.phone.close()


@pytest.fixture
async def scene():
    one = Scene()
    yield one
    one.close()


def split(heard):
    events = [(head, parse_event(payload)) for head, payload in heard if head.payload_type == DTMF]
    return events, [head for head, _ in heard if head.payload_type != DTMF]


async def test_a_receiver_hears_each_digit_of_the_code_exactly_once_and_in_order(scene):
    length_s = scene.press()
    await scene.pass_time(length_s + 0.1)

    events, _ = split(scene.panel.heard())
    receiver = EventReceiver()
    heard = [receiver.receive(head.ssrc, head.timestamp, event) for head, event in events]
    assert "".join(filter(None, heard)) == CODE


async def test_beside_opus_the_code_is_pressed_on_opus_clock():
    scene = Scene(codec=Codec.OPUS, dtmf_clock_hz=48_000)
    try:
        await scene.pass_time(scene.press() + 0.1)
        events, _ = split(scene.panel.heard())
    finally:
        scene.close()

    receiver = EventReceiver(48_000)
    heard = [receiver.receive(head.ssrc, head.timestamp, event) for head, event in events]
    assert "".join(filter(None, heard)) == CODE
    assert {event.duration_ts for _, event in events if event.is_end} == {4800}
    presses = dict.fromkeys(head.timestamp for head, _ in events)
    steps = [(later - earlier) & 0xFFFFFFFF for earlier, later in pairwise(presses)]
    assert steps == pytest.approx([9600] * 5, abs=1)


async def test_a_press_is_100_ms_with_a_marker_three_ends_and_one_timestamp(scene):
    await scene.pass_time(scene.press("5") + 0.1)

    events, _ = split(scene.panel.heard())
    assert [head.marker for head, _ in events] == [True] + [False] * 7
    assert len({head.timestamp for head, _ in events}) == 1
    durations = [event.duration_ts for _, event in events]
    assert durations == [160, 320, 480, 640, 800, 800, 800, 800]
    assert [event.is_end for _, event in events] == [False] * 5 + [True] * 3


async def test_presses_begin_200_ms_apart_on_the_clock_of_the_sound(scene):
    await scene.pass_time(scene.press("555") + 0.1)

    starts = [head.timestamp for head, _ in split(scene.panel.heard())[0] if head.marker]
    distances = [later - first for first, later in pairwise(starts)]
    assert distances == pytest.approx([1600, 1600], abs=1)


async def talk(scene, seconds):
    """Let real time pass, with the phone's sound."""
    for _ in range(round(seconds / 0.02)):
        scene.phone.say(VOICE)
        await asyncio.sleep(0.02)


async def test_code_and_sound_are_one_unbroken_stream_and_the_sound_waits(scene):
    loop = asyncio.get_running_loop()
    scene.bridge._clock, scene.bridge._sequencer._clock = loop.time, loop.time
    scene.bridge._sequencer._call_at = loop.call_at
    await talk(scene, 0.1)
    await talk(scene, scene.press("1"))
    await talk(scene, 0.2)

    heard = scene.panel.heard()
    events, sound = split(heard)
    numbers = [head.sequence_number for head, _ in heard]
    assert [(each - numbers[0]) & 0xFFFF for each in numbers] == list(range(len(numbers)))
    assert {head.ssrc for head, _ in heard} == {heard[0][0].ssrc}
    first, last = (numbers.index(events[each][0].sequence_number) for each in (0, -1))
    assert last - first == len(events) - 1
    after = next(head for head in sound if numbers.index(head.sequence_number) > last)
    since_press = (after.timestamp - events[0][0].timestamp) & 0xFFFFFFFF
    assert since_press == pytest.approx(1600, abs=400)
    assert after.marker


async def test_a_tone_waits_for_the_code_and_is_played_whole(scene):
    tone = tones.opened()
    length_s = scene.press("1")
    scene.bridge.play(None, tone)
    await scene.pass_time(length_s + len(tone) / 16_000 + 0.1)

    heard = scene.panel.heard()
    played = g711.encode(tone, scene.panel.codec)
    sound = b"".join(payload for head, payload in heard if head.payload_type != DTMF)
    assert played in sound


async def test_keys_of_a_phone_never_reach_the_panel_also_while_a_code_is_sent(scene):
    length_s = scene.press("1")
    for digit in "99":
        for packet in dtmf.press(digit):
            scene.phone.say(packet.payload, payload_type=DTMF, marker=packet.marker)
    await scene.pass_time(length_s + 0.2)

    events, _ = split(scene.panel.heard())
    assert {event.event for _, event in events} == {1}


async def test_a_second_code_while_one_is_sent_is_refused(scene):
    assert scene.press("1")
    assert scene.press("2") == 0.0


async def test_a_panel_on_hold_or_without_telephone_events_is_sent_nothing(scene):
    scene.panel.leg.update(scene.panel.negotiated(can_send=False))
    assert scene.press("1") == 0.0
    scene.panel.leg.update(scene.panel.negotiated())
    scene.panel.dtmf_clock_hz = 16_000
    scene.panel.leg.update(scene.panel.negotiated())

    assert scene.panel.leg.dtmf_send_payload_type is None
    assert scene.press("1") == 0.0


async def test_only_the_panels_leg_can_be_sent_keys_and_only_while_it_is_in_the_call(scene):
    assert scene.phone.leg.press_keys is None

    scene.bridge.close()

    assert scene.panel.leg.press_keys is None
