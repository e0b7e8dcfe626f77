"""SIP over UDP: bound addresses, and from which of them an answer leaves."""

import asyncio
import socket

import pytest

from intercom.adapters.sip import udp as udp_module
from intercom.adapters.sip.listening import bind
from intercom.adapters.sip.udp import DATAGRAMS_A_WAKE_UP, UdpSocket
from intercom.errors import ConfigError, NotThereYetError
from intercom.sip.address import Address
from tests.adapters.sip_rig import HOST, until
from tests.adapters.stream_rig import free_tcp_port, listening_router, request

SECOND = "127.0.0.2"


async def answer_to(host: str, port: int, data: bytes) -> tuple[bytes, str]:
    """Ask, and say from where the answer came; a socket that takes it from anywhere."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    loop = asyncio.get_running_loop()
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.bind(("", 0))
        await loop.sock_sendto(client, data, (host, port))
        async with asyncio.timeout(2):
            answer, source = await loop.sock_recvfrom(client, 65_535)
        return answer, source[0]


@pytest.mark.parametrize("host", [HOST, SECOND])
async def test_an_answer_leaves_from_the_address_that_was_asked(host):
    async with listening_router(host="0.0.0.0") as router:
        answer, source = await answer_to(host, router.port, request(transport="UDP"))

    assert answer.startswith(b"SIP/2.0 200")
    assert source == host


async def test_both_families_are_served_on_one_port():
    async with listening_router(host="0.0.0.0", also_host="::") as router:
        for host in (HOST, "::1"):
            answer, source = await answer_to(host, router.port, request(transport="UDP"))

            assert answer.startswith(b"SIP/2.0 200")
            assert source == host


async def test_what_goes_to_a_family_that_nobody_listens_on_fails():
    async with listening_router() as router:
        events = []
        dialog = router.endpoint.invite(
            router.now,
            target="sip:a@[::1]",
            destination=Address("::1", 5060),
            from_uri=f"sip:b@{HOST}",
            body=b"",
        )
        router.follow(dialog, events.append)
        router.drain()

        assert [event.status for event in events] == [503]


async def test_remembered_ways_back_are_bounded(monkeypatch):
    monkeypatch.setattr(udp_module, "MAX_WAYS", 3)
    heard = []
    sock = UdpSocket("0.0.0.0", 0, lambda data, source: heard.append(source))
    try:
        for _ in range(5):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(b"x", (HOST, sock.port))
                await until(lambda: heard)
                heard.clear()

        assert len(sock._ways) == 3
    finally:
        sock.close()


async def test_a_way_back_that_is_ours_no_more_is_forgotten():
    sock = UdpSocket("0.0.0.0", 0, lambda *_: None)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind((HOST, 0))
        client.settimeout(1)
        peer = client.getsockname()
        sock._ways[peer] = udp_module._IPV4_INFO.pack(0, bytes([192, 0, 2, 1]), bytes(4))
        sock.send(b"hello", Address(*peer))

        assert client.recv(10) == b"hello"
        assert peer not in sock._ways
    sock.close()


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("192.0.2.1", r"192\.0\.2\.1 port \d+ \(UDP\).*no such address.*INTERCOM_SIP_HOST"),
        ("2001:db8::1", r"2001:db8::1 port \d+ \(UDP\).*no such address.*INTERCOM_SIP_HOST"),
    ],
)
def test_an_address_of_another_machine_gets_its_own_words(host, said):
    with pytest.raises(ConfigError, match=said):
        bind(host, free_tcp_port(), socket.SOCK_DGRAM)


def test_a_port_in_use_names_its_setting():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(NotThereYetError, match=rf"{port} \(TCP\).*End the program.*_TLS_PORT"):
            bind(HOST, port, socket.SOCK_STREAM, "INTERCOM_SIP_TLS_PORT")


async def test_what_waits_for_more_than_one_wake_up_is_told_until_all_was_read(monkeypatch):
    monkeypatch.setattr(udp_module, "MUCH_WAITING_BYTES", 1)
    heard = []
    sock = UdpSocket("127.0.0.1", 0, lambda data, _source: heard.append(data))
    loop = asyncio.get_running_loop()
    loop.remove_reader(sock._socket)
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for _ in range(2 * DATAGRAMS_A_WAKE_UP):
        peer.sendto(b"x", ("127.0.0.1", sock.port))

    sock.read()
    now = loop.time()
    while_behind = sock.behind_s(now + 1.0)
    while len(heard) < 2 * DATAGRAMS_A_WAKE_UP:
        sock.read()
    sock.read()

    assert while_behind >= 1.0
    assert sock.behind_s(now + 1.0) == 0.0
    sock.close()
    peer.close()
