"""Whoever calls our number back: one sentence, heard over real sockets, and the end (B11)."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from intercom.adapters.sip import inbound as inbound_module
from intercom.adapters.sip.inbound import AT_ONCE, LIMIT_S, InboundCalls
from intercom.adapters.sip.media_place import MediaPlace, MediaPlaces
from intercom.adapters.sip.transport import SipTransport
from intercom.media import g711
from intercom.media.port import PortPool
from intercom.sip.address import Address
from intercom.sip.codec import Codec
from intercom.sip.endpoint import Endpoint, EndpointConfig
from intercom.sip.events import DialogEnded, InviteAnswered, InviteFailed
from intercom.sip.offer_answer import LocalMedia, make_answer, make_offer, read_answer
from tests.adapters.sip_rig import HOST, Stranger, free_port, open_files, stranger, until
from tests.fakes import CALLER_ID, make_house

KEY = b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + b"A" * 40 + b"\r\n"


class Ear:
    """A socket for sound, and what came in."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((HOST, 0))
        self.port = int(self._socket.getsockname()[1])
        self.packets: list[bytes] = []

    def listen(self) -> None:
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    @property
    def speech_s(self) -> float:
        """How much of what came in is loud enough to be speech."""
        loud = 0
        for packet in self.packets:
            pcm = memoryview(g711.decode(packet[12:], Codec.PCMA)).cast("h")
            loud += max(map(abs, pcm)) > 800
        return loud * 0.02

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self.packets.append(self._socket.recv(2048))


@dataclass
class Line:
    transport: SipTransport
    inbound: InboundCalls

    def call(self, caller: Stranger, body: bytes, number: str = CALLER_ID):
        return caller.call(self.transport, number, user="+4799999999", body=body)


@contextlib.asynccontextmanager
async def our_number() -> AsyncIterator[Line]:
    house, port = make_house(), free_port()
    config = EndpointConfig(
        local=Address(HOST, port), is_callback=lambda _source, user: user == CALLER_ID
    )
    tokens = iter(range(10_000_000, 99_999_999))
    token = lambda length: f"{next(tokens):x}".rjust(length, "0")[-length:]  # noqa: E731
    async with SipTransport(Endpoint(config, token=token), HOST, port) as transport:
        places = MediaPlaces(MediaPlace(PortPool(HOST), HOST))
        inbound = InboundCalls(transport, places, directory=lambda: house, token=token)
        transport.on_invite = inbound.invite_received
        yield Line(transport, inbound)
        inbound.stop()


@contextlib.asynccontextmanager
async def ear() -> AsyncIterator[Ear]:
    one = Ear()
    one.listen()
    try:
        yield one
    finally:
        one.close()


def offer_at(port: int) -> bytes:
    return make_offer(LocalMedia(host=HOST, audio_port=port, audio_rtcp_port=port + 1))


async def test_callers_who_never_acknowledge_leave_their_places_after_4_s(monkeypatch):
    monkeypatch.setattr(inbound_module, "ACK_LIMIT_S", 0.2)
    assert LIMIT_S == 15.0
    async with our_number() as line, stranger() as forger, stranger() as caller, ear() as hears:
        forger.sip.is_lost = lambda data: data.startswith((b"SIP/2.0 ", b"ACK "))
        for _ in range(AT_ONCE):
            line.call(forger, offer_at(hears.port))
        await until(lambda: line.inbound.count == AT_ONCE)
        await until(lambda: line.inbound.count == 0)

        line.call(caller, offer_at(hears.port))
        await caller.hear(InviteAnswered)
        await asyncio.sleep(0.4)
        assert line.inbound.count == 1  # it did acknowledge, and listens


@pytest.mark.timeout(12)
async def test_a_caller_hears_the_sentence_and_is_hung_up_and_nothing_is_written_or_kept():
    async with our_number() as line, stranger() as caller, ear() as hears:
        before = open_files()
        with capture_logs() as logs:
            line.call(caller, offer_at(hears.port))
            await caller.hear(InviteAnswered)
            begun_at = asyncio.get_running_loop().time()
            for _ in range(80):
                await asyncio.sleep(0.1)
                if caller.all(DialogEnded):
                    break
        elapsed_s = asyncio.get_running_loop().time() - begun_at

        assert caller.all(DialogEnded)
        assert elapsed_s < LIMIT_S
        assert hears.speech_s > 2.0
        assert line.inbound.count == 0
        assert open_files() == before
        assert logs == []


