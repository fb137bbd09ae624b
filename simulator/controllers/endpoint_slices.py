"""Service → EndpointSlices: the pods a Service selects, and whether each can take traffic.

``endpoint_layout`` decides, this writes. Services without a selector are somebody else's to fill and are left
alone; so are slices that another manager made. Only IPv4, as the simulated pods have no other address.
"""

from typing import Any

from simulator.api_client import ApiError
from simulator.controllers.controller import Controller, ControllerContext, is_deleting
from simulator.controllers.endpoint_layout import has_address, is_selected, lay_out
from simulator.controllers.pods import condition, is_ready, is_terminal
from simulator.informer import Object, key_of
from simulator.resources import ENDPOINT_SLICES, NODES, PODS, SERVICES

_CHANGED_AT = "endpoints.kubernetes.io/last-change-trigger-time"


class EndpointSliceController(Controller):
    """Service + Pods → EndpointSlices."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._services = self.caches.of(SERVICES)
        self._pods = self.caches.of(PODS)
        self._nodes = self.caches.of(NODES)
        self._slices = self.caches.of(ENDPOINT_SLICES)
        self.watch_own(self._services)
        self.watch_owned(self._slices, "Service")
        self._pods.on_change(self._pod_changed)

    async def reconcile(self, namespace: str, name: str) -> None:
        """Write the slices that say something else than the pods do."""
        service = self._services.get(namespace, name)
        if service is None or is_deleting(service) or not service["spec"].get("selector"):
            return
        if service["spec"].get("type") == "ExternalName":
            return
        pods = self._pods.in_namespace(namespace)
        selected = sorted((pod for pod in pods if is_selected(service, pod) and has_address(pod)), key=key_of)
        existing = [item for item in self._slices.owned_by(service["metadata"]["uid"]) if not is_deleting(item)]
        names = {pod["spec"].get("nodeName", "") for pod in selected}
        nodes = {name: node for name in names if (node := self._nodes.get("", name)) is not None}
        layout = lay_out(service, sorted(existing, key=key_of), selected, nodes)
        for item in [*layout.create, *layout.update]:
            item["metadata"] = _stamped(item["metadata"], service, selected)
        for item in layout.create:
            self._slices.observe(await self.client.create(ENDPOINT_SLICES, item, namespace))
        for item in layout.update:
            await self._update(item)
        for item in layout.delete:
            await self._delete(item)

    async def _update(self, item: Object) -> None:
        try:
            self._slices.observe(await self.client.update(ENDPOINT_SLICES, item))
        except ApiError as error:
            if error.code != 404:
                raise
            self._slices.forget(item)
            raise ApiError(409, "Conflict", f"slice {item['metadata']['name']} is gone: lay out again") from error

    async def _delete(self, item: Object) -> None:
        metadata = item["metadata"]
        try:
            await self.client.delete(ENDPOINT_SLICES, metadata["name"], metadata["namespace"])
        except ApiError as error:
            if error.code != 404:
                raise
        self._slices.forget(item)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None and _traffic(old) == _traffic(new):
            return
        for pod in (old, new):
            if pod is None:
                continue
            for service in self._services.in_namespace(pod["metadata"].get("namespace", "")):
                if is_selected(service, pod):
                    self.queue.add(key_of(service))


def _stamped(metadata: dict[str, Any], service: Object, pods: list[Object]) -> dict[str, Any]:
    """With the time of the change that a slice follows: the last pod that became ready or not, or the Service."""
    times = [ready["lastTransitionTime"] for pod in pods if (ready := condition(pod, "Ready")) is not None]
    changed = max(times, default=service["metadata"]["creationTimestamp"])
    return metadata | {"annotations": (metadata.get("annotations") or {}) | {_CHANGED_AT: changed}}


def _traffic(pod: Object) -> tuple[Any, ...]:
    address = pod.get("status", {}).get("podIP")
    return address, is_ready(pod), is_deleting(pod), is_terminal(pod), pod["metadata"].get("labels")
