"""One way of reading a watch of Warning events, in a process of its own: ``raw``, ``typed`` or ``ours``.

Called with the way; hears in one line of JSON where the server is and how many events to read from which version on.
Says in another how many seconds lay between the first event and the last, how much memory was resident then, and, for
ours, what has become of the events.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from cluster_process import usage

WATCH = "/api/v1/events?watch=true&fieldSelector=type%3DWarning&resourceVersion="


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What to read. ``token`` and ``ca_file`` are empty where nobody asks for them."""

    server: str
    events: int
    version: str
    token: str = ""
    ca_file: str = ""

    @property
    def kubeconfig(self) -> dict[str, Any]:
        """How to reach the server."""
        trusted = {"certificate-authority": self.ca_file} if self.ca_file else {}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "bench", "cluster": {"server": self.server, **trusted}}],
            "users": [{"name": "bench", "user": {"token": self.token or "none-is-asked-for"}}],
            "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
            "current-context": "bench",
        }


async def raw(asked: Asked) -> dict[str, Any]:
    """The limit: the lines of the stream, each parsed and thrown away."""
    import aiohttp

    tls = ssl.create_default_context(cafile=asked.ca_file) if asked.ca_file else True
    headers = {"Authorization": f"Bearer {asked.token}"}
    url = asked.server + WATCH + asked.version
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers, ssl=tls) as response:
        rest, seen, started = b"", 0, 0.0
        async for chunk in response.content.iter_any():
            started = started or time.perf_counter()
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                orjson.loads(line)
            seen += len(lines)
            if seen >= asked.events:
                break
        return {"seconds": time.perf_counter() - started}


async def typed(asked: Asked) -> dict[str, Any]:
    """The loop that the official client's documentation shows, for one that does nothing with what it reads."""
    from kubernetes.aio import client, config, watch

    configuration = client.Configuration()
    await config.load_kube_config_from_dict(asked.kubeconfig, client_configuration=configuration)
    async with client.ApiClient(configuration) as api, watch.Watch() as watching:
        list_events = client.CoreV1Api(api).list_event_for_all_namespaces
        found = watching.stream(list_events, field_selector="type=Warning", resource_version=asked.version)
        return {"seconds": await _seconds(found, asked.events)}


async def _seconds(found: AsyncIterator[Any], events: int) -> float:
    await anext(found)
    started = time.perf_counter()
    for _ in range(events - 1):
        await anext(found)
    return time.perf_counter() - started


async def ours(asked: Asked) -> dict[str, Any]:
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
    transport = await connect(user_agent="benchmark", kubeconfig=asked.kubeconfig)
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
            watcher = WarningEvents(reader)
            watcher._version = asked.version  # as after a list: what is measured is the stream
            async with aclosing(aiter(watcher)) as found:
                async for event in found:
                    started = started or time.perf_counter()
                    await intake.take(event)
                    seen += 1
                    if seen == asked.events:
                        break
            await intake.write()
            seconds = time.perf_counter() - started
            writing.cancel()
            incidents = await store.incidents(limit=asked.events)
    await transport.aclose()
    return {
        "seconds": seconds,
        "requests": reader.requests,
        "queued": len(queued),
        "incidents": len(incidents),
        "signals": sum(incident.signals for incident in incidents),
    }


WAYS: dict[str, Callable[[Asked], Awaitable[dict[str, Any]]]] = {"raw": raw, "typed": typed, "ours": ours}


async def main(way: str) -> None:
    found = await WAYS[way](Asked(**orjson.loads(sys.stdin.readline())))
    print(orjson.dumps({**found, **usage()}).decode(), flush=True)


if __name__ == "__main__":
    from app.logs import configure_logging

    configure_logging(quiet=True)
    asyncio.run(main(sys.argv[1]))
