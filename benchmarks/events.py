"""A server that knows nothing but Warning events: an empty list, and a watch with as many as it was started with.

Says its port on standard output and runs until it is ended. Everything is encoded before the first request.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import orjson
from aiohttp import web

CHUNK_EVENTS = 64
MESSAGE = (
    'Failed to pull image "nginx:1.27-alpnie": rpc error: code = NotFound desc = failed to pull and unpack image'
    ' "docker.io/library/nginx:1.27-alpnie": failed to resolve reference "docker.io/library/nginx:1.27-alpnie":'
    " docker.io/library/nginx:1.27-alpnie: not found"
)


def frame(number: int) -> bytes:
    """One line of a watch, as a kubelet's event makes it."""
    pod = f"web-849847f4cd-{number:05}"
    event = {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {
            "name": f"{pod}.187a5f3c2b1d{number:04x}",
            "namespace": "shop-front",
            "uid": f"00000000-0000-4000-8000-{number:012}",
            "resourceVersion": str(number + 2),
            "creationTimestamp": "2026-01-01T12:00:00Z",
            "managedFields": [
                {
                    "manager": "kubelet",
                    "operation": "Update",
                    "apiVersion": "v1",
                    "time": "2026-01-01T12:00:00Z",
                    "fieldsType": "FieldsV1",
                    "fieldsV1": {name: {} for name in ("f:count", "f:message", "f:reason", "f:source", "f:type")},
                }
            ],
        },
        "involvedObject": {
            "kind": "Pod",
            "namespace": "shop-front",
            "name": pod,
            "uid": f"10000000-0000-4000-8000-{number:012}",
            "apiVersion": "v1",
            "resourceVersion": "1",
            "fieldPath": "spec.containers{nginx}",
        },
        "reason": "Failed",
        "message": MESSAGE,
        "source": {"component": "kubelet", "host": "node-1"},
        "firstTimestamp": "2026-01-01T12:00:00Z",
        "lastTimestamp": "2026-01-01T12:00:00Z",
        "count": 1,
        "type": "Warning",
        "eventTime": None,
        "reportingComponent": "kubelet",
        "reportingInstance": "node-1",
    }
    return orjson.dumps({"type": "ADDED", "object": event}, option=orjson.OPT_APPEND_NEWLINE)


def chunks_of(frames: list[bytes]) -> list[bytes]:
    """The frames in pieces of the size that a busy server writes."""
    return [b"".join(frames[at : at + CHUNK_EVENTS]) for at in range(0, len(frames), CHUNK_EVENTS)]


async def main(events: int) -> None:
    chunks = chunks_of([frame(number) for number in range(events)])

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.query.get("watch", "").lower() not in ("true", "1"):
            empty: dict[str, Any] = {"kind": "EventList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}}
            return web.json_response({**empty, "items": []})
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        await asyncio.Event().wait()  # a watch stays open; the reader hangs up
        return response

    app = web.Application()
    app.router.add_get("/api/v1/events", answer)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
