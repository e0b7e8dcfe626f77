"""A leg of SRTP with keys from SDP, on real sockets."""

import socket
from dataclasses import replace

import pytest

from intercom.media import rtcp, rtp
from intercom.media.leg import Media
from intercom.media.plain import PlainLeg
from intercom.media.port import PortPool
from intercom.media.sdes import MAX_PEER_KEYS, SdesStream, fresh_keys
from intercom.routing.ids import LegId
from intercom.sip.crypto import Crypto, SrtpKey, Suite
from intercom.sip.description import Description
from intercom.sip.offer_answer import LocalMedia, Srtp
from tests.media.peers import HOST, delivered
from tests.media.srtp_peers import AUDIO, VIDEO, SecurePeer

VOICE = bytes(range(160))
REPORT = rtcp.build_receiver_report(rtcp.ReceiverReport(77)) + rtcp.build_cname(77, "x")


def listen(peer):
    peer.received = []
    peer.leg.on_rtp = lambda leg, media, packet, now: peer.received.append((media, bytes(packet)))
    peer.leg.on_rtcp = lambda leg, media, packet, now: peer.received.append((media, bytes(packet)))
    return peer


@pytest.fixture
async def peer():
    one = listen(SecurePeer("leg", has_video=True))
    yield one
    one.close()


@pytest.fixture
def stranger():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind((HOST, 0))
        one.setblocking(False)
        yield one


def sound(sequence=1, payload=VOICE):
    return bytes(rtp.build_header(8, sequence, 160 * sequence, 55) + payload)


def raw(peer, which=0):
    """Give what came on one of the peer's sockets, as it was on the wire."""
    return peer.rtcp(which)


@pytest.mark.parametrize("suite", Suite)
async def test_sound_passes_both_ways_by_every_suite_and_nothing_is_in_clear(suite):
    peer = listen(SecurePeer("leg", suite=suite))

    peer.say(VOICE)
    peer.leg.send_rtp(Media.AUDIO, sound())
    await delivered()

    ((_, packet),) = peer.received
    assert packet.endswith(VOICE)
    (wire,) = raw(peer)
    assert VOICE[:16] not in wire
    assert peer.hearing[AUDIO].unprotect(wire) == sound()
    assert peer.leg.is_encrypted
    peer.close()


async def test_picture_has_a_key_of_its_own_and_long_packets_pass(peer):
    picture = bytes(rtp.build_header(96, 1, 1, 9) + bytes(1_300))
    peer.show(peer.talking[VIDEO].protect(picture))
    peer.show(peer.talking[AUDIO].protect(picture))
    peer.leg.send_rtp(Media.VIDEO, sound(1, bytes(1_448)))
    await delivered()

    assert peer.received == [(Media.VIDEO, picture)]
    assert peer.leg.auth_failed == 1
    assert len(raw(peer, 2)[0]) == 12 + 1_448 + 10


async def test_rtcp_is_srtcp_by_its_own_port_and_muxed(peer):
    peer.sockets[1].sendto(
        peer.talking[AUDIO].protect_rtcp(REPORT), (HOST, peer.leg.audio_rtcp_port)
    )
    peer.sockets[0].sendto(peer.talking[AUDIO].protect_rtcp(REPORT), (HOST, peer.leg.audio_port))
    peer.sockets[1].sendto(REPORT, (HOST, peer.leg.audio_rtcp_port))
    await delivered()
    peer.leg.send_rtcp(Media.AUDIO, REPORT)
    await delivered()

    assert peer.received == [(Media.AUDIO, REPORT)] * 2
    assert peer.leg.auth_failed == 1
    (wire,) = raw(peer, 1)
    assert peer.hearing[AUDIO].unprotect_rtcp(wire) == REPORT


async def test_what_does_not_authenticate_is_dropped_counted_and_moves_nothing(peer, stranger):
    target = (HOST, peer.leg.audio_port)
    for n in range(20):
        stranger.sendto(sound(n), target)
        peer.sockets[0].sendto(sound(n), target)
    await delivered()
    peer.leg.send_rtp(Media.AUDIO, sound())
    await delivered()

    assert peer.received == []
    assert peer.leg.auth_failed == 40
    assert len(raw(peer)) == 1
    with pytest.raises(BlockingIOError):
        stranger.recv(2048)


async def test_a_peer_that_moves_is_followed_by_its_first_authenticated_packet(peer, stranger):
    peer.say(VOICE)
    await delivered()

    stranger.sendto(peer.encrypted(VOICE), (HOST, peer.leg.audio_port))
    await delivered()
    peer.leg.send_rtp(Media.AUDIO, sound())
    await delivered()

    assert len(peer.received) == 2
    assert raw(peer) == []
    assert peer.hearing[AUDIO].unprotect(stranger.recv(2048)) == sound()


