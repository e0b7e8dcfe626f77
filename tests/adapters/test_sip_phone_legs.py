"""Residents' phones, called over a carrier on loopback: caller ID, answers, keys, and every end."""

import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
from structlog.testing import capture_logs

from intercom.adapters.sip.phone_legs import ELSEWHERE, SipPhoneLegs
from intercom.adapters.sip.resolve import Resolver
from intercom.adapters.sip.transport import SipTransport
from intercom.adapters.sip.trunks import Trunks
from intercom.media import rtp
from intercom.media.latch import NAT_PACKETS
from intercom.media.port import PortPool
from intercom.ports import CallFacts
from intercom.routing import events as ev
from intercom.routing.commands import EndReason
from intercom.routing.dial_guard import DialGuard, DialLimits
from intercom.routing.directory import Directory, Trunk
from intercom.routing.events import LegFailure
from intercom.routing.ids import DeviceId, LegId, TrunkId
from intercom.routing.plan import PhoneTarget, SipPhoneTarget
from intercom.sip.digest import Credentials
from intercom.sip.events import (
    DialogEnded,
    InviteCancelled,
    InviteConfirmed,
    InviteReceived,
    ReinviteAnswered,
)
from intercom.sip.offer_answer import make_answer, make_offer
from tests.adapters.sip_rig import (
    HOST,
    SOUND,
    Stranger,
    facts_of,
    free_port,
    open_files,
    router_of,
    stranger,
    until,
)
from tests.fakes import ANNA, ANNA_NUMBER, CALLER_ID, Posted, make_house

LEG = LegId("leg-1")
TARGET = PhoneTarget(ANNA, ANNA_NUMBER)


@dataclass
class Router:
    transport: SipTransport
    legs: SipPhoneLegs
    posted: Posted
    call: CallFacts
    guard: DialGuard

    def ring(self, target=TARGET, leg_id=LEG):
        self.legs.ring(self.call, leg_id, target)

    @property
    def has_let_go(self):
        return not (self.legs._legs or self.guard._running or self.transport._handlers)

    @property
    def failures(self):
        return [event.failure for event in self.posted.of(ev.LegFailed)]


def trunk_at(carrier: Stranger, caller_id: str = CALLER_ID) -> Trunk:
    address = f"{HOST}:{carrier.address.port}"
    return Trunk(TrunkId("carrier"), address, caller_ids=frozenset({caller_id}))


@contextlib.asynccontextmanager
async def router_for(
    house: Directory,
    pool: PortPool | None = None,
    limits: DialLimits | None = None,
    resolver: Resolver | None = None,
) -> AsyncIterator[Router]:
    async with router_of(house) as transport:
        posted, call, guard = Posted(), facts_of(house), DialGuard(limits or DialLimits())
        resolver = resolver or Resolver()
        trunks = Trunks(transport, resolver, directory=lambda: house, caller_id=CALLER_ID)
        legs = SipPhoneLegs(
            transport,
            pool or PortPool(HOST),
            resolver,
            trunks,
            token=transport.endpoint._core.token,
            caller_id=CALLER_ID,
            sip_host=HOST,
            media_host=HOST,
            media_networks=(),
            guard=guard,
            post=posted,
        )
        router = Router(transport, legs, posted, call, guard)
        yield router
        for leg_id in list(legs._legs):
            legs.end(leg_id, EndReason.SHUTTING_DOWN)
        call.bridge.close()
        assert router.has_let_go


@contextlib.asynccontextmanager
async def carrier_and_router(**how) -> AsyncIterator[tuple[Stranger, Router]]:
    async with stranger() as carrier:
        house = make_house(trunks=(trunk_at(carrier),))
        async with router_for(house, **how) as router:
            yield carrier, router


async def answered(carrier: Stranger, router: Router) -> None:
    router.ring()
    await carrier.hear(InviteReceived)
    carrier.answer()
    await until(lambda: router.posted.of(ev.LegAnswered))


async def test_the_carrier_is_shown_the_fixed_caller_id_and_nothing_of_the_house():
    async with carrier_and_router() as (carrier, router):
        router.ring()
        request = (await carrier.hear(InviteReceived)).request

        assert request.uri == f"sip:{ANNA_NUMBER}@{HOST}:{carrier.address.port}"
        assert request.from_.uri == f"sip:{CALLER_ID}@{HOST}"
        assert request.from_.display == ""
        assert request.first("p-asserted-identity") == f"<sip:{CALLER_ID}@{HOST}>"
        whole = b"".join(carrier.datagrams)
        assert not any(word in whole for word in (b"Main entrance", b"anna", b"panel-a"))


