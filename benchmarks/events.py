"""A server that knows nothing but the Warning events of a bad hour, and the workloads that they are about.

500 Deployments of two pods each in ten namespaces; each pod has two events, and each event is seen ten times with a
growing count, as a kubelet repeats itself. A list of events is empty; a watch brings all of them. Pods, ReplicaSets and
Deployments can be got and listed. Everything is encoded before the first request. Says its port on standard output
and runs until it is ended.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from aiohttp import web

SUBJECTS, PODS_EACH, NAMESPACES, CHUNK_EVENTS = 500, 2, 10, 64
PER_SECOND = 50_000  # events; as many as a real API server sends down one watch
IMAGE = "docker.io/library/nginx:1.27-alpnie"
REASONS = {
    "Failed": f'Failed to pull image "{IMAGE}": rpc error: code = NotFound desc = failed to pull and unpack image'
    f' "{IMAGE}": failed to resolve reference "{IMAGE}": {IMAGE}: not found',
    "BackOff": f'Back-off pulling image "{IMAGE}": ErrImagePull: rpc error: code = NotFound desc = {IMAGE}: not found',
}
Object = dict[str, Any]


def workload(number: int) -> Iterator[tuple[str, Object]]:
    """One Deployment, its ReplicaSet and its pods, each with the plural of its kind."""
    name, namespace = f"web-{number:04}", f"shop-{number % NAMESPACES}"
    labels = {"app": name, "pod-template-hash": "849847f4cd"}
    selector = {"matchLabels": {"app": name}}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "nginx", "image": IMAGE}]}}
    deployment = _object("Deployment", f"d0000000-0000-4000-8000-{number:012}", name, namespace, {"app": name})
    yield "deployments", deployment | {"spec": {"replicas": PODS_EACH, "selector": selector, "template": template}}
    replica_set = _object(
        "ReplicaSet", f"e0000000-0000-4000-8000-{number:012}", f"{name}-849847f4cd", namespace, labels
    )
    replica_set["metadata"]["ownerReferences"] = [_owner(deployment)]
    yield "replicasets", replica_set | {"spec": {"replicas": PODS_EACH, "selector": {"matchLabels": labels}}}
    for place in range(PODS_EACH):
        uid = f"a{place:07}-0000-4000-8000-{number:012}"
        pod = _object("Pod", uid, f"{name}-849847f4cd-{place:05}", namespace, labels)
        pod["metadata"]["ownerReferences"] = [_owner(replica_set)]
        yield "pods", pod | {"spec": template["spec"], "status": {"phase": "Pending"}}


def _object(kind: str, uid: str, name: str, namespace: str, labels: dict[str, str]) -> Object:
    metadata = {"name": name, "namespace": namespace, "uid": uid, "labels": labels, "resourceVersion": "1"}
    return {"apiVersion": "v1" if kind == "Pod" else "apps/v1", "kind": kind, "metadata": metadata}


def _owner(owner: Object) -> Object:
    known = {key: owner["metadata"][key] for key in ("name", "uid")}
    return {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "controller": True, **known}


def frames(pods: list[Object], events: int) -> Iterator[bytes]:
    """The lines of a watch: every event once with count 1, then all of them with count 2, and so on."""
    series = [(pod, reason) for pod in pods for reason in REASONS]
    last = (datetime.now(UTC) + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")  # never history to whoever reads
    for number in range(events):
        pod, reason = series[number % len(series)]
        event = _event(pod["metadata"], reason, count=number // len(series) + 1, version=number + 2, last=last)
        kind = "ADDED" if number < len(series) else "MODIFIED"
        yield orjson.dumps({"type": kind, "object": event}, option=orjson.OPT_APPEND_NEWLINE)


def _event(pod: Object, reason: str, *, count: int, version: int, last: str) -> Object:
    managed = {
        "manager": "kubelet",
        "operation": "Update",
        "apiVersion": "v1",
        "time": last,
        "fieldsType": "FieldsV1",
        "fieldsV1": {name: {} for name in ("f:count", "f:message", "f:reason", "f:source", "f:type")},
    }
    return {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {
            "name": f"{pod['name']}.{reason.lower()}",
            "namespace": pod["namespace"],
            "uid": f"{reason.lower()}-{pod['uid']}",
            "resourceVersion": str(version),
            "creationTimestamp": last,
            "managedFields": [managed],
        },
        "involvedObject": {
            "kind": "Pod",
            "namespace": pod["namespace"],
            "name": pod["name"],
            "uid": pod["uid"],
            "apiVersion": "v1",
            "resourceVersion": "1",
            "fieldPath": "spec.containers{nginx}",
        },
        "reason": reason,
        "message": REASONS[reason],
        "source": {"component": "kubelet", "host": "node-1"},
        "firstTimestamp": last,
        "lastTimestamp": last,
        "count": count,
        "type": "Warning",
        "eventTime": None,
        "reportingComponent": "kubelet",
        "reportingInstance": "node-1",
    }


def encoded() -> tuple[dict[str, bytes], list[Object]]:
    """Every object and every list by its path, and the pods."""
    lists: dict[str, list[Object]] = defaultdict(list)
    pods: list[Object] = []
    for number in range(SUBJECTS):
        for plural, found in workload(number):
            group = "/api/v1" if plural == "pods" else "/apis/apps/v1"
            for path in (f"{group}/{plural}", f"{group}/namespaces/{found['metadata']['namespace']}/{plural}"):
                lists[path].append(found)
            if plural == "pods":
                pods.append(found)
    answers = {}
    for path, items in lists.items():
        answers[path] = orjson.dumps({"kind": "List", "metadata": {"resourceVersion": "1"}, "items": items})
        answers |= {
            f"{path}/{item['metadata']['name']}": orjson.dumps(item) for item in items if "/namespaces/" in path
        }
    return answers, pods


async def main(events: int) -> None:
    answers, pods = encoded()
    lines = list(frames(pods, events))
    chunks = [b"".join(lines[at : at + CHUNK_EVENTS]) for at in range(0, events, CHUNK_EVENTS)]

    async def answer(request: web.Request) -> web.StreamResponse:
        found = answers.get(request.path)
        if found is None:
            return web.json_response({"kind": "Status", "code": 404, "message": "there is none"}, status=404)
        return web.Response(body=found, content_type="application/json")

    async def watch(request: web.Request) -> web.StreamResponse:
        if request.query.get("watch", "").lower() not in ("true", "1"):
            empty: Object = {"kind": "EventList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}}
            return web.json_response({**empty, "items": []})
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        started = time.perf_counter()
        for number, chunk in enumerate(chunks):
            await response.write(chunk)
            ahead = started + (number + 1) * CHUNK_EVENTS / PER_SECOND - time.perf_counter()
            await asyncio.sleep(max(0.0, ahead))
        await asyncio.Event().wait()  # a watch stays open; the reader hangs up
        return response

    app = web.Application()
    app.router.add_get("/api/v1/events", watch)
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
