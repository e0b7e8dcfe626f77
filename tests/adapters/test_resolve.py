"""Names of trunks and SIP phones: cut out of what the building file says, and looked up ahead."""

import asyncio
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from intercom.adapters.sip.resolve import Resolver, host_of_uri, split_host
from intercom.routing.directory import SipPhone, Trunk
from intercom.routing.ids import DeviceId, TrunkId
from intercom.sip.address import Address
from tests.adapters.sip_rig import until
from tests.fakes import ANNA, make_house


def house_with(host: str, phone: str = "sip:desk@192.0.2.7"):
    house = make_house(trunks=(Trunk(TrunkId("carrier"), host),))
    anna = replace(house.residents[ANNA], sip_phones=(SipPhone(DeviceId("desk"), phone),))
    return replace(house, residents={ANNA: anna})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.7", ("192.0.2.7", 5060)),
        ("sip.example.net:5070", ("sip.example.net", 5070)),
        ("[2001:db8::1]", ("2001:db8::1", 5060)),
        ("[2001:db8::1]:5070", ("2001:db8::1", 5070)),
    ],
)
def test_a_host_and_its_port_are_told_apart(text, expected):
    assert split_host(text) == expected


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sip:desk@192.0.2.7:5070", "192.0.2.7:5070"),
        ("sip:192.0.2.7", "192.0.2.7"),
        ("sips:desk.example", "desk.example"),
        ("sip:a@b@desk.example;transport=udp?x=1", "desk.example"),
    ],
)
def test_the_host_of_a_uri_is_what_follows_the_user(uri, expected):
    assert host_of_uri(uri) == expected


async def test_a_literal_address_needs_no_look_up():
    assert Resolver().of_uri("sip:desk@192.0.2.7") == Address("192.0.2.7", 5060)
    assert Resolver().of_host("[2001:db8::1]:5070") == Address("2001:db8::1", 5070)


async def test_a_name_is_known_once_it_was_looked_up_in_the_sockets_family():
    resolver = Resolver()
    assert resolver.of_host("localhost") is None

    await resolver.refresh(house_with("localhost:5070"))

    assert resolver.of_host("localhost:5070") == Address("127.0.0.1", 5070)


@pytest.mark.parametrize("name", ["trunk..example", "a" * 64 + ".example"])
async def test_what_can_be_no_name_is_unknown_and_harms_nothing(name):
    resolver = Resolver()
    with capture_logs() as logs:
        await resolver.refresh(house_with(name, "sips:localhost"))

    assert resolver.of_host(name) is None
    assert resolver.of_uri("sips:localhost") == Address("127.0.0.1", 5060)
    assert [line["event"] for line in logs] == ["sip.name_not_found"]
    assert name not in str(logs)


async def test_a_name_that_is_lost_for_a_while_keeps_its_last_address(monkeypatch):
    resolver = Resolver()
    await resolver.refresh(house_with("localhost"))

    async def fail(*_, **__):
        raise OSError

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fail)
    with capture_logs():
        await resolver.refresh(house_with("localhost"))

    assert resolver.of_host("localhost") == Address("127.0.0.1", 5060)


async def test_a_changed_building_is_looked_up_at_once():
    resolver = Resolver()
    changed = asyncio.Event()
    in_force = [house_with("192.0.2.1")]
    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(resolver.keep_fresh(changed, lambda: in_force[0]))
        await asyncio.sleep(0)
        in_force[0] = house_with("localhost")
        changed.set()
        await until(lambda: resolver.of_host("localhost"))
        keeping.cancel()
