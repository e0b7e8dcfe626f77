"""A source that has proven steady is left to the system: it drops all others before they are read."""

import asyncio
import ipaddress
import socket
from dataclasses import replace

import pytest

from intercom.media.latch import SIGNALLED_WINS_S, Latch
from intercom.media.port import SETTLING_S, PortPool
from intercom.sip.crypto import Crypto, SrtpKey, Suite
from tests.media.peers import HOST, Peer, delivered
from tests.media.test_sound_path import BOTH, Scene, sound


class Pair:
    """A port, its peer and a stranger."""

    def __init__(self):
        self.port, self.rtcp = PortPool(HOST).open_pair()
        self.heard = []
        self.port.listen(lambda packet, source, now: self.heard.append((bytes(packet), source)))
        self.peer, self.stranger = Peer._open(self), Peer._open(self)
        self.source = self.peer.getsockname()

    def close(self):
        for one in (self.port, self.rtcp, self.peer, self.stranger):
            one.close()

    async def unite(self):
        """Unite, and let the port see that its queue is empty."""
        self.port.unite(self.source, asyncio.get_running_loop().time() - 2 * SETTLING_S)
        self.peer.sendto(b"first", (HOST, self.port.port))
        await delivered()
        self.heard.clear()


@pytest.fixture
async def pair():
    one = Pair()
    yield one
    one.close()


async def test_after_it_is_united_only_the_peer_is_read(pair):
    await pair.unite()

    pair.stranger.sendto(b"strange", (HOST, pair.port.port))
    pair.peer.sendto(b"true", (HOST, pair.port.port))
    await delivered()

    assert pair.heard == [(b"true", pair.source)]


async def test_what_a_stranger_had_sent_before_is_never_taken_for_the_peers(pair):
    for n in range(50):
        pair.stranger.sendto(b"" if n == 0 else b"strange", (HOST, pair.port.port))
    pair.port.unite(pair.source, asyncio.get_running_loop().time() - 2 * SETTLING_S)
    pair.peer.sendto(b"true", (HOST, pair.port.port))
    await delivered()

    assert [packet for packet, source in pair.heard if source == pair.source] == [b"true"]
    assert len(pair.heard) == 51


async def test_it_asks_for_the_source_until_the_system_surely_filters(pair):
    pair.port.unite(pair.source, asyncio.get_running_loop().time())
    pair.peer.sendto(b"true", (HOST, pair.port.port))
    await delivered()

    assert pair.port._reader._reads[pair.port._socket.fileno()] == pair.port._read_any


async def test_parted_again_it_hears_everybody_at_the_same_port(pair):
    await pair.unite()
    number = pair.port.port

    pair.port.unite(None)
    pair.stranger.sendto(b"strange", (HOST, number))
    pair.peer.sendto(b"true", (HOST, number))
    await delivered()

    assert pair.heard == [(b"strange", pair.stranger.getsockname()), (b"true", pair.source)]


async def test_it_sends_to_its_peer_and_to_others(pair):
    await pair.unite()

    pair.port.send(b"to the peer", pair.port._peer)
    pair.port.send(b"to another", pair.stranger.getsockname())

    assert pair.peer.recv(100) == b"to the peer"
    assert pair.stranger.recv(100) == b"to another"


async def test_a_peer_that_is_away_for_a_moment_is_heard_and_reached_again(pair):
    await pair.unite()
    pair.peer.close()
    for _ in range(3):
        pair.port.send(b"lost", pair.port._peer)
        await delivered()

    pair.peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    pair.peer.bind(pair.source)
    pair.peer.setblocking(False)
    for _ in range(2):
        pair.port.send(b"here", pair.port._peer)
    pair.peer.sendto(b"true", (HOST, pair.port.port))
    await delivered()

    assert pair.peer.recv(100) == b"here"
    assert pair.heard == [(b"true", pair.source)]


async def test_a_port_without_an_address_of_its_own_stays_open_to_all():
    port, rtcp = PortPool("0.0.0.0").open_pair()
    port.unite((HOST, 9), 0.0)

    assert port._peer is None
    port.close()
    rtcp.close()


@pytest.fixture
async def scene():
    one = Scene()
    yield one
    one.close()


async def settled(scene):
    await scene.both_talk()
    for leg in (scene.panel.leg, scene.phone.leg):
        leg.settle(asyncio.get_running_loop().time() - 2 * SETTLING_S)
    await scene.both_talk()
    assert scene.heard() == [[b"from the phone"] * 2, [b"from the panel"] * 2]


async def test_in_a_settled_call_sound_passes_both_ways_and_strangers_are_not_even_read(scene):
    await settled(scene)
    stranger = scene.phone._open()

    for n in range(20):
        stranger.sendto(sound(n, ssrc=2), (HOST, scene.phone.leg.audio_port))
    await scene.both_talk()

    assert scene.heard() == BOTH
    assert scene.phone.leg.wrong_source_packets == 0
    stranger.close()


async def test_a_re_invite_to_another_address_opens_a_settled_leg_again(scene):
    await settled(scene)
    former = scene.phone.sockets[0]
    scene.phone.sockets[0] = scene.phone._open()

    scene.phone.leg.update(scene.phone.negotiated())
    former.sendto(sound(1, ssrc=2), (HOST, scene.phone.leg.audio_port))
    await scene.both_talk()

    assert scene.heard() == BOTH
    assert scene.phone.leg.wrong_source_packets == 1
    former.close()


async def test_a_leg_nobody_was_heard_of_is_not_settled(scene):
    scene.phone.leg.settle(asyncio.get_running_loop().time())

    assert scene.phone.leg._audio.rtp._peer is None


async def test_keys_open_a_settled_leg_again_since_whoever_has_them_is_followed(scene):
    await settled(scene)
    leg = scene.phone.leg
    leg.draw_keys()
    plain = scene.phone.negotiated()
    suite = Suite.AES_CM_128_HMAC_SHA1_80
    crypto = Crypto(1, SrtpKey(suite, bytes(suite.key_bytes)))

    leg.update(replace(plain, audio=replace(plain.audio, crypto=crypto)))
    assert leg._audio.rtp._peer is None
    leg.settle(asyncio.get_running_loop().time())

    assert leg._audio.rtp._peer is None


async def test_a_source_that_the_signalled_one_may_still_replace_is_not_settled():
    latch = Latch(
        ("192.0.2.1", 4000),
        payload_types=frozenset({8}),
        signalling_host="192.0.2.1",
        media_networks=(ipaddress.ip_network("198.18.0.0/24"),),
    )
    latch.accept(memoryview(sound(1)), ("198.18.0.9", 5000), 10.0)

    assert not latch.is_decided(10.0 + SIGNALLED_WINS_S / 2)
    assert latch.is_decided(10.0 + SIGNALLED_WINS_S)


async def test_a_settled_call_survives_hold_and_a_tone(scene):
    await settled(scene)
    scene.phone.leg.update(scene.phone.negotiated(can_send=False))
    scene.panel.say(b"unheard")
    await delivered()
    assert scene.phone.heard() == []

    scene.phone.leg.update(scene.phone.negotiated())
    await scene.both_talk()

    assert scene.heard() == BOTH
