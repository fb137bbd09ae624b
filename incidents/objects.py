"""References to Kubernetes objects, and the few kinds the program knows by name.

A manifest stays what the API server sent: a plain JSON mapping. Typed models would drop fields they do not
know, and one odd object would fail a whole list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NewType

import msgspec

Uid = NewType("Uid", str)
ClusterId = NewType("ClusterId", str)
IncidentId = NewType("IncidentId", str)
ChangeId = NewType("ChangeId", str)
Manifest = Mapping[str, Any]


class Kind(msgspec.Struct, frozen=True):
    """One kind of the Kubernetes API: where its objects live in the URL space."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str = "", name: str = "", *, subresource: str = "") -> str:
        """The URL path of a collection (no name) or of one object."""
        root = f"/api/{self.api_version}" if "/" not in self.api_version else f"/apis/{self.api_version}"
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        tail = "".join(f"/{part}" for part in (self.plural, name, subresource) if part)
        return root + scope + tail


POD = Kind("v1", "Pod", "pods")
EVENT = Kind("v1", "Event", "events")
NODE = Kind("v1", "Node", "nodes", namespaced=False)
NAMESPACE = Kind("v1", "Namespace", "namespaces", namespaced=False)
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
REPLICA_SET = Kind("apps/v1", "ReplicaSet", "replicasets")
STATEFUL_SET = Kind("apps/v1", "StatefulSet", "statefulsets")
DAEMON_SET = Kind("apps/v1", "DaemonSet", "daemonsets")
CONTROLLER_REVISION = Kind("apps/v1", "ControllerRevision", "controllerrevisions")
JOB = Kind("batch/v1", "Job", "jobs")
CRON_JOB = Kind("batch/v1", "CronJob", "cronjobs")
SERVICE = Kind("v1", "Service", "services")
CLAIM = Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
QUOTA = Kind("v1", "ResourceQuota", "resourcequotas")
AUTOSCALER = Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
STORAGE_CLASS = Kind("storage.k8s.io/v1", "StorageClass", "storageclasses", namespaced=False)
VALIDATING_WEBHOOK = Kind(
    "admissionregistration.k8s.io/v1",
    "ValidatingWebhookConfiguration",
    "validatingwebhookconfigurations",
    namespaced=False,
)
MUTATING_WEBHOOK = Kind(
    "admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", namespaced=False
)
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
SECRET = Kind("v1", "Secret", "secrets")
SERVICE_ACCOUNT = Kind("v1", "ServiceAccount", "serviceaccounts")
LIMIT_RANGE = Kind("v1", "LimitRange", "limitranges")
VOLUME = Kind("v1", "PersistentVolume", "persistentvolumes", namespaced=False)
INGRESS = Kind("networking.k8s.io/v1", "Ingress", "ingresses")
INGRESS_CLASS = Kind("networking.k8s.io/v1", "IngressClass", "ingressclasses", namespaced=False)
NETWORK_POLICY = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
DISRUPTION_BUDGET = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
PRIORITY_CLASS = Kind("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", namespaced=False)
RUNTIME_CLASS = Kind("node.k8s.io/v1", "RuntimeClass", "runtimeclasses", namespaced=False)
ROLE = Kind("rbac.authorization.k8s.io/v1", "Role", "roles")
ROLE_BINDING = Kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings")
POD_METRICS = Kind("metrics.k8s.io/v1beta1", "PodMetrics", "pods")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")
ACCESS_REVIEW = Kind("authorization.k8s.io/v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False)

KINDS: Mapping[tuple[str, str], Kind] = {
    (kind.api_version, kind.kind): kind
    for kind in (
        POD,
        EVENT,
        NODE,
        NAMESPACE,
        DEPLOYMENT,
        REPLICA_SET,
        STATEFUL_SET,
        DAEMON_SET,
        JOB,
        CRON_JOB,
        LEASE,
        SERVICE,
        CLAIM,
        QUOTA,
        AUTOSCALER,
        STORAGE_CLASS,
        INGRESS,
        INGRESS_CLASS,
        VALIDATING_WEBHOOK,
        MUTATING_WEBHOOK,
        SERVICE_ACCOUNT,
    )
}
WORKLOADS: Mapping[str, Kind] = {kind.kind: kind for kind in (DEPLOYMENT, STATEFUL_SET, DAEMON_SET, CRON_JOB, JOB, POD)}
TEMPLATED = ("Deployment", "StatefulSet", "DaemonSet", "CronJob")  # those whose pod template may be changed in place
# What can be an incident's subject without being a workload.
AROUND_WORKLOADS: Mapping[str, Kind] = {
    kind.kind: kind
    for kind in (SERVICE, CLAIM, AUTOSCALER, NODE, QUOTA, STORAGE_CLASS, VALIDATING_WEBHOOK, MUTATING_WEBHOOK, INGRESS)
}


# What a playbook may ask to have listed beside the subject: never read because an event or a reference names one.
LISTED: Mapping[str, Kind] = {
    kind.kind: kind
    for kind in (
        CONFIG_MAP,
        SECRET,
        SERVICE_ACCOUNT,
        LIMIT_RANGE,
        QUOTA,
        CLAIM,
        VOLUME,
        STORAGE_CLASS,
        SERVICE,
        INGRESS,
        INGRESS_CLASS,
        NETWORK_POLICY,
        DISRUPTION_BUDGET,
        PRIORITY_CLASS,
        RUNTIME_CLASS,
        ROLE,
        ROLE_BINDING,
        AUTOSCALER,
        NODE,
        POD,
        DEPLOYMENT,
        STATEFUL_SET,
        DAEMON_SET,
        JOB,
        CRON_JOB,
    )
}


TLS_KEYS = ("tls.crt", "tls.key")  # of a Secret of type kubernetes.io/tls (pkg/apis/core/types.go)
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


def is_name(text: object) -> bool:
    """Whether it can be the name of an object (an RFC 1123 subdomain): no slash, no dots alone."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


class ObjectRef(msgspec.Struct, frozen=True, kw_only=True):
    """One object, by name and by uid: a name alone may have been given to something else since."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: Uid

    @property
    def known_kind(self) -> Kind | None:
        """The kind's URL facts, or None for a kind the program does not know. Any version of an autoscaler is one."""
        group = self.api_version.partition("/")[0]
        if self.kind == AUTOSCALER.kind and group == "autoscaling":
            return AUTOSCALER
        return KINDS.get((self.api_version, self.kind))

    def __str__(self) -> str:
        return named(self.kind, self.name, self.namespace)


def named(kind: str, name: str, namespace: str) -> str:
    """An object in words; one of the whole cluster is in no namespace."""
    return f"{kind.lower()}/{name} in {namespace}" if namespace else f"{kind.lower()}/{name}"


def reference(manifest: Manifest) -> ObjectRef:
    """The reference of an object as the API server sent it."""
    metadata = manifest.get("metadata", {})
    return ObjectRef(
        api_version=manifest.get("apiVersion", ""),
        kind=manifest.get("kind", ""),
        namespace=metadata.get("namespace", ""),
        name=metadata.get("name", ""),
        uid=Uid(metadata.get("uid", "")),
    )


def controller_of(manifest: Manifest) -> Manifest | None:
    """The owner reference that is marked as the controller, if there is one."""
    owners = manifest.get("metadata", {}).get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), None)


def selects(selector: Manifest | None, labels: Manifest | None) -> bool:
    """Whether a ``LabelSelector`` matches labels. A missing or empty selector matches nothing here.

    An empty selector matches everything in Kubernetes; for deciding who owns what, that is no evidence.
    """
    if not selector or not (selector.get("matchLabels") or selector.get("matchExpressions")):
        return False
    labels = labels or {}
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression_holds(expression, labels) for expression in selector.get("matchExpressions") or ())


def _expression_holds(expression: Manifest, labels: Manifest) -> bool:
    key, operator, values = (
        str(expression.get("key")),
        expression.get("operator"),
        expression.get("values") or (),
    )
    match operator:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False
