"""One pod in three words, as `kubectl get pods` shows it (`printPod` of `pkg/printers/internalversion`,
Kubernetes v1.36).
"""

from collections.abc import Callable

from simulator.apiserver.objects import Object, at, items_at


def pod_ready(pod: Object) -> str:
    """Ready containers of all containers."""
    ready = sum(1 for one in items_at(pod, "status.containerStatuses") if one.get("ready") and _running(one))
    return f"{ready}/{len(at(pod, 'spec.containers') or ())}"


def pod_restarts(pod: Object, ago: Callable[[str], str]) -> str:
    """Restarts of all containers, and how long ago the last of them was; `ago` words a timestamp."""
    group = "initContainerStatuses" if _initializing(pod) else "containerStatuses"
    statuses = list(items_at(pod, f"status.{group}"))
    count = sum(int(one.get("restartCount") or 0) for one in statuses)
    ends = [end for one in statuses if (end := at(one, "lastState.terminated.finishedAt"))]
    return f"{count} ({ago(max(ends))} ago)" if count and ends else str(count)


def pod_status(pod: Object) -> str:
    """The one word for the state of a pod: its phase, or what stands in the way."""
    reason = str(at(pod, "status.reason") or at(pod, "status.phase") or "")
    if at(pod, "metadata.deletionTimestamp"):
        return "Unknown" if at(pod, "status.reason") == "NodeLost" else "Terminating"
    return _initializing(pod) or _of_containers(pod, reason)


def _initializing(pod: Object) -> str:
    """ "Init:..." while an init container has not done its work; empty afterwards."""
    total = len(at(pod, "spec.initContainers") or ())
    for index, status in enumerate(items_at(pod, "status.initContainerStatuses")):
        terminated = at(status, "state.terminated")
        if terminated is not None and terminated.get("exitCode") == 0:
            continue
        if terminated is not None:
            return f"Init:{_ended(terminated)}"
        waiting = str(at(status, "state.waiting.reason") or "")
        return f"Init:{waiting}" if waiting not in ("", "PodInitializing") else f"Init:{index}/{total}"
    return ""


def _ended(terminated: Object) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _of_containers(pod: Object, reason: str) -> str:
    running = False
    for status in reversed(list(items_at(pod, "status.containerStatuses"))):
        waiting, terminated = at(status, "state.waiting.reason"), at(status, "state.terminated")
        if waiting:
            reason = str(waiting)
        elif terminated is not None:
            reason = _ended(terminated)
        elif status.get("ready") and _running(status):
            running = True
    if reason == "Completed" and running:
        conditions = {one.get("type"): one.get("status") for one in items_at(pod, "status.conditions")}
        return "Running" if conditions.get("Ready") == "True" else "NotReady"
    return reason


def _running(status: Object) -> bool:
    return at(status, "state.running") is not None
