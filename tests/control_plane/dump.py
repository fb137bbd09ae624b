"""Reads every object of a cluster, for a judge that compares before with after.

Owns: which kinds there are (discovery, so custom resources too) and the keys of the answer. Refuses to
choose: what does not matter to the judge, the judge leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Json = dict[str, Any]
Fetch = Callable[[str], Json]

# What discovery offers although it is nothing of its own: events under their second name, and a deprecated
# probe.
_NOT_OBJECTS = {("events.k8s.io", "events"), ("", "componentstatuses")}


def dump_objects(fetch: Fetch, namespace: str = "") -> dict[str, Json]:
    """Every listable object by `apps/v1/Deployment/NAMESPACE/NAME`; `v1/Node//NAME` without a namespace.

    With a ``namespace`` only what is in it. `fetch` answers a GET of a path with its JSON, and raises if it cannot.
    """
    return {
        _key(item): item
        for version, resource in _listable(fetch)
        if resource["namespaced"] or not namespace
        for item in _list(fetch, version, resource, namespace)
    }


def _key(item: Json) -> str:
    metadata = item["metadata"]
    return "/".join([item["apiVersion"], item["kind"], metadata.get("namespace", ""), metadata["name"]])


def _listable(fetch: Fetch) -> Iterator[tuple[str, Json]]:
    preferred = ((group["name"], group["preferredVersion"]["groupVersion"]) for group in fetch("/apis")["groups"])
    for group, version in [("", "v1"), *preferred]:
        for resource in fetch(_base(version))["resources"]:
            plural = resource["name"]
            if "list" in resource["verbs"] and "/" not in plural and (group, plural) not in _NOT_OBJECTS:
                yield version, resource


def _list(fetch: Fetch, version: str, resource: Json, namespace: str) -> Iterator[Json]:
    """The items of one kind; the list of a built-in kind leaves kind and apiVersion out of them."""
    place = f"namespaces/{namespace}/" if namespace else ""
    for item in fetch(f"{_base(version)}/{place}{resource['name']}").get("items") or []:
        yield {**item, "apiVersion": version, "kind": resource["kind"]}


def _base(group_version: str) -> str:
    return f"/apis/{group_version}" if "/" in group_version else f"/api/{group_version}"
