"""Which endpoints a Service has, and how they are spread over slices. Pure.

After k8s.io/endpointslice (v0.36): one group of slices a set of port numbers, at most 100 endpoints a slice, slices
changed as little as possible, and one empty slice without ports for a Service that has no endpoint.
"""

from dataclasses import dataclass, field
from typing import Any

from simulator.controllers.controller import controller_reference, is_deleting
from simulator.controllers.pods import is_ready, is_terminal
from simulator.informer import Object

MOST_ENDPOINTS = 100
_MANAGED_BY = "endpointslice-controller.k8s.io"
_SERVICE_NAME = "kubernetes.io/service-name"
_MANAGER = "endpointslice.kubernetes.io/managed-by"
_HEADLESS = "service.kubernetes.io/headless"
_ZONE = "topology.kubernetes.io/zone"
_OWN_LABELS = (_SERVICE_NAME, _MANAGER, _HEADLESS)

PortsKey = tuple[tuple[str, int, str, str], ...]


@dataclass
class Layout:
    """What to write: new slices, changed ones, superfluous ones."""

    create: list[Object] = field(default_factory=list)
    update: list[Object] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)


def is_selected(service: Object, pod: Object) -> bool:
    """Whether a Service selects a pod."""
    selector = service["spec"].get("selector") or {}
    return bool(selector) and selector.items() <= (pod["metadata"].get("labels") or {}).items()


def has_address(pod: Object) -> bool:
    """Whether a pod can be an endpoint at all, ready or not."""
    return bool(pod.get("status", {}).get("podIP")) and not is_terminal(pod)


def endpoint(service: Object, pod: Object, node: Object | None) -> dict[str, Any]:
    """The endpoint that a pod is."""
    serving, metadata, spec = is_ready(pod), pod["metadata"], pod["spec"]
    everyone = bool(service["spec"].get("publishNotReadyAddresses"))
    found: dict[str, Any] = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": everyone or (serving and not is_deleting(pod)),
            "serving": serving,
            "terminating": is_deleting(pod),
        },
        "targetRef": {
            "kind": "Pod",
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        },
    }
    if spec.get("nodeName"):
        found["nodeName"] = spec["nodeName"]
    zone = ((node or {}).get("metadata", {}).get("labels") or {}).get(_ZONE)
    if zone:
        found["zone"] = zone
    if spec.get("hostname") and spec.get("subdomain") == service["metadata"]["name"]:
        found["hostname"] = spec["hostname"]
    return found


def ports_for(service: Object, pod: Object) -> list[dict[str, Any]]:
    """The Service's ports as numbers of this pod; a name that the pod does not declare is left out."""
    found = []
    for port in service["spec"].get("ports") or ():
        number = _target(port, pod)
        if number is not None:
            entry = {"name": port.get("name", ""), "port": number, "protocol": port.get("protocol", "TCP")}
            found.append(entry | ({"appProtocol": port["appProtocol"]} if port.get("appProtocol") else {}))
    return found


def lay_out(service: Object, existing: list[Object], pods: list[Object], nodes: dict[str, Object]) -> Layout:
    """The fewest changes to the slices that make them say what the pods are."""
    wanted: dict[PortsKey, list[dict[str, Any]]] = {}
    ports: dict[PortsKey, list[dict[str, Any]]] = {}
    for pod in pods:
        own = ports_for(service, pod)
        key = _key(own)
        ports[key] = own
        wanted.setdefault(key, []).append(endpoint(service, pod, nodes.get(pod["spec"].get("nodeName", ""))))
    present: dict[PortsKey, list[Object]] = {}
    for item in existing:
        present.setdefault(_key(item.get("ports") or []), []).append(item)
    layout = Layout()
    for key, endpoints in wanted.items():
        _lay_out_group(service, present.pop(key, []), endpoints, ports[key], layout)
    layout.delete += [item for group in present.values() for item in group]
    _keep_placeholder(service, existing, layout)
    return layout