async def test_a_trunks_own_headers_are_sent_to_it():
    async with stranger() as carrier:
        trunk = replace(trunk_at(carrier), headers=(("X-Account", "42"), ("X-Route", "gold")))
        async with router_for(make_house(trunks=(trunk,))) as router:
            router.ring()
            request = (await carrier.hear(InviteReceived)).request

            assert request.headers["x-account"] == ["42"]
            assert request.headers["x-route"] == ["gold"]


async def test_a_trunk_that_may_not_present_our_number_is_skipped():
    async with stranger() as forbidden, stranger() as carrier:
        trunks = (trunk_at(forbidden, "+4700000000"), trunk_at(carrier))
        async with router_for(make_house(trunks=trunks)) as router:
            router.ring()
            await carrier.hear(InviteReceived)

            assert forbidden.events == []


@pytest.mark.parametrize("caller_id", [None, "+4700000000"])
async def test_without_a_trunk_that_may_present_our_number_there_is_no_route(caller_id):
    async with stranger() as carrier:
        trunks = (trunk_at(carrier, caller_id),) if caller_id else ()
        async with router_for(make_house(trunks=trunks)) as router:
            with capture_logs() as logs:
                router.ring()

            assert router.failures == [LegFailure.NO_ROUTE]
            assert [line["event"] for line in logs] == ["trunk.none_fits"]
            assert carrier.events == []


async def test_a_trunk_whose_name_is_not_known_is_no_route():
    trunk = Trunk(TrunkId("carrier"), "trunk.invalid", caller_ids=frozenset({CALLER_ID}))
    async with router_for(make_house(trunks=(trunk,))) as router:
        with capture_logs():
            router.ring()

        assert router.failures == [LegFailure.NO_ROUTE]


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (403, LegFailure.REFUSED),
        (404, LegFailure.NO_ROUTE),
        (408, LegFailure.UNREACHABLE),
        (480, LegFailure.NO_ANSWER),
        (486, LegFailure.BUSY),
        (487, LegFailure.CANCELLED),
        (488, LegFailure.REFUSED),
        (503, LegFailure.UNREACHABLE),
        (302, LegFailure.REFUSED),
        (600, LegFailure.BUSY),
        (603, LegFailure.DECLINED),
    ],
)
async def test_a_carriers_refusal_becomes_a_word_of_call_control(status, failure):
    async with carrier_and_router() as (carrier, router):
        before = open_files()
        router.ring()
        await carrier.hear(InviteReceived)
        with capture_logs() as logs:
            carrier.respond(status)
            await until(lambda: router.posted.events)

        assert router.failures == [failure]
        assert router.has_let_go
        assert open_files() == before
        assert ANNA_NUMBER not in str(logs)


async def test_the_answer_is_told_once_and_the_phone_is_attached_with_its_gate_shut():
    async with carrier_and_router() as (carrier, router):
        await answered(carrier, router)
        await carrier.hear(InviteConfirmed)

        assert len(router.posted.of(ev.LegAnswered)) == 1
        assert router.call.bridge._members[LEG].is_phone
        assert router.call.bridge._connected is None


async def test_a_carriers_early_media_is_ringing_and_never_reaches_the_bridge():
    async with carrier_and_router() as (carrier, router):
        router.ring()
        invite = await carrier.hear(InviteReceived)
        carrier.respond(183, body=make_answer(invite.body, SOUND)[0])
        await until(lambda: router.posted.events)

        assert router.posted.events == [(LEG, ev.LegRinging(LEG))]
        assert router.call.bridge._members == {}
        assert router.legs._legs[LEG].media.in_payload_type is not None
        assert not router.legs._legs[LEG].media.is_ready


async def test_a_flood_of_provisionals_is_told_once():
    async with carrier_and_router() as (carrier, router):
        router.ring()
        await carrier.hear(InviteReceived)
        for status in (180, 181, 182, 183) * 20:
            carrier.respond(status)
        await until(lambda: router.posted.events)
        carrier.answer()
        await until(lambda: router.posted.of(ev.LegAnswered))

        assert router.posted.of(ev.LegRinging) == [ev.LegRinging(LEG)]


