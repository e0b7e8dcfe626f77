"""Prometheus metrics on 127.0.0.1: service-wide totals of the SIP side, of nobody in particular.

What moves with each single call (calls, dialogs, transactions, messages heard) is told only where every property is
commercial: a monitoring system keeps what it reads, and of a residential property nothing about calls is kept anywhere.
"""

import asyncio
import contextlib
import dataclasses
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from typing_extensions import override

from intercom.adapters.sip.lag import BOUNDS_S, LagMeter
from intercom.errors import NotThereYetError
from intercom.routing.directory import Directory, PropertyKind
from intercom.sip.counters import Counters

HOST = "127.0.0.1"
PREFIX = "intercom_sip_"
OF_CALLS = frozenset(
    {
        "received",
        "challenged",
        "stateless_replies",
        "transactions",
        "dialogs",
        "dialogs_over",
        "proven",
    }
)


@dataclass(frozen=True, slots=True)
class MetricSources:
    """Where the figures are read when they are asked for."""

    counters: Counters
    table_sizes: Callable[[], Mapping[str, int]]
    locked_sources: Callable[[], int]
    lag: LagMeter
    calls: Callable[[], int]
    is_all_commercial: Callable[[], bool]
    building: Callable[[], Mapping[str, float]] = dict
    """Figures of where the building comes from, by their name without the prefix."""


class ServiceCollector(Collector):
    """Reads the figures at each scrape; keeps none."""

    def __init__(self, sources: MetricSources) -> None:
        self._sources = sources

    @override
    def collect(self) -> Iterable[Metric]:
        sources = self._sources
        hidden = frozenset() if sources.is_all_commercial() else OF_CALLS
        for field in dataclasses.fields(Counters):
            if field.name not in hidden:
                help_text = f"Total: {field.name.replace('_', ' ')}."
                value = getattr(sources.counters, field.name)
                yield CounterMetricFamily(PREFIX + field.name, help_text, value=value)
        tables = GaugeMetricFamily(PREFIX + "table_entries", "Entries by table.", labels=["table"])
        for name, size in sources.table_sizes().items():
            if name not in hidden:
                tables.add_metric([name], size)
        yield tables
        yield GaugeMetricFamily(
            PREFIX + "shut_out_sources",
            "Sources that are shut out now.",
            value=sources.locked_sources(),
        )
        names = [*map(str, BOUNDS_S), "+Inf"]
        yield HistogramMetricFamily(
            "intercom_loop_lag_seconds",
            "How late the event loop was, twenty times a second.",
            buckets=list(zip(names, itertools.accumulate(sources.lag.counts), strict=True)),
            sum_value=sources.lag.total_s,
        )
        for name, value in sources.building().items():
            words = f"The building: {name.replace('_', ' ')}."
            yield GaugeMetricFamily(f"intercom_{name}", words, value=value)
        if not hidden:
            yield GaugeMetricFamily("intercom_calls", "Calls now.", value=sources.calls())
            tasks = len(asyncio.all_tasks())
            yield GaugeMetricFamily("intercom_tasks", "Tasks of the event loop.", value=tasks)


def is_all_commercial(directory: Directory) -> bool:
    """Tell whether figures about calls may be kept: no property is residential."""
    kinds = {each.kind for each in directory.properties.values()}
    return kinds == {PropertyKind.COMMERCIAL}


@contextlib.asynccontextmanager
async def metrics_server(port: int | None, sources: MetricSources) -> AsyncIterator[None]:
    """Serve GET /metrics on the loopback while the context lasts; nothing without a port."""
    if port is None:
        yield
        return
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ServiceCollector(sources))

    async def show(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    app = web.Application(client_max_size=1024)
    app.router.add_get("/metrics", show)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, HOST, port).start()
        except OSError as error:
            msg = (
                f"The metrics cannot listen on {HOST} port {port} (TCP): {os.strerror(error.errno or 0)}. "
                "End the program that uses the port (`ss -lntup` shows it), or set INTERCOM_METRICS_PORT."
            )
            raise NotThereYetError(msg) from error
        yield
    finally:
        await runner.cleanup()
