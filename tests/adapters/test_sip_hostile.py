"""The shell under peers that answer late, break off or break the rules: only their own things end."""

import asyncio
import socket
import struct
from pathlib import Path

import pytest

from intercom.adapters.sip.stream_limits import StreamLimits
from intercom.adapters.sip.tls import TlsFiles
from intercom.app.sip_trace import SipTrace
from intercom.ports import RelayOutcome
from intercom.routing.directory import CodeWay
from intercom.sip.address import Address
from intercom.sip.capture import Capture
from intercom.trace import Trace
from tests.adapters.sip_rig import HOST, stranger, until
from tests.adapters.stream_rig import Authority, client_of, listening_router, request
from tests.adapters.test_panel_codes import panel_in_a_call, pulse

NAME = "sip.intercom.example"


async def test_an_answer_to_the_digit_before_that_comes_along_ends_nothing() -> None:
    async with panel_in_a_call() as (panel, router, driver, _):
        leg = router.legs._legs[router.leg]
        assert await driver._is_confirmed(leg)
        panel.sip.is_lost = lambda _data: True
        async with asyncio.TaskGroup() as tasks:
            pulsing = tasks.create_task(pulse(driver, CodeWay.INFO, "5"))
            await until(lambda: leg.on_info_answered)
            answered = leg.on_info_answered
            answered(200)
            answered(200)

        assert pulsing.result().outcome is RelayOutcome.SENT
        assert not leg.is_over


async def test_a_large_request_goes_by_udp_at_once_where_there_is_no_room_for_tcp() -> None:
    async with (
        listening_router(limits=StreamLimits(connections=0)) as transport,
        stranger() as peer,
    ):
        transport.endpoint.invite(
            transport.now,
            target=f"sip:a@{HOST}",
            destination=Address(HOST, peer.address.port),
            from_uri=f"sip:b@{HOST}",
            body=b"a" * 1_400,
        )
        transport.drain()
        async with asyncio.timeout(0.3):
            await until(lambda: peer.datagrams)


@pytest.mark.parametrize("kind", ["tcp", "tls"])
async def test_connections_that_are_reset_or_cut_at_any_byte_leave_no_fault_and_no_entry(
    kind: str, tmp_path: Path
) -> None:
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    authority = Authority(tmp_path)
    files = TlsFiles(*authority.issue("intercom", NAME, HOST), ca=authority.file)
    async with listening_router(files=files) as transport:
        port = transport.port if kind == "tcp" else transport.tls_port
        data = request() * 3
        if kind == "tls":  # as much of a ClientHello as a record's head, and rubbish
            data = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
        loop = asyncio.get_running_loop()
        for cut in (0, 1, 5, 11, 100, len(data)):
            for is_reset in (True, False):
                with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
                    client.setblocking(False)
                    await loop.sock_connect(client, (HOST, port))
                    await loop.sock_sendall(client, data[:cut])
                    if is_reset:
                        client.setsockopt(
                            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                        )
                    else:
                        client.shutdown(socket.SHUT_WR)
                        await asyncio.sleep(0.01)
        await until(lambda: transport.streams.size == 0)

        assert faults == []
        assert not transport.streams._handshakes


async def test_who_says_by_tls_that_nothing_follows_still_gets_its_answers(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    files = TlsFiles(*authority.issue("intercom", NAME, HOST), ca=authority.file)
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    async with (
        listening_router(files=files) as transport,
        client_of(transport.tls_port, context=authority.client_context(), name=NAME) as client,
    ):
        for number in range(5):
            client.send(request(number=number, transport="TLS"))
        client.writer.close()
        await until(lambda: transport.streams.size == 0)

    assert faults == []


async def test_a_look_at_the_calls_lets_others_work_however_many_strangers_tried() -> None:
    loop = asyncio.get_running_loop()
    capture, stranger_at = Capture(), Address("198.51.100.7", 5060)
    for number in range(1_000):
        invite = request("INVITE", number=number)
        for data in (invite, invite.replace(invite.split(b"\r\n")[0], b"SIP/2.0 401 Who", 1)):
            capture.note(loop.time(), data is not invite, data, stranger_at, False)
    shown = SipTrace(capture, Trace(loop.time), lambda _: Address("192.0.2.1", 5060))
    turns = 0

    def count() -> None:
        nonlocal turns
        turns += 1
        loop.call_soon(count)

    loop.call_soon(count)
    listed = await shown.calls(shows_numbers=False)

    assert len(listed["calls"]) == 1_000
    assert turns > 1_000 / 20
