"""Priority: a pod's priority is what its PriorityClass says (`plugin/pkg/admission/priority`, Kubernetes v1.36)."""

from collections.abc import Iterable

from simulator.apiserver.objects import Object, name_of


class PriorityRefused(Exception):
    """Why the pod's priority cannot be what it asks for."""


def set_priority(spec: Object, classes: Iterable[Object]) -> None:
    """Fills class, priority and preemption policy of a pod's spec. Raises PriorityRefused."""
    by_name = {name_of(one): one for one in classes}
    name = spec.get("priorityClassName")
    if not name:
        defaults = [one for one in by_name.values() if one.get("globalDefault")]
        chosen = min(defaults, key=lambda one: one.get("value", 0)) if defaults else None
        if chosen is not None:
            spec["priorityClassName"] = name_of(chosen)
    elif name not in by_name:
        raise PriorityRefused(f"no PriorityClass with name {name} was found")
    else:
        chosen = by_name[name]
    value = chosen.get("value", 0) if chosen else 0
    policy = (chosen.get("preemptionPolicy") if chosen else None) or "PreemptLowerPriority"
    if spec.get("priority") not in (None, value):
        raise PriorityRefused(
            f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; priority admission "
            f"controller computed {value} from the given PriorityClass name"
        )
    if spec.get("preemptionPolicy") not in (None, policy):
        raise PriorityRefused(
            f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided in pod spec; "
            f"priority admission controller computed {policy} from the given PriorityClass name"
        )
    spec["priority"], spec["preemptionPolicy"] = value, policy


def other_default(new: Object, classes: Iterable[Object]) -> str:
    """The class that is the default already, if `new` wants to be it too."""
    if not new.get("globalDefault"):
        return ""
    others = (name_of(one) for one in classes if one.get("globalDefault"))
    return next((name for name in others if name != name_of(new)), "")
