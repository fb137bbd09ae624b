"""The small client that checks speak through: requests, watches, kubectl and patience. It hides nothing.

A resource is named by its plural; `at` knows the group. What is not in a namespace is written as a path.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from .sides import Side, SideName

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.03
_GROUPS = {
    "apps/v1": ("deployments", "replicasets", "statefulsets", "daemonsets", "controllerrevisions"),
    "batch/v1": ("jobs", "cronjobs"),
    "autoscaling/v2": ("horizontalpodautoscalers",),
    "policy/v1": ("poddisruptionbudgets",),
    "networking.k8s.io/v1": ("ingresses", "networkpolicies"),
    "coordination.k8s.io/v1": ("leases",),
    "discovery.k8s.io/v1": ("endpointslices",),
    "autoscaling/v1": ("horizontalpodautoscalers.v1",),
    "rbac.authorization.k8s.io/v1": ("roles", "rolebindings"),
    "events.k8s.io/v1": ("events.events.k8s.io",),
}
_GROUP_OF = {plural: group for group, plurals in _GROUPS.items() for plural in plurals}
T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """What the server said. `body` is the parsed JSON, or the text of anything else."""

    code: int
    headers: Mapping[str, str]
    body: Any

    def ok(self) -> Any:
        """The body of a success; fails the check with the server's words otherwise."""
        assert 200 <= self.code < 300, f"{self.code}: {self.body}"
        return self.body

    @property
    def warnings(self) -> str:
        return self.headers.get("warning", "")


class Api:
    """A side, seen from one fresh namespace."""

    def __init__(self, side: Side, namespace: str) -> None:
        self._side = side
        self.namespace = namespace

    @property
    def side(self) -> SideName:
        return self._side.name

    # --- requests ---

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content_type: str = JSON,
        query: Mapping[str, str] | None = None,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request; a body that is text or bytes goes out as it is. The administrator's, unless `token` is given."""
        sent = {"Content-Type": content_type, **(headers or {})}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        raw = body if body is None or isinstance(body, bytes | str) else json.dumps(body)
        found = self._side.http.request(method, path, content=raw, params=query, headers=sent)
        is_json = found.headers.get("content-type", "").startswith(JSON)
        return Answer(found.status_code, found.headers, found.json() if is_json else found.text)

    def at(self, resource: str, name: str = "", subresource: str = "", *, namespace: str | None = None) -> str:
        """The path of a resource, an object or its subresource, in this namespace."""
        group = _GROUP_OF.get(resource, "v1")
        root = f"/api/{group}" if group == "v1" else f"/apis/{group}"
        parts = ["namespaces", namespace or self.namespace, resource.partition(".")[0], name, subresource]
        return "/".join([root, *(part for part in parts if part)])

    def get(self, resource: str, name: str = "", subresource: str = "", **query: str) -> Answer:
        return self.request("GET", self.at(resource, name, subresource), query=query)

    def create(self, resource: str, body: object, **query: str) -> Answer:
        return self.request("POST", self.at(resource), body, query=query)

    def update(self, resource: str, body: Any, subresource: str = "", **query: str) -> Answer:
        return self.request("PUT", self.at(resource, body["metadata"]["name"], subresource), body, query=query)

    def patch(self, resource: str, name: str, body: object, content_type: str = MERGE, **query: str) -> Answer:
        return self.request("PATCH", self.at(resource, name), body, content_type=content_type, query=query)

    def apply(self, resource: str, body: Any, *, manager: str = "one", **query: str) -> Answer:
        """Server-side apply; kind and apiVersion have to be in the body."""
        path = self.at(resource, body["metadata"]["name"])
        return self.request("PATCH", path, body, content_type=APPLY, query={"fieldManager": manager, **query})

    def delete(self, resource: str, name: str = "", body: object = None, **query: str) -> Answer:
        return self.request("DELETE", self.at(resource, name), body, query=query)

    # --- watching and waiting ---

    @contextmanager
    def watching(self, path: str, **query: str) -> Iterator[Iterator[Any]]:
        """An open watch: an iterator over its events, which ends when the server ends the watch."""
        sent = {"watch": "true", "timeoutSeconds": "20", **query}
        with self._side.http.stream("GET", path, params=sent) as answer:
            assert answer.status_code == 200, answer.read()
            yield (json.loads(line) for line in answer.iter_lines())

    def watch(self, path: str, count: int | None = None, **query: str) -> list[Any]:
        """The first `count` events of a watch, or all until the server ends it."""
        found = []
        with self.watching(path, **query) as events:
            for event in events:
                found.append(event)
                if len(found) == count:
                    break
        return found

    def eventually(self, look: Callable[[], T | None], *, seconds: float = PATIENCE_SECONDS) -> T:
        """What `look` returns once that is true; fails the check, with the last answer, when time is up."""
        deadline = time.monotonic() + seconds
        while True:
            found = look()
            if found:
                return found
            assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain; last seen: {found!r}"
            time.sleep(_POLL_SECONDS)

    def events_about(self, name: str, reason: str | None = None) -> list[Any]:
        """The events about an object, oldest first as listed."""
        selector = f"involvedObject.name={name}" + (f",reason={reason}" if reason else "")
        found: list[Any] = self.get("events", fieldSelector=selector).ok()["items"]
        return found

    # --- what is beyond HTTP ---

    def forget_history(self) -> None:
        """Afterwards the first versions of the cluster can be watched from no more."""
        self._side.forget_history()

    def kubectl_flags(self) -> list[str]:
        """Where kubectl finds this side and this namespace."""
        side = self._side
        return [f"--kubeconfig={side.kubeconfig}", f"--cache-dir={side.cache}", f"--namespace={self.namespace}"]
