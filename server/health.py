"""``/healthz``, ``/readyz`` and ``/metrics``: for a kubelet and a Prometheus, on a port of their own.

*Healthy* says that the process still does what it is for: its heart has beaten lately. *Ready* says that it watches
and that its store can be written. Neither waits for the API server: one that is away is no reason to be restarted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Answer = tuple[bool, str]  # fine, and one line that says how it stands
Probe = Callable[[], Awaitable[Answer]]


class CannotListen(Exception):
    """The address is taken or no address of this machine; the text names the setting."""


@dataclass(frozen=True, kw_only=True)
class Vitals:
    """What is asked. ``counts`` answers gauges by name, each by label value, read when somebody scrapes."""

    healthy: Probe
    ready: Probe
    counts: Callable[[], Awaitable[Mapping[str, Mapping[str, float]]]]
    registry: CollectorRegistry


@asynccontextmanager
async def serving(address: str, vitals: Vitals) -> AsyncIterator[str]:
    """Serve at ``HOST:PORT`` while the block runs; yields the address that was bound. Raises CannotListen.

    ``:PORT`` is every interface, IPv4 and IPv6: a kubelet asks at the pod's own address, never at loopback.
    """
    host, _, port = address.rpartition(":")
    runner = web.AppRunner(_application(vitals), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host.strip("[]") or None, int(port))
        try:
            await site.start()
        except OSError as error:
            raise CannotListen(f"cannot listen at {address}: {error.strerror}; choose another --listen") from error
        bound, number = runner.addresses[0][:2]
        yield f"[{bound}]:{number}" if ":" in bound else f"{bound}:{number}"
    finally:
        await runner.cleanup()


def _application(vitals: Vitals) -> web.Application:
    app = web.Application()
    app.router.add_get("/healthz", _answering(vitals.healthy))
    app.router.add_get("/readyz", _answering(vitals.ready))
    app.router.add_get("/metrics", _metrics(vitals))
    return app


def _answering(probe: Probe) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        fine, line = await probe()
        return web.Response(text=f"{line}\n", status=200 if fine else 503)

    return answer


def _metrics(vitals: Vitals) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        snapshot = CollectorRegistry()
        snapshot.register(_Families([*vitals.registry.collect(), *_gauges(await vitals.counts())]))
        return web.Response(body=encode(snapshot), headers={"Content-Type": content_type})

    return answer


class _Families(Collector):
    """Metrics that have been read already, once for one scrape."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def _gauges(counts: Mapping[str, Mapping[str, float]]) -> Iterable[Metric]:
    for name, values in sorted(counts.items()):
        family = GaugeMetricFamily(f"k8s_auto_fixer_{name}", name.replace("_", " "), labels=["state"])
        for label, value in sorted(values.items()):
            family.add_metric([label], value)
        yield family
