"""The status of a pod, computed from its containers. Pure.

After pkg/kubelet/kubelet_pods.go (getPhase) and pkg/kubelet/status/generate.go in Kubernetes v1.36.
"""

from dataclasses import dataclass
from typing import Any

from simulator.informer import Object
from simulator.kubelet.container_state import ContainerState

RESIZE_CONDITIONS = ("PodResizePending", "PodResizeInProgress")


@dataclass(frozen=True)
class Fate:
    """Why the kubelet itself ended a pod.

    ``disruption`` goes into the condition DisruptionTarget; a pod that was ``rejected`` has never had containers.
    """

    reason: str
    message: str
    disruption: bool = False
    rejected: bool = False


@dataclass(frozen=True)
class PodFacts:
    """What the status is made of besides the containers. ``over``: no container will run again."""

    pod: Object
    host_ip: str
    pod_ip: str
    started_at: str
    over: bool
    now: str
    fate: Fate | None = None
    resizing: tuple[str, str, str] | None = None


def pod_status(
    facts: PodFacts, init: list[ContainerState], regular: list[ContainerState], before: dict[str, Any]
) -> dict[str, Any]:
    """The kubelet's part of the status; ``before`` is the last one, for the transition times."""
    if facts.fate is not None and facts.fate.rejected:
        head = {"phase": "Failed", "reason": facts.fate.reason, "message": facts.fate.message}
        return head | {"qosClass": qos_class(facts.pod), "startTime": facts.started_at}
    phase = _phase(facts, init, regular)
    status: dict[str, Any] = {
        "phase": phase,
        "hostIP": facts.host_ip,
        "hostIPs": [{"ip": facts.host_ip}],
        "startTime": facts.started_at,
        "qosClass": qos_class(facts.pod),
        "containerStatuses": sorted((item.status() for item in regular), key=lambda item: str(item["name"])),
        "conditions": _conditions(facts, phase, init=init, regular=regular, before=before),
    }
    if facts.fate is not None and facts.over:
        status |= {"reason": facts.fate.reason, "message": facts.fate.message}
    if init:
        status["initContainerStatuses"] = [item.status() for item in init]
    if facts.pod_ip:
        status |= {"podIP": facts.pod_ip, "podIPs": [{"ip": facts.pod_ip}]}
    generation = facts.pod["metadata"].get("generation")
    return status | ({"observedGeneration": generation} if generation else {})


def qos_class(pod: Object) -> str:
    """Guaranteed, Burstable or BestEffort."""
    spec = pod["spec"]
    every = [*spec["containers"], *(spec.get("initContainers") or ())]
    resources = [item.get("resources") or {} for item in every]
    if not any(item.get("requests") or item.get("limits") for item in resources):
        return "BestEffort"
    guaranteed = all(
        (item.get("limits") or {}).get(name)
        and (item.get("requests") or item["limits"]).get(name, item["limits"][name]) == item["limits"][name]
        for item in resources
        for name in ("cpu", "memory")
    )
    return "Guaranteed" if guaranteed else "Burstable"


def _phase(facts: PodFacts, init: list[ContainerState], regular: list[ContainerState]) -> str:
    policy = facts.pod["spec"].get("restartPolicy", "Always")
    first = [item for item in init if not is_sidecar(item)]
    if facts.fate is not None and facts.over:
        return "Failed"
    if any(_failed(item) for item in first) and (policy == "Never" or facts.over):
        return "Failed"
    if any(not _succeeded(item) for item in first) or any(not _has_started(item) for item in init if is_sidecar(item)):
        return "Pending"
    if facts.over:
        return "Failed" if any(_failed(item) for item in regular) else "Succeeded"
    if any(not item.container_id for item in regular):
        return "Pending"
    return "Running"


def is_sidecar(item: ContainerState) -> bool:
    """Whether a container of initContainers keeps running beside the others."""
    return item.field_path.startswith("spec.initContainers") and item.spec.get("restartPolicy") == "Always"