async def test_a_replay_is_dropped_and_does_not_move_the_target(peer, stranger):
    packet = peer.encrypted(VOICE)
    peer.sockets[0].sendto(packet, (HOST, peer.leg.audio_port))
    await delivered()

    for _ in range(20):
        stranger.sendto(packet, (HOST, peer.leg.audio_port))
    await delivered()
    peer.leg.send_rtp(Media.AUDIO, sound())
    await delivered()

    assert len(peer.received) == 1
    assert peer.leg.auth_failed == 20
    assert len(raw(peer)) == 1


async def test_a_new_key_of_the_peer_replaces_the_old_one(peer):
    old = peer.encrypted(VOICE)
    peer.choose_keys(60)
    peer.leg.update(peer.negotiated())

    peer.sockets[0].sendto(old, (HOST, peer.leg.audio_port))
    peer.say(VOICE)
    await delivered()

    assert len(peer.received) == 1
    assert peer.leg.auth_failed == 1


async def test_a_key_that_stays_or_comes_back_accepts_no_replay(peer):
    packet, ours, first = peer.encrypted(VOICE), peer.keys, peer.talking
    peer.sockets[0].sendto(packet, (HOST, peer.leg.audio_port))
    await delivered()

    peer.leg.update(peer.negotiated())
    peer.sockets[0].sendto(packet, (HOST, peer.leg.audio_port))
    await delivered()
    peer.choose_keys(60)
    peer.leg.update(peer.negotiated())
    peer.keys, peer.talking = ours, first
    peer.leg.update(peer.negotiated())
    peer.sockets[0].sendto(packet, (HOST, peer.leg.audio_port))
    peer.say(VOICE)
    await delivered()

    assert len(peer.received) == 2
    assert peer.leg.auth_failed == 2


async def test_our_own_key_never_encrypts_the_same_number_twice(peer):
    peer.leg.send_rtp(Media.AUDIO, sound(5, b"one"))
    peer.leg.update(peer.negotiated())
    peer.leg.send_rtp(Media.AUDIO, sound(5, b"two"))
    await delivered()

    assert len(raw(peer)) == 1


async def test_a_peer_that_restarts_or_wraps_its_numbers_goes_on(peer):
    for ssrc, sequence in (
        (77, 65_534),
        (77, 65_535),
        (77, 0),
        (77, 1),
        (78, 30_000),
        (78, 30_001),
    ):
        head = rtp.build_header(8, sequence, 0xFFFFFFFF, ssrc)
        packet = peer.talking[AUDIO].protect(bytes(head + VOICE))
        peer.sockets[0].sendto(packet, (HOST, peer.leg.audio_port))
    await delivered()

    assert len(peer.received) == 6


async def test_before_the_start_and_after_the_end_nothing_counts(peer):
    packet = peer.encrypted(VOICE)
    port = peer.leg.audio_port
    stream = peer.leg._audio
    stream.stop()
    peer.sockets[0].sendto(packet, (HOST, port))
    await delivered()
    assert peer.received == []

    peer.leg.close()
    stream._receive_srtp(memoryview(packet), peer.address(0), 1.0)
    assert peer.received == []


async def test_two_legs_agree_by_sdp_and_hear_each_other():
    pool = PortPool(HOST)
    legs = [PlainLeg.open(LegId(name), pool, with_video=False) for name in ("one", "two")]
    one, two = (
        Description(
            LocalMedia(
                HOST,
                leg.audio_port,
                leg.audio_rtcp_port,
                srtp=Srtp.REQUIRED,
                keys=leg.draw_keys(),
            )
        )
        for leg in legs
    )

    answer, agreed = two.answer(one.offer())
    legs[1].start(agreed, signalling_host=HOST)
    legs[0].start(one.read(answer), signalling_host=HOST)
    heard = []
    for leg in legs:
        leg.on_rtp = lambda leg, media, packet, now: heard.append((leg.leg_id, bytes(packet)))
    for leg in legs:
        leg.send_rtp(Media.AUDIO, sound())
    await delivered()

    assert sorted(heard) == [("one", sound()), ("two", sound())]
    for leg in legs:
        leg.close()


async def test_a_leg_without_keys_is_in_clear(peer):
    audio = replace(peer.negotiated().audio, crypto=None)
    peer.leg.update(replace(peer.negotiated(), audio=audio))

    peer.sockets[0].sendto(sound(), (HOST, peer.leg.audio_port))
    await delivered()

    assert peer.received == [(Media.AUDIO, sound())]
    assert not peer.leg.is_encrypted


def test_drawn_keys_are_all_different_and_of_the_right_length():
    keys = fresh_keys()
    drawn = [*keys.audio, *keys.video, *fresh_keys().audio]

    assert len({key.key for key in drawn}) == len(drawn) == 3 * len(Suite)
    assert all(len(key.key) == key.suite.key_bytes for key in drawn)


def test_a_peers_keys_of_one_call_are_remembered_up_to_a_limit():
    stream, ours = SdesStream(), fresh_keys().audio
    for n in range(3 * MAX_PEER_KEYS):
        key = SrtpKey(Suite.AES_CM_128_HMAC_SHA1_80, bytes([n]) * 30)
        stream.agree(Crypto(1, key), ours)

    assert len(stream._receivers) == MAX_PEER_KEYS
    assert len(stream._senders) == 1
