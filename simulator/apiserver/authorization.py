"""What a request wants to do, and the refusal of one that may not.

A path is read by its form alone, before anybody asks whether it is served: somebody without rights learns
nothing of what there is. As `RequestInfoFactory` and `responsewriters.Forbidden` of k8s.io/apiserver do.
"""

from collections.abc import Mapping
from dataclasses import replace

from simulator.apiserver.authentication import Identity
from simulator.apiserver.paths import is_true, watch_path
from simulator.apiserver.rbac import Attributes, Decision
from simulator.apiserver.status_errors import StatusError

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get", "HEAD": "get"}
_NAMESPACE_SUBRESOURCES = ("status", "finalize")
_BY_NAME = "metadata.name="


def attributes(method: str, path: str, query: Mapping[str, str]) -> Attributes:
    """What a request asks for."""
    if (watched := watch_path(path)) != path:
        asked = attributes(method, watched, query)
        return replace(asked, verb="watch") if method in ("GET", "HEAD") else asked
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) > 2:
        return _of_resource(method, "", parts[2:], query)
    if parts[:1] == ["apis"] and len(parts) > 3:
        return _of_resource(method, parts[1], parts[3:], query)
    verb = {"GET": "get", "HEAD": "head"}.get(method, method.lower())
    return Attributes(verb, path=path)


def _of_resource(method: str, group: str, parts: list[str], query: Mapping[str, str]) -> Attributes:
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        if len(parts) > 2 and parts[2] not in _NAMESPACE_SUBRESOURCES:
            parts = parts[2:]
    resource, name, subresource = [*parts, "", ""][:3]
    verb = _VERBS.get(method, method.lower())
    if not name and verb == "get":
        verb = "watch" if is_true(query.get("watch")) else "list"
        name = _selected_name(query)
    elif not name and verb == "delete":
        verb = "deletecollection"
    return Attributes(verb, group, resource, subresource, name, namespace)


def _selected_name(query: Mapping[str, str]) -> str:
    """A list that selects one name is a request about that object."""
    terms = query.get("fieldSelector", "").split(",")
    return next((term.removeprefix(_BY_NAME) for term in terms if term.startswith(_BY_NAME)), "")


def forbidden(who: Identity, wanted: Attributes, decision: Decision) -> StatusError:
    """403 in the real server's words."""
    if wanted.path:
        text = f'forbidden: User "{who.name}" cannot {wanted.verb} path "{wanted.path}"'
        return StatusError(403, "Forbidden", _because(text, decision), details={})
    place = f'in the namespace "{wanted.namespace}"' if wanted.namespace else "at the cluster scope"
    qualified = f"{wanted.resource}.{wanted.group}" if wanted.group else wanted.resource
    about = f'{qualified} "{wanted.name}"' if wanted.name else qualified
    text = (
        f'{about} is forbidden: User "{who.name}" cannot {wanted.verb} resource "{wanted.whole_resource}" '
        f'in API group "{wanted.group}" {place}'
    )
    details = {"name": wanted.name, "group": wanted.group, "kind": wanted.resource}
    found = {key: value for key, value in details.items() if value}
    return StatusError(403, "Forbidden", _because(text, decision), details=found)


def _because(text: str, decision: Decision) -> str:
    return f"{text}: {decision.reason}" if decision.reason else text
