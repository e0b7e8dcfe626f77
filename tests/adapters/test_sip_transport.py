"""The SIP socket: who gets which event, and that one bad datagram or handler harms nobody else."""

import asyncio
import socket
import time

import pytest
from structlog.testing import capture_logs

from intercom.adapters.sip.transport import SipTransport
from intercom.errors import ConfigError
from intercom.sip.address import Address
from intercom.sip.endpoint import Endpoint, EndpointConfig
from intercom.sip.events import InviteFailed, InviteReceived
from tests.adapters.sip_rig import HOST, free_port, router_of, stranger, token, until
from tests.fakes import make_house


async def test_a_port_that_is_taken_is_a_config_error_in_words():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, 0))
        port = other.getsockname()[1]
        endpoint = Endpoint(EndpointConfig(local=Address(HOST, port)), token=token)

        with pytest.raises(ConfigError, match=f"port {port} .*INTERCOM_SIP_PORT"):
            async with SipTransport(endpoint, HOST, port):
                pass


async def test_a_via_with_an_impossible_port_does_not_stop_the_reader():
    async with router_of(make_house()) as transport, stranger() as panel:
        faults = []
        asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
        request = (
            f"OPTIONS sip:{HOST} SIP/2.0\r\nVia: SIP/2.0/UDP {HOST}:99999;branch=z9hG4bKx\r\n"
            f"From: <sip:a@{HOST}>;tag=1\r\nTo: <sip:{HOST}>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
            "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
        panel.sip._transport.sendto(request.encode(), (HOST, transport.port))
        panel.call(transport)
        await until(lambda: any(b"401" in each for each in panel.datagrams))

        assert faults == []


async def test_a_handler_that_fails_ends_its_own_dialog_alone_and_the_timers_go_on():
    async with router_of(make_house()) as transport, stranger() as panel:
        received = []

        def fail_once(event: InviteReceived) -> None:
            received.append(event)
            if len(received) == 1:
                raise LookupError

        transport.on_invite = fail_once
        panel.call(transport)
        with capture_logs() as logs:
            failed = await panel.hear(InviteFailed)
        panel.call(transport)
        await until(lambda: len(received) == 2)

        assert failed.status == 480
        assert [line["event"] for line in logs] == ["sip.event_failed"]
        assert transport._timer is not None


async def test_slow_datagrams_let_other_work_have_its_turn():
    async with router_of(make_house()) as transport, stranger() as panel:
        handled = []

        def handle_slowly(data: bytes, *_: object) -> None:
            handled.append(data)
            time.sleep(0.003)

        transport.endpoint.receive_datagram = handle_slowly
        for number in range(10):
            panel.sip._transport.sendto(b"%d" % number, (HOST, transport.port))
        transport._udp[0].read()

        assert handled == [b"0"]


async def test_events_of_a_forgotten_dialog_are_dropped():
    async with router_of(make_house()) as transport, stranger() as panel:
        received, events = [], []
        transport.on_invite = received.append
        dialog = panel.call(transport)
        await until(lambda: received)
        transport.follow(received[0].dialog, events.append)
        transport.forget(received[0].dialog)

        panel.hang_up(dialog)
        await panel.hear(InviteFailed)

        assert events == []


async def test_an_address_that_cannot_be_reached_fails_its_requests_at_once():
    async with router_of(make_house()) as transport:
        events = []
        dialog = transport.endpoint.invite(
            transport.now,
            target="sip:a@127.0.0.1",
            destination=Address(HOST, 99_999),
            from_uri=f"sip:b@{HOST}",
            body=b"",
        )
        transport.follow(dialog, events.append)
        transport.drain()

        assert [event.status for event in events] == [503]


async def test_a_timer_that_is_due_sends_again():
    async with router_of(make_house()) as transport, stranger() as carrier:
        transport.endpoint.invite(
            transport.now,
            target=f"sip:a@{HOST}",
            destination=Address(HOST, carrier.address.port),
            from_uri=f"sip:b@{HOST}",
            body=b"",
        )
        carrier.sip.is_lost = lambda data: carrier.datagrams.append(data) or True
        transport.drain()
        await asyncio.sleep(0.65)

        assert len(carrier.datagrams) == 2


async def test_the_socket_is_free_again_afterwards():
    async with router_of(make_house()) as transport:
        port = transport.port
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, port))

    assert free_port()
