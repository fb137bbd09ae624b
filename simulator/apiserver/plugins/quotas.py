"""ResourceQuota: what an object counts for, which quotas count it, and what a refusal says
(`k8s.io/apiserver/pkg/admission/plugin/resourcequota` and `pkg/quota/v1/evaluator/core`, Kubernetes v1.36).

Usage is computed from the objects that are there, so it is never behind. In one place that is stricter than the real
server: it enforces a quota only once the controller has filled its status.
"""

from collections.abc import Iterable
from fractions import Fraction

from simulator.apiserver.objects import Object, at, items_at, name_of
from simulator.apiserver.plugins.pod_resources import Amounts, add, pod_amounts, written
from simulator.apiserver.selectors import Requirement
from simulator.apiserver.strategies.pod import quality_of_service
from simulator.quantities import parse

_ONE = (Fraction(1), "1")
_NOTHING: Amounts = {}
_COUNTED_BY_NAME = frozenset(["configmaps", "secrets", "replicationcontrollers", "resourcequotas"])
_BARE = ("cpu", "memory", "ephemeral-storage")
_CLASS_PREFIX = ".storageclass.storage.k8s.io/"


def counted(resource: str, obj: Object) -> Amounts:
    """What an object of a resource ("pods", "deployments.apps") adds to usage, by quota name."""
    found: Amounts = {f"count/{resource}": _ONE}
    if resource == "pods":
        return found | _of_pod(obj)
    if resource == "services":
        return found | _of_service(obj)
    if resource == "persistentvolumeclaims":
        return found | _of_claim(obj)
    return found | ({resource: _ONE} if resource in _COUNTED_BY_NAME else {})


def _of_pod(pod: Object) -> Amounts:
    if at(pod, "status.phase") in ("Succeeded", "Failed"):
        return {}
    found: Amounts = {"pods": _ONE}
    requests, limits = pod_amounts(pod["spec"], "requests"), pod_amounts(pod["spec"], "limits")
    for name, amount in requests.items():
        found[f"requests.{name}"] = amount
        if name in _BARE or name.startswith("hugepages-"):
            found[name] = amount
    return found | {f"limits.{name}": amount for name, amount in limits.items()}


def _of_service(service: Object) -> Amounts:
    found: Amounts = {"services": _ONE}
    kind = at(service, "spec.type")
    ports = len(at(service, "spec.ports") or ())
    if kind == "LoadBalancer":
        found["services.loadbalancers"] = _ONE
    if kind == "NodePort" or (
        kind == "LoadBalancer" and at(service, "spec.allocateLoadBalancerNodePorts") is not False
    ):
        found["services.nodeports"] = (Fraction(ports), "1")
    return found


def _of_claim(claim: Object) -> Amounts:
    found: Amounts = {"persistentvolumeclaims": _ONE}
    size, name = at(claim, "spec.resources.requests.storage"), at(claim, "spec.storageClassName")
    if size is not None:
        found["requests.storage"] = (parse(size), size)
    if name:
        found |= {f"{name}{_CLASS_PREFIX}{one}": amount for one, amount in found.items()}
    return found


def in_scope(quota: Object, resource: str, obj: Object) -> bool:
    """Whether a quota with scopes counts the object; scopes choose among pods only."""
    scopes = [{"scopeName": one, "operator": "Exists"} for one in at(quota, "spec.scopes") or ()]
    scopes += list(items_at(quota, "spec.scopeSelector.matchExpressions"))
    if not scopes:
        return True
    return resource == "pods" and all(_matches(one, obj["spec"]) for one in scopes)


def _matches(scope: Object, spec: Object) -> bool:
    name = scope.get("scopeName")
    if name in ("Terminating", "NotTerminating"):
        return bool((spec.get("activeDeadlineSeconds") is not None) == (name == "Terminating"))
    if name in ("BestEffort", "NotBestEffort"):
        return bool((quality_of_service(spec) == "BestEffort") == (name == "BestEffort"))
    if name == "PriorityClass":
        values = frozenset(scope.get("values") or ())
        wanted = Requirement("class", str(scope.get("operator")), values)
        found = spec.get("priorityClassName")
        return wanted.matches({"class": found} if found else {})
    affinities = (at(spec, f"affinity.{one}") or {} for one in ("podAffinity", "podAntiAffinity"))
    return name == "CrossNamespacePodAffinity" and any("namespace" in str(one) for one in affinities)


def usage(quota: Object, objects: Iterable[tuple[str, Object]]) -> Amounts:
    """What a quota's resources are used to by the objects of its namespace, given with their resource."""
    hard = at(quota, "spec.hard") or {}
    used: Amounts = {name: (Fraction(0), "0") for name in hard}
    for resource, obj in objects:
        if in_scope(quota, resource, obj):
            used = add(used, {name: value for name, value in counted(resource, obj).items() if name in hard})
    return used


def unspecified(quota: Object, pod: Object) -> str:
    """Which containers do not say what the quota must count; nothing if all do."""
    missing = []
    for name in sorted(at(quota, "spec.hard") or ()):
        part, _, resource = name.rpartition(".")
        if name in _BARE:
            part, resource = "requests", name
        if part not in ("requests", "limits") or resource not in _BARE[:2]:
            continue
        names = [
            str(one.get("name"))
            for group in ("containers", "initContainers")
            for one in items_at(pod["spec"], group)
            if resource not in (at(one, f"resources.{part}") or {})
        ]
        if names:
            missing.append(f"{name} for: {','.join(sorted(names))}")
    return "; ".join(missing)


def refusal(quota: Object, added: Amounts, used: Amounts) -> str:
    """Why a quota has no room for what is added; nothing if it has."""
    hard = at(quota, "spec.hard") or {}
    over = [name for name in sorted(added) if added[name][0] > 0 and used[name][0] + added[name][0] > parse(hard[name])]
    if not over:
        return ""

    def listed(amounts: dict[str, str]) -> str:
        return ",".join(f"{name}={amounts[name]}" for name in over)

    requested = listed({name: written(added[name]) for name in over})
    now = listed({name: written(used[name]) for name in over})
    return f"exceeded quota: {name_of(quota)}, requested: {requested}, used: {now}, limited: {listed(hard)}"


def growth(resource: str, new: Object, old: Object | None) -> Amounts:
    """What a write adds to usage."""
    before = counted(resource, old) if old is not None else _NOTHING
    found = {}
    for name, (value, text) in counted(resource, new).items():
        more = value - before.get(name, (Fraction(0), ""))[0]
        if more or old is None:
            found[name] = (more, text)
    return found
