"""The registry of kinds: everything the server knows about a kind is its one entry in `KINDS`.

Routing, discovery, OpenAPI, storage, selectors, defaulting and tables all read the entry; a new kind is
a new entry (and, where it differs from plain stored data, a strategy).
"""

from collections.abc import Sequence

from simulator.apiserver import columns as table
from simulator.apiserver.custom.definitions import DEFINITION
from simulator.apiserver.kind import EVERY_VERB, Kind
from simulator.apiserver.more_columns import CREATED
from simulator.apiserver.more_kinds import MORE_KINDS
from simulator.apiserver.strategies import cluster, events, pod, service, stored_data, workload
from simulator.apiserver.versions.events import new_events

__all__ = ["BUILT_IN", "KINDS", "Kind", "Registry", "find", "kind_named"]

_CREATE_ONLY = ("create",)


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
    verbs=tuple(verb for verb in EVERY_VERB if verb != "deletecollection"),
)  # fmt: skip
NODE = Kind(
    "", "v1", "Node", "nodes", ("no",),
    namespaced=False, subresources=("status",), strategy=cluster.NODE, columns=table.NODE,
    field_labels=_fields("spec.unschedulable"),
)  # fmt: skip
POD = Kind(
    "", "v1", "Pod", "pods", ("po",), ("all",),
    subresources=("binding", "eviction", "log", "resize", "status"), strategy=pod.POD, columns=table.POD,
    field_labels=_POD_FIELDS, returns_deleted=True, graceful=True,
)  # fmt: skip
SERVICE = Kind(
    "", "v1", "Service", "services", ("svc",), ("all",),
    subresources=("status",), strategy=service.SERVICE, columns=table.SERVICE,
    field_labels=_fields("spec.clusterIP", "spec.type"), name_form="label",
    returns_deleted=True, create_on_update=True,
)  # fmt: skip
CONFIG_MAP = Kind(
    "", "v1", "ConfigMap", "configmaps", ("cm",), strategy=stored_data.CONFIG_MAP, columns=table.CONFIG_MAP
)
SECRET = Kind(
    "", "v1", "Secret", "secrets",
    strategy=stored_data.SECRET, columns=table.SECRET, field_labels=_fields("type"),
)  # fmt: skip
SERVICE_ACCOUNT = Kind(
    "", "v1", "ServiceAccount", "serviceaccounts", ("sa",),
    subresources=("token",), strategy=cluster.SERVICE_ACCOUNT, columns=table.SERVICE_ACCOUNT, returns_deleted=True,
)  # fmt: skip
EVENT = Kind(
    "", "v1", "Event", "events", ("ev",),
    strategy=events.EVENT, columns=table.EVENT, field_labels=_EVENT_FIELDS, create_on_update=True,
)  # fmt: skip
NEW_EVENT = new_events(EVENT)
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
_QUESTIONS = tuple(
    Kind(group, "v1", kind, f"{kind.lower()}s", namespaced=kind.startswith("Local"), verbs=_CREATE_ONLY, virtual=True)
    for group, kind in (
        ("authentication.k8s.io", "TokenReview"),
        ("authorization.k8s.io", "LocalSubjectAccessReview"),
        ("authorization.k8s.io", "SelfSubjectRulesReview"),
        ("authorization.k8s.io", "SubjectAccessReview"),
    )
)

CUSTOM_RESOURCE_DEFINITION = Kind(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", ("crd", "crds"),
    ("api-extensions",), namespaced=False, subresources=("status",), strategy=DEFINITION,
    columns=CREATED,
    deletion_finalizer="customresourcecleanup.apiextensions.k8s.io",
)  # fmt: skip

KINDS: tuple[Kind, ...] = (
    NAMESPACE, NODE, POD, SERVICE, CONFIG_MAP, SECRET, SERVICE_ACCOUNT, EVENT, BINDING, DEPLOYMENT, REPLICA_SET, LEASE,
    ENDPOINT_SLICE, SELF_SUBJECT_REVIEW, SELF_SUBJECT_ACCESS_REVIEW, *_QUESTIONS,
    CUSTOM_RESOURCE_DEFINITION, *MORE_KINDS, NEW_EVENT,
)  # fmt: skip

_BY_RESOURCE = {(kind.group, kind.version, kind.plural): kind for kind in KINDS}
_GROUPS = frozenset(kind.group for kind in KINDS)
_BY_NAME = {(kind.group, kind.version, kind.kind): kind for kind in KINDS}


def find(group: str, version: str, plural: str) -> Kind | None:
    """The kind that a path names."""
    return _BY_RESOURCE.get((group, version, plural))


def kind_named(group: str, version: str, kind: str) -> Kind | None:
    """The built-in kind that an object's apiVersion and kind name."""
    return _BY_NAME.get((group, version, kind))


class Registry:
    """The kinds of one server: the built-in ones, and those that its CustomResourceDefinitions have made."""

    def __init__(self) -> None:
        self._custom: dict[tuple[str, str], tuple[Kind, ...]] = {}

    def all(self) -> tuple[Kind, ...]:
        """Built-in kinds first; versions of one kind in the order in which they are preferred."""
        return (*KINDS, *self.custom())

    def custom(self) -> tuple[Kind, ...]:
        """Those that its CustomResourceDefinitions have made."""
        return tuple(kind for kinds in self._custom.values() for kind in kinds)

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        """The kind that a path names."""
        built_in = find(group, version, plural)
        if built_in is not None:
            return built_in
        return next((one for one in self._custom.get((group, plural), ()) if one.version == version), None)

    def has_group(self, group: str) -> bool:
        """Whether a kind of that group is served."""
        return group in _GROUPS or any(one == group for one, _ in self._custom)

    def any_version(self, group: str, plural: str) -> Kind | None:
        """A custom kind in the version that comes first."""
        return next(iter(self._custom.get((group, plural), ())), None)

    def serve(self, group: str, plural: str, kinds: Sequence[Kind]) -> None:
        """Puts the kinds of a definition in the place of those it had before."""
        self._custom[group, plural] = tuple(kinds)

    def withdraw(self, group: str, plural: str) -> None:
        self._custom.pop((group, plural), None)


BUILT_IN = Registry()
