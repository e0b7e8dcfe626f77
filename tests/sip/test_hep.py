"""HEP 3 packets, read by a decoder of the test's own."""

import ipaddress
import struct

import pytest

from intercom.sip.address import Address, Transport
from intercom.sip.hep import encode_hep


def decode(packet: bytes) -> dict[int, bytes]:
    """Read a packet as a collector does; every byte must belong to a chunk."""
    assert packet[:4] == b"HEP3"
    assert int.from_bytes(packet[4:6], "big") == len(packet)
    chunks, at = {}, 6
    while at < len(packet):
        vendor, kind, length = (
            int.from_bytes(packet[at + n : at + n + 2], "big") for n in (0, 2, 4)
        )
        assert vendor == 0
        assert length >= 6
        chunks[kind] = packet[at + 6 : at + length]
        at += length
    assert at == len(packet)
    return chunks


def packet(source: Address, destination: Address, payload: bytes = b"BYE") -> dict[int, bytes]:
    return decode(
        encode_hep(
            payload,
            source,
            destination,
            at_us=1_700_000_000_123_456,
            correlation_id="call-1",
            capture_id=7,
        )
    )


def test_everything_a_collector_wants_is_there():
    chunks = packet(Address("192.0.2.20", 5062), Address("192.0.2.1", 5060), b"INVITE")

    assert chunks[1] == b"\x02"
    assert chunks[2] == bytes([17])
    assert str(ipaddress.IPv4Address(chunks[3])) == "192.0.2.20"
    assert str(ipaddress.IPv4Address(chunks[4])) == "192.0.2.1"
    assert (chunks[7], chunks[8]) == ((5062).to_bytes(2, "big"), (5060).to_bytes(2, "big"))
    assert struct.unpack("!II", chunks[9] + chunks[10]) == (1_700_000_000, 123_456)
    assert chunks[11] == b"\x01"
    assert chunks[12] == bytes([0, 0, 0, 7])
    assert (chunks[15], chunks[17]) == (b"INVITE", b"call-1")


@pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS])
def test_ipv6_and_streams_have_their_own_chunks_and_numbers(transport):
    chunks = packet(
        Address("2001:db8::2", 5060, transport), Address("2001:db8::1", 5060, transport)
    )

    assert chunks[1] == b"\x0a"
    assert chunks[2] == b"\x06"
    assert str(ipaddress.IPv6Address(chunks[5])) == "2001:db8::2"
    assert str(ipaddress.IPv6Address(chunks[6])) == "2001:db8::1"
    assert 3 not in chunks


def test_a_payload_beyond_what_a_packet_holds_is_cut():
    chunks = packet(Address("192.0.2.20", 1), Address("192.0.2.1", 1), b"x" * 65_000)

    assert len(chunks[15]) == 60_000
