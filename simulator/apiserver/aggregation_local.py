"""The APIServices of what this server serves itself: one for each version of a built-in group, and one for each
version that a CustomResourceDefinition serves.

Priorities are those that a kube-apiserver v1.36 gives its own groups. Like there, a registration of a built-in group
that somebody deletes stays away until the next start, one of a custom kind comes and goes with its definition.
"""

from collections.abc import Iterable

from simulator.apiserver.delete_options import DeleteOptions
from simulator.apiserver.kinds import KINDS, Kind, find
from simulator.apiserver.objects import Object, metadata, name_of
from simulator.apiserver.resources import Resources
from simulator.apiserver.store import Store

GROUP = "apiregistration.k8s.io"
MANAGED = "kube-aggregator.kubernetes.io/automanaged"
_AT_START, _ALWAYS = "onstart", "true"
_CUSTOM_PRIORITIES = (1000, 100)
_OTHER_PRIORITIES = (16_000, 15)
_GROUP_PRIORITIES = {
    "": 18_000,
    "apps": 17_800,
    "events.k8s.io": 17_750,
    "authentication.k8s.io": 17_700,
    "authorization.k8s.io": 17_600,
    "autoscaling": 17_500,
    "batch": 17_400,
    "certificates.k8s.io": 17_300,
    "networking.k8s.io": 17_200,
    "policy": 17_100,
    "rbac.authorization.k8s.io": 17_000,
    "storage.k8s.io": 16_800,
    "admissionregistration.k8s.io": 16_700,
    "apiextensions.k8s.io": 16_700,
    "scheduling.k8s.io": 16_600,
    "coordination.k8s.io": 16_500,
    "node.k8s.io": 16_300,
    "discovery.k8s.io": 16_200,
    "resource.k8s.io": 16_200,
    "flowcontrol.apiserver.k8s.io": 16_100,
}
_VERSION_PRIORITIES = {
    "v1.": 1,
    "v1.flowcontrol.apiserver.k8s.io": 21,
    "v1.resource.k8s.io": 21,
    "v2.autoscaling": 30,
}


def api_service_kind() -> Kind:
    """The kind of the registrations themselves."""
    kind = find(GROUP, "v1", "apiservices")
    if kind is None:
        raise LookupError("apiservices are not served")
    return kind


class LocalRegistrations:
    """Makes and removes the registrations of this server's own versions."""

    def __init__(self, store: Store, resources: Resources) -> None:
        self._kind = api_service_kind()
        self._store = store
        self._resources = resources

    def create_built_in(self) -> None:
        """The registrations of the built-in groups; for a store that has none."""
        for group, version in dict.fromkeys((kind.group, kind.version) for kind in KINDS):
            if group != GROUP:
                name = f"{version}.{group}"
                priority = _GROUP_PRIORITIES.get(group, _OTHER_PRIORITIES[0])
                priorities = (priority, _VERSION_PRIORITIES.get(name, _OTHER_PRIORITIES[1]))
                self._create(group, version, priorities, _AT_START)

    def follow(self, custom: Iterable[Kind]) -> None:
        """Brings the registrations of custom kinds in step with the custom kinds that are served now."""
        wanted = {f"{kind.version}.{kind.group}": kind for kind in custom}
        standing = {name_of(stored.body): stored.body for stored in self._store.of(self._kind).all()}
        for name, body in standing.items():
            if name not in wanted and (metadata(body).get("labels") or {}).get(MANAGED) == _ALWAYS:
                self._resources.delete(self._kind, body, DeleteOptions())
        for name, kind in wanted.items():
            if name not in standing:
                self._create(kind.group, kind.version, _CUSTOM_PRIORITIES, _ALWAYS)

    def _create(self, group: str, version: str, priorities: tuple[int, int], managed: str) -> None:
        spec = {"version": version, "groupPriorityMinimum": priorities[0], "versionPriority": priorities[1]}
        body: Object = {
            "kind": "APIService",
            "apiVersion": f"{GROUP}/v1",
            "metadata": {"name": f"{version}.{group}", "labels": {MANAGED: managed}},
            "spec": ({"group": group} if group else {}) | spec,
        }
        self._resources.create(self._kind, body, dry_run=False)
