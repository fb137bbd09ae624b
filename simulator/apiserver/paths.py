"""What a URL path names: a kind, perhaps a namespace, an object, a subresource; and the verb that the
method makes of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from simulator.apiserver import status_errors
from simulator.apiserver.kinds import BUILT_IN, NAMESPACE, Kind, Registry

_VERBS = {
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
    "GET": "get",
    "HEAD": "get",
}


@dataclass(frozen=True)
class Target:
    """The resource a request is about. An empty namespace of a namespaced kind means all of them.

    `watched` says that the path itself asks for a watch, as `/api/v1/watch/pods` does.
    """

    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    watched: bool = False

    @classmethod
    def parse(cls, path: str, registry: Registry = BUILT_IN) -> "Target":
        """Raises StatusError 404 for a path that names nothing served here."""
        parts = [part for part in path.split("/") if part]
        if (old := watch_path(path)) != path:
            target = cls.parse(old, registry)
            if target.subresource:
                raise status_errors.no_such_resource()
            return replace(target, watched=True)
        if parts[:1] == ["api"] and len(parts) > 2:
            return _resource(registry, "", parts[1], parts[2:])
        if parts[:1] == ["apis"] and len(parts) > 3:
            if not registry.has_group(parts[1]):
                raise status_errors.NoSuchPath
            return _resource(registry, parts[1], parts[2], parts[3:])
        if parts[:1] == ["api"] or (parts[:1] == ["apis"] and registry.has_group(parts[1] if len(parts) > 1 else "")):
            raise status_errors.no_such_resource()
        raise status_errors.NoSuchPath

    def verb(self, method: str, query: Mapping[str, str]) -> str:
        """The Kubernetes verb, as audit logs and discovery name it."""
        if self.watched and method in ("GET", "HEAD"):
            return "watch"
        if method in ("GET", "HEAD") and not self.name:
            return "watch" if is_true(query.get("watch")) else "list"
        if method == "DELETE" and not self.name:
            return "deletecollection"
        return _VERBS.get(method, method.lower())


def watch_path(path: str) -> str:
    """The path of what an old watch path watches; any other path as it is."""
    parts = path.split("/")
    place = {"api": 3, "apis": 4}.get(parts[1] if len(parts) > 1 else "", 0)
    if place and parts[place : place + 1] == ["watch"] and len(parts) > place + 1:
        return "/".join(parts[:place] + parts[place + 1 :])
    return path


def _resource(registry: Registry, group: str, version: str, parts: list[str]) -> Target:
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2 and parts[2] not in NAMESPACE.subresources:
        namespace, parts = parts[1], parts[2:]
    kind = registry.find(group, version, parts[0])
    name, subresource = [*parts[1:], "", ""][:2]
    known = kind is not None and (not namespace or kind.namespaced) and len(parts) <= 3
    if kind is None or not known or (subresource and subresource not in kind.subresources):
        raise status_errors.no_such_resource()
    if kind.namespaced and name and not namespace:
        raise status_errors.no_such_resource()
    return Target(kind, namespace, name, subresource)


def is_true(text: str | None) -> bool:
    """As the API server reads a boolean of a query."""
    return text in ("1", "true", "True", "TRUE", "t")
