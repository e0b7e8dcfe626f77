"""UDP ports for plain RTP."""

import asyncio
import socket

import pytest

from intercom.errors import MediaError
from intercom.media import port as ports
from intercom.media.port import MAX_PACKETS_PER_WAKE_UP, PortPool
from tests.media.peers import HOST, delivered
from tests.ports import free_ports


async def test_a_pair_is_even_and_the_odd_port_after_it():
    rtp, rtcp = PortPool(HOST).open_pair()

    assert rtp.port % 2 == 0
    assert rtcp.port == rtp.port + 1
    rtp.close()
    rtcp.close()


async def test_an_exhausted_pool_says_so_and_a_freed_pair_serves_again():
    probe, other = PortPool(HOST).open_pair()
    first = probe.port
    probe.close()
    other.close()
    pool = PortPool(HOST, first, first + 1)

    pair = pool.open_pair()
    with pytest.raises(MediaError):
        pool.open_pair()
    for port in pair:
        port.close()
    again = pool.open_pair()

    assert again[0].port == first
    for port in again:
        port.close()


async def test_a_freed_pair_rests_until_all_the_others_had_their_turn():
    first = free_ports(8)
    pool = PortPool(HOST, first, first + 8)
    taken = []
    for _ in range(8):
        pair = pool.open_pair()
        taken.append(pair[0].port)
        for port in pair:
            port.close()

    assert len(set(taken[:4])) == 4
    assert taken[4:] == taken[:4]


async def test_an_odd_first_port_is_passed_over():
    pool = PortPool(HOST, 40001, 40004)

    assert list(pool._evens) == [40002]


async def test_every_packet_of_a_burst_arrives_in_order():
    rtp, rtcp = PortPool(HOST).open_pair()
    heard = []
    rtp.listen(lambda packet, source, now: heard.append((bytes(packet), source)))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((HOST, 0))
        for n in range(3 * MAX_PACKETS_PER_WAKE_UP):
            sender.sendto(n.to_bytes(2, "big"), (HOST, rtp.port))
        await delivered()

        assert heard == [
            (n.to_bytes(2, "big"), sender.getsockname()) for n in range(3 * MAX_PACKETS_PER_WAKE_UP)
        ]
    rtp.close()
    rtcp.close()


async def test_an_oversized_datagram_is_dropped_and_counted():
    rtp, rtcp = PortPool(HOST).open_pair()
    heard = []
    rtp.listen(lambda packet, source, now: heard.append(bytes(packet)))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(bytes(4000), (HOST, rtp.port))
        sender.sendto(b"small", (HOST, rtp.port))
        await delivered()

    assert heard == [b"small"]
    assert rtp.oversized == 1
    rtp.close()
    rtcp.close()


async def test_what_cannot_be_sent_is_counted_and_raises_nothing():
    rtp, rtcp = PortPool(HOST).open_pair()

    rtp.send(bytes(70_000), (HOST, 9))

    assert rtp.send_errors == 1
    rtp.close()
    rtp.close()
    rtp.send(b"x", (HOST, 9))
    assert rtp.send_errors == 2
    rtcp.close()


async def test_a_port_closed_by_one_packet_hands_on_none_of_the_others():
    rtp, rtcp = PortPool(HOST).open_pair()
    heard = []

    def receive(packet, source, now):
        heard.append(bytes(packet))
        rtp.close()

    rtp.listen(receive)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"1", (HOST, rtp.port))
        sender.sendto(b"2", (HOST, rtp.port))
        await delivered()

    assert heard == [b"1"]
    rtcp.close()


async def test_a_port_closed_by_the_packet_of_another_hands_on_nothing():
    rtp, rtcp = PortPool(HOST).open_pair()
    heard = []

    def close_both(packet, source, now):
        heard.append(bytes(packet))
        rtp.close()
        rtcp.close()

    rtp.listen(close_both)
    rtcp.listen(close_both)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"one", (HOST, rtp.port))
        sender.sendto(b"other", (HOST, rtcp.port))
        await delivered()

    assert len(heard) == 1


async def test_a_pool_whose_ports_were_all_closed_hears_those_that_come_after():
    pool = PortPool(HOST)
    for port in pool.open_pair():
        port.close()
    rtp, rtcp = pool.open_pair()
    heard = []
    rtp.listen(lambda packet, source, now: heard.append(bytes(packet)))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"hello", (HOST, rtp.port))
        await delivered()

    assert heard == [b"hello"]
    rtp.close()
    rtcp.close()


async def test_spare_pairs_are_bound_ahead_and_replaced_as_they_are_taken(monkeypatch):
    monkeypatch.setattr(ports, "REFILL_S", 0.001)
    pool = PortPool(HOST)
    pool.keep_spares(2)
    await asyncio.sleep(0.05)
    spares = [rtp.port for rtp, _ in pool._spares]

    rtp, rtcp = pool.open_pair()
    await asyncio.sleep(0.05)

    assert rtp.port == spares[0]
    assert pool._spares[0][0].port == spares[1]
    assert len(pool._spares) == 2
    pool.close()
    assert not pool._spares
    rtp.close()
    rtcp.close()


async def test_spare_pairs_leave_no_press_without_a_port(monkeypatch):
    monkeypatch.setattr(ports, "REFILL_S", 0.001)
    first = free_ports(4)
    pool = PortPool(HOST, first, first + 3)
    pool.keep_spares(9)
    await asyncio.sleep(0.05)

    pairs = [pool.open_pair(), pool.open_pair()]

    assert len({rtp.port for rtp, _ in pairs}) == 2
    pool.close()
    for pair in pairs:
        for one in pair:
            one.close()


async def test_what_comes_before_anybody_listens_is_dropped_and_not_heard_later():
    rtp, rtcp = PortPool(HOST).open_pair()
    heard = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"of an ended call", (HOST, rtp.port))
        await delivered()
        rtp.listen(lambda packet, source, now: heard.append(bytes(packet)))
        sender.sendto(b"of this call", (HOST, rtp.port))
        await delivered()

    assert heard == [b"of this call"]
    rtp.close()
    rtcp.close()


async def test_a_port_that_is_flooded_delays_no_other_and_the_loop_but_briefly():
    pool = PortPool(HOST)
    flooded, quiet = pool.open_pair(), pool.open_pair()
    heard = []
    flooded[0].listen(lambda packet, source, now: heard.append("flood"))
    quiet[0].listen(lambda packet, source, now: heard.append("sound"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(2 * MAX_PACKETS_PER_WAKE_UP):
            sender.sendto(b"x", (HOST, flooded[0].port))
        sender.sendto(b"x", (HOST, quiet[0].port))

        flooded[0]._reader._read()

    assert "sound" in heard[:2]
    assert len(heard) <= MAX_PACKETS_PER_WAKE_UP + 1
    for port in (*flooded, *quiet):
        port.close()
