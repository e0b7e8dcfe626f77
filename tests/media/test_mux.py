"""One port for all legs: whose a packet is, and whose it is not."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from aioice import stun
from hypothesis import given, settings
from hypothesis import strategies as st

from intercom.errors import MediaError
from intercom.media.ice import Address
from intercom.media.mux import (
    MAX_PACKETS_PER_WAKE_UP,
    MAX_SOURCES_PER_CLIENT,
    SOURCE_IDLE_S,
    MuxClient,
    MuxPort,
)

DTLS, SRTP = b"\x16\xfe\xfd", b"\x80\x08\x00\x01"
SOURCE: Address = ("192.0.2.1", 4000)


class Recorder(MuxClient):
    """A client that keeps what it gets."""

    def __init__(self) -> None:
        self.checks: list[Address] = []
        self.packets: list[bytes] = []

    def receive_check(self, packet: memoryview, source: Address, now: float) -> None:
        self.checks.append(source)

    def receive_dtls(self, packet: memoryview, now: float) -> None:
        self.packets.append(bytes(packet))

    def receive_srtp(self, packet: memoryview, now: float) -> None:
        self.packets.append(bytes(packet))


def check(ufrag: str) -> bytes:
    attributes = {"USERNAME": f"{ufrag}:app"}
    return bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes=attributes))


@pytest.fixture
async def mux() -> AsyncIterator[MuxPort]:
    async with MuxPort.open("127.0.0.1", 0, ["192.0.2.7"]) as port:
        yield port


@pytest.fixture
def app() -> socket.socket:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        yield udp


async def sent(mux: MuxPort, app: socket.socket, *packets: bytes) -> None:
    """Send, and let the loop read (loopback is instant)."""
    for packet in packets:
        app.sendto(packet, ("127.0.0.1", mux.port))
    for _ in range(3 + len(packets) // MAX_PACKETS_PER_WAKE_UP):
        await asyncio.sleep(0)


async def test_a_check_goes_to_the_leg_that_its_user_name_names(mux: MuxPort, app: socket.socket):
    one, two = Recorder(), Recorder()
    mux.add("one", one)
    mux.add("two", two)

    await sent(mux, app, check("two"), check("three"))

    assert not one.checks
    assert two.checks == [app.getsockname()]
    assert mux.dropped == 1


async def test_dtls_and_srtp_go_to_the_leg_that_claimed_their_source(
    mux: MuxPort, app: socket.socket
):
    leg = Recorder()
    mux.add("one", leg)

    await sent(mux, app, DTLS, SRTP)
    before = list(leg.packets)
    mux.claim(app.getsockname(), leg, 0.0)
    await sent(mux, app, DTLS, SRTP)

    assert before == []
    assert leg.packets == [DTLS, SRTP]
    assert mux.dropped == 2


async def test_a_burst_longer_than_one_wake_up_is_read_whole(mux: MuxPort, app: socket.socket):
    leg = Recorder()
    mux.add("one", leg)
    mux.claim(app.getsockname(), leg, 0.0)

    await sent(mux, app, *[SRTP] * (2 * MAX_PACKETS_PER_WAKE_UP + 1))

    assert len(leg.packets) == 2 * MAX_PACKETS_PER_WAKE_UP + 1


async def test_a_removed_leg_gets_nothing_more(mux: MuxPort, app: socket.socket):
    leg = Recorder()
    mux.add("one", leg)
    mux.claim(app.getsockname(), leg, 0.0)

    mux.remove("one")
    mux.remove("one")
    await sent(mux, app, check("one"), DTLS, SRTP)

    assert not leg.checks
    assert not leg.packets


async def test_a_source_in_use_cannot_be_taken_by_another_leg(mux: MuxPort):
    victim, thief = Recorder(), Recorder()
    mux.add("victim", victim)
    mux.add("thief", thief)
    mux.claim(SOURCE, victim, 0.0)

    assert not mux.claim(SOURCE, thief, SOURCE_IDLE_S - 1)
    assert mux.claim(SOURCE, victim, SOURCE_IDLE_S - 1)
    assert not mux.claim(SOURCE, thief, SOURCE_IDLE_S)
    assert mux.claim(SOURCE, thief, 2 * SOURCE_IDLE_S)
    mux.remove("victim")
    mux.remove("thief")


async def test_sources_of_a_leg_are_bounded_and_the_oldest_goes(mux: MuxPort):
    leg, other = Recorder(), Recorder()
    mux.add("one", leg)
    mux.add("other", other)

    for port in range(MAX_SOURCES_PER_CLIENT + 1):
        mux.claim(("192.0.2.1", port), leg, 0.0)

    assert mux.claim(("192.0.2.1", 0), other, 0.0)
    assert not mux.claim(("192.0.2.1", 1), other, 0.0)


async def test_a_packet_that_cannot_be_sent_is_counted_and_not_raised(mux: MuxPort):
    mux.send(bytes(70_000), ("127.0.0.1", 9))

    assert mux.dropped == 1


async def test_a_taken_port_is_a_media_error(mux: MuxPort):
    with pytest.raises(MediaError, match=str(mux.port)):
        MuxPort.open("127.0.0.1", mux.port, ["127.0.0.1"])


async def test_closing_twice_is_harmless_and_frees_the_port(mux: MuxPort):
    mux.close()
    mux.close()

    MuxPort.open("127.0.0.1", mux.port, ["127.0.0.1"]).close()


@settings(max_examples=50, deadline=None)
@given(packets=st.lists(st.binary(max_size=100), min_size=1, max_size=50))
def test_garbage_from_strangers_reaches_nobody_and_raises_nothing(packets: list[bytes]):
    async def scenario() -> None:
        unhandled: list[dict] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: unhandled.append(what))
        leg = Recorder()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            async with MuxPort.open("127.0.0.1", 0, ["127.0.0.1"]) as port:
                port.add("one", leg)
                await sent(port, udp, *packets)
                assert port.dropped == len(packets)
        assert not leg.checks
        assert not leg.packets
        assert not unhandled

    asyncio.run(scenario())