async def test_a_caller_who_leaves_the_offer_to_us_hears_it_too():
    async with our_number() as line, ear() as hears:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
            caller.setblocking(False)
            caller.bind((HOST, 0))
            router = (HOST, line.transport.port)
            caller.sendto(raw("INVITE", caller, f"<sip:{CALLER_ID}@{HOST}>"), router)
            reply = b""
            while not reply.startswith(b"SIP/2.0 200"):
                async with asyncio.timeout(2.0):
                    reply = await loop.sock_recv(caller, 4096)
            head, _, offered = reply.partition(b"\r\n\r\n")
            to = next(line for line in head.decode().split("\r\n") if line.startswith("To:"))
            sound = LocalMedia(host=HOST, audio_port=hears.port, audio_rtcp_port=hears.port + 1)
            answer = make_answer(offered, sound)[0]
            caller.sendto(raw("ACK", caller, to.removeprefix("To: "), answer), router)
            await until(lambda: hears.speech_s > 0.3)


def raw(method: str, caller: socket.socket, to: str, body: bytes = b"") -> bytes:
    """Write a request of a caller who has no SIP stack of ours."""
    host = f"{HOST}:{caller.getsockname()[1]}"
    head = (
        f"{method} sip:{CALLER_ID}@{HOST} SIP/2.0\r\nVia: SIP/2.0/UDP {host};branch=z9hG4bK{method}"
        f"\r\nMax-Forwards: 70\r\nFrom: <sip:+4799999999@{HOST}>;tag=1\r\nTo: {to}\r\n"
        f"Call-ID: raw\r\nCSeq: 1 {method}\r\nContact: <sip:{host}>\r\n"
        f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def test_an_encrypted_offer_is_answered_encrypted():
    async with our_number() as line, stranger() as caller:
        offer = offer_at(40_000).replace(b"RTP/AVP", b"RTP/SAVP") + KEY
        line.call(caller, offer)
        answer = (await caller.hear(InviteAnswered)).body

        assert read_answer(offer, answer).audio.crypto is not None


async def test_no_sound_flows_before_the_ack():
    async with our_number() as line, stranger() as caller, ear() as hears:
        caller.sip.is_lost = lambda data: data.startswith(b"ACK")
        line.call(caller, offer_at(hears.port))
        await until(lambda: line.inbound.count)
        await asyncio.sleep(1.0)

        assert hears.packets == []


async def test_an_offer_before_the_ack_is_refused_for_now():
    async with our_number() as line, stranger() as caller, ear() as hears:
        caller.sip.is_lost = lambda data: (
            data.startswith(b"ACK ") or (caller.datagrams.append(data) is not None)
        )
        dialog = line.call(caller, offer_at(hears.port))
        await caller.hear(InviteAnswered)
        moved = LocalMedia(host=HOST, audio_port=hears.port, audio_rtcp_port=9, session_version=2)
        caller.sip.endpoint.update(dialog, caller.sip.now, make_offer(moved))
        caller.sip.flush()

        await until(lambda: any(data.startswith(b"SIP/2.0 491 ") for data in caller.datagrams))


async def test_keys_of_a_caller_change_nothing():
    async with our_number() as line, stranger() as caller, ear() as hears:
        dialog = line.call(caller, offer_at(hears.port))
        await caller.hear(InviteAnswered)
        with capture_logs() as logs:
            body = b"Signal=5\r\nDuration=160\r\n"
            caller.sip.endpoint.send_info(dialog, caller.sip.now, "application/dtmf-relay", body)
            caller.sip.flush()
            await until(lambda: any(b"INFO" in each for each in caller.datagrams))

        assert logs == []
        assert line.inbound.count == 1


async def test_a_caller_who_hangs_up_first_frees_everything():
    async with our_number() as line, stranger() as caller, ear() as hears:
        before = open_files()
        dialog = line.call(caller, offer_at(hears.port))
        await caller.hear(InviteAnswered)
        caller.hang_up(dialog)
        await until(lambda: not line.inbound.count)

        assert open_files() == before


async def test_a_caller_is_hung_up_at_the_limit_whatever_happens(monkeypatch):
    monkeypatch.setattr(inbound_module, "LIMIT_S", 0.3)
    async with our_number() as line, stranger() as caller, ear() as hears:
        line.call(caller, offer_at(hears.port))
        await caller.hear(DialogEnded)

        assert line.inbound.count == 0


async def test_more_callers_at_once_than_a_house_needs_are_turned_away():
    async with our_number() as line, stranger() as caller, ear() as hears:
        for _ in range(AT_ONCE + 1):
            line.call(caller, offer_at(hears.port))
        refused = await caller.hear(InviteFailed)
        await until(lambda: len(caller.all(InviteAnswered)) == AT_ONCE)

        assert refused.status == 486
        assert line.inbound.count == AT_ONCE


async def test_a_call_to_anything_else_is_challenged_as_ever():
    async with our_number() as line, stranger() as caller:
        line.call(caller, offer_at(40_000), number="anna")
        failed = await caller.hear(InviteFailed)

        assert failed.status == 401
        assert line.inbound.count == 0
