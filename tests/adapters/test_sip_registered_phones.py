"""Residents' own SIP phones on real sockets, behind a NAT: they register, ring, answer and open."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from intercom.adapters.sip import phone_legs
from intercom.adapters.sip.phone_legs import ELSEWHERE
from intercom.adapters.sip.phone_ways import Destination
from intercom.app import Service
from intercom.routing.directory import Encryption
from intercom.sip.address import Address, Transport
from intercom.sip.agreement import Srtp
from intercom.sip.digest import Credentials
from intercom.sip.events import (
    DialogEnded,
    InviteAnswered,
    InviteCancelled,
    InviteConfirmed,
    InviteFailed,
    InviteProgressed,
    InviteReceived,
    RegistrationFailed,
)
from intercom.sip.offer_answer import make_answer, make_offer
from tests.adapters.phone_rig import (
    PANEL_PASSWORD,
    PASSWORD,
    USER,
    Phone,
    building,
    phone_of,
    press,
    rung,
    service_for,
)
from tests.adapters.sip_rig import HOST, SOUND, Stranger, stranger, until
from tests.fakes import ANNA_NUMBER, CALLER_ID
from tests.interop.house import Door

BOTH = pytest.mark.parametrize("over", [Transport.UDP, Transport.TCP])


@dataclass
class Home:
    service: Service
    panel: Stranger
    carrier: Stranger
    door: Door
    folder: Path

    @property
    def is_carrier_called(self) -> bool:
        return bool(self.carrier.all(InviteReceived))

    @property
    def online(self) -> object:
        return self.service.status()["sip_phones_online"]

    async def reload(self, password: str) -> None:
        text = building(self.door.url, self.carrier.address, password)
        (self.folder / "building.toml").write_text(text)
        await self.service.reload()


@pytest.fixture
async def home(tmp_path) -> AsyncIterator[Home]:
    async with contextlib.AsyncExitStack() as stack:
        door = await stack.enter_async_context(Door())
        panel = await stack.enter_async_context(stranger())
        carrier = await stack.enter_async_context(stranger())
        text = building(door.url, carrier.address)
        service = await stack.enter_async_context(service_for(text, tmp_path))
        yield Home(service, panel, carrier, door, tmp_path)


@BOTH
async def test_a_phone_behind_a_nat_registers_rings_answers_and_opens(home, over):
    async with phone_of(home.service, over) as phone:
        await phone.registered()
        assert home.online == 1
        press(home.panel, home.service)
        request = (await rung(phone)).request
        phone.answer()
        await home.panel.hear(InviteAnswered)
        await phone.hear(InviteConfirmed)
        phone.send_info("5")
        await until(lambda: home.door.openings)
        phone.hang_up(phone.calls[-1].dialog)
        await home.panel.hear(DialogEnded)

    assert request.uri.startswith(f"sip:{USER}@192.168.7.7")
    assert request.from_.display == "Main entrance"
    assert CALLER_ID in request.from_.uri
    assert request.first("alert-info") is None
    assert not home.is_carrier_called


@BOTH
async def test_the_service_hangs_up_a_phone_behind_a_nat(home, over):
    async with phone_of(home.service, over) as phone:
        await phone.registered()
        press(home.panel, home.service)
        await rung(phone)
        phone.answer()
        answered = await home.panel.hear(InviteAnswered)
        home.panel.hang_up(answered.dialog)

        await phone.hear(DialogEnded)


async def test_a_phone_that_names_its_nats_address_with_its_own_port_talks_and_is_hung_up(home):
    async with phone_of(home.service, says=HOST) as phone:
        await phone.registered()
        press(home.panel, home.service)
        await rung(phone)
        phone.answer()
        answered = await home.panel.hear(InviteAnswered)
        await phone.hear(InviteConfirmed)
        home.panel.hang_up(answered.dialog)

        await phone.hear(DialogEnded)


async def test_one_that_loses_its_connection_while_it_rings_and_comes_back_is_rung_again(home):
    async with phone_of(home.service, Transport.TCP) as phone:
        await phone.registered()
        press(home.panel, home.service)
        await rung(phone)
        phone.respond(180)
    await until(lambda: home.online == 0)
    async with phone_of(home.service, Transport.TCP) as phone:
        await phone.registered()
        await rung(phone)
        phone.answer()

        await home.panel.hear(InviteAnswered)


async def ring_the_only_phone(home: Home, phone: Phone) -> None:
    """Let a phone ring that nobody but it rings beside: Anna has neither app nor number."""
    text = building(home.door.url, home.carrier.address).replace(f'number = "{ANNA_NUMBER}"', "")
    (home.folder / "building.toml").write_text(text)
    await home.service.reload()
    await phone.registered()
    press(home.panel, home.service)
    await rung(phone)
    phone.respond(180)
    await asyncio.sleep(0.05)


async def test_the_only_phone_that_comes_back_in_time_is_rung_again(home):
    async with phone_of(home.service, Transport.TCP) as phone:
        await ring_the_only_phone(home, phone)
    await until(lambda: home.online == 0)
    async with phone_of(home.service, Transport.TCP) as phone:
        await phone.registered()
        await rung(phone)
        phone.answer()
        answered = await home.panel.hear(InviteAnswered)
        await phone.hear(InviteConfirmed)
        home.panel.hang_up(answered.dialog)
        await phone.hear(DialogEnded)


async def test_the_only_phone_that_stays_away_has_failed_after_a_while(home, monkeypatch):
    assert phone_legs.COME_BACK_S == 3.0
    monkeypatch.setattr(phone_legs, "COME_BACK_S", 0.3)
    async with phone_of(home.service, Transport.TCP) as phone:
        await ring_the_only_phone(home, phone)
    await until(lambda: home.online == 0)
    assert home.service.switchboard.calls == 1

    await until(lambda: home.service.switchboard.calls == 0)


async def test_a_visitor_who_leaves_meanwhile_leaves_nothing_waiting(home):
    async with phone_of(home.service, Transport.TCP) as phone:
        await ring_the_only_phone(home, phone)
    await until(lambda: home.online == 0)
    home.panel.hang_up(home.panel.all(InviteProgressed)[-1].dialog)
    await until(lambda: home.service.switchboard.calls == 0)
    async with phone_of(home.service, Transport.TCP) as phone:
        await phone.registered()
        await asyncio.sleep(0.05)

        assert phone.calls == []


async def test_one_that_registers_while_its_doorbell_rings_is_rung_too(home):
    async with phone_of(home.service) as phone:
        press(home.panel, home.service)
        await home.carrier.hear(InviteReceived)
        await phone.registered()

        await rung(phone)


async def test_a_refreshed_registration_is_no_second_ring(home):
    async with phone_of(home.service) as phone:
        await phone.registered()
        press(home.panel, home.service)
        await rung(phone)
        phone.respond(180)
        await phone.registered()
        await asyncio.sleep(0.1)

        assert len(phone.calls) == 1


async def test_one_that_unregistered_is_not_rung_and_the_number_is_at_once(home):
    async with phone_of(home.service) as phone:
        await phone.registered()
        phone.unregister()
        await until(lambda: home.online == 0)
        press(home.panel, home.service)
        await home.carrier.hear(InviteReceived)

        assert phone.calls == []


async def test_one_whose_connection_was_lost_is_not_rung(home):
    async with phone_of(home.service, Transport.TCP) as phone:
        await phone.registered()
        assert home.online == 1
    await until(lambda: home.online == 0)
    press(home.panel, home.service)

    await home.carrier.hear(InviteReceived)


async def test_two_phones_of_one_account_ring_and_the_slower_misses_no_call(home):
    async with phone_of(home.service, Transport.TCP) as desk, phone_of(home.service) as mobile:
        await desk.registered()
        await mobile.registered()
        assert home.online == 2
        press(home.panel, home.service)
        await rung(desk)
        await rung(mobile)
        mobile.respond(180)
        await asyncio.sleep(0.05)
        answered_at = mobile.sip.now
        desk.answer()
        await mobile.hear(InviteCancelled)
        assert mobile.sip.now - answered_at <= 0.5

    assert ELSEWHERE.encode() in b"".join(mobile.datagrams)


async def test_of_more_phones_of_one_account_the_newest_two_ring(home):
    async with contextlib.AsyncExitStack() as stack:
        phones = [
            await stack.enter_async_context(phone_of(home.service, Transport.TCP)) for _ in range(2)
        ]
        phones.append(await stack.enter_async_context(phone_of(home.service)))
        for phone in phones:
            await phone.registered()
        press(home.panel, home.service)
        await rung(phones[2])

        assert home.online == 2


async def test_it_may_only_be_called(home):
    async with phone_of(home.service) as phone:
        await phone.registered()
        call(phone, home, USER, PASSWORD)
        failed = await phone.hear(InviteFailed)

        assert (failed.status, failed.reason) == (403, "This phone can only be called")
        assert home.service.switchboard.calls == 0
        assert not home.is_carrier_called


@pytest.mark.parametrize(
    ("user", "as_user", "password"),
    [
        (USER, USER, "not the password"),
        (USER, "main", PANEL_PASSWORD),
        ("main", USER, PASSWORD),
    ],
)
async def test_nobody_registers_in_anothers_name(home, user, as_user, password):
    async with phone_of(home.service) as phone:
        phone.register(user, password, as_user=as_user)
        failed = await phone.hear(RegistrationFailed)

        assert failed.status in {401, 403}
        assert home.online == 0


@pytest.mark.parametrize("password", ["", "another password"])
async def test_a_phone_whose_account_is_gone_or_changed_is_let_go_at_once(home, password):
    async with phone_of(home.service) as phone:
        await phone.registered()
        await home.reload(password)
        press(home.panel, home.service)
        await home.carrier.hear(InviteReceived)

        assert home.online == 0
        assert phone.calls == []


async def test_loading_the_same_building_again_keeps_the_phones(home):
    async with phone_of(home.service) as phone:
        await phone.registered()
        await home.reload(PASSWORD)
        press(home.panel, home.service)

        await rung(phone)


async def test_busy_here_is_busy_there_and_the_number_rings(home):
    async with phone_of(home.service) as phone:
        await phone.registered()
        press(home.panel, home.service)
        await rung(phone)
        phone.respond(486)

        await home.carrier.hear(InviteReceived)


async def test_the_panels_picture_is_offered_as_it_is_and_a_phone_without_one_just_talks(home):
    camera = replace(SOUND, video_port=40_002, video_rtcp_port=40_003, profile_level_id="42801e")
    home.panel.offer = make_offer(camera)
    async with phone_of(home.service) as phone:
        await phone.registered()
        press(home.panel, home.service)
        offer = (await rung(phone)).body
        phone.respond(200, body=make_answer(offer, SOUND)[0].partition(b"m=video")[0])
        await home.panel.hear(InviteAnswered)

    assert b"profile-level-id=42801e" in offer
    assert b"a=sendonly" in offer


@pytest.mark.parametrize(
    ("encryption", "over", "expected"),
    [
        (Encryption.OFF, Transport.TLS, Srtp.OFF),
        (Encryption.OPTIONAL, Transport.TLS, Srtp.OPTIONAL),
        (Encryption.OPTIONAL, Transport.TCP, Srtp.OFF),
        (Encryption.REQUIRED, Transport.UDP, Srtp.REQUIRED),
    ],
)
def test_keys_are_not_said_in_clear_unless_that_is_ordered(encryption, over, expected):
    way = Destination(Address(HOST, 5060, over), "sip:x@x", "sip:y@y", encryption=encryption)

    assert way.srtp is expected


def call(phone: Phone, home: Home, user: str, password: str) -> None:
    """Let the phone press a button, or try to."""
    phone.sip.endpoint.invite(
        phone.sip.now,
        target=f"sip:anna@{HOST}",
        destination=phone.server,
        from_uri=f"sip:{user}@{HOST}",
        body=phone.offer,
        credentials=Credentials(user, password),
    )
    phone.sip.flush()
