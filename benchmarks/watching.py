"""Reading 20,000 Warning events: our watch beside the typed loop of the official asyncio client, in one run.

Both read the same bytes from the same server, which is a process of its own so that only the reading is compared.
"""

from __future__ import annotations

import asyncio
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

from kubernetes.aio import client as typed
from kubernetes.aio import config as loaders
from kubernetes.aio import watch

from tools.cluster.reader import Reader
from tools.cluster.transport import connect
from tools.cluster.watch import WarningEvents

RUNS, RUN_SECONDS = 3, 60.0
_SERVER = Path(__file__).with_name("events.py")


async def measure_watching(events: int) -> dict[str, Any]:
    """Events a second of both, as the median of interleaved runs, and their ratio."""
    ours: list[float] = []
    theirs: list[float] = []
    async with _server(events) as kubeconfig:
        for _ in range(RUNS):
            ours.append(await _rate(_read_ours, kubeconfig, events))
            theirs.append(await _rate(_read_typed, kubeconfig, events))
    return {
        "events": events,
        "runs": RUNS,
        "ours_per_second": round(median(ours)),
        "typed_per_second": round(median(theirs)),
        "ratio": round(median(ours) / median(theirs), 1),
    }


async def _rate(read: Callable[[dict[str, Any], int], Awaitable[float]], kubeconfig: dict[str, Any], n: int) -> float:
    async with asyncio.timeout(RUN_SECONDS):
        return n / await read(kubeconfig, n)


async def _read_ours(kubeconfig: dict[str, Any], events: int) -> float:
    """Seconds from the first event to the last."""
    transport = await connect(user_agent="benchmark", kubeconfig=kubeconfig)
    try:
        async with aclosing(aiter(WarningEvents(Reader(transport)))) as found:
            return await _seconds(found, events)
    finally:
        await transport.aclose()


async def _read_typed(kubeconfig: dict[str, Any], events: int) -> float:
    """The same, as the official client's documentation writes it."""
    configuration = typed.Configuration()
    await loaders.load_kube_config_from_dict(kubeconfig, client_configuration=configuration)
    async with typed.ApiClient(configuration) as api, watch.Watch() as watching:
        list_events = typed.CoreV1Api(api).list_event_for_all_namespaces
        found = watching.stream(list_events, field_selector="type=Warning", resource_version="1")
        return await _seconds(found, events)


async def _seconds(found: AsyncIterator[Any], events: int) -> float:
    await anext(found)
    started = time.perf_counter()
    for _ in range(events - 1):
        await anext(found)
    return time.perf_counter() - started


@asynccontextmanager
async def _server(events: int) -> AsyncIterator[dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(sys.executable, str(_SERVER), str(events), stdout=PIPE)
    try:
        line = await process.stdout.readline() if process.stdout is not None else b""
        server = f"http://127.0.0.1:{int(line)}"
        yield {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "bench", "cluster": {"server": server}}],
            "users": [{"name": "bench", "user": {"token": "none-is-asked-for"}}],
            "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
            "current-context": "bench",
        }
    finally:
        process.terminate()
        await process.wait()
