"""Which source of RTP is believed."""

import ipaddress

import pytest

from intercom.media import rtp
from intercom.media.latch import Latch

SIGNALLED = ("203.0.113.5", 4000)
PRIVATE = ("192.168.1.20", 4000)
SIGNALLING = "198.51.100.7"
NOW = 100.0
NETWORKS = (ipaddress.ip_network("203.0.113.0/24"),)


def packet(payload_type=8, ssrc=1, sequence=1):
    return memoryview(bytes(rtp.build_header(payload_type, sequence, 0, ssrc)) + bytes(160))


def latch(signalled=SIGNALLED, networks=()):
    return Latch(
        signalled,
        payload_types=frozenset({8, 101}),
        signalling_host=SIGNALLING,
        media_networks=networks,
    )


def test_the_signalled_address_is_believed_from_its_first_packet():
    assert latch().accept(packet(), SIGNALLED, NOW)


@pytest.mark.parametrize(
    "source", [("203.0.113.5", 4001), ("203.0.113.6", 4000), (SIGNALLING, 4000), ("10.0.0.1", 9)]
)
def test_nobody_else_is_believed_however_long_they_try(source):
    one = latch()

    assert not any(one.accept(packet(), source, NOW) for _ in range(1000))
    assert one.target == SIGNALLED


def test_the_trunks_media_networks_are_believed_and_then_only_that_source():
    one = latch(networks=NETWORKS)

    assert one.accept(packet(), ("203.0.113.99", 5000), NOW)
    assert one.target == ("203.0.113.99", 5000)
    assert not one.accept(packet(), ("203.0.113.98", 5000), NOW)
    assert not one.accept(packet(), SIGNALLED, NOW + 1.0)


def test_the_signalled_address_wins_over_a_media_network_in_the_first_second():
    one = latch(networks=NETWORKS)
    forger = ("203.0.113.99", 5000)

    assert one.accept(packet(), forger, NOW)
    assert one.accept(packet(), SIGNALLED, NOW + 0.9)
    assert one.target == SIGNALLED
    assert not one.accept(packet(), forger, NOW + 0.91)
    assert not one.accept(packet(), ("203.0.113.98", 5000), NOW + 0.92)


def test_a_media_network_is_not_believed_with_another_payload_type():
    assert not latch(networks=NETWORKS).accept(packet(payload_type=0), ("203.0.113.99", 5000), NOW)


def test_behind_nat_the_fifth_packet_in_a_row_from_the_signalling_address_is_believed():
    one = latch(PRIVATE)

    counted = [one.accept(packet(), (SIGNALLING, 777), NOW) for _ in range(6)]

    assert counted == [False] * 4 + [True] * 2
    assert one.target == (SIGNALLING, 777)


def test_behind_nat_another_ssrc_port_or_payload_type_starts_the_count_again():
    one = latch(PRIVATE)
    good = (packet(), (SIGNALLING, 777))

    for bad in (
        (packet(ssrc=2), (SIGNALLING, 777)),
        (packet(), (SIGNALLING, 778)),
        (packet(payload_type=0), (SIGNALLING, 777)),
    ):
        for _ in range(4):
            assert not one.accept(*good, NOW)
        assert not one.accept(*bad, NOW)
    for _ in range(4):
        assert not one.accept(*good, NOW)


def test_behind_nat_a_stranger_between_the_packets_does_not_stop_the_count():
    one = latch(PRIVATE)

    for _ in range(4):
        one.accept(packet(), (SIGNALLING, 777), NOW)
        assert not one.accept(packet(), ("192.0.2.66", 777), NOW)

    assert one.accept(packet(), (SIGNALLING, 777), NOW)


def test_a_public_signalled_address_never_counts_as_behind_nat():
    one = latch(("8.8.8.8", 4000))

    assert not any(one.accept(packet(), (SIGNALLING, 777), NOW) for _ in range(100))


def test_once_believed_the_source_stays():
    one = latch(PRIVATE)
    assert one.accept(packet(), PRIVATE, NOW)

    assert not any(one.accept(packet(), (SIGNALLING, 777), NOW) for _ in range(100))


@pytest.mark.parametrize("host", ["0.0.0.0", "media.example.com", "239.1.1.1", ""])
def test_nothing_is_sent_to_names_and_to_addresses_of_nobody(host):
    assert latch((host, 4000)).target is None
    assert latch(("203.0.113.5", 0)).target is None
