"""What a pod's spec may still change while it runs: a container's image, and its resources (resized in place).

After pkg/kubelet/allocation and computePodResizeAction in pkg/kubelet/kuberuntime, Kubernetes v1.36. A resize is
actuated at once when it fits on the node; otherwise the pod keeps what it has and says why.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import orjson

from simulator.informer import Object
from simulator.kubelet.container_state import ContainerState
from simulator.kubelet.pod_run import PodRun
from simulator.node_fit import requests_of
from simulator.quantities import MEBIBYTE, to_bytes, to_millicores


class Redefinable(Protocol):
    """A container's worker, as far as this is concerned."""

    state: ContainerState

    def redefine(self, spec: dict[str, Any], *, restart: bool) -> None:
        """Take the new spec on."""


class PodResize:
    """``condition`` is the pod condition (type, reason, message) of a resize that is not done, if there is one."""

    def __init__(self, run: PodRun, workers: Sequence[Redefinable]) -> None:
        self._run = run
        self._workers = workers
        self.condition: tuple[str, str, str] | None = None

    def apply(self, before: Object) -> None:
        """The pod's spec differs from that of ``before``."""
        resized = _resources(before) != _resources(self._run.pod)
        refused = self._refusal() if resized else None
        if refused is not None:
            self._pend(*refused)
        else:
            self._actuate(resized=resized)

    def _actuate(self, *, resized: bool) -> None:
        if resized:
            self._tell("ResizeStarted", "Pod resize started")
        for worker, spec in zip(self._workers, _containers(self._run.pod), strict=True):
            old = worker.state.spec
            if old != spec:
                worker.redefine(spec, restart=old["image"] != spec["image"] or _wants_restart(old, spec))
        self.condition = None
        too_small = self._too_small()
        if too_small:
            self.condition = ("PodResizeInProgress", "Error", too_small)
        elif resized:
            self._tell("ResizeCompleted", "Pod resize completed")

    def retry(self) -> bool:
        """Something has left the node: try a deferred resize again; True when it is done now."""
        if self.condition is None or self.condition[0] != "PodResizePending" or self._refusal() is not None:
            return False
        self._actuate(resized=True)
        return True

    def _pend(self, reason: str, message: str) -> None:
        self.condition = ("PodResizePending", "Deferred", message)
        self._run.warn("ResizeDeferred", _summary(self._run.pod, f"Pod resize {reason}", message))

    def _tell(self, reason: str, words: str) -> None:
        normal, _ = self._run.reporter("")
        normal(reason, _summary(self._run.pod, words, ""))

    def _refusal(self) -> tuple[str, str] | None:
        """Why the node does not admit it: reason and message of the kubelet's resource predicate."""
        wanted, node = requests_of(self._run.pod), self._run.node
        used = node.requested_by_others(self._run.pod["metadata"]["uid"])
        room = node.allocatable
        for name, asked, taken, capacity in (
            ("cpu", wanted.millicores, used.millicores, to_millicores(room["cpu"])),
            ("memory", wanted.memory_bytes, used.memory_bytes, to_bytes(room["memory"])),
        ):
            if asked + taken > capacity:
                words = f"Node didn't have enough resource: {name}, requested: {asked}, used: {taken}"
                return f"OutOf{name}", f"{words}, capacity: {capacity}"
        return None

    def _too_small(self) -> str:
        """A memory limit below what is in use is not set: the container would be killed at once."""
        for worker in self._workers:
            state = worker.state
            limit = ((state.spec.get("resources") or {}).get("limits") or {}).get("memory")
            if state.process is not None and limit and state.process.memory_mebibytes > to_bytes(limit) / MEBIBYTE:
                used = int(state.process.memory_mebibytes * MEBIBYTE)
                text = f'attempting to set container "{state.name}" memory limit ({to_bytes(limit)})'
                return f"cannot decrease memory limits: {text} below current usage ({used})"
        return ""


def _containers(pod: Object) -> list[dict[str, Any]]:
    return [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]


def _resources(pod: Object) -> list[Any]:
    return [item.get("resources") or {} for item in _containers(pod)]


def _wants_restart(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether a resource has changed for which resizePolicy says RestartContainer."""

    def of(container: dict[str, Any], name: str) -> list[Any]:
        parts = container.get("resources") or {}
        return [(parts.get(part) or {}).get(name) for part in ("requests", "limits")]

    return any(
        rule.get("restartPolicy") == "RestartContainer"
        and of(old, rule["resourceName"]) != of(new, rule["resourceName"])
        for rule in new.get("resizePolicy") or ()
    )


def _summary(pod: Object, words: str, error: str) -> str:
    """As podResizeMessage in pkg/kubelet/events/resize.go writes it."""
    spec, body = pod["spec"], dict[str, Any]()
    for part in ("initContainers", "containers"):
        if spec.get(part):
            body[part] = [
                {"name": item["name"], "resources": _ordered(item.get("resources") or {})} for item in spec[part]
            ]
    body["generation"] = pod["metadata"].get("generation", 0)
    if error:
        body["error"] = error
    return f"{words}: {orjson.dumps(body).decode()}"


def _ordered(resources: dict[str, Any]) -> dict[str, Any]:
    """As Go writes the struct, with its maps sorted."""
    return {part: dict(sorted(resources[part].items())) for part in ("limits", "requests") if resources.get(part)}