async def test_an_offer_before_the_answer_holds_from_the_answer_on_behind_a_nat_too():
    behind_nat = replace(SOUND, host="10.0.0.9", audio_port=41_000, audio_rtcp_port=41_001)
    async with carrier_and_router() as (carrier, router):
        carrier.sip.endpoint._core.config.reliable_provisionals = True
        router.ring()
        first = await carrier.hear(InviteReceived)
        carrier.sip.endpoint.respond(
            first.dialog, carrier.sip.now, 421, headers=(("Require", "100rel"),)
        )
        carrier.sip.flush()
        await until(lambda: len(carrier.all(InviteReceived)) == 2)
        invite = carrier.all(InviteReceived)[1]
        carrier.respond(183, body=make_answer(invite.body, SOUND)[0])
        await until(lambda: any(b"\r\nRAck: " in data for data in carrier.datagrams))
        carrier.sip.endpoint.update(invite.dialog, carrier.sip.now, make_offer(behind_nat))
        carrier.sip.flush()
        await carrier.hear(ReinviteAnswered)
        media = router.legs._legs[LEG].media
        assert not media.takes_sound
        carrier.respond(200)
        await until(lambda: router.posted.of(ev.LegAnswered))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
            for number in range(NAT_PACKETS):
                packet = rtp.build_header(8, number, 160 * number, 7) + bytes(160)
                phone.sendto(packet, (HOST, media.audio_port))

            await until(lambda: media.has_heard_anything)


async def test_keys_by_info_count_only_after_the_answer():
    async with carrier_and_router() as (carrier, router):
        router.ring()
        await carrier.hear(InviteReceived)
        carrier.respond(180)
        await until(lambda: router.posted.events)
        carrier.send_info("5")
        carrier.answer()
        await until(lambda: router.posted.of(ev.LegAnswered))
        before = list(router.call.bridge.digits)
        carrier.send_info("5")
        await until(lambda: router.call.bridge.digits)

        assert before == []
        assert router.call.bridge.digits == [(LEG, "5")]


async def test_keys_by_info_after_the_end_are_nobodys():
    async with carrier_and_router() as (carrier, router):
        await answered(carrier, router)
        await carrier.hear(InviteConfirmed)
        router.legs.end(LEG, EndReason.TIME_LIMIT)
        carrier.send_info("5")
        await carrier.hear(DialogEnded)

        assert router.call.bridge.digits == []


async def test_a_phone_that_hangs_up_is_told_and_frees_everything():
    async with carrier_and_router() as (carrier, router):
        await answered(carrier, router)
        carrier.hang_up(carrier.all(InviteReceived)[0].dialog)
        await until(lambda: router.posted.of(ev.LegEnded))

        assert router.has_let_go


async def test_an_unanswered_phone_is_cancelled():
    async with carrier_and_router() as (carrier, router):
        router.ring()
        await carrier.hear(InviteReceived)
        carrier.respond(180)
        await until(lambda: router.posted.events)
        router.legs.cancel(LEG, EndReason.ANSWERED_ELSEWHERE)
        await carrier.hear(InviteCancelled)

        assert router.has_let_go
        assert any(ELSEWHERE.encode() in each for each in carrier.datagrams)


@pytest.mark.parametrize("reason", EndReason)
async def test_a_carrier_never_hears_what_became_of_the_door(reason):
    async with carrier_and_router() as (carrier, router):
        await answered(carrier, router)
        await carrier.hear(InviteConfirmed)
        router.legs.end(LEG, reason)
        await carrier.hear(DialogEnded)

        bye = next(each for each in carrier.datagrams if each.startswith(b"BYE"))
        assert b"door" not in bye
        assert b"opened" not in bye


async def test_an_answer_that_crosses_our_cancel_is_ended_by_bye_and_not_told():
    async with carrier_and_router() as (carrier, router):
        router.ring()
        await carrier.hear(InviteReceived)
        carrier.respond(180)
        await until(lambda: router.posted.events)
        carrier.sip.is_lost = lambda data: b"CANCEL" in data[:10]
        router.legs.cancel(LEG, EndReason.STAGE_OVER)
        carrier.answer()
        await carrier.hear(DialogEnded)

        assert router.posted.of(ev.LegAnswered) == []
        assert router.call.bridge._members == {}