def _has_started(item: ContainerState) -> bool:
    """A sidecar that has ended is no reason for a pod to be pending; one that has not started yet is."""
    if item.is_running:
        return bool(item.started)
    return bool(item.terminated or item.last_state)


def _failed(item: ContainerState) -> bool:
    ended = item.terminated
    return ended is not None and ended["exitCode"] != 0


def _succeeded(item: ContainerState) -> bool:
    ended = item.terminated
    return ended is not None and ended["exitCode"] == 0


def _conditions(
    facts: PodFacts,
    phase: str,
    *,
    init: list[ContainerState],
    regular: list[ContainerState],
    before: dict[str, Any],
) -> list[dict[str, Any]]:
    known = {item["type"]: item for item in before.get("conditions") or ()}
    containers = _readiness(phase, [*(item for item in init if is_sidecar(item)), *regular])
    wanted = {
        "PodReadyToStartContainers": ("True" if facts.pod_ip and not facts.over else "False", "", ""),
        "Initialized": _initialized(phase, init, regular),
        "Ready": _gated(facts.pod, containers, known),
        "ContainersReady": containers,
        "PodScheduled": ("True", "", ""),
    }
    if facts.fate is not None and facts.fate.disruption:
        wanted["DisruptionTarget"] = ("True", "TerminationByKubelet", facts.fate.message)
    if facts.resizing is not None:
        kind, reason, message = facts.resizing
        wanted[kind] = ("True", reason, message)
    others = [item for kind, item in known.items() if kind not in wanted and kind not in RESIZE_CONDITIONS]
    return others + [_condition(facts, kind, value, known.get(kind)) for kind, value in wanted.items()]


def _gated(pod: Object, containers: tuple[str, str, str], known: dict[str, Any]) -> tuple[str, str, str]:
    """Ready is what ContainersReady is, once the pod's readiness gates are True as well."""
    if containers[0] != "True":
        return containers
    problems = []
    for gate in pod["spec"].get("readinessGates") or ():
        kind = gate["conditionType"]
        if kind not in known:
            problems.append(f'corresponding condition of pod readiness gate "{kind}" does not exist.')
        elif known[kind]["status"] != "True":
            status = known[kind]["status"]
            problems.append(f'the status of pod readiness gate "{kind}" is not "True", but {status}')
    return ("False", "ReadinessGatesNotReady", ", ".join(problems)) if problems else containers


def _condition(
    facts: PodFacts, kind: str, wanted: tuple[str, str, str], known: dict[str, Any] | None
) -> dict[str, Any]:
    status, reason, message = wanted
    since = facts.now
    if known is not None and known["status"] == status:
        since = known.get("lastTransitionTime") or facts.now
    condition: dict[str, Any] = {
        "type": kind,
        "status": status,
        "lastProbeTime": None,
        "lastTransitionTime": since,
    }
    generation = facts.pod["metadata"].get("generation")
    if generation:
        condition["observedGeneration"] = generation
    if reason:
        condition["reason"] = reason
    if message:
        condition["message"] = message
    return condition


def _readiness(phase: str, regular: list[ContainerState]) -> tuple[str, str, str]:
    if phase == "Succeeded":
        return "False", "PodCompleted", ""
    if phase == "Failed":
        return "False", "PodFailed", ""
    unready = [item.name for item in regular if not item.ready]
    if not unready:
        return "True", "", ""
    return "False", "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]"


def _initialized(phase: str, init: list[ContainerState], regular: list[ContainerState]) -> tuple[str, str, str]:
    if phase == "Succeeded":
        return "True", "PodCompleted", ""
    incomplete = [item.name for item in init if not (item.started if is_sidecar(item) else _succeeded(item))]
    if not incomplete or any(item.container_id for item in regular):
        return "True", "", ""
    text = f"containers with incomplete status: [{' '.join(incomplete)}]"
    return "False", "ContainersNotInitialized", text
