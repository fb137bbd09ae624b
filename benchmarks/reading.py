"""One way of reading a watch of Warning events, in a process of its own: ``raw``, ``typed`` or ``ours``.

Called with the way, the server's port and how many events to read; says in one line of JSON how many seconds lay
between the first event and the last, how much memory was resident then, and, for ours, what has become of the events.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import orjson
from cluster_process import usage

WATCH = "/api/v1/events?watch=true&fieldSelector=type%3DWarning&resourceVersion=1"


async def raw(server: str, events: int) -> dict[str, Any]:
    """The limit: the lines of the stream, each parsed and thrown away."""
    import aiohttp

    async with aiohttp.ClientSession() as session, session.get(server + WATCH) as response:
        rest, seen, started = b"", 0, 0.0
        async for chunk in response.content.iter_any():
            started = started or time.perf_counter()
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                orjson.loads(line)
            seen += len(lines)
            if seen >= events:
                break
        return {"seconds": time.perf_counter() - started}


async def typed(server: str, events: int) -> dict[str, Any]:
    """The loop that the official client's documentation shows, for one that does nothing with what it reads."""
    from kubernetes.aio import client, config, watch

    configuration = client.Configuration()
    await config.load_kube_config_from_dict(kubeconfig(server), client_configuration=configuration)
    async with client.ApiClient(configuration) as api, watch.Watch() as watching:
        list_events = client.CoreV1Api(api).list_event_for_all_namespaces
        found = watching.stream(list_events, field_selector="type=Warning", resource_version="1")
        return {"seconds": await _seconds(found, events)}


async def _seconds(found: AsyncIterator[Any], events: int) -> float:
    await anext(found)
    started = time.perf_counter()
    for _ in range(events - 1):
        await anext(found)
    return time.perf_counter() - started


async def ours(server: str, events: int) -> dict[str, Any]:
    """The daemon's own road: every event a Signal, its subject found, its incident written, its key queued."""
    from incidents.objects import ClusterId
    from incidents.policy import Mode, Policy
    from scraper.intake import Intake, IntakeParts
    from tools.clock import Clock
    from tools.cluster.owners import Owners
    from tools.cluster.reader import Reader
    from tools.cluster.transport import connect
    from tools.cluster.watch import WarningEvents
    from tools.store.sqlite import open_store

    clock, queued = Clock(), set[str]()
    transport = await connect(user_agent="benchmark", kubeconfig=kubeconfig(server))
    reader = Reader(transport)
    with tempfile.TemporaryDirectory() as folder:
        async with open_store(Path(folder) / "store.sqlite", now=clock.now) as store:
            parts = IntakeParts(
                reader=reader,
                owners=Owners(reader, ClusterId("bench")),
                store=store,
                policy=Policy(mode=Mode.AUTO),
                clock=clock,
                queue_up=lambda incident: queued.add(incident.id),
            )
            intake = Intake(parts, monotonic=time.monotonic)
            writing = asyncio.create_task(intake.keep_writing())
            seen, started = 0, 0.0
            async with aclosing(aiter(WarningEvents(reader))) as found:
                async for event in found:
                    started = started or time.perf_counter()
                    await intake.take(event)
                    seen += 1
                    if seen == events:
                        break
            await intake.write()
            seconds = time.perf_counter() - started
            writing.cancel()
            incidents = await store.incidents(limit=events)
    await transport.aclose()
    return {
        "seconds": seconds,
        "requests": reader.requests,
        "queued": len(queued),
        "incidents": len(incidents),
        "signals": sum(incident.signals for incident in incidents),
    }


def kubeconfig(server: str) -> dict[str, Any]:
    """How to reach the server, which asks for no token."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "bench", "cluster": {"server": server}}],
        "users": [{"name": "bench", "user": {"token": "none-is-asked-for"}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "current-context": "bench",
    }


WAYS: dict[str, Callable[[str, int], Awaitable[dict[str, Any]]]] = {"raw": raw, "typed": typed, "ours": ours}


async def main(way: str, port: str, events: str) -> None:
    found = await WAYS[way](f"http://127.0.0.1:{port}", int(events))
    print(orjson.dumps({**found, **usage()}).decode(), flush=True)


if __name__ == "__main__":
    from app.logs import configure_logging

    configure_logging(quiet=True)
    asyncio.run(main(*sys.argv[1:]))