async def test_an_answer_without_common_sound_is_hung_up_and_failed():
    async with carrier_and_router() as (carrier, router):
        router.ring()
        await carrier.hear(InviteReceived)
        carrier.respond(200, body=b"v=0\r\nm=audio 4000 RTP/AVP 9\r\nc=IN IP4 127.0.0.1\r\n")
        await carrier.hear(DialogEnded)

        assert router.failures == [LegFailure.REFUSED]
        assert router.has_let_go


async def test_without_a_free_port_the_phone_fails_and_its_place_is_given_back():
    even = free_port() & ~1
    async with carrier_and_router(pool=PortPool(HOST, even, even + 1)) as (_, router):
        router.ring()
        with capture_logs() as logs:
            router.ring(leg_id=LegId("leg-2"))

        assert router.failures == [LegFailure.UNREACHABLE]
        assert list(router.guard._running) == [LEG]
        assert [line["event"] for line in logs] == ["media.ports_exhausted"]


async def test_a_reached_dial_limit_is_told_as_one_alerted_and_holds_nothing():
    limits = DialLimits(at_once_per_panel=1)
    async with carrier_and_router(limits=limits) as (_, router):
        router.ring()
        with capture_logs() as logs:
            router.ring(leg_id=LegId("leg-2"))

        assert router.failures == [LegFailure.LIMITED]
        assert [line["event"] for line in logs] == ["trunk.limit_reached"]
        assert ANNA_NUMBER not in str(logs)


async def test_an_address_that_cannot_be_called_fails_and_holds_nothing():
    async with carrier_and_router() as (_, router):
        before = open_files()
        with capture_logs():
            router.ring(SipPhoneTarget(ANNA, DeviceId("desk"), f"sip:a b@{HOST}"))

        assert router.failures == [LegFailure.NO_ROUTE]
        assert router.has_let_go
        assert open_files() == before


async def test_a_sip_phone_sees_the_door_and_needs_no_trunk():
    async with stranger() as desk, router_for(make_house(trunks=())) as router:
        uri = f"sip:desk@{HOST}:{desk.address.port}"
        router.ring(SipPhoneTarget(ANNA, DeviceId("desk"), uri))
        request = (await desk.hear(InviteReceived)).request

        assert request.from_.display == "Main entrance"
        assert request.first("p-asserted-identity") is None
        assert list(router.guard._running) == []


async def test_a_call_in_a_house_without_ipv4_has_brackets_in_its_identity():
    async with carrier_and_router() as (carrier, router):
        legs = SipPhoneLegs(
            router.transport,
            PortPool(HOST),
            Resolver(),
            router.legs._trunks,
            token=router.transport.endpoint._core.token,
            caller_id=CALLER_ID,
            sip_host="2001:db8::1",
            media_host=HOST,
            media_networks=(),
            guard=router.guard,
            post=router.posted,
        )
        legs.ring(replace(router.call), LEG, TARGET)
        request = (await carrier.hear(InviteReceived)).request
        legs.end(LEG, EndReason.SHUTTING_DOWN)

        assert request.from_.uri == f"sip:{CALLER_ID}@[2001:db8::1]"


async def test_a_trunk_that_is_down_is_followed_by_the_next_one():
    async with stranger() as down, stranger() as carrier:
        trunks = (trunk_at(down), trunk_at(carrier))
        async with router_for(make_house(trunks=trunks)) as router:
            router.ring()
            await down.hear(InviteReceived)
            with capture_logs():
                down.respond(503)
                await carrier.hear(InviteReceived)
            carrier.answer()
            await until(lambda: router.posted.of(ev.LegAnswered))

            assert router.failures == []


@pytest.mark.parametrize("status", [408, 500, 486])
async def test_a_phone_that_has_rung_is_not_rung_again_over_the_next_trunk(status):
    async with stranger() as first, stranger() as second:
        trunks = (trunk_at(first), trunk_at(second))
        async with router_for(make_house(trunks=trunks)) as router:
            router.ring()
            await first.hear(InviteReceived)
            first.respond(180)
            await until(lambda: router.posted.events)
            with capture_logs():
                first.respond(status)
                await until(lambda: router.failures)

            assert second.events == []
            assert router.has_let_go


def test_a_trunks_password_is_not_in_what_is_printed_of_it():
    credentials = Credentials("user", "trunk-secret")

    assert "trunk-secret" not in repr(credentials)
