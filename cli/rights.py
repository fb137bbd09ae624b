"""Every right of ``deploy/rbac.yaml``, role by role: what ``doctor`` asks the API server for, and no other list.

A test holds the two together. What is needed, and what only makes the program do more than tell, are kept apart.
"""

from __future__ import annotations

from tools.cluster.own_objects import LEASE_NAME, Permission

_LOOK, _WATCH = ("get", "list"), ("get", "list", "watch")
_READ: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("", "events pods", _WATCH),
    ("", "pods/log", ("get",)),
    ("", "nodes services persistentvolumeclaims resourcequotas", _LOOK),
    ("", "configmaps serviceaccounts limitranges persistentvolumes", ("list",)),
    ("apps", "deployments replicasets statefulsets daemonsets", _WATCH),
    ("apps", "controllerrevisions", ("list",)),
    ("batch", "jobs cronjobs", _WATCH),
    ("autoscaling", "horizontalpodautoscalers", _LOOK),
    ("metrics.k8s.io", "pods", ("list",)),
    ("storage.k8s.io", "storageclasses", _LOOK),
    ("networking.k8s.io", "ingresses ingressclasses networkpolicies", _LOOK),
    ("policy", "poddisruptionbudgets", ("list",)),
    ("scheduling.k8s.io", "priorityclasses", ("list",)),
    ("node.k8s.io", "runtimeclasses", ("list",)),
    ("rbac.authorization.k8s.io", "roles rolebindings", ("list",)),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations mutatingwebhookconfigurations", _LOOK),
)
# Of programs that a cluster may not have.
_ARGO = (("argoproj.io", "applications", _LOOK),)
_VERTICAL = (("autoscaling.k8s.io", "verticalpodautoscalers", _LOOK),)
_REPAIR = (
    ("apps", "deployments statefulsets daemonsets", ("patch",)),
    ("batch", "cronjobs", ("patch",)),
    ("", "services", ("patch",)),
    ("autoscaling", "horizontalpodautoscalers", ("patch",)),
    ("networking.k8s.io", "ingresses", ("patch",)),
    ("", "pods", ("delete",)),
)
_MORE = (  # the roles anew, nodes and volumes
    ("", "pods", ("patch", "create")),
    ("batch", "jobs", ("create", "delete")),
    ("", "persistentvolumeclaims", ("create", "delete", "patch")),
    ("", "nodes", ("patch",)),
    ("", "pods/eviction", ("create",)),
)


def _each(rules: tuple[tuple[str, str, tuple[str, ...]], ...]) -> tuple[Permission, ...]:
    return tuple(
        Permission(verb, group, *resource.split("/"))
        for group, resources, verbs in rules
        for resource in resources.split()
        for verb in verbs
    )


READ = _each(_READ)
ARGO = _each(_ARGO)
VERTICAL = _each(_VERTICAL)
OWNERS = (*ARGO, *VERTICAL)
REPAIR = _each(_REPAIR)
MORE = _each(_MORE)
CLUSTER_ID = Permission("get", "", "namespaces", namespace="kube-system", name="kube-system")
SECRET_NAMES = Permission("list", "", "secrets")  # deploy/secret-keys.yaml, with the setting read_secret_keys


def lease(namespace: str) -> tuple[Permission, ...]:
    """Of the program's own Lease; a name cannot be asked for where one is created."""
    group, resource = "coordination.k8s.io", "leases"
    held = tuple(Permission(verb, group, resource, "", namespace, LEASE_NAME) for verb in ("get", "update"))
    return (*held, Permission("create", group, resource, "", namespace))
