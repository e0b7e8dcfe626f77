"""A running SIP transport on real sockets, and a stranger who sends it whatever bytes there are."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from random import Random

import pytest

from firmware_sim.sip_socket import token
from intercom.adapters.sip.transport import SipTransport
from intercom.errors import RemoteProtocolError
from intercom.sip.address import Address
from intercom.sip.endpoint import Endpoint, EndpointConfig
from intercom.sip.events import InviteReceived
from intercom.sip.message import parse
from tests.ports import free_port
from tests.sip.wire import OFFER

HOST = "127.0.0.1"
ALIVE_S = 0.1
"""RFC torture and our own: the next OPTIONS is answered within this time."""
PATIENCE_S = 2.0
_chance = Random()


def config(*, is_open: bool) -> EndpointConfig:
    """Make a policy: everybody may do everything, or digest for everybody."""
    return EndpointConfig(
        local=Address(HOST, 5060),
        password_of={"panel": "panel's own"}.get,
        is_trusted=lambda source, user: is_open,
    )


@contextlib.asynccontextmanager
async def running(*, is_open: bool = True, **settings: object) -> AsyncIterator[SipTransport]:
    """Run a router that takes every call it may take."""
    endpoint = Endpoint(config(is_open=is_open), token=token)
    transport = SipTransport(endpoint, HOST, free_port(), **settings)  # type: ignore[arg-type]  # the tests' own

    def answer(event: InviteReceived) -> None:
        endpoint.respond(event.dialog, transport.now, 200, body=OFFER)

    transport.on_invite = answer
    async with transport:
        yield transport


def options(port: int, name: str = "alive", *, via: str = "UDP") -> bytes:
    """Write the OPTIONS that must always be answered."""
    return (
        f"OPTIONS sip:{HOST} SIP/2.0\r\n"
        f"Via: SIP/2.0/{via} {HOST}:{port};branch=z9hG4bK{name};rport\r\n"
        f"From: <sip:{name}@{HOST}>;tag={name}\r\nTo: <sip:{HOST}>\r\nCall-ID: {name}\r\n"
        "CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    ).encode()


@dataclass
class Heard:
    """What came back for some bytes."""

    statuses: list[int]
    answers: list[bytes]
    alive_s: float
    """How long the OPTIONS after them took."""

    @property
    def final(self) -> int | None:
        """The last final's status."""
        return next((status for status in reversed(self.statuses) if status >= 200), None)


def via_port(data: bytes) -> int:
    """Find the port that a response goes to where there is no rport (RFC 3261 §18.2.2)."""
    with contextlib.suppress(RemoteProtocolError):
        port = parse(data).via.port or 5060
        return port if port < 65_536 else 5060
    return 5060


def own_socket(port: int) -> socket.socket:
    """Bind a port on an address of 127/8 that is surely nobody else's."""
    for _ in range(20):
        host = (
            f"127.{_chance.randrange(1, 255)}.{_chance.randrange(256)}.{_chance.randrange(1, 255)}"
        )
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind((host, port))
        except OSError:
            udp.close()
            continue
        udp.setblocking(False)
        return udp
    raise OSError("no address is free")


async def told_by_udp(transport: SipTransport, data: bytes) -> Heard:
    """Send bytes, then OPTIONS, and hear everything up to the answer of that."""
    loop = asyncio.get_running_loop()
    port = via_port(data)
    with own_socket(port) as udp:
        await loop.sock_sendto(udp, data, (HOST, transport.port))
        began = time.perf_counter()
        await loop.sock_sendto(udp, options(port), (HOST, transport.port))
        answers: list[bytes] = []
        async with asyncio.timeout(PATIENCE_S):
            while not (answer := await loop.sock_recv(udp, 65_535)).count(
                b"\r\nCall-ID: alive\r\n"
            ):
                answers.append(answer)
        took_s = time.perf_counter() - began
    assert answer.startswith(b"SIP/2.0 200 ")
    answers = [each for each in answers if each.startswith(b"SIP/2.0 ")]  # not STUN's
    return Heard([int(each.split(b" ", 2)[1]) for each in answers], answers, took_s)


async def told_by_tcp(transport: SipTransport, data: bytes) -> Heard:
    """Send bytes over a connection of their own, then OPTIONS over another one."""
    reader, writer = await asyncio.open_connection(HOST, transport.port)
    writer.write(data)
    writer.write_eof()
    received = b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE_S):
            received = await reader.read(-1)
    writer.close()
    answers = [b"SIP/2.0 " + each for each in received.split(b"SIP/2.0 ") if each[:3].isdigit()]
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection(HOST, transport.port)
    writer.write(options(1, via="TCP"))
    async with asyncio.timeout(PATIENCE_S):
        answer = await reader.readuntil(b"\r\n\r\n")
    took_s = time.perf_counter() - began
    writer.close()
    assert answer.startswith(b"SIP/2.0 200 ")
    return Heard([int(each.split(b" ", 2)[1]) for each in answers], answers, took_s)


def missing(what: str) -> None:
    """Skip; fail on a CI machine, where nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}: on a CI machine nothing is skipped")
    pytest.skip(what)
