"""Several carriers on loopback: which is tried when, who is told what, and no phone rings twice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from intercom.adapters.sip import trunks as trunks_module
from intercom.adapters.sip.carriers import identify
from intercom.adapters.sip.trunks import SILENCE_S
from intercom.routing import events as ev
from intercom.routing.commands import EndReason
from intercom.routing.directory import Carrier, Encryption, Trunk, TrunkTransport
from intercom.routing.events import LegFailure
from intercom.routing.ids import TrunkId
from intercom.sip.address import Address
from intercom.sip.events import (
    DialogEnded,
    InviteCancelled,
    InviteConfirmed,
    InviteReceived,
)
from tests.adapters.sip_rig import HOST, Stranger, stranger, until
from tests.adapters.test_sip_phone_legs import LEG, Router, router_for, trunk_at
from tests.fakes import ANNA_NUMBER, CALLER_ID, make_house

UNSENDABLE = Trunk(TrunkId("unsendable"), "255.255.255.255:5060", caller_ids=frozenset({CALLER_ID}))


def is_response(data: bytes) -> bool:
    return data.startswith(b"SIP/2.0")


async def rung_within(seconds: float, carrier: Stranger) -> None:
    for _ in range(int(seconds / 0.01)):
        if carrier.all(InviteReceived):
            return
        await asyncio.sleep(0.01)
    raise TimeoutError("it was not called")


@contextlib.asynccontextmanager
async def two_carriers(**first_has) -> AsyncIterator[tuple[Stranger, Stranger, Router]]:
    async with stranger() as first, stranger() as second:
        one = replace(trunk_at(first), trunk_id=TrunkId("first"), **first_has)
        trunks = (one, replace(trunk_at(second), trunk_id=TrunkId("second")))
        async with router_for(make_house(trunks=trunks)) as router:
            yield first, second, router


@contextlib.asynccontextmanager
async def watched(router: Router, monkeypatch) -> AsyncIterator[None]:
    """Let the trunks be asked ten times a second."""
    monkeypatch.setattr(trunks_module, "PROBE_S", 0.1)
    monkeypatch.setattr(trunks_module, "PROBE_ANSWER_S", 0.05)
    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(router.legs._trunks.keep(asyncio.Event()))
        try:
            yield
        finally:
            keeping.cancel()
            router.legs._trunks.withdraw()


@pytest.mark.timeout(10)
async def test_a_silent_trunk_is_followed_by_the_next_within_4_s_and_its_late_answer_is_hung_up():
    async with two_carriers() as (first, second, router):
        first.sip.is_lost = is_response
        begun_at = asyncio.get_running_loop().time()
        router.ring()
        with capture_logs() as logs:
            await rung_within(4.0, second)
        elapsed_s = asyncio.get_running_loop().time() - begun_at
        second.answer()
        await until(lambda: router.posted.of(ev.LegAnswered))
        first.sip.is_lost = None
        first.answer()
        await first.hear(InviteConfirmed)
        await first.hear(DialogEnded)

        assert SILENCE_S - 0.1 <= elapsed_s <= 4.0
        assert len(router.posted.of(ev.LegAnswered)) == 1
        assert second.all(DialogEnded) == []
        assert [line["trunk_id"] for line in logs] == ["first"]


@pytest.mark.timeout(10)
async def test_a_silent_trunk_that_wakes_up_to_ring_is_cancelled():
    async with two_carriers() as (first, second, router):
        first.sip.is_lost = is_response
        router.ring()
        await rung_within(4.5, second)
        first.sip.is_lost = None
        first.respond(180)
        await first.hear(InviteCancelled)

        assert router.posted.of(ev.LegRinging) == []


@pytest.mark.timeout(10)
async def test_two_silent_trunks_together_take_no_longer_than_one():
    async with stranger() as one, stranger() as two, stranger() as third:
        one.sip.is_lost = two.sip.is_lost = is_response
        async with router_for(make_house(trunks=tuple(map(trunk_at, (one, two, third))))) as router:
            router.ring()
            await rung_within(4.0, third)


async def test_a_trunk_that_nothing_can_be_sent_to_is_followed_at_once():
    async with two_carriers(address="255.255.255.255:5060") as (_, second, router):
        with capture_logs() as logs:
            router.ring()
            await second.hear(InviteReceived)

        assert router.failures == []
        assert [line["event"] for line in logs] == ["trunk.unreachable"]


@pytest.mark.parametrize("status", [401, 402, 407, 500, 502, 503, 504])
async def test_a_trunk_that_is_broken_or_whose_account_is_is_followed_by_the_next(status):
    async with two_carriers() as (first, second, router):
        router.ring()
        await first.hear(InviteReceived)
        with capture_logs() as logs:
            first.respond(status)
            await second.hear(InviteReceived)

        assert router.failures == []
        assert [(line["trunk_id"], line["status"]) for line in logs] == [("first", status)]


@pytest.mark.parametrize("status", [403, 488])
async def test_a_refused_identity_is_alerted_and_no_other_carrier_is_tried_with_it(status):
    async with two_carriers() as (first, second, router):
        router.ring()
        await first.hear(InviteReceived)
        with capture_logs() as logs:
            first.respond(status)
            await until(lambda: router.failures)

        assert router.failures == [LegFailure.REFUSED]
        assert second.events == []
        assert [line["event"] for line in logs] == ["trunk.refused"]


async def test_a_phone_rings_no_longer_than_its_trunk_may():
    async with two_carriers(ring_s=0.2) as (first, second, router):
        router.ring()
        await first.hear(InviteReceived)
        first.respond(180)
        await first.hear(InviteCancelled)

        assert router.failures == [LegFailure.NO_ANSWER]
        assert second.events == []


async def test_a_trunk_that_stops_answering_options_is_tried_last_until_it_answers(monkeypatch):
    async with two_carriers() as (first, _, router):
        trunks = router.legs._trunks
        async with watched(router, monkeypatch):
            await until(lambda: trunks.status() == {"first": "up", "second": "up"})
            first.sip.is_lost = is_response
            with capture_logs() as logs:
                await until(lambda: trunks.status()["first"].startswith("down"))
            order = [way.trunk.trunk_id for way in trunks.ways()]
            first.sip.is_lost = None
            await until(lambda: trunks.status()["first"] == "up")

            assert order == ["second", "first"]
            assert [(line["event"], line["trunk_id"]) for line in logs] == [
                ("trunk.fell_silent", "first")
            ]
            assert [way.trunk.trunk_id for way in trunks.ways()] == ["first", "second"]


async def test_a_trunk_that_never_answers_options_is_not_thought_to_be_down(monkeypatch):
    async with two_carriers() as (first, _, router):
        first.sip.is_lost = is_response
        trunks = router.legs._trunks
        async with watched(router, monkeypatch):
            await until(lambda: trunks.status()["second"] == "up")
            await asyncio.sleep(0.3)

            assert trunks.status()["first"].startswith("unknown")
            assert trunks.ways()[0].trunk.trunk_id == "first"


async def test_a_trunk_that_does_not_like_it_is_never_asked(monkeypatch):
    async with two_carriers(is_probed=False) as (first, _, router):
        async with watched(router, monkeypatch):
            await until(lambda: router.legs._trunks.status()["second"] == "up")

        assert first.datagrams == []


async def test_a_registering_trunk_is_passed_over_until_it_is_registered(monkeypatch):
    account = {"username": "123456", "password": "secret", "is_registering": True}
    async with two_carriers(**account) as (first, _, router):
        trunks = router.legs._trunks
        with capture_logs() as logs:
            before = [way.trunk.trunk_id for way in trunks.ways()]
        async with watched(router, monkeypatch):
            await until(lambda: trunks.status()["first"].endswith(", registered"))
            contacts = first.sip.endpoint.bindings("123456", first.sip.now)
            router.ring()
            invite = await first.hear(InviteReceived)

        assert before == ["second"]
        assert [line["event"] for line in logs] == ["trunk.not_registered"]
        assert len(contacts) == 1
        assert invite.request.from_.uri.startswith(f"sip:{CALLER_ID}@")
        await until(lambda: not first.sip.endpoint.bindings("123456", first.sip.now))


async def test_srtp_that_is_required_is_offered_alone_and_optional_never_in_the_clear():
    for encryption, profile in ((Encryption.REQUIRED, b"RTP/SAVP"), (Encryption.OPTIONAL, b"AVP")):
        async with two_carriers(encryption=encryption) as (first, _, router):
            router.ring()
            body = (await first.hear(InviteReceived)).body
            router.legs.end(LEG, EndReason.STAGE_OVER)

            assert profile in body
            assert (b"a=crypto:" in body) == (encryption is Encryption.REQUIRED)


TRUNK = Trunk(
    TrunkId("t"), "sip.carrier.test", username="account", caller_ids=frozenset({CALLER_ID})
)


@pytest.mark.parametrize(
    ("trunk", "target", "from_uri", "headers"),
    [
        (
            TRUNK,
            f"sip:{ANNA_NUMBER}@sip.carrier.test",
            f"sip:{CALLER_ID}@192.0.2.1",
            {"P-Asserted-Identity": f"<sip:{CALLER_ID}@192.0.2.1>"},
        ),
        (
            replace(TRUNK, carrier=Carrier.TWILIO, transport=TrunkTransport.TLS),
            f"sip:{ANNA_NUMBER}@sip.carrier.test;transport=tls",
            f"sip:{CALLER_ID}@192.0.2.1",
            {},
        ),
        (
            replace(TRUNK, carrier=Carrier.TELNYX, headers=(("X-Telnyx-Token", "t"),)),
            f"sip:{ANNA_NUMBER}@sip.carrier.test",
            f"sip:{CALLER_ID}@192.0.2.1",
            {"P-Asserted-Identity": f"<sip:{CALLER_ID}@192.0.2.1>", "X-Telnyx-Token": "t"},
        ),
        (
            replace(TRUNK, carrier=Carrier.REGISTER, address="sip.carrier.test:5070"),
            f"sip:{ANNA_NUMBER}@sip.carrier.test:5070",
            f"sip:{CALLER_ID}@sip.carrier.test",
            {"P-Preferred-Identity": f"<sip:{CALLER_ID}@sip.carrier.test>"},
        ),
    ],
)
def test_each_carrier_reads_the_caller_id_where_it_looks_for_it(trunk, target, from_uri, headers):
    said = identify(trunk, ANNA_NUMBER, CALLER_ID, "192.0.2.1")

    assert (said.target_uri, said.from_uri, dict(said.headers)) == (target, from_uri, headers)


@pytest.mark.parametrize(
    ("source", "dialled", "is_ours"),
    [
        (HOST, CALLER_ID, True),
        (HOST, CALLER_ID.removeprefix("+"), True),
        (HOST, CALLER_ID.removeprefix("+47"), True),
        ("192.0.2.7", CALLER_ID, False),
        (HOST, "anna", False),
        (HOST, ANNA_NUMBER, False),
    ],
)
async def test_a_call_to_our_number_is_known_by_its_source_and_what_was_dialled(
    source, dialled, is_ours
):
    async with two_carriers() as (_, _, router):
        assert router.legs._trunks.is_calling_us(Address(source, 5060), dialled) is is_ours
