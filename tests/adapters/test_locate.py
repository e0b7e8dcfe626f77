"""Carriers' names, answered by a real DNS server on loopback: NAPTR, SRV, addresses, and its death."""

import asyncio
import contextlib
import shutil
import socket
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
from structlog.testing import capture_logs

from intercom.adapters.sip.locate import Place, RealDns, in_order
from intercom.adapters.sip.resolve import Resolver
from intercom.routing.directory import Trunk, TrunkTransport
from intercom.routing.ids import TrunkId
from intercom.sip.address import Address, Transport
from intercom.sip.events import InviteReceived
from tests.adapters.sip_rig import HOST, free_port, stranger, until
from tests.adapters.test_sip_phone_legs import router_for, trunk_at
from tests.adapters.test_sip_trunks import rung_within
from tests.fakes import make_house

RECORDS = (
    "--host-record=sip1.trunk.test,127.0.0.11",
    "--host-record=sip2.trunk.test,127.0.0.12",
    "--host-record=plain.test,127.0.0.13",
    "--srv-host=_sip._udp.trunk.test,sip2.trunk.test,5072,20,0",
    "--srv-host=_sip._udp.trunk.test,sip1.trunk.test,5071,10,0",
    "--srv-host=_sips._tcp.trunk.test,sip1.trunk.test,5061,10,0",
    "--naptr-record=naptr.test,20,10,s,SIP+D2U,,_sip._udp.trunk.test",
    "--naptr-record=naptr.test,10,10,s,SIPS+D2T,,_sips._tcp.trunk.test",
    "--srv-host=_sip._udp.closed.test",
)


@dataclass
class NameServer:
    dns: RealDns
    process: asyncio.subprocess.Process


def is_answering(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex((HOST, port)) == 0


@contextlib.asynccontextmanager
async def name_server(*more: str) -> AsyncIterator[NameServer]:
    dnsmasq = shutil.which("dnsmasq") or "/usr/sbin/dnsmasq"
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(dnsmasq, "--keep-in-foreground", f"--port={port}", f"--listen-address={HOST}"),
        *("--bind-interfaces", "--no-resolv", "--no-hosts", "--conf-file=/dev/null"),
        *("--pid-file=", "--user=root", "--local=/test/", "--local-ttl=40", *RECORDS, *more),
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await until(lambda: is_answering(port))
        yield NameServer(RealDns([HOST], port), process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def trunk_of(address: str, transport: TrunkTransport | None = None) -> Trunk:
    return Trunk(TrunkId("t"), address, transport=transport)


async def found(server: NameServer, trunk: Trunk) -> list[Address]:
    resolver = Resolver(dns=server.dns)
    with capture_logs():
        await resolver.refresh(make_house(trunks=(trunk,)))
    return resolver.of_trunk(trunk)


async def test_a_carriers_name_leads_to_its_targets_by_priority():
    async with name_server() as server:
        assert await found(server, trunk_of("trunk.test")) == [
            Address("127.0.0.11", 5071),
            Address("127.0.0.12", 5072),
        ]


@pytest.mark.timeout(10)
async def test_a_carriers_second_target_is_called_within_4_s_when_the_first_is_silent():
    async with stranger() as first, stranger() as second:
        first.sip.is_lost = lambda data: data.startswith(b"SIP/2.0")
        records = (
            f"--host-record=host.pair.test,{HOST}",
            f"--srv-host=_sip._udp.pair.test,host.pair.test,{first.address.port},10,0",
            f"--srv-host=_sip._udp.pair.test,host.pair.test,{second.address.port},20,0",
        )
        house = make_house(trunks=(replace(trunk_at(first), address="pair.test"),))
        async with name_server(*records) as server:
            resolver = Resolver(dns=server.dns)
            await resolver.refresh(house)
        async with router_for(house, resolver=resolver) as router:
            router.ring()
            with capture_logs():
                await first.hear(InviteReceived)
                assert second.events == []
                await rung_within(4.0, second)

            assert router.failures == []


async def test_naptr_chooses_the_transport_and_the_certificate_must_name_what_was_asked_for():
    async with name_server() as server:
        assert await found(server, trunk_of("naptr.test")) == [
            Address("127.0.0.11", 5061, Transport.TLS, "naptr.test")
        ]


async def test_a_transport_that_the_building_file_names_is_taken_whatever_naptr_says():
    async with name_server() as server:
        assert await found(server, trunk_of("trunk.test", TrunkTransport.TLS)) == [
            Address("127.0.0.11", 5061, Transport.TLS, "trunk.test")
        ]


async def test_a_port_or_a_name_without_srv_leads_to_the_address_alone():
    async with name_server() as server:
        assert await found(server, trunk_of("sip1.trunk.test:5099")) == [
            Address("127.0.0.11", 5099)
        ]
        assert await found(server, trunk_of("plain.test")) == [Address("127.0.0.13", 5060)]
        assert await found(server, trunk_of("plain.test", TrunkTransport.TLS)) == [
            Address("127.0.0.13", 5061, Transport.TLS, "plain.test")
        ]


@pytest.mark.parametrize("name", ["unknown.test", "closed.test"])
async def test_a_name_that_leads_nowhere_is_unknown(name):
    async with name_server() as server:
        assert await found(server, trunk_of(name)) == []


@pytest.mark.timeout(20)
async def test_the_last_good_answer_is_kept_when_dns_dies_and_its_time_is_honoured():
    now = [1000.0]
    async with name_server() as server:
        trunk = trunk_of("trunk.test")
        house = make_house(trunks=(trunk,))
        resolver = Resolver(dns=server.dns, clock=lambda: now[0])
        await resolver.refresh(house)
        good, due = resolver.of_trunk(trunk), dict(resolver._due_at)
        server.process.kill()
        await server.process.wait()
        now[0] += 39.0
        with capture_logs() as early:
            await resolver.refresh(house)
        now[0] += 2.0
        with capture_logs() as late:
            await resolver.refresh(house)

        assert list(due.values()) == [1040.0]
        assert early == []
        assert [line["event"] for line in late] == ["sip.name_not_found"]
        assert resolver.of_trunk(trunk) == good != []


def test_equal_targets_share_calls_by_weight_and_a_higher_number_waits():
    heavy, light, last = (Address(host, 5060) for host in ("192.0.2.1", "192.0.2.2", "192.0.2.3"))
    places = [Place(last, 20, 100), Place(light, 10, 1), Place(heavy, 10, 9)]

    orders = Counter(tuple(in_order(places)) for _ in range(1000))

    assert set(orders) == {(heavy, light, last), (light, heavy, last)}
    assert 700 < orders[heavy, light, last] < 970
