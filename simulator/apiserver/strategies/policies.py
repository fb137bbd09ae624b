"""Disruption budgets, classes of priority and runtime, flow schemas (`pkg/apis/policy`, `scheduling` and `node`,
Kubernetes v1.36).
"""

from collections.abc import Iterator

from simulator.apiserver.field_errors import (
    FieldError,
    forbidden_field,
    immutable,
    invalid_value,
    unsupported,
)
from simulator.apiserver.objects import Object, name_of
from simulator.apiserver.strategies.forms import as_struct, label, label_selector, one_of
from simulator.apiserver.strategies.plain import content_generation, drop_status
from simulator.apiserver.strategies.strategy import Strategy, spec_generation
from simulator.apiserver.strategies.workload import at_most_all, number_or_percent

_HIGHEST_USER_PRIORITY = 1_000_000_000


def _validate_budget(obj: Object) -> Iterator[FieldError]:
    spec = obj["spec"]
    bounds = [one for one in ("minAvailable", "maxUnavailable") if spec.get(one) is not None]
    if len(bounds) == 2:
        shown = as_struct(spec, "minAvailable", "selector", "maxUnavailable", "unhealthyPodEvictionPolicy")
        yield invalid_value("spec", shown, "minAvailable and maxUnavailable cannot be both set")
    for one in bounds:
        yield from number_or_percent(spec[one], f"spec.{one}")
        yield from at_most_all(spec[one], f"spec.{one}")
    yield from label_selector(spec.get("selector"), "spec.selector")
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy not in (None, "IfHealthyBudget", "AlwaysAllow"):
        yield unsupported("spec.unhealthyPodEvictionPolicy", policy, ("AlwaysAllow", "IfHealthyBudget"))


def _default_priority(obj: Object) -> None:
    obj["preemptionPolicy"] = obj.get("preemptionPolicy") or "PreemptLowerPriority"


_SYSTEM_PRIORITIES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


def _validate_priority(obj: Object) -> Iterator[FieldError]:
    name = name_of(obj)
    if name.startswith("system-"):
        if _SYSTEM_PRIORITIES.get(name) != obj.get("value", 0):
            yield forbidden_field(
                "metadata.name",
                "priority class names with 'system-' prefix are reserved for system use only. "
                f"error: {name} is not a known system priority class",
            )
    elif obj.get("value", 0) > _HIGHEST_USER_PRIORITY:
        detail = f"maximum allowed value of a user defined priority is {_HIGHEST_USER_PRIORITY}"
        yield forbidden_field("value", detail)
    yield from one_of(obj["preemptionPolicy"], "preemptionPolicy", ("PreemptLowerPriority", "Never"))


def _priority_stays(new: Object, old: Object) -> Iterator[FieldError]:
    if new.get("value") != old.get("value"):
        yield forbidden_field("value", "may not be changed in an update.")
    if new.get("preemptionPolicy") != old.get("preemptionPolicy"):
        yield immutable("preemptionPolicy", new.get("preemptionPolicy"))


def _validate_runtime(obj: Object) -> Iterator[FieldError]:
    yield from label(obj.get("handler"), "handler")


def _handler_stays(new: Object, old: Object) -> Iterator[FieldError]:
    if new.get("handler") != old.get("handler"):
        yield immutable("handler", new.get("handler"))


def _default_flow_schema(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    spec["matchingPrecedence"] = spec.get("matchingPrecedence") or 1000


DISRUPTION_BUDGET = Strategy(create=drop_status, validate=_validate_budget, generation=spec_generation)
PRIORITY_CLASS = Strategy(
    default=_default_priority,
    validate=_validate_priority,
    validate_update=_priority_stays,
    generation=content_generation,
)
RUNTIME_CLASS = Strategy(validate=_validate_runtime, validate_update=_handler_stays)
FLOW_SCHEMA = Strategy(default=_default_flow_schema, create=drop_status, generation=spec_generation)