def _lay_out_group(
    service: Object,
    existing: list[Object],
    endpoints: list[dict[str, Any]],
    ports: list[dict[str, Any]],
    layout: Layout,
) -> None:
    left = {item["targetRef"]["uid"]: item for item in endpoints}
    changed: list[Object] = []
    same: list[Object] = []
    for item in existing:
        current = item.get("endpoints") or []
        kept = [left.pop(uid) for one in current if (uid := one.get("targetRef", {}).get("uid")) in left]
        labels = labels_of(service)
        if current and not kept:
            layout.delete.append(item)
        elif kept != current or labels != (item["metadata"].get("labels") or {}):
            changed.append(item | {"endpoints": kept, "metadata": item["metadata"] | {"labels": labels}})
        else:
            same.append(item)
    rest = list(left.values())
    for item in sorted(changed, key=lambda one: -len(one["endpoints"])):
        rest = _fill(item, rest)
    if rest:
        roomy = [item for item in same if len(item.get("endpoints") or ()) + len(rest) <= MOST_ENDPOINTS]
        if roomy:
            fullest = max(roomy, key=lambda one: len(one.get("endpoints") or ()))
            copied = fullest | {"endpoints": list(fullest.get("endpoints") or ())}
            rest = _fill(copied, rest)
            changed.append(copied)
    while rest:
        created = new_slice(service, ports)
        rest = _fill(created, rest)
        layout.create.append(created)
    layout.update += changed


def _fill(item: Object, endpoints: list[dict[str, Any]]) -> list[dict[str, Any]]:
    room = MOST_ENDPOINTS - len(item["endpoints"])
    item["endpoints"] = [*item["endpoints"], *endpoints[:room]]
    return endpoints[room:]


def _keep_placeholder(service: Object, existing: list[Object], layout: Layout) -> None:
    if layout.create or len(layout.delete) < len(existing):
        return
    empty = [item for item in layout.delete if not item.get("endpoints") and not item.get("ports")]
    if len(layout.delete) == 1 and empty and labels_of(service) == (empty[0]["metadata"].get("labels") or {}):
        layout.delete.clear()
    else:
        layout.create.append(new_slice(service, []))


def new_slice(service: Object, ports: list[dict[str, Any]]) -> Object:
    """An empty slice of a Service."""
    metadata = service["metadata"]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": f"{metadata['name']}-",
            "namespace": metadata["namespace"],
            "labels": labels_of(service),
            "ownerReferences": [controller_reference(service)],
        },
        "addressType": "IPv4",
        "endpoints": [],
        "ports": ports,
    }


def labels_of(service: Object) -> dict[str, str]:
    """The Service's own labels, and those by which a slice is found."""
    labels = {key: value for key, value in (service["metadata"].get("labels") or {}).items() if key not in _OWN_LABELS}
    if service["spec"].get("clusterIP", "None") in ("None", "", None):
        labels[_HEADLESS] = ""
    return labels | {_SERVICE_NAME: service["metadata"]["name"], _MANAGER: _MANAGED_BY}


def _target(port: dict[str, Any], pod: Object) -> int | None:
    """The number behind a target port; a name is looked up among the pod's container ports."""
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    sidecars = [item for item in pod["spec"].get("initContainers") or () if item.get("restartPolicy") == "Always"]
    for container in [*pod["spec"]["containers"], *sidecars]:
        for declared in container.get("ports") or ():
            same = declared.get("protocol", "TCP") == port.get("protocol", "TCP")
            if declared.get("name") == target and same:
                return int(declared["containerPort"])
    return None


def _key(ports: list[dict[str, Any]]) -> PortsKey:
    return tuple(
        sorted(
            (item.get("name") or "", item.get("port") or 0, item.get("protocol", "TCP"), item.get("appProtocol") or "")
            for item in ports
        )
    )
