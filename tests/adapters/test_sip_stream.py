"""SIP over TCP: messages out of bytes, whose connection is used, and who is closed for what."""

import asyncio
import socket

import pytest
from structlog.testing import capture_logs

from intercom.adapters.sip import connection as connection_module
from intercom.adapters.sip.stream_limits import StreamLimits
from intercom.adapters.sip.tls import Tls, TlsFiles
from intercom.adapters.sip.transport import SipTransport, StreamSettings
from intercom.errors import ConfigError
from intercom.sip.address import Address, Transport
from intercom.sip.endpoint import Endpoint, EndpointConfig
from intercom.sip.events import InviteFailed, InviteReceived
from tests.adapters.sip_rig import HOST, token, until
from tests.adapters.stream_rig import client_of, free_tcp_port, listening_router, request, server_of

QUICK = StreamLimits(message_s=0.2, sweep_s=0.05, idle_s=0.3, connect_s=0.3)
SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"


def invite(router, address: Address, headers=(), body: bytes = b""):
    """Let the router call somebody."""
    dialog = router.endpoint.invite(
        router.now,
        target=f"sip:a@{address.host}",
        destination=address,
        from_uri=f"sip:b@{HOST}",
        body=body,
        headers=headers,
    )
    events: list[object] = []
    router.follow(dialog, events.append)
    router.drain()
    return dialog, events


async def test_a_request_is_answered_on_its_connection():
    async with listening_router() as router, client_of(router.port) as client:
        client.send(request())

        assert (await client.message()).startswith("SIP/2.0 200")


async def test_a_message_in_single_bytes_is_one_message():
    async with listening_router() as router, client_of(router.port) as client:
        for byte in request():
            client.send(bytes([byte]))
            await asyncio.sleep(0)

        assert (await client.message()).startswith("SIP/2.0 200")


async def test_messages_that_come_at_once_are_each_answered_in_order():
    async with listening_router() as router, client_of(router.port) as client:
        client.send(*(request(number=number) for number in range(100)))
        answers = [await client.message() for _ in range(100)]

        assert [f"Call-ID: {number}\r\n" in answer for number, answer in enumerate(answers)] == [
            True
        ] * 100


async def test_a_ping_gets_a_pong():
    async with listening_router() as router, client_of(router.port) as client:
        client.send(request())
        await client.message()
        client.send(b"\r\n\r\n")

        assert await client.read() == b"\r\n"


async def test_pings_that_come_at_once_get_one_pong():
    async with listening_router() as router, client_of(router.port) as client:
        client.send(b"\r\n\r\n" * 1000, request())

        assert (await client.read()).startswith(b"\r\nSIP/2.0 ")


async def test_what_is_no_sip_closes_the_connection_and_no_other():
    async with (
        listening_router() as router,
        client_of(router.port) as good,
        client_of(router.port) as bad,
    ):
        bad.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")

        assert await bad.is_closed_within(1)
        good.send(request())
        assert "200" in await good.message()


async def test_a_message_without_a_length_is_answered_and_its_connection_closed():
    async with listening_router() as router, client_of(router.port) as client:
        client.send(request().replace(b"Content-Length: 0\r\n", b""))

        assert "SIP/2.0 " in await client.message()
        assert await client.is_closed_within(1)


async def test_a_client_that_closes_its_side_still_gets_its_answer():
    async with listening_router() as router, client_of(router.port) as client:
        client.send(request())
        client.writer.write_eof()

        assert "200" in await client.message()
        assert await client.is_closed_within(1)


async def test_a_client_that_says_nothing_is_closed():
    async with listening_router(limits=QUICK) as router, client_of(router.port) as client:
        assert await client.is_closed_within(0.6)
        assert router.streams.counters.too_slow == 1


@pytest.mark.parametrize("dribble", [request(), b"\r\n" * 100], ids=["request", "line ends"])
async def test_a_client_that_dribbles_is_closed(dribble):
    async with listening_router(limits=QUICK) as router, client_of(router.port) as client:
        for byte in dribble[:10]:
            client.send(bytes([byte]))
            await asyncio.sleep(0.05)

        assert await client.is_closed_within(0.1)


async def test_a_second_message_that_stalls_closes_the_connection():
    limits = StreamLimits(message_s=0.2, sweep_s=0.05)
    async with listening_router(limits=limits) as router, client_of(router.port) as client:
        client.send(request())
        await client.message()
        await asyncio.sleep(0.3)
        client.send(request(number=2)[:40])

        assert await client.is_closed_within(0.5)


