"""What the server says of itself: version, API groups, resources, and the OpenAPI documents that
kubectl asks for.

The OpenAPI documents list paths and parameters only: enough for kubectl to leave validation to the
server and to make its patches from the types it was built with. Schemas (and with them `kubectl
explain`) are not there.
"""

import hashlib
from typing import Any

import orjson

from simulator.apiserver.kinds import KINDS, Kind

_MINOR = "36"
GIT_VERSION = f"v1.{_MINOR}.0-embedded"
_SCALE_OF = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
_FOREIGN_KINDS: dict[str, dict[str, str]] = {
    "scale": _SCALE_OF,
    "eviction": {"group": "policy", "version": "v1", "kind": "Eviction"},
    "token": {"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest"},
    "binding": {"kind": "Binding"},
}
_SUBRESOURCE_VERBS = {
    "log": ["get"],
    "binding": ["create"],
    "eviction": ["create"],
    "token": ["create"],
    "finalize": ["update"],
}
_PATCH_TYPES = ("application/json-patch+json", "application/merge-patch+json")
_WRITE_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation")


def version() -> dict[str, str]:
    return {
        "major": "1",
        "minor": _MINOR,
        "gitVersion": GIT_VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "embedded",
    }


def _groups() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for kind in KINDS:
        versions = found.setdefault(kind.group, [])
        if kind.version not in versions:
            versions.append(kind.version)
    return found


def _group(name: str, versions: list[str]) -> dict[str, Any]:
    listed = [{"groupVersion": f"{name}/{one}", "version": one} for one in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _resources(group: str, version_name: str) -> dict[str, Any] | None:
    kinds = [kind for kind in KINDS if (kind.group, kind.version) == (group, version_name)]
    if not kinds:
        return None
    listed: list[dict[str, Any]] = []
    for kind in kinds:
        listed.append(_resource(kind))
        listed += [_subresource(kind, name) for name in kind.subresources]
    return {"kind": "APIResourceList", "groupVersion": kinds[0].api_version, "resources": listed}


def _resource(kind: Kind) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    return entry


def _subresource(kind: Kind, name: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": f"{kind.plural}/{name}",
        "singularName": "",
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": _SUBRESOURCE_VERBS.get(name, ["get", "patch", "update"]),
    }
    return entry | _FOREIGN_KINDS.get(name, {})


def document(path: str, *, prefix: str = "") -> dict[str, Any] | None:
    """The discovery document at a path; None if there is none. `prefix` goes in front of links."""
    parts = [part for part in path.split("/") if part]
    if parts == ["version"]:
        return dict(version())
    if parts == ["api"]:
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    if parts == ["apis"]:
        groups = [_group(name, versions) for name, versions in _groups().items() if name]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    if parts[:1] == ["api"] and len(parts) == 2:
        return _resources("", parts[1])
    if parts[:1] == ["apis"] and len(parts) == 2 and parts[1] in _groups():
        return {"kind": "APIGroup", "apiVersion": "v1"} | _group(parts[1], _groups()[parts[1]])
    if parts[:1] == ["apis"] and len(parts) == 3:
        return _resources(parts[1], parts[2])
    if parts[:2] == ["openapi", "v3"]:
        return _openapi_index(prefix) if len(parts) == 2 else _openapi("/".join(parts[2:]))
    if parts == ["openapi", "v2"]:
        return {"swagger": "2.0", "info": {"title": "Kubernetes", "version": GIT_VERSION}, "paths": {}}
    return None


def _openapi_root(kind: Kind) -> str:
    return f"apis/{kind.api_version}" if kind.group else f"api/{kind.version}"


def _openapi_index(prefix: str) -> dict[str, Any]:
    paths = {}
    for root in dict.fromkeys(_openapi_root(kind) for kind in KINDS):
        digest = hashlib.sha256(orjson.dumps(_openapi(root))).hexdigest().upper()
        paths[root] = {"serverRelativeURL": f"{prefix}/openapi/v3/{root}?hash={digest}"}
    return {"paths": paths}


def _openapi(root: str) -> dict[str, Any] | None:
    kinds = [kind for kind in KINDS if _openapi_root(kind) == root]
    if not kinds:
        return None
    paths: dict[str, Any] = {}
    for kind in kinds:
        space = "/namespaces/{namespace}" if kind.namespaced else ""
        base = f"/{root}{space}/{kind.plural}"
        paths[base] = {"post": _operation(kind, "post")}
        if not kind.virtual:
            paths[f"{base}/{{name}}"] = {verb: _operation(kind, verb) for verb in ("put", "patch", "delete")}
    info = {"title": "Kubernetes", "version": GIT_VERSION}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}}


def _operation(kind: Kind, verb: str) -> dict[str, Any]:
    gvk = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    operation: dict[str, Any] = {
        "x-kubernetes-group-version-kind": gvk,
        "parameters": [
            {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
            for name in _WRITE_PARAMETERS
        ],
        "responses": {"200": {"description": "OK"}},
    }
    if verb == "patch":
        operation["requestBody"] = {"content": {one: {"schema": {"type": "object"}} for one in _PATCH_TYPES}}
    return operation
