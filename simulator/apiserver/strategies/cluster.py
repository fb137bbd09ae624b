"""Namespaces, nodes, events and the small kinds that only carry data."""

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from simulator.apiserver.field_errors import FieldError, forbidden_field, immutable, invalid_value, required
from simulator.apiserver.objects import Object, at, metadata, namespace_of
from simulator.apiserver.shapes import CONDITIONS, QUANTITIES, STRINGS
from simulator.apiserver.strategies.pod_defaults import canonical_quantities
from simulator.apiserver.strategies.strategy import Strategy

_EVENT_FIELDS: dict[str, Any] = {
    "source": {},
    "firstTimestamp": None,
    "lastTimestamp": None,
    "eventTime": None,
    "reportingComponent": "",
    "reportingInstance": "",
}


def _default_namespace(namespace: Object) -> None:
    name = metadata(namespace).get("name")
    if name:
        labels = metadata(namespace)["labels"] = dict(metadata(namespace).get("labels") or {})
        labels["kubernetes.io/metadata.name"] = name
    namespace["spec"] = namespace.get("spec") or {}


def _create_namespace(namespace: Object) -> None:
    namespace["spec"] = {"finalizers": ["kubernetes"]}
    namespace["status"] = {"phase": "Active"}


def _update_namespace(new: Object, old: Object) -> None:
    """Only the finalize subresource changes the finalizers of the spec."""
    new["spec"] = old.get("spec") or {}


_NODE_INFO = (
    "machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion", "kubeletVersion",
    "kubeProxyVersion", "operatingSystem", "architecture",
)  # fmt: skip


def _default_node(node: Object) -> None:
    node["spec"] = node.get("spec") or {}
    status = node["status"] = node.get("status") or {}
    for field in ("capacity", "allocatable"):
        canonical_quantities(status.get(field))
    if status.get("capacity") and not status.get("allocatable"):
        status["allocatable"] = dict(status["capacity"])
    status["daemonEndpoints"] = status.get("daemonEndpoints") or {"kubeletEndpoint": {"Port": 0}}
    status["nodeInfo"] = dict.fromkeys(_NODE_INFO, "") | (status.get("nodeInfo") or {})


def _default_slice(endpoint_slice: Object) -> None:
    """Both lists are always there, null where they are empty."""
    for field in ("endpoints", "ports"):
        endpoint_slice[field] = endpoint_slice.get(field) or None


def _default_event(event: Object) -> None:
    for field, value in _EVENT_FIELDS.items():
        if event.get(field) is None:
            event[field] = dict(value) if isinstance(value, dict) else value


def _validate_event(event: Object) -> Iterator[FieldError]:
    about, own = str(at(event, "involvedObject.namespace") or ""), namespace_of(event)
    if about != own and not (not about and own == "default"):
        yield invalid_value("involvedObject.namespace", about, "does not match event.namespace")


def _validate_secret_update(new: Object, old: Object) -> Iterator[FieldError]:
    if new.get("type") != old.get("type"):
        yield immutable("type", new.get("type"))
    yield from _frozen_data(new, old)


def _frozen_data(new: Object, old: Object) -> Iterator[FieldError]:
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        yield forbidden_field("immutable", "field is immutable when `immutable` is set")
    for field in ("data", "binaryData"):
        if new.get(field) != old.get(field):
            yield forbidden_field(field, "field is immutable when `immutable` is set")


def _default_secret(secret: Object) -> None:
    """`stringData` is write-only: it moves into `data`, encoded."""
    secret["type"] = secret.get("type") or "Opaque"
    plain = secret.pop("stringData", None) or {}
    if plain:
        encoded = {key: b64encode(value.encode()).decode() for key, value in plain.items()}
        secret["data"] = (secret.get("data") or {}) | encoded


def _slice_generation(endpoint_slice: Object) -> Any:
    return {key: value for key, value in endpoint_slice.items() if key != "metadata"}


def _validate_slice(endpoint_slice: Object) -> Iterator[FieldError]:
    if not endpoint_slice.get("addressType"):
        yield required("addressType")


NAMESPACE = Strategy(
    default=_default_namespace,
    create=_create_namespace,
    update=_update_namespace,
    shape={"spec": {"finalizers": [str]}, "status": {"phase": str}},
)
NODE = Strategy(
    default=_default_node,
    shape={
        "spec": {"unschedulable": bool, "taints": [dict]},
        "status": {
            "capacity": QUANTITIES,
            "allocatable": QUANTITIES,
            "conditions": CONDITIONS,
            "addresses": [{"type": str, "address": str}],
            "nodeInfo": STRINGS,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": int}},
        },
    },
)
EVENT = Strategy(
    default=_default_event,
    validate=_validate_event,
    shape={
        "involvedObject": {"kind": str, "namespace": str, "name": str, "uid": str},
        "reason": str,
        "message": str,
        "type": str,
        "count": int,
        "source": {"component": str, "host": str},
    },
)
CONFIG_MAP = Strategy(validate_update=_frozen_data, shape={"data": STRINGS, "binaryData": STRINGS})
SECRET = Strategy(
    default=_default_secret,
    validate_update=_validate_secret_update,
    shape={"data": STRINGS, "stringData": STRINGS, "type": str},
)
ENDPOINT_SLICE = Strategy(
    default=_default_slice,
    validate=_validate_slice,
    generation=_slice_generation,
    shape={
        "addressType": str,
        "endpoints": [{"addresses": [str], "conditions": dict}],
        "ports": [{"name": str, "port": int, "protocol": str}],
    },
)
LEASE = Strategy(shape={"spec": {"holderIdentity": str, "leaseDurationSeconds": int, "leaseTransitions": int}})
SERVICE_ACCOUNT = Strategy(shape={"secrets": [dict], "imagePullSecrets": [dict], "automountServiceAccountToken": bool})