async def test_an_idle_connection_is_closed_unless_it_is_pinged():
    async with (
        listening_router(limits=QUICK) as router,
        client_of(router.port) as idle,
        client_of(router.port) as alive,
    ):
        for client in (idle, alive):
            client.send(request())
            await client.message()
        for _ in range(6):
            await asyncio.sleep(0.1)
            alive.send(b"\r\n\r\n")

        assert await idle.is_closed_within(0.1)
        assert not await alive.is_closed_within(0.1)
        assert router.streams.counters.idle == 1


async def test_the_connection_of_a_call_is_not_idle():
    async with (
        listening_router(limits=QUICK, is_trusted=lambda *_: True) as router,
        client_of(router.port) as client,
    ):
        received = []
        router.on_invite = received.append
        client.send(request("INVITE", body=SDP, more="Content-Type: application/sdp"))
        await until(lambda: received)

        await client.message()
        assert not await client.is_closed_within(0.6)


async def test_the_connection_that_a_panel_registered_by_is_not_idle():
    async with (
        listening_router(limits=QUICK, is_trusted=lambda *_: True) as router,
        client_of(router.port) as client,
    ):
        client.send(request("REGISTER").replace(b"<sip:a@", b"<sip:b@"))

        assert "SIP/2.0 200" in await client.message()
        assert not await client.is_closed_within(0.6)


async def test_a_request_in_a_dialog_goes_back_over_the_connection_of_its_invite():
    async with (
        listening_router(is_trusted=lambda *_: True) as router,
        client_of(router.port) as client,
    ):
        received: list[InviteReceived] = []
        router.on_invite = received.append
        client.send(request("INVITE", body=SDP, more="Content-Type: application/sdp"))
        await until(lambda: received)
        router.endpoint.respond(received[0].dialog, router.now, 200, body=SDP.encode())
        router.drain()
        answers = [await client.message(), await client.message()]
        tag = answers[1].partition("\r\nTo: ")[2].partition("\r\n")[0]
        ack = request("ACK").replace(f"To: <sip:a@{HOST}>".encode(), f"To: {tag}".encode())
        client.send(ack)
        await asyncio.sleep(0.05)
        router.endpoint.hang_up(received[0].dialog, router.now)
        router.drain()

        assert [answer.split(" ")[1] for answer in answers] == ["100", "200"]
        bye = await client.message()
        assert bye.startswith("BYE ")
        assert f"Via: SIP/2.0/TCP {HOST}:{router.port}" in bye


async def test_calls_to_one_address_share_a_connection():
    async with listening_router() as router, server_of() as carrier:
        for _ in range(3):
            invite(router, Address(HOST, carrier.port, Transport.TCP))
        client = await carrier.client()
        first = [await client.message() for _ in range(3)]

        assert len(carrier.clients) == 1
        assert all(message.startswith("INVITE ") for message in first)
        assert "Contact: " in first[0]
        assert ";transport=tcp>" in first[0]


async def test_a_connection_that_is_refused_fails_its_requests_at_once():
    async with listening_router() as router:
        _, events = invite(router, Address(HOST, free_tcp_port(), Transport.TCP))
        await until(lambda: events)

        assert [(event.status, event.is_local) for event in events] == [(503, True)]
        assert router.streams.size == 0


async def test_a_connection_that_dies_fails_the_requests_that_wait():
    async with listening_router() as router, server_of() as carrier:
        _, events = invite(router, Address(HOST, carrier.port, Transport.TCP))
        client = await carrier.client()
        client.writer.transport.abort()
        await until(lambda: events)

        assert isinstance(events[0], InviteFailed)


async def test_what_a_connection_cannot_hold_before_it_stands_is_refused(monkeypatch):
    monkeypatch.setattr(connection_module, "MAX_UNSENT_BYTES", 1000)
    async with listening_router() as router, server_of() as carrier:
        address = Address(HOST, carrier.port, Transport.TCP)

        assert router.streams.send(b"x" * 900, address)
        assert not router.streams.send(b"x" * 900, address)


async def test_a_client_that_does_not_read_is_closed(monkeypatch):
    monkeypatch.setattr(connection_module, "MAX_UNSENT_BYTES", 10_000)
    async with listening_router() as router, client_of(router.port) as client:
        client.send(request())
        await client.message()
        client.writer.transport.pause_reading()
        address = Address(*client.local, Transport.TCP)
        while router.streams.send(b"x" * 100_000, address):
            pass
        await until(lambda: router.streams.size == 0)

        assert not router.streams.send(b"x", address)


