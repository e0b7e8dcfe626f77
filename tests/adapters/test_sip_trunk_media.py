"""A phone's sound over a trunk: of the family of the carrier that took the call, and encrypted both ways."""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from intercom.adapters.sip.media_place import MediaPlace
from intercom.adapters.sip.phone_legs import SipPhoneLegs
from intercom.adapters.sip.resolve import Resolver
from intercom.adapters.sip.tls import TlsFiles
from intercom.adapters.sip.transport import SipTransport
from intercom.adapters.sip.trunks import Trunks
from intercom.media.leg import Media
from intercom.media.port import PortPool
from intercom.media.sdes import SdesStream
from intercom.ports import CallFacts
from intercom.routing import events as ev
from intercom.routing.commands import EndReason
from intercom.routing.dial_guard import DialGuard, DialLimits
from intercom.routing.directory import Encryption, Trunk, TrunkTransport
from intercom.routing.events import LegFailure
from intercom.routing.ids import LegId, TrunkId
from intercom.routing.plan import PhoneTarget
from intercom.sip.address import Transport
from intercom.sip.agreement import Srtp
from intercom.sip.description import Description
from intercom.sip.events import InviteReceived
from intercom.sip.offer_answer import LocalMedia
from tests.adapters.sip_rig import HOST, facts_of, stranger, until
from tests.adapters.stream_rig import Authority, listening_router
from tests.adapters.test_sip_ipv6 import RTP, V6
from tests.adapters.test_sip_phone_legs import trunk_at
from tests.fakes import ANNA, ANNA_NUMBER, CALLER_ID, Posted, make_house
from tests.sip.test_offer_answer_srtp import THEIRS

LEG = LegId("leg-1")


@dataclass
class Caller:
    legs: SipPhoneLegs
    posted: Posted
    call: CallFacts

    def ring(self) -> None:
        self.legs.ring(self.call, LEG, PhoneTarget(ANNA, ANNA_NUMBER))

    @property
    def media(self):
        return self.legs._legs[LEG].media


@contextlib.asynccontextmanager
async def caller_by(
    router: SipTransport, *trunks: Trunk, other_ports: PortPool | None = None
) -> AsyncIterator[Caller]:
    """Let phones be called over these trunks."""
    house = make_house(trunks=trunks)
    posted, call, resolver = Posted(), facts_of(house), Resolver()
    legs = SipPhoneLegs(
        router,
        PortPool(HOST),
        resolver,
        Trunks(router, resolver, directory=lambda: house, caller_id=CALLER_ID),
        token=router.endpoint._core.token,
        caller_id=CALLER_ID,
        sip_host=HOST,
        media_host=HOST,
        other_media=MediaPlace(other_ports or PortPool(V6), V6),
        media_networks=(),
        guard=DialGuard(DialLimits()),
        post=posted,
    )
    yield Caller(legs, posted, call)
    for leg_id in list(legs._legs):
        legs.end(leg_id, EndReason.SHUTTING_DOWN)
    call.bridge.close()
    assert not legs._guard._running


@contextlib.asynccontextmanager
async def carrier_at(host: str, **how) -> AsyncIterator[tuple[SipTransport, list[InviteReceived]]]:
    """Run a carrier that keeps the calls it gets."""
    invites: list[InviteReceived] = []
    async with listening_router(host=host, is_trusted=lambda *_: True, **how) as carrier:
        carrier.on_invite = invites.append
        yield carrier, invites


