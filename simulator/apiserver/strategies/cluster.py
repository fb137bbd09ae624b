"""Namespaces, nodes, leases and slices of endpoints (`pkg/apis/core`, `coordination` and `discovery`, Kubernetes
v1.36).
"""

from collections.abc import Iterator

from simulator.apiserver.field_errors import FieldError, duplicate, invalid_value, required
from simulator.apiserver.names import dns_label_problems, label_value_problems
from simulator.apiserver.objects import Object, at, metadata
from simulator.apiserver.strategies.forms import (
    NOT_NEGATIVE,
    address_problems,
    as_struct,
    cidr_problems,
    fits,
    label_name,
    one_of,
)
from simulator.apiserver.strategies.plain import content_generation
from simulator.apiserver.strategies.strategy import Strategy

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def _default_namespace(namespace: Object) -> None:
    name = metadata(namespace).get("name")
    if name:
        labels = metadata(namespace)["labels"] = dict(metadata(namespace).get("labels") or {})
        labels["kubernetes.io/metadata.name"] = name
    namespace["spec"] = namespace.get("spec") or {}


def _create_namespace(namespace: Object) -> None:
    found = at(namespace, "spec.finalizers") or []
    namespace["spec"] = {"finalizers": found if "kubernetes" in found else [*found, "kubernetes"]}
    namespace["status"] = {"phase": "Active"}


def _update_namespace(new: Object, old: Object) -> None:
    """Only the finalize subresource changes the finalizers of the spec."""
    new["spec"] = old.get("spec") or {}


def _default_node(node: Object) -> None:
    node["spec"] = node.get("spec") or {}
    status = node["status"] = node.get("status") or {}
    if status.get("capacity") and not status.get("allocatable"):
        status["allocatable"] = dict(status["capacity"])


def _default_slice(endpoint_slice: Object) -> None:
    for port in endpoint_slice.get("ports") or ():
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


def _validate_slice(endpoint_slice: Object) -> Iterator[FieldError]:
    kind = endpoint_slice.get("addressType")
    if not kind:
        yield required("addressType")
        return
    yield from one_of(kind, "addressType", ("FQDN", "IPv4", "IPv6"))
    for index, endpoint in enumerate(endpoint_slice.get("endpoints") or ()):
        where = f"endpoints[{index}].addresses"
        if not endpoint.get("addresses"):
            yield required(where, "must contain at least 1 address")
        for place, address in enumerate(endpoint.get("addresses") or () if kind != "FQDN" else ()):
            yield from fits(address, f"{where}[{place}]", address_problems)
    for index, port in enumerate(endpoint_slice.get("ports") or ()):
        if port.get("name"):
            yield from fits(port["name"], f"ports[{index}].name", dns_label_problems)


def _validate_namespace(namespace: Object) -> Iterator[FieldError]:
    for name in at(namespace, "spec.finalizers") or ():
        if "/" not in name and name not in ("kubernetes", "orphan", "foregroundDeletion"):
            why = "name is neither a standard finalizer name nor is it fully qualified"
            yield invalid_value("spec.finalizers", name, why)


def _validate_node(node: Object) -> Iterator[FieldError]:
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(at(node, "spec.taints") or ()):
        where = f"metadata.taints[{index}]"  # as the real server says
        yield from label_name(taint.get("key"), f"{where}.key")
        problems = ";".join(label_value_problems(str(taint.get("value") or "")))
        if problems:
            yield invalid_value(f"{where}.value", taint["value"], problems)
        if not taint.get("effect"):
            yield required(f"{where}.effect")
        yield from one_of(taint.get("effect") or None, f"{where}.effect", _EFFECTS)
        identity = str(taint.get("key")), str(taint.get("effect"))
        if identity in seen:
            shown = as_struct({**taint, "value": taint.get("value") or ""}, "key", "value", "effect", "timeAdded")
            found = duplicate(where, shown)
            why = f"{found.message}: taints must be unique by key and effect pair"
            yield FieldError(found.field, found.reason, why)
        seen.add(identity)
    for index, cidr in enumerate(at(node, "spec.podCIDRs") or ()):
        yield from fits(cidr, f"spec.podCIDRs[{index}]", cidr_problems)


def _validate_lease(lease: Object) -> Iterator[FieldError]:
    seconds, count = at(lease, "spec.leaseDurationSeconds"), at(lease, "spec.leaseTransitions")
    if seconds is not None and seconds <= 0:
        yield invalid_value("spec.leaseDurationSeconds", seconds, "must be greater than 0")
    if count is not None and count < 0:
        yield invalid_value("spec.leaseTransitions", count, NOT_NEGATIVE)


NAMESPACE = Strategy(
    default=_default_namespace, create=_create_namespace, update=_update_namespace, validate=_validate_namespace
)
NODE = Strategy(default=_default_node, validate=_validate_node)
ENDPOINT_SLICE = Strategy(default=_default_slice, validate=_validate_slice, generation=content_generation)
LEASE = Strategy(validate=_validate_lease)
SERVICE_ACCOUNT = Strategy()