async def test_who_left_is_not_called_back():
    async with listening_router() as router:
        async with client_of(router.port) as client:
            client.send(request())
            await client.message()
            address = Address(*client.local, Transport.TCP)
        await until(lambda: router.streams.size == 0)

        assert not router.streams.send(b"x", address)
        assert router.streams.counters.opened == router.streams.counters.failed == 0


async def test_a_source_s_place_is_its_own_oldest_connection_s():
    limits = StreamLimits(per_source=2)
    async with (
        listening_router(limits=limits) as router,
        client_of(router.port) as first,
        client_of(router.port) as second,
    ):
        await until(lambda: router.streams.size == 2)
        first.send(request())
        await first.message()
        async with client_of(router.port) as third:
            third.send(request())

            assert "200" in await third.message()
            assert await second.is_closed_within(1)
            assert not await first.is_closed_within(0.05)


async def test_a_full_table_keeps_those_who_are_in_use_and_says_so():
    limits = StreamLimits(connections=1)
    async with (
        listening_router(limits=limits, is_trusted=lambda *_: True) as router,
        client_of(router.port) as panel,
    ):
        received = []
        router.on_invite = received.append
        panel.send(request("INVITE", body=SDP, more="Content-Type: application/sdp"))
        await panel.message()
        with capture_logs() as logs:
            async with client_of(router.port) as stranger:
                assert await stranger.is_closed_within(1)

        assert not await panel.is_closed_within(0.05)
        assert [(line["event"], line["remedy"]) for line in logs] == [
            ("sip.connections_exhausted", "raise INTERCOM_SIP_CONNECTIONS")
        ]


async def test_a_connection_that_has_been_silent_is_closed_as_soon_as_its_source_is_shut_out():
    async with (
        listening_router(limits=StreamLimits(sweep_s=0.05)) as router,
        client_of(router.port) as client,
    ):
        client.send(request())
        await client.message()
        await asyncio.sleep(0.2)  # more than two sweeps
        router.endpoint.is_locked = lambda *_: True

        assert await client.is_closed_within(1.0)


async def test_who_is_shut_out_is_closed_and_not_let_in_again():
    async with listening_router(limits=QUICK) as router, client_of(router.port) as guesser:
        guesser.send(request())
        await guesser.message()
        router.endpoint.is_locked = lambda *_: True
        guesser.send(b"\r\n\r\n")

        assert await guesser.is_closed_within(0.25)
        async with client_of(router.port) as again:
            assert await again.is_closed_within(0.2)


async def test_a_flood_on_one_connection_lets_others_have_their_turn():
    async with (
        listening_router(is_listed=lambda *_: True) as router,
        client_of(router.port) as flooder,
        client_of(router.port) as panel,
    ):
        flooder.writer.transport.set_write_buffer_limits(high=1 << 24)
        flooder.send(*(request(number=number) for number in range(20_000)))
        await asyncio.sleep(0.02)
        began = asyncio.get_running_loop().time()
        panel.send(request(number=99_999))
        await panel.message()

        assert asyncio.get_running_loop().time() - began < 0.1


async def test_a_large_request_goes_by_tcp_and_by_udp_where_that_is_refused():
    large = (("X-Large", "x" * 1300),)
    async with listening_router() as router, server_of() as carrier:
        invite(router, Address(HOST, carrier.port), headers=large)
        client = await carrier.client()
        message = await client.message()

        assert message.startswith("INVITE ")
        assert "Via: SIP/2.0/TCP" in message
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind((HOST, free_tcp_port()))
        phone.setblocking(False)
        async with listening_router() as router:
            invite(router, Address(*phone.getsockname()), headers=large)
            async with asyncio.timeout(2):
                data = await asyncio.get_running_loop().sock_recv(phone, 65_535)

    assert data.startswith(b"INVITE ")
    assert b"Via: SIP/2.0/UDP" in data


async def test_a_tcp_port_that_is_taken_is_a_config_error_in_words():
    port = free_tcp_port()
    endpoint = Endpoint(EndpointConfig(local=Address(HOST, port)), token=token)
    streams = StreamSettings(Tls(TlsFiles()))
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other:
        other.bind((HOST, port))
        other.listen()

        with pytest.raises(ConfigError, match=rf"port {port} \(TCP\).*INTERCOM_SIP_PORT"):
            async with SipTransport(endpoint, HOST, port, streams=streams):
                pass

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind((HOST, port))


async def test_ports_are_free_again_afterwards():
    async with listening_router() as router, client_of(router.port) as client:
        client.send(request())
        await client.message()
        port = router.port
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((HOST, port))
