"""What a URL path names: a kind, perhaps a namespace, an object, a subresource; and the verb that the
method makes of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

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
    """The resource a request is about. An empty namespace of a namespaced kind means all of them."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @classmethod
    def parse(cls, path: str, registry: Registry = BUILT_IN) -> "Target":
        """Raises StatusError 404 for a path that names nothing served here."""
        parts = [part for part in path.split("/") if part]
        if parts[:1] == ["api"] and len(parts) > 2:
            return _resource(registry, "", parts[1], parts[2:])
        if parts[:1] == ["apis"] and len(parts) > 3:
            return _resource(registry, parts[1], parts[2], parts[3:])
        raise status_errors.no_such_resource()

    def verb(self, method: str, query: Mapping[str, str]) -> str:
        """The Kubernetes verb, as audit logs and discovery name it."""
        if method in ("GET", "HEAD") and not self.name:
            return "watch" if is_true(query.get("watch")) else "list"
        if method == "DELETE" and not self.name:
            return "deletecollection"
        return _VERBS.get(method, method.lower())


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
