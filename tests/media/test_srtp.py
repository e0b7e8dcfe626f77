"""SRTP in place: what goes through, and what does not."""

import os

import pytest
from aiortc.rtcdtlstransport import SRTP_PROFILES, SRTPProtectionProfile
from hypothesis import given
from hypothesis import strategies as st

from intercom.media.dtls import SrtpKeys
from intercom.media.srtp import MAX_PACKET_BYTES, SrtpSession
from tests.media.webrtc_apps import rtp

REPORT = bytes.fromhex("80c9000100000001")


def pair(profile: SRTPProtectionProfile = SRTP_PROFILES[0]) -> tuple[SrtpSession, SrtpSession]:
    one, two = (os.urandom(profile.key_length + profile.salt_length) for _ in range(2))
    return SrtpSession(SrtpKeys(profile, one, two)), SrtpSession(SrtpKeys(profile, two, one))


@pytest.mark.parametrize("profile", SRTP_PROFILES, ids=lambda p: p.openssl_profile.decode())
@pytest.mark.parametrize("size", [0, 160, 1460, 2000])
def test_a_packet_of_any_size_that_panels_send_comes_out_as_it_went_in(
    profile: SRTPProtectionProfile, size: int
):
    ours, theirs = pair(profile)
    packet = rtp(8, 1, 160, 7, bytes(size))

    protected = bytes(ours.protect(packet))

    assert theirs.unprotect(memoryview(protected)) == packet
    assert protected != packet


def test_rtcp_comes_out_as_it_went_in():
    ours, theirs = pair()

    protected = bytes(ours.protect_rtcp(REPORT))

    assert theirs.unprotect_rtcp(memoryview(protected)) == REPORT


def test_a_replay_and_a_forgery_are_none():
    ours, theirs = pair()
    protected = bytes(ours.protect(rtp(8, 1, 160, 7, bytes(160))))
    forged = bytearray(protected)
    forged[20] ^= 1

    assert theirs.unprotect(memoryview(forged)) is None
    assert theirs.unprotect(memoryview(protected)) is not None
    assert theirs.unprotect(memoryview(protected)) is None


def test_a_sequence_number_is_never_used_twice_with_one_key():
    ours, _ = pair()
    ours.protect(rtp(8, 1, 160, 7, b"one"))

    assert ours.protect(rtp(8, 1, 160, 7, b"two")) is None


def test_too_long_a_packet_is_none():
    ours, theirs = pair()

    assert ours.protect(bytes(MAX_PACKET_BYTES + 1)) is None
    assert theirs.unprotect(memoryview(bytes(MAX_PACKET_BYTES + 1))) is None


@given(packet=st.binary(max_size=300))
def test_garbage_is_none_and_never_raises(packet: bytes):
    ours, _ = pair()

    assert ours.unprotect(memoryview(b"\x80" + packet)) is None
    assert ours.unprotect_rtcp(memoryview(b"\x80" + packet)) is None
    ours.protect(packet)
    ours.protect_rtcp(packet)