@contextlib.contextmanager
def ear_at(host: str) -> AsyncIterator[tuple[socket.socket, int]]:
    """Open the carrier's port for sound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sound:
        sound.bind((host, 0))
        sound.setblocking(False)
        yield sound, sound.getsockname()[1]


def audio_port_in(body: bytes) -> int:
    return int(re.search(rb"m=audio (\d+)", body).group(1))


async def heard_by(sound: socket.socket) -> bytes:
    async with asyncio.timeout(2):
        return await asyncio.get_running_loop().sock_recv(sound, 2048)


async def test_a_phone_called_over_a_second_trunk_of_the_other_family_has_its_sound_there():
    async with (
        stranger() as down,
        listening_router(also_host=V6) as router,
        carrier_at(V6) as (carrier, invites),
        caller_by(
            router,
            trunk_at(down),
            Trunk(TrunkId("v6"), f"[{V6}]:{carrier.port}", caller_ids=frozenset({CALLER_ID})),
        ) as caller,
    ):
        with ear_at(V6) as (sound, port):
            caller.ring()
            first = await down.hear(InviteReceived)
            with capture_logs():
                down.respond(503)
                await until(lambda: invites)
            description = Description(LocalMedia(V6, port, port + 1))
            answer, _ = description.answer(invites[0].body)
            carrier.endpoint.respond(invites[0].dialog, carrier.now, 200, body=answer)
            carrier.drain()
            await until(lambda: caller.posted.of(ev.LegAnswered))
            caller.media.send_rtp(Media.AUDIO, RTP)

            assert f"c=IN IP4 {HOST}".encode() in first.body
            assert f"c=IN IP6 {V6}".encode() in invites[0].body
            assert audio_port_in(invites[0].body) == caller.media.audio_port
            assert await heard_by(sound) == RTP


async def test_without_a_port_of_the_other_family_the_phone_has_failed():
    with ear_at(V6) as (_, taken):
        async with (
            stranger() as down,
            listening_router(also_host=V6) as router,
            caller_by(
                router,
                trunk_at(down),
                Trunk(TrunkId("v6"), f"[{V6}]:9", caller_ids=frozenset({CALLER_ID})),
                other_ports=PortPool(V6, taken - taken % 2, taken - taken % 2 + 1),
            ) as caller,
        ):
            caller.ring()
            await down.hear(InviteReceived)
            with capture_logs():
                down.respond(503)
                await until(lambda: caller.posted.of(ev.LegFailed))

            assert caller.posted.of(ev.LegFailed) == [ev.LegFailed(LEG, LegFailure.UNREACHABLE)]


async def test_sound_over_a_trunk_that_requires_srtp_is_encrypted_both_ways(tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.issue("carrier", HOST)
    async with (
        listening_router(files=TlsFiles(ca=authority.file)) as router,
        carrier_at(HOST, files=TlsFiles(certificate, key)) as (carrier, invites),
        caller_by(
            router,
            Trunk(
                TrunkId("secure"),
                f"{HOST}:{carrier.tls_port}",
                transport=TrunkTransport.TLS,
                encryption=Encryption.REQUIRED,
                caller_ids=frozenset({CALLER_ID}),
            ),
        ) as caller,
    ):
        with ear_at(HOST) as (sound, port):
            caller.ring()
            await until(lambda: invites)
            local = LocalMedia(HOST, port, port + 1, srtp=Srtp.REQUIRED, keys=THEIRS)
            answer, agreed = Description(local).answer(invites[0].body)
            carrier.endpoint.respond(invites[0].dialog, carrier.now, 200, body=answer)
            carrier.drain()
            await until(lambda: caller.posted.of(ev.LegAnswered))
            far = SdesStream()
            far.agree(agreed.audio.crypto, THEIRS.audio)
            heard = []
            caller.media.on_sound = None  # the bridge's short way
            caller.media.on_rtp = lambda _leg, _media, packet, _now: heard.append(bytes(packet))
            caller.media.send_rtp(Media.AUDIO, RTP)
            there = await heard_by(sound)
            our_port = audio_port_in(invites[0].body)
            loop = asyncio.get_running_loop()
            await loop.sock_sendto(sound, RTP, (HOST, our_port))  # in the clear: nobody's
            await loop.sock_sendto(sound, far.sender.protect(RTP), (HOST, our_port))
            await until(lambda: heard)

            assert invites[0].source.transport is Transport.TLS
            assert b"RTP/SAVP" in invites[0].body
            assert RTP[12:] not in there
            assert bytes(far.receiver.unprotect(there)) == RTP
            assert heard == [RTP]


@pytest.mark.parametrize("encryption", [Encryption.OFF, Encryption.OPTIONAL])
def test_srtp_toward_a_trunk_in_the_clear_is_not_offered_unless_required(encryption):
    policy = Srtp(encryption.value)

    assert policy.toward_trunk(is_signalling_secure=False) is Srtp.OFF
