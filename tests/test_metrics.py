"""The metrics: figures of the SIP side on the loopback, and none that tells of a residential call."""

import asyncio
import time

import aiohttp
import pytest

from intercom.adapters.sip.lag import LagMeter
from intercom.app.metrics import MetricSources, is_all_commercial, metrics_server
from intercom.errors import ConfigError
from intercom.routing.directory import CommercialProperty, Directory, Property
from intercom.routing.ids import PropertyId
from intercom.sip.counters import Counters
from tests.interop.machine import free_tcp_port

HOST = "127.0.0.1"


def sources(*, is_all_commercial: bool = False) -> MetricSources:
    return MetricSources(
        counters=Counters(received=7, dropped_rate=3),
        table_sizes=lambda: {"dialogs": 2, "guard_sources": 5},
        locked_sources=lambda: 1,
        lag=LagMeter(lambda lag_s, now: None),
        calls=lambda: 1,
        is_all_commercial=lambda: is_all_commercial,
    )


async def scrape(port: int) -> dict[str, float]:
    async with aiohttp.ClientSession() as http, http.get(f"http://{HOST}:{port}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


async def test_the_defences_figures_are_told():
    port = free_tcp_port(HOST)
    async with metrics_server(port, sources()):
        figures = await scrape(port)

    assert figures["intercom_sip_dropped_rate_total"] == 3
    assert figures["intercom_sip_shut_out_sources"] == 1
    assert figures['intercom_sip_table_entries{table="guard_sources"}'] == 5


@pytest.mark.parametrize("is_commercial", [True, False])
async def test_what_moves_with_each_call_is_told_only_where_all_is_commercial(is_commercial):
    port = free_tcp_port(HOST)
    async with metrics_server(port, sources(is_all_commercial=is_commercial)):
        figures = await scrape(port)

    names = {
        "intercom_calls",
        "intercom_tasks",
        "intercom_sip_received_total",
        'intercom_sip_table_entries{table="dialogs"}',
    }
    assert names & figures.keys() == (names if is_commercial else set())


def test_one_residential_property_makes_the_whole_service_silent_about_calls():
    office, home = PropertyId("office"), PropertyId("home")
    properties = {office: CommercialProperty(office, "x", "y"), home: Property(home, "x", "y")}

    assert not is_all_commercial(Directory(properties=properties))
    assert not is_all_commercial(Directory())
    del properties[home]
    assert is_all_commercial(Directory(properties=properties))


async def test_a_port_that_is_taken_is_a_config_error_in_words():
    port = free_tcp_port(HOST)
    async with metrics_server(port, sources()):
        with pytest.raises(ConfigError, match="INTERCOM_METRICS_PORT"):
            async with metrics_server(port, sources()):
                pass


async def test_without_a_port_nothing_listens():
    async with metrics_server(None, sources()):
        pass


async def test_the_lag_meter_tells_how_late_the_loop_is():
    told: list[float] = []
    meter = LagMeter(lambda lag_s, now: told.append(lag_s))
    meter.start()
    await asyncio.sleep(0.07)
    time.sleep(0.15)  # noqa: ASYNC251 - it stands for work that blocks the loop
    await asyncio.sleep(0.02)
    meter.stop()
    count = len(told)
    await asyncio.sleep(0.12)

    assert max(told) > 0.08
    assert sum(meter.counts) == count == len(told)
