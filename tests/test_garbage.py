"""A call that ended leaves next to nothing to the garbage collector, which then seldom has to look."""

import contextlib
import gc
from collections.abc import Iterator
from dataclasses import dataclass

from intercom.app.chores import FULL_EVERY_S, FULL_LATEST_S, QUIET_BLOCKS, FullCollections
from intercom.media.plain_stream import PlainStream
from intercom.ports import PanelMedia
from intercom.routing import events as ev
from intercom.sip.codec import Codec
from intercom.sip.events import InviteReceived
from tests.fakes import PANEL
from tests.loopback import Loopback, Node
from tests.media.peers import Peer, delivered
from tests.media.test_path_watch import Scene
from tests.sip.wire import OFFER
from tests.test_switchboard import Rig, open_rig, settled

CALLS = 12
MOST_A_CALL = 10
BLOCKS = 1_000_000


@dataclass
class Left:
    """What was left to the collector."""

    objects: int = 0


@contextlib.contextmanager
def garbage() -> Iterator[Left]:
    """Count the objects that only the collector can free, of all that is done meanwhile."""
    left = Left()
    gc.collect()
    gc.disable()
    try:
        yield left
        left.objects = gc.collect()
    finally:
        gc.enable()


async def talk(rig: Rig, number: int) -> None:
    """Press, answer on a phone, talk and hang up."""
    panel, phone = Peer(f"panel-{number}"), Peer(f"phone-{number}")
    leg_id, media = panel.leg.leg_id, PanelMedia(Codec.PCMA, None, lambda: panel.leg)
    assert rig.switchboard.press(rig.house.panels[PANEL], "anna", leg_id, media) is None
    rung = rig.world.apps.leg
    bridge = rig.world.apps.facts.bridge
    phone.leg.leg_id = rung
    bridge.attach(phone.leg, hears_visitor=False, is_phone=True)
    rig.post(ev.LegAnswered(rung))
    await settled()
    for _ in range(3):
        panel.say(bytes(160))
        phone.say(bytes(160))
        await delivered()
    assert phone.heard()
    rig.post(ev.PanelLeft(leg_id))
    await settled()
    assert not rig.switchboard.calls
    for peer in (panel, phone):
        peer.leg.close()
        peer.close()


async def test_a_finished_call_leaves_next_to_nothing_of_its_sound_and_its_course():
    async with open_rig() as rig:
        await talk(rig, 0)
        with garbage() as left:
            for number in range(1, 1 + CALLS):
                await talk(rig, number)

    assert left.objects <= MOST_A_CALL * CALLS


async def test_a_long_talk_that_is_supervised_leaves_nothing_either():
    scene = Scene()
    with garbage() as left:
        scene.bridge.connect("phone")
        scene.run(60)
        scene.bridge.close()

    assert left.objects <= MOST_A_CALL


def dial(net: Loopback, caller: Node, callee: Node, number: int) -> None:
    """Call, and let it end in one of four ways; then wait until no transaction is left."""
    dialog = caller.endpoint.invite(
        net.now,
        target="sip:b@10.0.0.2",
        destination=callee.address,
        from_uri="sip:a@10.0.0.1",
        body=OFFER,
    )
    net.run(1.0)
    incoming = callee.last(InviteReceived).dialog
    callee.endpoint.respond(incoming, net.now, 180)
    net.run(1.0)
    if number % 4 == 0:
        caller.endpoint.cancel(dialog, net.now)
    elif number % 4 == 1:
        callee.endpoint.respond(incoming, net.now, 486)
    else:
        callee.endpoint.respond(incoming, net.now, 200, body=OFFER)
        net.run(3.0 if number % 4 == 2 else 50.0)
        one, its = (caller, dialog) if number % 8 < 4 else (callee, incoming)
        one.endpoint.hang_up(its, net.now)
    net.run(300.0)
    caller.events.clear()
    callee.events.clear()


def test_a_finished_call_leaves_nothing_of_its_signalling_however_it_ended():
    net = Loopback()
    caller = net.add("10.0.0.1")
    callee = net.add("10.0.0.2", is_trusted=lambda source, user: True)
    dial(net, caller, callee, 0)
    with garbage() as left:
        for number in range(8):
            dial(net, caller, callee, number)

    assert left.objects == 0


async def test_what_comes_to_a_leg_after_its_end_is_passed_over():
    peer = Peer("leg")
    stream: PlainStream = peer.leg._audio
    packet, source = memoryview(bytearray([0x80, 8]) + bytes(170)), peer.address(0)
    peer.leg.close()

    for receive in (stream._receive_rtp, stream._receive_srtp, stream._receive_rtcp):
        receive(packet, source, 1.0)
    stream.settle(1.0)
    stream.renew_source()
    peer.leg.close()

    assert peer.leg.wrong_source_packets == 0
    peer.close()


async def test_what_comes_to_a_call_after_its_end_is_passed_over():
    async with open_rig() as rig:
        await talk(rig, 0)
        bridge = rig.world.apps.facts.bridge
        late = Peer("late")
        bridge.attach(late.leg, hears_visitor=True, is_phone=True)
        bridge.connect(late.leg.leg_id)
        bridge.digit_by_info(late.leg.leg_id, "1")
        bridge.request_key_frame()
        bridge.supervision._check()
        bridge.supervision.close()
        bridge._reports._send()
        bridge.detach(late.leg.leg_id)
        bridge.close()
        late.close()

    assert not rig.world.relay.pulses


def test_a_full_collection_waits_for_a_quiet_moment_but_not_for_ever():
    busy, quiet = BLOCKS + QUIET_BLOCKS + 1, BLOCKS + QUIET_BLOCKS
    full = FullCollections(0.0, BLOCKS)

    assert not full.is_due(FULL_EVERY_S - 1, lambda: quiet)
    assert not full.is_due(FULL_EVERY_S, lambda: busy)
    assert full.is_due(FULL_EVERY_S + 1, lambda: quiet)
    assert not full.is_due(FULL_EVERY_S + 2, lambda: quiet)
    assert not full.is_due(FULL_LATEST_S, lambda: busy)
    assert full.is_due(FULL_EVERY_S + 1 + FULL_LATEST_S, lambda: busy)
