"""What the server says of itself: version, API groups, resources (also all at once), and the OpenAPI documents.

Documents are made from the registry of kinds when they are asked for; those of OpenAPI are kept, as they are big.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from simulator.apiserver import openapi
from simulator.apiserver.aggregation import Aggregation
from simulator.apiserver.call import Answer
from simulator.apiserver.kind import Kind

_MINOR = "36"
GIT_VERSION = f"v1.{_MINOR}.0-embedded"
_INFO = {"title": "Kubernetes", "version": GIT_VERSION}
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
_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
Document = dict[str, Any]


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


def answers_any_method(path: str) -> bool:
    """Whether a document is shown whatever the method is: the real server does so of groups and of OpenAPI."""
    parts = [part for part in path.split("/") if part]
    return parts[:1] == ["openapi"] or (parts[:1] == ["apis"] and len(parts) < 3)


class Discovery:
    """`kinds` are those served now; they may change. `aggregation` adds what other servers serve, and the order."""

    def __init__(self, kinds: Callable[[], Sequence[Kind]], aggregation: Aggregation) -> None:
        self._kinds = kinds
        self._aggregation = aggregation
        self._openapi: dict[str, tuple[list[Kind], Document, str]] = {}

    def answer(self, path: str, accept: str, *, prefix: str = "") -> Answer | None:
        """What is at a path; None if nothing is. `prefix` goes in front of links."""
        parts = [part for part in path.split("/") if part]
        if parts in (["api"], ["apis"]) and _wants_all(accept):
            body = orjson.dumps(self._aggregated(core=parts == ["api"]))
            return Answer(body, content_type=_AGGREGATED, headers={"Vary": "Accept", "ETag": f'"{_digest(body)}"'})
        found = self._document(parts, prefix)
        return None if found is None else Answer.of(found)

    def _document(self, parts: list[str], prefix: str) -> Document | None:
        if parts == ["version"]:
            return dict(version())
        if parts == ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        if parts == ["apis"]:
            groups = [_group(name, versions) for name, versions in self._groups().items() if name]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        if parts[:1] == ["api"] and len(parts) == 2:
            return self._resources("", parts[1])
        if parts[:1] == ["apis"] and len(parts) == 2 and parts[1] in self._groups():
            return {"kind": "APIGroup", "apiVersion": "v1"} | _group(parts[1], self._groups()[parts[1]])
        if parts[:1] == ["apis"] and len(parts) == 3:
            return self._resources(parts[1], parts[2])
        if parts[:2] == ["openapi", "v3"]:
            return self._openapi_index(prefix) if len(parts) == 2 else self._openapi_of("/".join(parts[2:]))
        if parts == ["openapi", "v2"]:
            return openapi.version_two(self._kinds(), _INFO)
        return None

    def _groups(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for kind in self._kinds():
            versions = found.setdefault(kind.group, [])
            if kind.version not in versions:
                versions.append(kind.version)
        return self._aggregation.groups(found)

    def _served(self, group: str, version_name: str) -> list[Kind]:
        return [kind for kind in self._kinds() if (kind.group, kind.version) == (group, version_name)]

    def _resources(self, group: str, version_name: str) -> Document | None:
        kinds = self._served(group, version_name)
        if not kinds:
            return None
        listed: list[Document] = []
        for kind in sorted(kinds, key=lambda one: one.plural):
            listed.append(_resource(kind))
            listed += [_subresource(kind, name) for name in kind.subresources]
        return {"kind": "APIResourceList", "groupVersion": kinds[0].api_version, "resources": listed}

    def _aggregated(self, *, core: bool) -> Document:
        """Every group of one root with its versions and resources (apidiscovery.k8s.io/v2)."""
        items = []
        for group, versions in self._groups().items():
            if bool(group) is core:
                continue
            shown = [self._aggregation.version_shown(group, one) or self._version(group, one) for one in versions]
            items.append({"metadata": {"name": group} if group else {}, "versions": shown})
        head = {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}}
        return head | {"items": items}

    def _version(self, group: str, version_name: str) -> Document:
        kinds = sorted(self._served(group, version_name), key=lambda kind: kind.plural)
        return {"version": version_name, "resources": [_in_full(kind) for kind in kinds], "freshness": "Current"}

    def _openapi_index(self, prefix: str) -> Document:
        paths = {}
        for root in dict.fromkeys(openapi.root_of(kind) for kind in self._kinds()):
            paths[root] = {"serverRelativeURL": f"{prefix}/openapi/v3/{root}?hash={self._kept(root)[2]}"}
        return {"paths": paths}

    def _openapi_of(self, root: str) -> Document | None:
        return self._kept(root)[1] or None

    def _kept(self, root: str) -> tuple[list[Kind], Document, str]:
        """The kinds of a document when it was made, the document, its digest."""
        kinds = [kind for kind in self._kinds() if openapi.root_of(kind) == root]
        kept = self._openapi.get(root)
        if kept is None or kept[0] != kinds:
            document = openapi.version_document(root, kinds, _INFO) if kinds else {}
            kept = self._openapi[root] = (kinds, document, _digest(orjson.dumps(document)))
        return kept


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest().upper()


def _wants_all(accept: str) -> bool:
    """Whether the first media type that the client prefers is all of discovery in one document."""
    first = accept.split(",", 1)[0].replace(" ", "").split(";")
    return "as=APIGroupDiscoveryList" in first and "v=v2" in first and "g=apidiscovery.k8s.io" in first


def _group(name: str, versions: list[str]) -> Document:
    listed = [{"groupVersion": f"{name}/{one}", "version": one} for one in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _named(kind: Kind) -> Document:
    """Short names and categories, where there are any."""
    found: Document = {"shortNames": list(kind.short_names)} if kind.short_names else {}
    return found | ({"categories": list(kind.categories)} if kind.categories else {})


def _resource(kind: Kind) -> Document:
    entry: Document = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    return entry | _named(kind)


def _subresource(kind: Kind, name: str) -> Document:
    entry: Document = {
        "name": f"{kind.plural}/{name}",
        "singularName": "",
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": _SUBRESOURCE_VERBS.get(name, ["get", "patch", "update"]),
    }
    return entry | _FOREIGN_KINDS.get(name, {})


def _in_full(kind: Kind) -> Document:
    """One resource with its subresources, as aggregated discovery shows it."""
    entry: Document = {
        "resource": kind.plural,
        "responseKind": {"group": "", "version": "", "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
    }
    subresources = []
    for name in kind.subresources:
        shown = {"group": "", "version": "", "kind": kind.kind} | _FOREIGN_KINDS.get(name, {})
        verbs = _SUBRESOURCE_VERBS.get(name, ["get", "patch", "update"])
        subresources.append({"subresource": name, "responseKind": shown, "verbs": verbs})
    return entry | _named(kind) | ({"subresources": subresources} if subresources else {})
