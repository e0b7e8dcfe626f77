"""A leg of plain RTP on real sockets."""

import socket
from dataclasses import replace

import pytest

from intercom.media import rtcp, rtp
from intercom.media.leg import Media
from intercom.media.plain import PlainLeg
from intercom.media.port import PortPool
from intercom.routing.ids import LegId
from tests.media.peers import HOST, Peer, delivered


@pytest.fixture
async def peer():
    one = Peer("leg", has_video=True)
    one.received = []
    one.leg.on_rtp = lambda leg, media, packet, now: one.received.append((media, bytes(packet)))
    one.leg.on_rtcp = lambda leg, media, packet, now: one.received.append((media, bytes(packet)))
    yield one
    one.close()


@pytest.fixture
def stranger():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind((HOST, 0))
        yield one


def sound(sequence=1):
    return bytes(rtp.build_header(8, sequence, 160 * sequence, 77) + bytes(160))


async def test_sound_and_picture_of_the_peer_arrive(peer):
    peer.say(b"sound" * 32)
    picture = bytes(rtp.build_header(96, 1, 1, 9) + b"picture")
    peer.show(picture)
    await delivered()

    assert [media for media, _ in peer.received] == [Media.AUDIO, Media.VIDEO]
    assert peer.received[1][1] == picture


async def test_rtp_from_a_wrong_address_is_dropped_and_counted(peer, stranger):
    for n in range(20):
        stranger.sendto(sound(n), (HOST, peer.leg.audio_port))
    peer.say(bytes(160))
    for n in range(20):
        stranger.sendto(sound(n), (HOST, peer.leg.audio_port))
    await delivered()

    assert len(peer.received) == 1
    assert peer.leg.wrong_source_packets == 40


async def test_a_stranger_cannot_redirect_what_is_sent(peer, stranger):
    stranger.setblocking(False)
    for n in range(20):
        stranger.sendto(sound(n), (HOST, peer.leg.audio_port))
    await delivered()

    peer.leg.send_rtp(Media.AUDIO, sound())
    await delivered()

    assert len(peer.heard()) == 1
    with pytest.raises(BlockingIOError):
        stranger.recv(2048)


async def test_an_authenticated_update_moves_the_source_and_the_old_one_counts_no_more(
    peer, stranger
):
    peer.say(bytes(160))
    await delivered()
    moved = replace(peer.negotiated().audio, remote=stranger.getsockname())

    peer.leg.update(replace(peer.negotiated(), audio=moved))
    peer.say(bytes(160))
    stranger.sendto(sound(), (HOST, peer.leg.audio_port))
    await delivered()

    assert len(peer.received) == 2
    assert peer.leg.wrong_source_packets == 1
    peer.leg.send_rtp(Media.AUDIO, sound())
    assert len(stranger.recv(2048)) == 172


async def test_an_update_to_the_same_address_keeps_the_latched_source(peer, stranger):
    peer.say(bytes(160))
    await delivered()

    peer.leg.update(peer.negotiated())
    for n in range(20):
        stranger.sendto(sound(n), (HOST, peer.leg.audio_port))
    peer.say(bytes(160))
    await delivered()

    assert len(peer.received) == 2


async def test_on_hold_nothing_is_sent(peer):
    peer.leg.update(peer.negotiated(can_send=False))

    peer.leg.send_rtp(Media.AUDIO, sound())
    await delivered()

    assert peer.heard() == []


async def test_before_the_start_nobody_is_believed_and_nothing_is_sent(stranger):
    leg = PlainLeg.open(LegId("leg"), PortPool(HOST), with_video=False)
    received = []
    leg.on_rtp = lambda *arguments: received.append(arguments)

    stranger.sendto(sound(), (HOST, leg.audio_port))
    leg.send_rtp(Media.AUDIO, sound())
    leg.send_rtp(Media.VIDEO, sound())
    await delivered()

    assert not leg.is_ready
    assert received == []
    assert leg.wrong_source_packets == 1
    assert leg.out(Media.AUDIO) is None
    leg.close()


async def test_becoming_ready_is_told_once():
    told = []
    leg = PlainLeg.open(LegId("leg"), PortPool(HOST), with_video=False)
    leg.on_ready = told.append
    peer = Peer("other")

    leg.start(peer.negotiated(), signalling_host=HOST)
    leg.start(peer.negotiated(), signalling_host=HOST)

    assert told == [leg]
    leg.close()
    peer.close()


async def test_rtcp_comes_by_its_own_port_or_muxed_and_goes_to_its_own_port(peer, stranger):
    report = rtcp.build_receiver_report(rtcp.ReceiverReport(77))
    peer.say(bytes(160))
    await delivered()

    peer.sockets[1].sendto(report, (HOST, peer.leg.audio_rtcp_port))
    peer.sockets[0].sendto(report, (HOST, peer.leg.audio_port))
    stranger.sendto(b"no rtcp", (HOST, peer.leg.audio_rtcp_port))
    await delivered()
    peer.leg.send_rtcp(Media.AUDIO, report)
    await delivered()

    assert peer.received[1:] == [(Media.AUDIO, report)] * 2
    assert peer.rtcp() == [report]


async def test_after_closing_the_ports_are_free_and_nothing_raises(peer):
    port = peer.leg.audio_port
    peer.leg.close()
    peer.leg.close()

    peer.leg.send_rtp(Media.AUDIO, sound())

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind((HOST, port))


async def test_random_datagrams_never_raise(peer):
    for n in range(300):
        junk = bytes([0x80 | n & 0x3F, n & 0xFF]) + bytes(n % 20)
        peer.sockets[0].sendto(junk, (HOST, peer.leg.audio_port))
        peer.sockets[1].sendto(junk, (HOST, peer.leg.audio_rtcp_port))
    await delivered()

    assert peer.leg.is_ready
