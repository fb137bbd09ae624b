"""In which order groups and versions are shown, and what discovery says of versions that others serve.

Pure. The order is that of the registrations' priorities (`SortedByGroupAndVersion` of kube-aggregator, Kubernetes
v1.36); `apiregistration.k8s.io`, which has no registration of its own, comes first.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from simulator.apiserver.objects import Object

Document = dict[str, Any]
_FIRST = "apiregistration.k8s.io"
_OF_RESOURCE = ("shortNames", "categories")


def ordered_groups(served: Mapping[str, list[str]], registrations: Iterable[Object]) -> dict[str, list[str]]:
    """Groups with their versions, those served here and those passed on, as discovery lists them.

    A local version counts only while it is served; what is served without a registration comes last.
    """
    specs = [one["spec"] for one in registrations]
    priorities: dict[str, int] = {}
    for spec in specs:
        group = spec.get("group") or ""
        priorities[group] = max(priorities.get(group, 0), spec["groupPriorityMinimum"])
    found = {group: list(served[group]) for group in (_FIRST,) if group in served}
    for group in sorted(priorities, key=lambda one: (-priorities[one], one)):
        mine = [spec for spec in specs if (spec.get("group") or "") == group]
        mine.sort(key=lambda spec: (spec["versionPriority"], *_age(spec["version"])), reverse=True)
        here = served.get(group, [])
        versions = [one["version"] for one in mine if one.get("service") is not None or one["version"] in here]
        versions += [version for version in here if version not in versions]
        if versions:
            found[group] = versions
    return found | {group: versions for group, versions in served.items() if group not in found}


def _age(version: str) -> tuple[int, int, int]:
    """v2 before v1 before v1beta2 before v1alpha1, as Kubernetes orders versions."""
    match = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", version)
    if match is None:
        return 0, 0, 0
    return {"alpha": 1, "beta": 2, None: 3}[match[2]], int(match[1]), int(match[3] or 0)


def version_shown(version: str, resources: list[Document] | None, *, fresh: bool) -> Document:
    """One version as aggregated discovery shows it. `resources` are those of its APIResourceList, None if unknown."""
    shown: Document = {"version": version}
    if resources:
        shown["resources"] = [_in_full(one, resources) for one in resources if "/" not in one["name"]]
    return shown | {"freshness": "Current" if fresh else "Stale"}


def _in_full(resource: Document, all_resources: list[Document]) -> Document:
    entry: Document = {
        "resource": resource["name"],
        "responseKind": _kind(resource),
        "scope": "Namespaced" if resource.get("namespaced") else "Cluster",
        "singularResource": resource.get("singularName", ""),
        "verbs": resource.get("verbs") or [],
    }
    entry |= {key: resource[key] for key in _OF_RESOURCE if resource.get(key)}
    prefix = f"{resource['name']}/"
    subresources = [
        {
            "subresource": one["name"].removeprefix(prefix),
            "responseKind": _kind(one),
            "verbs": one.get("verbs") or [],
        }
        for one in all_resources
        if one["name"].startswith(prefix)
    ]
    return entry | ({"subresources": subresources} if subresources else {})


def _kind(resource: Document) -> Document:
    return {key: resource.get(key, "") for key in ("group", "version", "kind")}


def listed_resources(body: Any) -> list[Document] | None:
    """The entries of an APIResourceList that another server has sent; None if it is not one."""
    if not isinstance(body, dict) or body.get("kind") != "APIResourceList":
        return None
    entries = [] if body.get("resources") is None else body["resources"]
    if not isinstance(entries, list):
        return None
    return [one for one in entries if isinstance(one, dict) and isinstance(one.get("name"), str)]
