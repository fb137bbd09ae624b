"""What pods use of their node, against what they asked for and what they are allowed. Memory and disk in MiB."""

from typing import Any

from simulator.informer import Object
from simulator.kubelet.container_state import ContainerState
from simulator.kubelet.filling import nearest_mount
from simulator.kubelet.pod_worker import PodWorker
from simulator.quantities import MEBIBYTE, canonical, to_bytes

_DISK = "ephemeral-storage"


def _states(pod: PodWorker) -> list[ContainerState]:
    return [state for state in (*pod.init, *pod.regular) if state.process is not None]


def pod_memory(pod: PodWorker) -> float:
    """The working set of its running containers."""
    return sum(state.process.memory_mebibytes for state in _states(pod) if state.process)


def pod_disk(pod: PodWorker) -> float:
    """What its running containers have written to the node's disk."""
    return sum(_node_disk(pod.pod, state) for state in _states(pod))


def is_restless(pod: PodWorker) -> bool:
    """Whether its use changes by itself: some program starts, grows or writes."""
    return any(
        state.process.is_starting or state.process.execution.program.growth_per_second or state.process.disk_mebibytes
        for state in _states(pod)
        if state.process
    ) or any(not state.container_id for state in pod.regular)


def requested(pod: Object, resource: str) -> float:
    """The sum of its containers' requests."""
    found = ((item.get("resources") or {}).get("requests") or {} for item in pod["spec"]["containers"])
    return sum(to_bytes(item.get(resource, 0)) for item in found) / MEBIBYTE


def larger_consumption(pod: PodWorker, resource: str) -> str:
    """A sentence for each container that uses more than it asked for (evictionMessage in helpers.go)."""
    text = ""
    for state in _states(pod):
        used = state.process.memory_mebibytes if resource == "memory" and state.process else _node_disk(pod.pod, state)
        asked = ((state.spec.get("resources") or {}).get("requests") or {}).get(resource, "0")
        if used * MEBIBYTE > to_bytes(asked):
            shown = canonical(f"{int(used * 1024)}Ki")
            text += (
                f"Container {state.name} was using {shown}, request is {asked}, has larger consumption of {resource}. "
            )
    return text


def beyond_its_limits(pod: PodWorker) -> str:
    """Why it is evicted for what it writes itself; empty when it keeps within its limits (localStorageEviction)."""
    if not any(state.process.disk_mebibytes for state in _states(pod) if state.process):
        return ""
    for volume in pod.pod["spec"].get("volumes") or ():
        limit = (volume.get("emptyDir") or {}).get("sizeLimit")
        if limit and _written_to(pod, volume["name"]) * MEBIBYTE > to_bytes(limit):
            return f'Usage of EmptyDir volume "{volume["name"]}" exceeds the limit "{limit}". '
    limits = [_limit(item) for item in pod.pod["spec"]["containers"]]
    total = sum(to_bytes(item) for item in limits if item)
    if total and pod_disk(pod) * MEBIBYTE > total:
        return f"Pod ephemeral local storage usage exceeds the total limit of containers {_whole(limits, total)}. "
    for state in _states(pod):
        own = _limit(state.spec)
        if own and _node_disk(pod.pod, state) * MEBIBYTE > to_bytes(own):
            return f'Container {state.name} exceeded its local ephemeral storage limit "{own}". '
    return ""


def _whole(limits: list[str], total: int) -> str:
    return next((item for item in limits if item and to_bytes(item) == total), canonical(f"{total // 1024}Ki"))


def _limit(container: dict[str, Any]) -> str:
    return str(((container.get("resources") or {}).get("limits") or {}).get(_DISK, ""))


def _node_disk(pod: Object, state: ContainerState) -> float:
    """What a container has written to the node: not to a claim's volume, and not to memory."""
    written = state.process.disk_mebibytes if state.process is not None else 0.0
    mount = _mount(state) if written else None
    if mount is None:
        return written
    volumes: list[dict[str, Any]] = pod["spec"].get("volumes") or []
    volume = next((item for item in volumes if item["name"] == mount), {})
    on_node = "emptyDir" in volume and (volume["emptyDir"] or {}).get("medium") != "Memory"
    return written if on_node else 0.0


def _written_to(pod: PodWorker, volume: str) -> float:
    found = (state.process.disk_mebibytes for state in _states(pod) if state.process and _mount(state) == volume)
    return sum(found)


def _mount(state: ContainerState) -> str | None:
    """The volume under the path that its program writes to."""
    if state.process is None:
        return None
    return nearest_mount(state.spec, state.process.execution.program.disk_path)
