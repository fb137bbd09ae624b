"""What every cluster starts with: the four system namespaces, the Service `kubernetes`, two
priority classes, and with RBAC the first roles.

The roles and bindings in `access.json` are those of a real API server (`tests.control_plane.access` takes them).
"""

from pathlib import Path
from typing import Any

import orjson

from simulator.apiserver.handlers import Handlers
from simulator.apiserver.kinds import NAMESPACE, SERVICE, Kind, find
from simulator.apiserver.objects import Object

NAMESPACES = ("kube-system", "default", "kube-public", "kube-node-lease")
_PRIORITIES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
_ACCESS = Path(__file__).with_name("access.json")
_KUBERNETES: Object = {
    "kind": "Service",
    "apiVersion": "v1",
    "metadata": {
        "name": "kubernetes",
        "namespace": "default",
        "labels": {"component": "apiserver", "provider": "kubernetes"},
    },
    "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443, "targetPort": 6443}]},
}


async def create_first_objects(handlers: Handlers) -> None:
    """The uid of the namespace kube-system, made here, is the cluster's id."""
    for name in NAMESPACES:
        body: Object = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}}
        await handlers.create_object(NAMESPACE, body, dry_run=False)
    service = {**_KUBERNETES, "metadata": dict(_KUBERNETES["metadata"]), "spec": dict(_KUBERNETES["spec"])}
    await handlers.create_object(SERVICE, service, dry_run=False)
    for name, value in _PRIORITIES.items():
        meta = {"name": name}
        body = {"kind": "PriorityClass", "apiVersion": "scheduling.k8s.io/v1", "metadata": meta, "value": value}
        await handlers.create_object(_built_in("scheduling.k8s.io", "priorityclasses"), body, dry_run=False)


async def create_first_roles(handlers: Handlers) -> None:
    """The roles for users, discovery, scheduler and kubelet."""
    roles: list[Any] = orjson.loads(_ACCESS.read_bytes())
    for role in roles:
        await handlers.create_object(_of_access(f"{role['kind'].lower()}s"), role, dry_run=False)


async def bind_user(handlers: Handlers, role: str, user: str) -> None:
    """Gives a part of the cluster itself the rights of a ClusterRole."""
    body: Object = {
        "kind": "ClusterRoleBinding",
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "metadata": {"name": f"embedded:{user}:{role}"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }
    await handlers.create_object(_of_access("clusterrolebindings"), body, dry_run=False)


def _of_access(plural: str) -> Kind:
    return _built_in("rbac.authorization.k8s.io", plural)


def _built_in(group: str, plural: str) -> Kind:
    kind = find(group, "v1", plural)
    if kind is None:
        raise LookupError(f"{plural} are not served")
    return kind
