"""The registry of kinds: everything the server knows about a kind is its one entry in `KINDS`.

Routing, discovery, OpenAPI, storage, selectors, defaulting and tables all read the entry; a new kind is
a new entry (and, where it differs from plain stored data, a strategy).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from simulator.apiserver import columns as table
from simulator.apiserver.strategies import cluster, pod, service, workload
from simulator.apiserver.strategies.strategy import Strategy

_EVERY_VERB = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_CREATE_ONLY = ("create",)


@dataclass(frozen=True)
class Kind:
    """One kind of object.

    `field_labels` maps what a field selector may name, beyond metadata.name and metadata.namespace, to where it stands.
    `returns_deleted` answers a finished deletion with the object rather than a Status, as the real server does for some
    kinds. `virtual` kinds are questions: they are created, answered and not stored.
    """

    group: str
    version: str
    kind: str
    plural: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = _EVERY_VERB
    strategy: Strategy = field(default_factory=Strategy)
    columns: tuple[table.Column, ...] = table.GENERIC
    field_labels: Mapping[str, str] = field(default_factory=dict)
    name_form: str = "subdomain"
    returns_deleted: bool = False
    graceful: bool = False
    create_on_update: bool = False
    unconditional_update: bool = True
    virtual: bool = False

    @property
    def singular(self) -> str:
        return self.kind.lower()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def key(self) -> tuple[str, str]:
        return self.group, self.plural

    @property
    def qualified(self) -> str:
        """As error messages name the resource: `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def json_prefix(self) -> bytes:
        """The opening of an encoded object, up to its first own field."""
        return b'{"kind":%b,"apiVersion":%b,' % (orjson.dumps(self.kind), orjson.dumps(self.api_version))

    @property
    def selectable(self) -> dict[str, str]:
        """Field labels to paths."""
        common = {"metadata.name": "metadata.name", "metadata.namespace": "metadata.namespace"}
        return common | dict(self.field_labels)


def _fields(*paths: str) -> dict[str, str]:
    return {path: path for path in paths}


_EVENT_FIELDS = _fields("type", "reason", "reportingComponent", *(f"involvedObject.{one}" for one in (
    "kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath",
))) | {"source": "source.component"}  # fmt: skip
_POD_FIELDS = _fields(
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
)

NAMESPACE = Kind(
    "", "v1", "Namespace", "namespaces", ("ns",),
    namespaced=False, subresources=("finalize", "status"), strategy=cluster.NAMESPACE,
    columns=table.NAMESPACE, field_labels=_fields("status.phase"), name_form="label",
    verbs=tuple(verb for verb in _EVERY_VERB if verb != "deletecollection"),
)  # fmt: skip
NODE = Kind(
    "", "v1", "Node", "nodes", ("no",),
    namespaced=False, subresources=("status",), strategy=cluster.NODE, columns=table.NODE,
    field_labels=_fields("spec.unschedulable"),
)  # fmt: skip
POD = Kind(
    "", "v1", "Pod", "pods", ("po",), ("all",),
    subresources=("binding", "eviction", "log", "status"), strategy=pod.POD, columns=table.POD,
    field_labels=_POD_FIELDS, returns_deleted=True, graceful=True,
)  # fmt: skip
SERVICE = Kind(
    "", "v1", "Service", "services", ("svc",), ("all",),
    subresources=("status",), strategy=service.SERVICE, columns=table.SERVICE,
    field_labels=_fields("spec.clusterIP", "spec.type"), name_form="label",
    returns_deleted=True, create_on_update=True,
)  # fmt: skip
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps", ("cm",), strategy=cluster.CONFIG_MAP, columns=table.CONFIG_MAP)
SECRET = Kind(
    "", "v1", "Secret", "secrets",
    strategy=cluster.SECRET, columns=table.SECRET, field_labels=_fields("type"),
)  # fmt: skip
SERVICE_ACCOUNT = Kind(
    "", "v1", "ServiceAccount", "serviceaccounts", ("sa",),
    subresources=("token",), strategy=cluster.SERVICE_ACCOUNT, columns=table.SERVICE_ACCOUNT, returns_deleted=True,
)  # fmt: skip
EVENT = Kind(
    "", "v1", "Event", "events", ("ev",),
    strategy=cluster.EVENT, columns=table.EVENT, field_labels=_EVENT_FIELDS, create_on_update=True,
)  # fmt: skip
BINDING = Kind("", "v1", "Binding", "bindings", verbs=_CREATE_ONLY, virtual=True)
DEPLOYMENT = Kind(
    "apps", "v1", "Deployment", "deployments", ("deploy",), ("all",),
    subresources=("scale", "status"), strategy=workload.DEPLOYMENT, columns=table.DEPLOYMENT,
)  # fmt: skip
REPLICA_SET = Kind(
    "apps", "v1", "ReplicaSet", "replicasets", ("rs",), ("all",),
    subresources=("scale", "status"), strategy=workload.REPLICA_SET, columns=table.REPLICA_SET,
    field_labels=_fields("status.replicas"),
)  # fmt: skip
LEASE = Kind(
    "coordination.k8s.io", "v1", "Lease", "leases",
    strategy=cluster.LEASE, columns=table.LEASE, create_on_update=True, unconditional_update=False,
)  # fmt: skip
ENDPOINT_SLICE = Kind(
    "discovery.k8s.io", "v1", "EndpointSlice", "endpointslices",
    strategy=cluster.ENDPOINT_SLICE, columns=table.ENDPOINT_SLICE,
)  # fmt: skip
SELF_SUBJECT_REVIEW = Kind(
    "authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews",
    namespaced=False, verbs=_CREATE_ONLY, virtual=True,
)  # fmt: skip
SELF_SUBJECT_ACCESS_REVIEW = Kind(
    "authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews",
    namespaced=False, verbs=_CREATE_ONLY, virtual=True,
)  # fmt: skip

KINDS: tuple[Kind, ...] = (
    NAMESPACE, NODE, POD, SERVICE, CONFIG_MAP, SECRET, SERVICE_ACCOUNT, EVENT, BINDING, DEPLOYMENT, REPLICA_SET, LEASE,
    ENDPOINT_SLICE, SELF_SUBJECT_REVIEW, SELF_SUBJECT_ACCESS_REVIEW,
)  # fmt: skip

_BY_RESOURCE = {(kind.group, kind.version, kind.plural): kind for kind in KINDS}


def find(group: str, version: str, plural: str) -> Kind | None:
    """The kind that a path names."""
    return _BY_RESOURCE.get((group, version, plural))
