"""Service → EndpointSlice: the pods a Service selects, and whether each can take traffic.

One slice a Service (at most 100 endpoints), as pkg/controller/endpointslice makes for small Services.
Services without a selector are somebody else's to fill and are left alone.
"""

from typing import Any

from simulator.api_client import ApiError
from simulator.controllers.controller import Controller, ControllerContext, controller_reference, is_deleting
from simulator.controllers.pods import is_ready, is_terminal
from simulator.informer import Object, key_of
from simulator.resources import ENDPOINT_SLICES, PODS, SERVICES

_MOST_ENDPOINTS = 100
_MANAGED_BY = "endpointslice-controller.k8s.io"


class EndpointSliceController(Controller):
    """Service + Pods → EndpointSlice."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._services = self.caches.of(SERVICES)
        self._pods = self.caches.of(PODS)
        self._slices = self.caches.of(ENDPOINT_SLICES)
        self.watch_own(self._services)
        self.watch_owned(self._slices, "Service")
        self._pods.on_change(self._pod_changed)

    async def reconcile(self, namespace: str, name: str) -> None:
        """Write the slice if it says something else than the pods do."""
        service = self._services.get(namespace, name)
        if service is None or is_deleting(service) or not service["spec"].get("selector"):
            return
        wanted = self._slice(service)
        existing = self._slices.owned_by(service["metadata"]["uid"])
        if not existing:
            self._slices.observe(await self.client.create(ENDPOINT_SLICES, wanted, namespace))
            return
        current = existing[0]
        if current.get("endpoints") != wanted["endpoints"] or _named(current.get("ports")) != wanted["ports"]:
            body = current | {key: wanted[key] for key in ("endpoints", "ports")}
            try:
                self._slices.observe(await self.client.update(ENDPOINT_SLICES, body))
            except ApiError as error:
                if error.code != 404:
                    raise
                self._slices.forget(current)
                self.queue.add((namespace, name))

    def _slice(self, service: Object) -> Object:
        metadata = service["metadata"]
        pods = sorted(self._selected(service), key=key_of)
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "generateName": f"{metadata['name']}-",
                "namespace": metadata["namespace"],
                "labels": (metadata.get("labels") or {})
                | {
                    "kubernetes.io/service-name": metadata["name"],
                    "endpointslice.kubernetes.io/managed-by": _MANAGED_BY,
                },
                "ownerReferences": [controller_reference(service)],
            },
            "addressType": "IPv4",
            "endpoints": [_endpoint(pod) for pod in pods[:_MOST_ENDPOINTS]],
            "ports": _ports(service, pods),
        }

    def _selected(self, service: Object) -> list[Object]:
        return [
            pod
            for pod in self._pods.in_namespace(service["metadata"]["namespace"])
            if _matches(service, pod) and pod.get("status", {}).get("podIP") and not is_terminal(pod)
        ]

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None and _traffic(old) == _traffic(new):
            return
        for pod in (old, new):
            if pod is None:
                continue
            for service in self._services.in_namespace(pod["metadata"].get("namespace", "")):
                if _matches(service, pod):
                    self.queue.add(key_of(service))


def _matches(service: Object, pod: Object) -> bool:
    selector = service["spec"].get("selector") or {}
    return bool(selector) and selector.items() <= (pod["metadata"].get("labels") or {}).items()


def _traffic(pod: Object) -> tuple[Any, ...]:
    address = pod.get("status", {}).get("podIP")
    return address, is_ready(pod), is_deleting(pod), is_terminal(pod), pod["metadata"].get("labels")


def _endpoint(pod: Object) -> dict[str, Any]:
    ready = is_ready(pod)
    metadata = pod["metadata"]
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": ready and not is_deleting(pod),
            "serving": ready,
            "terminating": is_deleting(pod),
        },
        "nodeName": pod["spec"].get("nodeName"),
        "targetRef": {
            "kind": "Pod",
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        },
    }


def _ports(service: Object, pods: list[Object]) -> list[dict[str, Any]]:
    ports = []
    for port in service["spec"].get("ports") or ():
        number = _target(port, pods)
        if number is not None:
            protocol = port.get("protocol", "TCP")
            ports.append({"name": port.get("name", ""), "port": number, "protocol": protocol})
    return ports


def _named(ports: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """Stored ports, of which one without a name may have lost the empty string."""
    return [{"name": "", **port} for port in ports or ()]


def _target(port: dict[str, Any], pods: list[Object]) -> int | None:
    """The number behind a target port; a name is looked up among the container ports."""
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    named = (
        int(declared["containerPort"])
        for pod in pods
        for container in pod["spec"]["containers"]
        for declared in container.get("ports") or ()
        if declared.get("name") == target
    )
    return next(named, None)
