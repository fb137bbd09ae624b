"""RuntimeClass: what running a pod in another way costs and where that is possible.

`plugin/pkg/admission/runtimeclass`, Kubernetes v1.36. Owns what a class adds to a new pod and which pods do not fit
theirs; the scheduler and the quotas count the overhead like any other request.
"""

from simulator.apiserver.objects import Object, at, copy_of, items_at
from simulator.quantities import parse


class RuntimeClassRefused(Exception):
    """Why the pod cannot be of the class that it names."""


def fill_pod(spec: Object, runtime_class: Object) -> None:
    """Adds the class's overhead, node selector and tolerations to a pod's spec. Raises RuntimeClassRefused."""
    overhead = at(runtime_class, "overhead.podFixed")
    if overhead:
        if not spec.get("overhead"):
            spec["overhead"] = copy_of(overhead)
        elif not _same_amounts(spec["overhead"], overhead):
            raise RuntimeClassRefused("pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
    selector = at(runtime_class, "scheduling.nodeSelector") or {}
    if selector:
        spec["nodeSelector"] = _selected(spec.get("nodeSelector") or {}, selector)
    wanted = list(items_at(runtime_class, "scheduling.tolerations"))
    if wanted:
        mine = list(items_at(spec, "tolerations"))
        spec["tolerations"] = mine + [copy_of(one) for one in wanted if one not in mine]


def check_overhead(spec: Object, runtime_class: Object | None) -> None:
    """Only a class gives a pod an overhead. Raises RuntimeClassRefused."""
    if spec.get("overhead") is not None and not at(runtime_class, "overhead.podFixed"):
        why = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
        raise RuntimeClassRefused(why)


def _selected(mine: Object, wanted: Object) -> Object:
    for key, value in wanted.items():
        if mine.get(key, value) != value:
            where = f"runtimeClass.scheduling.nodeSelector[{key}] = {value}; pod.spec.nodeSelector[{key}] = {mine[key]}"
            raise RuntimeClassRefused(f"conflict: {where}")
    return {**mine, **wanted}


def _same_amounts(one: Object, other: Object) -> bool:
    return one.keys() == other.keys() and all(parse(one[name]) == parse(other[name]) for name in one)
