"""The running service in a flood: sound goes on, panels register, and nobody learns who exists."""

import asyncio
import contextlib
import socket
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from firmware_sim.sip_socket import SipSocket, open_sip_socket, token
from intercom.adapters.sip.transport import SipTransport
from intercom.sip.address import Address
from intercom.sip.digest import DigestClient
from intercom.sip.endpoint import Credentials, Endpoint, EndpointConfig
from intercom.sip.events import RegistrationSucceeded, SipEvent
from tests.adapters.sip_rig import HOST, free_port
from tests.interop.flood import Flood, live_audio
from tests.sip.nat import PASSWORD, password_of
from tests.sip.wire import header, request

pytestmark = [pytest.mark.interop, pytest.mark.alone, pytest.mark.timeout(60)]

RATE = 2_000
NAT = "127.0.0.7"
PANELS = 50
GARBAGE = [
    b"\0" * 60_000,
    b"INVITE" * 9_000,
    b"Via: x\r\n" * 7_000,
    b"INVITE sip:a SIP/2.0\r\n" + b"X: y\r\n" * 9_000 + b"\r\n",
    b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h" + b";a=b" * 12_000 + b"\r\n\r\n",
    b'REGISTER sip:a SIP/2.0\r\nAuthorization: Digest a="' + b'\\"' * 20_000 + b"\r\n\r\n",
    b"REGISTER sip:a SIP/2.0\r\nContact: " + b"<sip:a>," * 7_000 + b"\r\n\r\n",
]


@contextlib.asynccontextmanager
async def router() -> AsyncIterator[SipTransport]:
    port = free_port()
    config = EndpointConfig(local=Address(HOST, port), password_of=password_of)
    async with SipTransport(Endpoint(config, token=token), HOST, port) as transport:
        yield transport


async def test_sound_goes_on_while_2000_invites_a_second_come_from_one_source(
    tmp_path: Path,
) -> None:
    outcome = await live_audio(tmp_path, duration_s=8.0, rate=RATE)

    assert outcome.flood_sent > 8.0 * RATE * 0.9
    assert outcome.lost_share < 0.01
    assert outcome.late_share < 0.01
    assert outcome.metrics["intercom_sip_dropped_rate_total"] > 0
    assert 'intercom_sip_table_entries{table="dialogs"}' not in outcome.metrics  # residential


async def test_fifty_panels_behind_a_nat_register_in_10_s_while_its_address_floods() -> None:
    registered: set[int] = set()

    def note(number: int, event: SipEvent) -> None:
        if isinstance(event, RegistrationSucceeded):
            registered.add(number)

    def build(local: Address) -> Endpoint:
        return Endpoint(EndpointConfig(local=local), token=token)

    async with router() as transport, contextlib.AsyncExitStack() as stack:
        target = (HOST, transport.port)
        panels: list[SipSocket] = [
            await stack.enter_async_context(
                open_sip_socket(NAT, 0, build, lambda event, n=number: note(n, event))
            )
            for number in range(PANELS)
        ]
        kinds = {"ports": 200, "method": "REGISTER"}
        stack.enter_context(Flood(target, rate=RATE, limit_s=12.0, host=NAT, **kinds))
        await asyncio.sleep(1.5)
        began = time.monotonic()
        for number, panel in enumerate(panels):
            panel.endpoint.register(
                panel.now,
                registrar=Address(*target),
                aor=f"sip:panel-{number}@{HOST}",
                credentials=Credentials(f"panel-{number}", PASSWORD),
                expires_s=300,
            )
            panel.flush()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10.0):
                while len(registered) < PANELS:  # noqa: ASYNC110 - events come by callback
                    await asyncio.sleep(0.05)

        assert len(registered) == PANELS, transport.endpoint.counters
        assert time.monotonic() - began < 10.0


async def ask(sock: socket.socket, target: tuple[str, int], data: bytes) -> tuple[bytes, float]:
    """Send and wait for the answer; give it and how long it took."""
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    await loop.sock_sendto(sock, data, target)
    async with asyncio.timeout(2.0):
        answer = await loop.sock_recv(sock, 65_535)
    return answer, time.perf_counter() - began


@contextlib.contextmanager
def peer(host: str = HOST):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        sock.setblocking(False)
        yield sock


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
async def test_after_any_refused_garbage_the_next_options_is_answered_within_100_ms(
    garbage: bytes,
) -> None:
    async with router() as transport:
        target = (HOST, transport.port)
        with peer() as bad, peer() as good:
            for _ in range(5):
                bad.sendto(garbage, target)
            answer, took_s = await ask(good, target, request("OPTIONS"))

    assert answer.startswith(b"SIP/2.0 200")
    assert took_s < 0.1


async def test_a_known_and_an_unknown_user_are_refused_in_the_same_time() -> None:
    """Within 5 ms; each try comes from an address of its own, else it would be a guesser's."""
    times: dict[str, list[float]] = {"panel-1": [], "nobody1": []}
    async with router() as transport:
        target = (HOST, transport.port)
        for number in range(120):
            for user, took in times.items():
                with peer(f"127.0.{number + 1}.{len(user) + len(took) % 2}") as sock:
                    mark = f"{user}-{number}"
                    uri = f"sip:{HOST}"
                    first = request("REGISTER", uri=uri, branch=f"z9hG4bK{mark}", call_id=mark)
                    challenge, _ = await ask(sock, target, first)
                    client = DigestClient(Credentials(user, "guess"), token)
                    client.learn("Authorization", [header(challenge, "WWW-Authenticate")])
                    ((name, value),) = client.authorize("REGISTER", uri)
                    again = request(
                        "REGISTER",
                        uri=uri,
                        branch=f"z9hG4bKb{mark}",
                        call_id=mark,
                        cseq=2,
                        extra=f"{name}: {value}\r\n",
                    )
                    answer, took_s = await ask(sock, target, again)
                    assert answer.startswith(b"SIP/2.0 401")
                    took.append(took_s)
        assert transport.endpoint.counters.wrong_credentials > 100

    known, unknown = (statistics.median(each) for each in times.values())
    assert abs(known - unknown) < 0.005
