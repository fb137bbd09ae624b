"""The pods of a Job: what they look like, and which of them go first. Pure.

After pkg/controller/job/job_controller.go (manageJob) and indexed_job_utils.go in Kubernetes v1.36.
"""

from typing import Any

from simulator.controllers.job_failures import FAILURE_COUNT, IGNORED_COUNT, failure_counts, judge
from simulator.controllers.job_indexes import INDEX_KEY, index_of, is_indexed
from simulator.controllers.pod_control import pod_from
from simulator.controllers.pods import deletion_order
from simulator.informer import Object

FINALIZER = "batch.kubernetes.io/job-tracking"
_INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
_LONGEST_GENERATED = 58


def job_pod(job: Object, index: int | None = None, *, replaced: Object | None = None) -> Object:
    """A new pod; with an index for Indexed Jobs, and then perhaps with the failed one that it replaces."""
    pod = pod_from(job, job["spec"]["template"])
    metadata = pod["metadata"]
    metadata["finalizers"] = [*metadata.get("finalizers", []), FINALIZER]
    if index is None:
        return pod
    name = job["metadata"]["name"]
    ending = f"-{index}-"
    metadata["generateName"] = name[: _LONGEST_GENERATED - len(ending)] + ending
    annotations = dict(metadata.get("annotations") or {}) | {INDEX_KEY: str(index)}
    if job["spec"].get("backoffLimitPerIndex") is not None:
        annotations |= _counts(job, replaced)
    metadata["annotations"] = annotations
    metadata["labels"] = metadata["labels"] | {INDEX_KEY: str(index)}
    pod["spec"] = _with_index(pod["spec"]) | {"hostname": f"{name}-{index}"}
    return pod


def is_tracked(pod: Object) -> bool:
    """Whether a pod's end has still to be counted."""
    return FINALIZER in (pod["metadata"].get("finalizers") or ())


def to_remove(job: Object, active: list[Object], at_least: int) -> list[Object]:
    """The active pods to delete: those with an index that is taken or makes no sense, then the least useful."""
    surplus = _repeated(job, active) if is_indexed(job) else []
    left = [pod for pod in active if pod not in surplus]
    return surplus + deletion_order(left)[: max(0, at_least - len(surplus))]


def _repeated(job: Object, active: list[Object]) -> list[Object]:
    by_index: dict[int | None, list[Object]] = {}
    for pod in active:
        by_index.setdefault(index_of(pod), []).append(pod)
    completions = job["spec"]["completions"]
    found: list[Object] = []
    for index, pods in by_index.items():
        valid = index is not None and index < completions
        found += deletion_order(pods)[: len(pods) - 1] if valid else pods
    return found


def _counts(job: Object, replaced: Object | None) -> dict[str, str]:
    counted, ignored = failure_counts(replaced) if replaced is not None else (0, 0)
    if replaced is not None:
        if judge(job, replaced).counts:
            counted += 1
        else:
            ignored += 1
    return {FAILURE_COUNT: str(counted)} | ({IGNORED_COUNT: str(ignored)} if ignored else {})


def _with_index(spec: Object) -> Object:
    variable = {
        "name": _INDEX_VARIABLE,
        "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX_KEY}']"}},
    }

    def told(container: dict[str, Any]) -> dict[str, Any]:
        present = container.get("env") or []
        if any(item["name"] == _INDEX_VARIABLE for item in present):
            return container
        return container | {"env": [*present, variable]}

    fields = [field for field in ("initContainers", "containers") if spec.get(field)]
    return spec | {field: [told(container) for container in spec[field]] for field in fields}
