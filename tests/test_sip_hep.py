"""HEP: a collector gets masked copies of a commercial building's messages, of a residential one's none ever."""

import asyncio
import contextlib
import re
import socket
import types
from datetime import UTC, datetime

import pytest

from intercom.adapters.sip.hep import MAX_WAITING, HepSender
from intercom.app.hep import Gate
from intercom.errors import ConfigError
from intercom.routing.directory import CommercialProperty, Directory, Property
from intercom.routing.ids import PropertyId
from intercom.settings import Settings
from intercom.settings.kinds import host_and_port
from intercom.sip.address import Address
from intercom.sip.capture import Captured
from intercom.sip.events import InviteProgressed, InviteReceived
from tests import test_app
from tests.adapters.sip_rig import HOST, stranger, until
from tests.fakes import ANNA_NUMBER, CALLER_ID
from tests.sip.test_hep import decode
from tests.test_app import PASSWORD, press, service_with

plain_building = test_app.building


@pytest.fixture(autouse=True)
def _secret(monkeypatch):
    monkeypatch.setenv("INTERCOM_SECRET_PANEL", PASSWORD)


@pytest.fixture
def commercial(monkeypatch):
    def building(carrier: Address, name: str = "") -> str:
        return plain_building(carrier, name).replace('"residential"', '"commercial"')

    monkeypatch.setattr(test_app, "building", building)


@contextlib.contextmanager
def collector():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        sock.setblocking(False)
        packets = []

        def read():
            with contextlib.suppress(BlockingIOError):
                while True:
                    packets.append(decode(sock.recv(65_535)))
            return packets

        yield types.SimpleNamespace(port=sock.getsockname()[1], read=read)


async def test_a_collector_gets_every_message_of_a_call_masked(tmp_path, commercial):
    with collector() as homer:
        async with (
            stranger() as carrier,
            stranger() as panel,
            service_with(carrier.address, tmp_path, sip_hep=f"{HOST}:{homer.port}") as service,
        ):
            press(panel, service)
            await panel.hear(InviteProgressed)
            await carrier.hear(InviteReceived)
            await until(lambda: any(each[15].startswith(b"SIP/2.0 183") for each in homer.read()))
            packets, port = homer.read(), service.settings.sip_port

    payloads = [each[15].decode() for each in packets]
    logged_in = next(each for each in payloads if "Authorization: Digest" in each)
    assert 'username="ma•••"' in logged_in
    assert not any(re.search(r"(nonce|response)=[^•]", each) for each in payloads)
    assert not any(ANNA_NUMBER in each for each in payloads)
    first = next(each for each in packets if each[15].startswith(b"INVITE"))
    assert int.from_bytes(first[7], "big") == panel.address.port
    assert int.from_bytes(first[8], "big") == port
    assert f"Call-ID: {first[17].decode()}\r\n" in first[15].decode()
    assert abs(int.from_bytes(first[9], "big") - datetime.now(UTC).timestamp()) < 60
    back = next(each for each in packets if each[15].startswith(b"SIP/2.0 401"))
    assert int.from_bytes(back[7], "big") == port


async def test_a_residential_building_does_not_start_with_a_collector(tmp_path):
    async with stranger() as carrier:
        with pytest.raises(
            ConfigError, match="INTERCOM_SIP_HEP is set, and the building has a residential"
        ):
            async with service_with(carrier.address, tmp_path, sip_hep=f"{HOST}:9060"):
                pass


async def test_a_building_that_becomes_residential_is_refused_while_a_collector_listens(
    tmp_path, commercial
):
    async with (
        stranger() as carrier,
        service_with(carrier.address, tmp_path, sip_hep=f"{HOST}:9") as service,
    ):
        before = service.building.directory
        (tmp_path / "building.toml").write_text(plain_building(carrier.address))

        with pytest.raises(ConfigError, match="INTERCOM_SIP_HEP"):
            await service.reload()
        assert service.building.directory is before


async def test_without_the_setting_nobody_is_sent_anything(tmp_path):
    async with stranger() as carrier, service_with(carrier.address, tmp_path) as service:
        assert service.capture._taps == ()


BYE = b"BYE sip:a@b SIP/2.0\r\nCall-ID: 1\r\nCSeq: 1 BYE\r\n\r\n"


async def test_what_is_too_much_is_lost_and_nobody_waits():
    with collector() as homer:
        sender = HepSender((HOST, homer.port), lambda _: Address(HOST, 5060))
        now = asyncio.get_running_loop().time()
        for _ in range(MAX_WAITING + 50):
            sender.take(Captured(now, False, BYE, Address("192.0.2.9", 5060)))

        assert sender.dropped == 50
        assert sender.sent == 0  # nothing is done while a message is handled
        await until(lambda: sender.sent)
        sender.close()


async def test_a_collector_that_is_down_costs_nothing_but_its_copies():
    with collector() as homer:
        port = homer.port
    sender = HepSender((HOST, port), lambda _: Address(HOST, 5060))
    now = asyncio.get_running_loop().time()
    for _ in range(3):
        sender.take(Captured(now, True, BYE, Address("192.0.2.9", 5060)))
        await asyncio.sleep(0.03)

    assert sender.dropped > 0  # ICMP said that nobody is there
    sender.close()


async def test_what_is_no_sip_and_what_has_no_address_is_left_out():
    with collector() as homer:
        sender = HepSender((HOST, homer.port), lambda _: Address("intercom.example", 5060))
        now = asyncio.get_running_loop().time()
        sender.take(Captured(now, False, b"nonsense", Address("192.0.2.9", 5060)))
        sender.take(Captured(now, False, BYE, Address("192.0.2.9", 5060)))
        await until(lambda: sender.dropped == 2)
        sender.close()

        assert homer.read() == []


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("homer.example:9060", ("homer.example", 9060)),
        ("192.0.2.7:9060", ("192.0.2.7", 9060)),
        ("[2001:db8::7]:9060", ("2001:db8::7", 9060)),
    ],
)
def test_a_collector_is_host_and_port(text, read):
    assert host_and_port(text) == read
    assert Settings(caller_id=CALLER_ID, sip_hep=text).sip_hep == text


@pytest.mark.parametrize(
    "text",
    ["homer", "homer:", ":9060", "homer:0", "homer:65536", "2001:db8::7:9060", "a b:1", "[]:1"],
)
def test_what_is_no_host_and_port_is_refused(text):
    with pytest.raises(ValueError, match="sip_hep"):
        Settings(caller_id=CALLER_ID, sip_hep=text)


async def test_copies_stop_while_webadmin_has_a_residential_property():
    offices = CommercialProperty(PropertyId("offices"), "Offices", "Storgata 1")
    flats = Property(PropertyId("flats"), "Flats", "Storgata 2")
    directory = [Directory(properties={"offices": offices})]
    gate = Gate(lambda: directory[0])
    assert gate.is_open()

    directory[0] = Directory(properties={"offices": offices, "flats": flats})
    assert not gate.is_open()

    directory[0] = Directory(properties={"offices": offices})
    assert gate.is_open()
    directory[0] = Directory()
    assert not gate.is_open()
